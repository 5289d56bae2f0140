"""Words for the records: harmless strings that every format uses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby

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
from roberta_inspect.records.place import Element, spans
from roberta_inspect.render.runs import Line, Run, folded_lines, line_text, numbered
from roberta_inspect.text import counted, distinct_names, listed, safe

NAME_LIMIT = 40
"""Characters of a label, a token or a slot's name."""

SENTENCE_LIMIT = 1000
"""Characters of a claim, a detail or a message."""

TOKENS_SHOWN = 40
"""Tokens of a row that are shown, runs of the same token counted as one."""

TOKENS_AT_END = 2

ROWS_SHOWN = 4
"""Rows of the input whose tokens are shown."""

RUNS_SHOWN = 12
"""Lines on the items of one slot; a model whose layers are all different would flood the page."""

TEXTS_SHOWN = 8
LABELS_SHOWN = 5
"""Texts whose predictions are shown, and labels of each."""

SIGN = {True: "✓", False: "✗", None: "!"}
"""The sign of a verdict; `None` where nothing was tested."""

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
    """A short name, made harmless."""
    return safe(untrusted, longest=NAME_LIMIT)


def sentence(untrusted: object) -> str:
    """A sentence, made harmless."""
    return safe(untrusted, longest=SENTENCE_LIMIT)


def first(
    elements: Sequence[Element], most: int, noun: str
) -> tuple[Sequence[Element], tuple[str, ...]]:
    """The first `most` elements, and `and 12 more texts` where some are left out."""
    left_out = len(elements) - most
    return elements[:most], (f"and {counted(left_out, f'more {noun}')}",) if left_out > 0 else ()


def header_facts(product: OutputMap | ConsumerReport) -> dict[str, str]:
    """What was inspected, how, and on which input."""
    return {
        "Checkpoint": checkpoint_line(product.checkpoint),
        "Labels": labels_line(product.checkpoint),
        "Setup": setup_line(product),
        "Weights": weights_line(product.checkpoint.weights, read=not product.setup.no_weights),
        "Input": input_line(product.input),
    }


def checkpoint_line(checkpoint: Checkpoint) -> str:
    """Where the weights come from, the class, and how large it is."""
    return " · ".join(
        [
            safe(checkpoint.source),
            safe(checkpoint.architecture),
            counted(checkpoint.parameters, "parameter"),
        ]
    )


def labels_line(checkpoint: Checkpoint) -> str:
    """How many labels there are, their names and the problem type."""
    names = listed(label_names(checkpoint), most=6, show=name)
    placeholders = " (placeholder names)" if checkpoint.placeholder_labels else ""
    problem = name(checkpoint.problem_type) if checkpoint.problem_type else "unset"
    return f"{checkpoint.num_labels:,}: {names}{placeholders} · problem_type {problem}"


def label_names(checkpoint: Checkpoint) -> list[str]:
    """The name of every label in the order of the ids, with its id where the name is ambiguous."""
    labels = range(checkpoint.num_labels)
    names = {label: checkpoint.id2label.get(str(label), "") for label in labels}
    return list(distinct_names(names).values())


def lines(untrusted: str) -> str:
    """A hint, made harmless. Its line breaks stay, because lines of code follow them."""
    return "\n".join(sentence(line) for line in untrusted.split("\n"))


def setup_line(product: OutputMap | ConsumerReport) -> str:
    """Versions, device, dtype, mode and attention implementation."""
    setup: Setup = product.setup
    facts = [
        f"transformers {name(product.versions.transformers)}",
        f"torch {name(product.versions.torch)}",
        name(setup.device),
        name(setup.dtype),
        setup.mode,
        f"attention {name(setup.attention)}",
    ]
    return " · ".join(facts)


def weights_line(weights: Weights, *, read: bool = True) -> str:
    """The verdict on the weights; without `read` it rests on the names in the files alone."""
    files = listed(weights.files, most=3, show=safe) or "the live model as it stands"
    tensors = f"all {counted(weights.loaded, 'tensor')}"
    some = listed(weights.missing, most=3, show=partial(safe, longest=80))
    random = f"random: {counted(len(weights.missing), 'tensor')} not in {files}: {some}"
    verb = "name" if len(weights.files) > 1 else "names"
    whole = f"complete: {tensors} come from {files}" if read else f"{files} {verb} {tensors}"
    be = "is" if read else "would be"
    verdict = {
        "complete": whole,
        "head-not-in-checkpoint": f"the head {be} {random}",
        "encoder-not-in-checkpoint": f"a part of the encoder {be} {random}",
        "nothing-from-checkpoint": f"everything {be} {random}",
        "no-weights": "none: fake tensors made from the configuration alone",
    }[weights.verdict]
    if weights.head_from in ("adapter", "base"):
        verdict += f"; the head comes from the {weights.head_from}"
    return verdict if read or weights.verdict == "no-weights" else f"not read: {verdict}"


