"""What the user should know, and the verdict."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group
from rich.text import Text

from roberta_inspect.records import Finding, OutputMap
from roberta_inspect.render import colours, phrases
from roberta_inspect.render.blocks import LEVEL, block, rows


def findings(of: Sequence[Finding]) -> Group:
    """One paragraph per finding: its level in the margin, its id, what it says, what to do."""
    return block("Findings", rows((_label(each), _told(each)) for each in of))


def _label(finding: Finding) -> Text:
    mark = LEVEL[finding.level]
    return Text(f"  {mark.sign} {mark.word}", mark.style)


def _told(finding: Finding) -> Text:
    told = Text.assemble(
        (phrases.name(finding.id), "bold"), ": ", phrases.sentence(finding.message)
    )
    if finding.hint:
        told.append_text(
            Text.assemble("\n", ("Hint: ", colours.NAME), phrases.sentence(finding.hint))
        )
    return told


def verdict(of: OutputMap) -> Group:
    """The last line: the counts of proofs and findings."""
    sign, style = ("✓", f"bold {colours.GOOD}") if of.ok else ("✗", f"bold {colours.BAD}")
    return Group(Text(), Text(f"{sign} {phrases.verdict(of)}", style))
