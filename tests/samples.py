"""Literal maps, as `run` makes them of a base-size checkpoint, for the tests of what is shown."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from roberta_inspect.records import (
    Call,
    Checkpoint,
    Failure,
    Finding,
    Input,
    Item,
    Labels,
    Origin,
    OutputMap,
    Place,
    Prediction,
    Proof,
    Score,
    Setup,
    Slot,
    Stage,
    StageSlot,
    Status,
    Text,
    Versions,
    Weights,
)

HIDDEN: dict[str, Any] = {
    "kind": "tensor",
    "axes": ("batch_size", "sequence_length", "hidden_size"),
    "shape": (2, 7, 768),
    "dtype": "float32",
}
HEADS: dict[str, Any] = {
    "kind": "tensor",
    "axes": ("batch_size", "num_heads", "query_length", "key_length"),
    "shape": (2, 12, 7, 7),
    "dtype": "float32",
}
CACHED: dict[str, Any] = {
    "kind": "tensor",
    "axes": ("batch_size", "num_heads", "key_length", "head_size"),
    "shape": (2, 12, 7, 64),
    "dtype": "float32",
}
LAYER = "roberta.encoder.layer"

LOSS: dict[str, Any] = {
    "kind": "tensor",
    "shape": (),
    "dtype": "float32",
    "meaning": "cross-entropy of the logits against the labels, mean over the batch",
}
LOGITS: dict[str, Any] = {
    "kind": "tensor",
    "axes": ("batch_size", "num_labels"),
    "shape": (2, 3),
    "dtype": "float32",
    "meaning": "one unnormalised score per label; softmax gives probabilities",
    "origin": Origin(module="classifier", through="classifier.out_proj"),
}
HIDDEN_STATES: dict[str, Any] = {
    "kind": "tuple",
    "meaning": "what the embeddings and then each layer returned: the input of layer k is [k]",
    "items": (
        Item(index=0, origin=Origin(module="roberta.embeddings"), **HIDDEN),
        *(
            Item(index=layer + 1, origin=Origin(module=f"{LAYER}.{layer}"), **HIDDEN)
            for layer in range(12)
        ),
    ),
}
ATTENTIONS: dict[str, Any] = {
    "kind": "tuple",
    "meaning": "attention weights of each layer: how much each position reads of every other",
    "items": tuple(
        Item(index=layer, origin=Origin(module=f"{LAYER}.{layer}.attention.self"), **HEADS)
        for layer in range(12)
    ),
}
NO_ATTENTIONS = {**ATTENTIONS, "items": ()}
PAST_KEY_VALUES: dict[str, Any] = {
    "kind": "tuple",
    "meaning": "keys and values of each layer's self-attention",
    "items": tuple(
        Item(
            index=layer,
            kind="tuple",
            items=(Item(index=0, **CACHED), Item(index=1, **CACHED)),
        )
        for layer in range(12)
    ),
}


def slots(return_dict: bool, held: dict[str, dict[str, Any] | None]) -> tuple[Slot, ...]:
    """Slots in this order; `None` is a field of a `ModelOutput` that is `None`."""
    filled = []
    index = 0
    for name, facts in held.items():
        if facts is None:
            filled.append(
                Slot(index=None, name=name, key=name, access=f"outputs.{name}", kind="none")
            )
            continue
        access = f"outputs.{name}" if return_dict else f"outputs[{index}]"
        key = name if return_dict else None
        filled.append(Slot(index=index, name=name, key=key, access=access, **facts))
        index += 1
    return tuple(filled)


def call(
    return_dict: bool, labels: bool, fields: dict[str, dict[str, Any] | None], **flags: bool
) -> Call:
    """A call whose container holds `fields`; in a tuple those that are `None` are absent."""
    filled = {name: facts for name, facts in fields.items() if facts is not None}
    return Call(
        return_dict=return_dict,
        labels=labels,
        output_hidden_states=flags.get("output_hidden_states", True),
        output_attentions=flags.get("output_attentions", True),
        container="SequenceClassifierOutput" if return_dict else "tuple",
        slots=slots(return_dict, fields if return_dict else filled),
        absent=() if return_dict else tuple(name for name in fields if name not in filled),
    )


def calls(attentions: dict[str, Any] = ATTENTIONS, **flags: bool) -> tuple[Call, ...]:
    """The four calls with these flags."""
    return tuple(
        call(
            return_dict,
            labels,
            {
                "loss": LOSS if labels else None,
                "logits": LOGITS,
                "hidden_states": HIDDEN_STATES if flags.get("output_hidden_states", True) else None,
                "attentions": attentions if flags.get("output_attentions", True) else None,
            },
            **flags,
        )
        for return_dict in (True, False)
        for labels in (False, True)
    )


def proof(name: str, slot: str, claim: str, detail: str, status: Status = "proved") -> Proof:
    """A proof; the numbers stand in the detail alone."""
    return Proof(id=name, slot=slot, claim=claim, status=status, detail=detail)


PROOFS = (
    proof(
        "loss-value",
        "loss",
        "equals CrossEntropyLoss(logits, labels), mean over the batch",
        "largest difference 1.2e-07; rounding in float32 explains 1.4e-05; num_labels is 3 and the "
        "labels are int64; mean over 2 rows",
    ),
    proof(
        "loss-kind",
        "loss",
        "MSELoss and BCEWithLogitsLoss do not fit the loss",
        "the loss is 2.20312; MSELoss would be 12.743; BCEWithLogitsLoss would be 0.834954",
    ),
    proof("logits-origin", "logits", "is the very tensor that classifier returned", "same object"),
    proof(
        "logits-position",
        "logits",
        "only position 0 of the last hidden state matters",
        "replacing every other position moves the logits by 0.0e+00, replacing position 0 by "
        "5.1e+00",
    ),
    proof(
        "hidden-states-chain",
        "hidden_states",
        "[0] is what the embeddings returned, [k] what layer k-1 returned and layer k read",
        "13 items, each the tensor of its layers",
    ),
    proof("attentions-rows", "attentions", "every row sums to 1", "largest difference 1.2e-07"),
    proof("attentions-padding", "attentions", "padded keys get exactly 0", "1 padded key"),
    proof(
        "tuple-equals-dict",
        "outputs",
        "all calls return the same values in the same order",
        "3 other calls, largest difference 0.0e+00",
    ),
)


def untested(proofs: tuple[Proof, ...], slot: str | None, reason: str) -> tuple[Proof, ...]:
    """`proofs`, with those about `slot`, or all, not tested for this reason."""
    return tuple(
        replace(proof, status="not-tested", detail=reason) if slot in (None, proof.slot) else proof
        for proof in proofs
    )


READ = Place(slot="last_hidden_state", module="classifier", read=True)

HIDDEN_STATES_OUT = Place(slot="hidden_states", module="", index=2)
ATTENTIONS_OUT = Place(slot="attentions", module="", index=3)

STAGES = (
    Stage(
        module="roberta.encoder",
        container="BaseModelOutputWithPastAndCrossAttentions",
        slots=(
            StageSlot(
                index=0,
                name="last_hidden_state",
                kind="tensor",
                items=None,
                reaches=(
                    READ,
                    Place(
                        slot="last_hidden_state",
                        module="roberta",
                        index=0,
                        key="last_hidden_state",
                    ),
                ),
            ),
            StageSlot(index=None, name="past_key_values", kind="none", items=None),
            StageSlot(index=None, name="cross_attentions", kind="none", items=None),
        ),
    ),
    Stage(
        module="roberta",
        container="BaseModelOutputWithPoolingAndCrossAttentions",
        slots=(
            StageSlot(
                index=0,
                name="last_hidden_state",
                kind="tensor",
                items=None,
                reaches=(READ,),
            ),
            StageSlot(
                index=1,
                name="hidden_states",
                kind="tuple",
                items=13,
                reaches=(HIDDEN_STATES_OUT,),
            ),
            StageSlot(
                index=2,
                name="attentions",
                kind="tuple",
                items=12,
                reaches=(ATTENTIONS_OUT,),
            ),
            StageSlot(index=3, name="cross_attentions", kind="tuple", items=0),
            StageSlot(
                index=None,
                name="pooler_output",
                kind="none",
                items=None,
                note="roberta.pooler is None: this class has no pooler",
            ),
        ),
    ),
    Stage(
        module="",
        container="tuple",
        slots=(
            StageSlot(index=0, name="loss", kind="tensor", items=None),
            StageSlot(index=1, name="logits", kind="tensor", items=None),
            StageSlot(index=2, name="hidden_states", kind="tuple", items=13),
            StageSlot(index=3, name="attentions", kind="tuple", items=12),
        ),
    ),
)

WRITTEN = Finding(
    id="problem-type-written",
    level="note",
    message='a call with labels writes config.problem_type = "single_label_classification", and '
    "it sticks: save_pretrained keeps it. Here it was put back",
    hint="Set problem_type in config.json, so that the labels' dtype does not decide.",
)
EMPTY = Finding(
    id="attentions-empty",
    level="warning",
    message="attentions are (): under sdpa attention no layer handed its weights back",
    hint='Load the model with attn_implementation="eager"; here: attention="eager", or '
    "--attention eager.",
)

EAGER = OutputMap(
    versions=Versions(
        roberta_inspect="0.1.0", transformers="5.23.0", torch="2.13.0", python="3.11.9"
    ),
    checkpoint=Checkpoint(
        source="./my-roberta",
        architecture="RobertaForSequenceClassification",
        parameters=124_647_939,
        num_labels=3,
        problem_type=None,
        id2label={"0": "negative", "1": "neutral", "2": "positive"},
        weights=Weights(verdict="complete", files=("model.safetensors",), loaded=201),
    ),
    setup=Setup(device="cpu", dtype="float32", attention="eager", mode="eval"),
    input=Input(
        source="texts",
        batch_size=2,
        sequence_length=7,
        tokens=(
            ("<s>", "what", "Ġa", "Ġwonderful", "Ġfilm", "</s>", "<pad>"),
            ("<s>", "a", "Ġdull", ",", "Ġawful", "Ġmess", "</s>"),
        ),
        labels=Labels(dtype="int64", values=[0, 2]),
        texts=(Text(first="what a wonderful film"), Text(first="a dull, awful mess")),
        row_lengths=(6, 7),
    ),
    calls=calls(),
    stages=STAGES,
    proofs=PROOFS,
    findings=(WRITTEN,),
    predictions=(
        Prediction(
            text=Text(first="what a wonderful film"),
            function="softmax",
            scores=(
                Score(label="negative", logit=-1.679, probability=0.00297),
                Score(label="neutral", logit=-4.263, probability=0.00022),
                Score(label="positive", logit=4.138, probability=0.99681),
            ),
        ),
    ),
)
"""Two texts under eager attention: everything proved."""

SDPA = replace(
    EAGER,
    setup=replace(EAGER.setup, attention="sdpa"),
    input=replace(EAGER.input, source="synthetic", tokens=None, texts=None),
    calls=calls(NO_ATTENTIONS),
    proofs=untested(PROOFS, "attentions", "attentions are () under sdpa attention"),
    findings=(EMPTY, WRITTEN),
    predictions=None,
)
"""Synthetic ids under sdpa attention: attentions are `()`."""

MATRIX = replace(
    SDPA,
    calls=(
        *SDPA.calls,
        *calls(NO_ATTENTIONS, output_hidden_states=True, output_attentions=False),
        *calls(NO_ATTENTIONS, output_hidden_states=False, output_attentions=True),
        *calls(NO_ATTENTIONS, output_hidden_states=False, output_attentions=False),
    ),
)
"""Every combination of the flags."""

FAKE = replace(
    EAGER,
    checkpoint=replace(EAGER.checkpoint, weights=Weights(verdict="no-weights")),
    setup=replace(EAGER.setup, no_weights=True),
    proofs=untested(PROOFS, None, "fake tensors have no values"),
    findings=(
        Finding(
            id="no-weights",
            level="note",
            message="no weights were read: shapes and origins come from the configuration alone, "
            "and nothing that needs values was tested",
        ),
    ),
    predictions=None,
)
"""`run --no-weights`."""

_HOLES = {**ATTENTIONS, "items": (*ATTENTIONS["items"][:11], Item(index=11, kind="none"))}
_DECODER: dict[str, dict[str, Any] | None] = {
    "logits": LOGITS,
    "past_key_values": PAST_KEY_VALUES,
    "hidden_states": HIDDEN_STATES,
    "attentions": _HOLES,
}
_IN_DICT = {name: facts for name, facts in _DECODER.items() if name != "past_key_values"}

DECODER = replace(
    SDPA,
    versions=replace(SDPA.versions, transformers="4.40.2"),
    calls=(
        replace(call(True, False, {"loss": None, **_IN_DICT}), absent=("past_key_values",)),
        replace(call(True, True, {"loss": LOSS, **_IN_DICT}), absent=("past_key_values",)),
        replace(call(False, False, _DECODER), absent=("loss",)),
        call(False, True, {"loss": LOSS, **_DECODER}),
    ),
    proofs=PROOFS,
    findings=(
        Finding(
            id="tuple-differs-from-dict",
            level="warning",
            message="past_key_values is in the tuple that this release returns, and not in the "
            "dict",
            hint="Reach outputs by name: outputs.logits.",
        ),
    ),
)
"""A decoder in an old release: the tuple alone has `past_key_values`; a hole in the attentions."""

REFUTED = replace(
    SDPA,
    checkpoint=replace(
        SDPA.checkpoint,
        weights=Weights(
            verdict="head-not-in-checkpoint",
            files=("model.safetensors",),
            loaded=197,
            missing=(
                "classifier.dense.bias",
                "classifier.dense.weight",
                "classifier.out_proj.bias",
                "classifier.out_proj.weight",
            ),
            unexpected=("lm_head.bias", "lm_head.dense.weight"),
        ),
    ),
    calls=(
        *SDPA.calls[:3],
        Call(
            return_dict=False,
            labels=True,
            output_hidden_states=True,
            output_attentions=True,
            container=None,
            error=Failure(type="IndexError", message="Target 7 is out of bounds."),
        ),
    ),
    proofs=(
        proof(
            "loss-value",
            "loss",
            "equals CrossEntropyLoss(logits, labels), mean over the batch",
            "expected 2.20312, got 4.40624 at loss; rounding in float32 explains 1.4e-05",
            "refuted",
        ),
        *untested(PROOFS[1:], "attentions", "attentions are () under sdpa attention"),
    ),
    findings=(
        Finding(
            id="head-not-in-checkpoint",
            level="error",
            message="4 tensors are not in the checkpoint and are random: predictions of this head "
            "mean nothing",
            hint="Train the head, or load a checkpoint that was saved after fine-tuning.",
        ),
        Finding(
            id="call-failed",
            level="error",
            message="return_dict=False, labels: IndexError: Target 7 is out of bounds.",
            hint="The other calls were made all the same.",
        ),
        EMPTY,
    ),
)
"""A random head, a call that raised, and a loss that is twice what it should be."""

HOSTILE = "[/]\x1b[31m\x1b]8;;http://x\x07\u202e|`<b>\r\n::error::\x00##[error]@all,%0A\U000e0001"
"""Rich markup, ANSI, OSC, right-to-left, Markdown, HTML, newlines and workflow commands."""

PLACE = Place(slot=HOSTILE, module=HOSTILE, index=0, key=HOSTILE)


def hostile(output_map: OutputMap = EAGER) -> OutputMap:
    """`output_map` with `HOSTILE` wherever a checkpoint, a release or a saved map puts a string."""
    slot = replace(
        output_map.calls[0].slots[1],
        name=HOSTILE,
        key=HOSTILE,
        access=f"outputs.{HOSTILE}",
        axes=(HOSTILE, HOSTILE),
        dtype=HOSTILE,
        meaning=HOSTILE,
        origin=Origin(module=HOSTILE, through=HOSTILE),
        same_as=PLACE,
    )
    items = (Item(index=0, kind="tensor", shape=(1,), axes=(HOSTILE,), same_as=PLACE),)
    return replace(
        output_map,
        versions=replace(output_map.versions, transformers=HOSTILE, torch=HOSTILE),
        checkpoint=replace(
            output_map.checkpoint,
            source=HOSTILE,
            architecture=HOSTILE,
            problem_type=HOSTILE,
            id2label={"0": HOSTILE, HOSTILE: HOSTILE},
            weights=Weights(
                verdict="encoder-not-in-checkpoint", files=(HOSTILE,), missing=(HOSTILE,)
            ),
        ),
        setup=replace(output_map.setup, device=HOSTILE, dtype=HOSTILE, attention=HOSTILE),
        input=replace(
            output_map.input,
            tokens=((HOSTILE,) * 2,),
            labels=Labels(dtype=HOSTILE, values=[HOSTILE]),
            texts=(Text(first=HOSTILE, second=HOSTILE),),
        ),
        calls=(
            replace(
                output_map.calls[0],
                container=HOSTILE,
                slots=(slot, replace(slot, kind="tuple", items=items)),
            ),
            *output_map.calls[1:],
        ),
        stages=(
            Stage(
                module=HOSTILE,
                container=HOSTILE,
                slots=(
                    StageSlot(
                        index=0,
                        name=HOSTILE,
                        kind="tensor",
                        items=None,
                        reaches=(PLACE, replace(PLACE, read=True)),
                        note=HOSTILE,
                    ),
                    StageSlot(index=None, name=HOSTILE, kind="none", items=None),
                ),
            ),
        ),
        proofs=tuple(
            proof(HOSTILE, HOSTILE, HOSTILE, HOSTILE, status)
            for status in ("proved", "refuted", "not-tested")
        ),
        findings=(Finding(id=HOSTILE, level="error", message=HOSTILE, hint=HOSTILE),),
        predictions=(
            Prediction(
                text=Text(first=HOSTILE, second=HOSTILE),
                function="softmax",
                scores=(Score(label=HOSTILE, logit=1.0, probability=1.0),),
            ),
        ),
    )
