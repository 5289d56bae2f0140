"""The left side of a diagram: the input, the modules, and what the model computes itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from roberta_inspect.records import Call, Input, OutputMap
from roberta_inspect.render import phrases
from roberta_inspect.render.diagram import scene
from roberta_inspect.render.diagram.ink import (
    CODE_LETTER,
    GAP,
    INSET,
    LARGE,
    LINE,
    STACK,
    Area,
    Layout,
    arrow,
    rect,
    text,
    wrapped,
)
from roberta_inspect.render.diagram.scene import FORWARD, Module
from roberta_inspect.render.html import Html, tag
from roberta_inspect.text import safe

INPUT = Module(("input",), "input", title="input")

MARGIN = 8
"""Between a box and the text in it."""


@dataclass
class ModuleColumn:
    """Every module with its area, drawn."""

    output_map: OutputMap
    calls: Sequence[Call]
    layout: Layout
    areas: dict[str, Area] = field(default_factory=dict)
    """Path → the area of that module; the modules of a run share one."""
    flow: list[Module] = field(default_factory=list)
    """The modules that the input goes through, in order."""
    drawn: list[Html] = field(default_factory=list)
    bottom: float = 0

    def __post_init__(self) -> None:
        roots = scene.modules(self.output_map, self.calls)
        computed = _computed(self.output_map, self.calls)
        left, right = self.layout.modules
        top = 64.0 if self.layout.beside else 12.0
        for module in self._stacked([INPUT, *roots, *computed]):
            top = self._place(module, Area(left, top, right - left, 0)) + GAP
        self.bottom = top - GAP
        self.flow = [INPUT, *(inner for root in roots for inner in root.flow()), *computed]
        self.drawn += self._steps()

    def _stacked(self, modules: list[Module]) -> list[Module]:
        """`modules` from the top to the bottom of the picture."""
        return modules[::-1] if self.layout.beside else modules

    def _place(self, module: Module, area: Area, *, repeats: int = 1) -> float:
        """Draws a module and those inside it into the width of `area`; returns where it ends.

        `repeats` is the number of modules in the run around it.
        """
        notes = self._notes(module, area.width - 2 * MARGIN)
        top = area.top + 28 + LINE * len(notes)
        place = len(self.drawn)
        for number, inner in enumerate(self._stacked(module.inside)):
            top += (GAP if module.is_stage else 6) if number else 0
            top += STACK if inner.count > module.count else 0
            room = Area(area.left + INSET, top, area.width - 2 * INSET, 0)
            top = self._place(inner, room, repeats=module.count)
        end = top + (INSET if module.inside else 2)
        self.areas |= dict.fromkeys(module.paths, area._replace(height=end - area.top))
        self.drawn.insert(place, self._node(module, notes, stacked=module.count > repeats))
        return end

    def _notes(self, module: Module, room: float) -> list[str]:
        lines = _input_notes(self.output_map.input) if module is INPUT else [module.note or ""]
        return [line for words in lines for line in wrapped(words, room)]

    def _node(self, module: Module, notes: Sequence[str], *, stacked: bool) -> Html:
        area = self.areas[module.path]
        style = "input" if module is INPUT else "frame" if module.is_stage else "module"
        times = f"× {module.count:,}" if stacked else ""
        x, room = area.left + MARGIN, area.width - 2 * MARGIN
        beside = room - (len(times) + 1) * CODE_LETTER * LARGE
        return tag(
            "g",
            tag("title", module.line),
            *(rect(area.moved(by), style) for by in (STACK, STACK / 2) if stacked),
            rect(area, style),
            text(module.title, x, area.top + 18, "code name", beside),
            text(times, area.right - MARGIN, area.top + 18, "count end", 60) if times else None,
            *(
                text(note, x, area.top + 36 + LINE * line, "code dim", room)
                for line, note in enumerate(notes)
            ),
            class_="node",
            data_module=key(module.path),
        )

    def _steps(self) -> Iterator[Html]:
        """An arrow from each module to the next one."""
        left, right = self.layout.modules
        x = left + (right - left) * 0.72
        for before, after in pairwise(self.flow):
            start, end = self.areas[before.path], self.areas[after.path]
            style, name = "flow made" if after.path == FORWARD else "flow", key(after.path)
            behind = STACK if (before if self.layout.beside else after).count > 1 else 0
            if self.layout.beside:
                line = f"M{x:g} {start.top - behind:g}V"
                yield arrow(line, (x, end.bottom), "up", style, name)
            else:
                line = f"M{x:g} {start.bottom:g}V"
                yield arrow(line, (x, end.top - behind), "down", style, name)

    def route(self, path: str) -> list[str]:
        """The modules that the input passes through up to that one."""
        passed = []
        for module in self.flow:
            passed.append(module.path)
            if module.has(path):
                passed += [inner.path for inner in module.inside if inner.has(path)]
                break
        return [key(module) for module in passed]

    def free_side(self, area: Area) -> tuple[float, float]:
        """The part of a module's side where arrows may leave: above all modules inside it."""
        inside = [
            inner.top
            for inner in self.areas.values()
            if inner.left > area.left and area.top < inner.top < area.bottom
        ]
        return area.top, min([area.bottom, *inside])

    def markup(self) -> Html:
        """All of it."""
        return tag("g", *self.drawn, class_="modules")


def key(path: str) -> str:
    """The name of a module in the markup."""
    return safe(path) or "forward"


def _computed(output_map: OutputMap, calls: Sequence[Call]) -> list[Module]:
    """The model's own `forward`, where it made a tensor itself."""
    slots = [slot for call in calls for slot in call.slots]
    names = [
        phrases.name(slot.name) for slot in slots if slot.kind == "tensor" and slot.origin is None
    ]
    if not names:
        return []
    line = f"{phrases.name(output_map.checkpoint.architecture)}.forward"
    note = f"computes {', '.join(dict.fromkeys(names))}"
    return [Module((FORWARD,), line, note=note, title="model.forward")]


def _input_notes(model_input: Input) -> list[str]:
    names = ", ".join(phrases.name(keyword.name) for keyword in model_input.fields)
    return [names, phrases.input_size(model_input)]
