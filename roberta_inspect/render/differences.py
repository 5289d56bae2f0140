"""The differences between two maps, for a terminal, a pull request, a CI log and a notebook."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from roberta_inspect.differences.report import Difference, Report, Side
from roberta_inspect.render import colours
from roberta_inspect.text import counted, safe

DIFFERENCES_SHOWN = 500
"""Differences that the table shows; laying out twenty thousand takes half a minute."""


def differences_table(report: Report) -> RenderableType:
    """Both sides, then one paragraph per difference with its consequence."""
    sides = Table.grid(padding=(0, 2))
    sides.add_column(no_wrap=True, style="bold")
    sides.add_column(overflow="fold")
    sides.add_row("Left", Text(side_words(report.left)))
    sides.add_row("Right", Text(side_words(report.right)))
    if report.ok:
        return Group(sides, "", Text(f"✓ {differences_verdict(report)}", style=colours.GOOD))
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, style=colours.BAD)
    table.add_column(overflow="fold")
    for difference in report.differences[:DIFFERENCES_SHOWN]:
        table.add_row(Text(difference.id), _paragraph(difference))
    verdict = Text(differences_verdict(report), style="bold")
    page: list[RenderableType] = [sides, "", verdict, "", table]
    rest = len(report.differences) - DIFFERENCES_SHOWN
    if rest > 0:
        page.append(Text(f"… and {rest:,} more, which the other formats hold", style="dim"))
    return Group(*page)


def _paragraph(difference: Difference) -> Text:
    text = Text(f"{difference.where}: {difference.message}")
    text.append(f"\n→ {difference.consequence}", style="italic")
    for place in difference.also:
        text.append(f"\nlikewise: {place}", style="dim")
    return text


def side_words(side: Side) -> str:
    """`contract.json · ./my-roberta · transformers 5.23.0 · torch 2.13.0 · eager · float32`."""
    words = [
        *([] if side.file is None else [side.file]),
        side.source,
        f"transformers {side.versions.transformers}",
        f"torch {side.versions.torch}",
        f"attention {side.attention}",
        side.dtype,
    ]
    return " · ".join(safe(word) for word in words)


def differences_verdict(report: Report) -> str:
    """`Nothing differs.`, `1 difference.`, `12 differences.`"""
    if report.ok:
        return "Nothing differs."
    return f"{counted(len(report.differences), 'difference')}."


def differences_markdown(report: Report) -> str:
    """A heading, both sides and a table: for a step summary or a comment on a pull request."""
    # Imported here because `diff` should start fast.
    from roberta_inspect.render.markdown import code_span, escaped, table_lines

    mark = "✓" if report.ok else "✗"
    lines = [
        f"### {mark} roberta-inspect diff: {differences_verdict(report)}",
        "",
        f"- left: {escaped(side_words(report.left))}",
        f"- right: {escaped(side_words(report.right))}",
    ]
    rows = [
        [
            code_span(difference.id),
            escaped(_with_others(difference)),
            escaped(difference.consequence),
        ]
        for difference in report.differences
    ]
    if rows:
        lines += table_lines(["", "what differs", "what that does"], rows)
    return "\n".join(lines).rstrip() + "\n"


def _with_others(difference: Difference) -> str:
    also = f" (likewise: {'; '.join(difference.also)})" if difference.also else ""
    return f"{difference.where}: {difference.message}{also}"


def differences_github(report: Report) -> str:
    """A workflow annotation per difference, or one notice that nothing differs."""
    from roberta_inspect.render.github import annotation

    title = "roberta-inspect diff"
    lines = [
        annotation("error", title=f"{title}: {difference.id}", message=difference.sentence)
        for difference in report.differences
    ] or [annotation("notice", title=title, message=differences_verdict(report))]
    return "".join(f"{line}\n" for line in lines)


def differences_fragment(report: Report) -> str:
    """Both sides and a table, for a notebook."""
    from roberta_inspect.render.html import tag
    from roberta_inspect.render.page import parts

    sides = parts.fact_list({"left": side_words(report.left), "right": side_words(report.right)})
    rows = [
        [
            parts.row_head(parts.code(difference.id)),
            parts.cell(_with_others(difference)),
            parts.cell(difference.consequence),
        ]
        for difference in report.differences
    ]
    heads = ["", "what differs", "what that does"]
    table = parts.table(heads, rows, name="Differences") if rows else None
    verdict_line = tag("p", tag("b", "✓ " if report.ok else "✗ "), differences_verdict(report))
    return tag("div", verdict_line, sides, table)
