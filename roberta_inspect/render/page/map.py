"""The page of a map: point at a slot and see where it comes from and what proves it."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence

from roberta_inspect.records import Call, OutputMap, Prediction, Slot
from roberta_inspect.render import diagram, phrases
from roberta_inspect.render.blocks import REFUTED_FIRST, STATUS
from roberta_inspect.render.diagram.ink import Layout
from roberta_inspect.render.html import Html, HtmlContent, joined, tag
from roberta_inspect.render.page import parts, search
from roberta_inspect.render.page.consumers import consumers_section
from roberta_inspect.text import counted, safe

SWITCHES = {
    "plain": "plain call",
    "labels": "labels",
    "return_dict": "return_dict",
    "output_hidden_states": "hidden states",
    "output_attentions": "attentions",
}
"""Name of a switch → its label on the page."""


def map_page(output_map: OutputMap) -> str:
    """The whole map as a page of its own."""
    calls = [*output_map.plain, *output_map.calls]
    start = calls.index(diagram.drawn_call(output_map))
    return parts.document(
        f"roberta-inspect run: {safe(output_map.checkpoint.source)}",
        parts.heading(
            "What each output is",
            output_map.checkpoint.source,
            phrases.map_verdict(output_map),
            ok=output_map.ok,
        ),
        tag(
            "main",
            _search(),
            tag("div", _picture(output_map, calls, start), _slots(output_map), class_="pointing"),
            parts.findings_section(output_map.findings),
            _places(output_map, calls),
            _stages(output_map),
            _predictions(output_map),
            consumers_section(output_map.consumers or ()),
            parts.section(
                "What was inspected",
                parts.fact_list(phrases.header_facts(output_map)),
                _tokens(output_map),
            ),
        ),
        data={**search.index(output_map), "start": start},
    )


def map_fragment(output_map: OutputMap) -> str:
    """The map for a notebook: no page of its own, in the notebook's own colours."""
    picture = base64.b64encode(diagram.map_svg(output_map).encode()).decode()
    described = diagram.alt_text(output_map, diagram.drawn_call(output_map))
    keys = [str(number) for number in range(len(output_map.main_calls))]
    return tag(
        "div",
        tag(
            "p",
            tag("b", "✓ " if output_map.ok else "✗ "),
            f"{safe(output_map.checkpoint.source)}: ",
            phrases.map_verdict(output_map),
        ),
        tag(
            "img",
            src=f"data:image/svg+xml;base64,{picture}",
            alt=described,
            style="max-width: 100%; width: 860px",
        ),
        parts.findings_section(output_map.findings),
        _places_table(output_map, output_map.main_calls, keys),
        *(
            tag("details", tag("summary", _name(name)), *_about(output_map, name))
            for name in output_map.names
        ),
        class_="roberta-inspect",
    )


def _name(name: str) -> Html:
    return parts.code(phrases.name(name))


def _search() -> Html:
    hint = "outputs[1][-1], logits, CLS …"
    return tag(
        "form",
        tag("label", "What is ", for_="query"),
        tag(
            "input",
            id="query",
            type="search",
            placeholder=hint,
            autocomplete="off",
            spellcheck="false",
            aria_controls="answers",
        ),
        tag("div", id="answers", aria_live="polite"),
        role="search",
        hidden=True,
    )


def _picture(output_map: OutputMap, calls: Sequence[Call], start: int) -> Html:
    """The switches, and the diagram in both layouts with a group for every call."""
    order = [calls[start], *(call for call in calls if call is not calls[start])]
    keys = [str(calls.index(call)) for call in order]
    drawings = [
        _drawn(diagram.drawing(output_map, order, layout, keys=keys), layout, name)
        for layout, name in ((diagram.WIDE, "beside"), (diagram.NARROW, "below"))
    ]
    words = diagram.alt_text(output_map, calls[start])
    return tag(
        "figure",
        _switches(output_map, calls),
        *drawings,
        tag("figcaption", words, class_="unseen"),
        aria_label="How the container is built",
    )


