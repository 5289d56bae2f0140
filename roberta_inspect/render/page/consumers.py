"""The page of the consumers: who gets what, and what each part of it is."""

from __future__ import annotations

from collections.abc import Sequence

from roberta_inspect.records import Consumer, ConsumerReport, Suggested
from roberta_inspect.render import phrases
from roberta_inspect.render.html import Html, joined, tag
from roberta_inspect.render.page import parts
from roberta_inspect.text import safe

PARTS_SHOWN = 60
"""Parts shown of one consumer; the graph of a large model has one for each layer."""


def consumers_section(consumers: Sequence[Consumer]) -> Html | None:
    """One table per consumer, for the page of a map too; `None` without consumers."""
    if not consumers:
        return None
    return parts.section("Who gets what", *map(_consumer, consumers))


def _consumer(consumer: Consumer) -> Html:
    shown, rest = phrases.first(consumer.parts, PARTS_SHOWN, "part")
    lines = [
        [
            parts.row_head(parts.code(safe(part.access))),
            parts.cell(parts.code(phrases.name(part.declared)) if part.declared else None),
            parts.cell(phrases.sentence(part.identity)),
            parts.cell("" if part.shape is None else f"({', '.join(map(str, part.shape))})"),
        ]
        for part in shown
    ]
    lines += [[parts.row_head(words)] for words in rest]
    heads = ["reached as", "declared as", "is", "shape"]
    returned = f" returns {safe(consumer.container)}" if consumer.container else ""
    error = consumer.error
    failure = error and f"raised {safe(error.type)}: {phrases.sentence(error.message)}"
    return joined(
        tag("h3", phrases.sentence(consumer.title), returned),
        tag("p", failure, class_="bad") if failure else None,
        parts.table(heads, lines, name=phrases.name(consumer.id)) if lines else None,
        *(tag("p", phrases.sentence(note), class_="hint") for note in consumer.notes),
        _suggested_names(consumer.suggested),
    )


def _suggested_names(suggested: Suggested | None) -> Html | None:
    """The names that the outputs of a graph should have."""
    if suggested is None:
        return None
    names = [parts.code(phrases.name(name)) for name in suggested.output_names]
    return tag("p", "output_names: ", joined(*names, between=", "))


def consumers_page(report: ConsumerReport) -> str:
    """The report as a page of its own."""
    source = report.checkpoint.source
    raised = sum(consumer.status == "raised" for consumer in report.consumers)
    verdict = f"{len(report.consumers)} consumers, {raised} raised"
    return parts.document(
        f"roberta-inspect consumers: {safe(source)}",
        parts.heading("Who gets what", source, verdict, ok=report.verdict),
        tag("main", parts.findings_section(report.findings), consumers_section(report.consumers)),
    )


def consumers_fragment(report: ConsumerReport) -> str:
    """The report for a notebook."""
    return tag("div", parts.findings_section(report.findings), consumers_section(report.consumers))
