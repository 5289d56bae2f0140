"""From live tensors to plain data. No tensor gets past here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from roberta_inspect.axes import axes_of
from roberta_inspect.containers import declared_fields, elements, is_fake, kind_of, nesting
from roberta_inspect.observe import Observed, Trace
from roberta_inspect.records import (
    UNNAMED,
    Call,
    Fingerprint,
    Item,
    Slot,
    finite,
)
from roberta_inspect.text import dtype_word


def annotate(seen: Observed, names: Sequence[str], meanings: Mapping[str, str | None]) -> Call:
    """The plain record of one call; `names` as `names_of` found them."""
    walk = _Walk(seen.trace)
    slots = [
        walk.slot(index, name, key, value, meanings.get(name))
        for index, ((key, value), name) in enumerate(zip(seen.fields, names, strict=True))
    ]
    return Call(
        **seen.call._asdict(),
        container=None if seen.error else type(seen.output).__name__,
        error=seen.error,
        slots=tuple(sorted([*slots, *_none_slots(seen.output)], key=_declared_at(seen.output))),
        wrote_problem_type=seen.wrote_problem_type,
    )


def _none_slots(container: Any) -> list[Slot]:
    """The fields of a `ModelOutput` that are `None`: an attribute, but no index and no key."""
    return [
        Slot(index=None, name=name, key=name, access=f"outputs.{name}", kind="none")
        for name in declared_fields(container)
        if getattr(container, name) is None
    ]


def _declared_at(container: Any) -> Callable[[Slot], tuple[int, int]]:
    order = declared_fields(container)

    def place(slot: Slot) -> tuple[int, int]:
        where = order.index(slot.name) if slot.name in order else len(order)
        return (where, slot.index or 0)

    return place


class _Walk:
    """One way through the positions of a container, remembering where each tensor stood first."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.seen: dict[int, tuple[str, tuple[str, ...]]] = {}

    def slot(self, index: int, name: str, key: str | None, value: Any, meaning: str | None) -> Slot:
        place = name if name != UNNAMED else f"outputs[{index}]"
        return Slot(
            index=index,
            name=name,
            key=key,
            access=f"outputs[{index}]" if key is None else f"outputs.{key}",
            meaning=meaning,
            **self._facts(name, place, value, nesting(value)),
        )

    def _facts(self, name: str, place: str, value: Any, deep: int) -> dict[str, Any]:
        if isinstance(value, torch.Tensor):
            return self._tensor(name, place, value, deep)
        return {"kind": kind_of(value), "items": self._items(name, place, value, deep)}

    def _tensor(self, name: str, place: str, tensor: torch.Tensor, deep: int) -> dict[str, Any]:
        words = axes_of(name, tensor.ndim, deep)
        first, words = self.seen.setdefault(id(tensor), (place, words))
        return {
            "kind": "tensor",
            "axes": words,
            "shape": tuple(tensor.shape),
            "dtype": dtype_word(tensor.dtype),
            "origin": self.trace.origin(tensor),
            "same_as": first if first != place else None,
            "fingerprint": fingerprint(tensor),
        }

    def _items(self, name: str, place: str, value: Any, deep: int) -> tuple[Item, ...]:
        return tuple(
            Item(index=index, **self._facts(name, f"{place}[{index}]", each, deep))
            for index, each in enumerate(elements(value) or ())
        )


def fingerprint(tensor: torch.Tensor) -> Fingerprint | None:
    """Four numbers of the values; `None` where there are no values (fake, or no element)."""
    if is_fake(tensor) or not tensor.numel():
        return None
    values = tensor.detach().float()
    std, mean = torch.std_mean(values, correction=0)
    low, high = torch.aminmax(values)
    return Fingerprint(
        mean=finite(float(mean)),
        std=finite(float(std)),
        min=finite(float(low)),
        max=finite(float(high)),
    )
