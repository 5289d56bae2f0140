"""What the user should know, from plain data alone. Each function answers one question."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from roberta_inspect.records import (
    UNNAMED,
    Call,
    Checkpoint,
    Failure,
    Finding,
    Level,
    OutputMap,
    Proof,
    Slot,
    Versions,
    Weights,
)
from roberta_inspect.text import counted, listed, safe

IDS = (
    "head-not-in-checkpoint",
    "encoder-not-in-checkpoint",
    "nothing-from-checkpoint",
    "no-weights",
    "tensors-not-used",
    "harmless-tensors",
    "placeholder-label-names",
    "padding-left",
    "call-failed",
    "claim-refuted",
    "claim-raised",
    "not-finite",
    "tuple-differs-from-dict",
    "unnamed-output",
    "attentions-empty",
    "problem-type-written",
)
"""Every finding there is; those of one level are told in this order."""

LEVELS: tuple[Level, ...] = ("error", "warning", "note")
"""What must be mended comes first."""


class Noticed(NamedTuple):
    """What only live objects show, and findings need."""

    allow_missing_head: bool = False
    padding_side: str | None = None
    """Of the tokenizer; `None` where none was used."""
    first_tokens: tuple[str, ...] = ()
    """The token at position 0 of each row whose position 0 is padding."""
    raised: tuple[str, ...] = ()
    """Ids of the claims whose test raised."""
    not_finite: tuple[str, ...] = ()
    """Places that hold NaN or infinity."""


def findings_of(found: OutputMap, noticed: Noticed) -> tuple[Finding, ...]:
    """Everything worth telling about a map, by level, then in the order of `IDS`."""
    return _by_level(
        *_of_weights(found.checkpoint.weights, noticed.allow_missing_head),
        *_without_weights(found),
        *_labels(found.checkpoint),
        *_padding(found, noticed),
        *_failed(found),
        *_refuted(found.proofs),
        *_raised(noticed),
        *_not_finite(noticed),
        *_tuple_and_dict(found),
        *_unnamed(found.calls),
        *_attentions(found),
        *_problem_type(found.calls),
    )


def _by_level(*findings: Finding) -> tuple[Finding, ...]:
    return tuple(sorted(findings, key=lambda finding: LEVELS.index(finding.level)))


def tree_findings(
    checkpoint: Checkpoint, allow_missing_head: bool, error: Failure | None, made_with: Versions
) -> tuple[Finding, ...]:
    """What is worth telling about a module tree; `error` is what the call of the model raised."""
    found = _of_weights(checkpoint.weights, allow_missing_head)
    if error is None:
        return _by_level(*found)
    failed = Finding(
        id="call-failed",
        level="error",
        message="which slots a module feeds and what it returns is not known: the call failed: "
        f"{_words(error, made_with)}",
        hint="Make a call of your own that works, and see roberta-inspect run.",
    )
    return _by_level(*found, failed)


def _of_weights(weights: Weights, allow_missing_head: bool) -> Iterator[Finding]:
    """What the verdict on the weights means, and what the files hold beside them."""
    yield from _verdict(weights, allow_missing_head)
    yield from _unused(weights)


def _verdict(weights: Weights, allow_missing_head: bool) -> Iterator[Finding]:
    if weights.verdict == "head-not-in-checkpoint":
        yield Finding(
            id=weights.verdict,
            level="warning" if allow_missing_head else "error",
            message=f"{_random(weights.missing)}: predictions of this head mean nothing",
            hint="Train the head, or load a checkpoint that was saved after fine-tuning"
            + ("." if allow_missing_head else "; --allow-missing-head makes this a warning."),
        )
    elif weights.verdict == "encoder-not-in-checkpoint":
        yield Finding(
            id=weights.verdict,
            level="error",
            message=f"{_random(weights.missing)}: a part of the encoder was never trained",
            hint="Compare num_hidden_layers and the other sizes in config.json with the file.",
        )
    elif weights.verdict == "nothing-from-checkpoint":
        yield Finding(
            id=weights.verdict,
            level="error",
            message=f"{_random(weights.missing)}: the file holds no tensor of this class",
            hint="Load it with the class named under architectures in its config.json.",
        )


def _unused(weights: Weights) -> Iterator[Finding]:
    if weights.ignored:
        yield Finding(
            id="tensors-not-used",
            level="warning",
            message=f"{counted(len(weights.ignored), 'tensor')} of the checkpoint "
            f"{_are(weights.ignored)} not used by this class: "
            f"{_names(weights.ignored)}",
            hint="Check that config.json belongs to these weights.",
        )
    if weights.harmless:
        yield Finding(
            id="harmless-tensors",
            level="note",
            message=f"{_names(weights.harmless)} in the checkpoint "
            f"{_are(weights.harmless)} not used, and this class needs none "
            "of it",
        )


def _without_weights(found: OutputMap) -> Iterator[Finding]:
    if found.setup.no_weights:
        why = (
            "the checkpoint has no weights"
            if found.checkpoint.weights.verdict == "no-weights"
            else "no weights were read"
        )
        yield Finding(
            id="no-weights",
            level="note",
            message=f"{why}: shapes and origins come from the configuration alone, and nothing "
            "that needs values was tested",
        )


def _random(missing: tuple[str, ...]) -> str:
    verb = _are(missing)
    return (
        f"{counted(len(missing), 'tensor')} {verb} not in the checkpoint and {verb} random "
        f"({_names(missing)})"
    )


def _are(names: tuple[str, ...]) -> str:
    return "is" if len(names) == 1 else "are"


def _names(names: tuple[str, ...]) -> str:
    return listed(names, most=5, show=partial(safe, longest=80))


def _labels(checkpoint: Checkpoint) -> Iterator[Finding]:
    if checkpoint.placeholder_labels and checkpoint.num_labels > 1:
        names = listed(tuple(checkpoint.id2label.values()), most=4, show=safe)
        yield Finding(
            id="placeholder-label-names",
            level="note",
            message=f"the labels have no names of their own, only {names}",
            hint="Set id2label and label2id in config.json.",
        )


def _padding(found: OutputMap, noticed: Noticed) -> Iterator[Finding]:
    if noticed.first_tokens:
        rows = counted(len(noticed.first_tokens), "row")
        where = f"position 0 of {rows} is {safe(noticed.first_tokens[0])}"
    elif noticed.padding_side == "left":
        where = "in a batch, position 0 of the shorter rows is padding"
    else:
        return
    head = [proof.status for proof in found.proofs if proof.id == "logits-position"]
    read = ", and position 0 is all that the head reads" if head == ["proved"] else ""
    yield Finding(
        id="padding-left",
        level="warning",
        message=f"the tokenizer pads on the left: {where}{read}",
        hint='Set padding_side to "right" in tokenizer_config.json.',
    )


def _failed(found: OutputMap) -> Iterator[Finding]:
    causes: dict[Failure, list[Call]] = {}
    for call in found.calls:
        if call.error:
            causes.setdefault(call.error, []).append(call)
    for error, calls in causes.items():
        yield Finding(
            id="call-failed",
            level="error",
            message=f"{listed([call.words for call in calls])}: {_words(error, found.versions)}",
            hint="The other calls were made all the same."
            if len(calls) < len(found.calls)
            else "No call returned anything: nothing could be observed.",
        )


def _words(error: Failure, made_with: Versions) -> str:
    itself = f"by transformers {safe(made_with.transformers)} itself, in {safe(error.raised_in)}"
    where = itself if error.raised_in else "outside transformers"
    return f"{safe(error.type)}: {safe(error.message)} (raised {where})"


def _refuted(proofs: tuple[Proof, ...]) -> Iterator[Finding]:
    for proof in proofs:
        if proof.status == "refuted":
            yield Finding(
                id="claim-refuted",
                level="error",
                message=f"{proof.slot}: not true here ({proof.id}): {proof.claim}; {proof.detail}",
                hint="The model does not do what its class documents: look at what was changed.",
            )


def _raised(noticed: Noticed) -> Iterator[Finding]:
    if noticed.raised:
        yield Finding(
            id="claim-raised",
            level="warning",
            message=f"testing {listed(noticed.raised)} raised an exception: see the proofs",
            hint="This model is built in another way than the test expects; please report it.",
        )


def _not_finite(noticed: Noticed) -> Iterator[Finding]:
    if noticed.not_finite:
        yield Finding(
            id="not-finite",
            level="error",
            message=f"NaN or infinity in {listed(noticed.not_finite, most=5)}",
            hint="Look for NaN in the weights and the labels; in float16, try --dtype float32.",
        )


def _tuple_and_dict(found: OutputMap) -> Iterator[Finding]:
    told: set[str] = set()
    for labels in (False, True):
        left = found.call(return_dict=True, labels=labels)
        right = found.call(return_dict=False, labels=labels)
        if left.error or right.error:
            continue
        has, lacks = _filled(right), _filled(left)
        for only, where in ((has - lacks, "tuple"), (lacks - has, "dict")):
            for name in sorted(only - told):
                told.add(name)
                yield Finding(
                    id="tuple-differs-from-dict",
                    level="warning",
                    message=f"{safe(name)} is in the {where} that this release returns, and not "
                    f"in the {'dict' if where == 'tuple' else 'tuple'}",
                    hint="Reach outputs by name: outputs.logits.",
                )


def _filled(call: Call) -> set[str]:
    return {slot.name for slot in call.slots if slot.kind != "none"}


def _unnamed(calls: tuple[Call, ...]) -> Iterator[Finding]:
    places = dict.fromkeys(
        slot.access for call in calls for slot in call.slots if slot.name == UNNAMED
    )
    if places:
        yield Finding(
            id="unnamed-output",
            level="warning",
            message=f"nothing explains what {listed(list(places))} of the tuple is",
            hint="Reach outputs by name, and look at what this model's forward adds.",
        )


def _attentions(found: OutputMap) -> Iterator[Finding]:
    asked = [call for call in found.calls if call.output_attentions and not call.error]
    empty = [call for call in asked if _holds_nothing(call.slot("attentions"))]
    if empty:
        how = "None" if _is_none(empty[0].slot("attentions")) else "()"
        used = safe(found.setup.attention)
        if used == "eager":
            why = ", although attention is eager and output_attentions was passed"
            hint = f"Look at what the forward of {safe(found.checkpoint.architecture)} returns."
        else:
            why = f": under {used} attention no layer handed its weights back"
            hint = 'Load the model with attn_implementation="eager"; here: --attention eager.'
        yield Finding(
            id="attentions-empty", level="warning", message=f"attentions are {how}{why}", hint=hint
        )


def _holds_nothing(slot: Slot | None) -> bool:
    return _is_none(slot) or (slot is not None and slot.is_empty)


def _is_none(slot: Slot | None) -> bool:
    return slot is None or slot.kind == "none"


def _problem_type(calls: tuple[Call, ...]) -> Iterator[Finding]:
    written = [call.wrote_problem_type for call in calls if call.wrote_problem_type]
    if written:
        yield Finding(
            id="problem-type-written",
            level="note",
            message=f'a call with labels writes config.problem_type = "{written[0]}", and it '
            "sticks: save_pretrained keeps it. Here it was put back",
            hint=f'Set "problem_type": "{written[0]}" in config.json.',
        )
