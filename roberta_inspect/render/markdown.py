"""The map as Markdown, for a step summary or a comment on a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from roberta_inspect.records import Call, CallSpec, Finding, OutputMap, Prediction, Slot
from roberta_inspect.render import phrases
from roberta_inspect.render.blocks import LEVEL, STATUS
from roberta_inspect.text import safe

_SPECIAL = re.compile(r"([\\`*_\[\]<>#|~$&])")
_BACKTICKS = re.compile(r"`+")


def map_markdown(output_map: OutputMap) -> str:
    """The whole map in tables; the proofs folded away where all of them hold."""
    from roberta_inspect.render.consumers import consumer_tables  # which needs this module

    blocks = (_head, _plain_calls, _places, _slots, _proofs, _stages, _predictions)
    lines = [line for block in blocks for line in block(output_map)]
    lines += [*consumer_tables(output_map.consumers or ()), *finding_lines(output_map.findings)]
    return "\n".join(lines)


def escaped(text: str) -> str:
    r"""`text` as Markdown that shows it as it is: `a|b` becomes `a\|b`; `@name` calls nobody."""
    return _SPECIAL.sub(r"\\\1", text).replace("@", "@<!-- -->")


def code_span(text: str) -> str:
    """`text` as code in the cell of a table, whatever backticks and bars it holds."""
    longest = max((len(run) for run in _BACKTICKS.findall(text)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if longest else ""
    return f"{fence}{pad}{text}{pad}{fence}".replace("|", r"\|") if text else ""


def table_lines(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A table of cells that are Markdown already, between empty lines."""
    yield ""
    yield f"| {' | '.join(heads)} |"
    yield f"|{' --- |' * len(heads)}"
    yield from (f"| {' | '.join(row)} |" for row in rows)
    yield ""


def _head(output_map: OutputMap) -> Iterator[str]:
    mark = "✓" if output_map.ok else "✗"
    yield f"## {mark} roberta-inspect run: {phrases.map_verdict(output_map)}"
    facts = phrases.header_facts(output_map).items()
    yield from table_lines(["", ""], [[label, escaped(words)] for label, words in facts])


def _plain_calls(output_map: OutputMap) -> Iterator[str]:
    if not output_map.plain:
        return
    yield "### What `model(**inputs)` returns here"
    returned = [
        [call.spec.with_labels, escaped(phrases.returned(call))] for call in output_map.plain
    ]
    yield from table_lines(
        ["", ""], [*returned, ["config", escaped(phrases.configured_line(output_map.setup))]]
    )


def _places(output_map: OutputMap) -> Iterator[str]:
    yield "### Where each output is"
    heads = ["", *(code_span(call.words) for call in output_map.main_calls)]
    rows = [
        [
            code_span(phrases.name(name)),
            *(_place(output_map, call, name) for call in output_map.main_calls),
        ]
        for name in output_map.names
    ]
    yield from table_lines(heads, rows)
    if legend := phrases.legend(output_map):
        yield "; ".join(f"{code_span(sign)} {escaped(words)}" for sign, words in legend.items())
        yield ""
    if output_map.matrix:
        yield "### How each index moves with the flags"
        moves = [
            [
                *("yes" if flag else "no" for flag in call.spec),
                *(escaped(phrases.where_it_is(call, name)) for name in output_map.names),
            ]
            for call in output_map.calls
        ]
        yield from table_lines(
            [
                *map(code_span, CallSpec._fields),
                *(code_span(phrases.name(name)) for name in output_map.names),
            ],
            moves,
        )


def _place(output_map: OutputMap, call: Call, name: str) -> str:
    """How to reach it, its index where that does not say it already, or why it is not there."""
    slots = [slot for slot in call.slots if slot.name == name]
    accesses = [
        (slot.access, phrases.where(slot) if slot.key else phrases.missing(slot)) for slot in slots
    ]
    reached = [f"{code_span(safe(access))} {escaped(rest)}".strip() for access, rest in accesses]
    places = ", ".join(reached) or escaped(phrases.where_it_is(call, name))
    return places + escaped(phrases.moved(output_map, call, name))


