"""What the diagram shows: the modules that were observed, the slots, and who returned what.

Nothing here is a guess: a module is in the picture because it returned a tensor of the output,
read one, or handed a container on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from roberta_inspect.records import Call, Item, Origin, OutputMap, Proof, Slot
from roberta_inspect.render import phrases
from roberta_inspect.render.blocks import REFUTED_FIRST, STATUS
from roberta_inspect.render.runs import folded_lines, numbered
from roberta_inspect.text import counted, safe

FORWARD = ""
"""The path of the model itself: what no submodule returned was computed in its `forward`."""

ROWS_DRAWN = 4
"""Rows of one slot that are drawn."""


@dataclass(slots=True)
class Module:
    """A module, or a run of alike ones, with what stands inside it."""

    paths: tuple[str, ...]
    """The path of each module of the run."""
    line: str
    """All paths in one: `roberta.encoder.layer.0 … 11`."""
    note: str | None = None
    is_stage: bool = False
    """Whether it is a stage, drawn as a frame around what is inside."""
    title: str = ""
    inside: list[Module] = field(default_factory=list)

    @property
    def path(self) -> str:
        """The path of the first one."""
        return self.paths[0]

    @property
    def count(self) -> int:
        """How many modules there are."""
        return len(self.paths)

    def has(self, path: str) -> bool:
        """Whether the module at `path` is one of the run, or inside one of them."""
        return path in self.paths or any(path.startswith(f"{own}.") for own in self.paths if own)

    def flow(self) -> Iterator[Module]:
        """The modules that a tensor goes through, without the frames."""
        if self.is_stage and self.inside:
            for module in self.inside:
                yield from module.flow()
        else:
            yield self


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotRow:
    """One tensor of a slot, or a run of alike ones: an arrow ends here."""

    indices: str
    """`[0]`, `[1] … [12]`; nothing for the slot's own tensor."""
    source: str | None
    """The path of the module that returned it; `None` where none did."""
    words: str
    """The shape in axis words, and how many tensors there are."""
    remark: str = ""
    """Why no arrow ends here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """One slot as it is drawn."""

    name: str
    index: str
    holds: str
    state: str
    """`full`, `empty` or `missing`."""
    outcome: str
    """How many proofs hold, and how many do not."""
    refuted: str | None
    """The first claim that is refuted."""
    rows: tuple[SlotRow, ...]
    described: str
    """The slot in one sentence, for readers who do not see the picture."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """The lines on its proofs."""
        return tuple(words for words in (self.outcome, self.refuted) if words)


def container_words(call: Call) -> str:
    """What the call returned or raised."""
    if call.error is not None:
        return f"nothing: it raised {phrases.name(call.error.type)}"
    return phrases.name(call.container)


def modules(output_map: OutputMap, calls: Sequence[Call]) -> list[Module]:
    """The modules of these calls, nested as their paths are, in the order of the flow."""
    by_path: dict[str, Module] = {}
    drawn: set[str] = set()
    for module in (*_within(output_map, calls), *_outer(calls), *_readers(output_map)):
        if module.path not in drawn:
            by_path[module.path] = module
            drawn.update(module.paths)
    for stage in output_map.stages:
        if stage.module:
            notes = [f"{phrases.name(slot.name)} is None" for slot in stage.slots if slot.note]
            by_path[stage.module].is_stage = True
            by_path[stage.module].note = ", ".join(notes) or None
    return _nested(list(by_path.values()))


def _within(output_map: OutputMap, calls: Sequence[Call]) -> Iterator[Module]:
    """The modules that returned the items of tuples, then the stages. Those of the hidden states
    come first, because they show the order of the flow."""
    slots = [slot for call in calls for slot in call.slots if slot.items]
    for slot in sorted(slots, key=lambda slot: slot.name != "hidden_states"):
        yield from _origins(slot)
    yield from (
        Module((stage.module,), safe(stage.module)) for stage in output_map.stages if stage.module
    )


def _readers(output_map: OutputMap) -> Iterator[Module]:
    slots = [slot for stage in output_map.stages for slot in stage.slots]
    places = [place for slot in slots for place in slot.reaches if place.read and place.module]
    yield from (Module((place.module or "",), safe(place.module)) for place in places)


def _outer(calls: Sequence[Call]) -> Iterator[Module]:
    """The modules that returned a tensor of the container itself."""
    for call in calls:
        for slot in call.slots:
            if not slot.items:
                yield from _origins(slot)


def _origins(slot: Slot) -> Iterator[Module]:
    origins = [
        origin for origin in (slot.origin, *map(_item_origin, slot.items)) if origin is not None
    ]
    for run in folded_lines([numbered(safe(origin.module)) for origin in origins]):
        alike = origins[run.first : run.last + 1]
        paths = tuple(origin.module for origin in alike)
        yield Module(tuple(dict.fromkeys(paths)), run.line, _inner(alike[0]))


def _item_origin(item: Item) -> Origin | None:
    return item.origin or next((nested.origin for nested in item.items if nested.origin), None)


def _inner(origin: Origin) -> str | None:
    if origin.through is None:
        return None
    return f"by its {safe(origin.through.removeprefix(f'{origin.module}.'))}"


def _nested(flat: Sequence[Module]) -> list[Module]:
    """The outermost modules in the order of the flow, with the other ones inside them."""
    rank = {module.path: number for number, module in enumerate(flat)}
    roots: list[Module] = []
    for module in flat:
        around = [candidate for candidate in flat if _is_inside(module, candidate)]
        parent = max(around, key=lambda candidate: len(candidate.path), default=None)
        module.title = _relative(module, parent)
        (roots if parent is None else parent.inside).append(module)

    def order(module: Module) -> int:
        module.inside.sort(key=order)
        return min([rank[module.path], *map(order, module.inside)])

    return sorted(roots, key=order)


def _is_inside(module: Module, around: Module) -> bool:
    fits = around.is_stage or around.count == module.count
    return fits and module.path.startswith(f"{around.path}.")


def _relative(module: Module, around: Module | None) -> str:
    if around is None:
        return module.line
    prefix = f"{safe(around.path)}."
    line = module.line if module.line.startswith(prefix) else safe(module.path)
    return line.removeprefix(prefix)


def boxes(output_map: OutputMap, call: Call) -> list[Box]:
    """The slots of one call in order, then the names that it lacks."""
    present = [_box(output_map, slot) for slot in call.slots]
    present.sort(key=lambda box: not box.index)
    lacking = [name for name in output_map.names if not call.error and call.slot(name) is None]
    return [*present, *(_absent_box(name) for name in lacking)]


def _absent_box(name: str) -> Box:
    return Box(
        name=phrases.name(name),
        index="",
        holds="absent: no place for it",
        state="missing",
        outcome="",
        refuted=None,
        rows=(),
        described=f"{phrases.name(name)}: absent.",
    )


def _box(output_map: OutputMap, slot: Slot) -> Box:
    proofs = output_map.proofs_of(slot.name)
    missing = slot.kind == "none"
    state = "missing" if missing else "empty" if slot.is_empty else "full"
    index = "" if slot.index is None else f"[{slot.index}]"
    rows = tuple(_slot_rows(slot))
    facts = [f"{index} {phrases.name(slot.name)}: {phrases.contents_text(slot)}"]
    facts += [f"{row.indices} from {safe(row.source)}".strip() for row in rows if row.source]
    outcome = "" if missing else tally(proofs)
    return Box(
        name=phrases.name(slot.name),
        index=index,
        holds=holds(slot),
        state=state,
        outcome=outcome,
        refuted=None if missing else refutation(proofs),
        rows=rows,
        described=", ".join([*facts, *([outcome] if outcome else [])]).strip() + ".",
    )


def _slot_rows(slot: Slot) -> Iterator[SlotRow]:
    if slot.kind == "tensor":
        source = slot.origin.module if slot.origin else FORWARD
        yield SlotRow(indices="", source=source, words=shape_in_axes(slot))
    runs = list(phrases.item_runs(slot.items, alike=phrases.alike(slot)))
    shown, rest = phrases.first(runs, ROWS_DRAWN, "row")
    for run in shown:
        first, number = slot.items[run.first], run.last - run.first + 1
        origin = _item_origin(first)
        yield SlotRow(
            indices=run.indices,
            source=origin.module if origin else None,
            words=("" if number == 1 else f"{number:,} × ") + shape_in_axes(first),
            remark="" if origin else run.line,
        )
    yield from (SlotRow(indices="…", source=None, words="", remark=words) for words in rest)


def shape_in_axes(value: Slot | Item) -> str:
    """`(batch_size, num_labels)`; for a nested item its length and the axes of its first item."""
    if value.items:
        return f"{len(value.items):,} × {shape_in_axes(value.items[0])}"
    return f"({', '.join(map(phrases.name, value.axes))})" if value.kind == "tensor" else ""


def holds(value: Slot | Item) -> str:
    """`13 × (2, 16, 768) float32`: the contents with bare sizes."""
    if value.kind == "tensor":
        sizes = ", ".join(f"{size}" for size in value.shape or ())
        return f"({sizes}) {phrases.name(value.dtype)}"
    if not value.items or len({holds(item) for item in value.items}) > 1:
        return phrases.contents_text(value)
    return f"{len(value.items):,} × {holds(value.items[0])}"


def tally(proofs: Sequence[Proof]) -> str:
    """`✓ 6 proved`, `✗ 1 refuted ✓ 5 proved`: what failed comes first."""
    statuses = [proof.status for proof in proofs]
    counts = [
        f"{STATUS[status].sign} {statuses.count(status)} {STATUS[status].word}"
        for status in REFUTED_FIRST
        if status in statuses
    ]
    return "  ".join(counts)


def refutation(proofs: Sequence[Proof]) -> str | None:
    """The first claim that is refuted, and how many more are."""
    claims = [phrases.sentence(proof.claim) for proof in proofs if proof.status == "refuted"]
    more = f", and {counted(len(claims) - 1, 'more claim')}" if len(claims) > 1 else ""
    return f"refuted: {claims[0]}{more}" if claims else None
