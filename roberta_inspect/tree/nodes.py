"""The nodes of the tree, with parameters, dtypes and whether the file has their tensors."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from torch import nn

from roberta_inspect.checkpoint.header import BITS, TORCH_NAMES
from roberta_inspect.records import Node
from roberta_inspect.text import counted, dtype_word, listed, safe
from roberta_inspect.tree.observation import TreeObservation
from roberta_inspect.tree.returned import ReturnedShapes

RANDOM = "not in the checkpoint: random"
"""The mark of a module whose tensors the file lacks."""


class Nodes:
    """Builds the nodes in the order of `print(model)`. Tied parameters count at the first place."""

    def __init__(self, observation: TreeObservation) -> None:
        self.observation = observation
        self.has_file = observation.loaded.header is not None
        self.header = observation.loaded.header or {}
        self.returned = ReturnedShapes(observation)
        self.places = {id(module): path for path, module in observation.model.named_modules()}
        self.tensors = Counter(_prefixes(observation.model.state_dict(keep_vars=True)))
        self.missing = Counter(_prefixes(observation.loaded.weights.missing))
        self.counted: dict[int, str] = {}
        """Parameter → the name under which it is counted."""

    def node(self, module: nn.Module, name: str = "", path: str = "") -> Node:
        """The node of the module at `path` and of all below it."""
        own = self._own(module, path)
        new = {
            key: parameter
            for key, parameter in own.items()
            if self.counted.setdefault(id(parameter), key) == key
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
            parameters=sum(parameter.numel() for parameter in new.values())
            + sum(child.parameters for child in children),
            bytes=sum(self._bytes(key, parameter) for key, parameter in new.items())
            + sum(child.bytes for child in children),
            dtypes=tuple(sorted(self._dtypes(own).union(*(child.dtypes for child in children)))),
            feeds=self.observation.feeds.get(place, ()),
            output=self.returned.describe(place, module),
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
            return {dtype_word(parameter.dtype) for parameter in own.values()}
        stored = {self.header[name][0] for name in own if name in self.header}
        return {TORCH_NAMES.get(dtype, dtype) for dtype in stored}

    def _in_checkpoint(self, path: str) -> bool | None:
        return not self.missing[path] if self.has_file and self.tensors[path] else None

    def _notes(self, module: nn.Module, path: str) -> Iterator[str]:
        if (
            path == self.observation.trace.anatomy.base
            and getattr(module, "pooler", module) is None
        ):
            yield "no pooler"
        if path == self.observation.trace.anatomy.classifier and self.observation.reads:
            yield self.observation.reads
        if adapters := active_adapters(module):
            yield f"adapted: {listed([safe(name, longest=80) for name in adapters])}"
        for key, parameter in self._own(module, path).items():
            if self.counted[id(parameter)] != key:
                yield f"{key.rpartition('.')[2]} is {self.counted[id(parameter)]}"
        if self.missing[path]:
            everything = self.missing[path] == self.tensors[path]
            share = f"{self.missing[path]:,} of {counted(self.tensors[path], 'tensor')} "
            yield RANDOM if everything else share + RANDOM


def active_adapters(module: nn.Module) -> tuple[str, ...]:
    """The names of the PEFT adapters that change what this module itself computes."""
    if type(module).__module__.partition(".")[0] != "peft":
        return ()
    active: Any = getattr(module, "active_adapters", None) or getattr(module, "active_adapter", ())
    return (active,) if isinstance(active, str) else tuple(active)


def _prefixes(names: Iterable[str]) -> Iterator[str]:
    """The path of every module that holds each of the tensors called `names`."""
    for name in names:
        path = name
        while path:
            path = path.rpartition(".")[0]
            yield path
