"""What the diagram shows: the modules that were observed, the slots, and who returned what.

Nothing here is a guess: a module is in the picture because it returned a tensor of the output,
read one, or handed a container on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from roberta_inspect.records import Call, Item, Origin, OutputMap, Proof, Slot, Status
from roberta_inspect.render import phrases
from roberta_inspect.render.runs import folded, numbered
from roberta_inspect.text import counted, safe

FORWARD = ""
"""The path of the model itself: what no submodule returned was computed in its `forward`."""

MOST_ROWS = 4
"""Rows of one slot that are drawn."""


@dataclass(slots=True)
class Module:
    """A module, or a run of alike ones, with what stands inside it."""

    paths: tuple[str, ...]
    """Of each of the run."""
    line: str
    """All of them in one: `roberta.encoder.layer.0 … 11`."""
    note: str | None = None
    is_stage: bool = False
    """Whether it is a stage, drawn as a frame around what is inside."""
    title: str = ""
    inside: list[Module] = field(default_factory=list)

    @property
    def path(self) -> str:
        """Of the first."""
        return self.paths[0]

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.paths)

    def has(self, path: str) -> bool:
        """Whether that module is one of the run, or stands in one of them."""
        return path in self.paths or any(path.startswith(f"{each}.") for each in self.paths if each)

    def flow(self) -> Iterator[Module]:
        """The modules that a tensor goes through, frames left out."""
        if self.is_stage and self.inside:
            for module in self.inside:
                yield from module.flow()
        else:
            yield self


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One tensor of a slot, or a run of alike ones: an arrow ends here."""

    indices: str
    """`[0]`, `[1] … [12]`; nothing for the slot's own tensor."""
    source: str | None
    """The path of the module that returned it; `None` where none did."""
    words: str
    """Its shape in axis words, and how many there are."""
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
    rows: tuple[Row, ...]
    described: str
    """All of it in a sentence, for who does not see it."""

    @property
    def told(self) -> tuple[str, ...]:
        """What is said of its proofs."""
        return tuple(words for words in (self.outcome, self.refuted) if words)


def container(call: Call) -> str:
    """What came back, or what was raised."""
    if call.error is not None:
        return f"nothing: it raised {phrases.name(call.error.type)}"
    return phrases.name(call.container)


def modules(of: OutputMap, calls: Sequence[Call]) -> list[Module]:
    """The modules of these calls, nested as their paths are, in the order of the flow."""
    known: dict[str, Module] = {}
    drawn: set[str] = set()
    for module in (*_within(of, calls), *_outer(calls), *_readers(of)):
        if module.path not in drawn:
            known[module.path] = module
            drawn.update(module.paths)
    for stage in of.stages:
        if stage.module:
            notes = [f"{phrases.name(slot.name)} is None" for slot in stage.slots if slot.note]
            known[stage.module].is_stage = True
            known[stage.module].note = ", ".join(notes) or None
    return _nested(list(known.values()))


def _within(of: OutputMap, calls: Sequence[Call]) -> Iterator[Module]:
    """What returned the items of the tuples, those of the hidden states first: they tell the flow;
    then the stages."""
    slots = [slot for call in calls for slot in call.slots if slot.items]
    for slot in sorted(slots, key=lambda slot: slot.name != "hidden_states"):
        yield from _origins(slot)
    yield from (Module((stage.module,), safe(stage.module)) for stage in of.stages if stage.module)


def _readers(of: OutputMap) -> Iterator[Module]:
    slots = [slot for stage in of.stages for slot in stage.slots]
    places = [place for slot in slots for place in slot.reaches if place.read and place.module]
    yield from (Module((place.module or "",), safe(place.module)) for place in places)


def _outer(calls: Sequence[Call]) -> Iterator[Module]:
    """What returned a tensor that stands in the container itself."""
    for call in calls:
        for slot in call.slots:
            if not slot.items:
                yield from _origins(slot)


def _origins(slot: Slot) -> Iterator[Module]:
    origins = [each for each in (slot.origin, *map(_origin, slot.items)) if each is not None]
    for run in folded([numbered(safe(origin.module)) for origin in origins]):
        alike = origins[run.first : run.last + 1]
        paths = tuple(origin.module for origin in alike)
        yield Module(tuple(dict.fromkeys(paths)), run.line, _inner(alike[0]))


