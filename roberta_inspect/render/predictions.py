"""What the logits say: for each text the labels that score highest."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from roberta_inspect.records import OutputMap, Prediction, Score
from roberta_inspect.render import phrases
from roberta_inspect.render.page import GAP, block
from roberta_inspect.text import safe

MOST_TEXTS = 8
MOST_LABELS = 5
BAR = 20
"""Columns of the bar of probability 1."""


def predictions(of: OutputMap) -> Group:
    """Each text with its labels, the likeliest first."""
    every = of.predictions or ()
    parts = [part for prediction in every[:MOST_TEXTS] for part in _one(prediction)]
    if len(every) > MOST_TEXTS:
        parts.append(Text(f"  and {len(every) - MOST_TEXTS:,} more texts", "dim"))
    how = [Text(f"  {phrases.function(every[0])}", "dim")] if every else []
    return block("What the logits say", *how, *parts)


def _one(prediction: Prediction) -> Iterator[RenderableType]:
    ranked = prediction.ranked
    yield Text(f"  {safe(prediction.text)}", "bold")
    grid = Table.grid(padding=GAP)
    for score in ranked[:MOST_LABELS]:
        label = Text(f"    {phrases.name(score.label)}")
        grid.add_row(label, *(Text(each) for each in phrases.score(prediction, score)), _bar(score))
    yield grid
    if len(ranked) > MOST_LABELS:
        yield Text(f"    and {len(ranked) - MOST_LABELS:,} more labels", "dim")


def _bar(score: Score) -> Text:
    return Text("█" * round((score.probability or 0) * BAR), "green")
