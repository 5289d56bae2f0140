"""The picture of how the tuple is built: modules on one side, the numbered container on the other.

`scene` says what is in it, from the records; `modules` and `container` draw the two sides.
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
from roberta_inspect.render.diagram.ink import NARROW, WIDE, Form, arrow, text
from roberta_inspect.render.diagram.modules import ModuleColumn
from roberta_inspect.render.html import Html, joined, tag
from roberta_inspect.text import safe

__all__ = ["NARROW", "WIDE", "Drawing", "chosen", "description", "drawing", "map_svg", "stylesheet"]


class Drawing(NamedTuple):
    """Markup, and how high it is."""

    markup: Html
    height: float


def map_svg(of: OutputMap) -> str:
    """The diagram of the labelled tuple as a picture of its own, in the reader's light or dark."""
    call = chosen(of)
    markup, height = drawing(of, [call], WIDE)
    title = f"What {safe(of.checkpoint.source)} returns, and which module returned it"
    svg = tag(
        "svg",
        tag("title", title),
        tag("desc", description(of, call)),
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
    """The colours of a diagram, for a light and a dark reader."""
    return (files(__package__) / "diagram.css").read_text(encoding="utf-8")


def chosen(of: OutputMap) -> Call:
    """The labelled tuple, or the first call that returned anything where that one raised."""
    labelled = of.call(return_dict=False, labels=True)
    made = [call for call in (labelled, *of.main_calls) if call.error is None]
    return made[0] if made else labelled


def description(of: OutputMap, call: Call) -> str:
    """The picture in words."""
    modules = [module.line for root in scene.modules(of, [call]) for module in root.flow()]
    told = [box.described for box in scene.boxes(of, call)]
    returned = f"{phrases.code(call)} returns {scene.container(call)}."
    return " ".join([returned, f"{' → '.join(modules)}.", *told])


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
    modules = ModuleColumn(of, calls, form)
    named = zip(calls, keys or [""] * len(calls), strict=True)
    containers = [Container(of, call, modules, key) for call, key in named]
    height = max([modules.bottom, *(container.bottom for container in containers)]) + 36
    groups = [container.markup(hidden=number > 0) for number, container in enumerate(containers)]
    return Drawing(joined(modules.markup(), *groups, _legend(form, height)), height)


def _legend(form: Form, height: float) -> Html:
    """What the two kinds of arrows mean."""
    left, y = form.modules[0], height - 13
    half = 280 if form.beside else 196
    kinds = (("the same tensor object", "", left), ("computed from it", "made", left + half))
    parts = [
        joined(
            arrow(f"M{x:g} {y - 4:g}H", (x + 28, y - 4), "right", style),
            text(words, x + 36, y, "dim", half - 36),
        )
        for words, style, x in kinds
    ]
    return tag("g", *parts, class_="legend")
