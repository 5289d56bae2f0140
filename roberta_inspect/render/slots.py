"""What each output is: shape, meaning, origin, and what proves it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from rich.console import Group, RenderableType
from rich.text import Text

from roberta_inspect.records import OutputMap, Proof, Slot
from roberta_inspect.render import colours, phrases
from roberta_inspect.render.blocks import STATUS, Remark, Row, block, two_columns


def slots(output_map: OutputMap) -> Group:
    """One paragraph per name. Proofs that are about no single slot come last."""
    without_slot = dict.fromkeys(
        proof.slot for proof in output_map.proofs if proof.slot not in output_map.names
    )
    paragraphs = [
        *(_slot_paragraph(output_map, name) for name in output_map.names),
        *(_no_slot_paragraph(output_map, name) for name in without_slot),
    ]
    space = (Text(), Text())
    spaced = [row for paragraph in paragraphs for row in (*paragraph, space)]
    return block("What each output is", two_columns(spaced[:-1]))


def _no_slot_paragraph(output_map: OutputMap, name: str) -> Iterator[Row]:
    about = "all of them together" if name == "outputs" else "in no main call"
    yield _slot_label(name), Text(about, "bold")
    yield from proof_rows(output_map.proofs_of(name))


def _slot_paragraph(output_map: OutputMap, name: str) -> Iterator[Row]:
    for slot in output_map.fullest_slots(name):
        yield _slot_label(name), Text(phrases.contents_text(slot), "bold")
        yield from slot_rows(output_map, slot)
    if not output_map.fullest_slots(name):
        yield _slot_label(name), Text("no call returned it", "dim")
    yield from proof_rows(output_map.proofs_of(name))


def _slot_label(name: str) -> Text:
    return Text(f"  {phrases.name(name)}", f"bold {colours.NAME}")


def slot_rows(output_map: OutputMap, slot: Slot) -> Iterator[Row]:
    """The meaning, the origin and the items of a slot."""
    if slot.meaning:
        yield Text("    meaning", "dim"), Text(phrases.sentence(slot.meaning))
    if slot.same_as:
        same = f"the same tensor as {phrases.place_text(slot.same_as)}"
        yield Text("    same as", "dim"), Text(same)
    if slot.kind == "tensor":
        origin = phrases.origin_sentence(slot, output_map.checkpoint.architecture)
        yield Text("    origin", "dim"), Text(origin)
    lines = list(phrases.item_runs(slot.items, alike=phrases.alike(slot)))
    shown, rest = phrases.first(lines, phrases.RUNS_SHOWN, "line")
    yield from ((Text(f"    {run.indices}", "dim"), Text(run.line)) for run in shown)
    yield from ((Text("    …", "dim"), Text(words, "dim")) for words in rest)


def proof_rows(proofs: Sequence[Proof]) -> Iterator[Row]:
    """One row per proof; the outcome stands in the margin, once for neighbours that share it."""
    for status, neighbours in groupby(proofs, lambda proof: proof.status):
        mark, alike = STATUS[status], list(neighbours)
        contents: Iterable[RenderableType] = (
            _untested(alike) if status == "not-tested" else map(_tested, alike)
        )
        for number, content in enumerate(contents):
            outcome = mark.sign if number else f"{mark.sign} {mark.word}"
            yield Text(f"    {outcome}", mark.style), content


def _tested(proof: Proof) -> Remark:
    refuted = proof.status == "refuted"
    return Remark(
        Text(phrases.sentence(proof.claim), "bold" if refuted else ""),
        Text(phrases.sentence(proof.detail), colours.BAD if refuted else "dim"),
    )


def _untested(proofs: Sequence[Proof]) -> Iterator[Text]:
    """The claims that share a reason, and the reason."""
    for reason, alike in groupby(proofs, lambda proof: proof.detail):
        claims = "; ".join(phrases.sentence(proof.claim) for proof in alike)
        yield Text.assemble((phrases.sentence(reason), colours.DOUBT), f": {claims}")
