"""A model to call in place of the user's, so that nothing about theirs changes.

A twin has modules, hook tables, buffers and a configuration of its own, and shares the parameters.
Whoever calls the model meanwhile, in another thread, gets what they always got.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from roberta_inspect.releases import has_own_forward


@contextmanager
def stand_in(model: nn.Module) -> Iterator[Any]:
    """A twin of `model` in eval mode; or `model` itself where its code is bound to it, put back
    afterwards. The random generators are as before afterwards, too."""
    with _random_states_kept():
        if has_twin(model):
            yield _twin(model).eval()
        else:
            with _as_found(model):
                yield model.eval()


def has_twin(model: nn.Module) -> bool:
    """Whether a twin can be made: a `forward` that was set on an object, and not in its class, and
    a hook, may hold on to that object, and a scripted module is not made of Python objects."""
    return not any(
        not has_own_forward(module)
        or isinstance(module, torch.jit.ScriptModule)
        or any(map(_holds_a_module, _hooks(module)))
        for module in model.modules()
    )


def _hooks(module: nn.Module) -> Iterator[Any]:
    yield from module._forward_hooks.values()
    yield from module._forward_pre_hooks.values()


def _holds_a_module(hook: Any) -> bool:
    cells = [cell.cell_contents for cell in getattr(hook, "__closure__", None) or ()]
    holders = [getattr(each, "__self__", each) for each in (hook, *cells)]
    return any(isinstance(holder, nn.Module) for holder in holders)


def reseed(number: int) -> None:
    """Put every random generator of the process into a state of its own for each `number`."""
    random.seed(number)
    np.random.seed(number)
    torch.manual_seed(number)  # of every device


def _twin(model: nn.Module) -> nn.Module:
    twins = {module: copy.copy(module) for module in model.modules()}
    configs: dict[int, Any] = {}
    for twin in twins.values():
        attributes = vars(twin)
        attributes.pop("forward", None)  # its class's own, as has_twin found
        for name, value in attributes.items():
            if isinstance(value, dict | list | set):
                attributes[name] = copy.copy(value)
        twin._modules = {
            name: None if child is None else twins[child] for name, child in twin._modules.items()
        }
        twin._buffers = {
            name: None if buffer is None else buffer.clone()
            for name, buffer in twin._buffers.items()
        }
        config = attributes.get("config")
        if config is not None:
            attributes["config"] = configs.setdefault(id(config), copy.deepcopy(config))
    return twins[model]


@contextmanager
def _as_found(model: nn.Module) -> Iterator[None]:
    """Put everything back afterwards: hooks, attributes, training mode, buffers and configuration.

    Every table is replaced for the time being, and never emptied: another thread may be reading
    it, and whoever registered a hook holds on to the table that it stands in.
    """
    owners = [*model.modules(), *([model.config] if hasattr(model, "config") else [])]
    found = [(vars(owner), dict(vars(owner))) for owner in owners]
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    for attributes, before in found:
        attributes.update({k: copy.copy(v) for k, v in before.items() if isinstance(v, dict)})
    try:
        yield
    finally:
        for attributes, before in found:
            attributes.update(before)
            for name in attributes.keys() - before.keys():
                del attributes[name]
        with torch.no_grad():
            for buffer, values in buffers:
                buffer.copy_(values)


@contextmanager
def _random_states_kept() -> Iterator[None]:
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_available() else []
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=devices):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)
