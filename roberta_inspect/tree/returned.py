"""What modules return, in axis words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import groupby
from typing import Any

import torch
from torch import nn

from roberta_inspect.inputs.probe import Probe
from roberta_inspect.live.containers import fields_of, nesting, tensors_in
from roberta_inspect.live.observe import Trace
from roberta_inspect.records import Returned
from roberta_inspect.records.axes import UNKNOWN, axes_of
from roberta_inspect.tree.observation import TreeObservation, small_probe
from roberta_inspect.tree.twin import observe_all


class ReturnedShapes:
    """What modules return, in axis words."""

    def __init__(self, observation: TreeObservation) -> None:
        self.observation = observation
        self.sizes = sizes_of(observation.model.config, observation.probe)
        self.in_slots = {
            id(tensor): words
            for name, value in observation.slots.items()
            for tensor in tensors_in(value)
            if UNKNOWN not in (words := axes_of(name, tensor.ndim, nesting(value)))
        }

    def describe(self, path: str, module: nn.Module) -> tuple[Returned, ...]:
        """What the module at `path` returned: one entry per tensor, and one per run in a tuple."""
        visit = self.observation.trace.visit(path)
        if visit is None:
            return ()
        tensors = list(tensors_in([visit.output]))
        axes = dict(zip(map(id, tensors), self._axes(path, module, tensors), strict=True))
        entries: list[Returned] = []
        for _, value in fields_of(visit.output):
            words = [axes[id(tensor)] for tensor in tensors_in(value)]
            if isinstance(value, torch.Tensor):
                entries += [Returned(axes=names) for names in words]
            else:
                alike = ((names, len(list(run))) for names, run in groupby(words))
                entries += [Returned(axes=names, count=count) for names, count in alike]
        return tuple(entries)

    def _axes(
        self, path: str, module: nn.Module, tensors: Sequence[torch.Tensor]
    ) -> list[tuple[str, ...]]:
        words = self.observation.twin.words(path, module)
        if [len(names) for names in words] == [tensor.ndim for tensor in tensors]:
            axes = [
                axis_words(tensor.shape, names, self.sizes)
                for tensor, names in zip(tensors, words, strict=True)
            ]
        else:
            axes = self._compared(path, tensors)
        return [
            self.in_slots.get(id(tensor), names)
            for tensor, names in zip(tensors, axes, strict=True)
        ]

    def _compared(self, path: str, tensors: Sequence[torch.Tensor]) -> list[tuple[str, ...]]:
        """The axes of a module that the twin lacks: those that grow with the batch or sequence."""
        probe, trace = self._larger
        visit = trace.visit(path)
        larger_tensors = list(tensors_in([visit.output])) if visit else []
        if [tensor.ndim for tensor in larger_tensors] != [tensor.ndim for tensor in tensors]:
            return [(UNKNOWN,) * tensor.ndim for tensor in tensors]
        mine = self.observation.probe
        word_of_sizes = {
            (mine.sequence_length, probe.sequence_length): "sequence_length",
            (mine.batch_size, probe.batch_size): "batch_size",
        }
        return [
            tuple(
                str(size) if size == larger else word_of_sizes.get((size, larger), UNKNOWN)
                for size, larger in zip(tensor.shape, larger_tensor.shape, strict=True)
            )
            for tensor, larger_tensor in zip(tensors, larger_tensors, strict=True)
        ]

    @cached_property
    def _larger(self) -> tuple[Probe, Trace]:
        """A call with another number of rows and tokens."""
        model = self.observation.model
        probe = small_probe(model, more=1)
        return probe, observe_all(model, probe, self.observation.loaded.mode).trace


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
