"""Wrappers around a classifier: named, and taken off."""

from __future__ import annotations

import copy
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from roberta_inspect.checkpoint import family, memory
from roberta_inspect.errors import CannotInspectError, UsageError
from roberta_inspect.text import safe, storage


def module_in(value: Any) -> nn.Module | None:
    """The module itself, or that of a pipeline or a Trainer; `None` for anything else."""
    if isinstance(value, nn.Module):
        return value
    model = getattr(value, "__dict__", {}).get("model")
    return model if isinstance(model, nn.Module) else None


def unwrap(model: Any) -> tuple[nn.Module, tuple[str, ...]]:
    """The classifier inside, and the classes of the wrappers around it, outermost first.

    Raises:
        UsageError: two classifiers are inside.
        CannotInspectError: a wrapper changes what the classifier computes.
    """
    wrappers = []
    while (inside := _inside(model)) is not None:
        wrappers.append(type(model).__name__)
        model = inside
    if isinstance(model, nn.Module) and (names := _inner_wrappers(model)):
        wrappers += sorted(names - {COMPILED_IN_PLACE})
        model = _plain_copy(model)
    return model, tuple(wrappers)


def _inside(model: Any) -> nn.Module | None:
    """What a wrapper holds; `None` where `model` is not a wrapper."""
    if not isinstance(model, nn.Module):
        return module_in(model)
    classifiers = tuple(row.cls for row in family.members().values())
    if isinstance(model, classifiers):
        return None
    if hasattr(model, "get_base_model"):
        _check_adapter(model)
        base: nn.Module = model.get_base_model()
        return base
    attributes = ("_orig_mod",), ("module",) if isinstance(model, _parallel()) else ()
    for name in (name for names in attributes for name in names if name in model._modules):
        return model._modules[name]
    paths = [path for path, module in model.named_modules() if isinstance(module, classifiers)]
    if len(paths) > 1:
        raise UsageError(
            f"a {safe(type(model).__name__)} holds more than one classifier: {safe(paths[0])} and "
            f"{safe(paths[1])}",
            hint="Give one of them, such as the module at the first of these paths.",
        )
    return model._modules[paths[0].partition(".")[0]] if paths else None


def _parallel() -> tuple[type, ...]:
    return (nn.DataParallel, nn.parallel.DistributedDataParallel)


def _check_adapter(model: Any) -> None:
    """Refuse an adapter that puts vectors of its own before the tokens: without it, the classifier
    inside returns something else."""
    if getattr(getattr(model, "active_peft_config", None), "is_prompt_learning", False):
        raise CannotInspectError(
            f"{safe(type(model).__name__)} puts learned vectors before the tokens, so that the "
            "classifier inside it returns something else",
            hint="Give the base model, model.get_base_model(), to inspect that one.",
        )


# Wrappers around modules inside a classifier: objects of torch.compile, and hooks of accelerate,
# which keep the weights of an offloaded model elsewhere, and its parameters on meta.

COMPILED_IN_PLACE = "compiled"


def _inner_wrappers(model: nn.Module) -> set[str]:
    """The classes of the wrappers around single modules."""
    modules = list(model.modules())
    offloaded = {type(hook).__name__ for module in modules for hook in _offload_hooks(module)}
    compiled = {type(module).__name__ for module in modules if _uncompiled(module) is not module}
    in_place = any(
        module._compiled_call_impl is not None or _compiled_forward(module) for module in modules
    )
    return offloaded | compiled | ({COMPILED_IN_PLACE} if in_place else set())


def _plain_copy(model: nn.Module) -> nn.Module:
    """A copy of a model without these wrappers, which shares the tensors in memory.

    Raises:
        CannotInspectError: there is no memory for offloaded weights, or `forward` was changed, too.
    """
    _check_memory(model)
    # An object of torch.compile writes through to the module inside: it must not be copied.
    copies = {
        module: copy.copy(module) for module in model.modules() if _uncompiled(module) is module
    }
    for module, module_copy in copies.items():
        _load_weights(module, module_copy)
        _restore_forward(module, vars(module_copy))
        module_copy._compiled_call_impl = None
        module_copy._modules = {
            name: None if child is None else copies[_uncompiled(child)]
            for name, child in module._modules.items()
        }
    return copies[_uncompiled(model)]


def _uncompiled(module: nn.Module) -> nn.Module:
    """The module inside an object of `torch.compile`, or the module itself."""
    inside = module._modules.get("_orig_mod")
    return module if inside is None else _uncompiled(inside)


def _compiled_forward(module: nn.Module) -> Any:
    """The method behind a `forward` that was compiled on the object; `None` without one."""
    return getattr(vars(module).get("forward"), "_torchdynamo_orig_callable", None)


def _offload_hooks(module: nn.Module) -> list[Any]:
    outer = getattr(module, "_hf_hook", None)
    hooks = getattr(outer, "hooks", () if outer is None else (outer,))
    return [hook for hook in hooks if getattr(hook, "weights_map", None) is not None]


def _check_memory(model: nn.Module) -> None:
    needed = sum(
        tensor.numel() * tensor.element_size() for tensor in model.parameters() if tensor.is_meta
    )
    free = memory.available()
    if free is not None and needed > free:
        raise CannotInspectError(
            f"the weights of this offloaded model need {storage(needed)} of memory, and "
            f"{storage(free)} are free",
            hint="Give the checkpoint with no_weights=True, or use a machine with more memory.",
        )


def _load_weights(module: nn.Module, module_copy: nn.Module) -> None:
    weights = {
        name: hook.weights_map[name]
        for hook in _offload_hooks(module)
        for name, tensor in (*module._parameters.items(), *module._buffers.items())
        if tensor is not None and tensor.is_meta
    }
    module_copy._parameters = {
        name: nn.Parameter(weights[name], requires_grad=False) if name in weights else parameter
        for name, parameter in module._parameters.items()
    }
    module_copy._buffers = {
        name: weights.get(name, buffer) for name, buffer in module._buffers.items()
    }


def _restore_forward(module: nn.Module, attributes: dict[str, Any]) -> None:
    """The `forward` of the class in `attributes`, where a hook or `torch.compile` was around it."""
    hooked = attributes.pop("_old_forward", None)
    attributes.pop("_hf_hook", None)
    original = hooked or _compiled_forward(module)
    if getattr(original, "__func__", None) is type(module).forward:
        del attributes["forward"]
    elif hooked is not None:
        raise CannotInspectError(
            f"the forward of an offloaded {safe(type(module).__name__)} was replaced",
            hint="Inspect the model before it is offloaded.",
        )


_STANCE = threading.Lock()
_eager: list[Any] = []
"""The active stance of torch.compile, once for each caller."""


@contextmanager
def eager() -> Iterator[None]:
    """Run compiled modules as plain Python.

    The setting belongs to the process: the first thread that enters sets it, and the last one that
    leaves restores it.
    """
    # Slow to import, and a process without it has compiled nothing.
    if "torch._dynamo" not in sys.modules or not hasattr(torch.compiler, "set_stance"):
        yield
        return
    with _STANCE:
        stance = _eager[0] if _eager else torch.compiler.set_stance("force_eager")
        if not _eager:
            stance.__enter__()
        _eager.append(stance)
    try:
        yield
    finally:
        with _STANCE:
            _eager.pop()
            if not _eager:
                stance.__exit__(None, None, None)
