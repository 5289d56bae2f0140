"""What a user types after `--explain`: an index, the name of a slot, or an item of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from roberta_inspect.errors import CannotInspectError, UsageError
from roberta_inspect.records import UNNAMED, Call, Item, OutputMap, Slot, item_at
from roberta_inspect.render import phrases
from roberta_inspect.text import counted, listed, safe


@dataclass(frozen=True)
class TypedPlace:
    """One place of a container, as it was typed."""

    typed: str
    index: int | None = None
    """Its position. `None` if the user typed a name."""
    name: str | None = None
    items: tuple[int, ...] = ()
    first: bool = False
    """Whether only the first position of the item is meant, that of `<s>`."""


_FIRST = TypedPlace("cls", name="hidden_states", items=(-1,), first=True)

ALIASES = {
    "cls": _FIRST,
    "<s>": _FIRST,
    "last_hidden_state": TypedPlace("last_hidden_state", name="hidden_states", items=(-1,)),
    "embeddings": TypedPlace("embeddings", name="hidden_states", items=(0,)),
}
"""Words for places that have no name of their own in the container."""

DOCUMENTED = (
    "loss",
    "logits",
    "hidden_states",
    "attentions",
    "past_key_values",
    "cross_attentions",
)
"""Names that the class documents, whether or not this call returned them."""

_PLACE = re.compile(
    r"""(?:outputs?)?                                       # the container, if it is written
        (?: \[? (?P<index>[-+]?\d{1,9}) \]?                 # 1, -1, [1]
          | \.? (?P<name>[A-Za-z_]\w*)                      # logits, .logits
          | \[ ["'] (?P<key>\w+) ["'] \] )                  # ["logits"]
        (?P<items>(?: \[ [-+]?\d{1,9} \] )*)                # [-1][0]
        (?P<first> \[ :,\s?0 (?:,\s?:)? \] )?               # [:, 0]
    """,
    re.VERBOSE,
)


def parse_place(typed: str) -> TypedPlace:
    """The place that was typed.

    Raises:
        UsageError: it is neither an index nor a name.
    """
    word = typed.strip()
    alias = ALIASES.get(word.strip("[]").lower())
    if alias is not None:
        return replace(alias, typed=word)
    match = _PLACE.fullmatch(word)
    if match is None:
        what = f"{safe(word, longest=60)} is neither an index nor a name" if word else "is empty"
        raise UsageError(
            f"--explain {what}",
            hint="Give 1, -1, outputs[1], logits, cls or hidden_states[-1].",
        )
    return TypedPlace(
        typed=word,
        index=None if match["index"] is None else int(match["index"]),
        name=match["name"] or match["key"],
        items=tuple(map(int, re.findall(r"[-+]?\d+", match["items"]))),
        first=match["first"] is not None,
    )


def call_for(output_map: OutputMap, labels: bool, plain: bool) -> Call:
    """The call whose container is explained: one that returns a tuple, or a plain one.

    Raises:
        CannotInspectError: that call raised.
    """
    calls = [
        call
        for call in (output_map.plain if plain else output_map.main_calls)
        if not call.return_dict
    ]
    call = next(call for call in calls if call.labels is labels)
    if call.error is None:
        return call
    other_call = next(call for call in calls if call.labels is not labels)
    hint = "--no-labels" if labels else "--labels"
    raise CannotInspectError(
        f"there is nothing to explain: the call with {call.words} raised "
        f"{safe(call.error.type)}: {safe(call.error.message)}",
        hint="Leave --explain out to see the other calls."
        if other_call.error
        else f"Give {hint}: the call with {other_call.words} works.",
    )


def slot_at(place: TypedPlace, output_map: OutputMap, call: Call) -> Slot | None:
    """The slot at that place. `None` for a name that this call does not return.

    Raises:
        UsageError: no call returns that name, or there is no such index.
    """
    if place.index is not None and _slot(place, call) is None:
        count = len(call.positions)
        raise UsageError(
            f"this call returns a {safe(call.container)} of {counted(count, 'element')}: it has no "
            f"outputs[{place.index}]",
            hint=_other_calls(place, output_map, call) or _range_hint(count),
        )
    names = list(dict.fromkeys([*output_map.names, *DOCUMENTED]))
    if place.name is not None and place.name not in names:
        close = get_close_matches(place.name, [*names, *ALIASES], n=1)
        meant = f"Did you mean {close[0]}? " if close else ""
        raise UsageError(
            f"no call of this class returns {safe(place.name, longest=60)}",
            hint=f"{meant}The names are {listed(output_map.names)}; cls is the vector that the "
            "classifier reads.",
        )
    slot = _slot(place, call)
    _check_items(place, output_map, call, slot)
    return slot


def _slot(place: TypedPlace, call: Call) -> Slot | None:
    if place.index is None:
        return call.slot(place.name or "")
    count = len(call.positions)
    return call.positions[place.index] if -count <= place.index < count else None


def _check_items(place: TypedPlace, output_map: OutputMap, call: Call, slot: Slot | None) -> None:
    from roberta_inspect.render.explain import FILLED_BY

    typed, name = safe(place.typed, longest=60), slot.name if slot else place.name or ""
    values = _reached(slot, place.items)
    depth = max(len(values) - 1, 0)
    if depth < len(place.items):
        holder, missing = values[-1] if values else None, place.items[depth]
        if count := _length(holder):
            raise UsageError(
                f"{typed}: there are {counted(count, 'item')}, and none is [{missing}]",
                hint=_range_hint(count),
            )
        path = phrases.name(name) + "".join(f"[{index}]" for index in place.items[:depth])
        filled = FILLED_BY.get(name, "") if name != "loss" else ""  # a filled loss has no items
        raise UsageError(
            f"{path} is {_contents(holder)} here: it has no [{missing}]",
            hint=_other_calls(place, output_map, call)
            or f"{filled[:1].upper()}{filled[1:] or f'Give {path}'}.",
        )
    if place.first and (name != "hidden_states" or len(place.items) != 1):
        raise UsageError(
            f"{typed}: only a hidden state has a vector of <s>",
            hint="Give cls, or hidden_states[0][:, 0].",
        )


def _reached(slot: Slot | None, items: Sequence[int]) -> list[Slot | Item]:
    """The slot and the items in it, as far as there are any."""
    values: list[Slot | Item] = [slot] if slot else []
    for index in items:
        item = item_at(values[-1], index) if values else None
        if item is None:
            break
        values.append(item)
    return values


def _length(value: Slot | Item | None) -> int:
    if value is None:
        return 0
    return value.shape[0] if value.shape else len(value.items)


def _contents(value: Slot | Item | None) -> str:
    if value is None:
        return "not returned"
    return {"tuple": "()", "tensor": "one number"}.get(value.kind) or phrases.contents_text(value)


def _range_hint(count: int) -> str:
    return f"Give an index from 0 to {count - 1}; -1 is the last one."


LEFT_OUT = {
    "labels": "--no-labels",
    "output_hidden_states": "--no-hidden-states",
    "output_attentions": "--no-attentions",
}
"""A flag of a call → the option without which it is passed."""


def _other_calls(place: TypedPlace, output_map: OutputMap, call: Call) -> str:
    """The fewest flags to pass so that the place is there, and options to leave out for that."""
    asked = output_map.main_calls[0].spec._replace(labels=call.labels)
    ways: dict[str, int] = {}
    for other in output_map.calls:
        slot = _slot(place, other)
        taken_away = any(getattr(asked, flag) > getattr(other, flag) for flag in LEFT_OUT)
        if other.return_dict or taken_away or slot is None:
            continue
        if len(_reached(slot, place.items)) == 1 + len(place.items):
            passed = [flag for flag in LEFT_OUT if getattr(other, flag) and not getattr(call, flag)]
            options = [LEFT_OUT[flag] for flag in passed if not getattr(asked, flag)]
            options += ["--plain"] if call.spec.is_plain else []
            is_named = place.index is not None and slot.name != UNNAMED
            then = (
                f"outputs[{place.index}] is {phrases.name(slot.name)}"
                if is_named
                else "it is there"
            )
            flags = listed(passed) or "return_dict=False"
            ways[f"Pass {flags} (here: leave {listed(options)} out): then {then}."] = len(options)
    return " ".join(way for way, count in ways.items() if count == min(ways.values()))
