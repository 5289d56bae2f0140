"""Who gets what: each consumer, what it returns, and what each part of that is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from roberta_inspect.records import Consumer, ConsumerReport, Part
from roberta_inspect.render import colours, phrases
from roberta_inspect.render.blocks import GAP, block
from roberta_inspect.render.findings import findings
from roberta_inspect.render.runs import Line, folded
from roberta_inspect.text import counted, safe

MOST_LINES = 12
"""Lines on the parts of one row, neighbours folded."""

BETWEEN = "\t"
"""Between the columns of a line, while neighbours are folded."""

NUMBER = re.compile(r"(?<=[\[_])(\d+)(?=[\]\"])")
"""A number that may go up from part to part: an index, or the end of a name."""


class Told(NamedTuple):
    """What one line says of a part, or of neighbours that are alike."""

    access: str
    identity: str
    remark: str


def consumers_table(report: ConsumerReport) -> Group:
    """What was called, one block for each consumer, the findings and the verdict."""
    from roberta_inspect.render.blocks import rows
    from roberta_inspect.render.header import facts

    parts: list[RenderableType] = [rows(facts(phrases.head(report), report.checkpoint.weights))]
    parts += consumer_blocks(report.consumers)
    if report.findings:
        parts.append(findings(report.findings))
    sign, style = ("✓", f"bold {colours.GOOD}") if report.ok else ("✗", f"bold {colours.BAD}")
    return Group(*parts, Text(), Text(f"{sign} {verdict(report)}", style))


def consumer_blocks(consumers: Sequence[Consumer]) -> Iterator[Group]:
    """A block for each consumer: every way of calling it, and what comes back."""
    for name, group in groupby(consumers, lambda consumer: consumer.id):
        yield block(phrases.name(name), *(part for each in group for part in _row(each)))


def _row(consumer: Consumer) -> Iterator[RenderableType]:
    yield _indented(2, Text(phrases.sentence(consumer.title), "bold"))
    if consumer.error is not None:
        yield _indented(4, Text.assemble(("raises ", f"bold {colours.BAD}"), safe(consumer.raised)))
    elif consumer.status == "not-installed":
        yield _indented(4, Text("not called", colours.DOUBT))
    else:
        yield _indented(4, Text.assemble(("returns ", "dim"), safe(consumer.container)))
        yield _indented(4, _parts(consumer.parts))
    for note in consumer.notes:
        yield _indented(4, Text(phrases.sentence(note), "dim"))
    if consumer.suggested is not None:
        yield from (_indented(4, Text(line, colours.NAME)) for line in code_lines(consumer))


def _indented(columns: int, what: RenderableType) -> RenderableType:
    from rich.padding import Padding

    return Padding(what, (0, 0, 0, columns))


def _parts(parts: Sequence[Part]) -> Table:
    grid = Table.grid(padding=GAP)
    grid.add_column(overflow="fold")
    grid.add_column(overflow="fold")
    grid.add_column(overflow="fold", style="dim")
    lines, rest = told(parts)
    for line in lines:
        grid.add_row(Text(line.access), Text(line.identity, colours.GOOD), Text(line.remark))
    for words in rest:
        grid.add_row(Text(words, "dim"))
    return grid


def told(parts: Sequence[Part]) -> tuple[Sequence[Told], tuple[str, ...]]:
    """One line for each run of parts that differ in numbers alone, and how many are left out."""
    lines = [Told(*run.line.split(BETWEEN)) for run in folded([_line(part) for part in parts])]
    return phrases.first(lines, MOST_LINES, "line")


def _line(part: Part) -> Line:
    columns = (reached(part), f"is {phrases.sentence(part.identity)}", remark(part))
    pieces = [piece for column in columns for piece in (BETWEEN, *_numbered(column))]
    return tuple(pieces[1:])


def _numbered(text: str) -> Iterator[str | int]:
    pieces = [piece for piece in NUMBER.split(text) if piece]
    for piece in pieces:
        yield int(piece) if piece.isascii() and piece.isdecimal() else piece


def reached(part: Part) -> str:
    """How to reach it, and the name that the graph has for it, where that is another."""
    access, declared = phrases.sentence(part.access), phrases.name(part.declared or "")
    known = not declared or access.endswith((f".{declared}", f'["{declared}"]'))
    return access if known else f'{access} "{declared}"'


def remark(part: Part) -> str:
    """Its shape, and by how much it is off where rounding does not explain it."""
    if part.is_empty:
        return "holds nothing, and takes an index"
    shape = "" if not part.shape else f"({', '.join(f'{size:,}' for size in part.shape)})"
    off = f"off by {part.difference:.1e}" if part.is_off else ""
    wrong = "not what its name says" if part.is_mislabelled else ""
    return ", ".join(word for word in (shape, off, wrong) if word)


def code_lines(consumer: Consumer) -> tuple[str, ...]:
    """The names that its outputs should have, as keyword arguments of `torch.onnx.export`."""
    if consumer.suggested is None:
        return ()
    names = [safe(name) for name in consumer.suggested.output_names]
    axes = {
        safe(name): {int(axis): safe(word) for axis, word in words.items()}
        for name, words in consumer.suggested.dynamic_shapes.items()
    }
    return f"output_names={_python(names)}", f"dynamic_shapes={_python(axes)}"


def _python(value: object) -> str:
    return repr(value).replace("'", '"')


def verdict(report: ConsumerReport) -> str:
    """`22 called · 3 raised · 1 not installed · 1 error: mislabelled-output · 4 warnings`."""
    counts = [
        f"{number:,} {words}"
        for status, words in (
            ("called", "called"),
            ("raised", "raised"),
            ("not-installed", "not installed"),
        )
        if (number := sum(1 for each in report.consumers if each.status == status))
    ]
    errors = [each.id for each in report.findings if each.level == "error"]
    warnings = sum(1 for each in report.findings if each.level == "warning")
    ids = ", ".join(dict.fromkeys(map(phrases.name, errors)))
    wrong = [f"{counted(len(errors), 'error')}: {ids}"] if errors else []
    warned = [counted(warnings, "warning")] if warnings else []
    return " · ".join([*wrong, *counts, *warned])


def consumers_markdown(report: ConsumerReport) -> str:
    """One table for each consumer, and the findings."""
    from roberta_inspect.render.markdown import escaped, finding_lines, table

    mark = "✓" if report.ok else "✗"
    lines = [f"## {mark} roberta-inspect consumers: {verdict(report)}"]
    head = [[label, escaped(words)] for label, words in phrases.head(report).items()]
    lines += [*table(["", ""], head), *consumer_tables(report.consumers)]
    return "\n".join([*lines, *finding_lines(report.findings)])


def consumer_tables(consumers: Iterable[Consumer]) -> Iterator[str]:
    """A heading and a table for each consumer."""
    from roberta_inspect.render.markdown import code, escaped, table

    for name, group in groupby(consumers, lambda consumer: consumer.id):
        yield f"### {escaped(phrases.name(name))}"
        cells = [
            [code(phrases.sentence(each.title)), escaped(_outcome(each)), _cell(each)]
            for each in group
        ]
        yield from table(["called", "returns", "what it holds"], cells)


def _outcome(consumer: Consumer) -> str:
    if consumer.error is not None:
        return f"raises {safe(consumer.raised)}"
    return "not called" if consumer.status == "not-installed" else safe(consumer.container)


def _cell(consumer: Consumer) -> str:
    from roberta_inspect.render.markdown import code, escaped

    lines, rest = told(consumer.parts)
    cells = [
        f"{code(line.access)} {escaped(f'{line.identity} {line.remark}'.rstrip())}"
        for line in lines
    ]
    notes = [escaped(phrases.sentence(note)) for note in consumer.notes]
    return "<br>".join([*cells, *rest, *notes, *map(code, code_lines(consumer))])


def consumers_github(report: ConsumerReport) -> str:
    """One annotation for each finding, then one line that sums up."""
    from roberta_inspect.render.github import of_findings, plain_line

    mark = "✓" if report.ok else "✗"
    line = f"{mark} roberta-inspect: {safe(report.checkpoint.source)}: {verdict(report)}"
    return "".join(f"{each}\n" for each in [*of_findings(report.findings), plain_line(line)])
