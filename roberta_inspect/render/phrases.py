"""What the records say in words: plain, harmless strings that every format uses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import TypeVar

from roberta_inspect.records import (
    Call,
    Checkpoint,
    ConsumerReport,
    Input,
    Item,
    Origin,
    OutputMap,
    Place,
    Prediction,
    Proof,
    Score,
    Setup,
    Slot,
    StageSlot,
    Text,
    Weights,
)
from roberta_inspect.records.place import spans
from roberta_inspect.render.runs import Line, Run, folded, joined, numbered
from roberta_inspect.text import counted, listed, safe

LONGEST_NAME = 40
"""Characters of a label, a token or a slot's name."""

LONGEST_SENTENCE = 1000
"""Characters of a claim, a detail or a message."""

MOST_TOKENS = 40
"""Tokens of a row that are shown, runs of the same token counted as one."""

TOKENS_AT_END = 2

MOST_ROWS = 4
"""Rows of the input whose tokens are shown."""

MOST_RUNS = 12
"""Lines on the items of one slot; a model whose layers are all different would flood the page."""

MOST_TEXTS = 8
MOST_LABELS = 5
"""Texts whose predictions are shown, and labels of each."""

Thing = TypeVar("Thing")


LEGEND = {
    "+1": "places further than without labels",
    "[i] ()": "an empty tuple: it takes an index and holds nothing",
    "[i] None": "None that takes an index",
    "[i] 1×None": "a tuple, and so many of its items are None",
    "None": "an attribute that is None and takes no index",
    "absent": "the container has no place for it",
    "raised": "the call raised an exception: see the findings",
}
"""Sign → what it means; only those that occur are explained."""


def name(untrusted: object) -> str:
    """A short name, harmless."""
    return safe(untrusted, longest=LONGEST_NAME)


def sentence(untrusted: object) -> str:
    """A sentence, harmless."""
    return safe(untrusted, longest=LONGEST_SENTENCE)


def first(things: Sequence[Thing], most: int, noun: str) -> tuple[Sequence[Thing], tuple[str, ...]]:
    """The first `most` things, and where that is not all of them `and 12 more texts`."""
    left_out = len(things) - most
    return things[:most], (f"and {counted(left_out, f'more {noun}')}",) if left_out > 0 else ()


def head(of: OutputMap | ConsumerReport) -> dict[str, str]:
    """What was inspected, how, and what it was given."""
    return {
        "Checkpoint": checkpoint(of.checkpoint),
        "Labels": labels(of.checkpoint),
        "Setup": setup(of),
        "Weights": weights(of.checkpoint.weights, read=not of.setup.no_weights),
        "Input": given(of.input),
    }


def checkpoint(of: Checkpoint) -> str:
    """Where the weights come from, the class, and how large it is."""
    return " · ".join([safe(of.source), safe(of.architecture), counted(of.parameters, "parameter")])


def labels(of: Checkpoint) -> str:
    """How many labels there are, their names and the problem type."""
    names = listed(label_names(of), most=6, show=name)
    placeholders = " (placeholder names)" if of.placeholder_labels else ""
    problem = name(of.problem_type) if of.problem_type else "unset"
    return f"{of.num_labels:,}: {names}{placeholders} · problem_type {problem}"


def label_names(of: Checkpoint) -> list[str]:
    """The name of every label in the order of the ids; with its id where the name does not tell."""
    labels = range(of.num_labels)
    return ids_told({label: of.id2label.get(str(label), "") for label in labels})


def ids_told(names: Mapping[int, str]) -> list[str]:
    """`names` of labels by id; `yes (id:1)` where another has that name, `(id:2)` without one."""
    often = Counter(names.values())
    return [
        text if text.strip() and often[text] == 1 else f"{name(text.strip())} (id:{label})".strip()
        for label, text in names.items()
    ]


def lines(untrusted: str) -> str:
    """A hint, harmless: its own line breaks stand before lines of code."""
    return "\n".join(sentence(line) for line in untrusted.split("\n"))


def setup(of: OutputMap | ConsumerReport) -> str:
    """Versions, device, dtype, mode and attention implementation."""
    how: Setup = of.setup
    told = [
        f"transformers {name(of.versions.transformers)}",
        f"torch {name(of.versions.torch)}",
        name(how.device),
        name(how.dtype),
        how.mode,
        f"attention {name(how.attention)}",
    ]
    return " · ".join(told)


