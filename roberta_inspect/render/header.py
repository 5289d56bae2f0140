"""The head of the page: what was inspected, how, and what it was given."""

from __future__ import annotations

from collections.abc import Iterator

from rich.columns import Columns
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from roberta_inspect.records import OutputMap
from roberta_inspect.render import phrases
from roberta_inspect.render.page import Mark, rows

MOST_ROWS = 4
"""Rows of the input whose tokens are shown."""

VERDICT = {
    "complete": Mark("✓", "", "green"),
    "no-weights": Mark("·", "", "yellow"),
}
DOUBT = Mark("!", "", "bold red")


def header(of: OutputMap) -> Table:
    """Checkpoint, labels, setup, weights, input, and for texts the token at each position."""
    mark = VERDICT.get(of.checkpoint.weights.verdict, DOUBT)
    weights = Text.assemble((f"{mark.sign} ", mark.style), phrases.weights(of.checkpoint.weights))
    pairs: list[tuple[str, RenderableType]] = [
        ("Checkpoint", Text(phrases.checkpoint(of.checkpoint))),
        ("Labels", Text(phrases.labels(of.checkpoint))),
        ("Setup", Text(phrases.setup(of))),
        ("Weights", weights),
        ("Input", Text(phrases.given(of.input))),
        *_tokens(of),
    ]
    return rows(
        (Text(label, "bold" if label[0] != " " else ""), content) for label, content in pairs
    )


def _tokens(of: OutputMap) -> Iterator[tuple[str, RenderableType]]:
    every = of.input.tokens or ()
    for number, row in enumerate(every[:MOST_ROWS]):
        told = [_position(token) for token in phrases.tokens(row)]
        yield f"  row {number}", Columns(told, padding=(0, 3, 0, 0))
    if len(every) > MOST_ROWS:
        yield "", Text(f"and {len(every) - MOST_ROWS:,} more rows", "dim")


def _position(told: str) -> Text:
    """`0 <s>`, the number dimmed."""
    number, _, token = told.rpartition(" ")
    return Text.assemble((f"{number} ", "dim"), token)
