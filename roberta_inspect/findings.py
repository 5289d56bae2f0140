"""What the user should know, from records alone.

Each function answers one question about a record; the id and the level of what it finds stand
above it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from roberta_inspect.records import (
    LEVELS,
    UNNAMED,
    Call,
    Checkpoint,
    Consumer,
    Failure,
    Finding,
    Item,
    Level,
    ModuleTree,
    OutputMap,
    Part,
    Place,
    Slot,
    Versions,
    Weights,
)
from roberta_inspect.text import counted, listed, safe


class Said(NamedTuple):
    """One finding, as the function that makes it says it."""

    message: str
    hint: str | None = None
    level: Level | None = None
    """Where it is another one than the id usually has."""


Question = Callable[..., Iterator[Said]]


class Questions(list[tuple[str, Level, Question]]):
    """The questions about one kind of record, in the order in which the answers are told."""

    def register(self, id: str, level: Level) -> Callable[[Question], Question]:  # noqa: A002
        """Add the function below as the one that finds this."""

        def added(question: Question) -> Question:
            self.append((id, level, question))
            return question

        return added

    def about(self, record: Any, **options: Any) -> Iterator[Finding]:
        """What the answers about one record are."""
        for id_, level, question in self:
            for said in question(record, **options):
                yield Finding(
                    id=id_, level=said.level or level, message=said.message, hint=said.hint
                )


CHECKPOINT = Questions()
"""Of a `Checkpoint`, whatever was done with it."""
MAP = Questions()
"""Of an `OutputMap`."""
TREE = Questions()
"""Of a `ModuleTree`."""
CONSUMERS = Questions()
"""Of the rows of the consumers."""


def findings_of(output_map: OutputMap, *, allow_missing_head: bool = False) -> tuple[Finding, ...]:
    """Everything worth telling about a map, by level."""
    return by_level(
        *CHECKPOINT.about(output_map.checkpoint, allow_missing_head=allow_missing_head),
        *MAP.about(output_map),
    )


def tree_findings(
    tree: ModuleTree, error: Failure | None, *, allow_missing_head: bool = False
) -> tuple[Finding, ...]:
    """What is worth telling about a module tree; `error` is what the call of the model raised."""
    return by_level(
        *CHECKPOINT.about(tree.checkpoint, allow_missing_head=allow_missing_head),
        *TREE.about(tree, error=error),
    )


def consumer_findings(
    output_map: OutputMap, consumers: tuple[Consumer, ...]
) -> tuple[Finding, ...]:
    """What is worth telling about consumers; the errors of the map too, which names their parts."""
    return by_level(*output_map.findings_of("error"), *CONSUMERS.about(consumers))


def ids() -> tuple[str, ...]:
    """Every finding there is."""
    return tuple(
        dict.fromkeys(row[0] for rows in (CHECKPOINT, MAP, TREE, CONSUMERS) for row in rows)
    )


def by_level(*findings: Finding) -> tuple[Finding, ...]:
    """What must be mended first."""
    return tuple(sorted(findings, key=lambda finding: LEVELS.index(finding.level)))


@CHECKPOINT.register("head-not-in-checkpoint", "error")
def _head_missing(checkpoint: Checkpoint, allow_missing_head: bool) -> Iterator[Said]:
    weights = checkpoint.weights
    if weights.verdict == "head-not-in-checkpoint":
        allowed = "." if allow_missing_head else "; --allow-missing-head makes this a warning."
        yield Said(
            f"{_random(weights)}: predictions of this head mean nothing",
            f"Train the head, or load a checkpoint that was saved after fine-tuning{allowed}",
            "warning" if allow_missing_head else None,
        )


@CHECKPOINT.register("encoder-not-in-checkpoint", "error")
def _encoder_missing(checkpoint: Checkpoint, allow_missing_head: bool) -> Iterator[Said]:
    if checkpoint.weights.verdict == "encoder-not-in-checkpoint":
        yield Said(
            f"{_random(checkpoint.weights)}: a part of the encoder was never trained",
            "Compare num_hidden_layers and the other sizes in config.json with the file.",
        )


@CHECKPOINT.register("nothing-from-checkpoint", "error")
def _everything_missing(checkpoint: Checkpoint, allow_missing_head: bool) -> Iterator[Said]:
    if checkpoint.weights.verdict == "nothing-from-checkpoint":
        yield Said(
            f"{_random(checkpoint.weights)}: the file holds no tensor of this class",
            "Load it with the class named under architectures in its config.json.",
        )


@CHECKPOINT.register("tensors-not-used", "warning")
def _unused(checkpoint: Checkpoint, allow_missing_head: bool) -> Iterator[Said]:
    if ignored := checkpoint.weights.ignored:
        yield Said(
            f"{counted(len(ignored), 'tensor')} of the checkpoint {_are(ignored)} not used by "
            f"this class: {_names(ignored)}",
            "Check that config.json belongs to these weights.",
        )


@CHECKPOINT.register("harmless-tensors", "note")
def _harmless(checkpoint: Checkpoint, allow_missing_head: bool) -> Iterator[Said]:
    if harmless := checkpoint.weights.harmless:
        yield Said(
            f"{_names(harmless)} in the checkpoint {_are(harmless)} not used, and this class "
            "needs none of it"
        )


def _random(weights: Weights) -> str:
    missing = weights.missing
    verb = _are(missing)
    return (
        f"{counted(len(missing), 'tensor')} {verb} not in the checkpoint and {verb} random "
        f"({_names(missing)})"
    )


def _are(names: tuple[str, ...]) -> str:
    return "is" if len(names) == 1 else "are"


def _names(names: tuple[str, ...]) -> str:
    return listed(names, most=5, show=partial(safe, longest=80))


@MAP.register("no-weights", "note")
def _without_weights(output_map: OutputMap) -> Iterator[Said]:
    if output_map.setup.no_weights:
        lacks = output_map.checkpoint.weights.verdict == "no-weights"
        why = "the checkpoint has no weights" if lacks else "no weights were read"
        yield Said(
            f"{why}: shapes and origins come from the configuration alone, and nothing "
            "that needs values was tested"
        )


@MAP.register("wrapper-removed", "note")
def _wrapped(output_map: OutputMap) -> Iterator[Said]:
    yield from _taken_off(output_map.wrappers)


def _taken_off(wrappers: Sequence[str]) -> Iterator[Said]:
    if wrappers:
        names = listed([safe(name, longest=80) for name in wrappers])
        yield Said(
            f"{names} {'was' if len(wrappers) == 1 else 'were'} taken off: the classifier inside "
            "was inspected"
        )


@MAP.register("training-mode", "note")
def _training(output_map: OutputMap) -> Iterator[Said]:
    if output_map.setup.was_training:
        yield Said(
            "the model is in training mode, and it was inspected in eval mode: in training mode "
            "dropout changes every output",
            "Call model.eval() before you use its outputs.",
        )


@MAP.register("quantised", "note")
def _quantised(output_map: OutputMap) -> Iterator[Said]:
    if kinds := output_map.setup.quantised:
        yield Said(
            f"the model is quantised ({listed(kinds, show=safe)}): claims that compute with the "
            "weights are not tested, and rows of one batch can share a scale"
        )


@MAP.register("placeholder-label-names", "note")
def _placeholder_labels(output_map: OutputMap) -> Iterator[Said]:
    checkpoint = output_map.checkpoint
    if checkpoint.placeholder_labels and checkpoint.num_labels > 1:
        names = listed(tuple(checkpoint.id2label.values()), most=4, show=safe)
        yield Said(
            f"the labels have no names of their own, only {names}",
            "Set id2label and label2id in config.json.",
        )


@MAP.register("padding-left", "warning")
def _padding_left(output_map: OutputMap) -> Iterator[Said]:
    given = output_map.input
    padded = [row for row, start in enumerate(given.row_starts) if start]
    if padded and given.tokens is not None:
        rows = counted(len(padded), "row")
        where = f"position 0 of {rows} is {safe(given.tokens[padded[0]][0])}"
    elif given.tokenizer is not None and given.tokenizer.padding_side == "left":
        where = "in a batch, position 0 of the shorter rows is padding"
    else:
        return
    head = [proof.status for proof in output_map.proofs if proof.id == "logits-position"]
    read = ", and position 0 is all that the head reads" if head == ["proved"] else ""
    yield Said(
        f"the tokenizer pads on the left: {where}{read}",
        'Set padding_side to "right" in tokenizer_config.json.',
    )


@MAP.register("keyword-ignored", "warning")
def _ignored(output_map: OutputMap) -> Iterator[Said]:
    for name, meant in output_map.input.ignored.items():
        yield Said(
            f"forward has no keyword {safe(name, longest=80)}, which the batch holds: it was left "
            "out, as the model would ignore it or raise, by release",
            f"Write {safe(meant)}." if meant else "Take it out of the batch.",
        )


@MAP.register("token-types-dropped", "warning")
def _dropped(output_map: OutputMap) -> Iterator[Said]:
    given = output_map.input
    if "token_type_ids" in given.dropped:
        cls = safe(given.tokenizer.cls) if given.tokenizer else "the tokenizer"
        yield Said(
            f"{cls} makes token_type_ids that this model has no rows for (type_vocab_size): it was "
            "called without them, and with them it raises",
            "Call the tokenizer with return_token_type_ids=False.",
        )


@MAP.register("call-failed", "error")
def _failed(output_map: OutputMap) -> Iterator[Said]:
    causes: dict[Failure, list[Call]] = {}
    for call in output_map.calls:
        if call.error:
            causes.setdefault(call.error, []).append(call)
    for error, calls in causes.items():
        yield Said(
            f"{listed([call.words for call in calls])}: {_words(error, output_map.versions)}",
            "The other calls were made all the same."
            if len(calls) < len(output_map.calls)
            else "No call returned anything: nothing could be observed.",
        )


def _words(error: Failure, made_with: Versions) -> str:
    itself = f"by transformers {safe(made_with.transformers)} itself, in {safe(error.raised_in)}"
    where = itself if error.raised_in else "outside transformers"
    return f"{safe(error.type)}: {safe(error.message)} (raised {where})"


@MAP.register("not-deterministic", "error")
def _not_deterministic(output_map: OutputMap) -> Iterator[Said]:
    if output_map.not_deterministic is not None:
        where = safe(output_map.not_deterministic or output_map.checkpoint.architecture)
        yield Said(
            f"the same call on the same input gives other bits each time, from {where} on; "
            "nothing that compares calls was tested",
            "Look there for dropout that is left on, a random generator, or a state that drifts.",
        )


@MAP.register("input-edited", "warning")
def _input_edited(output_map: OutputMap) -> Iterator[Said]:
    if edited := output_map.input.edited:
        yield Said(
            f"forward writes into the {listed(edited, show=safe)} that it is given: whoever calls "
            "it has other tensors afterwards. It was given copies here",
            "Change a copy instead: tensor = tensor.clone() before it is written to.",
        )


@MAP.register("config-decides-outputs", "warning")
def _config_decides(output_map: OutputMap) -> Iterator[Said]:
    configured = output_map.setup.configured
    moved = {
        name: value for name, value in configured.items() if value not in (USUAL.get(name), "null")
    }
    plain = next((call for call in output_map.plain if not call.labels and not call.error), None)
    if not moved or plain is None:
        return
    settings = listed([f"config.{name} is {safe(value)}" for name, value in moved.items()])
    names = listed([safe(slot.name) for slot in plain.positions])
    follows = []
    if "return_dict" in moved:
        follows.append("a tuple has no .logits")
    if len(plain.positions) > 1:
        follows.append("Trainer.predict hands over a tuple, and argmax of it raises")
    yield Said(
        f"{settings}: model(**inputs) returns a {safe(plain.container)} of {names}; "
        + "; ".join(follows),
        "Pass the flags you mean, or take these fields out of config.json.",
    )


USUAL = {"return_dict": "true", "output_hidden_states": "false", "output_attentions": "false"}
"""What a configuration says that was not asked for anything, as JSON."""


@MAP.register("claim-refuted", "error")
def _refuted(output_map: OutputMap) -> Iterator[Said]:
    for proof in output_map.proofs_with("refuted"):
        yield Said(
            f"{proof.slot}: not true here ({proof.id}): {proof.claim}; {proof.detail}",
            "The model does not do what its class documents: look at what was changed.",
        )


@MAP.register("claim-raised", "warning")
def _raised(output_map: OutputMap) -> Iterator[Said]:
    if raised := [proof.id for proof in output_map.proofs if proof.error is not None]:
        yield Said(
            f"testing {listed(raised)} raised an exception: see the proofs",
            "This model is built in another way than the test expects; please report it.",
        )


@MAP.register("few-claims-tested", "warning")
def _few_tested(output_map: OutputMap) -> Iterator[Said]:
    untested = output_map.proofs_with("not-tested")
    tested = len(output_map.proofs) - len(untested)
    if tested < len(untested) and not output_map.setup.no_weights:
        reason, count = Counter(proof.detail for proof in untested).most_common(1)[0]
        yield Said(
            f"only {tested} of {counted(len(output_map.proofs), 'claim')} could be tested; of the "
            f"others {count:,} because {safe(reason)}",
            "Look at the proofs for the other reasons: this map says little about the model.",
        )


@MAP.register("not-finite", "error")
def _not_finite(output_map: OutputMap) -> Iterator[Said]:
    slots = [slot for call in output_map.main_calls for slot in call.slots]
    slots.sort(key=lambda slot: output_map.names.index(slot.name))
    places = dict.fromkeys(
        place for slot in slots for place in _not_finite_in(Place(slot=slot.name), slot)
    )
    if places:
        words = listed([place_words(place) for place in places], most=5)
        yield Said(
            f"NaN or infinity in {words}",
            "Look for NaN in the weights and the labels; in float16, try --dtype float32.",
        )


def _not_finite_in(place: Place, holder: Slot | Item) -> Iterator[Place]:
    if holder.fingerprint is not None and not holder.fingerprint.finite:
        yield place
    for item in holder.items:
        yield from _not_finite_in(Place(slot=place.slot, item=(*place.item, item.index)), item)


def place_words(place: Place) -> str:
    """`hidden_states[2]`."""
    return safe(place.slot) + "".join(f"[{index}]" for index in place.item)


@MAP.register("tuple-differs-from-dict", "warning")
def _tuple_and_dict(output_map: OutputMap) -> Iterator[Said]:
    told: set[str] = set()
    for labels in (False, True):
        left = output_map.call(return_dict=True, labels=labels)
        right = output_map.call(return_dict=False, labels=labels)
        if left.error or right.error:
            continue
        has, lacks = _filled(right), _filled(left)
        for only, where in ((has - lacks, "tuple"), (lacks - has, "dict")):
            for name in sorted(only - told):
                told.add(name)
                yield Said(
                    f"{safe(name)} is in the {where} that this release returns, and not "
                    f"in the {'dict' if where == 'tuple' else 'tuple'}",
                    "Reach outputs by name: outputs.logits.",
                )


def _filled(call: Call) -> set[str]:
    return {slot.name for slot in call.slots if slot.kind != "none"}


@MAP.register("unnamed-output", "warning")
def _unnamed(output_map: OutputMap) -> Iterator[Said]:
    places = dict.fromkeys(
        slot.access for call in output_map.calls for slot in call.slots if slot.name == UNNAMED
    )
    if places:
        yield Said(
            f"nothing explains what {listed(list(places))} of the tuple is",
            "Reach outputs by name, and look at what this model's forward adds.",
        )


@MAP.register("attentions-empty", "warning")
def _attentions(output_map: OutputMap) -> Iterator[Said]:
    asked = [call for call in output_map.calls if call.output_attentions and not call.error]
    empty = [call for call in asked if _holds_nothing(call.slot("attentions"))]
    if empty:
        how = "None" if _is_none(empty[0].slot("attentions")) else "()"
        used = safe(output_map.setup.attention)
        if used == "eager":
            architecture = safe(output_map.checkpoint.architecture)
            why = ", although attention is eager and output_attentions was passed"
            hint = f"Look at what the forward of {architecture} returns."
        else:
            why = f": under {used} attention no layer handed its weights back"
            hint = 'Load the model with attn_implementation="eager"; here: --attention eager.'
        yield Said(f"attentions are {how}{why}", hint)


def _holds_nothing(slot: Slot | None) -> bool:
    return _is_none(slot) or (slot is not None and slot.is_empty)


def _is_none(slot: Slot | None) -> bool:
    return slot is None or slot.kind == "none"


@MAP.register("problem-type-written", "note")
def _problem_type(output_map: OutputMap) -> Iterator[Said]:
    written = [call.wrote_problem_type for call in output_map.calls if call.wrote_problem_type]
    if written:
        yield Said(
            f'a call with labels writes config.problem_type = "{written[0]}", and it '
            "sticks: save_pretrained keeps it. Here it was put back",
            f'Set "problem_type": "{written[0]}" in config.json.',
        )


@TREE.register("wrapper-removed", "note")
def _tree_wrapped(tree: ModuleTree, error: Failure | None) -> Iterator[Said]:
    yield from _taken_off(tree.wrappers)


@TREE.register("call-failed", "error")
def _tree_failed(tree: ModuleTree, error: Failure | None) -> Iterator[Said]:
    if error is not None:
        yield Said(
            "which slots a module feeds and what it returns is not known: the call failed: "
            f"{_words(error, tree.versions)}",
            "Make a call of your own that works, and see roberta-inspect run.",
        )


@CONSUMERS.register("mislabelled-output", "error")
def _mislabelled(consumers: tuple[Consumer, ...]) -> Iterator[Said]:
    for consumer in consumers:
        if wrong := [_said_and_is(part) for part in consumer.mislabelled]:
            names = consumer.suggested and ", ".join(consumer.suggested.output_names)
            yield Said(
                f"{safe(consumer.title)}: {listed(wrong)}",
                f"Give one name for every output, in this order: output_names: {safe(names)}."
                if names
                else "Reach this output by what it is, not by its name.",
            )


def _said_and_is(part: Part) -> str:
    off = "" if part.name or part.difference is None else f" ({part.difference:.1e} away from it)"
    return f"the output called {safe(part.declared)} is {safe(part.identity)}{off}"


@CONSUMERS.register("consumer-raised", "warning")
def _consumer_raised(consumers: tuple[Consumer, ...]) -> Iterator[Said]:
    for consumer in consumers:
        if consumer.error is not None:
            why = "; ".join(consumer.notes)
            yield Said(
                f"{safe(consumer.title)} raises {safe(consumer.raised)}",
                f"{why[:1].upper()}{why[1:]}." if why else None,
            )


@CONSUMERS.register("predictions-are-a-tuple", "warning")
def _predictions_tuple(consumers: tuple[Consumer, ...]) -> Iterator[Said]:
    tuples = [each for each in consumers if each.id == "trainer" and each.container == "tuple"]
    if tuples:
        slots = dict.fromkeys(part.name for each in tuples for part in each.parts if part.name)
        yield Said(
            "predictions are a tuple as soon as the configuration asks for hidden states or "
            f"attentions ({', '.join(slots)}), and predictions.argmax(-1) raises",
            'Take predictions[0], or pass ignore_keys=["hidden_states", "attentions"] to '
            "Trainer.predict.",
        )


@CONSUMERS.register("padding-in-hidden-states", "warning")
def _padding(consumers: tuple[Consumer, ...]) -> Iterator[Said]:
    padded = [part for each in consumers for part in each.parts if part.padding is not None]
    if padded:
        yield Said(
            f"with rows of unlike length hidden states hold {padded[0].padding} in the places "
            "where a row has no token",
            "Leave these places out before a mean or a norm is taken: use the attention mask.",
        )


@CONSUMERS.register("empty-attentions-in-predictions", "warning")
def _empty_counts(consumers: tuple[Consumer, ...]) -> Iterator[Said]:
    places = [
        part.access
        for each in consumers
        for part in each.parts
        if each.id == "trainer" and part.is_empty
    ]
    if places:
        yield Said(
            f"{places[0]} is an empty tuple: this attention hands no weights back, and the slot "
            "counts all the same",
            'Load the model with attn_implementation="eager".',
        )


@CONSUMERS.register("score-changes-after-labels", "warning")
def _other_function(consumers: tuple[Consumer, ...]) -> Iterator[Said]:
    scored = [each for each in consumers if each.id == "pipeline" and each.parts]
    before = [each.parts[0] for each in scored if not each.after_labels][:1]
    after = [each.parts[0] for each in scored if each.after_labels]
    if before and after and before[0].function != after[0].function:
        yield Said(
            f"the score of the same text is {_function(before[0])}, and after one call with labels "
            f"{_function(after[0])}: that call writes config.problem_type",
            "Set problem_type in config.json.",
        )


def _function(part: Part) -> str:
    words = {"softmax": "softmax of the logits", "sigmoid": "sigmoid of the logit"}
    return words.get(part.function or "", "the logit itself" if part.function else part.identity)


@CONSUMERS.register("features-are-logits", "warning")
def _features(consumers: tuple[Consumer, ...]) -> Iterator[Said]:
    if any(each.id == "feature-extraction" and _is_logits(each.parts) for each in consumers):
        yield Said(
            'pipeline("feature-extraction") returns the logits of this class, no features',
            "Load the base model for it: AutoModel.from_pretrained; or take hidden_states[-1].",
        )


def _is_logits(parts: tuple[Part, ...]) -> bool:
    return any(part.name == "logits" and part.function is None for part in parts)


@CONSUMERS.register("pair-returns-a-dict", "note")
def _pair(consumers: tuple[Consumer, ...]) -> Iterator[Said]:
    if any(each.id == "pipeline" and each.container == "dict" for each in consumers):
        yield Said(
            'pipeline("text-classification") returns a dict for a pair, not a list of one dict',
            "Give a list with the pair in it.",
        )


@CONSUMERS.register("exported-values-differ", "warning")
def _off(consumers: tuple[Consumer, ...]) -> Iterator[Said]:
    for consumer in consumers:
        off = [part for part in consumer.parts if part.is_off]
        if off:
            furthest = max(off, key=lambda part: part.difference or 0.0)
            yield Said(
                f"{safe(consumer.title)}: {counted(len(off), 'output')} further from the model's "
                f"than rounding explains: {safe(furthest.identity)} by {furthest.difference:.1e}, "
                f"and rounding explains {furthest.tolerance:.1e}",
                "Quantisation does this, and so do other weights: export this checkpoint again.",
            )
