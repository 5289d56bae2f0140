"""The page in a real browser: what it says is the JSON's, what it shows answers by pointing."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from browser import chromium
from makers import tiny_model
from samples import DECODER, EAGER, HOSTILE, MATRIX, REFUTED, calls, hostile

from roberta_inspect import module_tree
from roberta_inspect.records import Call, Consumer, ConsumerReport, Finding, OutputMap, Part
from roberta_inspect.render import fragment, rendered

EVIL = "</script><img src=x onerror=alert(1)><style>*{display:none}</style>"
"""Markup that would run, load or hide something, were it not text."""

CONTRAST = Path(__file__).with_name("contrast.js").read_text(encoding="utf-8")

CONSUMERS = (
    Consumer(
        id="trainer",
        title="Trainer.predict",
        status="called",
        container="PredictionOutput",
        parts=(Part(access="predictions[0]", name="logits", identity="logits", shape=(2, 3)),),
        notes=("predictions are a tuple: argmax of them raises",),
    ),
)
PLAIN = tuple(
    replace(
        main_call,
        return_dict=None,
        output_hidden_states=None,
        output_attentions=None,
        slots=main_call.slots[:2],
    )
    for main_call in calls()[:2]
)
FULL = replace(
    EAGER,
    plain=PLAIN,
    calls=(
        *calls(),
        *calls(output_hidden_states=True, output_attentions=False),
        *calls(output_hidden_states=False, output_attentions=True),
        *calls(output_hidden_states=False, output_attentions=False),
    ),
    consumers=CONSUMERS,
)
"""A map with everything that a page can show."""

MAPS = {"full": FULL, "refuted": REFUTED, "decoder": DECODER, "hostile": hostile(MATRIX)}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


pytestmark = pytest.mark.newest
"""A page is made from records alone: one release of transformers is enough."""

Opened = Callable[..., Any]


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Opened]:
    """Opens a product's page; at the end nothing may have been requested or complained about."""
    wrong: list[str] = []
    contexts = []

    def opening(product: Any, *, width: int = 1400, scheme: str = "light", **more: Any) -> Any:
        path = tmp_path / "page.html"
        path.write_text(rendered(product, "html"), encoding="utf-8")
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            reduced_motion="reduce",
            **more,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: wrong.append(request.url))
        page.goto(path.as_uri())
        assert wrong.pop(0) == path.as_uri()
        return page

    yield opening
    for context in contexts:
        context.close()
    assert wrong == []


# What it says


def expected_cell(call: dict[str, Any], name: str) -> str:
    """Where a name is in a call of the JSON, worked out by other code than the page's."""
    if call["error"]:
        return "raised"
    places = []
    for slot in call["slots"]:
        if slot["name"] == name:
            holes = sum(item["kind"] == "none" for item in slot["items"])
            empty = slot["kind"] in ("tuple", "list", "cache") and not slot["items"]
            sign = (
                "None"
                if slot["kind"] == "none"
                else "()"
                if empty
                else f"{holes}×None"
                if holes
                else ""
            )
            places.append(f"{'' if slot['index'] is None else [slot['index']]} {sign}".strip())
    return ", ".join(places) or "absent"


@pytest.mark.parametrize("output_map", [FULL, REFUTED, DECODER, MATRIX])
def test_every_cell_is_that_of_the_json(opened: Opened, output_map: OutputMap) -> None:
    page = opened(output_map)
    value = json.loads(output_map.to_json())
    json_calls = [*value["plain"], *value["calls"]]
    cells = page.eval_on_selector_all(
        "td[data-call]",
        "all => all.map(e => [e.dataset.call, e.dataset.name, e.firstChild.textContent])",
    )
    for key, name, text in cells:
        assert text == expected_cell(json_calls[int(key)], name)
    assert {int(key) for key, _, _ in cells} == set(range(len(json_calls)))


@pytest.mark.parametrize("output_map", [FULL, REFUTED, DECODER])
def test_it_tells_every_proof_and_finding(opened: Opened, output_map: OutputMap) -> None:
    text = opened(output_map).evaluate("document.body.textContent")
    for proof in output_map.proofs:
        assert proof.claim in text
        assert proof.detail in text
    for finding in output_map.findings:
        assert finding.message in text