def weights(of: Weights, *, read: bool = True) -> str:
    """The verdict in words; not `read`, it is one on the names in the files alone."""
    files = listed(of.files, most=3, show=safe) or "the live model as it stands"
    tensors = f"all {counted(of.loaded, 'tensor')}"
    some = listed(of.missing, most=3, show=partial(safe, longest=80))
    random = f"random: {counted(len(of.missing), 'tensor')} not in {files}: {some}"
    verb = "name" if len(of.files) > 1 else "names"
    whole = f"complete: {tensors} come from {files}" if read else f"{files} {verb} {tensors}"
    be = "is" if read else "would be"
    told = {
        "complete": whole,
        "head-not-in-checkpoint": f"the head {be} {random}",
        "encoder-not-in-checkpoint": f"a part of the encoder {be} {random}",
        "nothing-from-checkpoint": f"everything {be} {random}",
        "no-weights": "none: fake tensors made from the configuration alone",
    }[of.verdict]
    if of.head_from in ("adapter", "base"):
        told += f"; the head comes from the {of.head_from}"
    return told if read or of.verdict == "no-weights" else f"not read: {told}"


def given(of: Input) -> str:
    """The input: how many rows, how long, how much of it is padding, which labels."""
    source = {
        "synthetic": "synthetic ids",
        "texts": counted(len(of.texts or ()), "text"),
        "inputs": f"your {listed([each.name for each in of.fields if each.name != 'labels'])}",
    }[of.source]
    size = f"batch_size {of.batch_size:,} × sequence_length {of.sequence_length:,}"
    values = safe(of.labels.values, longest=60)
    return f"{source} · {size}{_padding(of)} · labels {values} {name(of.labels.dtype)}"


def _padding(of: Input) -> str:
    if all(length == of.sequence_length for length in of.row_lengths):
        return ""
    lengths = listed([f"{length:,}" for length in of.row_lengths], most=6)
    return f" (rows of {lengths} tokens, the rest padding)"


def tokens(row: Sequence[str]) -> list[tuple[str, str]]:
    """`0` and `<s>`, `1` and `what` …: which token each position is; runs of it are folded."""
    runs = [
        (list(each), token)
        for token, each in groupby(range(len(row)), key=lambda position: row[position])
    ]
    told = [
        (f"{places[0]}{f' … {places[-1]}' if len(places) > 1 else ''}", name(token))
        for places, token in runs
    ]
    if len(told) <= MOST_TOKENS:
        return told
    left_out = len(told) - MOST_TOKENS
    return [
        *told[: MOST_TOKENS - TOKENS_AT_END],
        (f"… {left_out:,} more", "…"),
        *told[-TOKENS_AT_END:],
    ]


def shape(of: Slot | Item) -> str:
    """`(batch_size 2, num_labels 3)`; `()` for a tensor without axes."""
    sizes = of.shape or ()
    if len(of.axes) != len(sizes):
        return f"({', '.join(f'{size:,}' for size in sizes)})"
    axes = zip(map(name, of.axes), sizes, strict=True)
    return f"({', '.join(f'{axis} {size:,}' for axis, size in axes)})"


def what(of: Slot | Item) -> str:
    """What a slot or an item holds: `tuple of 13 × (batch_size 2, …) float32`."""
    if of.kind == "none":
        return "None"
    if of.kind == "tensor":
        return f"{shape(of)} {name(of.dtype)}"
    if of.kind == "other":
        return "neither a tensor nor a tuple"
    if not of.items:
        return "() an empty tuple" if of.kind == "tuple" else f"an empty {of.kind}"
    held = {what(item) for item in of.items if item.kind != "none"}
    holes = f", {len(of.holes):,} of them None" if of.holes else ""
    alike = f" × {held.pop()}" if len(held) == 1 else ""
    layers = counted(len(of.items), "layer")
    count = f"cache of {layers}" if of.kind == "cache" else f"{of.kind} of {len(of.items):,}"
    return f"{count}{alike}{holes}"


def made_by(of: Slot | Item, architecture: str) -> str:
    """The module that returned this very tensor, or who must have made it where none did."""
    return returned_by(of) or f"computed in {name(architecture)}.forward; no submodule returned it"


def returned_by(of: Slot | Item) -> str | None:
    """The module that returned this very tensor; `None` where no submodule did."""
    return None if of.origin is None else joined(_origin(of.origin))


def _origin(of: Origin) -> Line:
    module, through = safe(of.module), safe(of.through or "")
    if of.through is None:
        return numbered(module)
    if through.startswith(f"{module}."):
        return (*numbered(module), " (its ", *numbered(through.removeprefix(f"{module}.")), ")")
    return (*numbered(module), " (made by ", *numbered(through), ")")


def runs(items: Sequence[Item], *, alike: bool) -> Iterator[Run]:
    """One line per run of alike items, nested ones after `; `; shapes where they differ."""
    return folded([_item(item, shape_too=not alike) for item in items])


