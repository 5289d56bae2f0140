"""A tiny model with the architecture of the inspected one, in which no two sizes are equal.

Sizes of the inspected model may coincide (`num_labels == batch_size == 2`), so a size does not tell
which axis it is. In the twin it does. The twin has values, so it also shows which position its head
reads if the inspected model has no values.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from roberta_inspect.checkpoint.load import build_model
from roberta_inspect.inputs.probe import Probe
from roberta_inspect.inputs.synthetic import synthetic
from roberta_inspect.live.containers import tensors_in
from roberta_inspect.live.observe import Observed, Trace, Visit, observing
from roberta_inspect.records import CallSpec
from roberta_inspect.records.axes import UNKNOWN

SIZES = {
    "batch_size": 7,
    "sequence_length": 11,
    "hidden_size": 15,
    "num_heads": 3,
    "head_size": 5,
    "intermediate_size": 17,
    "num_labels": 13,
}
"""The sizes of the twin's axes. All differ, so that each number stands for one word."""

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
            # Flash and flex attention return the same tensors as sdpa, but not on every device.
            model = build_model(small, "eager" if attention == "eager" else "sdpa", "float32")
        probe = synthetic(
            small, batch_size=SIZES["batch_size"], sequence_length=SIZES["sequence_length"]
        )
        return cls(model, observe_all(model, probe).trace)

    def visit(self, path: str, module: nn.Module) -> Visit | None:
        """The visit of the twin's module at `path`. `None` if it is missing or of another class."""
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


def observe_all(model: nn.Module, probe: Probe, mode: Any = None) -> Observed:
    """One labelled dict call that asks for all outputs, with every visit of every module.

    `mode` is that of `observing`.
    """
    spec = CallSpec(True, True, True, True)
    with observing(model, mode) as observer:
        return observer.call(probe.placed_like(model, mode), spec, every_visit=True)
