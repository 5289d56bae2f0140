"""The page of the consumers: who gets what, and what each part of it is."""

from __future__ import annotations

from collections.abc import Sequence

from roberta_inspect.records import Consumer, ConsumerReport, Suggested
from roberta_inspect.render import phrases
from roberta_inspect.render.html import Html, joined, tag
from roberta_inspect.render.page import parts
from roberta_inspect.text import safe

MOST_PARTS = 60
"""Parts of one consumer that are shown: a graph of a large model has one for each layer."""


def consumers(rows: Sequence[Consumer]) -> Html | None:
    """One table per consumer, for the page of a map too; nothing where there is none."""
    if not rows:
        return None
    return parts.section("Who gets what", *map(_consumer, rows))


def _consumer(of: Consumer) -> Html:
    shown, rest = phrases.first(of.parts, MOST_PARTS, "part")
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
    returned = f" returns {safe(of.container)}" if of.container else ""
    failure = of.error and f"raised {safe(of.error.type)}: {phrases.sentence(of.error.message)}"
    return joined(
        tag("h3", phrases.sentence(of.title), returned),
        tag("p", failure, class_="bad") if failure else None,
        parts.table(heads, lines, name=phrases.name(of.id)) if lines else None,
        *(tag("p", phrases.sentence(note), class_="hint") for note in of.notes),
        _suggested(of.suggested),
    )


def _suggested(of: Suggested | None) -> Html | None:
    """The names that the outputs of a graph should have."""
    if of is None:
        return None
    names = joined(*(parts.code(phrases.name(name)) for name in of.output_names), between=", ")
    return tag("p", "output_names: ", names)


def consumers_page(of: ConsumerReport) -> str:
    """The report as a page of its own."""
    source = of.checkpoint.source
    raised = sum(row.status == "raised" for row in of.consumers)
    verdict = f"{len(of.consumers)} consumers, {raised} raised"
    return parts.document(
        f"roberta-inspect consumers: {safe(source)}",
        parts.heading("Who gets what", source, verdict, ok=of.ok),
        tag("main", parts.findings(of.findings), consumers(of.consumers)),
    )


def fragment(of: ConsumerReport) -> str:
    """The report for a notebook."""
    return tag("div", parts.findings(of.findings), consumers(of.consumers))
