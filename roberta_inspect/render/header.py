"""The head of the page: what was inspected, how, and what it was given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.columns import Columns
from rich.table import Table
from rich.text import Text

from roberta_inspect.records import OutputMap, Weights
from roberta_inspect.render import colours, phrases
from roberta_inspect.render.blocks import Mark, Row, rows

NOT_READ = Mark("·", "", colours.DOUBT)
VERDICT = {"complete": Mark("✓", "", colours.GOOD), "no-weights": NOT_READ}
DOUBT = Mark("!", "", f"bold {colours.BAD}")


def header(of: OutputMap) -> Table:
    """Checkpoint, labels, setup, weights, input, and for texts the token at each position."""
    read = not of.setup.no_weights
    return rows([*facts(phrases.head(of), of.checkpoint.weights, read=read), *_tokens(of)])


def facts(told: Mapping[str, str], weights: Weights, *, read: bool = True) -> Iterator[Row]:
    """A row for each of them; `Weights` has the mark of the verdict before it, which is no tick
    where nothing was read."""
    unread = not read and weights.verdict == "complete"
    mark = NOT_READ if unread else VERDICT.get(weights.verdict, DOUBT)
    for label, words in told.items():
        sign = [(f"{mark.sign} ", mark.style)] if label == "Weights" else []
        yield Text(label, "bold"), Text.assemble(*sign, words)


def _tokens(of: OutputMap) -> Iterator[Row]:
    shown, rest = phrases.first(of.input.tokens or (), phrases.MOST_ROWS, "row")
    for number, row in enumerate(shown):
        told = [
            Text.assemble((f"{places} ", "dim"), token) for places, token in phrases.tokens(row)
        ]
        yield Text(f"  row {number}"), Columns(told, padding=(0, 3, 0, 0))
    yield from ((Text(), Text(words, "dim")) for words in rest)