def input_line(model_input: Input) -> str:
    """The source of the input, its size, its padding and its labels."""
    keywords = [field.name for field in model_input.fields]
    source = {
        "synthetic": "synthetic ids",
        "texts": counted(len(model_input.texts or ()), "text"),
        "inputs": f"your {listed([keyword for keyword in keywords if keyword != 'labels'])}",
    }[model_input.source]
    size = f"{input_size(model_input)}{_padding(model_input)}"
    values = safe(model_input.labels.values, longest=60)
    return f"{source} · {size} · labels {values} {name(model_input.labels.dtype)}"


def input_size(model_input: Input) -> str:
    """`batch_size 2 × sequence_length 16`."""
    return (
        f"batch_size {model_input.batch_size:,} × sequence_length {model_input.sequence_length:,}"
    )


def _padding(model_input: Input) -> str:
    if all(length == model_input.sequence_length for length in model_input.row_lengths):
        return ""
    lengths = listed([f"{length:,}" for length in model_input.row_lengths], most=6)
    return f" (rows of {lengths} tokens, the rest padding)"


def tokens(row: Sequence[str]) -> list[tuple[str, str]]:
    """Positions and their token, `0` and `<s>`, `1 … 3` and `<pad>`: runs of a token are folded."""
    runs = []
    for token, group in groupby(range(len(row)), key=lambda position: row[position]):
        start, *rest = group
        runs.append((f"{start} … {rest[-1]}" if rest else f"{start}", name(token)))
    left_out = len(runs) - TOKENS_SHOWN
    if left_out <= 0:
        return runs
    more = (f"… {left_out:,} more", "…")
    return [*runs[: TOKENS_SHOWN - TOKENS_AT_END], more, *runs[-TOKENS_AT_END:]]


def shape(value: Slot | Item) -> str:
    """`(batch_size 2, num_labels 3)`; `()` for a tensor without axes."""
    sizes = value.shape or ()
    if len(value.axes) != len(sizes):
        return f"({', '.join(f'{size:,}' for size in sizes)})"
    axes = zip(map(name, value.axes), sizes, strict=True)
    return f"({', '.join(f'{axis} {size:,}' for axis, size in axes)})"


def contents_text(value: Slot | Item) -> str:
    """What a slot or an item holds: `tuple of 13 × (batch_size 2, …) float32`."""
    if value.kind == "none":
        return "None"
    if value.kind == "tensor":
        return f"{shape(value)} {name(value.dtype)}"
    if value.kind == "other":
        return "neither a tensor nor a tuple"
    if not value.items:
        return "() an empty tuple" if value.kind == "tuple" else f"an empty {value.kind}"
    kinds = {contents_text(item) for item in value.items if item.kind != "none"}
    holes = f", {len(value.holes):,} of them None" if value.holes else ""
    alike = f" × {kinds.pop()}" if len(kinds) == 1 else ""
    is_cache = value.kind == "cache"
    count = counted(len(value.items), "layer") if is_cache else f"{len(value.items):,}"
    return f"{value.kind} of {count}{alike}{holes}"


def origin_sentence(value: Slot | Item, architecture: str) -> str:
    """The module that returned this tensor object, or where it was computed if none did."""
    computed = f"computed in {name(architecture)}.forward; no submodule returned it"
    return returning_module(value) or computed


def returning_module(value: Slot | Item) -> str | None:
    """The module that returned this tensor object; `None` where no submodule did."""
    return None if value.origin is None else line_text(_origin_line(value.origin))


def _origin_line(origin: Origin) -> Line:
    module, through = safe(origin.module), safe(origin.through or "")
    if origin.through is None:
        return numbered(module)
    if through.startswith(f"{module}."):
        return (*numbered(module), " (its ", *numbered(through.removeprefix(f"{module}.")), ")")
    return (*numbered(module), " (made by ", *numbered(through), ")")


def item_runs(items: Sequence[Item], *, alike: bool) -> Iterator[Run]:
    """One line per run of alike items. Nested items follow `; `; shapes only where they differ."""
    return folded_lines([_item_line(item, shape_too=not alike) for item in items])


