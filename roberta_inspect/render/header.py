"""The head of the page: what was inspected, how, and on which input."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.columns import Columns
from rich.table import Table
from rich.text import Text

from roberta_inspect.records import OutputMap, Weights
from roberta_inspect.render import colours, phrases
from roberta_inspect.render.blocks import Mark, Row, two_columns

NOT_READ = Mark("·", "", colours.DOUBT)
VERDICT_MARKS = {"complete": Mark("✓", "", colours.GOOD), "no-weights": NOT_READ}
INCOMPLETE = Mark("!", "", f"bold {colours.BAD}")


def header(output_map: OutputMap) -> Table:
    """Checkpoint, labels, setup, weights, input, and for texts the token at each position."""
    read = not output_map.setup.no_weights
    facts = fact_rows(phrases.header_facts(output_map), output_map.checkpoint.weights, read=read)
    return two_columns([*facts, *_tokens(output_map)])


def fact_rows(facts: Mapping[str, str], weights: Weights, *, read: bool = True) -> Iterator[Row]:
    """One row per fact. `Weights` starts with the mark of its verdict; weights that were not read
    get no tick."""
    unread = not read and weights.verdict == "complete"
    mark = NOT_READ if unread else VERDICT_MARKS.get(weights.verdict, INCOMPLETE)
    for label, words in facts.items():
        sign = [(f"{mark.sign} ", mark.style)] if label == "Weights" else []
        yield Text(label, "bold"), Text.assemble(*sign, words)


def _tokens(output_map: OutputMap) -> Iterator[Row]:
    shown, rest = phrases.first(output_map.input.tokens or (), phrases.ROWS_SHOWN, "row")
    for number, row in enumerate(shown):
        tokens = [
            Text.assemble((f"{places} ", "dim"), token) for places, token in phrases.tokens(row)
        ]
        yield Text(f"  row {number}"), Columns(tokens, padding=(0, 3, 0, 0))
    yield from ((Text(), Text(words, "dim")) for words in rest)
