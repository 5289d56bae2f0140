"""What differs between what the consumers return.

A consumer that is not installed on one side is not a difference. Neither is the size of a rounding
error, which depends on the device. Other label names are reported for the checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterator

from roberta_inspect.differences.change import Change
from roberta_inspect.records import Consumer, OutputMap, Part
from roberta_inspect.text import listed, safe

CONSUMERS_PLACE = "consumers"

MOST_PARTS = 4


def consumer_changes(left: OutputMap, right: OutputMap) -> Iterator[Change]:
    """What changed for the ways of calling a consumer that both maps have."""
    before = {consumer.title: consumer for consumer in left.consumers or ()}
    for now in right.consumers or ():
        was = before.get(now.title)
        if was is not None and "not-installed" not in (was.status, now.status):
            yield from _changes(was, now)


def _changes(was: Consumer, now: Consumer) -> Iterator[Change]:
    if _result(was) != _result(now):
        yield _change(
            "consumer-returns",
            now,
            _result(was),
            _result(now),
            "code that takes it apart breaks",
        )
        return
    lost, new = _only(was.parts, now.parts), _only(now.parts, was.parts)
    if lost or new:
        yield _change(
            "consumer-parts",
            now,
            _part_words(lost),
            _part_words(new),
            "what stands there is something else than before",
        )


def _change(id_: str, consumer: Consumer, was: str, now: str, consequence: str) -> Change:
    title = safe(consumer.title, longest=120)
    return Change(id_, (title, was, now), CONSUMERS_PLACE, title, was, now, consequence)


def _result(consumer: Consumer) -> str:
    if consumer.error is not None:
        return f"an exception ({safe(consumer.error.type)})"
    return safe(consumer.container)


def _only(parts: tuple[Part, ...], other_parts: tuple[Part, ...]) -> list[str]:
    structures = {_structure(part) for part in other_parts}
    return [words for part in parts if (words := _structure(part)) not in structures]


def _structure(part: Part) -> str:
    """A part in words, without what depends on the input: its sizes, and which label is first."""
    is_score = part.function is not None and part.label is not None
    identity = f"{part.function} of {part.name}" if is_score else part.identity
    off = ", off by more than rounding" if part.is_off else ""
    return f"{safe(part.access)} {safe(identity)}{off}"


def _part_words(parts: list[str]) -> str:
    return listed(parts, most=MOST_PARTS) or "nothing"