def _origin(item: Item) -> Origin | None:
    return item.origin or next((each.origin for each in item.items if each.origin), None)


def _inner(origin: Origin) -> str | None:
    if origin.through is None:
        return None
    return f"by its {safe(origin.through.removeprefix(f'{origin.module}.'))}"


def _nested(known: Sequence[Module]) -> list[Module]:
    """The outermost ones, in the order of the flow; each other is put into the one around it."""
    rank = {module.path: number for number, module in enumerate(known)}
    roots: list[Module] = []
    for module in known:
        around = [other for other in known if _is_inside(module, other)]
        parent = max(around, key=lambda other: len(other.path), default=None)
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


def boxes(of: OutputMap, call: Call) -> list[Box]:
    """The slots of one call in order, then the names that it lacks."""
    present = [_box(of, slot) for slot in call.slots]
    present.sort(key=lambda box: not box.index)
    lacking = [name for name in of.names if not call.error and call.slot(name) is None]
    return [*present, *(_absent(name) for name in lacking)]


def _absent(name: str) -> Box:
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


def _box(of: OutputMap, slot: Slot) -> Box:
    proofs = of.proofs_of(slot.name)
    missing = slot.kind == "none"
    state = "missing" if missing else "empty" if slot.is_empty else "full"
    index = "" if slot.index is None else f"[{slot.index}]"
    rows = tuple(_rows(slot))
    told = [f"{index} {phrases.name(slot.name)}: {phrases.what(slot)}"]
    told += [f"{row.indices} from {safe(row.source)}".strip() for row in rows if row.source]
    outcome = "" if missing else tally(proofs)
    return Box(
        name=phrases.name(slot.name),
        index=index,
        holds=holds(slot),
        state=state,
        outcome=outcome,
        refuted=None if missing else refuted(proofs),
        rows=rows,
        described=", ".join([*told, *([outcome] if outcome else [])]).strip() + ".",
    )


def _rows(slot: Slot) -> Iterator[Row]:
    if slot.kind == "tensor":
        source = slot.origin.module if slot.origin else FORWARD
        yield Row(indices="", source=source, words=axes(slot))
    runs = list(phrases.runs(slot.items, alike=phrases.alike(slot)))
    shown, rest = phrases.first(runs, MOST_ROWS, "row")
    for run in shown:
        first, number = slot.items[run.first], run.last - run.first + 1
        origin = _origin(first)
        yield Row(
            indices=run.indices,
            source=origin.module if origin else None,
            words=("" if number == 1 else f"{number:,} × ") + axes(first),
            remark="" if origin else run.line,
        )
    yield from (Row(indices="…", source=None, words="", remark=words) for words in rest)


def axes(of: Slot | Item) -> str:
    """`(batch_size, num_labels)`; of a nested item how many there are of the first."""
    if of.items:
        return f"{len(of.items):,} × {axes(of.items[0])}"
    return f"({', '.join(map(phrases.name, of.axes))})" if of.kind == "tensor" else ""


def holds(of: Slot | Item) -> str:
    """`13 × (2, 16, 768) float32`: how much there is, in numbers."""
    if of.kind == "tensor":
        sizes = ", ".join(f"{size}" for size in of.shape or ())
        return f"({sizes}) {phrases.name(of.dtype)}"
    if not of.items or len({holds(item) for item in of.items}) > 1:
        return phrases.what(of)
    return f"{len(of.items):,} × {holds(of.items[0])}"


WORDS: dict[Status, str] = {
    "refuted": "✗ {} refuted",
    "proved": "✓ {} proved",
    "not-tested": "· {} not tested",
}


def tally(proofs: Sequence[Proof]) -> str:
    """`✓ 6 proved`, `✗ 1 refuted ✓ 5 proved`: what failed comes first."""
    counts = {status: [proof.status for proof in proofs].count(status) for status in WORDS}
    return "  ".join(WORDS[status].format(number) for status, number in counts.items() if number)


def refuted(proofs: Sequence[Proof]) -> str | None:
    """The first claim that is refuted, and how many more are."""
    claims = [phrases.sentence(proof.claim) for proof in proofs if proof.status == "refuted"]
    more = f", and {counted(len(claims) - 1, 'more claim')}" if len(claims) > 1 else ""
    return f"refuted: {claims[0]}{more}" if claims else None