def test_a_proof_shows_its_control_and_its_power(opened: Opened) -> None:
    proof = replace(EAGER.proofs[2], control="other ids move it by 0.6", power=0.0004)
    page = opened(replace(EAGER, proofs=(proof,)))
    text = page.locator('.slots details[data-slot="logits"]').text_content()
    assert "control: other ids move it by 0.6" in text
    assert "would have caught a mistake of 0.0004 of the largest value in its row" in text


# What it does


def written(labels: bool, *flags: bool) -> str:
    names = ("return_dict", "output_hidden_states", "output_attentions")
    arguments = [f"{name}={flag}" for name, flag in zip(names, flags, strict=False)]
    return f"model({', '.join(['**inputs', *(['labels=labels'] if labels else []), *arguments])})"


SWITCHED: list[tuple[str, list[str], Call, str]] = [
    ("nothing", [], FULL.calls[3], written(True, False, True, True)),
    ("labels", ["labels"], FULL.calls[2], written(False, False, True, True)),
    ("return_dict", ["return_dict"], FULL.calls[1], written(True, True, True, True)),
    ("hidden", ["output_hidden_states"], FULL.calls[11], written(True, False, False, True)),
    ("attentions", ["output_attentions"], FULL.calls[7], written(True, False, True, False)),
    ("plain", ["plain"], FULL.plain[1], written(True)),
    ("plain without labels", ["plain", "labels"], FULL.plain[0], written(False)),
    ("plain and back", ["plain", "plain"], FULL.calls[3], written(True, False, True, True)),
]


def shown(page: Any) -> tuple[str, list[str]]:
    """The call that the diagram shows, and its numbered slots."""
    call = page.locator("svg.beside .call:not([hidden])")
    slots = call.locator(".position").evaluate_all(
        "all => all.filter(e => e.querySelector('.index').textContent !== '–')"
        ".map(e => e.querySelector('.index').textContent + ' ' + e.dataset.slot)"
    )
    return " ".join(call.locator(".written").all_text_contents()), slots


@pytest.mark.parametrize(
    ("names", "expected", "code"),
    [case[1:] for case in SWITCHED],
    ids=[case[0] for case in SWITCHED],
)
def test_each_switch_shows_a_call_that_was_made(
    opened: Opened, names: list[str], expected: Call, code: str
) -> None:
    page = opened(FULL)
    for name in names:
        page.click(f".switches [name={name}]")
    positions = [f"[{slot.index}] {slot.name}" for slot in expected.positions]
    assert shown(page) == (code, positions)


def test_what_plain_calls_return_is_reached_in_english(opened: Opened) -> None:
    page = opened(FULL)
    text = page.locator('.slots details[data-slot="logits"]').text_content()
    assert "outputs.logits with the inputs alone" in text
    assert "outputs.logits with labels and nothing else" in text
    page.click(".switches [name=plain]")
    page.fill("#query", "logits")
    assert "labels and nothing else" in page.inner_text("#answers")


def test_the_configuration_stands_clear_of_the_rule_below_it(opened: Opened) -> None:
    page = opened(FULL)
    config, matrix = page.locator("p.legend").bounding_box(), page.locator(".matrix").bounding_box()
    assert matrix["y"] - (config["y"] + config["height"]) >= 8


def test_only_switches_that_something_was_called_with_are_there(opened: Opened) -> None:
    page = opened(EAGER)
    names = page.eval_on_selector_all(".switches input", "all => all.map(e => e.name)")
    assert names == ["labels", "return_dict"]


ROUTES = [
    ("loss", {"input", "roberta.embeddings", "roberta.encoder.layer.0", "classifier", "forward"}),
    ("logits", {"input", "roberta.embeddings", "roberta.encoder.layer.0", "classifier"}),
    ("hidden_states", {"input", "roberta.embeddings", "roberta.encoder.layer.0"}),
]


@pytest.mark.parametrize("how", ["mouse", "touch", "keyboard"])
@pytest.mark.parametrize(("name", "route"), ROUTES)
def test_pointing_lights_the_route_and_opens_what_is_known(
    opened: Opened, name: str, route: set[str], how: str
) -> None:
    page = opened(FULL, has_touch=how == "touch")
    slot = page.locator(f'svg.beside .call:not([hidden]) [data-slot="{name}"]')
    area = slot.locator(".back")
    if how == "mouse":
        area.hover()
    elif how == "touch":
        area.tap()
    else:
        slot.focus()
    lit = page.locator("svg.beside .node.lit").evaluate_all("all => all.map(e => e.dataset.module)")
    assert set(lit) == route
    open_ones = page.locator(".slots details[open]").evaluate_all(
        "all => all.map(e => e.dataset.slot)"
    )
    assert open_ones == [name]