def _drawn(drawing: diagram.Drawing, layout: Layout, name: str) -> Html:
    return tag(
        "svg",
        drawing.markup,
        viewBox=f"0 0 {layout.width} {drawing.height:g}",
        class_=f"diagram {name}",
        role="group",
        aria_label="Modules and slots",
    )


def _switches(output_map: OutputMap, calls: Sequence[Call]) -> Html:
    """One switch for each part of a call that differs between the calls of the map."""
    values = {"plain": {call.spec.is_plain for call in calls}}
    for name in list(SWITCHES)[1:]:
        values[name] = {getattr(call, name) for call in output_map.calls}
    switches = [
        tag("label", tag("input", type="checkbox", name=name), f" {words}")
        for name, words in SWITCHES.items()
        if len(values[name]) > 1
    ]
    return tag("fieldset", tag("legend", "Called with"), *switches, class_="switches", hidden=True)


def _slots(output_map: OutputMap) -> Html:
    """A paragraph for each name, opened by pointing at its slot; all open without a script."""
    without_slot = dict.fromkeys(
        proof.slot for proof in output_map.proofs if proof.slot not in output_map.names
    )
    paragraphs = [
        tag(
            "details",
            tag("summary", _name(name), " ", _outcome(output_map, name)),
            *_about(output_map, name),
            open=True,
            data_slot=phrases.name(name),
        )
        for name in (*output_map.names, *without_slot)
    ]
    return parts.section("What each output is", *paragraphs, class_="slots")


def _outcome(output_map: OutputMap, name: str) -> Html | None:
    proofs = output_map.proofs_of(name)
    counts = []
    for status in REFUTED_FIRST:
        number = sum(proof.status == status for proof in proofs)
        sign, word, _ = STATUS[status]
        if number:
            counts.append(tag("span", f"{sign} {number}", class_=f"mark {status}", title=word))
    return joined(*counts, between=" ")


def _about(output_map: OutputMap, name: str) -> Iterator[Html | None]:
    slots = output_map.fullest_slots(name)
    for slot in slots:
        facts: dict[str, HtmlContent] = {
            "holds": phrases.contents_text(slot),
            "meaning": phrases.sentence(slot.meaning or ""),
        }
        if slot.same_as:
            facts["same as"] = f"the same tensor as {phrases.place_text(slot.same_as)}"
        if slot.kind == "tensor":
            facts["origin"] = phrases.origin_sentence(slot, output_map.checkpoint.architecture)
        facts["reached as"] = _accesses(output_map, name)
        yield parts.fact_list(facts)
        yield _items(slot)
    if not slots:
        yield tag("p", "all of them together" if name == "outputs" else "no call returned it")
    yield parts.proof_list(output_map.proofs_of(name))


def _accesses(output_map: OutputMap, name: str) -> Html:
    """How to reach a slot in each of the plain and the main calls."""
    accesses = [
        joined(parts.code(safe(slot.access)), f" with {phrases.called_with(call, flags=False)}")
        for call in (*output_map.plain, *output_map.main_calls)
        for slot in call.slots
        if slot.name == name and slot.index is not None
    ]
    return tag("ul", *(tag("li", access) for access in accesses), class_="plain")


def _items(slot: Slot) -> Html | None:
    runs = list(phrases.item_runs(slot.items, alike=phrases.alike(slot)))
    shown, rest = phrases.first(runs, phrases.RUNS_SHOWN, "line")
    lines = [joined(parts.code(run.indices), f" {run.line}") for run in shown]
    lines = [tag("li", line) for line in (*lines, *rest)]
    return tag("ul", *lines, class_="plain") if lines else None


