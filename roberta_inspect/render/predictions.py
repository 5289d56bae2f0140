"""What the logits say: for each text the labels that score highest."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from roberta_inspect.records import OutputMap, Prediction, Score
from roberta_inspect.render import colours, phrases
from roberta_inspect.render.blocks import COLUMN_GAP, block

BAR = 20
"""Columns of the bar of probability 1."""


def predictions(output_map: OutputMap) -> Group:
    """Each text with its labels, the likeliest first."""
    shown, rest = phrases.first(output_map.predictions or (), phrases.TEXTS_SHOWN, "text")
    how = [_line(phrases.function(prediction), "dim") for prediction in shown[:1]]
    doubts = [_line(words, "bold red") for words in phrases.doubts(output_map)]
    parts = [part for prediction in shown for part in _prediction_lines(prediction)]
    more = [_line(words, "dim") for words in rest]
    return block("What the logits say", *doubts, *how, *parts, *more)


def _line(words: str, style: str) -> Padding:
    return Padding.indent(Text(words, style), 2)


def _prediction_lines(prediction: Prediction) -> Iterator[RenderableType]:
    ranked, rest = phrases.first(phrases.ranked(prediction), phrases.LABELS_SHOWN, "label")
    yield _line(phrases.text_or_pair(prediction.text), "bold")
    grid = Table.grid(padding=COLUMN_GAP)
    for name, score in ranked:
        label = Text(f"    {phrases.name(name)}")
        grid.add_row(label, *map(Text, phrases.score_texts(prediction, score)), _bar(score))
    yield grid
    yield from (Text(f"    {words}", "dim") for words in rest)


def _bar(score: Score) -> Text:
    return Text("█" * round((score.probability or 0) * BAR), colours.GOOD)
