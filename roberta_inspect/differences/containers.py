"""What differs between what calls returned: the container, and which name stands at which index."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from roberta_inspect.differences.change import CallKey, Change, words
from roberta_inspect.records import Call, OutputMap, Slot
from roberta_inspect.text import counted, listed, safe

Positions: TypeAlias = tuple[Slot, ...]
"""What stands at 0, 1, 2 … of a container."""

FLAGS = ("return_dict", "labels", "output_hidden_states", "output_attentions")


def paired_calls(left: OutputMap, right: OutputMap) -> list[tuple[Call, Call]]:
    """The calls that were made on both sides; those that give a tuple, and those with labels first.

    Where all the main calls of one side ask for other outputs than those of the other side, the
    main calls are paired nevertheless.
    """
    others = {_asked(call, right): call for call in right.calls}
    pairs = [
        (call, others[_asked(call, left)]) for call in left.calls if _asked(call, left) in others
    ]
    return sorted(pairs, key=lambda pair: (pair[0].return_dict, not pair[0].labels))


def _asked(call: Call, made: OutputMap) -> tuple[bool, ...]:
    """What tells a call from the others: two flags, and whether it asks for what run asks for."""
    main = made.calls[0].key
    return (*call.key[:2], *(call.key[flag] == main[flag] for flag in (2, 3)))


def call_changes(left: OutputMap, right: OutputMap) -> Iterator[Change]:
    """Calls that only one side made, and main calls that ask for other outputs."""
    if left.calls and right.calls:
        yield from _flag_changes(left.calls[0], right.calls[0])
    for sides, was, now in (
        ((left, right), "called", "not called"),
        ((right, left), "not called", "called"),
    ):
        known = {_asked(call, sides[1]) for call in sides[1].calls}
        alone = [call.key for call in sides[0].calls if _asked(call, sides[0]) not in known]
        if alone:
            keys: Sequence[CallKey] = [call.key for call in sides[0].calls]
            yield Change(
                "calls",
                was,
                "calls",
                words(alone, keys),
                was,
                now,
                "nothing can be said about what is not on both sides",
            )


def _flag_changes(left: Call, right: Call) -> Iterator[Change]:
    for flag in (2, 3):
        if left.key[flag] != right.key[flag]:
            yield Change(
                "calls",
                FLAGS[flag],
                "calls",
                FLAGS[flag],
                str(left.key[flag]),
                str(right.key[flag]),
                "the two maps do not ask for the same outputs",
            )


def container_changes(left: Call, right: Call) -> Iterator[Change]:
    """Another container, or an error that came or went."""
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
        left.key,
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
    """The first index at which another name stands; what follows from it is the consequence."""
    if left.error is not None or right.error is not None:
        return
    was, now = left.positions, right.positions
    moved = [
        index
        for index in range(max(len(was), len(now)))
        if index >= len(was) or index >= len(now) or was[index].name != now[index].name
    ]
    if moved:
        yield Change(
            "place",
            _cause(was, now),
            left.key,
            "outputs",
            _standing(was, moved[0]),
            _standing(now, moved[0]),
            _consequence(was, now, moved),
            (moved[0],),
        )


def _standing(slots: Positions, index: int) -> str:
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


def _gone_and_new(was: Positions, now: Positions) -> tuple[list[str], list[str]]:
    before, after = Counter(slot.name for slot in was), Counter(slot.name for slot in now)
    return list((before - after).elements()), list((after - before).elements())


def _cause(was: Positions, now: Positions) -> tuple[object, ...]:
    """The names that came and went, and the new order of the others where that changed."""
    gone, new = _gone_and_new(was, now)
    before = [slot.name for slot in was if slot.name not in gone]
    after = [slot.name for slot in now if slot.name not in new]
    # A loss in front of both changes no order, so that calls with and without labels agree.
    order = None if before == after else tuple(name for name in after if name != "loss")
    return (tuple(gone), tuple(new), order)


def _consequence(was: Positions, now: Positions, moved: Sequence[int]) -> str:
    gone, new = _gone_and_new(was, now)
    replaced = [f"outputs[{index}]" for index in moved if index < min(len(was), len(now))]
    lost = [f"outputs[{index}]" for index in moved if index >= len(now)]
    said = []
    if replaced:
        said.append(f"code that reads {listed(replaced, last='or')} now gets another thing")
    if lost:
        said.append(f"code that reads {listed(lost, last='or')} now raises IndexError")
    if not said:
        said.append(
            f"code that unpacks outputs, or counts from its end, now meets {listed(new)} as well"
        )
    if replaced and gone and not set(gone) <= {was[moved[0]].name}:
        said.append(f"{listed(gone)} {'is' if len(gone) == 1 else 'are'} gone")
    return "; ".join(said)
