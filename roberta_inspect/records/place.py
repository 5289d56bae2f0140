"""Places: a slot, an item of it, or a position in what a module returned."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

Element = TypeVar("Element")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Place:
    """Where a tensor is: `hidden_states[2]`, `outputs.logits`, `classifier reads it`."""

    slot: str
    """The slot's name: `hidden_states`."""
    item: tuple[int, ...] = ()
    """Which item of the slot, the outermost index first; empty for the slot itself."""
    module: str | None = None
    """Whose container it is, as in `named_modules()`, `""` for the model itself; `None` for the
    slot of that name in any call."""
    index: int | None = None
    """Its position in that container; `None` without a container, and for what takes no index."""
    key: str | None = None
    """Its key in that container; `None` in a plain tuple."""
    read: bool = False
    """Whether `module` reads it, instead of returning it."""

    def seen_from(self, number: int) -> Place:
        """The same place with its last index counted from `number`, so that the places of alike
        layers become equal."""
        return replace(self, item=(*self.item[:-1], self.item[-1] - number)) if self.item else self


class Span(NamedTuple):
    """The numbers from `first` to `last`, both included."""

    first: int
    last: int


def runs(
    elements: Iterable[Element], joins: Callable[[Sequence[Element], Element], bool]
) -> list[list[Element]]:
    """`elements` in runs. An element belongs to a run if it `joins` those already in it."""
    grouped: list[list[Element]] = []
    for element in elements:
        if grouped and joins(grouped[-1], element):
            grouped[-1].append(element)
        else:
            grouped.append([element])
    return grouped


def spans(numbers: Iterable[int]) -> tuple[Span, ...]:
    """`numbers`, sorted and without repeats, as runs: 1, 2, 3, 7 becomes 1 to 3 and 7 to 7."""
    neighbours = runs(sorted(set(numbers)), lambda run, number: number == run[-1] + 1)
    return tuple(Span(run[0], run[-1]) for run in neighbours)
