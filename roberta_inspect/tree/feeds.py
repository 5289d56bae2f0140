"""Which modules feed which slot, by the identity of the tensor in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch

from roberta_inspect.live.containers import places_in
from roberta_inspect.live.observe import Trace
from roberta_inspect.records import Place


def feeds_of(slots: Mapping[str, Any], trace: Trace) -> dict[str, tuple[Place, ...]]:
    """Path of a module → the places (`logits`, `hidden_states[3]`) that it feeds, in their order.

    `slots` are the named values of one call, and `trace` holds every visit of that call. A module
    feeds a place if it, or a module inside it, made the tensor there. The encoder, the base model
    and the model contain all of those, so they only feed what no module inside them returned.
    """
    fed_places: dict[str, dict[Place, None]] = {}
    for name, value in slots.items():
        for place, tensor in places_in(name, value):
            for path in _makers(tensor, trace):
                fed_places.setdefault(path, {})[place] = None
    return {path: tuple(places) for path, places in fed_places.items()}


def _makers(tensor: torch.Tensor, trace: Trace) -> tuple[str, ...]:
    """The module that made the tensor, those around it, and the last that handed it on."""
    makers = trace.makers(tensor)
    if not makers:
        return ()
    stages = trace.anatomy.stages
    inside = [path for path in _around(makers[0]) if path in trace.visits and path not in stages]
    return tuple(dict.fromkeys([makers[0], *inside, makers[-1]]))


def _around(path: str) -> Iterator[str]:
    while path := path.rpartition(".")[0]:
        yield path