def test_the_keyboard_alone_reaches_everything(opened: Opened) -> None:
    page = opened(FULL)
    passed = []
    for _ in range(16):
        page.keyboard.press("Tab")
        passed.append(
            page.evaluate(
                "document.activeElement.dataset.slot ?? document.activeElement.name ?? ''"
            )
            or page.evaluate("document.activeElement.id")
        )
    assert passed[:6] == [
        "query",
        "plain",
        "labels",
        "return_dict",
        "output_hidden_states",
        "output_attentions",
    ]
    assert passed[6:10] == ["loss", "logits", "hidden_states", "attentions"]
    page.locator("svg.beside .call:not([hidden]) [data-slot=attentions]").focus()
    page.keyboard.press("Enter")
    assert page.locator(".slots details[open]").get_attribute("data-slot") == "attentions"
    page.keyboard.press("Escape")
    assert page.locator(".lit").count() == 0


SEARCHED: list[tuple[str, list[str]]] = [
    (
        "outputs[1][-1]",
        [
            "return_dict=False, no labels, output_hidden_states=True, output_attentions=True\n"
            "hidden_states[12]: (batch_size 2, sequence_length 7, hidden_size 768) float32, "
            "returned by roberta.encoder.layer.11",
            "return_dict=False, labels, output_hidden_states=True, output_attentions=True\n"
            "logits[-1]: (num_labels 3) of what classifier (its out_proj) returned",
        ],
    ),
    ("logits", ["logits: one unnormalised score per label"]),
    ("outputs.logits", ["logits: one unnormalised score per label"]),
    ('outputs["logits"]', ["logits: one unnormalised score per label"]),
    ("1", ["no labels, output_hidden_states=True, output_attentions=True\nhidden_states:"]),
    ("outputs[-1]", ["attentions: "]),
    ("outputs[9]", ["no such index: it has 3", "no such index: it has 4"]),
    ("hidden_states[0]", ["hidden_states[0]: (batch_size 2,", "returned by roberta.embeddings"]),
    (
        "hidden_states[-1][:, 0]",
        ["(batch_size 2, hidden_size 768) of what roberta.encoder.layer.11"],
    ),
    ("CLS", ["only position 0 of the last hidden state matters", "hidden_states[12][:,0]"]),
    ("pooler", ["roberta.pooler is None: this class has no pooler"]),
    ("predictions[0]", ["Trainer.predict\npredictions[0] is logits"]),
    ("problem_type", ["a call with labels writes config.problem_type"]),
    ("nonsense(", ["nothing here is called nonsense("]),
]


@pytest.mark.parametrize(("query", "answers"), SEARCHED, ids=[case[0] for case in SEARCHED])
def test_the_search_box_understands(opened: Opened, query: str, answers: list[str]) -> None:
    page = opened(FULL)
    page.fill("#query", query)
    text = page.inner_text("#answers")
    for answer in answers:
        assert answer in text


# Whoever reads it, wherever


@pytest.mark.parametrize("output_map", MAPS.values(), ids=MAPS)
@pytest.mark.parametrize("width", [360, 700, 1400, 1600])
def test_nothing_is_wider_than_the_page(opened: Opened, output_map: OutputMap, width: int) -> None:
    page = opened(output_map, width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "output_map", [FULL, replace(REFUTED, calls=calls())], ids=["full", "refuted"]
)
def test_its_contrast_is_that_of_wcag_aa(
    opened: Opened, output_map: OutputMap, scheme: str
) -> None:
    warned = Finding(id="warned", level="warning", message="so", hint="Do.")
    page = opened(replace(output_map, findings=(*output_map.findings, warned)), scheme=scheme)
    assert page.evaluate(CONTRAST) == []


def test_the_measure_of_contrast_sees_a_faint_word(opened: Opened) -> None:
    page = opened(EAGER)
    page.evaluate("document.querySelector('h1').style.color = '#999999'")
    assert len(page.evaluate(CONTRAST)) == 1


