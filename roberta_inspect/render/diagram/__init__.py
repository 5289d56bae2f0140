"""The picture of how the tuple is built: modules on one side, the numbered container on the other.

`scene` decides from the records what is in it; `modules` and `container` draw the two sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from roberta_inspect.records import Call, OutputMap
from roberta_inspect.render import phrases
from roberta_inspect.render.diagram import scene
from roberta_inspect.render.diagram.container import Container
from roberta_inspect.render.diagram.ink import NARROW, WIDE, Layout, arrow, text
from roberta_inspect.render.diagram.modules import ModuleColumn
from roberta_inspect.render.html import Html, joined, tag
from roberta_inspect.text import safe

__all__ = [
    "NARROW",
    "WIDE",
    "Drawing",
    "alt_text",
    "drawing",
    "drawn_call",
    "map_svg",
    "stylesheet",
]


class Drawing(NamedTuple):
    """Markup, and how high it is."""

    markup: Html
    height: float


def map_svg(output_map: OutputMap) -> str:
    """The diagram of the labelled tuple as a picture of its own, in light or dark colours."""
    call = drawn_call(output_map)
    markup, height = drawing(output_map, [call], WIDE)
    title = f"What {safe(output_map.checkpoint.source)} returns, and which module returned it"
    svg = tag(
        "svg",
        tag("title", title),
        tag("desc", alt_text(output_map, call)),
        tag("style", Html(f"\n{stylesheet()}")),
        tag("rect", class_="paper", width=WIDE.width, height=f"{height:g}", rx=8),
        markup,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {WIDE.width} {height:g}",
        role="img",
        class_="diagram",
    )
    return f"{svg}\n"


@cache
def stylesheet() -> str:
    """The colours of a diagram, light and dark."""
    return (files(__package__) / "diagram.css").read_text(encoding="utf-8")


def drawn_call(output_map: OutputMap) -> Call:
    """The call with labels that returns a tuple; if it raised, the first call that did not."""
    labelled = output_map.call(return_dict=False, labels=True)
    returned = [call for call in (labelled, *output_map.main_calls) if call.error is None]
    return returned[0] if returned else labelled


def alt_text(output_map: OutputMap, call: Call) -> str:
    """The picture in words."""
    modules = [module.line for root in scene.modules(output_map, [call]) for module in root.flow()]
    slots = [box.described for box in scene.boxes(output_map, call)]
    returned = f"{phrases.call_code(call)} returns {scene.container_words(call)}."
    return " ".join([returned, f"{' → '.join(modules)}.", *slots])


def drawing(
    output_map: OutputMap, calls: Sequence[Call], layout: Layout, *, keys: Sequence[str] = ()
) -> Drawing:
    """The modules once, and a group for each of `calls`, of which only the first is visible.

    Args:
        output_map: the map.
        calls: calls of this map.
        layout: where things stand.
        keys: the key of each call in a page, where its slots can be pointed at.
    """
    modules = ModuleColumn(output_map, calls, layout)
    named = zip(calls, keys or [""] * len(calls), strict=True)
    containers = [Container(output_map, call, modules, key) for call, key in named]
    height = max([modules.bottom, *(container.bottom for container in containers)]) + 36
    groups = [container.markup(hidden=number > 0) for number, container in enumerate(containers)]
    return Drawing(joined(modules.markup(), *groups, _legend(layout, height)), height)


def _legend(layout: Layout, height: float) -> Html:
    """What the two kinds of arrows mean."""
    left, y = layout.modules[0], height - 13
    half = 280 if layout.beside else 196
    kinds = (("the same tensor object", "", left), ("computed from it", "made", left + half))
    parts = [
        joined(
            arrow(f"M{x:g} {y - 4:g}H", (x + 28, y - 4), "right", style),
            text(words, x + 36, y, "dim", half - 36),
        )
        for words, style, x in kinds
    ]
    return tag("g", *parts, class_="legend")
