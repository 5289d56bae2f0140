"""The picture of how the tuple is built: modules on one side, the numbered container on the other.

Sizes are pixels at the width of a code host's page; letters are taken to be as wide as those of
the widest common fonts, so that text stays in its box whichever font the reader has.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from roberta_inspect.records import Call, OutputMap
from roberta_inspect.render import phrases, scene
from roberta_inspect.render.html import Html, joined, tag
from roberta_inspect.render.scene import FORWARD, Box, Module, Row
from roberta_inspect.text import safe

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
"""How far alike modules look out behind the first of them."""


class Form(NamedTuple):
    """Where things stand at one width."""

    width: int
    modules: tuple[int, int]
    """From where to where the modules reach; the same for the slots."""
    slots: tuple[int, int]
    beside: bool
    """Whether the container stands beside the modules, which then go from the bottom to the top,
    so that what comes last in the model comes first in the container; else it stands below them."""


WIDE = Form(860, (16, 262), (556, 844), beside=True)
NARROW = Form(344, (8, 276), (8, 276), beside=False)


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

    @property
    def middle(self) -> float:
        return self.top + self.height / 2


class Target(NamedTuple):
    """Where an arrow ends: a row of a slot, at this height."""

    box: Box
    row: Row
    y: float


def map_svg(of: OutputMap) -> str:
    """The diagram of the labelled tuple as a picture of its own, in the reader's light or dark."""
    call = chosen(of)
    title = f"What {safe(of.checkpoint.source)} returns, and which module returned it"
    style = tag("style", Html(f"\n{stylesheet()}"))
    head = joined(tag("title", title), tag("desc", description(of, call)), style)
    drawn = drawing(of, [call], WIDE)
    svg = tag(
        "svg",
        Html("\n"),
        head,
        Html("\n"),
        tag("rect", class_="paper", width=WIDE.width, height=drawn.height, rx=8),
        drawn.markup,
        Html("\n"),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {WIDE.width} {drawn.height:g}",
        role="img",
        class_="diagram",
    )
    return f"{svg}\n"


@cache
def stylesheet() -> str:
    """The colours of a diagram, for a light and a dark reader."""
    return (files(__package__) / "assets" / "diagram.css").read_text(encoding="utf-8")


def chosen(of: OutputMap) -> Call:
    """The labelled tuple, or the first call that returned anything where that one raised."""
    labelled = of.call(return_dict=False, labels=True)
    made = [call for call in (labelled, *of.main_calls) if call.error is None]
    return made[0] if made else labelled


def description(of: OutputMap, call: Call) -> str:
    """The picture in words."""
    path = " → ".join(
        [phrases.name(module.line) for root in scene.modules(of, [call]) for module in root.flow()]
    )
    told = [box.described for box in scene.boxes(of, call)]
    return f"{phrases.code(call)} returns {_container(call)}. {path}. {' '.join(told)}"


class Drawing(NamedTuple):
    """Markup, and how high it is."""

    markup: Html
    height: float


def drawing(
    of: OutputMap, calls: Sequence[Call], form: Form, *, keys: Sequence[str] = ()
) -> Drawing:
    """The modules once, and a group for each of `calls`, of which the first one shows.

    Args:
        of: the map.
        calls: of this map.
        form: where things stand.
        keys: what each call is called on a page, where its slots can be pointed at.
    """
    left = _Modules(of, calls, form)
    groups = [
        _Container(of, call, left, key) for call, key in zip(calls, keys or [""], strict=True)
    ]
    height = max([left.bottom, *(group.bottom for group in groups)]) + 36
    drawn = [
        group.markup(hidden=number > 0, pointed=bool(keys)) for number, group in enumerate(groups)
    ]
    return Drawing(joined(left.markup(), *drawn, _legend(form, height)), height)


def _legend(form: Form, height: float) -> Html:
    """What the two kinds of arrows mean."""
    left, y = form.modules[0], height - 13
    half = 280 if form.beside else 196
    kinds = (("the same tensor object", ""), ("computed from it", "made"))
    return tag(
        "g",
        *(
            joined(
                _arrow(f"M{x:g} {y - 4:g}H", (x + 28, y - 4), "right", style),
                _text(words, x + 36, y, "dim", half - 36),
            )
            for (words, style), x in zip(kinds, (left, left + half), strict=True)
        ),
        class_="legend",
    )


HEADS = {"right": "l-8 -4v8z", "left": "l8 -4v8z", "up": "l-4 8h8z", "down": "l-4 -8h8z"}
"""The head of an arrow, drawn from its point on."""


