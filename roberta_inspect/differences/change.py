"""Single changes, and how changes with the same cause become one `Difference`."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import NamedTuple

from roberta_inspect.differences.report import Difference
from roberta_inspect.records import CallSpec
from roberta_inspect.text import listed, safe

LONGEST_MESSAGE = 600
"""Characters of one message: enough for a few label names, but not for thousands."""


class Change(NamedTuple):
    """One thing that changed, at one place of a call or elsewhere in the map."""

    id: str
    cause: Hashable
    """Changes with the same id and cause become one difference."""
    place: CallSpec | str
    """The call, or the name of another part of the map."""
    subject: str
    """What changed: `hidden_states`, `outputs`, `num_labels`."""
    was: str
    now: str
    consequence: str
    at: tuple[int, ...] = ()
    """Which element of the subject, `(3,)` for `hidden_states[3]`; empty for the whole of it."""

    @property
    def shown(self) -> tuple[str, tuple[int, ...], str, str]:
        """What the report shows of it, apart from the place."""
        return (self.subject, self.at, self.was, self.now)


def merge_changes(changes: Iterable[Change], calls: Sequence[CallSpec]) -> tuple[Difference, ...]:
    """One difference per cause, in the order in which the causes first occur.

    `calls` are all the calls that were compared. A change that all of them show is reported for
    `every call`.
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
    at_first = places[first.place]
    shown = {change.shown for change in at_first}
    alike = [
        place for place, changes in places.items() if {change.shown for change in changes} <= shown
    ]
    elsewhere = [place for place in places if place not in alike]
    same = [change for change in at_first if (change.was, change.now) == (first.was, first.now)]
    rest = [change for change in at_first if (change.was, change.now) != (first.was, first.now)]
    also = [fold_subjects(rest), _place_words(elsewhere, calls)]
    # Calls that return a dict come last, and their consequence covers access by key as well.
    consequence = [change for change in group if change.place in alike][-1].consequence
    subjects = fold_subjects(same)
    was, now = ("were", "are") if len({change.shown for change in same}) > 1 else ("was", "is")
    message = f"{subjects} {was} {first.was}, {now} {first.now}"
    return Difference(
        id=first.id,
        where=_place_words(alike, calls),
        message=safe(message, longest=LONGEST_MESSAGE),
        consequence=safe(consequence, longest=LONGEST_MESSAGE),
        also=tuple(safe(words) for words in also if words),
    )


def fold_subjects(changes: Iterable[Change]) -> str:
    """The subjects of the changes, runs of items folded: `logits and hidden_states[0] … [12]`."""
    runs: list[tuple[str, tuple[int, ...], int]] = []
    for subject, index in dict.fromkeys((change.subject, change.at) for change in changes):
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


def _place_words(places: Sequence[CallSpec | str], calls: Sequence[CallSpec]) -> str:
    parts = [place for place in places if isinstance(place, str)]
    specs = [place for place in places if isinstance(place, CallSpec)]
    return "; ".join([*parts, *([call_words(specs, calls)] if specs else [])])


def call_words(chosen: Sequence[CallSpec], calls: Sequence[CallSpec]) -> str:
    """The `chosen` calls in a user's words: `every call`, `labels`, `plain, no labels`.

    Only flags that vary among `calls` are named. Plain calls are named separately.
    """
    if set(chosen) >= set(calls):
        return "every call"
    halves = [
        _flag_words(
            [call for call in chosen if call.is_plain is plain],
            [call for call in calls if call.is_plain is plain],
        )
        for plain in (False, True)
    ]
    return "; ".join(half for half in halves if half)


def _flag_words(chosen: Sequence[CallSpec], calls: Sequence[CallSpec]) -> str:
    if not chosen:
        return ""
    if all(call.is_plain for call in chosen):
        both = len({call.labels for call in chosen}) > 1
        return "plain calls" if both else chosen[0].words
    varying = [flag for flag, values in enumerate(zip(*calls, strict=True)) if len(set(values)) > 1]
    fixed = [flag for flag in varying if len({call[flag] for call in chosen}) == 1]
    matching = {call for call in calls if all(call[flag] == chosen[0][flag] for flag in fixed)}
    if matching == set(chosen):
        named = ", ".join(chosen[0].flags[flag] for flag in fixed)
        return named or "every call with flags"
    names = [", ".join(call.flags[flag] for flag in varying) for call in chosen]
    return "; ".join(names[:4]) + (f"; {len(names) - 4} more calls" if len(names) > 4 else "")