def test_it_is_useful_without_a_script(opened: Opened) -> None:
    page = opened(FULL, java_script_enabled=False)
    assert page.locator("form").is_hidden()
    assert page.locator(".switches").is_hidden()
    assert page.locator("svg.beside .call").first.is_visible()
    for proof in FULL.proofs:
        assert page.locator(".claim", has_text=proof.claim).first.is_visible()
    assert page.locator("td[data-call]").last.is_visible()


def test_it_is_useful_on_paper(opened: Opened) -> None:
    page = opened(FULL)
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    assert page.locator("form").is_hidden()
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details:not([open])").count() > 0


# Whatever it holds


@pytest.mark.parametrize("text", [EVIL, HOSTILE], ids=["markup", "control characters"])
def test_hostile_names_are_text(opened: Opened, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("samples.HOSTILE", text)
    page = opened(hostile(FULL))
    assert page.locator("img, b:text-is('\\r')").count() == 0
    assert page.locator("script").count() == 2
    assert page.locator("style").count() == 1
    assert page.inner_text("h1")[:3] == text[:3]
    page.fill("#query", text)
    assert page.locator("#answers p").count() >= 1


def test_its_own_policy_stops_a_script_that_got_in(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    page_text = rendered(EAGER, "html")
    path.write_text(page_text.replace("</main>", "<script>window.got = 1</script></main>"))
    page = browser.new_page()
    page.goto(path.as_uri())
    assert page.evaluate("window.got") is None
    page.close()


# For a person to look at

LOOKED_AT = [(width, scheme) for width in (360, 700, 1400) for scheme in ("light", "dark")]


@pytest.mark.parametrize(("width", "scheme"), LOOKED_AT)
@pytest.mark.parametrize("name", ["full", "refuted"])
def test_a_person_can_look_at_it(
    opened: Opened, tmp_path: Path, name: str, width: int, scheme: str
) -> None:
    """Pictures go to the folder that ROBERTA_INSPECT_SCREENSHOTS names."""
    folder = Path(os.environ.get("ROBERTA_INSPECT_SCREENSHOTS", tmp_path))
    path = folder / f"{name}-{width}-{scheme}.png"
    opened(MAPS[name], width=width, scheme=scheme).screenshot(path=path, full_page=True)
    assert path.stat().st_size > 10_000


# In a notebook


@pytest.mark.parametrize("output_map", [EAGER, hostile()])
def test_the_fragment_is_no_document_and_has_the_colours_of_the_notebook(
    output_map: OutputMap,
) -> None:
    markup = fragment(output_map)
    assert output_map._repr_html_() == markup
    assert markup.startswith("<div")
    assert not re.search(r"<(html|head|body|style|script|link)|[^-]color:", markup)


@pytest.mark.parametrize(("paper", "ink"), [("#ffffff", "#111111"), ("#111111", "#eeeeee")])
def test_the_fragment_fits_a_light_and_a_dark_notebook(browser: Any, paper: str, ink: str) -> None:
    page = browser.new_page()
    page.set_content(f"<body style='background: {paper}; color: {ink}'>{fragment(EAGER)}")
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate("document.querySelector('img').naturalWidth") > 0
    page.close()


# The other pages


@pytest.fixture(scope="module")
def products() -> dict[str, Any]:
    report = ConsumerReport(
        versions=EAGER.versions,
        checkpoint=EAGER.checkpoint,
        setup=EAGER.setup,
        input=EAGER.input,
        consumers=CONSUMERS,
    )
    return {"tree": module_tree(tiny_model()), "consumers": report}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1400])
@pytest.mark.parametrize("name", ["tree", "consumers"])
def test_trees_and_consumers_have_a_page_of_the_same_parts(
    opened: Opened, products: dict[str, Any], name: str, width: int, scheme: str
) -> None:
    page = opened(products[name], width=width, scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(CONTRAST) == []
    assert not re.search(r"<(html|style|script)", fragment(products[name]))


def test_the_tree_tells_every_module_and_what_it_feeds(
    opened: Opened, products: dict[str, Any]
) -> None:
    text = opened(products["tree"]).inner_text("main")
    for line in ("embeddings RobertaEmbeddings", "0 … 1 RobertaLayer × 2", "→ hidden_states[i+1]"):
        assert line in text
