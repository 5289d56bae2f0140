"""Workflow commands of GitHub Actions: findings become annotations.

The format and its escapes are those of "Workflow commands for GitHub Actions" in GitHub's
documentation.
"""

from __future__ import annotations

from collections.abc import Sequence

from roberta_inspect.records import Finding, Level, OutputMap
from roberta_inspect.render import phrases
from roberta_inspect.text import safe

COMMAND: dict[Level, str] = {"error": "error", "warning": "warning", "note": "notice"}

IN_MESSAGE = {"%": "%25", "\r": "%0D", "\n": "%0A"}
IN_PROPERTY = {**IN_MESSAGE, ":": "%3A", ",": "%2C"}


def map_github(of: OutputMap) -> str:
    """One annotation per finding, then one line that sums up."""
    mark = "✓" if of.ok else "✗"
    line = f"{mark} roberta-inspect: {safe(of.checkpoint.source)}: {phrases.verdict(of)}"
    return "".join(f"{each}\n" for each in [*of_findings(of.findings), plain_line(line)])


def of_findings(findings: Sequence[Finding]) -> list[str]:
    """One for each finding."""
    return [
        annotation(COMMAND[each.level], title=each.id, message=_message(each)) for each in findings
    ]


def _message(finding: Finding) -> str:
    message = phrases.sentence(finding.message)
    return f"{message}\nHint: {phrases.lines(finding.hint)}" if finding.hint else message


def annotation(command: str, *, title: str, message: str) -> str:
    """`::error title=…::…`, escaped as the format wants."""
    escaped = "".join(IN_PROPERTY.get(each, each) for each in phrases.name(title))
    told = "".join(IN_MESSAGE.get(each, each) for each in message)
    return f"::{command} title={escaped}::{told}"


def plain_line(line: str) -> str:
    """A line that the runner takes for no command: the older form, `##[…]`, counts anywhere."""
    return line.replace("##[", "## [")
