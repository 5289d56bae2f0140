"""A tiny real model built like the one at hand, every size of it another number.

Sizes of a real model coincide (`num_labels == batch_size == 2`), so a size does not tell which
axis it is; in the twin it does. The twin is small enough to have values, too: which position its
head reads is tried out on it where the model itself has none.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from roberta_inspect.axes import UNKNOWN
from roberta_inspect.checkpoint.loading import built
from roberta_inspect.containers import tensors_in
from roberta_inspect.naming import same_values
from roberta_inspect.observe import Observed, Trace, Visit, observe
from roberta_inspect.probe import Probe, synthetic
from roberta_inspect.records import CallSpec

SIZES = {
    "batch_size": 7,
    "sequence_length": 11,
    "hidden_size": 15,
    "num_heads": 3,
    "head_size": 5,
    "intermediate_size": 17,
    "num_labels": 13,
}
"""The twin's axes: all different, so that each number is one word."""

_WORDS = {size: word for word, size in SIZES.items()}


@dataclass(frozen=True)
class Twin:
    """What every module of the twin returned in one call."""

    model: Any
    trace: Trace

    @classmethod
    def of(cls, config: Any, attention: str) -> Twin:
        """The twin of a `RobertaForSequenceClassification` of this configuration, called once."""
        small = copy.deepcopy(config)
        settings = {
            "hidden_size": SIZES["hidden_size"],
            "num_attention_heads": SIZES["num_heads"],
            "intermediate_size": SIZES["intermediate_size"],
            "num_labels": SIZES["num_labels"],
            "vocab_size": 31,
            "max_position_embeddings": 41,
            "type_vocab_size": 1,
            "pad_token_id": 1,
            "bos_token_id": 0,
            "eos_token_id": 2,
            "chunk_size_feed_forward": 0,
            "problem_type": None,
        }
        for name, value in settings.items():
            setattr(small, name, value)
        with torch.random.fork_rng(devices=[]):
            # Flash and flex attention hand the same tensors back as sdpa, on other devices.
            model = built(small, "eager" if attention == "eager" else "sdpa", "float32")
        probe = synthetic(
            small, batch_size=SIZES["batch_size"], sequence_length=SIZES["sequence_length"]
        )
        return cls(model, observe_all(model, probe).trace)

    def visit(self, path: str, module: nn.Module) -> Visit | None:
        """What the twin of `module` did; `None` where another class or nothing is at `path`."""
        visit = self.trace.visit(path)
        if visit is None or type(self.model.get_submodule(path)) is not type(module):
            return None
        return visit

    def words(self, path: str, module: nn.Module) -> tuple[tuple[str, ...], ...]:
        """The axes of every tensor that the module at `path` returns; `()` without a twin."""
        visit = self.visit(path, module)
        return tuple(
            tuple(_WORDS.get(size, UNKNOWN) for size in tensor.shape)
            for tensor in tensors_in([visit.output] if visit else [])
        )


def observe_all(model: nn.Module, probe: Probe) -> Observed:
    """One labelled dict call with all outputs asked for, and what every module did in it."""
    return observe(model, probe, CallSpec(True, True, True, True), every_visit=True)


def sizes_of(config: Any, probe: Probe) -> dict[str, int]:
    """The size of each axis for a model of this configuration and this input."""
    return {
        "batch_size": probe.batch_size,
        "sequence_length": probe.sequence_length,
        "hidden_size": config.hidden_size,
        "num_heads": config.num_attention_heads,
        "head_size": config.hidden_size // config.num_attention_heads,
        "intermediate_size": config.intermediate_size,
        "num_labels": config.num_labels,
    }


def axis_words(
    shape: Sequence[int], words: Sequence[str], sizes: Mapping[str, int]
) -> tuple[str, ...]:
    """`words` where the sizes agree with them, else the number."""
    return tuple(
        word if sizes.get(word) == size else str(size)
        for size, word in zip(shape, words, strict=True)
    )


def positions_read(head: nn.Module, hidden_states: torch.Tensor) -> tuple[int, ...]:
    """The positions of `hidden_states` whose values move what `head` returns.

    `hidden_states` is of shape `(batch_size, sequence_length, hidden_size)`, on real tensors.
    """
    with torch.no_grad():
        expected = list(tensors_in(head(hidden_states)))
        return tuple(
            position
            for position in range(hidden_states.shape[1])
            if not all(
                same_values(now, before)
                for changed in _changed(hidden_states, position)
                for now, before in zip(tensors_in(head(changed)), expected, strict=True)
            )
        )


def _changed(hidden_states: torch.Tensor, position: int) -> Iterator[torch.Tensor]:
    """`hidden_states` with other values at one position: ordinary ones, and far larger and smaller
    ones than there are, which move a maximum and a minimum too."""
    random = torch.Generator().manual_seed(position)
    noise = torch.randn(hidden_states[:, position].shape, generator=random).to(hidden_states)
    far = 10 * hidden_states.abs().max()
    for values in (noise, noise.abs() * far, -noise.abs() * far):
        changed = hidden_states.clone()
        changed[:, position] = values
        yield changed
