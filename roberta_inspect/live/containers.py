"""What is in a container that a module returned: its positions, and the tensors in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch._subclasses import FakeTensor
from transformers.modeling_outputs import ModelOutput

from roberta_inspect.records import Place, ValueKind
from roberta_inspect.releases import cache_layers


def fields_of(container: Any) -> tuple[tuple[str | None, Any], ...]:
    """`(key, value)` of each position of what a module returned; keys of a tuple are `None`.

    A `ModelOutput` is indexed without its `None` fields (`ModelOutput.to_tuple`), and something
    that is no container at all counts as the only position.
    """
    if container is None:
        return ()
    if isinstance(container, Mapping):  # a ModelOutput is one
        return tuple(container.items())
    if isinstance(container, tuple | list):
        return tuple((None, value) for value in container)
    return ((None, container),)


def keyed(container: Any) -> dict[str, Any]:
    """Key → value of the positions that have a key."""
    return {key: value for key, value in fields_of(container) if key is not None}


def declared_fields(container: Any) -> tuple[str, ...]:
    """Every field of a `ModelOutput`, those that are `None` too; nothing for another container."""
    if isinstance(container, ModelOutput) and is_dataclass(container):
        return tuple(field.name for field in fields(container))
    return ()


def tensors_in(value: Any) -> Iterator[torch.Tensor]:
    """Every tensor in nested tuples, lists, dicts and caches, in order."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, Mapping):
        for element in value.values():
            yield from tensors_in(element)
    else:
        for element in elements(value) or ():
            yield from tensors_in(element)


def is_fake(tensor: torch.Tensor) -> bool:
    """Whether it has a shape and no values."""
    return isinstance(tensor, FakeTensor)


def elements(value: Any) -> tuple[Any, ...] | None:
    """What a tuple, a list or a cache holds, a cache by its layers; `None` for another value."""
    layers = cache_layers(value)
    if layers is not None:
        return layers
    return tuple(value) if isinstance(value, tuple | list) else None


def kind_of(value: Any) -> ValueKind:
    """What a position holds."""
    if value is None:
        return "none"
    if isinstance(value, torch.Tensor):
        return "tensor"
    if cache_layers(value) is not None:
        return "cache"
    if isinstance(value, tuple):
        return "tuple"
    return "list" if isinstance(value, list) else "other"


def nesting(value: Any) -> int:
    """How many tuples the tensors of a slot are in; a cache stands for two."""
    if isinstance(value, tuple | list):
        return 1 + nesting(value[0]) if value else 1
    return 0 if cache_layers(value) is None else 2


def places_in(name: str, value: Any) -> Iterator[tuple[Place, torch.Tensor]]:
    """Every tensor of a slot with its place: `logits`, `hidden_states[3]`; those of one layer in a
    cache share the layer's place. What is no tensor and holds none has no place."""
    if isinstance(value, torch.Tensor):
        yield Place(slot=name), value
        return
    for index, element in enumerate(elements(value) or ()):
        for tensor in tensors_in(element):
            yield Place(slot=name, item=(index,)), tensor
