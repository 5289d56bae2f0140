"""One index of one call: what it is, how to reach it by name, what moves it, what proves it."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group
from rich.text import Text

from roberta_inspect.records import Call, OutputMap, Slot
from roberta_inspect.render import phrases
from roberta_inspect.render.blocks import Row, rows
from roberta_inspect.render.slots import about, proofs


def explanation(of: OutputMap, call: Call, slot: Slot, *, asked: int | None = None) -> Group:
    """What stands in `slot` of the container that `call` returned.

    `asked` is the index by which it was asked for, such as -1; `None` for its own.
    """
    place = f"outputs[{slot.index}]"
    also = "" if asked in (None, slot.index) else f"outputs[{asked}] is "
    title = Text.assemble(also, (place, "bold"), f"  when called with {', '.join(call.spec.flags)}")
    return Group(title, rows(_told(of, call, slot)))


def _told(of: OutputMap, call: Call, slot: Slot) -> Iterator[Row]:
    name = Text(phrases.name(slot.name), "bold")
    yield Text("  is", "bold"), Text.assemble(name, f": {phrases.what(slot)}")
    yield from about(of, slot)
    keyed = of.find_call(call.spec._replace(return_dict=True))
    if keyed is not None:
        yield Text("  by name", "bold"), Text(_by_name(keyed, slot))
    moves = list(_moves(of, call, slot))
    if moves:
        yield Text("  what moves it", "bold"), Text("\n".join(moves))
    shown = of.proofs_of(slot.name)
    if shown:
        yield Text("  what proves it", "bold"), Text()
        yield from proofs(shown)


def _by_name(call: Call, slot: Slot) -> str:
    same = call.slot(slot.name)
    if same is None or same.kind == "none":
        return f"not with return_dict=True: there {phrases.name(slot.name)} is missing"
    return f"{phrases.sentence(same.access)} with return_dict=True, wherever it stands"


def _moves(of: OutputMap, call: Call, slot: Slot) -> Iterator[str]:
    """The same name in the calls that differ from this one in a single flag, and in the one that
    asks for nothing, which is what a call without flags is."""
    bare = call.spec._replace(output_hidden_states=False, output_attentions=False)
    for other in of.calls:
        flag = call.single_flag_to(other)
        if flag is None and other.spec == bare != call.spec:
            flag = "neither of the two"
        if flag is not None:
            stays = [each.index for each in other.slots if each.name == slot.name] == [slot.index]
            yield f"{flag}: {'stays ' if stays else ''}{phrases.where_it_is(other, slot.name)}"