def _item_line(item: Item, *, shape_too: bool) -> Line:
    if item.kind == "none":
        return ("None",)
    clauses: list[Line] = [(contents_text(item),)] if shape_too else []
    if item.same_as is not None:
        clauses.append(("the same tensor as ", *_indexed(item.same_as)))
    elif item.origin is not None:
        clauses.append(_origin_line(item.origin))
    if item.kind == "tensor" and not clauses:
        return ("no module returned this very tensor",)
    clauses += [(f"{run.indices}: ", *run.parts) for run in item_runs(item.items, alike=True)]
    parts = [part for clause in clauses or [(contents_text(item),)] for part in ("; ", *clause)]
    return tuple(parts[1:])


def _indexed(place: Place) -> Line:
    parts = [part for index in place.item for part in ("[", index, "]")]
    return (name(place.slot), *parts)


def alike(slot: Slot) -> bool:
    """Whether all items of a slot are alike, so that `contents_text` of the slot describes each."""
    return len({contents_text(item) for item in slot.items if item.kind != "none"}) == 1


def where_it_is(call: Call, slot_name: str, *, absent: str = "absent") -> str:
    """Where a name is in one call: `[1]`, `[2] ()`, `None`, `absent`, or `raised`."""
    if call.error is not None:
        return "raised"
    places = [where(slot) for slot in call.slots if slot.name == slot_name]
    return ", ".join(places) or absent


def returned(call: Call) -> str:
    """What a call returned, in one line: `SequenceClassifierOutput: [0] loss, [1] logits`."""
    if call.error is not None:
        return f"raised {name(call.error.type)}: {sentence(call.error.message)}"
    slots = [
        f"[{slot.index}] {name(slot.name)} {missing(slot)}".rstrip() for slot in call.positions
    ]
    return f"{name(call.container)}: {', '.join(slots) or 'nothing'}"


def configured_line(setup: Setup) -> str:
    """The flags that the configuration decides, with their values."""
    return " · ".join(f"{name(flag)} {safe(value)}" for flag, value in setup.configured.items())


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


def moved(output_map: OutputMap, call: Call, slot_name: str) -> str:
    """` +1` where the labels moved it, else nothing."""
    shift = output_map.moved_by_labels(call, slot_name)
    return f" {shift:+d}" if shift else ""


def signs(call: Call, name: str) -> Iterator[str]:
    """The keys of `LEGEND` that explain where a name is in one call."""
    slots = [slot for slot in call.slots if slot.name == name]
    if call.error is not None:
        yield "raised"
    elif not slots:
        yield "absent"
    for slot in slots:
        if slot.index is None:
            yield "None"
        elif slot.kind == "none":
            yield "[i] None"
        elif slot.is_empty:
            yield "[i] ()"
        elif slot.holes:
            yield "[i] 1×None"


def legend(output_map: OutputMap) -> dict[str, str]:
    """The rows of `LEGEND` whose signs occur in the main calls."""
    cells = [(call, name) for call in output_map.main_calls for name in output_map.names]
    moves = [call for call, name in cells if output_map.moved_by_labels(call, name)]
    occurring = {sign for cell in cells for sign in signs(*cell)} | ({"+1"} if moves else set())
    meanings = {sign: meaning for sign, meaning in LEGEND.items() if sign in occurring}
    if moves and all(map(output_map.loss_comes_first, moves)):
        meanings["+1"] += ": the loss comes first"
    return meanings


PREDICTION_DOUBTS = ("constant-logits", "head-width-differs", "logits-per-token", "unknown-tokens")
"""Findings that make predictions doubtful."""


def doubts(output_map: OutputMap) -> list[str]:
    """Why the predictions of this map should not be trusted; empty where no reason is known."""
    random = {
        "head-not-in-checkpoint": "the head is random",
        "encoder-not-in-checkpoint": "a part of the encoder is random",
        "nothing-from-checkpoint": "every weight is random",
    }.get(output_map.checkpoint.weights.verdict)
    reasons = [f"{random}: these predictions mean nothing"] if random else []
    doubtful = [finding for finding in output_map.findings if finding.id in PREDICTION_DOUBTS]
    return [*reasons, *(sentence(finding.message) for finding in doubtful)]


def map_verdict(output_map: OutputMap) -> str:
    """The verdict in one line: `21 proofs hold · 0 refuted · 1 not tested · 1 warning`.

    What failed comes first: `1 error: claim-refuted · 1 warning · 20 proofs hold · …`.
    """
    proved = len(output_map.proofs_with("proved"))
    proofs = [
        f"{counted(proved, 'proof')} {'holds' if proved == 1 else 'hold'}",
        f"{len(output_map.proofs_with('refuted')):,} refuted",
        f"{len(output_map.proofs_with('not-tested')):,} not tested",
    ]
    errors, warnings = output_map.findings_of("error"), output_map.findings_of("warning")
    warned = [counted(len(warnings), "warning")] if warnings else []
    if not errors:
        return " · ".join([*proofs, *warned])
    ids = listed(list(dict.fromkeys(finding.id for finding in errors)), most=3, show=name)
    return " · ".join([f"{counted(len(errors), 'error')}: {ids}", *warned, *proofs])


