"""What a diagram is drawn with: text, boxes and arrows.

Sizes are pixels at the width of a code host's page. Letters are assumed to be as wide as those of
the widest common fonts, so that text stays in its box whichever font the reader has.
"""

from __future__ import annotations

import textwrap
from typing import NamedTuple

from roberta_inspect.render.html import Html, joined, tag

SMALL, LARGE = 12, 14
"""Sizes of letters."""

LETTER = 0.56
CODE_LETTER = 0.61
"""The width of a letter, as a part of its size: of running text on average, and of code."""

LINE = 16
"""From one line of small letters to the next."""

GAP = 26
"""Between modules: room for an arrow."""

LANE = 9
"""Between vertical parts of arrows."""

INSET = 10

STACK = 6
"""How far the modules of a run stick out behind the first one."""


class Layout(NamedTuple):
    """Where things stand in a diagram of one width."""

    width: int
    modules: tuple[int, int]
    """The left and the right side of the modules; likewise for the slots."""
    slots: tuple[int, int]
    beside: bool
    """Whether the container stands beside the modules, else below them. Beside it they go from the
    bottom to the top, because what comes last in the model comes first in the container."""


WIDE = Layout(860, (16, 280), (568, 844), beside=True)
NARROW = Layout(344, (8, 276), (8, 276), beside=False)


class Area(NamedTuple):
    """A rectangle."""

    left: float
    top: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.left + self.width

    @property
    def bottom(self) -> float:
        return self.top + self.height

    def moved(self, by: float) -> Area:
        """The same rectangle further right and up."""
        return self._replace(left=self.left + by, top=self.top - by)


HEADS = {"right": "l-8 -4v8z", "left": "l8 -4v8z", "up": "l-4 8h8z", "down": "l-4 -8h8z"}
"""The head of an arrow, drawn from its point on."""


def arrow(
    start: str, end: tuple[float, float], direction: str, style: str, module: str | None = None
) -> Html:
    """A line from `start`, whose last part is a step to `end`, and its head there."""
    x, y = end
    last = x if direction in ("right", "left") else y
    line = tag("path", class_=f"arrow {style}".strip(), d=f"{start}{last:g}", data_module=module)
    head = tag("path", class_=f"head {style}".strip(), d=f"M{x:g} {y:g}{HEADS[direction]}")
    return joined(line, head)


def text(words: str, x: float, y: float, style: str, room: float, *, size: int = SMALL) -> Html:
    """A line of text, shortened to `room`. `style` starts with `code` for code; it ends in `end`
    where the text ends at `x`."""
    letter = CODE_LETTER if style.startswith("code") else LETTER
    most = max(int(room / (letter * size)), 1)
    return tag("text", fitted(words, most), x=f"{x:g}", y=f"{y:g}", class_=style)


def fitted(words: str, most: int) -> str:
    """`words` with their middle left out where they have more than `most` letters."""
    if len(words) <= most:
        return words
    return f"{words[: (most - 1) // 2]}…{words[len(words) - most // 2 :]}" if most > 2 else "…"


def wrapped(words: str, room: float, most: int = 2) -> list[str]:
    """`words` in at most so many lines of small code."""
    letters = max(int(room / (CODE_LETTER * SMALL)), 4)
    return textwrap.wrap(words, letters, max_lines=most, placeholder=" …")


def rect(area: Area, style: str, radius: int = 5) -> Html:
    """A box with round corners."""
    left, top, width, height = (f"{number:g}" for number in area)
    return tag("rect", x=left, y=top, width=width, height=height, rx=radius, class_=style)
