"""What consumers hand over that they did not, or no longer do.

What is not installed on one side is no difference, and neither is by how much a value is off: that
is another on another device. Which label a text has is the checkpoint's affair.
"""

from __future__ import annotations

from collections.abc import Iterator

from roberta_inspect.differences.change import Change
from roberta_inspect.records import Consumer, OutputMap, Part
from roberta_inspect.text import listed, safe

PLACE = "consumers"

MOST_PARTS = 4


def consumer_changes(left: OutputMap, right: OutputMap) -> Iterator[Change]:
    """Changes of what comes back from the ways of calling that both maps have."""
    before = {consumer.title: consumer for consumer in left.consumers or ()}
    for now in right.consumers or ():
        was = before.get(now.title)
        if was is not None and "not-installed" not in (was.status, now.status):
            yield from _changes(was, now)


def _changes(was: Consumer, now: Consumer) -> Iterator[Change]:
    if _returned(was) != _returned(now):
        yield _change(
            "consumer-returns",
            now,
            _returned(was),
            _returned(now),
            "code that takes it apart breaks",
        )
        return
    lost, new = _only(was.parts, now.parts), _only(now.parts, was.parts)
    if lost or new:
        yield _change(
            "consumer-parts",
            now,
            _words(lost),
            _words(new),
            "what stands there is something else than before",
        )


def _change(what: str, consumer: Consumer, was: str, now: str, consequence: str) -> Change:
    title = safe(consumer.title, longest=120)
    return Change(what, (title, was, now), PLACE, title, was, now, consequence)


def _returned(consumer: Consumer) -> str:
    if consumer.error is not None:
        return f"an exception ({safe(consumer.error.type)})"
    return safe(consumer.container)


def _only(parts: tuple[Part, ...], others: tuple[Part, ...]) -> list[str]:
    known = {_structure(part) for part in others}
    return [words for part in parts if (words := _structure(part)) not in known]


def _structure(part: Part) -> str:
    """What stands where, without what the input decides: sizes, and the label that came first."""
    is_score = part.function is not None and part.label is not None
    made = f"{part.function} of {part.name}" if is_score else part.identity
    off = ", off by more than rounding" if part.is_off else ""
    return f"{safe(part.access)} {safe(made)}{off}"


def _words(parts: list[str]) -> str:
    return listed(parts, most=MOST_PARTS) or "nothing"