def _item(item: Item, *, shape_too: bool) -> Line:
    if item.kind == "none":
        return ("None",)
    told: list[Line] = [(what(item),)] if shape_too else []
    if item.same_as is not None:
        told.append(("the same tensor as ", *_indexed(item.same_as)))
    elif item.origin is not None:
        told.append(_origin(item.origin))
    if item.kind == "tensor" and not told:
        return ("no module returned this very tensor",)
    told += [(f"{run.indices}: ", *run.parts) for run in runs(item.items, alike=True)]
    parts = [part for line in told or [(what(item),)] for part in ("; ", *line)]
    return tuple(parts[1:])


def _indexed(of: Place) -> Line:
    parts = [part for index in of.item for part in ("[", index, "]")]
    return (name(of.slot), *parts)


def alike(of: Slot) -> bool:
    """Whether what the slot holds already tells what each of its items is."""
    return len({what(item) for item in of.items if item.kind != "none"}) == 1


def where_it_is(call: Call, slot_name: str, *, absent: str = "absent") -> str:
    """Where a name is in one call: `[1]`, `[2] ()`, `None`, `absent`, or `raised`."""
    if call.error is not None:
        return "raised"
    found = [where(slot) for slot in call.slots if slot.name == slot_name]
    return ", ".join(found) or absent


def returned(call: Call) -> str:
    """What a call returned, in one line: `SequenceClassifierOutput: [0] loss, [1] logits`."""
    if call.error is not None:
        return f"raised {name(call.error.type)}: {sentence(call.error.message)}"
    held = [f"[{slot.index}] {name(slot.name)} {missing(slot)}".rstrip() for slot in call.positions]
    return f"{name(call.container)}: {', '.join(held) or 'nothing'}"


def configured(of: Setup) -> str:
    """What the configuration says of the flags that decide it."""
    return " · ".join(f"{name(flag)} {safe(value)}" for flag, value in of.configured.items())


def where(slot: Slot) -> str:
    """The index of a slot, if it has one, and what is missing in it: `[2] ()`."""
    index = "" if slot.index is None else f"[{slot.index}]"
    return f"{index} {missing(slot)}".strip()


def missing(slot: Slot) -> str:
    """`None`, `()` for nothing in it, `1×None` for a hole; else nothing."""
    if slot.kind == "none":
        return "None"
    if slot.is_empty:
        return "()"
    return f"{len(slot.holes):,}×None" if slot.holes else ""


def moved(of: OutputMap, call: Call, slot_name: str) -> str:
    """` +1` where the labels moved it, else nothing."""
    shift = of.moved_by_labels(call, slot_name)
    return f" {shift:+d}" if shift else ""


def signs(call: Call, name: str) -> Iterator[str]:
    """What wants to be explained of where a name is in one call, as `LEGEND` has it."""
    found = [slot for slot in call.slots if slot.name == name]
    if call.error is not None:
        yield "raised"
    elif not found:
        yield "absent"
    for slot in found:
        if slot.index is None:
            yield "None"
        elif slot.kind == "none":
            yield "[i] None"
        elif slot.is_empty:
            yield "[i] ()"
        elif slot.holes:
            yield "[i] 1×None"


def legend(of: OutputMap) -> dict[str, str]:
    """What the signs mean that occur in the main calls."""
    cells = [(call, name) for call in of.main_calls for name in of.names]
    moves = [call for call, name in cells if of.moved_by_labels(call, name)]
    occur = {sign for cell in cells for sign in signs(*cell)} | ({"+1"} if moves else set())
    told = {sign: words for sign, words in LEGEND.items() if sign in occur}
    if moves and all(map(of.loss_comes_first, moves)):
        told["+1"] += ": the loss comes first"
    return told


PREDICTED = ("constant-logits", "head-width-differs", "logits-per-token", "unknown-tokens")
"""Findings that bear on what the logits of a text say."""


def doubts(of: OutputMap) -> list[str]:
    """Why predictions of this map are worth nothing, where they are; told where they stand."""
    random = {
        "head-not-in-checkpoint": "the head is random",
        "encoder-not-in-checkpoint": "a part of the encoder is random",
        "nothing-from-checkpoint": "every weight is random",
    }.get(of.checkpoint.weights.verdict)
    told = [f"{random}: these predictions mean nothing"] if random else []
    return told + [sentence(each.message) for each in of.findings if each.id in PREDICTED]


