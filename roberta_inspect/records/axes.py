"""Words for axes, by what a tensor is and never by its sizes, because two sizes may coincide."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

UNKNOWN = "?"
"""The word for an axis of a tensor that nothing explains."""

HIDDEN = ("batch_size", "sequence_length", "hidden_size")
WEIGHTS = ("batch_size", "num_heads", "query_length", "key_length")

AXES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "loss": (),
        "logits": ("batch_size", "num_labels"),
        "hidden_states": HIDDEN,
        "attentions": WEIGHTS,
        "cross_attentions": WEIGHTS,
        "past_key_values": ("batch_size", "num_heads", "key_length", "head_size"),
        "last_hidden_state": HIDDEN,
        "pooler_output": ("batch_size", "hidden_size"),
    }
)
"""Name of a slot → the axes of the tensor in it, or of each tensor in its items. The words are
transformers' own (`SequenceClassifierOutput`, `BaseModelOutputWithPoolingAndCrossAttentions`);
the claim about axes tests them on a second input of other sizes."""

PER_ROW = frozenset({"batch_size"})
"""Axes whose size is the batch size."""

PER_TOKEN = frozenset({"sequence_length", "query_length", "key_length"})
"""Axes whose size is the sequence length."""


NESTING: Mapping[str, int] = MappingProxyType(
    {"hidden_states": 1, "attentions": 1, "cross_attentions": 1, "past_key_values": 2}
)
"""Name of a slot → how many tuples its tensors are nested in; 0 for all other slots. In some
releases a decoder returns pairs of keys and values in place of cross-attention weights."""


def axes_of(name: str, rank: int, nesting: int) -> tuple[str, ...]:
    """The words for the `rank` axes of a tensor that is `nesting` tuples deep in that slot."""
    axes = AXES.get(name)
    fits = axes is not None and (len(axes), NESTING.get(name, 0)) == (rank, nesting)
    return axes if axes is not None and fits else (UNKNOWN,) * rank
