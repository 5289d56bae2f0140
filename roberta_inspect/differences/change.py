"""Single changes, and how those of one cause become one `Difference`."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import NamedTuple

from roberta_inspect.differences.report import Difference
from roberta_inspect.records import CallSpec
from roberta_inspect.text import listed, safe

LONGEST = 600
"""Characters of one message: room for a few label names, none for a flood."""


class Change(NamedTuple):
    """Something that is not what it was, at one place of one call (or of no call)."""

    id: str
    cause: Hashable
    """Changes of one id and one cause are one difference."""
    place: CallSpec | str
    """The call, or the part of the map that is no call."""
    subject: str
    """What changed: `hidden_states`, `outputs`, `num_labels`."""
    was: str
    now: str
    consequence: str
    at: tuple[int, ...] = ()
    """Which element of the subject, `(3,)` for `hidden_states[3]`; empty for the whole of it."""

    @property
    def seen(self) -> tuple[str, tuple[int, ...], str, str]:
        """What a reader is told, apart from the place."""
        return (self.subject, self.at, self.was, self.now)


def merged(changes: Iterable[Change], calls: Sequence[CallSpec]) -> tuple[Difference, ...]:
    """One difference per cause, in the order in which the causes were met.

    `calls` are all the calls that were compared: what all of them show is said of every call.
    """
    causes: dict[Hashable, list[Change]] = {}
    for change in changes:
        causes.setdefault((change.id, change.cause), []).append(change)
    return tuple(_difference(group, calls) for group in causes.values())


def _difference(group: Sequence[Change], calls: Sequence[CallSpec]) -> Difference:
    places: dict[CallSpec | str, list[Change]] = {}
    for change in group:
        places.setdefault(change.place, []).append(change)
    first = group[0]
    here = places[first.place]
    told = {change.seen for change in here}
    alike = [place for place, shown in places.items() if {each.seen for each in shown} <= told]
    others = [place for place in places if place not in alike]
    same = [change for change in here if (change.was, change.now) == (first.was, first.now)]
    rest = [change for change in here if (change.was, change.now) != (first.was, first.now)]
    also = ([folded(rest)] if rest else []) + ([_where(others, calls)] if others else [])
    # Calls that return a dict come last, and what is said of them holds for keys as well.
    consequence = [change for change in group if change.place in alike][-1].consequence
    subjects = folded(same)
    was, now = ("were", "are") if len({each.seen for each in same}) > 1 else ("was", "is")
    message = f"{subjects} {was} {first.was}, {now} {first.now}"
    return Difference(
        id=first.id,
        where=_where(alike, calls),
        message=safe(message, longest=LONGEST),
        consequence=safe(consequence, longest=LONGEST),
        also=tuple(safe(each) for each in also),
    )


def folded(changes: Iterable[Change]) -> str:
    """The subjects of the changes, runs of items as one: `logits and hidden_states[0] … [12]`."""
    runs: list[tuple[str, tuple[int, ...], int]] = []
    for subject, index in dict.fromkeys((each.subject, each.at) for each in changes):
        if runs and index and _continues(runs[-1], subject, index):
            runs[-1] = (*runs[-1][:2], index[-1])
        else:
            runs.append((subject, index, index[-1] if index else 0))
    return listed([_run(*run) for run in runs], most=6)


def _continues(run: tuple[str, tuple[int, ...], int], subject: str, index: tuple[int, ...]) -> bool:
    name, start, last = run
    return bool(start) and (name, *start[:-1], last + 1) == (subject, *index)


def _run(subject: str, start: tuple[int, ...], last: int) -> str:
    first = subject + "".join(f"[{number}]" for number in start)
    return f"{first} … [{last}]" if start and last != start[-1] else first


def _where(places: Sequence[CallSpec | str], calls: Sequence[CallSpec]) -> str:
    parts = [place for place in places if isinstance(place, str)]
    keys = [place for place in places if isinstance(place, CallSpec)]
    return "; ".join([*parts, *([words(keys, calls)] if keys else [])])


def words(chosen: Sequence[CallSpec], calls: Sequence[CallSpec]) -> str:
    """The `chosen` ones of `calls` in a user's words: `every call`, `labels`, `return_dict=False`,
    `plain, no labels`.

    Only what varies among the calls is named, and those that pass no flag are named apart.
    """
    if set(chosen) >= set(calls):
        return "every call"
    halves = [
        _alike(
            [call for call in chosen if call.is_plain is plain],
            [call for call in calls if call.is_plain is plain],
        )
        for plain in (False, True)
    ]
    return "; ".join(half for half in halves if half)


def _alike(chosen: Sequence[CallSpec], calls: Sequence[CallSpec]) -> str:
    if not chosen:
        return ""
    if all(call.is_plain for call in chosen):
        both = len({call.labels for call in chosen}) > 1
        return "plain calls" if both else chosen[0].words
    varying = [flag for flag, given in enumerate(zip(*calls, strict=True)) if len(set(given)) > 1]
    fixed = [flag for flag in varying if len({call[flag] for call in chosen}) == 1]
    alike = {call for call in calls if all(call[flag] == chosen[0][flag] for flag in fixed)}
    if alike == set(chosen):
        named = ", ".join(chosen[0].flags[flag] for flag in fixed)
        return named or "every call with return_dict"
    each = [", ".join(call.flags[flag] for flag in varying) for call in chosen]
    return "; ".join(each[:4]) + (f"; {len(each) - 4} more calls" if len(each) > 4 else "")
