"""What the user should know, and the verdict."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group
from rich.text import Text

from roberta_inspect.records import Finding
from roberta_inspect.render import colours, phrases
from roberta_inspect.render.blocks import LEVEL, block, two_columns


def findings_block(findings: Sequence[Finding]) -> Group:
    """One paragraph per finding: its level in the margin, its id, what it says, what to do."""
    rows = ((_level_label(finding), _finding_text(finding)) for finding in findings)
    return block("Findings", two_columns(rows))


def _level_label(finding: Finding) -> Text:
    mark = LEVEL[finding.level]
    return Text(f"  {mark.sign} {mark.word}", mark.style)


def _finding_text(finding: Finding) -> Text:
    message = phrases.sentence(finding.message)
    text = Text.assemble((phrases.name(finding.id), "bold"), ": ", message)
    if finding.hint:
        text.append("\nHint: ", colours.NAME).append(phrases.lines(finding.hint))
    return text


def verdict_line(verdict: str, *, ok: bool | None) -> Group:
    """The last line, below an empty one."""
    colour = {True: colours.GOOD, False: colours.BAD, None: colours.DOUBT}[ok]
    return Group(Text(), Text(f"{phrases.SIGN[ok]} {verdict}", f"bold {colour}"))
