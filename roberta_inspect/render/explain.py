"""One index of one call: what it is, how to reach it by name, what moves it, what proves it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group
from rich.text import Text

from roberta_inspect.records import Call, Item, OutputMap, Slot, item_at
from roberta_inspect.render import phrases
from roberta_inspect.render.blocks import Row, two_columns
from roberta_inspect.render.findings import findings_block
from roberta_inspect.render.slots import proof_rows, slot_rows

FILLED_BY = {
    "loss": "pass labels: model(**inputs, labels=labels)",
    "hidden_states": "pass output_hidden_states=True",
    "attentions": 'load the model with attn_implementation="eager" (here: --attention eager) and '
    "pass output_attentions=True",
    "past_key_values": "a decoder fills it: config.is_decoder=True and use_cache=True, in releases "
    "before transformers 5",
    "cross_attentions": "a decoder with cross-attention fills it: config.add_cross_attention=True, "
    "and encoder_hidden_states passed",
}
"""Name of a slot → what makes the class return something there."""


def explanation(
    output_map: OutputMap,
    call: Call,
    slot: Slot | str,
    *,
    typed: str | None = None,
    items: Sequence[int] = (),
    first: bool = False,
) -> Group:
    """Explains `slot` of the container that `call` returned.

    Args:
        output_map: the map.
        call: one of its calls.
        slot: what to explain; a name where the container has no such slot.
        typed: what the user typed, such as `-1`; `None` for the index of the slot.
        items: the item of the slot, as typed, the outermost index first.
        first: whether the first position of that item is meant.
    """
    how = f" when called with {phrases.called_with(call)}"
    if isinstance(slot, str):
        title = Text.assemble((phrases.name(slot), "bold"), " is not returned", how)
        return Group(title, two_columns(_absent_rows(output_map, slot)), *_errors(output_map, slot))
    place = slot.access + "".join(f"[{index}]" for index in items) + ("[:, 0]" if first else "")
    if typed is not None and typed.removeprefix("-").isdecimal():
        typed = f"outputs[{typed}]"
    also = "" if typed in (None, place) else f"{phrases.sentence(typed)} is "
    title = Text.assemble(also, (phrases.sentence(place), "bold"), " ", how)
    return Group(
        title,
        two_columns(_explained_rows(output_map, call, slot, items, first)),
        *_errors(output_map, slot.name),
    )


def _absent_rows(output_map: OutputMap, name: str) -> Iterator[Row]:
    yield from _filled_by(name)
    places = [
        f"{call.words}: {phrases.where_it_is(call, name)}"
        for call in output_map.main_calls
        if any(slot.name == name and slot.kind != "none" for slot in call.slots)
    ]
    if places:
        yield Text("  where it is", "bold"), Text("\n".join(places))


def _filled_by(name: str) -> Iterator[Row]:
    if name in FILLED_BY:
        yield Text("  how to fill it", "bold"), Text(FILLED_BY[name])


def _errors(output_map: OutputMap, name: str) -> list[Group]:
    """The errors about this slot: they may make the explanation meaningless."""
    errors = output_map.findings_of("error")
    errors = tuple(error for error in errors if not error.slots or name in error.slots)
    return [findings_block(errors)] if errors else []


def _explained_rows(
    output_map: OutputMap, call: Call, slot: Slot, items: Sequence[int], first: bool
) -> Iterator[Row]:
    name = Text(phrases.name(slot.name), "bold")
    if slot.kind == "none":
        yield Text("  is", "bold"), Text.assemble(name, ": None here")
        yield from _absent_rows(output_map, slot.name)
        return
    yield Text("  is", "bold"), Text.assemble(name, f": {phrases.contents_text(slot)}")
    yield from slot_rows(output_map, slot)
    if slot.is_empty:
        yield from _filled_by(slot.name)
    yield from _item_rows(slot, items, first)
    keyed = call if slot.key else output_map.find_call(call.spec._replace(return_dict=True))
    if keyed is not None:
        yield Text("  by name", "bold"), Text(_by_name(keyed, slot))
    moves = list(_moves(output_map, call, slot))
    if moves:
        yield Text("  what moves it", "bold"), Text("\n".join(moves))
    proofs = output_map.proofs_of(slot.name)
    if proofs:
        yield Text("  what proves it", "bold"), Text()
        yield from proof_rows(proofs)


def _item_rows(slot: Slot, items: Sequence[int], first: bool) -> Iterator[Row]:
    """The item that was asked for, with its index counted from the front."""
    value: Slot | Item = slot
    place, row_of = phrases.name(slot.name), ""
    for index in items:
        item = item_at(value, index)
        if item is None:
            return
        row_of = f", row {item.index} of {place}" if value.shape else ""
        value, place = item, f"{place}[{item.index}]"
    if items:
        by = f", returned by {phrases.origin_sentence(value, '')}" if value.origin else row_of
        yield Text("  the item", "bold"), Text(f"{place}: {phrases.contents_text(value)}{by}")
    if first:
        is_last = value is slot.items[-1]
        reads = ", which is all that RobertaClassificationHead reads" if is_last else ""
        yield Text("  position 0", "bold"), Text(f"{place}[:, 0]: the vector of <s>{reads}")


def _by_name(call: Call, slot: Slot) -> str:
    same = call.slot(slot.name)
    if same is None or same.kind == "none":
        return f"not with return_dict=True: there {phrases.name(slot.name)} is missing"
    how = "here" if call.spec.is_plain else "with return_dict=True"
    return f"{phrases.sentence(same.access)} {how}, wherever it stands"


def _moves(output_map: OutputMap, call: Call, slot: Slot) -> Iterator[str]:
    """Where the slot is in the calls that differ in one flag, and in the call without flags."""
    bare = call.spec._replace(output_hidden_states=False, output_attentions=False)
    for other in output_map.plain if call.spec.is_plain else output_map.calls:
        flag = call.single_flag_to(other)
        if flag is None and other.spec == bare != call.spec:
            flag = "neither of the two"
        if flag is not None:
            indices = [same.index for same in other.slots if same.name == slot.name]
            stays = "stays " if indices == [slot.index] else ""
            yield f"{flag}: {stays}{phrases.where_it_is(other, slot.name)}"