def _arrow(
    start: str, end: tuple[float, float], way: str, style: str, module: str | None = None
) -> Html:
    """A line from `start`, whose last part is a step to `end`, and its head there."""
    x, y = end
    last = x if way in ("right", "left") else y
    line = tag("path", class_=f"arrow {style}".strip(), d=f"{start}{last:g}", data_module=module)
    head = tag("path", class_=f"head {style}".strip(), d=f"M{x:g} {y:g}{HEADS[way]}")
    return joined(line, head)


def _text(words: str, x: float, y: float, style: str, room: float, *, size: int = SMALL) -> Html:
    """A line of text, cut where there is no room for it; `style` ends in `end` to end at `x`."""
    letter = CODE_LETTER if style.startswith(("code", "refuted")) else LETTER
    most = max(int(room / (letter * size)), 1)
    return tag("text", fitted(words, most), x=f"{x:g}", y=f"{y:g}", class_=style)


def fitted(words: str, most: int) -> str:
    """`words`, the middle left out where they have more than `most` letters."""
    if len(words) <= most:
        return words
    return f"{words[: (most - 1) // 2]}…{words[len(words) - most // 2 :]}" if most > 2 else "…"


def wrapped(words: str, room: float, most: int = 2, *, letter: float = LETTER) -> list[str]:
    """`words` in at most so many lines of small letters."""
    letters = max(int(room / (letter * SMALL)), 4)
    return textwrap.wrap(words, letters, max_lines=most, placeholder=" …")


def _rect(area: Area, style: str, radius: int = 5) -> Html:
    left, top, width, height = (f"{number:g}" for number in area)
    return tag("rect", x=left, y=top, width=width, height=height, rx=radius, class_=style)


def _container(call: Call) -> str:
    if call.error is not None:
        return f"nothing: it raised {phrases.name(call.error.type)}"
    return phrases.name(call.container)


@dataclass
class _Modules:
    """The input, the modules and what the model computes itself, each with its area."""

    of: OutputMap
    calls: Sequence[Call]
    form: Form
    areas: dict[str, Area] = field(default_factory=dict)
    drawn: list[Html] = field(default_factory=list)
    flow: list[Module] = field(default_factory=list)
    bottom: float = 0

    def __post_init__(self) -> None:
        roots = scene.modules(self.of, self.calls)
        items = [INPUT, *roots, *self._computed()]
        if self.form.beside:
            items.reverse()
        left, right = self.form.modules
        top = float(64 if self.form.beside else 12)
        for module in items:
            top = self._place(module, Area(left, top, right - left, 0)) + GAP
        self.bottom = top - GAP
        inner = (inner for root in roots for inner in root.flow())
        self.flow = [INPUT, *inner, *self._computed()]
        self.drawn += self._arrows(self.flow)

    def _computed(self) -> list[Module]:
        """The model's own `forward`, where it made a tensor itself."""
        names = [
            phrases.name(slot.name)
            for call in self.calls
            for slot in call.slots
            if slot.kind == "tensor" and slot.origin is None
        ]
        if not names:
            return []
        whose = phrases.name(self.of.checkpoint.architecture)
        note = f"computes {', '.join(dict.fromkeys(names))}"
        return [Module(FORWARD, f"{whose}.forward", note=note, title="model.forward")]

    def _place(self, module: Module, area: Area, around: Module | None = None) -> float:
        """Draw a module into the width of `area` from its top on; returns where it ends."""
        inside = module.inside[::-1] if self.form.beside else module.inside
        notes = [] if module.note is None else wrapped(module.note, area.width - 16)
        if module is INPUT:
            notes = self._input()
        top = area.top + 26 + LINE * len(notes) + (0 if notes or inside else 2)
        top += 2 if notes else 0
        start = len(self.drawn)
        for number, inner in enumerate(inside):
            top += 0 if not number else GAP if module.handed_on else 6
            top += STACK if inner.count > module.count else 0
            place = Area(area.left + INSET, top, area.width - 2 * INSET, 0)
            top = self._place(inner, place, around=module)
        end = top + (INSET if inside else 4)
        placed = area._replace(height=end - area.top)
        self.areas[module.path] = placed
        kind = "input" if module is INPUT else "frame" if module.handed_on else "module"
        stack = [
            placed._replace(left=placed.left + by, top=placed.top - by) for by in (STACK, STACK / 2)
        ]
        times = f"× {module.count:,}" if module.count > (around.count if around else 1) else ""
        room = placed.width - 16 - (len(times) + 1) * CODE_LETTER * LARGE
        behind = [_rect(each, kind) for each in stack] if times and kind == "module" else []
        words = [
            _text(safe(module.title), placed.left + 8, placed.top + 18, "code name", room),
            _text(times, placed.right - 8, placed.top + 18, "count end", 60) if times else None,
            *(
                _text(
                    note, placed.left + 8, placed.top + 36 + LINE * line, "dim", placed.width - 16
                )
                for line, note in enumerate(notes)
            ),
        ]
        group = tag(
            "g",
            tag("title", safe(module.line)),
            *behind,
            _rect(placed, kind),
            *words,
            class_="node",
            data_module=_key(module.path),
        )
        self.drawn.insert(start, group)
        return end

    def _input(self) -> list[str]:
        given = self.of.input
        names = ", ".join(phrases.name(each.name) for each in given.fields)
        shape = f"batch_size {given.batch_size:,} × sequence_length {given.sequence_length:,}"
        room = self.form.modules[1] - self.form.modules[0] - 16
        return [*wrapped(names, room), *wrapped(shape, room)]

    def _arrows(self, flow: Sequence[Module]) -> Iterator[Html]:
        """From each module to the next one; what the model computes itself is not handed on."""
        left, right = self.form.modules
        x = left + (right - left) * 0.72
        for before, after in zip(flow, flow[1:], strict=False):
            start, end = self.areas[before.path], self.areas[after.path]
            style = "flow made" if after.path == FORWARD else "flow"
            name = _key(after.path)
            if start.bottom < end.top:
                behind = STACK if after.count > 1 else 0
                yield _arrow(
                    f"M{x:g} {start.bottom:g}V", (x, end.top - behind), "down", style, name
                )
            else:
                behind = STACK if before.count > 1 else 0
                yield _arrow(f"M{x:g} {start.top - behind:g}V", (x, end.bottom), "up", style, name)

    def way(self, path: str) -> list[str]:
        """The modules through which the input goes until that one returns."""
        passed = [INPUT.path]
        for module in self.flow[1:]:
            passed.append(module.path)
            if path == module.path or (path and path.startswith(f"{module.path}.")):
                break
        return [_key(module) for module in dict.fromkeys([*passed, path])]

    def markup(self) -> Html:
        """All of it."""
        return tag("g", *self.drawn, class_="modules")