def _places(output_map: OutputMap, calls: Sequence[Call]) -> Html:
    keys = {call.spec: str(number) for number, call in enumerate(calls)}
    shown = [*output_map.plain, *output_map.main_calls]
    legend = [
        tag("li", parts.code(sign), f" {words}")
        for sign, words in phrases.legend(output_map).items()
    ]
    config = f"config: {phrases.configured_line(output_map.setup)}"
    matrix = None
    if output_map.matrix:
        matrix_keys = [keys[call.spec] for call in output_map.calls]
        matrix = tag(
            "details",
            tag("summary", f"Every combination of the flags: {counted(len(matrix_keys), 'call')}"),
            _places_table(output_map, output_map.calls, matrix_keys, flags=True),
            open=True,
            class_="matrix",
        )
    return parts.section(
        "Where each output is",
        _places_table(output_map, shown, [keys[call.spec] for call in shown]),
        tag("ul", *legend, class_="plain legend"),
        tag("p", config, class_="legend") if output_map.plain else None,
        matrix,
    )


def _places_table(
    output_map: OutputMap, calls: Sequence[Call], keys: Sequence[str], *, flags: bool = False
) -> Html:
    """One row per call, one column per name."""
    heads = ["called with", *map(_name, output_map.names)]
    rows = [
        [
            parts.row_head(tag("span", ", ".join(call.spec.flags) if flags else call.words)),
            *(_place(output_map, call, name, key) for name in output_map.names),
        ]
        for call, key in zip(calls, keys, strict=True)
    ]
    return parts.table(heads, rows, name="Where each output is")


def _place(output_map: OutputMap, call: Call, name: str, key: str) -> Html:
    gone = not any(slot.name == name and slot.index is not None for slot in call.slots)
    shift = phrases.moved(output_map, call, name).strip()
    return parts.cell(
        tag("span", phrases.where_it_is(call, name)),
        tag("small", f" {shift}") if shift else None,
        class_="gone" if gone else None,
        data_call=key,
        data_name=phrases.name(name),
    )


def _stages(output_map: OutputMap) -> Html | None:
    if not output_map.stages:
        return None
    tables = []
    for stage in output_map.stages:
        module = safe(stage.module or output_map.checkpoint.architecture)
        rows = [
            [
                parts.cell(parts.code(phrases.stage_index(slot))),
                parts.row_head(phrases.stage_slot(slot)),
                parts.cell(phrases.stage_reaches(slot)),
            ]
            for slot in stage.shown
        ]
        tables += [
            tag("h3", parts.code(module), " returned ", parts.code(safe(stage.container))),
            parts.table(["index", "what", "found again"], rows, name=f"What {module} returned"),
        ]
    return parts.section("How the container is built", *tables)


def _predictions(output_map: OutputMap) -> Html | None:
    if not output_map.predictions:
        return None
    rows = []
    shown, rest = phrases.first(output_map.predictions, phrases.TEXTS_SHOWN, "text")
    for prediction in shown:
        labels = tag("ul", *_labels(prediction), class_="plain")
        rows.append([parts.row_head(phrases.text_or_pair(prediction.text)), parts.cell(labels)])
    rows += [[parts.row_head(words), parts.cell()] for words in rest]
    heads = ["text", phrases.function(output_map.predictions[0])]
    return parts.section("What the logits say", parts.table(heads, rows, name="Predictions"))


def _labels(prediction: Prediction) -> Iterator[Html]:
    ranked, rest = phrases.first(phrases.ranked(prediction), phrases.LABELS_SHOWN, "label")
    for name, score in ranked:
        scores = ", ".join(phrases.score_texts(prediction, score))
        yield tag("li", tag("b", phrases.name(name)), f" {scores}")
    yield from (tag("li", words) for words in rest)


def _tokens(output_map: OutputMap) -> Html | None:
    shown, rest = phrases.first(output_map.input.tokens or (), phrases.ROWS_SHOWN, "row")
    lines = []
    for row in shown:
        tokens = [
            joined(tag("small", positions), " ", parts.code(token), " ")
            for positions, token in phrases.tokens(row)
        ]
        lines.append(tag("li", *tokens))
    return tag("ol", *lines, *(tag("li", words) for words in rest)) if lines else None
