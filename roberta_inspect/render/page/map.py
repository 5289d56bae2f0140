"""The page of a map: point at a slot and see where it comes from and what proves it."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence

from roberta_inspect.records import Call, OutputMap, Slot
from roberta_inspect.render import diagram, phrases
from roberta_inspect.render.diagram.ink import Form
from roberta_inspect.render.html import Html, joined, tag
from roberta_inspect.render.page import parts, search
from roberta_inspect.render.page.consumers import consumers
from roberta_inspect.text import counted, safe

SWITCHES = {
    "plain": "plain call",
    "labels": "labels",
    "return_dict": "return_dict",
    "output_hidden_states": "hidden states",
    "output_attentions": "attentions",
}
"""Switch → its words."""


def map_page(of: OutputMap) -> str:
    """The whole map as a page of its own."""
    calls = [*of.plain, *of.calls]
    start = calls.index(diagram.chosen(of))
    return parts.document(
        f"roberta-inspect run: {safe(of.checkpoint.source)}",
        parts.heading("What each output is", of.checkpoint.source, phrases.verdict(of), ok=of.ok),
        tag(
            "main",
            _search(),
            tag("div", _picture(of, calls, start), _slots(of), class_="pointing"),
            parts.findings(of.findings),
            _places(of, calls),
            _stages(of),
            _predictions(of),
            consumers(of.consumers or ()),
            parts.section("What was inspected", parts.facts(phrases.head(of)), _tokens(of)),
        ),
        data={**search.index(of), "start": start},
    )


def fragment(of: OutputMap) -> str:
    """The map for a notebook: no page of its own, in the notebook's own colours."""
    picture = base64.b64encode(diagram.map_svg(of).encode()).decode()
    described = diagram.description(of, diagram.chosen(of))
    return tag(
        "div",
        tag(
            "p",
            tag("b", "✓ " if of.ok else "✗ "),
            f"{safe(of.checkpoint.source)}: ",
            phrases.verdict(of),
        ),
        tag(
            "img",
            src=f"data:image/svg+xml;base64,{picture}",
            alt=described,
            style="max-width: 100%; width: 860px",
        ),
        parts.findings(of.findings),
        _where(of, of.main_calls, [*map(str, range(len(of.main_calls)))]),
        *(
            tag("details", tag("summary", parts.code(phrases.name(name))), *_about(of, name))
            for name in of.names
        ),
        class_="roberta-inspect",
    )


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


def _picture(of: OutputMap, calls: Sequence[Call], start: int) -> Html:
    """The switches, and the diagram in its two forms with a group for every call."""
    order = [calls[start], *(call for call in calls if call is not calls[start])]
    keys = [str(calls.index(call)) for call in order]
    drawings = [
        _drawn(diagram.drawing(of, order, form, keys=keys), form, name)
        for form, name in ((diagram.WIDE, "beside"), (diagram.NARROW, "below"))
    ]
    words = diagram.description(of, calls[start])
    return tag(
        "figure",
        _switches(of, calls),
        *drawings,
        tag("figcaption", words, class_="unseen"),
        aria_label="How the container is built",
    )


def _drawn(drawing: diagram.Drawing, form: Form, name: str) -> Html:
    return tag(
        "svg",
        drawing.markup,
        viewBox=f"0 0 {form.width} {drawing.height:g}",
        class_=f"diagram {name}",
        role="group",
        aria_label="Modules and slots",
    )


def _switches(of: OutputMap, calls: Sequence[Call]) -> Html:
    """One for each part of a call that differs between the calls that were made."""
    held = {
        "plain": {call.spec.is_plain for call in calls},
        **{
            name: {value for call in of.calls for value in [getattr(call, name)]}
            for name in list(SWITCHES)[1:]
        },
    }
    offered = [
        tag("label", tag("input", type="checkbox", name=name), f" {words}")
        for name, words in SWITCHES.items()
        if len(held[name]) > 1
    ]
    return tag("fieldset", tag("legend", "Called with"), *offered, class_="switches", hidden=True)


def _slots(of: OutputMap) -> Html:
    """A paragraph for each name, opened by pointing at its slot; all open without a script."""
    others = dict.fromkeys(proof.slot for proof in of.proofs if proof.slot not in of.names)
    told = [
        tag(
            "details",
            tag("summary", parts.code(phrases.name(name)), " ", _outcome(of, name)),
            *_about(of, name),
            open=True,
            data_slot=phrases.name(name),
        )
        for name in (*of.names, *others)
    ]
    return parts.section("What each output is", *told, class_="slots")


def _outcome(of: OutputMap, name: str) -> Html | None:
    proofs = of.proofs_of(name)
    counts = [
        tag(
            "span",
            f"{parts.SIGNS[status][0]} {number}",
            class_=f"mark {status}",
            title=parts.SIGNS[status][1],
        )
        for status in ("refuted", "proved", "not-tested")
        if (number := sum(proof.status == status for proof in proofs))
    ]
    return joined(*counts, between=" ")


