"""Runs of lines that differ only in numbers which go up by one: told once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_NUMBERS = re.compile(r"(\d+)")


class Run(NamedTuple):
    """Neighbours `first` to `last`, both included, that one line tells."""

    first: int
    last: int
    line: str

    @property
    def indices(self) -> str:
        """`[3]`, or `[1] … [12]`."""
        return f"[{self.first}]" if self.first == self.last else f"[{self.first}] … [{self.last}]"


def folded(lines: Sequence[str]) -> Iterator[Run]:
    """`lines` with the runs folded: `layer.0`, `layer.1`, `layer.2` become `layer.0 … 2`.

    In a run every number either stays the same or goes up by one from line to line.
    """
    parts = [_NUMBERS.split(line) for line in lines]
    first = 0
    while first < len(parts):
        last = first
        steps = _steps(parts[first], parts[first + 1]) if first + 1 < len(parts) else None
        while steps and last + 1 < len(parts) and _steps(parts[last], parts[last + 1]) == steps:
            last += 1
        yield Run(first, last, _between(parts[first], parts[last]))
        first = last + 1


def _steps(left: list[str], right: list[str]) -> tuple[int, ...] | None:
    """By how much each number goes up, 0 or 1; `None` where the lines are not alike."""
    if left[::2] != right[::2]:
        return None
    steps = tuple(int(b) - int(a) for a, b in zip(left[1::2], right[1::2], strict=True))
    return steps or (0,) if set(steps) <= {0, 1} else None


def _between(first: list[str], last: list[str]) -> str:
    told = []
    for place, (start, end) in enumerate(zip(first, last, strict=True)):
        if start == end:
            told.append(start)
        elif first[place + 1].startswith("."):
            told.append(f"{{{start} … {end}}}")
        else:
            told.append(f"{start} … {end}")
    return "".join(told)
