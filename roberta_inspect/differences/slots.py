"""What differs between two slots of one name: form, axes, sizes, dtype, origin and values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from roberta_inspect.differences.change import Change
from roberta_inspect.records import Call, CallSpec, Fingerprint, Item, Origin, Slot
from roberta_inspect.records.axes import PER_ROW, PER_TOKEN
from roberta_inspect.text import counted, listed, safe

INPUT_AXES = PER_ROW | PER_TOKEN
"""The axes whose sizes come from the input; all other sizes belong to the model."""

DIGITS = {"float64": 52, "float32": 23, "float16": 10, "bfloat16": 7}
"""Bits after the leading one that a number of this dtype holds (IEEE 754; bfloat16: 7)."""

Thing: TypeAlias = Slot | Item


class Pair(NamedTuple):
    """The same place in two calls: a slot, or an item of a slot."""

    call: CallSpec
    name: str
    at: tuple[int, ...]
    left: Thing
    right: Thing

    def change(self, what: str, cause: object, was: str, now: str, consequence: str) -> Change:
        """A change of this place."""
        return Change(what, cause, self.call, self.name, was, now, consequence, self.at)


def pairs(left: Call, right: Call) -> Iterator[Pair]:
    """The slots of the same name, each followed by those of its items that both sides have."""
    others: dict[str, list[Slot]] = {}
    for slot in right.positions:
        others.setdefault(slot.name, []).append(slot)
    for slot in left.positions:
        if others.get(slot.name):
            name = safe(slot.name, longest=60)
            yield from _descended(Pair(left.spec, name, (), slot, others[slot.name].pop(0)))


def _descended(pair: Pair) -> Iterator[Pair]:
    yield pair
    if pair.left.kind != pair.right.kind:
        return
    for left, right in zip(pair.left.items, pair.right.items, strict=False):
        yield from _descended(Pair(pair.call, pair.name, (*pair.at, left.index), left, right))


def slot_changes(pair: Pair) -> Iterator[Change]:
    """How the two differ in structure; of things of another kind nothing more is said."""
    left, right = pair.left, pair.right
    yield from _form_changes(pair)
    if left.kind != right.kind:
        return
    if isinstance(left, Slot) and isinstance(right, Slot) and left.key and right.key:
        yield from _key_changes(pair, left.key, right.key)
    if left.axes != right.axes:
        was, now = _axes(left), _axes(right)
        yield pair.change(
            "axes", (pair.name, was, now), was, now, "code that indexes or reshapes it breaks"
        )
    else:
        yield from _size_changes(pair)
    if left.dtype != right.dtype:
        was, now = safe(left.dtype), safe(right.dtype)
        yield pair.change(
            "dtype", (was, now), was, now, "code that mixes it with other tensors may fail"
        )
    if left.kind == "tensor" and left.origin != right.origin:
        was, now = _origin(left.origin), _origin(right.origin)
        cause = tuple(re.sub(r"\d+", "*", each) for each in (was, now))
        yield pair.change(
            "origin", cause, was, now, "a hook on the module that it came from no longer sees it"
        )


def _key_changes(pair: Pair, was: str, now: str) -> Iterator[Change]:
    if was != now:
        yield pair.change(
            "key",
            (pair.name, was, now),
            f"outputs.{safe(was, longest=60)}",
            f"outputs.{safe(now, longest=60)}",
            "code that reads it by its key no longer finds it",
        )


def _form_changes(pair: Pair) -> Iterator[Change]:
    left, right = pair.left, pair.right
    was, now = _form(left), _form(right)
    # A hole is said of the tuple that has it, once for all its items.
    is_hole = bool(pair.at) and "none" in (left.kind, right.kind)
    if was == now or is_hole:
        return
    grown = len(right.items) - len(left.items)
    if left.kind == right.kind and left.items and right.items and grown:
        yield pair.change(
            "items",
            grown,
            was,
            now,
            "code that counts the items or reads the last ones is affected",
        )
    else:
        yield pair.change("kind", (pair.name, was, now), was, now, _form_consequence(pair))


def _form(thing: Thing) -> str:
    if thing.kind == "none":
        return "None"
    if thing.kind == "tensor":
        return "a tensor"
    if thing.kind == "other":
        return "neither a tensor nor a tuple"
    if not thing.items:
        return "()" if thing.kind == "tuple" else f"an empty {thing.kind}"
    holes = [f"[{index}]" for index in thing.holes]
    missing = f", None at {listed(holes)}" if holes else ""
    return f"a {thing.kind} of {counted(len(thing.items), 'item')}{missing}"


def _form_consequence(pair: Pair) -> str:
    name, left, right = pair.name, pair.left, pair.right
    if right.kind == "none":
        return f"code that uses {name} now gets None"
    if left.kind == "none":
        return f"code that tests whether {name} is None now takes the other branch"
    if left.kind == right.kind and not right.items:
        return f"code that reads an item of {name} now raises IndexError"
    if left.kind == right.kind and not left.items:
        return f"code that goes through {name} now meets items"
    return f"code that uses {name} now gets another thing"


def _size_changes(pair: Pair) -> Iterator[Change]:
    sizes = zip(pair.left.axes, pair.left.shape or (), pair.right.shape or (), strict=False)
    for axis, was, now in sizes:
        if axis not in INPUT_AXES and was != now:
            yield Change(
                "size",
                (axis, was, now),
                pair.call,
                safe(axis, longest=60),
                f"{was:,}",
                f"{now:,}",
                f"code and weights made for that {safe(axis, longest=60)} do not fit",
            )


def _axes(thing: Thing) -> str:
    return f"({', '.join(safe(axis, longest=60) for axis in thing.axes)})"


def _origin(origin: Origin | None) -> str:
    if origin is None:
        return "returned by no submodule"
    through = f" through {safe(origin.through)}" if origin.through else ""
    return f"returned by {safe(origin.module)}{through}"


def value_changes(pair: Pair) -> Iterator[Change]:
    """Other numbers in the same structure.

    Two fingerprints are alike where they agree to half of the bits that the dtype holds, of the
    largest number in the tensor: far more than rounding and far less than other weights do.
    """
    left, right = pair.left, pair.right
    if left.fingerprint is None or right.fingerprint is None or left.shape != right.shape:
        return
    if left.dtype != right.dtype or _alike(left.fingerprint, right.fingerprint, str(left.dtype)):
        return
    yield pair.change(
        "values",
        None,
        _numbers(left.fingerprint),
        _numbers(right.fingerprint),
        "the structure is the same, the numbers are not: other weights or another computation",
    )


def _alike(left: Fingerprint, right: Fingerprint, dtype: str) -> bool:
    scale = max(abs(number) for number in (left.min, left.max, 0.0) if number is not None)
    tolerance = scale * 2.0 ** (-DIGITS.get(dtype, max(DIGITS.values())) / 2)
    return all(
        was is now if was is None or now is None else abs(was - now) <= tolerance
        for was, now in zip(_four(left), _four(right), strict=True)
    )


def _four(values: Fingerprint) -> tuple[float | None, ...]:
    return (values.mean, values.std, values.min, values.max)


def _numbers(values: Fingerprint) -> str:
    words = ("mean", "std", "min", "max")
    return ", ".join(
        f"{word} {'not finite' if number is None else format(number, '.6g')}"
        for word, number in zip(words, _four(values), strict=True)
    )
