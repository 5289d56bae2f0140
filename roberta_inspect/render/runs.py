"""Folds runs of lines that differ only in numbers that go up by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import NamedTuple, TypeAlias

from roberta_inspect.records.place import runs

Line: TypeAlias = tuple[str | int, ...]
"""The words of a line, and between them the numbers that may go up."""


class Run(NamedTuple):
    """Neighbours `first` to `last`, both included, that one line stands for."""

    first: int
    last: int
    parts: Line

    @property
    def line(self) -> str:
        """The parts as text."""
        return line_text(self.parts)

    @property
    def indices(self) -> str:
        """`[3]`, or `[1] … [12]`."""
        return f"[{self.first}]" if self.first == self.last else f"[{self.first}] … [{self.last}]"


def line_text(line: Line) -> str:
    """A line as text."""
    return "".join(map(str, line))


def numbered(path: str) -> Line:
    """The path of a module, `encoder.layer.3.output`, split at its numbers."""
    parts: list[str | int] = []
    for part in path.split("."):
        dot = "." if parts else ""
        parts += [dot, int(part)] if part.isascii() and part.isdecimal() else [dot + part]
    return tuple(parts)


def folded_lines(lines: Sequence[Line]) -> Iterator[Run]:
    """`lines` with the runs folded: `layer.0`, `layer.1`, `layer.2` become `layer.{0 … 2}`.

    In a run every number either stays the same or goes up by one from line to line.
    """
    first = 0
    for run in runs(lines, _joins):
        yield Run(first, first + len(run) - 1, _between(run[0], run[-1]))
        first += len(run)


def _joins(run: Sequence[Line], line: Line) -> bool:
    steps = _steps(run[-1], line)
    return steps is not None and (len(run) == 1 or steps == _steps(run[-2], run[-1]))


def _steps(left: Line, right: Line) -> tuple[int, ...] | None:
    """By how much each number goes up, 0 or 1; `None` where the lines are not alike."""
    pairs = list(zip_longest(left, right))
    numbers = [(a, b) for a, b in pairs if isinstance(a, int) and isinstance(b, int)]
    if any(a != b for a, b in pairs if (a, b) not in numbers):
        return None
    steps = tuple(b - a for a, b in numbers)
    return steps if set(steps) <= {0, 1} else None


def _between(first: Line, last: Line) -> Line:
    parts: list[str | int] = []
    for place, (start, end) in enumerate(zip(first, last, strict=True)):
        if start == end:
            parts.append(start)
        elif str((*first, "")[place + 1]).startswith("."):
            parts += ["{", start, " … ", end, "}"]
        else:
            parts += [start, " … ", end]
    return tuple(parts)