def _slots(output_map: OutputMap) -> Iterator[str]:
    yield "### What each output is"
    rows = [
        _slot(output_map, name, slot)
        for name in output_map.names
        for slot in output_map.fullest_slots(name)
    ]
    yield from table_lines(["output", "holds", "meaning", "origin"], rows)


def _slot(output_map: OutputMap, name: str, slot: Slot) -> list[str]:
    runs = list(phrases.item_runs(slot.items, alike=phrases.alike(slot)))
    shown, rest = phrases.first(runs, phrases.RUNS_SHOWN, "line")
    origins = [*(f"{run.indices} {run.line}" for run in shown), *rest]
    if slot.kind == "tensor":
        origins.append(phrases.origin_sentence(slot, output_map.checkpoint.architecture))
    if slot.same_as:
        origins.append(f"the same tensor as {phrases.place_text(slot.same_as)}")
    return [
        code_span(phrases.name(name)),
        escaped(phrases.contents_text(slot)),
        escaped(phrases.sentence(slot.meaning or "")),
        "<br>".join(map(escaped, origins)),
    ]


def _proofs(output_map: OutputMap) -> Iterator[str]:
    if not output_map.proofs:
        return
    yield f"<details{'' if output_map.ok else ' open'}><summary>Proofs</summary>"
    rows = [
        [
            f"{STATUS[proof.status].sign} {STATUS[proof.status].word}",
            code_span(phrases.name(proof.slot)),
            escaped(phrases.sentence(proof.claim)),
            escaped(phrases.sentence(proof.detail)),
        ]
        for proof in output_map.proofs
    ]
    yield from table_lines(["", "output", "claim", "measured"], rows)
    yield "</details>"
    yield ""


def _stages(output_map: OutputMap) -> Iterator[str]:
    if not output_map.stages:
        return
    yield "### How the tuple is built"
    rows = []
    for stage in output_map.stages:
        module = safe(stage.module or output_map.checkpoint.architecture)
        returned_by = f"{code_span(module)} {code_span(safe(stage.container))}"
        for slot in stage.shown:
            index, name = phrases.stage_index(slot), phrases.stage_slot(slot)
            rows.append(
                [returned_by, escaped(index), escaped(name), escaped(phrases.stage_reaches(slot))]
            )
            returned_by = ""
    yield from table_lines(["returned by", "index", "what", "found again"], rows)


def _predictions(output_map: OutputMap) -> Iterator[str]:
    if not output_map.predictions:
        return
    yield "### What the logits say"
    yield from (f"\n**{escaped(words)}**" for words in phrases.doubts(output_map))
    rows = []
    shown, rest = phrases.first(output_map.predictions, phrases.TEXTS_SHOWN, "text")
    for prediction in shown:
        labels = "<br>".join(_labels(prediction))
        rows.append([escaped(phrases.text_or_pair(prediction.text)), labels])
    rows += [[words, ""] for words in rest]
    yield from table_lines(["text", phrases.function(output_map.predictions[0])], rows)


def _labels(prediction: Prediction) -> Iterator[str]:
    ranked, rest = phrases.first(phrases.ranked(prediction), phrases.LABELS_SHOWN, "label")
    for name, score in ranked:
        scores = ", ".join(phrases.score_texts(prediction, score))
        yield f"{code_span(phrases.name(name))} {escaped(scores)}"
    yield from rest


def finding_lines(findings: Sequence[Finding]) -> Iterator[str]:
    """A heading and a table; nothing where nothing was found."""
    if not findings:
        return
    yield "### Findings"
    rows = [
        [
            f"{LEVEL[finding.level].sign} {LEVEL[finding.level].word}",
            code_span(phrases.name(finding.id)),
            escaped(phrases.sentence(finding.message)),
            "<br>".join(map(escaped, phrases.lines(finding.hint or "").split("\n"))),
        ]
        for finding in findings
    ]
    yield from table_lines(["", "finding", "what", "what to do"], rows)