def _key(path: str) -> str:
    """How a module is called in the markup."""
    return safe(path) or "forward"


INPUT = Module("input", "input", title="input")


@dataclass
class _Container:
    """What one call returned, each slot with the arrows that lead to it."""

    of: OutputMap
    call: Call
    modules: _Modules
    key: str
    slots: list[tuple[Box, Html]] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    bottom: float = 0

    def __post_init__(self) -> None:
        self.form = self.modules.form
        self.left, self.right = self.form.slots
        self.width = self.right - self.left
        top = 16.0 if self.form.beside else self.modules.bottom + 30
        self.head, top = self._head(top)
        for box in scene.boxes(self.of, self.call):
            markup, end = self._slot(box, top)
            self.slots.append((box, markup))
            top = end + 12
        self.bottom = top - 12

    def _head(self, top: float) -> tuple[list[Html], float]:
        """The call as it is written, and what came back."""
        start = self.form.modules[0] if self.form.beside else self.left
        room = self.form.width - 2 * start if self.form.beside else self.width + 50
        lines = wrapped(phrases.code(self.call), room, most=4, letter=CODE_LETTER)
        drawn = [
            _text(line, start, top + 10 + LINE * number, "code written", room)
            for number, line in enumerate(lines)
        ]
        top += LINE * len(lines) + (14 if self.form.beside else 8)
        proofs = self.of.proofs_of("outputs")
        failed = self.call.error or scene.refuted(proofs)
        drawn.append(
            _text(
                f"→ {_container(self.call)}",
                self.left,
                top + 10,
                "code name" + (" refuted" if failed else ""),
                self.width,
                size=LARGE,
            )
        )
        told = [] if self.call.error is None else [phrases.sentence(self.call.error.message)]
        told += [scene.tally(proofs), scene.refuted(proofs) or ""]
        for line in [
            line
            for words in told
            for line in wrapped(words, self.width, most=3, letter=CODE_LETTER)
        ]:
            top += LINE
            drawn.append(
                _text(line, self.left, top + 10, "refuted" if failed else "dim", self.width)
            )
        return drawn, top + 24

    def _slot(self, box: Box, top: float) -> tuple[Html, float]:
        inner = self.left + 52
        room = self.right - inner - 8
        name = "code name" + (" gone" if box.state != "full" else "")
        drawn = [
            _text(box.index or "–", self.left + 22, top + 21, "index", 44, size=LARGE),
            _text(box.name, inner, top + 20, name, room, size=LARGE),
            _text(box.holds, inner, top + 37, "code dim", room),
        ]
        y = top + 37
        told = wrapped(box.refuted or "", room, most=3, letter=CODE_LETTER)
        for line in [*([box.outcome] if box.outcome else []), *told]:
            y += LINE
            style = "refuted" if box.refuted else "dim"
            drawn.append(_text(line, inner, y, style, room))
        for row in box.rows:
            lines = self._shape(row)
            below = [] if self.form.beside else lines
            if row.indices:
                pitch = LINE * len(lines) + 6 if self.form.beside else 22
                y += max(pitch, 22)
                drawn.append(_text(row.indices, inner, y, "code", room))
                if row.remark:
                    remark_x = inner + (len(row.indices) + 1) * CODE_LETTER * SMALL
                    drawn.append(_text(row.remark, remark_x, y, "dim", self.right - remark_x - 8))
                at = y - 4
            else:
                at = top + 26
            for line in below:
                y += LINE
                drawn.append(_text(line, inner, y, "code dim", room))
            if row.source is not None and row.source in self.modules.areas:
                self.targets.append(Target(box, row, at))
        area = Area(self.left, top, self.width, y + 11 - top)
        style = f"slot {box.state}" + (" refuted" if box.refuted else "")
        number = _rect(area._replace(width=44), f"number {box.state}")
        return joined(_rect(area, f"{style} back"), number, _rect(area, style), *drawn), area.bottom

    def _shape(self, row: Row) -> list[str]:
        room = self.form.slots[0] - self.form.modules[1] - 66 if self.form.beside else self.width
        room -= 0 if self.form.beside else 60
        return wrapped(row.words, room, most=3, letter=CODE_LETTER)

    def arrows(self) -> Mapping[str, list[Html]]:
        """Name of a slot → the arrows that lead to it, no two of them over each other."""
        leaving = self._leaving()
        order = self._order(leaving)
        drawn: dict[str, list[Html]] = {}
        for target in self.targets:
            start, end = leaving[target], target.y
            source = self.modules.areas[target.row.source or FORWARD]
            lane = self.form.modules[1] + 16 + LANE * order.index(target)
            x = self.form.slots[0] - 3 if self.form.beside else self.form.slots[1] + 3
            style = "made" if target.row.source == FORWARD else ""
            style += " refuted" if target.box.refuted else ""
            path = f"M{source.right:g} {start:g}H{lane:g}V{end:g}H"
            way = "right" if self.form.beside else "left"
            parts = [_arrow(path, (x, end), way, style)]
            if self.form.beside:
                parts += self._label(target)
            drawn.setdefault(target.box.name, []).extend(parts)
        return drawn

    def _label(self, target: Target) -> Iterator[Html]:
        lines = self._shape(target.row)
        x = self.form.slots[0] - 14
        for number, line in enumerate(reversed(lines)):
            yield _text(line, x, target.y - 5 - 14 * number, "code shape end", 236)

    def _leaving(self) -> dict[Target, float]:
        """Where each arrow leaves its module: apart from the others of that module."""
        leaving = {}
        for path in dict.fromkeys(target.row.source for target in self.targets):
            area = self.modules.areas[path or FORWARD]
            own = [target for target in self.targets if target.row.source == path]
            inside = [
                other
                for name, other in self.modules.areas.items()
                if other is not area
                and other.left > area.left
                and area.top < other.top < area.bottom
            ]
            free = area.bottom if not inside else min(other.top for other in inside)
            for number, target in enumerate(own, start=1):
                leaving[target] = area.top + (free - area.top) * number / (len(own) + 1)
        return leaving

    def _order(self, leaving: Mapping[Target, float]) -> list[Target]:
        """The lanes from the left: arrows that go up, the topmost first, then those that go down,
        the lowest first; so no two of a kind cross."""
        ups = [target for target in self.targets if target.y < leaving[target]]
        downs = [target for target in self.targets if target.y >= leaving[target]]
        if not self.form.beside:
            return sorted(self.targets, key=lambda target: -leaving[target])
        return [
            *sorted(ups, key=leaving.__getitem__),
            *sorted(downs, key=lambda target: -leaving[target]),
        ]

    def markup(self, *, hidden: bool, pointed: bool) -> Html:
        """The group of this call; `pointed`, each slot can be reached by mouse, touch and keys."""
        arrows = self.arrows()
        groups = []
        for box, markup in self.slots:
            attributes = (
                {"tabindex": 0, "role": "button", "aria_label": box.described} if pointed else {}
            )
            sources = [row.source for row in box.rows if row.source is not None]
            through = [key for source in sources for key in self.modules.way(source)]
            groups.append(
                tag(
                    "g",
                    *arrows.get(box.name, []),
                    markup,
                    class_="position",
                    data_slot=box.name,
                    data_modules="\n".join(dict.fromkeys(through)) if pointed else None,
                    **attributes,
                )
            )
        return tag(
            "g",
            *self.head,
            *groups,
            class_="call",
            data_call=self.key or None,
            hidden=hidden,
        )
