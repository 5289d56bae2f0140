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
"""The axes whose sizes come from the input. All other sizes belong to the model."""

DIGITS = {"float64": 52, "float32": 23, "float16": 10, "bfloat16": 7}
"""Bits of a number in this dtype after the leading one (IEEE 754; bfloat16: 7)."""

SlotOrItem: TypeAlias = Slot | Item


class Pair(NamedTuple):
    """The same place in two calls: a slot, or an item of a slot."""

    call: CallSpec
    name: str
    at: tuple[int, ...]
    left: SlotOrItem
    right: SlotOrItem

    def change(self, id_: str, cause: object, was: str, now: str, consequence: str) -> Change:
        """A change of this place."""
        return Change(id_, cause, self.call, self.name, was, now, consequence, self.at)


def slot_pairs(left: Call, right: Call) -> Iterator[Pair]:
    """The slots of the same name, each followed by the items that both sides have."""
    right_slots: dict[str, list[Slot]] = {}
    for slot in right.positions:
        right_slots.setdefault(slot.name, []).append(slot)
    for slot in left.positions:
        if right_slots.get(slot.name):
            name = safe(slot.name, longest=60)
            yield from _descended(Pair(left.spec, name, (), slot, right_slots[slot.name].pop(0)))


def _descended(pair: Pair) -> Iterator[Pair]:
    yield pair
    if pair.left.kind != pair.right.kind:
        return
    for left, right in zip(pair.left.items, pair.right.items, strict=False):
        yield from _descended(Pair(pair.call, pair.name, (*pair.at, left.index), left, right))


def slot_changes(pair: Pair) -> Iterator[Change]:
    """How the two differ in structure. If the kinds differ, nothing else is compared."""
    left, right = pair.left, pair.right
    yield from _form_changes(pair)
    if left.kind != right.kind:
        return
    if isinstance(left, Slot) and isinstance(right, Slot) and left.key and right.key:
        yield from _key_changes(pair, left.key, right.key)
    if left.axes != right.axes:
        was, now = _axis_words(left), _axis_words(right)
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
        was, now = _origin_words(left.origin), _origin_words(right.origin)
        cause = tuple(re.sub(r"\d+", "*", words) for words in (was, now))
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
    was, now = _form_words(left), _form_words(right)
    # A `None` among items is reported once, for the tuple that holds it.
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


def _form_words(value: SlotOrItem) -> str:
    if value.kind == "none":
        return "None"
    if value.kind == "tensor":
        return "a tensor"
    if value.kind == "other":
        return "neither a tensor nor a tuple"
    if not value.items:
        return "()" if value.kind == "tuple" else f"an empty {value.kind}"
    holes = [f"[{index}]" for index in value.holes]
    missing = f", None at {listed(holes)}" if holes else ""
    return f"a {value.kind} of {counted(len(value.items), 'item')}{missing}"


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


def _axis_words(value: SlotOrItem) -> str:
    return f"({', '.join(safe(axis, longest=60) for axis in value.axes)})"


def _origin_words(origin: Origin | None) -> str:
    if origin is None:
        return "returned by no submodule"
    through = f" through {safe(origin.through)}" if origin.through else ""
    return f"returned by {safe(origin.module)}{through}"


def value_changes(pair: Pair) -> Iterator[Change]:
    """Different numbers in the same structure.

    Two fingerprints are close if they agree to half of the dtype's bits, relative to the largest
    number in the tensor. Rounding changes far less than that, and other weights far more.
    """
    left, right = pair.left, pair.right
    if left.fingerprint is None or right.fingerprint is None or left.shape != right.shape:
        return
    if left.dtype != right.dtype or _is_close(left.fingerprint, right.fingerprint, str(left.dtype)):
        return
    yield pair.change(
        "values",
        None,
        _number_words(left.fingerprint),
        _number_words(right.fingerprint),
        "the structure is the same, the numbers are not: other weights or another computation",
    )


def _is_close(left: Fingerprint, right: Fingerprint, dtype: str) -> bool:
    scale = max(abs(number) for number in (left.min, left.max, 0.0) if number is not None)
    tolerance = scale * 2.0 ** (-DIGITS.get(dtype, max(DIGITS.values())) / 2)
    return all(
        was is now if was is None or now is None else abs(was - now) <= tolerance
        for was, now in zip(_four_numbers(left), _four_numbers(right), strict=True)
    )


def _four_numbers(values: Fingerprint) -> tuple[float | None, ...]:
    return (values.mean, values.std, values.min, values.max)


def _number_words(values: Fingerprint) -> str:
    words = ("mean", "std", "min", "max")
    return ", ".join(
        f"{word} {'not finite' if number is None else format(number, '.6g')}"
        for word, number in zip(words, _four_numbers(values), strict=True)
    )
