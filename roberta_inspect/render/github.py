"""Workflow commands of GitHub Actions: findings become annotations.

The format and its escapes are those of "Workflow commands for GitHub Actions" in GitHub's
documentation.
"""

from __future__ import annotations

from roberta_inspect.records import ConsumerReport, Finding, Level, OutputMap
from roberta_inspect.render import phrases
from roberta_inspect.text import safe

COMMAND: dict[Level, str] = {"error": "error", "warning": "warning", "note": "notice"}

IN_MESSAGE = {"%": "%25", "\r": "%0D", "\n": "%0A"}
IN_PROPERTY = {**IN_MESSAGE, ":": "%3A", ",": "%2C"}


def map_github(output_map: OutputMap) -> str:
    """One annotation per finding, then one line that sums up."""
    return finding_annotations(output_map, phrases.map_verdict(output_map), ok=output_map.ok)


def finding_annotations(
    product: OutputMap | ConsumerReport, verdict: str, *, ok: bool | None
) -> str:
    """One for each finding, then one line with the verdict."""
    lines = [
        annotation(COMMAND[finding.level], title=finding.id, message=_message(finding))
        for finding in product.findings
    ]
    # The runner takes `##[…]`, the older form of a command, anywhere in a line.
    line = f"{phrases.SIGN[ok]} roberta-inspect: {safe(product.checkpoint.source)}: {verdict}"
    lines.append(line.replace("##[", "## ["))
    return "".join(f"{line}\n" for line in lines)


def _message(finding: Finding) -> str:
    message = phrases.sentence(finding.message)
    return f"{message}\nHint: {phrases.lines(finding.hint)}" if finding.hint else message


def annotation(command: str, *, title: str, message: str) -> str:
    """`::error title=…::…`, escaped as the format wants."""
    escaped_title = "".join(IN_PROPERTY.get(letter, letter) for letter in phrases.name(title))
    escaped_message = "".join(IN_MESSAGE.get(letter, letter) for letter in message)
    return f"::{command} title={escaped_title}::{escaped_message}"
