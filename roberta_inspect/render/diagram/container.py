"""The right side of a diagram: what one call returned, each slot with its arrows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from roberta_inspect.records import Call, OutputMap
from roberta_inspect.render import phrases
from roberta_inspect.render.diagram import scene
from roberta_inspect.render.diagram.ink import (
    CODE_LETTER,
    LANE,
    LARGE,
    LINE,
    SMALL,
    Area,
    arrow,
    rect,
    text,
    wrapped,
)
from roberta_inspect.render.diagram.modules import ModuleColumn
from roberta_inspect.render.diagram.scene import FORWARD, Box, Row
from roberta_inspect.render.html import Attribute, Html, joined, tag

NUMBER = 44
"""The width of a slot's index."""

WORDS = NUMBER + 8
"""From the left of a slot to its words."""


class Target(NamedTuple):
    """Where an arrow ends: a row of a slot, at this height."""

    box: Box
    row: Row
    source: str
    y: float


@dataclass
class Container:
    """One call: how it is written, what came back, and its slots."""

    of: OutputMap
    call: Call
    modules: ModuleColumn
    key: str
    """What the call is called in the markup."""
    slots: list[tuple[Box, Html]] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    bottom: float = 0

    def __post_init__(self) -> None:
        self.form = self.modules.form
        self.left, self.right = self.form.slots
        self.head, top = self._head(16.0 if self.form.beside else self.modules.bottom + 30)
        for box in scene.boxes(self.of, self.call):
            markup, self.bottom = self._slot(box, top)
            self.slots.append((box, markup))
            top = self.bottom + 12
        self.bottom = max(self.bottom, top)

    def _head(self, top: float) -> tuple[list[Html], float]:
        """The call as it is written and the container that it returned; then where they end."""
        start = self.form.modules[0] if self.form.beside else self.left
        room = self.form.width - 2 * start
        lines = wrapped(phrases.code(self.call), room, most=4)
        drawn = [
            text(line, start, top + 10 + LINE * number, "code written", room)
            for number, line in enumerate(lines)
        ]
        top += LINE * len(lines) + (24 if self.form.beside else 18)
        failed, told = self._told()
        style, width = " refuted" if failed else "", self.right - self.left
        returned = f"→ {scene.container(self.call)}"
        drawn.append(text(returned, self.left, top, f"code name{style}", width, size=LARGE))
        for line in [line for words in told for line in wrapped(words, width, most=3)]:
            top += LINE
            drawn.append(text(line, self.left, top, f"code{style or ' dim'}", width))
        return drawn, top + 14

    def _told(self) -> tuple[bool, list[str]]:
        """Whether the call raised or something about all of it is refuted, and what to say."""
        proofs = self.of.proofs_of("outputs")
        refuted = scene.refuted(proofs)
        failures = [self.call.error.message] if self.call.error else []
        told = [*map(phrases.sentence, failures), scene.tally(proofs), refuted or ""]
        return bool(failures or refuted), told

    def _slot(self, box: Box, top: float) -> tuple[Html, float]:
        """One slot, and where it ends."""
        x, room = self.left + WORDS, self.right - self.left - WORDS - 8
        gone = " gone" if box.state != "full" else ""
        index = text(box.index or "–", self.left + NUMBER / 2, top + 21, "index", 44, size=LARGE)
        drawn = [
            index,
            text(box.name, x, top + 20, f"code name{gone}", room, size=LARGE),
            text(box.holds, x, top + 37, "code dim", room),
        ]
        y = top + 37
        for line in [line for words in box.told for line in wrapped(words, room, most=4)]:
            y += LINE
            drawn.append(text(line, x, y, "code refuted" if box.refuted else "code dim", room))
        for row in box.rows:
            markup, at, y = self._row(row, top, y)
            drawn += markup
            if row.source in self.modules.areas:
                self.targets.append(Target(box, row, row.source or FORWARD, at))
        area = Area(self.left, top, self.right - self.left, y + 11 - top)
        style = f"slot {box.state}" + (" refuted" if box.refuted else "")
        number = rect(area._replace(width=NUMBER), f"number {box.state}")
        return joined(rect(area, f"{style} back"), number, rect(area, style), *drawn), area.bottom

    def _row(self, row: Row, top: float, y: float) -> tuple[list[Html], float, float]:
        """A row below `y` of the slot at `top`, the height at which an arrow ends, and its end."""
        x, room = self.left + WORDS, self.right - self.left - WORDS - 8
        shape, drawn, at = self._shape(row), [], top + 26
        if row.indices:
            y += max(LINE * len(shape) + 6, 22) if self.form.beside else 22
            at = y - 4
            after = x + (len(row.indices) + 1) * CODE_LETTER * SMALL
            drawn.append(text(row.indices, x, y, "code", room))
            if row.remark:
                drawn.append(text(row.remark, after, y, "code dim", self.right - after - 8))
        if not self.form.beside:
            for line in shape:
                y += LINE
                drawn.append(text(line, x, y, "code dim", room))
        return drawn, at, y

    def _shape(self, row: Row) -> list[str]:
        """The words on an arrow, or where there is no room beside the modules in the slot."""
        beside = self.form.slots[0] - self.form.modules[1] - 70
        return wrapped(row.words, beside if self.form.beside else 208, most=3)

    def arrows(self) -> Mapping[str, list[Html]]:
        """Name of a slot → the arrows that lead to it, each in a lane of its own."""
        leaving = self._leaving()
        lanes = self._lanes(leaving)
        drawn: dict[str, list[Html]] = {}
        for target, start in leaving.items():
            style = "made" if target.source == FORWARD else ""
            style += " refuted" if target.box.refuted else ""
            lane = self.form.modules[1] + 16 + LANE * lanes.index(target)
            side = self.modules.areas[target.source].right
            path = f"M{side:g} {start:g}H{lane:g}V{target.y:g}H"
            end, way = (self.left - 3, "right") if self.form.beside else (self.right + 3, "left")
            own = drawn.setdefault(target.box.name, [])
            own += [arrow(path, (end, target.y), way, style), *self._label(target)]
        return drawn

    def _label(self, target: Target) -> Iterator[Html]:
        lines = self._shape(target.row) if self.form.beside else []
        for number, line in enumerate(reversed(lines)):
            yield text(line, self.left - 14, target.y - 5 - 14 * number, "code shape end", 236)

    def _leaving(self) -> dict[Target, float]:
        """Where each arrow leaves its module: apart from the others of that module."""
        areas = self.modules.areas
        leaving = {}
        for area in dict.fromkeys(areas[target.source] for target in self.targets):
            own = [target for target in self.targets if areas[target.source] == area]
            top, bottom = self.modules.free_side(area)
            for number, target in enumerate(own, start=1):
                leaving[target] = top + (bottom - top) * number / (len(own) + 1)
        return leaving

    def _lanes(self, leaving: Mapping[Target, float]) -> list[Target]:
        """The arrows in the order of their lanes, from the left: of those that go up the topmost
        first, of those that go down the lowest, so that no two of a kind cross."""
        up = [target for target in leaving if target.y < leaving[target] and self.form.beside]
        down = [target for target in leaving if target not in up]
        return [
            *sorted(up, key=lambda target: leaving[target]),
            *sorted(down, key=lambda target: -leaving[target]),
        ]

    def markup(self, *, hidden: bool = False) -> Html:
        """The group of this call; on a page each slot is reached by mouse, touch and keys."""
        arrows = self.arrows()
        groups = [
            tag(
                "g",
                *arrows.get(box.name, []),
                markup,
                class_="position",
                data_slot=box.name,
                **self._pointing(box),
            )
            for box, markup in self.slots
        ]
        call = self.key or None
        return tag("g", *self.head, *groups, class_="call", data_call=call, hidden=hidden)

    def _pointing(self, box: Box) -> dict[str, Attribute]:
        if not self.key:
            return {}
        sources = [row.source for row in box.rows if row.source is not None]
        way = dict.fromkeys(key for source in sources for key in self.modules.way(source))
        return {
            "tabindex": 0,
            "role": "button",
            "aria_label": box.described,
            "data_modules": json.dumps([*way]),
        }
