"""Where something stands: a slot, an item of it, or a position of what a module returned."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

Thing = TypeVar("Thing")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Place:
    """Where something stands: `hidden_states[2]`, `outputs.logits`, `classifier reads it`."""

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
        """The same place with its last index counted from `number`: alike ones become equal."""
        return replace(self, item=(*self.item[:-1], self.item[-1] - number)) if self.item else self


class Span(NamedTuple):
    """Neighbours `first` to `last`, both included."""

    first: int
    last: int


def runs(
    things: Iterable[Thing], joins: Callable[[Sequence[Thing], Thing], bool]
) -> list[list[Thing]]:
    """`things` in runs: one more belongs to a run where it `joins` those that are in it so far."""
    made: list[list[Thing]] = []
    for thing in things:
        if made and joins(made[-1], thing):
            made[-1].append(thing)
        else:
            made.append([thing])
    return made


def spans(numbers: Iterable[int]) -> tuple[Span, ...]:
    """`numbers`, sorted and each once, as runs of neighbours: 1, 2, 3, 7 is 1 to 3 and 7."""
    neighbours = runs(sorted(set(numbers)), lambda run, number: number == run[-1] + 1)
    return tuple(Span(run[0], run[-1]) for run in neighbours)