def _about(of: OutputMap, name: str) -> Iterator[Html | None]:
    slots = of.fullest_slots(name)
    for slot in slots:
        yield parts.facts(
            {
                "holds": phrases.what(slot),
                "meaning": phrases.sentence(slot.meaning or ""),
                "same as": f"the same tensor as {phrases.place(slot.same_as)}"
                if slot.same_as
                else None,
                "origin": phrases.made_by(slot, of.checkpoint.architecture)
                if slot.kind == "tensor"
                else None,
                "reached as": _reached(of, name),
            }
        )
        yield _items(slot)
    if not slots:
        together = "all of them together" if name == "outputs" else "no call returned it"
        yield tag("p", together)
    yield parts.proofs(of.proofs_of(name))


def _reached(of: OutputMap, name: str) -> Html:
    """Where it stands in each of the main calls."""
    told = [
        joined(parts.code(safe(slot.access)), f" with {call.words}")
        for call in (*of.plain, *of.main_calls)
        for slot in call.slots
        if slot.name == name and slot.index is not None
    ]
    return tag("ul", *(tag("li", each) for each in told), class_="plain")


def _items(slot: Slot) -> Html | None:
    runs = list(phrases.runs(slot.items, alike=phrases.alike(slot)))
    shown, rest = phrases.first(runs, phrases.MOST_RUNS, "line")
    lines = [joined(parts.code(run.indices), f" {run.line}") for run in shown]
    return (
        tag("ul", *(tag("li", line) for line in (*lines, *rest)), class_="plain") if runs else None
    )


def _places(of: OutputMap, calls: Sequence[Call]) -> Html:
    keys = {call.spec: str(number) for number, call in enumerate(calls)}
    shown = [*of.plain, *of.main_calls]
    told = [tag("li", parts.code(sign), f" {words}") for sign, words in phrases.legend(of).items()]
    more = None
    if of.matrix:
        whole = _where(of, of.calls, [keys[call.spec] for call in of.calls], flags=True)
        summary = f"Every combination of the flags: {counted(len(of.calls), 'call')}"
        more = tag("details", tag("summary", summary), whole, open=True, class_="matrix")
    return parts.section(
        "Where each output is",
        _where(of, shown, [keys[call.spec] for call in shown]),
        tag("ul", *told, class_="plain legend"),
        tag("p", f"config: {phrases.configured(of.setup)}", class_="legend") if of.plain else None,
        more,
    )


def _where(
    of: OutputMap, calls: Sequence[Call], keys: Sequence[str], *, flags: bool = False
) -> Html:
    """One row per call, one column per name."""
    heads = ["called with", *(parts.code(phrases.name(name)) for name in of.names)]
    rows = [
        [
            parts.row_head(_called(call, flags)),
            *(_place(of, call, name, key) for name in of.names),
        ]
        for call, key in zip(calls, keys, strict=True)
    ]
    return parts.table(heads, rows, name="Where each output is")


def _called(call: Call, flags: bool) -> Html:
    asked = ", ".join(call.spec.flags) if flags else call.words
    return tag("span", asked)


def _place(of: OutputMap, call: Call, name: str, key: str) -> Html:
    where = phrases.where_it_is(call, name)
    gone = not any(slot.name == name and slot.index is not None for slot in call.slots)
    shift = phrases.moved(of, call, name).strip()
    return parts.cell(
        tag("span", where),
        tag("small", f" {shift}") if shift else None,
        class_="gone" if gone else None,
        data_call=key,
        data_name=phrases.name(name),
    )


def _stages(of: OutputMap) -> Html | None:
    if not of.stages:
        return None
    tables = []
    for stage in of.stages:
        whose = safe(stage.module or of.checkpoint.architecture)
        rows = [
            [
                parts.cell(parts.code(phrases.stage_index(slot))),
                parts.row_head(phrases.stage_slot(slot)),
                parts.cell(phrases.goes(slot)),
            ]
            for slot in stage.shown
        ]
        tables += [
            tag("h3", parts.code(whose), " returned ", parts.code(safe(stage.container))),
            parts.table(["index", "what", "found again"], rows, name=f"What {whose} returned"),
        ]
    return parts.section("How the container is built", *tables)


def _predictions(of: OutputMap) -> Html | None:
    if not of.predictions:
        return None
    rows = []
    shown, rest = phrases.first(of.predictions, phrases.MOST_TEXTS, "text")
    for each in shown:
        ranked, others = phrases.first(each.ranked, phrases.MOST_LABELS, "label")
        scores = [
            tag(
                "li",
                tag("b", phrases.name(score.label)),
                f" {', '.join(phrases.score(each, score))}",
            )
            for score in ranked
        ]
        more = [tag("li", words) for words in others]
        rows.append(
            [
                parts.row_head(phrases.text(each.text)),
                parts.cell(tag("ul", *scores, *more, class_="plain")),
            ]
        )
    rows += [[parts.row_head(words), parts.cell()] for words in rest]
    heads = ["text", phrases.function(of.predictions[0])]
    return parts.section("What the logits say", parts.table(heads, rows, name="Predictions"))


def _tokens(of: OutputMap) -> Html | None:
    shown, rest = phrases.first(of.input.tokens or (), phrases.MOST_ROWS, "row")
    lines = [
        tag(
            "li",
            *(
                joined(tag("small", place), " ", parts.code(token), " ")
                for place, token in phrases.tokens(row)
            ),
        )
        for row in shown
    ]
    return tag("ol", *lines, *(tag("li", words) for words in rest)) if lines else None
