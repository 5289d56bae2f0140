"""Claims about the keys and values that a decoder hands back."""

from __future__ import annotations

import torch

from roberta_inspect.claims.attentions import heads
from roberta_inspect.claims.claim import Claims, NotTestedError, Outcome, broken, held
from roberta_inspect.claims.comparison import furthest, same
from roberta_inspect.claims.evidence import Evidence
from roberta_inspect.releases import cache_layers
from roberta_inspect.text import counted

CLAIMS = Claims()

MEANING = "keys and values of each layer, for decoding further tokens"


@CLAIMS.register(
    "cache-projections",
    "past_key_values",
    "[i] is what the key and value projections of layer i gave",
)
def projections(evidence: Evidence) -> Outcome | None:
    if not evidence.reaches_the_caller("past_key_values"):
        return None
    value = evidence.fields.get("past_key_values") or evidence.handed_on("past_key_values")
    layers = cache_layers(value) or value
    if len(layers) != len(evidence.layers):
        return broken(
            f"expected {counted(len(evidence.layers), 'item')}, got {len(layers)} at "
            "past_key_values"
        )
    for index, layer in enumerate(layers):
        path = evidence.anatomy.self_attention(index)
        size = int(evidence.module(path, "self-attention").attention_head_size)
        for place, part in enumerate(("key", "value")):
            given = evidence.visit(f"{path}.{part}", part).output
            if not isinstance(layer[place], torch.Tensor):
                raise NotTestedError(f"past_key_values[{index}][{place}] is no tensor")
            if not same(layer[place], heads(given, size)):
                apart = furthest(layer[place], heads(given, size))
                return broken(
                    f"expected what {path}.{part} gave, got values up to {apart:.1e} away at "
                    f"past_key_values[{index}][{place}]"
                )
    return held(f"{counted(len(layers), 'layer')}, keys and values")
