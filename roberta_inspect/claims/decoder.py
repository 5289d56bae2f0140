"""Claims about what only a decoder hands back: keys and values, cross-attention weights."""

from __future__ import annotations

import torch

from roberta_inspect.claims.attentions import heads, returned_by
from roberta_inspect.claims.evidence import Evidence
from roberta_inspect.claims.outcome import Claims, NotTestedError, Outcome, proved, refuted
from roberta_inspect.claims.rounding import other_values, same
from roberta_inspect.releases import cache_layers
from roberta_inspect.text import counted

CACHE = Claims("past_key_values")
CROSS = Claims("cross_attentions")

CROSS_IDLE = "forward passes no encoder_hidden_states on"

CACHE_MEANING = "keys and values of each layer, for decoding further tokens"

UNPROVED_MEANING = "what forward collected under this name; that its layers made it is not shown"


def cache_meaning(evidence: Evidence, status: str | None) -> str:
    """What stands in the slot called past_key_values."""
    return UNPROVED_MEANING if status == "refuted" else CACHE_MEANING


@CACHE.register("cache-projections", "[i] is what the key and value projections of layer i gave")
def projections(evidence: Evidence) -> Outcome | None:
    value = evidence.returned_by_any_call("past_key_values")
    if value is None:
        return None
    layers = cache_layers(value) or value
    if len(layers) != len(evidence.layers):
        items = counted(len(evidence.layers), "item")
        return refuted(f"expected {items}, got {len(layers)} at past_key_values")
    for index, layer in enumerate(layers):
        path = evidence.anatomy.self_attentions[index]
        size = int(evidence.module(path, "self-attention").attention_head_size)
        for place, part in enumerate(("key", "value")):
            projected = evidence.visit(f"{path}.{part}", part).output
            if not isinstance(layer[place], torch.Tensor):
                raise NotTestedError(f"past_key_values[{index}][{place}] is no tensor")
            expected, position = heads(projected, size), f"past_key_values[{index}][{place}]"
            if not same(layer[place], expected):
                return other_values(f"what {path}.{part} gave", layer[place], expected, position)
    return proved(f"{counted(len(layers), 'layer')}, keys and values")


@CROSS.register("cross-attentions", "[i] is what the cross-attention of layer i returned")
def cross(evidence: Evidence) -> Outcome | None:
    value = evidence.returned_by_any_call("cross_attentions")
    if value is None:
        return None
    ran = evidence.anatomy.cross_attentions
    if len(value) != len(ran):
        return refuted(f"expected {counted(len(ran), 'item')}, got {len(value)}")
    if not _cross_ran(evidence):
        raise NotTestedError(f"no cross-attention ran: {CROSS_IDLE}")
    for index, weights in enumerate(value):
        if returned_by(evidence.visit(ran[index], "cross-attention"), weights) is None:
            return refuted(f"expected what {ran[index]} returned, got something else at [{index}]")
    return proved(f"{counted(len(value), 'item')}, each returned by its layer")


def cross_meaning(evidence: Evidence, status: str | None) -> str:
    """What stands in the slot called cross_attentions."""
    if status == "refuted":
        return UNPROVED_MEANING
    if _cross_ran(evidence):
        return "cross-attention weights of each layer"
    return f"no cross-attention weights, whatever the name says: {CROSS_IDLE}"


def _cross_ran(evidence: Evidence) -> bool:
    return any(path in evidence.trace.visits for path in evidence.anatomy.cross_attentions)
