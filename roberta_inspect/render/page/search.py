"""The index of a page's search box: calls, slots and words, as plain values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from roberta_inspect.records import Call, Consumer, Item, OutputMap, Slot
from roberta_inspect.render import phrases
from roberta_inspect.render.diagram import alt_text
from roberta_inspect.text import safe


def index(output_map: OutputMap) -> dict[str, Any]:
    """The calls of a map in the order of the page, the slots that they share, and other words."""
    slots: list[dict[str, Any]] = []

    def numbered(slot: Slot) -> int:
        entry = _slot_entry(slot)
        if entry not in slots:
            slots.append(entry)
        return slots.index(entry)

    return {
        "calls": [
            {"described": alt_text(output_map, call), **_call(call, [*map(numbered, call.slots)])}
            for call in (*output_map.plain, *output_map.calls)
        ],
        "slots": slots,
        "words": {word: answer for word, *answer in _typed_words(output_map)},
        "consumers": [
            part for consumer in output_map.consumers or () for part in _consumer_parts(consumer)
        ],
    }


def _call(call: Call, numbers: list[int]) -> dict[str, Any]:
    pairs = list(zip(call.slots, numbers, strict=True))
    error = call.error
    failure = error and f"raises {safe(error.type)}: {phrases.sentence(error.message)}"
    return {
        "spec": list(call.spec),
        "words": phrases.called_with(call),
        "code": phrases.call_code(call),
        "error": failure,
        "positions": [number for slot, number in pairs if slot.index is not None],
        "keys": {phrases.name(slot.key): number for slot, number in pairs if slot.key},
        "names": {phrases.name(slot.name): number for slot, number in pairs},
    }


def _slot_entry(slot: Slot) -> dict[str, Any]:
    return {
        "name": phrases.name(slot.name),
        "meaning": phrases.sentence(slot.meaning or ""),
        **_contents(slot),
    }


def _contents(value: Slot | Item) -> dict[str, Any]:
    """What an index reaches next: the axes of a tensor, the items of anything else."""
    return {
        "what": phrases.contents_text(value),
        "from": phrases.returning_module(value),
        "axes": [phrases.name(axis) for axis in value.axes] if value.kind == "tensor" else None,
        "shape": list(value.shape or ()),
        "items": [_contents(item) for item in value.items],
    }


def _typed_words(output_map: OutputMap) -> Iterator[tuple[str, str, str]]:
    """A word that people type, the expression that it stands for, and what is known about it."""
    claims = {proof.id: proof.claim for proof in output_map.proofs if proof.status == "proved"}
    if "hidden_states" in output_map.names:
        last, first = "hidden_states[-1]", "hidden_states[0]"
        position = phrases.sentence(claims.get("logits-position", "the vector of the first token"))
        for word in ("cls", "<s>", "cls token"):
            yield word, f"{last}[:, 0]", position
        yield "last_hidden_state", last, phrases.sentence(claims.get("hidden-states-last", ""))
        yield "embeddings", first, phrases.sentence(claims.get("hidden-states-embeddings", ""))
    notes = [slot.note for stage in output_map.stages for slot in stage.slots if slot.note]
    for note in notes:
        for word in ("pooler", "pooler_output"):
            yield word, "", phrases.sentence(note)


def _consumer_parts(consumer: Consumer) -> Iterator[dict[str, Any]]:
    """The parts that one consumer hands over."""
    for part in consumer.parts:
        yield {
            "access": safe(part.access),
            "is": phrases.sentence(part.identity),
            "who": phrases.sentence(consumer.title),
        }
