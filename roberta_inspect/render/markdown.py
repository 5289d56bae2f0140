"""The map as Markdown, for a step summary or a comment on a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from roberta_inspect.records import Call, CallSpec, Finding, OutputMap, Slot
from roberta_inspect.render import phrases
from roberta_inspect.render.blocks import LEVEL, STATUS
from roberta_inspect.text import safe

_SPECIAL = re.compile(r"([\\`*_\[\]<>#|~$&])")
_BACKTICKS = re.compile(r"`+")


def map_markdown(of: OutputMap) -> str:
    """The whole map in tables; the proofs folded away where all of them hold."""
    from roberta_inspect.render.consumers import consumer_tables  # which needs this module

    blocks = (_head, _plain, _places, _slots, _proofs, _stages, _predictions)
    lines = [line for block in blocks for line in block(of)]
    lines += [*consumer_tables(of.consumers or ()), *finding_lines(of.findings)]
    return "\n".join(lines)


def escaped(text: str) -> str:
    r"""`text` as Markdown that shows it as it is: `a|b` becomes `a\|b`; `@name` calls nobody."""
    return _SPECIAL.sub(r"\\\1", text).replace("@", "@<!-- -->")


def code(text: str) -> str:
    """`text` as code in the cell of a table, whatever backticks and bars it holds."""
    longest = max((len(run) for run in _BACKTICKS.findall(text)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if longest else ""
    return f"{fence}{pad}{text}{pad}{fence}".replace("|", r"\|") if text else ""


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A table of cells that are Markdown already, between empty lines."""
    yield ""
    yield f"| {' | '.join(heads)} |"
    yield f"|{' --- |' * len(heads)}"
    yield from (f"| {' | '.join(row)} |" for row in rows)
    yield ""


def _head(of: OutputMap) -> Iterator[str]:
    yield f"## {'✓' if of.ok else '✗'} roberta-inspect run: {phrases.verdict(of)}"
    told = phrases.head(of).items()
    yield from table(["", ""], [[label, escaped(words)] for label, words in told])


def _plain(of: OutputMap) -> Iterator[str]:
    if not of.plain:
        return
    yield "### What `model(**inputs)` returns here"
    told = [[call.spec.with_labels, escaped(phrases.returned(call))] for call in of.plain]
    yield from table(["", ""], [*told, ["config", escaped(phrases.configured(of.setup))]])


def _places(of: OutputMap) -> Iterator[str]:
    yield "### Where each output is"
    heads = ["", *(code(call.words) for call in of.main_calls)]
    rows = [
        [code(phrases.name(name)), *(_place(of, call, name) for call in of.main_calls)]
        for name in of.names
    ]
    yield from table(heads, rows)
    if told := phrases.legend(of):
        yield "; ".join(f"{code(sign)} {escaped(words)}" for sign, words in told.items())
        yield ""
    if of.matrix:
        yield "### How each index moves with the flags"
        moves = [
            [
                *("yes" if flag else "no" for flag in call.spec),
                *(escaped(phrases.where_it_is(call, name)) for name in of.names),
            ]
            for call in of.calls
        ]
        yield from table(
            [*map(code, CallSpec._fields), *(code(phrases.name(each)) for each in of.names)], moves
        )


def _place(of: OutputMap, call: Call, name: str) -> str:
    """How to reach it, its index where that does not say it already, or why it is not there."""
    found = [slot for slot in call.slots if slot.name == name]
    told = [
        (slot.access, phrases.where(slot) if slot.key else phrases.missing(slot)) for slot in found
    ]
    reached = [f"{code(safe(access))} {escaped(rest)}".strip() for access, rest in told]
    places = ", ".join(reached) or escaped(phrases.where_it_is(call, name))
    return places + escaped(phrases.moved(of, call, name))


def _slots(of: OutputMap) -> Iterator[str]:
    yield "### What each output is"
    rows = [_slot(of, name, slot) for name in of.names for slot in of.fullest_slots(name)]
    yield from table(["output", "holds", "meaning", "origin"], rows)


def _slot(of: OutputMap, name: str, slot: Slot) -> list[str]:
    runs = list(phrases.runs(slot.items, alike=phrases.alike(slot)))
    shown, rest = phrases.first(runs, phrases.MOST_RUNS, "line")
    origins = [*(f"{run.indices} {run.line}" for run in shown), *rest]
    if slot.kind == "tensor":
        origins.append(phrases.made_by(slot, of.checkpoint.architecture))
    if slot.same_as:
        origins.append(f"the same tensor as {phrases.place(slot.same_as)}")
    return [
        code(phrases.name(name)),
        escaped(phrases.what(slot)),
        escaped(phrases.sentence(slot.meaning or "")),
        "<br>".join(map(escaped, origins)),
    ]


def _proofs(of: OutputMap) -> Iterator[str]:
    if not of.proofs:
        return
    yield f"<details{'' if of.ok else ' open'}><summary>Proofs</summary>"
    rows = [
        [
            f"{STATUS[proof.status].sign} {STATUS[proof.status].word}",
            code(phrases.name(proof.slot)),
            escaped(phrases.sentence(proof.claim)),
            escaped(phrases.sentence(proof.detail)),
        ]
        for proof in of.proofs
    ]
    yield from table(["", "output", "claim", "measured"], rows)
    yield "</details>"
    yield ""


def _stages(of: OutputMap) -> Iterator[str]:
    if not of.stages:
        return
    yield "### How the tuple is built"
    rows = []
    for stage in of.stages:
        module = safe(stage.module or of.checkpoint.architecture)
        whose = f"{code(module)} {code(safe(stage.container))}"
        for slot in stage.shown:
            index, name = phrases.stage_index(slot), phrases.stage_slot(slot)
            rows.append([whose, escaped(index), escaped(name), escaped(phrases.goes(slot))])
            whose = ""
    yield from table(["returned by", "index", "what", "found again"], rows)


def _predictions(of: OutputMap) -> Iterator[str]:
    if not of.predictions:
        return
    yield "### What the logits say"
    yield from (f"\n**{escaped(words)}**" for words in phrases.doubts(of))
    rows = []
    shown, rest = phrases.first(of.predictions, phrases.MOST_TEXTS, "text")
    for each in shown:
        ranked, others = phrases.first(phrases.ranked(each), phrases.MOST_LABELS, "label")
        told = [
            f"{code(phrases.name(name))} {escaped(', '.join(phrases.score(each, score)))}"
            for name, score in ranked
        ]
        rows.append([escaped(phrases.text(each.text)), "<br>".join([*told, *others])])
    rows += [[words, ""] for words in rest]
    yield from table(["text", phrases.function(of.predictions[0])], rows)


def finding_lines(findings: Sequence[Finding]) -> Iterator[str]:
    """A heading and a table; nothing where nothing was found."""
    if not findings:
        return
    yield "### Findings"
    rows = [
        [
            f"{LEVEL[each.level].sign} {LEVEL[each.level].word}",
            code(phrases.name(each.id)),
            escaped(phrases.sentence(each.message)),
            "<br>".join(map(escaped, phrases.lines(each.hint or "").split("\n"))),
        ]
        for each in findings
    ]
    yield from table(["", "finding", "what", "what to do"], rows)
