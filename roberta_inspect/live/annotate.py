"""From live tensors to plain data. No tensor gets past here."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch

from roberta_inspect.live.containers import (
    declared_fields,
    elements,
    is_fake,
    kind_of,
    nesting,
    places_in,
)
from roberta_inspect.live.observe import Observed, Trace
from roberta_inspect.live.values import same_values
from roberta_inspect.records import (
    UNNAMED,
    Call,
    Fingerprint,
    Item,
    Place,
    Slot,
    finite,
)
from roberta_inspect.records.axes import axes_of
from roberta_inspect.text import dtype_word


class Fingerprints:
    """The fingerprints of a call's tensors, so that those of alike ones are not made again."""

    def __init__(self) -> None:
        self._known: dict[Place, tuple[torch.Tensor, Fingerprint | None]] = {}

    def remember(self, name: str, value: Any) -> None:
        """Keep those of the tensors of one slot; the tensors are kept as well."""
        for place, tensor in places_in(name, value):
            self._known.setdefault(place, (tensor, fingerprint(tensor)))

    def look_up(self, place: Place, tensor: torch.Tensor) -> Fingerprint | None:
        """That of a tensor with the values that one at this place had, or one made anew."""
        alike, fingerprint_of_alike = self._known.get(place, (None, None))
        if alike is None or is_fake(tensor) or not same_values(alike, tensor):
            return fingerprint(tensor)
        return fingerprint_of_alike


def annotate(observed: Observed, names: Sequence[str], fingerprints: Fingerprints) -> Call:
    """The plain record of one call; `names` as `names_of` found them."""
    walk = _Walk(observed.trace, fingerprints)
    slots = [
        walk.slot(index, name, key, value)
        for index, ((key, value), name) in enumerate(zip(observed.fields, names, strict=True))
    ]
    return Call(
        **observed.call._asdict(),
        container=None if observed.error else type(observed.output).__name__,
        error=observed.error,
        slots=tuple(
            sorted([*slots, *_none_slots(observed.output)], key=_declared_at(observed.output))
        ),
        wrote_problem_type=observed.wrote_problem_type,
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

    def __init__(self, trace: Trace, fingerprints: Fingerprints) -> None:
        self.trace = trace
        self.fingerprints = fingerprints
        self.first: dict[int, tuple[Place, tuple[str, ...]]] = {}

    def slot(self, index: int, name: str, key: str | None, value: Any) -> Slot:
        place = Place(slot=name if name != UNNAMED else f"outputs[{index}]")
        return Slot(
            index=index,
            name=name,
            key=key,
            access=f"outputs[{index}]" if key is None else f"outputs.{key}",
            **self._facts(name, place, value, nesting(value)),
        )

    def _facts(self, name: str, place: Place, value: Any, deep: int) -> dict[str, Any]:
        if isinstance(value, torch.Tensor):
            return self._tensor(name, place, value, deep)
        return {"kind": kind_of(value), "items": self._items(name, place, value, deep)}

    def _tensor(self, name: str, place: Place, tensor: torch.Tensor, deep: int) -> dict[str, Any]:
        words = axes_of(name, tensor.ndim, deep)
        first, words = self.first.setdefault(id(tensor), (place, words))
        return {
            "kind": "tensor",
            "axes": words,
            "shape": tuple(tensor.shape),
            "dtype": dtype_word(tensor.dtype),
            "origin": self.trace.origin(tensor),
            "same_as": first if first != place else None,
            "fingerprint": self.fingerprints.look_up(place, tensor),
        }

    def _items(self, name: str, place: Place, value: Any, deep: int) -> tuple[Item, ...]:
        return tuple(
            Item(
                index=index,
                **self._facts(name, replace(place, item=(*place.item, index)), element, deep),
            )
            for index, element in enumerate(elements(value) or ())
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
        finite=math.isfinite(low) and math.isfinite(high),
    )