def stage_slot(slot: StageSlot) -> str:
    """`hidden_states (13 items)`, `attentions ()`."""
    if not slot.items:
        return name(slot.name) + (" ()" if slot.items == 0 else "")
    return f"{name(slot.name)} ({counted(slot.items, 'item')})"


def stage_index(slot: StageSlot) -> str:
    """`[0]`, or nothing for a field that takes no index."""
    return "" if slot.index is None else f"[{slot.index}]"


def called_with(call: Call, *, flags: bool = True) -> str:
    """What stands after `called with`, for a call that is not plain with all its flags or not."""
    if call.spec.is_plain:
        return "labels and nothing else" if call.labels else "the inputs alone"
    return ", ".join(call.spec.flags) if flags else call.words


def place_text(place: Place) -> str:
    """`hidden_states[2]`, `outputs.logits`, `outputs[1]`, `classifier reads it`."""
    if place.read:
        return f"{safe(place.module)} reads it"
    if place.module is None:
        return name(place.slot) + "".join(f"[{index}]" for index in place.item)
    container = safe(place.module or "outputs")
    return f"{container}[{place.index}]" if place.key is None else f"{container}.{safe(place.key)}"


def fed(places: Sequence[Place], number: int | None = None) -> list[str]:
    """Places grouped by slot: `hidden_states[1 … 12]`.

    With the `number` of a folded module, indices count from it: `hidden_states[i+1]`.
    """
    items: dict[str, list[int]] = {}
    for place in places:
        items.setdefault(place.slot, []).extend(place.item[-1:])
    texts = []
    for slot, indices in items.items():
        if not indices:
            texts.append(name(slot))
        for first_index, last_index in spans(indices):
            start, end = _counted_from(first_index, number), _counted_from(last_index, number)
            texts.append(f"{name(slot)}[{start if start == end else f'{start} … {end}'}]")
    return texts


def _counted_from(index: int, number: int | None) -> str:
    if number is None:
        return str(index)
    return f"i{index - number:+}" if index != number else "i"


def stage_reaches(slot: StageSlot) -> str:
    """Where the object in a stage's slot turns up again, and the note on it."""
    reaches = f"→ {', '.join(map(place_text, slot.reaches))}" if slot.reaches else ""
    return " · ".join(part for part in (reaches, sentence(slot.note or "")) if part)


def ranked(prediction: Prediction) -> list[tuple[str, Score]]:
    """The scores of a prediction, the highest first, each with its label's name."""
    names = distinct_names({label: score.label for label, score in enumerate(prediction.scores)})
    by_score = {id(score): names[label] for label, score in enumerate(prediction.scores)}
    return [(by_score[id(score)], score) for score in prediction.ranked]


def score_texts(prediction: Prediction, score: Score) -> tuple[str, ...]:
    """A label's probability and its logit, or the value itself for a regression."""
    logit = "not finite" if score.logit is None else f"{score.logit:.4g}"
    if prediction.function == "none":
        return (f"value {logit}",)
    probability = "not finite" if score.probability is None else f"{score.probability:.3f}"
    return (probability, f"logit {logit}")


def text_or_pair(text: Text) -> str:
    """One text, or both texts of a pair."""
    return safe(text.first) if text.second is None else f"{safe(text.first)} ‖ {safe(text.second)}"


def function(prediction: Prediction) -> str:
    """How the logits become probabilities."""
    return {
        "softmax": "softmax of the logits: probabilities that sum to 1",
        "sigmoid": "sigmoid of each logit: every label on its own",
        "none": "the logits as they are: a regression",
    }[prediction.function]


def call_code(call: Call) -> str:
    """How the call is written: `model(**inputs, labels=labels, return_dict=False, …)`."""
    flags = {
        "return_dict": call.return_dict,
        "output_hidden_states": call.output_hidden_states,
        "output_attentions": call.output_attentions,
    }
    arguments = ["**inputs", *(["labels=labels"] if call.labels else [])]
    arguments += [f"{flag}={value}" for flag, value in flags.items() if value is not None]
    return f"model({', '.join(arguments)})"


def measured(proof: Proof) -> Iterator[str]:
    """What was measured for a claim, the control, and the power of the test."""
    yield sentence(proof.detail)
    if proof.control:
        yield f"control: {sentence(proof.control)}"
    if proof.power is not None:
        yield f"would have caught a mistake of {proof.power:.1g} of the largest value in its row"
