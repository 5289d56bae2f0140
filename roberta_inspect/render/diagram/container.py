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
from roberta_inspect.render.diagram.scene import FORWARD, Box, SlotRow
from roberta_inspect.render.html import Attribute, Html, joined, tag

INDEX_WIDTH = 44
"""The width of the box with a slot's index."""

TEXT_INSET = INDEX_WIDTH + 8
"""From the left side of a slot to its text."""


class ArrowEnd(NamedTuple):
    """Where an arrow ends: a row of a slot, and its height."""

    box: Box
    row: SlotRow
    source: str
    y: float


@dataclass
class Container:
    """One call: how it is written, what came back, and its slots."""

    output_map: OutputMap
    call: Call
    modules: ModuleColumn
    key: str
    """The key of the call in the markup."""
    slots: list[tuple[Box, Html]] = field(default_factory=list)
    targets: list[ArrowEnd] = field(default_factory=list)
    bottom: float = 0

    def __post_init__(self) -> None:
        self.layout = self.modules.layout
        self.left, self.right = self.layout.slots
        self.head, top = self._head(16.0 if self.layout.beside else self.modules.bottom + 30)
        for box in scene.boxes(self.output_map, self.call):
            markup, self.bottom = self._slot(box, top)
            self.slots.append((box, markup))
            top = self.bottom + 12
        self.bottom = max(self.bottom, top)

    def _head(self, top: float) -> tuple[list[Html], float]:
        """The call as it is written and the container that it returned, and where they end."""
        start = self.layout.modules[0] if self.layout.beside else self.left
        room = self.layout.width - 2 * start
        lines = wrapped(phrases.call_code(self.call), room, most=4)
        drawn = [
            text(line, start, top + 10 + LINE * number, "code written", room)
            for number, line in enumerate(lines)
        ]
        top += LINE * len(lines) + (24 if self.layout.beside else 18)
        failed, remarks = self._remarks()
        style, width = " refuted" if failed else "", self.right - self.left
        returned = f"→ {scene.container_words(self.call)}"
        drawn.append(text(returned, self.left, top, f"code name{style}", width, size=LARGE))
        for line in [line for words in remarks for line in wrapped(words, width, most=3)]:
            top += LINE
            drawn.append(text(line, self.left, top, f"code{style or ' dim'}", width))
        return drawn, top + 14

    def _remarks(self) -> tuple[bool, list[str]]:
        """Whether the call raised or a claim about all of it is refuted, and the lines on that."""
        proofs = self.output_map.proofs_of("outputs")
        refuted = scene.refutation(proofs)
        failures = [self.call.error.message] if self.call.error else []
        lines = [*map(phrases.sentence, failures), scene.tally(proofs), refuted or ""]
        return bool(failures or refuted), lines

    def _slot(self, box: Box, top: float) -> tuple[Html, float]:
        """One slot, and where it ends."""
        x, room = self.left + TEXT_INSET, self.right - self.left - TEXT_INSET - 8
        gone = " gone" if box.state != "full" else ""
        middle = self.left + INDEX_WIDTH / 2
        drawn = [
            text(box.index or "–", middle, top + 21, "index", INDEX_WIDTH, size=LARGE),
            text(box.name, x, top + 20, f"code name{gone}", room, size=LARGE),
            text(box.holds, x, top + 37, "code dim", room),
        ]
        y = top + 37
        for line in [line for words in box.remarks for line in wrapped(words, room, most=4)]:
            y += LINE
            drawn.append(text(line, x, y, "code refuted" if box.refuted else "code dim", room))
        for row in box.rows:
            markup, at, y = self._row(row, top, y)
            drawn += markup
            if row.source in self.modules.areas:
                self.targets.append(ArrowEnd(box, row, row.source or FORWARD, at))
        area = Area(self.left, top, self.right - self.left, y + 11 - top)
        style = f"slot {box.state}" + (" refuted" if box.refuted else "")
        number = rect(area._replace(width=INDEX_WIDTH), f"number {box.state}")
        return joined(rect(area, f"{style} back"), number, rect(area, style), *drawn), area.bottom

    def _row(self, row: SlotRow, top: float, y: float) -> tuple[list[Html], float, float]:
        """A row below `y` of the slot at `top`, the height at which an arrow ends, and its end."""
        x, room = self.left + TEXT_INSET, self.right - self.left - TEXT_INSET - 8
        shape, drawn, at = self._shape(row), [], top + 26
        if row.indices:
            y += max(LINE * len(shape) + 6, 22) if self.layout.beside else 22
            at = y - 4
            after = x + (len(row.indices) + 1) * CODE_LETTER * SMALL
            drawn.append(text(row.indices, x, y, "code", room))
            if row.remark:
                drawn.append(text(row.remark, after, y, "code dim", self.right - after - 8))
        if not self.layout.beside:
            for line in shape:
                y += LINE
                drawn.append(text(line, x, y, "code dim", room))
        return drawn, at, y

    def _shape(self, row: SlotRow) -> list[str]:
        """The words on an arrow; in the narrow layout they stand in the slot."""
        beside = self.layout.slots[0] - self.layout.modules[1] - 70
        return wrapped(row.words, beside if self.layout.beside else 208, most=3)

    def arrows(self) -> Mapping[str, list[Html]]:
        """Name of a slot → the arrows that lead to it, each in a lane of its own."""
        leaving = self._leaving()
        lanes = self._lanes(leaving)
        drawn: dict[str, list[Html]] = {}
        for target, start in leaving.items():
            style = "made" if target.source == FORWARD else ""
            style += " refuted" if target.box.refuted else ""
            lane = self.layout.modules[1] + 16 + LANE * lanes.index(target)
            side = self.modules.areas[target.source].right
            path = f"M{side:g} {start:g}H{lane:g}V{target.y:g}H"
            end, direction = (
                (self.left - 3, "right") if self.layout.beside else (self.right + 3, "left")
            )
            arrows = drawn.setdefault(target.box.name, [])
            arrows += [arrow(path, (end, target.y), direction, style), *self._label(target)]
        return drawn

    def _label(self, target: ArrowEnd) -> Iterator[Html]:
        lines = self._shape(target.row) if self.layout.beside else []
        for number, line in enumerate(reversed(lines)):
            yield text(line, self.left - 14, target.y - 5 - 14 * number, "code shape end", 236)

    def _leaving(self) -> dict[ArrowEnd, float]:
        """The height at which each arrow leaves its module, spread over the module's side."""
        areas = self.modules.areas
        leaving = {}
        for area in dict.fromkeys(areas[target.source] for target in self.targets):
            own = [target for target in self.targets if areas[target.source] == area]
            top, bottom = self.modules.free_side(area)
            for number, target in enumerate(own, start=1):
                leaving[target] = top + (bottom - top) * number / (len(own) + 1)
        return leaving

    def _lanes(self, leaving: Mapping[ArrowEnd, float]) -> list[ArrowEnd]:
        """The arrows in the order of their lanes, from the left. Of those that go up, the topmost
        comes first; of those that go down, the lowest. So no two of a kind cross."""
        up = [target for target in leaving if target.y < leaving[target] and self.layout.beside]
        down = [target for target in leaving if target not in up]
        return [
            *sorted(up, key=lambda target: leaving[target]),
            *sorted(down, key=lambda target: -leaving[target]),
        ]

    def markup(self, *, hidden: bool = False) -> Html:
        """The group of this call. On a page each slot can be reached by mouse, touch and keys."""
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
        route = dict.fromkeys(key for source in sources for key in self.modules.route(source))
        return {
            "tabindex": 0,
            "role": "button",
            "aria_label": box.described,
            "data_modules": json.dumps([*route]),
        }
