"""What the logits say: for each text the labels that score highest."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from roberta_inspect.records import OutputMap, Prediction, Score
from roberta_inspect.render import colours, phrases
from roberta_inspect.render.blocks import GAP, block

BAR = 20
"""Columns of the bar of probability 1."""


def predictions(of: OutputMap) -> Group:
    """Each text with its labels, the likeliest first."""
    shown, rest = phrases.first(of.predictions or (), phrases.MOST_TEXTS, "text")
    how = [Text(f"  {phrases.function(each)}", "dim") for each in shown[:1]]
    parts = [part for prediction in shown for part in _one(prediction)]
    more = [Text(f"  {words}", "dim") for words in rest]
    return block("What the logits say", *how, *parts, *more)


def _one(prediction: Prediction) -> Iterator[RenderableType]:
    ranked, rest = phrases.first(prediction.ranked, phrases.MOST_LABELS, "label")
    yield Text(f"  {phrases.text(prediction.text)}", "bold")
    grid = Table.grid(padding=GAP)
    for score in ranked:
        label = Text(f"    {phrases.name(score.label)}")
        grid.add_row(label, *(Text(each) for each in phrases.score(prediction, score)), _bar(score))
    yield grid
    yield from (Text(f"    {words}", "dim") for words in rest)


def _bar(score: Score) -> Text:
    return Text("█" * round((score.probability or 0) * BAR), colours.GOOD)
