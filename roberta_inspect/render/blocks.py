"""What the blocks on a terminal share: headings, the two columns, and the marks of outcomes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from roberta_inspect.records import Level, Status
from roberta_inspect.render import colours

LABEL_WIDTH = 17
"""Columns of the left side: wide enough for `· not tested` and `past_key_values`."""

LABEL_MAX = 24

COLUMN_GAP = (0, 2, 0, 0)
"""Two empty columns on the right of each column of a grid."""

Row: TypeAlias = tuple[Text, RenderableType]
"""A label and what is said about it."""


class Mark(NamedTuple):
    """How an outcome is shown: a sign and a word, so that colour is not the only carrier."""

    sign: str
    word: str
    style: str


STATUS: dict[Status, Mark] = {
    "proved": Mark("✓", "proved", colours.GOOD),
    "refuted": Mark("✗", "refuted", f"bold {colours.BAD}"),
    "not-tested": Mark("·", "not tested", colours.DOUBT),
}
REFUTED_FIRST: tuple[Status, ...] = ("refuted", "proved", "not-tested")
LEVEL: dict[Level, Mark] = {
    "error": Mark("✗", "error", f"bold {colours.BAD}"),
    "warning": Mark("!", "warning", colours.DOUBT),
    "note": Mark("·", "note", colours.NAME),
}


def two_columns(pairs: Iterable[Row]) -> Table:
    """A column of labels and a column of what is said about them, which wraps under itself."""
    grid = Table.grid(padding=COLUMN_GAP, pad_edge=False)
    grid.add_column(min_width=LABEL_WIDTH, max_width=LABEL_MAX, overflow="fold")
    grid.add_column(overflow="fold")
    for label, content in pairs:
        grid.add_row(label, content)
    return grid


def block(title: str, *parts: RenderableType) -> Group:
    """A heading, what belongs to it, and an empty line before both."""
    return Group(Text(), Text(title, style="bold underline"), *parts)


SIDE_BY_SIDE = 100
"""Columns from which a remark stands beside its sentence."""

SENTENCE_WIDTH = 56
"""Columns of a sentence with its remark beside it: the same everywhere, so that they line up."""


class Remark:
    """A sentence with a dimmer remark: in a column of its own where there is room, else below."""

    def __init__(self, sentence: Text, remark: Text) -> None:
        self.sentence = sentence
        self.remark = remark

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if options.max_width < SIDE_BY_SIDE:
            together = Text("   ").join([self.sentence, self.remark])
            fits = together.cell_len <= options.max_width
            yield together if fits else Text("\n").join([self.sentence, self.remark])
            return
        grid = Table.grid(padding=COLUMN_GAP)
        grid.add_column(width=SENTENCE_WIDTH, overflow="fold")
        grid.add_column(overflow="fold")
        grid.add_row(self.sentence, self.remark)
        yield grid

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(1, options.max_width)
