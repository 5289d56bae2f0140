"""A small literal map, two layers and three labels, for tests that compare and save maps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from roberta_inspect.records import (
    Call,
    Checkpoint,
    Fingerprint,
    Input,
    Item,
    Labels,
    Origin,
    OutputMap,
    Proof,
    Setup,
    Slot,
    Versions,
    Weights,
)

LAYERS = 2
SIZES = {
    "batch_size": 2,
    "sequence_length": 16,
    "hidden_size": 8,
    "num_labels": 3,
    "num_heads": 4,
    "query_length": 16,
    "key_length": 16,
    "head_size": 2,
}
HIDDEN = ("batch_size", "sequence_length", "hidden_size")
WEIGHTS = ("batch_size", "num_heads", "query_length", "key_length")


def tensor(axes: tuple[str, ...], module: str | None, sizes: dict[str, int]) -> dict[str, Any]:
    return {
        "kind": "tensor",
        "axes": axes,
        "shape": tuple(sizes[axis] for axis in axes),
        "dtype": "float32",
        "origin": None if module is None else Origin(module=module),
        "fingerprint": Fingerprint(mean=0.0, std=1.0, min=-2.0, max=2.0),
    }


def items(axes: tuple[str, ...], modules: list[str], sizes: dict[str, int]) -> tuple[Item, ...]:
    return tuple(
        Item(index=index, **tensor(axes, module, sizes)) for index, module in enumerate(modules)
    )


def filled(name: str, sizes: dict[str, int], layers: int) -> dict[str, Any]:
    """The fields of one slot of the model that all these tests are about."""
    encoder = [f"roberta.encoder.layer.{layer}" for layer in range(layers)]
    if name == "loss":
        return tensor((), None, sizes)
    if name == "logits":
        return tensor(("batch_size", "num_labels"), "classifier", sizes)
    if name == "hidden_states":
        return {"kind": "tuple", "items": items(HIDDEN, ["roberta.embeddings", *encoder], sizes)}
    if name == "attentions":
        modules = [f"{layer}.attention.self" for layer in encoder]
        return {"kind": "tuple", "items": items(WEIGHTS, modules, sizes)}
    if name == "past_key_values":
        pair = Item(index=0, kind="tuple", items=items(WEIGHTS, ["key", "value"], sizes))
        return {"kind": "cache", "items": (pair, replace(pair, index=1))}
    raise AssertionError(f"no such slot: {name}")


def made_call(names: list[str], return_dict: bool, labels: bool, **changes: Any) -> Call:
    sizes = {**SIZES, **changes.get("sizes", {})}
    shown = ["loss", *names] if labels else names
    slots = [
        Slot(
            index=index,
            name=name,
            key=name if return_dict else None,
            access=f"outputs.{name}" if return_dict else f"outputs[{index}]",
            **filled(name, sizes, changes.get("layers", LAYERS)),
        )
        for index, name in enumerate(shown)
    ]
    if return_dict and not labels:
        access = "outputs.loss"
        slots.insert(0, Slot(index=None, name="loss", key="loss", access=access, kind="none"))
    return Call(
        return_dict=return_dict,
        labels=labels,
        output_hidden_states="hidden_states" in names,
        output_attentions="attentions" in names,
        container="SequenceClassifierOutput" if return_dict else "tuple",
        slots=tuple(slots),
    )


def made_map(names: str = "logits hidden_states attentions", **changes: Any) -> OutputMap:
    return OutputMap(
        versions=Versions(
            roberta_inspect="0.1.0", transformers="5.23.0", torch="2.13.0", python="3.11.9"
        ),
        checkpoint=Checkpoint(
            source="./a",
            architecture="RobertaForSequenceClassification",
            parameters=1000,
            num_labels=3,
            problem_type=None,
            id2label={"0": "bad", "1": "fair", "2": "good"},
            weights=Weights(verdict="complete"),
        ),
        setup=Setup(device="cpu", dtype="float32", attention="eager", mode="eval"),
        input=Input(
            source="synthetic",
            batch_size=2,
            sequence_length=16,
            tokens=None,
            labels=Labels(dtype="int64", values=[0, 2]),
        ),
        calls=tuple(
            made_call(names.split(), return_dict, labels, **changes)
            for return_dict in (True, False)
            for labels in (False, True)
        ),
        proofs=tuple(
            Proof(id=claim, slot=slot, claim="is so", status="proved", detail="difference 0")
            for slot, claim in (
                ("logits", "logits-classifier"),
                ("attentions", "attentions-softmax"),
                ("attentions", "attentions-rows"),
            )
        ),
    )


BASE = made_map()
