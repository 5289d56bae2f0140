"""What differs between two maps, for the terminal, for a pull request and for a CI log."""

from __future__ import annotations

import re

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from roberta_inspect.differences.report import Difference, Report, Side
from roberta_inspect.render.github import annotation
from roberta_inspect.text import counted, safe


def differences_table(report: Report) -> RenderableType:
    """Both sides, then one paragraph per difference: what it was and is, and what that does."""
    sides = Table.grid(padding=(0, 2))
    sides.add_column(no_wrap=True, style="bold")
    sides.add_column(overflow="fold")
    sides.add_row("Left", Text(side_words(report.left)))
    sides.add_row("Right", Text(side_words(report.right)))
    if report.ok:
        return Group(sides, "", Text(f"✓ {verdict(report)}", style="green"))
    told = Table.grid(padding=(0, 2))
    told.add_column(no_wrap=True, style="red")
    told.add_column(overflow="fold")
    for difference in report.differences:
        told.add_row(Text(difference.id), _paragraph(difference))
    return Group(sides, "", Text(verdict(report), style="bold"), "", told)


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


def verdict(report: Report) -> str:
    """`Nothing differs.`, `1 difference.`, `12 differences.`"""
    if report.ok:
        return "Nothing differs."
    return f"{counted(len(report.differences), 'difference')}."


def differences_markdown(report: Report) -> str:
    """A heading, both sides and a list: for a step summary or a comment on a pull request."""
    lines = [
        f"### roberta-inspect diff: {verdict(report)}",
        "",
        f"- left: {_escaped(side_words(report.left))}",
        f"- right: {_escaped(side_words(report.right))}",
    ]
    if not report.ok:
        lines += ["", "| id | what differs | what that does |", "|---|---|---|"]
    for each in report.differences:
        likewise = f" Likewise: {'; '.join(each.also)}." if each.also else ""
        what = _escaped(f"{each.where}: {each.message}.{likewise}")
        lines.append(f"| {_escaped(each.id)} | {what} | {_escaped(each.consequence)} |")
    return "\n".join(lines) + "\n"


def differences_github(report: Report) -> str:
    """A workflow annotation per difference, or one notice that nothing differs."""
    if report.ok:
        return annotation("notice", title="roberta-inspect diff", message=verdict(report)) + "\n"
    lines = [
        annotation("error", title=f"roberta-inspect diff: {each.id}", message=each.sentence)
        for each in report.differences
    ]
    return "".join(f"{line}\n" for line in lines)


def _escaped(text: str) -> str:
    """The text as Markdown shows it: nothing of it is markup, and `|` ends no table cell."""
    return re.sub(r"([\\`*_{}\[\]<>()#!|~&@])", r"\\\1", text)
