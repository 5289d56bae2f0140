"""What the search box of a page looks things up in: calls, slots and words, as plain values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from roberta_inspect.records import Call, Consumer, Item, OutputMap, Slot
from roberta_inspect.render import phrases
from roberta_inspect.render.diagram import description
from roberta_inspect.text import safe


def index(of: OutputMap) -> dict[str, Any]:
    """The calls of a map in the order of the page, the slots that they share, and other words."""
    slots: list[dict[str, Any]] = []

    def numbered(slot: Slot) -> int:
        entry = _slot(slot)
        if entry not in slots:
            slots.append(entry)
        return slots.index(entry)

    return {
        "calls": [
            {"described": description(of, call), **_call(call, [*map(numbered, call.slots)])}
            for call in (*of.plain, *of.calls)
        ],
        "slots": slots,
        "words": {word: told for word, *told in _words(of)},
        "consumers": [part for consumer in of.consumers or () for part in parts(consumer)],
    }


def _call(call: Call, numbers: list[int]) -> dict[str, Any]:
    pairs = list(zip(call.slots, numbers, strict=True))
    failure = (
        call.error and f"raises {safe(call.error.type)}: {phrases.sentence(call.error.message)}"
    )
    return {
        "spec": list(call.spec),
        "words": ", ".join(call.spec.flags),
        "code": phrases.code(call),
        "error": failure,
        "positions": [number for slot, number in pairs if slot.index is not None],
        "keys": {phrases.name(slot.key): number for slot, number in pairs if slot.key},
        "names": {phrases.name(slot.name): number for slot, number in pairs},
    }


def _slot(slot: Slot) -> dict[str, Any]:
    return {
        "name": phrases.name(slot.name),
        "meaning": phrases.sentence(slot.meaning or ""),
        **_held(slot),
    }


def _held(of: Slot | Item) -> dict[str, Any]:
    """What indexing goes on with; a tensor has axes, the rest has items."""
    return {
        "what": phrases.what(of),
        "from": phrases.returned_by(of),
        "axes": [phrases.name(axis) for axis in of.axes] if of.kind == "tensor" else None,
        "shape": list(of.shape or ()),
        "items": [_held(item) for item in of.items],
    }


def _words(of: OutputMap) -> Iterator[tuple[str, str, str]]:
    """A word that people type, the expression that is meant, and what is known of it."""
    claims = {proof.id: proof.claim for proof in of.proofs if proof.status == "proved"}
    if "hidden_states" in of.names:
        last, first = "hidden_states[-1]", "hidden_states[0]"
        position = phrases.sentence(claims.get("logits-position", "the vector of the first token"))
        for word in ("cls", "<s>", "cls token"):
            yield word, f"{last}[:, 0]", position
        yield "last_hidden_state", last, phrases.sentence(claims.get("hidden-states-last", ""))
        yield "embeddings", first, phrases.sentence(claims.get("hidden-states-embeddings", ""))
    notes = [slot.note for stage in of.stages for slot in stage.slots if slot.note]
    for note in notes:
        for word in ("pooler", "pooler_output"):
            yield word, "", phrases.sentence(note)


def parts(consumer: Consumer) -> Iterator[dict[str, Any]]:
    """What one consumer hands over."""
    for part in consumer.parts:
        yield {
            "access": safe(part.access),
            "is": phrases.sentence(part.identity),
            "who": phrases.sentence(consumer.title),
        }
