"""The module tree: every module with its parameters, what it returns and which slots it feeds."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from torch import nn

from roberta_inspect.axes import UNKNOWN, axes_of
from roberta_inspect.checkpoint.fake import skeleton
from roberta_inspect.checkpoint.header import BITS, TORCH_NAMES
from roberta_inspect.checkpoint.loading import Loaded, quiet
from roberta_inspect.checkpoint.location import locate
from roberta_inspect.containers import fields_of, nesting, tensors_in
from roberta_inspect.feeds import feeds_of
from roberta_inspect.findings import tree_findings
from roberta_inspect.naming import names_of
from roberta_inspect.observe import Observed, Trace, as_found
from roberta_inspect.probe import Probe, config_of, synthetic, usable_length
from roberta_inspect.records import ModuleTree, Node
from roberta_inspect.releases import attention_of, versions
from roberta_inspect.text import counted, dtype_word, listed
from roberta_inspect.twin import Twin, axis_words, observe_all, positions_read, sizes_of

RANDOM = "not in the checkpoint: random"
"""The mark of a module whose tensors the file lacks."""


def module_tree(
    checkpoint_or_model: str | Path | nn.Module | None = None,
    *,
    revision: str | None = None,
    attention: str | None = None,
    allow_missing_head: bool = False,
) -> ModuleTree:
    """The modules of a `RobertaForSequenceClassification`, each with the slots it feeds.

    A checkpoint's model is laid out on fake tensors, from its configuration and the header of its
    weight file: no weight is read, and none is needed. A live model is called on a tiny input and
    is as before afterwards.

    Args:
        checkpoint_or_model: a directory, a Hub model id, `None` for the bundled demo, or a model.
        revision: branch, tag or commit of a Hub model id.
        attention: attention implementation; `None` for `eager`, which is the one that hands the
            attention weights back. A live model keeps its own.
        allow_missing_head: a head that is not in the checkpoint is a warning, no error.

    Raises:
        UsageError: the arguments do not fit together, or do not fit this checkpoint.
        CannotInspectError: no such checkpoint, an unreadable file, an unsupported architecture.
    """
    with quiet():
        if isinstance(checkpoint_or_model, nn.Module):
            made = Loaded.live(checkpoint_or_model, revision=revision, attention=attention)
        else:
            source = None if checkpoint_or_model is None else os.fspath(checkpoint_or_model)
            location = locate(source, revision=revision)
            made = skeleton(location, attention=attention or "eager")
        seen = _Seen.of(made)
        return ModuleTree(
            versions=versions(),
            checkpoint=made.record,
            root=_Builder(seen).node(made.model),
            attention=attention_of(made.model.config),
            findings=tree_findings(made.record, allow_missing_head, seen.observed.error),
        )


def _probe(model: Any, more: int = 0) -> Probe:
    """A small input, of the sizes that `run` takes; with `more` rows, and tokens to match."""
    config = config_of(model)
    length = min(16 + 8 * more, usable_length(config))
    return synthetic(config, batch_size=2 + more, sequence_length=length)


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """One labelled dict call of a model, and what every module read and returned in it."""

    made: Loaded
    probe: Probe
    observed: Observed

    @classmethod
    def of(cls, made: Loaded) -> _Seen:
        """Make the call."""
        probe = _probe(made.model)
        probe = probe.on(made.model.device) if made.mode is None else probe.fake(made.mode)
        with made.mode or nullcontext():
            return cls(made=made, probe=probe, observed=observe_all(made.model, probe))

    @property
    def model(self) -> Any:
        return self.made.model

    @property
    def trace(self) -> Trace:
        return self.observed.trace

    @property
    def has_values(self) -> bool:
        return self.made.mode is None and self.model.device.type != "meta"

    @cached_property
    def slots(self) -> dict[str, Any]:
        """Name → value of what the call returned."""
        names = names_of(self.observed, self.observed)
        return dict(zip(names, (value for _, value in self.observed.fields), strict=True))

    @cached_property
    def twin(self) -> Twin:
        return Twin.of(self.model.config, attention_of(self.model.config))

    @cached_property
    def feeds(self) -> dict[str, tuple[str, ...]]:
        return feeds_of(self.slots, self.trace)

    @cached_property
    def reads(self) -> str | None:
        """Which positions of the last hidden state move the logits; `None` where the head takes
        something else."""
        path = self.trace.anatomy.classifier
        if path is None:
            return None
        whose = self if self.has_values else self.twin
        head = self.model.get_submodule(path)
        visit = self.trace.visit(path) if self.has_values else self.twin.visit(path, head)
        if visit is None or visit.kwargs or len(visit.args) != 1:
            return None
        [features] = visit.args
        if not isinstance(features, torch.Tensor) or features.ndim != 3 or features.shape[1] < 2:
            return None
        with as_found(whose.model):
            read = positions_read(whose.model.get_submodule(path).eval(), features)
        if len(read) == features.shape[1]:
            return "reads every position"
        if len(read) == 1:
            return f"reads position {read[0]} alone"
        return f"reads positions {listed([str(each) for each in read])}" if read else None


class _Returned:
    """What modules return, in axis words."""

    def __init__(self, seen: _Seen) -> None:
        self.seen = seen
        self.sizes = sizes_of(seen.model.config, seen.probe)
        self.in_slots = {
            id(tensor): words
            for name, value in seen.slots.items()
            for tensor in tensors_in(value)
            if UNKNOWN not in (words := axes_of(name, tensor.ndim, nesting(value)))
        }

    def of(self, path: str, module: nn.Module) -> tuple[str, ...]:
        """One entry per tensor of what the module at `path` returned, and one per tuple."""
        visit = self.seen.trace.visit(path)
        if visit is None:
            return ()
        tensors = list(tensors_in([visit.output]))
        axes = dict(zip(map(id, tensors), self._axes(path, module, tensors), strict=True))
        entries = []
        for _, value in fields_of(visit.output):
            words = [f"({', '.join(axes[id(tensor)])})" for tensor in tensors_in(value)]
            if isinstance(value, torch.Tensor):
                entries += words
            else:
                entries += [f"{len(list(run))} × {each}" for each, run in groupby(words)]
        return tuple(entries)

    def _axes(
        self, path: str, module: nn.Module, tensors: Sequence[torch.Tensor]
    ) -> list[tuple[str, ...]]:
        words = self.seen.twin.words(path, module)
        if [len(each) for each in words] == [tensor.ndim for tensor in tensors]:
            axes = [
                axis_words(tensor.shape, each, self.sizes)
                for tensor, each in zip(tensors, words, strict=True)
            ]
        else:
            axes = self._compared(path, tensors)
        return [
            self.in_slots.get(id(tensor), each) for tensor, each in zip(tensors, axes, strict=True)
        ]

    def _compared(self, path: str, tensors: Sequence[torch.Tensor]) -> list[tuple[str, ...]]:
        """The axes that grow with the batch and with the sequence, of a module without a twin."""
        probe, trace = self._larger
        visit = trace.visit(path)
        others = list(tensors_in([visit.output])) if visit else []
        if [each.ndim for each in others] != [tensor.ndim for tensor in tensors]:
            return [(UNKNOWN,) * tensor.ndim for tensor in tensors]
        mine = self.seen.probe
        words = {
            (mine.sequence_length, probe.sequence_length): "sequence_length",
            (mine.batch_size, probe.batch_size): "batch_size",
        }
        return [
            tuple(
                str(size) if size == larger else words.get((size, larger), UNKNOWN)
                for size, larger in zip(tensor.shape, other.shape, strict=True)
            )
            for tensor, other in zip(tensors, others, strict=True)
        ]

    @cached_property
    def _larger(self) -> tuple[Probe, Trace]:
        """A call with another number of rows and tokens."""
        model = self.seen.model
        probe = _probe(model, more=1).on(model.device)
        return probe, observe_all(model, probe).trace


class _Builder:
    """The nodes, made in the order of `print(model)`; tied parameters count at the first place."""

    def __init__(self, seen: _Seen) -> None:
        self.seen = seen
        self.has_file = seen.made.header is not None
        self.header = seen.made.header or {}
        self.returned = _Returned(seen)
        self.places = {id(module): path for path, module in seen.model.named_modules()}
        self.tensors = Counter(_prefixes(seen.model.state_dict(keep_vars=True)))
        self.missing = Counter(_prefixes(seen.made.weights.missing))
        self.counted: dict[int, str] = {}
        """Parameter → the name under which it is counted."""

    def node(self, module: nn.Module, name: str = "", path: str = "") -> Node:
        """The node of the module at `path` and of all below it."""
        own = self._own(module, path)
        new = {
            key: each for key, each in own.items() if self.counted.setdefault(id(each), key) == key
        }
        children = tuple(
            self.node(child, child_name, f"{path}.{child_name}".lstrip("."))
            for child_name, child in module._modules.items()
            if child is not None
        )
        place = self.places[id(module)]
        return Node(
            name=name,
            path=path,
            cls=type(module).__name__,
            repr=f"{module._get_name()}({module.extra_repr()})",
            parameters=sum(each.numel() for each in new.values())
            + sum(child.parameters for child in children),
            bytes=sum(self._bytes(key, each) for key, each in new.items())
            + sum(child.bytes for child in children),
            dtypes=tuple(sorted(self._dtypes(own).union(*(child.dtypes for child in children)))),
            feeds=self.seen.feeds.get(place, ()),
            output=self.returned.of(place, module),
            in_checkpoint=self._in_checkpoint(path),
            note="; ".join(self._notes(module, path)) or None,
            children=children,
        )

    def _own(self, module: nn.Module, path: str) -> dict[str, nn.Parameter]:
        return {
            f"{path}.{name}".lstrip("."): parameter
            for name, parameter in module._parameters.items()
            if parameter is not None
        }

    def _bytes(self, name: str, parameter: nn.Parameter) -> int:
        stored = self.header.get(name)
        bits = BITS[stored[0]] if stored else 8 * parameter.element_size()
        count: int = parameter.numel()
        return math.ceil(count * bits / 8)

    def _dtypes(self, own: Mapping[str, nn.Parameter]) -> set[str]:
        if not self.has_file:
            return {dtype_word(each.dtype) for each in own.values()}
        stored = {self.header[name][0] for name in own if name in self.header}
        return {TORCH_NAMES.get(dtype, dtype) for dtype in stored}

    def _in_checkpoint(self, path: str) -> bool | None:
        return not self.missing[path] if self.has_file and self.tensors[path] else None

    def _notes(self, module: nn.Module, path: str) -> Iterator[str]:
        if path == self.seen.trace.anatomy.base and getattr(module, "pooler", module) is None:
            yield "no pooler"
        if path == self.seen.trace.anatomy.classifier and self.seen.reads:
            yield self.seen.reads
        for key, each in self._own(module, path).items():
            if self.counted[id(each)] != key:
                yield f"{key.rpartition('.')[2]} is {self.counted[id(each)]}"
        if self.missing[path]:
            everything = self.missing[path] == self.tensors[path]
            share = f"{self.missing[path]:,} of {counted(self.tensors[path], 'tensor')} "
            yield RANDOM if everything else share + RANDOM


def _prefixes(names: Iterable[str]) -> Iterator[str]:
    """The path of every module that holds each of the tensors called `names`."""
    for name in names:
        path = name
        while path:
            path = path.rpartition(".")[0]
            yield path