def verdict(of: OutputMap) -> str:
    """All of it in one line: `21 proofs hold · 0 refuted · 1 not tested · 1 warning`.

    What failed comes first: `1 error: claim-refuted · 1 warning · 20 proofs hold · …`.
    """
    proved = len(of.proofs_with("proved"))
    proofs = [
        f"{counted(proved, 'proof')} {'holds' if proved == 1 else 'hold'}",
        f"{len(of.proofs_with('refuted')):,} refuted",
        f"{len(of.proofs_with('not-tested')):,} not tested",
    ]
    errors, warnings = of.findings_of("error"), of.findings_of("warning")
    warned = [counted(len(warnings), "warning")] if warnings else []
    if not errors:
        return " · ".join([*proofs, *warned])
    ids = listed(list(dict.fromkeys(each.id for each in errors)), most=3, show=name)
    return " · ".join([f"{counted(len(errors), 'error')}: {ids}", *warned, *proofs])


def stage_slot(of: StageSlot) -> str:
    """`hidden_states (13 items)`, `attentions ()`."""
    if not of.items:
        return name(of.name) + (" ()" if of.items == 0 else "")
    return f"{name(of.name)} ({counted(of.items, 'item')})"


def stage_index(of: StageSlot) -> str:
    """`[0]`, or nothing for a field that takes no index."""
    return "" if of.index is None else f"[{of.index}]"


def place(of: Place) -> str:
    """`hidden_states[2]`, `outputs.logits`, `outputs[1]`, `classifier reads it`."""
    if of.read:
        return f"{safe(of.module)} reads it"
    if of.module is None:
        return name(of.slot) + "".join(f"[{index}]" for index in of.item)
    container = safe(of.module or "outputs")
    return f"{container}[{of.index}]" if of.key is None else f"{container}.{safe(of.key)}"


def fed(places: Sequence[Place], number: int | None = None) -> list[str]:
    """Places of slots, those of one slot together: `hidden_states[1 … 12]`; counted from `number`,
    that of a folded module: `hidden_states[i+1]`."""
    items: dict[str, list[int]] = {}
    for each in places:
        items.setdefault(each.slot, []).extend(each.item[-1:])
    told = []
    for slot, indices in items.items():
        shown = [name(slot)] if not indices else []
        for first_index, last_index in spans(indices):
            start, end = _counted_from(first_index, number), _counted_from(last_index, number)
            shown.append(
                f"{name(slot)}[{start}]" if start == end else f"{name(slot)}[{start} … {end}]"
            )
        told += shown
    return told


def _counted_from(index: int, number: int | None) -> str:
    if number is None:
        return str(index)
    return f"i{index - number:+}" if index != number else "i"


def goes(of: StageSlot) -> str:
    """Where it is found again, and what else is known of it."""
    reaches = f"→ {', '.join(map(place, of.reaches))}" if of.reaches else ""
    return " · ".join(each for each in (reaches, sentence(of.note or "")) if each)


def ranked(of: Prediction) -> list[tuple[str, Score]]:
    """The scores of a prediction, the highest first, each with its label's name."""
    names = ids_told({label: score.label for label, score in enumerate(of.scores)})
    by_score = {id(score): label for label, score in zip(names, of.scores, strict=True)}
    return [(by_score[id(score)], score) for score in of.ranked]


def score(of: Prediction, each: Score) -> tuple[str, ...]:
    """A label's probability and its logit, or the value itself for a regression."""
    logit = "not finite" if each.logit is None else f"{each.logit:.4g}"
    if of.function == "none":
        return (f"value {logit}",)
    chance = "not finite" if each.probability is None else f"{each.probability:.3f}"
    return (chance, f"logit {logit}")


def text(of: Text) -> str:
    """A text as it is, or both of a pair."""
    return safe(of.first) if of.second is None else f"{safe(of.first)} ‖ {safe(of.second)}"


def function(of: Prediction) -> str:
    """How probabilities are made of the logits."""
    return {
        "softmax": "softmax of the logits: probabilities that sum to 1",
        "sigmoid": "sigmoid of each logit: every label on its own",
        "none": "the logits as they are: a regression",
    }[of.function]


def code(of: Call) -> str:
    """How the call is written: `model(**inputs, labels=labels, return_dict=False, …)`."""
    flags = {
        "return_dict": of.return_dict,
        "output_hidden_states": of.output_hidden_states,
        "output_attentions": of.output_attentions,
    }
    given = [f"{flag}={value}" for flag, value in flags.items() if value is not None]
    return f"model({', '.join(['**inputs', *(['labels=labels'] if of.labels else []), *given])})"


def measured(of: Proof) -> Iterator[str]:
    """What testing a claim showed: what was measured, the control, and the power of the test."""
    yield sentence(of.detail)
    if of.control:
        yield f"control: {sentence(of.control)}"
    if of.power is not None:
        yield f"would have caught a mistake of {of.power:.1g} of the largest value in its row"
