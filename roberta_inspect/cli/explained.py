"""What a user types after `--explain`: an index, the name of a slot, or an item of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from difflib import get_close_matches

from roberta_inspect.errors import CannotInspectError, UsageError
from roberta_inspect.records import Call, Item, OutputMap, Slot
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
        raise UsageError(
            f"--explain {safe(typed, longest=60)} is neither an index nor a name",
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
    count = len(call.positions)
    if place.index is not None and not -count <= place.index < count:
        raise UsageError(
            f"this call returns a tuple of {counted(count, 'element')}: it has no "
            f"outputs[{place.index}]",
            hint=f"Give an index from 0 to {count - 1}; -1 is the last one.",
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
    slot = call.slot(place.name or "") if place.index is None else call.positions[place.index]
    _check_items(place, slot)
    return slot


def _check_items(place: TypedPlace, slot: Slot | None) -> None:
    holder: Slot | Item | None = slot
    for index in place.items:
        items = holder.items if holder is not None else ()
        if items and not -len(items) <= index < len(items):
            raise UsageError(
                f"{safe(place.typed, longest=60)}: there are {counted(len(items), 'item')}, and "
                f"none is [{index}]",
                hint=f"Give an index from 0 to {len(items) - 1}; -1 is the last one.",
            )
        holder = items[index] if items else None
