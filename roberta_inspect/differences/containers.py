"""What differs between what calls returned: the container, and which name is at which index."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from roberta_inspect.differences.change import Change, call_words
from roberta_inspect.records import Call, OutputMap, Slot
from roberta_inspect.text import counted, listed, safe

Positions: TypeAlias = tuple[Slot, ...]
"""The slots at 0, 1, 2 … of a container."""


def paired_calls(left: OutputMap, right: OutputMap) -> list[tuple[Call, Call]]:
    """The calls that were made on both sides: first those that return a tuple, with labels first.

    The main calls are paired even if the two sides ask for different outputs in them.
    """
    right_calls = {_call_key(call, right): call for call in (*right.calls, *right.plain)}
    pairs = [
        (call, right_calls[_call_key(call, left)])
        for call in (*left.calls, *left.plain)
        if _call_key(call, left) in right_calls
    ]
    return sorted(pairs, key=lambda pair: (bool(pair[0].return_dict), not pair[0].labels))


def _call_key(call: Call, output_map: OutputMap) -> tuple[bool | None, ...]:
    """What identifies a call: two flags, and whether it asks for the outputs of the main calls."""
    main = output_map.main_calls[0]
    return (
        call.return_dict,
        call.labels,
        call.output_hidden_states == main.output_hidden_states,
        call.output_attentions == main.output_attentions,
    )


def call_changes(left: OutputMap, right: OutputMap) -> Iterator[Change]:
    """Calls that only one side made, and main calls that ask for different outputs."""
    yield from _flag_changes(left.main_calls[0], right.main_calls[0])
    for sides, was, now in (
        ((left, right), "called", "not called"),
        ((right, left), "not called", "called"),
    ):
        keys = {_call_key(call, sides[1]) for call in sides[1].calls}
        alone = [call.spec for call in sides[0].calls if _call_key(call, sides[0]) not in keys]
        if alone:
            specs = [call.spec for call in sides[0].calls]
            yield Change(
                "calls",
                was,
                "calls",
                call_words(alone, specs),
                was,
                now,
                "nothing can be said about what is not on both sides",
            )


def _flag_changes(left: Call, right: Call) -> Iterator[Change]:
    for flag in ("output_hidden_states", "output_attentions"):
        was, now = getattr(left, flag), getattr(right, flag)
        if was != now:
            yield Change(
                "calls",
                flag,
                "calls",
                flag,
                str(was),
                str(now),
                "the two maps do not ask for the same outputs",
            )


def container_changes(left: Call, right: Call) -> Iterator[Change]:
    """A different container, or an error on one side only."""
    was, now = _outcome(left), _outcome(right)
    if was == now:
        return
    if right.error is not None:
        consequence = "code that calls the model this way now fails"
    elif left.error is not None:
        consequence = "code that expects the error now gets an output"
    else:
        consequence = "code that tests the type of outputs, or reads it by key, gets another thing"
    yield Change(
        "call-raised" if right.error is not None else "container",
        (was, now),
        left.spec,
        "outputs",
        _returned(left),
        _returned(right),
        consequence,
    )


def _outcome(call: Call) -> tuple[bool, str]:
    return (False, str(call.container)) if call.error is None else (True, call.error.type)


def _returned(call: Call) -> str:
    if call.error is None:
        return f"a {safe(call.container, longest=60)}"
    return f"nothing, as the call raises {safe(call.error.type)}: {safe(call.error.message)}"


def place_changes(left: Call, right: Call) -> Iterator[Change]:
    """Indices at which the name changed: one change per name that was added, removed or moved."""
    if left.error is not None or right.error is not None:
        return
    was, now = left.positions, right.positions
    moved = [
        index
        for index in range(max(len(was), len(now)))
        if index >= len(was) or index >= len(now) or was[index].name != now[index].name
    ]
    causes = _causes(was, now, moved)
    ends = [*causes, len(was) + len(now)][1:]
    for (start, (kind, name)), end in zip(causes.items(), ends, strict=True):
        indices = moved[bisect_left(moved, start) : bisect_left(moved, end)]
        reading = list(_reading(was, now, indices))
        keyed = (
            _key_words(kind, name) if right.return_dict and start >= min(len(was), len(now)) else []
        )
        yield Change(
            "place",
            (kind, name),
            left.spec,
            "outputs",
            _slot_words(was, start),
            _slot_words(now, start),
            "; ".join([*reading, *keyed]),
            (start,),
        )


def _causes(was: Positions, now: Positions, moved: Sequence[int]) -> dict[int, tuple[str, str]]:
    """Index → what happened there: a name is gone, a name is new, or the order changed."""
    before, after = [slot.name for slot in was], [slot.name for slot in now]
    names = frozenset(before) & frozenset(after)
    gone = {index: ("gone", name) for index, name in enumerate(before) if name not in names}
    new = {index: ("new", name) for index, name in enumerate(after) if name not in names}
    common = [name for name in before if name in names], [name for name in after if name in names]
    if common[0] == common[1]:
        return dict(sorted({**new, **gone}.items()))
    # Without the loss, calls with and without labels share one cause.
    return {moved[0]: ("order", ", ".join(name for name in after if name != "loss"))}


def _slot_words(slots: Positions, index: int) -> str:
    """`attentions (12 items)`, `attentions (empty)`, `logits`, `absent`."""
    if index >= len(slots):
        return "absent"
    slot = slots[index]
    name = safe(slot.name, longest=60)
    if slot.kind == "none":
        return f"{name} (None)"
    if slot.is_empty:
        return f"{name} (empty)"
    return name if slot.kind == "tensor" else f"{name} ({counted(len(slot.items), 'item')})"


def _reading(was: Positions, now: Positions, moved: Sequence[int]) -> Iterator[str]:
    """The consequences for code that reads the moved indices."""
    replaced = [f"outputs[{index}]" for index in moved if index < min(len(was), len(now))]
    lost = [f"outputs[{index}]" for index in moved if index >= len(now)]
    if replaced:
        yield f"code that reads {listed(replaced, last='or')} now gets another thing"
    if lost:
        yield f"code that reads {listed(lost, last='or')} now raises IndexError"
    if not replaced and not lost:
        yield "code that unpacks outputs, or counts from its end, now gets another thing"


def _key_words(kind: str, name: str) -> list[str]:
    """The consequences for code that reads by key, where a name was added or removed."""
    key = f"outputs.{safe(name, longest=60)}"
    return {"gone": [f"{key} is None"], "new": [f"{key} is no longer None"], "order": []}[kind]
