"""One index of one call: what it is, how to reach it by name, what moves it, what proves it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group
from rich.text import Text

from roberta_inspect.records import Call, Item, OutputMap, Slot
from roberta_inspect.render import phrases
from roberta_inspect.render.blocks import Row, rows
from roberta_inspect.render.findings import findings
from roberta_inspect.render.slots import about, proofs

FILLED_BY = {
    "loss": "pass labels: model(**inputs, labels=labels)",
    "hidden_states": "pass output_hidden_states=True",
    "attentions": 'load the model with attn_implementation="eager" and pass output_attentions=True '
    "(here: --attention eager)",
    "past_key_values": "a decoder fills it: config.is_decoder=True and use_cache=True, in releases "
    "before transformers 5",
    "cross_attentions": "a decoder with cross-attention fills it: config.add_cross_attention=True, "
    "and encoder_hidden_states passed",
}
"""Name of a slot → what makes the class return something there."""


def explanation(
    of: OutputMap,
    call: Call,
    slot: Slot | str,
    *,
    asked: str | None = None,
    items: Sequence[int] = (),
    first: bool = False,
) -> Group:
    """What stands in `slot` of the container that `call` returned.

    Args:
        of: the map.
        call: one of its calls.
        slot: what is explained; a name, where the container has no such slot.
        asked: how it was asked for, such as `-1`; `None` for its index.
        items: which item of it, the outermost index first, as they were typed.
        first: whether the first position of that item is meant.
    """
    how = f"  when called with {', '.join(call.spec.flags)}"
    if isinstance(slot, str):
        title = Text.assemble((phrases.name(slot), "bold"), " is not returned", how)
        return Group(title, rows(_absent(of, slot)), *_errors(of, slot))
    place = slot.access + "".join(f"[{index}]" for index in items) + ("[:, 0]" if first else "")
    if asked is not None and asked.removeprefix("-").isdecimal():
        asked = f"outputs[{asked}]"
    also = "" if asked in (None, place) else f"{phrases.sentence(asked)} is "
    title = Text.assemble(also, (phrases.sentence(place), "bold"), how)
    return Group(title, rows(_told(of, call, slot, items, first)), *_errors(of, slot.name))


def _absent(of: OutputMap, name: str) -> Iterator[Row]:
    yield from _filled_by(name)
    places = [
        f"{call.words}: {phrases.where_it_is(call, name)}"
        for call in of.main_calls
        if any(slot.name == name and slot.kind != "none" for slot in call.slots)
    ]
    if places:
        yield Text("  where it is", "bold"), Text("\n".join(places))


def _filled_by(name: str) -> Iterator[Row]:
    if name in FILLED_BY:
        yield Text("  how to fill it", "bold"), Text(FILLED_BY[name])


def _errors(of: OutputMap, name: str) -> list[Group]:
    """The errors that touch this slot: what is explained may mean nothing."""
    errors = [each for each in of.findings_of("error") if not each.slots or name in each.slots]
    return [findings(errors)] if errors else []


def _told(
    of: OutputMap, call: Call, slot: Slot, items: Sequence[int], first: bool
) -> Iterator[Row]:
    name = Text(phrases.name(slot.name), "bold")
    yield Text("  is", "bold"), Text.assemble(name, f": {phrases.what(slot)}")
    if slot.is_empty or slot.kind == "none":
        yield from _filled_by(slot.name)
    yield from _item(slot, items, first)
    yield from about(of, slot)
    keyed = call if slot.key else of.find_call(call.spec._replace(return_dict=True))
    if keyed is not None:
        yield Text("  by name", "bold"), Text(_by_name(keyed, slot))
    moves = list(_moves(of, call, slot))
    if moves:
        yield Text("  what moves it", "bold"), Text("\n".join(moves))
    shown = of.proofs_of(slot.name)
    if shown:
        yield Text("  what proves it", "bold"), Text()
        yield from proofs(shown)


def _item(slot: Slot, items: Sequence[int], first: bool) -> Iterator[Row]:
    """The item that was asked for, by the index that it has from the front."""
    item: Slot | Item = slot
    place = phrases.name(slot.name)
    for index in items:
        if not item.items:
            return
        item = item.items[index]
        place += f"[{item.index}]"
    if items:
        by = f", returned by {phrases.made_by(item, '')}" if item.origin else ""
        yield Text("  the item", "bold"), Text(f"{place}: {phrases.what(item)}{by}")
    if first:
        reads = "the vector of <s>, which is all that RobertaClassificationHead reads"
        yield Text("  position 0", "bold"), Text(f"{place}[:, 0]: {reads}")


def _by_name(call: Call, slot: Slot) -> str:
    same = call.slot(slot.name)
    if same is None or same.kind == "none":
        return f"not with return_dict=True: there {phrases.name(slot.name)} is missing"
    how = "here" if call.spec.is_plain else "with return_dict=True"
    return f"{phrases.sentence(same.access)} {how}, wherever it stands"


def _moves(of: OutputMap, call: Call, slot: Slot) -> Iterator[str]:
    """The same name in the calls that differ from this one in a single flag, and in the one that
    asks for nothing, which is what a call without flags is."""
    bare = call.spec._replace(output_hidden_states=False, output_attentions=False)
    for other in of.plain if call.spec.is_plain else of.calls:
        flag = call.single_flag_to(other)
        if flag is None and other.spec == bare != call.spec:
            flag = "neither of the two"
        if flag is not None:
            stays = [each.index for each in other.slots if each.name == slot.name] == [slot.index]
            yield f"{flag}: {'stays ' if stays else ''}{phrases.where_it_is(other, slot.name)}"
