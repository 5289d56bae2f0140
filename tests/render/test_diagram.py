"""The picture of how the tuple is built: what is drawn, where it came from, and that it fits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from browser import chromium
from samples import (
    DECODER,
    EAGER,
    FAKE,
    HOSTILE,
    LOGITS,
    MATRIX,
    REFUTED,
    SDPA,
    call,
    hostile,
)

from roberta_inspect.records import Item, Origin, OutputMap
from roberta_inspect.render import diagram, rendered
from roberta_inspect.render.diagram import NARROW, WIDE, drawing, scene

SVG = "{http://www.w3.org/2000/svg}"
MAPS = {
    "eager": EAGER,
    "sdpa": SDPA,
    "decoder": DECODER,
    "refuted": REFUTED,
    "fake": FAKE,
    "hostile": hostile(),
}


def drawn(output_map: OutputMap) -> ElementTree.Element:
    return ElementTree.fromstring(rendered(output_map, "svg"))


def texts(inside: ElementTree.Element) -> list[str]:
    return ["".join(text.itertext()) for text in inside.iter(f"{SVG}text")]


def slot_of(picture: ElementTree.Element, name: str) -> ElementTree.Element:
    return next(group for group in picture.iter(f"{SVG}g") if group.get("data-slot") == name)


@pytest.mark.parametrize("output_map", MAPS.values(), ids=MAPS)
def test_it_is_well_formed_fetches_nothing_and_is_the_same_every_time(
    output_map: OutputMap,
) -> None:
    svg = rendered(output_map, "svg")
    picture = ElementTree.fromstring(svg)
    assert svg == rendered(output_map, "svg")
    kinds = {element.tag.removeprefix(SVG) for element in picture.iter()}
    assert kinds <= {"svg", "title", "desc", "style", "g", "rect", "path", "text"}
    assert not [name for element in picture.iter() for name in element.attrib if "href" in name]
    assert "url(" not in (picture.findtext(f"{SVG}style") or "")
    assert HOSTILE not in svg


@pytest.mark.parametrize("output_map", MAPS.values(), ids=MAPS)
def test_the_description_names_everything_that_is_drawn(output_map: OutputMap) -> None:
    picture = drawn(output_map)
    assert picture.get("role") == "img"
    assert picture.findtext(f"{SVG}title")
    description = picture.findtext(f"{SVG}desc") or ""
    for box in scene.boxes(output_map, diagram.drawn_call(output_map)):
        assert box.described in description


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("loss", ["[0]", "loss", "() float32", "✓ 2 proved"]),
        ("logits", ["[1]", "(2, 3) float32", "(batch_size, num_labels)"]),
        ("hidden_states", ["[2]", "13 × (2, 7, 768) float32", "[0]", "[1] … [12]"]),
        ("attentions", ["[3]", "12 × (2, 12, 7, 7) float32", "[0] … [11]", "✓ 2 proved"]),
    ],
)
def test_the_slots_are_numbered_boxes(name: str, expected: list[str]) -> None:
    shown = texts(slot_of(drawn(EAGER), name))
    assert set(expected) <= set(shown), shown


@pytest.mark.parametrize(
    ("output_map", "lines"),
    [
        (
            EAGER,
            ["roberta.embeddings", "roberta.encoder.layer.0 … 11", "classifier"],
        ),
        (
            replace(
                EAGER,
                calls=tuple(
                    call(d, n, {"logits": LOGITS}) for d in (True, False) for n in (False, True)
                ),
            ),
            ["roberta.encoder", "classifier"],
        ),
    ],
)
def test_only_modules_that_were_observed_are_drawn(output_map: OutputMap, lines: list[str]) -> None:
    roots = scene.modules(output_map, output_map.main_calls)
    assert [module.line for root in roots for module in root.flow()] == lines


def test_layers_are_folded_with_their_number() -> None:
    roberta, classifier = scene.modules(EAGER, EAGER.main_calls)
    embeddings, encoder = roberta.inside
    layers = encoder.inside[0]
    assert (layers.title, layers.count) == ("layer.0 … 11", 12)
    assert [inner.title for inner in layers.inside] == ["attention.self"]
    assert (embeddings.title, classifier.title) == ("embeddings", "classifier")
    assert roberta.note == "pooler_output is None"


SOURCES: list[tuple[str, OutputMap, list[tuple[str, str | None]]]] = [
    ("loss", EAGER, [("", "")]),
    ("logits", EAGER, [("", "classifier")]),
    (
        "hidden_states",
        EAGER,
        [("[0]", "roberta.embeddings"), ("[1] … [12]", "roberta.encoder.layer.0")],
    ),
    ("attentions", EAGER, [("[0] … [11]", "roberta.encoder.layer.0.attention.self")]),
    ("attentions", SDPA, []),
    (
        "attentions",
        DECODER,
        [("[0] … [10]", "roberta.encoder.layer.0.attention.self"), ("[11]", None)],
    ),
    ("past_key_values", DECODER, [("[0] … [11]", None)]),
]


@pytest.mark.parametrize(("name", "output_map", "sources"), SOURCES)
def test_an_arrow_is_an_origin_that_the_record_names(
    name: str, output_map: OutputMap, sources: list[tuple[str, str | None]]
) -> None:
    boxes = {box.name: box for box in scene.boxes(output_map, diagram.drawn_call(output_map))}
    assert [(row.indices, row.source) for row in boxes[name].rows] == sources
    arrows = list(slot_of(drawn(output_map), name).iter(f"{SVG}path"))
    assert len(arrows) == 2 * sum(source is not None for _, source in sources)


def test_a_layer_that_another_module_inside_made_is_still_one_of_the_layers() -> None:
    apart = Origin(module="roberta.encoder.layer.11", through="roberta.encoder.layer.11.extra")
    slot = EAGER.calls[3].slots[2]
    items = (*slot.items[:12], replace(slot.items[12], origin=apart))
    slots = (*EAGER.calls[3].slots[:2], replace(slot, items=items))
    output_map = replace(EAGER, calls=(*EAGER.calls[:3], replace(EAGER.calls[3], slots=slots)))
    roberta, _ = scene.modules(output_map, output_map.main_calls)
    assert [module.line for module in roberta.flow()] == [
        "roberta.embeddings",
        "roberta.encoder.layer.0 … 11",
    ]
    arrows = list(slot_of(drawn(output_map), "hidden_states").iter(f"{SVG}path"))
    assert len(arrows) == 2 * 3


STATES: list[tuple[str, OutputMap, bool, bool, str, str]] = [
    ("loss", EAGER, False, True, "full", "[0]"),
    ("attentions", SDPA, False, True, "empty", "[3]"),
    ("loss", SDPA, True, False, "missing", ""),
    ("loss", SDPA, False, False, "missing", ""),
]


@pytest.mark.parametrize(("name", "output_map", "return_dict", "labels", "state", "index"), STATES)
def test_empty_none_and_absent_look_different(
    name: str, output_map: OutputMap, return_dict: bool, labels: bool, state: str, index: str
) -> None:
    shown = output_map.call(return_dict=return_dict, labels=labels)
    box = next(box for box in scene.boxes(output_map, shown) if box.name == name)
    assert (box.state, box.index) == (state, index)
    assert f'"slot {state}"' in drawing(output_map, [shown], WIDE).markup


def test_what_is_refuted_is_red_and_says_so() -> None:
    refuted = replace(REFUTED, calls=SDPA.calls)
    slot = slot_of(drawn(refuted), "loss")
    styles = [element.get("class") or "" for element in slot.iter()]
    assert {"slot full refuted", "arrow made refuted"} <= set(styles)
    assert "✗ 1 refuted  ✓ 1 proved" in texts(slot)
    assert "refuted: equals" in " ".join(texts(slot))
    logits = slot_of(drawn(refuted), "logits")
    assert not any("refuted" in (element.get("class") or "") for element in logits.iter())


def test_a_labelled_tuple_that_raised_gives_way_to_a_call_that_returned() -> None:
    assert diagram.drawn_call(REFUTED) == REFUTED.main_calls[0]
    raised = drawing(REFUTED, [REFUTED.calls[3]], WIDE).markup
    assert "it raised IndexError" in raised
    assert "Target 7 is out of bounds." in raised


def test_layers_that_are_all_different_are_counted() -> None:
    items = tuple(Item(index=i, kind="tensor", shape=(i,), dtype="float32") for i in range(100))
    slot = replace(SDPA.calls[3].slots[2], items=items)
    calls = tuple(replace(before, slots=(*before.slots[:2], slot)) for before in SDPA.calls)
    boxes = scene.boxes(replace(SDPA, calls=calls), calls[3])
    rows = next(box for box in boxes if box.name == "hidden_states").rows
    assert [row.remark for row in rows][-1] == "and 96 more rows"


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    with chromium() as browser:
        opened = browser.new_page()
        yield opened


INSIDE = Path(__file__).with_name("inside.js").read_text(encoding="utf-8")


@pytest.mark.parametrize("layout", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("output_map", [*MAPS.values(), hostile(MATRIX)])
def test_no_text_stands_outside_its_box(page: Any, output_map: OutputMap, layout: Any) -> None:
    for shown in output_map.main_calls:
        picture = drawing(output_map, [shown], layout)
        page.set_content(
            f"<style>{diagram.stylesheet()}</style><svg class='diagram' width={layout.width} "
            f"viewBox='0 0 {layout.width} {picture.height}'>{picture.markup}</svg>"
        )
        assert page.evaluate(INSIDE) == []
