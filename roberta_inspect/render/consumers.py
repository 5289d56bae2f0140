"""Who gets what: each consumer, what it returns, and what each part of that is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from roberta_inspect.records import Consumer, ConsumerReport, Part
from roberta_inspect.render import colours, phrases
from roberta_inspect.render.blocks import COLUMN_GAP, block, two_columns
from roberta_inspect.render.findings import findings_block, verdict_line
from roberta_inspect.render.github import finding_annotations
from roberta_inspect.render.header import fact_rows
from roberta_inspect.render.markdown import code_span, escaped, finding_lines, table_lines
from roberta_inspect.render.runs import Line, folded_lines
from roberta_inspect.text import counted, safe

LINES_SHOWN = 12
"""Lines shown for the parts of one consumer, after alike neighbours are folded."""

COLUMN_BREAK = "\t"
"""Separates the columns of a line while neighbours are folded."""

RISING_NUMBER = re.compile(r"(?<=[\[_])(\d+)(?=[\]\"])")
"""A number that may go up from part to part: an index, or the end of a name."""


class PartLine(NamedTuple):
    """What one line says about a part, or about a run of alike parts."""

    access: str
    identity: str
    remark: str


def consumers_table(report: ConsumerReport) -> Group:
    """What was called, one block for each consumer, the findings and the verdict."""
    facts = fact_rows(phrases.header_facts(report), report.checkpoint.weights)
    parts: list[RenderableType] = [two_columns(facts), *consumer_blocks(report.consumers)]
    if report.findings:
        parts.append(findings_block(report.findings))
    return Group(*parts, verdict_line(consumers_verdict(report), ok=report.verdict))


def consumer_blocks(consumers: Sequence[Consumer]) -> Iterator[Group]:
    """A block for each consumer: every way of calling it, and what comes back."""
    for name, group in groupby(consumers, lambda consumer: consumer.id):
        yield block(
            phrases.name(name), *(part for consumer in group for part in _consumer_lines(consumer))
        )


def _consumer_lines(consumer: Consumer) -> Iterator[RenderableType]:
    yield _indented(2, Text(phrases.sentence(consumer.title), "bold"))
    if consumer.error is not None:
        yield _indented(4, Text.assemble(("raises ", f"bold {colours.BAD}"), safe(consumer.raised)))
    elif consumer.status == "not-installed":
        yield _indented(4, Text("not called", colours.DOUBT))
    else:
        yield _indented(4, Text.assemble(("returns ", "dim"), safe(consumer.container)))
        yield _indented(4, _parts_grid(consumer.parts))
    for note in consumer.notes:
        yield _indented(4, Text(phrases.sentence(note), "dim"))
    if consumer.suggested is not None:
        yield from (_indented(4, Text(line, colours.NAME)) for line in code_lines(consumer))


def _indented(columns: int, content: RenderableType) -> RenderableType:
    return Padding(content, (0, 0, 0, columns))


def _parts_grid(parts: Sequence[Part]) -> Table:
    grid = Table.grid(padding=COLUMN_GAP)
    grid.add_column(overflow="fold")
    grid.add_column(overflow="fold")
    grid.add_column(overflow="fold", style="dim")
    lines, rest = part_lines(parts)
    for line in lines:
        grid.add_row(Text(line.access), Text(line.identity, colours.GOOD), Text(line.remark))
    for words in rest:
        grid.add_row(Text(words, "dim"))
    return grid


def part_lines(parts: Sequence[Part]) -> tuple[Sequence[PartLine], tuple[str, ...]]:
    """One line for each run of parts that differ only in numbers, and how many are left out."""
    lines = [
        PartLine(*run.line.split(COLUMN_BREAK))
        for run in folded_lines([_part_columns(part) for part in parts])
    ]
    return phrases.first(lines, LINES_SHOWN, "line")


def _part_columns(part: Part) -> Line:
    columns = (access_text(part), f"is {phrases.sentence(part.identity)}", remark(part))
    pieces = [piece for column in columns for piece in (COLUMN_BREAK, *_numbered(column))]
    return tuple(pieces[1:])


def _numbered(text: str) -> Iterator[str | int]:
    pieces = [piece for piece in RISING_NUMBER.split(text) if piece]
    for piece in pieces:
        yield int(piece) if piece.isascii() and piece.isdecimal() else piece


def access_text(part: Part) -> str:
    """How to reach a part, and the name that the graph gives it where that differs."""
    access, declared = phrases.sentence(part.access), phrases.name(part.declared or "")
    is_named = not declared or access.endswith((f".{declared}", f'["{declared}"]'))
    return access if is_named else f'{access} "{declared}"'


def remark(part: Part) -> str:
    """The shape of a part, and its difference where rounding does not explain that."""
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


def consumers_verdict(report: ConsumerReport) -> str:
    """`22 called · 3 raised · 1 not installed · 1 error: mislabelled-output · 4 warnings`."""
    counts = [
        f"{number:,} {words}"
        for status, words in (
            ("called", "called"),
            ("raised", "raised"),
            ("not-installed", "not installed"),
        )
        if (number := sum(1 for consumer in report.consumers if consumer.status == status))
    ]
    errors = [finding.id for finding in report.findings if finding.level == "error"]
    warnings = sum(1 for finding in report.findings if finding.level == "warning")
    ids = ", ".join(dict.fromkeys(map(phrases.name, errors)))
    wrong = [f"{counted(len(errors), 'error')}: {ids}"] if errors else []
    warned = [counted(warnings, "warning")] if warnings else []
    return " · ".join([*wrong, *counts, *warned])


def consumers_markdown(report: ConsumerReport) -> str:
    """One table for each consumer, and the findings."""
    sign = phrases.SIGN[report.verdict]
    lines = [f"## {sign} roberta-inspect consumers: {consumers_verdict(report)}"]
    head = [[label, escaped(words)] for label, words in phrases.header_facts(report).items()]
    lines += [*table_lines(["", ""], head), *consumer_tables(report.consumers)]
    return "\n".join([*lines, *finding_lines(report.findings)])


def consumer_tables(consumers: Iterable[Consumer]) -> Iterator[str]:
    """A heading and a table for each consumer."""
    for name, group in groupby(consumers, lambda consumer: consumer.id):
        yield f"### {escaped(phrases.name(name))}"
        cells = [
            [
                code_span(phrases.sentence(consumer.title)),
                escaped(_outcome(consumer)),
                _parts_cell(consumer),
            ]
            for consumer in group
        ]
        yield from table_lines(["called", "returns", "what it holds"], cells)


def _outcome(consumer: Consumer) -> str:
    if consumer.error is not None:
        return f"raises {safe(consumer.raised)}"
    return "not called" if consumer.status == "not-installed" else safe(consumer.container)


def _parts_cell(consumer: Consumer) -> str:
    lines, rest = part_lines(consumer.parts)
    cells = [
        f"{code_span(line.access)} {escaped(f'{line.identity} {line.remark}'.rstrip())}"
        for line in lines
    ]
    notes = [escaped(phrases.sentence(note)) for note in consumer.notes]
    return "<br>".join([*cells, *rest, *notes, *map(code_span, code_lines(consumer))])


def consumers_github(report: ConsumerReport) -> str:
    """One annotation for each finding, then one line that sums up."""
    return finding_annotations(report, consumers_verdict(report), ok=report.verdict)
