"""What every module of a model read and returned in one call."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import nn

from roberta_inspect.checkpoint.load import Loaded
from roberta_inspect.inputs.limits import usable_length
from roberta_inspect.inputs.probe import Probe
from roberta_inspect.inputs.synthetic import synthetic
from roberta_inspect.live.anatomy import input_config
from roberta_inspect.live.containers import tensors_in
from roberta_inspect.live.naming import names_of
from roberta_inspect.live.observe import Observed, Trace
from roberta_inspect.live.stand_in import stand_in
from roberta_inspect.live.values import same_values
from roberta_inspect.records import Place
from roberta_inspect.releases import attention_of
from roberta_inspect.text import listed
from roberta_inspect.tree.feeds import feeds_of
from roberta_inspect.tree.twin import Twin, observe_all


def small_probe(model: Any, more: int = 0) -> Probe:
    """An input of the default sizes of `run`, or one with `more` rows and with longer rows."""
    config = input_config(model)
    length = min(16 + 8 * more, usable_length(config))
    return synthetic(config, batch_size=2 + more, sequence_length=length)


@dataclass(frozen=True, kw_only=True)
class TreeObservation:
    """One labelled dict call of a model, and what every module read and returned in it."""

    loaded: Loaded
    probe: Probe
    observed: Observed

    @classmethod
    def of(cls, loaded: Loaded) -> TreeObservation:
        """Make the call."""
        probe = small_probe(loaded.model)
        return cls(
            loaded=loaded, probe=probe, observed=observe_all(loaded.model, probe, loaded.mode)
        )

    @property
    def model(self) -> Any:
        return self.loaded.model

    @property
    def trace(self) -> Trace:
        return self.observed.trace

    @property
    def has_values(self) -> bool:
        return self.loaded.mode is None and self.loaded.device.type != "meta"

    @cached_property
    def slots(self) -> dict[str, Any]:
        """Name → value of what the call returned."""
        names = names_of(self.observed, self.observed)
        return dict(zip(names, (value for _, value in self.observed.fields), strict=True))

    @cached_property
    def twin(self) -> Twin:
        return Twin.of(self.model.config, attention_of(self.model.config))

    @cached_property
    def feeds(self) -> dict[str, tuple[Place, ...]]:
        return feeds_of(self.slots, self.trace)

    @cached_property
    def reads(self) -> str | None:
        """Which positions of the last hidden state change the logits. `None` if the head reads
        something else."""
        path = self.trace.anatomy.classifier
        if path is None:
            return None
        source = self if self.has_values else self.twin
        head = self.model.get_submodule(path)
        visit = self.trace.visit(path) if self.has_values else self.twin.visit(path, head)
        if visit is None or visit.kwargs or len(visit.args) != 1:
            return None
        [features] = visit.args
        if not isinstance(features, torch.Tensor) or features.ndim != 3 or features.shape[1] < 2:
            return None
        with stand_in(source.model) as model:
            read = positions_read(model.get_submodule(path), features)
        if len(read) == features.shape[1]:
            return "reads every position"
        if len(read) == 1:
            return f"reads position {read[0]} alone"
        return f"reads positions {listed([str(position) for position in read])}" if read else None


def positions_read(head: nn.Module, hidden_states: torch.Tensor) -> tuple[int, ...]:
    """The positions of `hidden_states` whose values change what `head` returns.

    `hidden_states` is a real tensor of shape `(batch_size, sequence_length, hidden_size)`.
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
    """`hidden_states` with other values at one position: ordinary ones, then very large and very
    small ones, which also change a maximum or a minimum."""
    random = torch.Generator().manual_seed(position)
    noise = torch.randn(hidden_states[:, position].shape, generator=random).to(hidden_states)
    far = 10 * hidden_states.abs().max()
    for values in (noise, noise.abs() * far, -noise.abs() * far):
        changed = hidden_states.clone()
        changed[:, position] = values
        yield changed
