"""What each output is: shape, meaning, origin, and what proves it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from rich.console import Group, RenderableType
from rich.text import Text

from roberta_inspect.records import OutputMap, Proof, Slot
from roberta_inspect.render import colours, phrases
from roberta_inspect.render.blocks import STATUS, Remark, Row, block, rows


def slots(of: OutputMap) -> Group:
    """One paragraph per name; proofs about no single slot come last."""
    others = dict.fromkeys(proof.slot for proof in of.proofs if proof.slot not in of.names)
    paragraphs = [
        *(_named(of, name) for name in of.names),
        *([(_label(name), _of_no_slot(name)), *proofs(of.proofs_of(name))] for name in others),
    ]
    space = (Text(), Text())
    spaced = [row for paragraph in paragraphs for row in (*paragraph, space)]
    return block("What each output is", rows(spaced[:-1]))


def _of_no_slot(name: str) -> Text:
    together = "all of them together" if name == "outputs" else "in no main call"
    return Text(together, "bold")


def _named(of: OutputMap, name: str) -> Iterator[Row]:
    for slot in of.fullest_slots(name):
        yield _label(name), Text(phrases.what(slot), "bold")
        yield from about(of, slot)
    if not of.fullest_slots(name):
        yield _label(name), Text("no call returned it", "dim")
    yield from proofs(of.proofs_of(name))


def _label(name: str) -> Text:
    return Text(f"  {phrases.name(name)}", f"bold {colours.NAME}")


def about(of: OutputMap, slot: Slot) -> Iterator[Row]:
    """What is known of a slot itself: meaning, origin, items."""
    if slot.meaning:
        yield Text("    meaning", "dim"), Text(phrases.sentence(slot.meaning))
    if slot.same_as:
        yield Text("    same as", "dim"), Text(f"the same tensor as {phrases.place(slot.same_as)}")
    if slot.kind == "tensor":
        yield Text("    origin", "dim"), Text(phrases.made_by(slot, of.checkpoint.architecture))
    lines = list(phrases.runs(slot.items, alike=phrases.alike(slot)))
    shown, rest = phrases.first(lines, phrases.MOST_RUNS, "line")
    yield from ((Text(f"    {run.indices}", "dim"), Text(run.line)) for run in shown)
    yield from ((Text("    …", "dim"), Text(words, "dim")) for words in rest)


def proofs(of: Sequence[Proof]) -> Iterator[Row]:
    """One row per proof, its outcome in the margin, told once for neighbours that share it."""
    for status, neighbours in groupby(of, lambda proof: proof.status):
        mark, alike = STATUS[status], list(neighbours)
        told: Iterable[RenderableType] = (
            _untested(alike) if status == "not-tested" else map(_tested, alike)
        )
        for number, content in enumerate(told):
            yield (
                Text(f"    {mark.sign if number else f'{mark.sign} {mark.word}'}", mark.style),
                content,
            )


def _tested(proof: Proof) -> Remark:
    refuted = proof.status == "refuted"
    return Remark(
        Text(phrases.sentence(proof.claim), "bold" if refuted else ""),
        Text(phrases.sentence(proof.detail), colours.BAD if refuted else "dim"),
    )


def _untested(of: Sequence[Proof]) -> Iterator[Text]:
    """The claims that share a reason, and the reason."""
    for reason, alike in groupby(of, lambda proof: proof.detail):
        claims = "; ".join(phrases.sentence(proof.claim) for proof in alike)
        yield Text.assemble((phrases.sentence(reason), colours.DOUBT), f": {claims}")
