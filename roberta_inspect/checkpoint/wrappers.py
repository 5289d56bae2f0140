"""What users hold in their hands around a classifier: taken off, and named."""

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


def module_in(thing: Any) -> nn.Module | None:
    """The module that `thing` is, or that a pipeline or a Trainer holds; `None` for anything
    else."""
    if isinstance(thing, nn.Module):
        return thing
    held = getattr(thing, "__dict__", {}).get("model")
    return held if isinstance(held, nn.Module) else None


def taken_off(thing: Any) -> tuple[nn.Module, tuple[str, ...]]:
    """The classifier inside of `thing`, and the classes of what is around it, outermost first.

    Raises:
        UsageError: two classifiers are inside.
        CannotInspectError: what is around it changes what the classifier computes.
    """
    wrappers = []
    while (inside := _inside(thing)) is not None:
        wrappers.append(type(thing).__name__)
        thing = inside
    if isinstance(thing, nn.Module) and (names := _woven_in(thing)):
        wrappers += sorted(names - {COMPILED_IN_PLACE})
        thing = _plain(thing)
    return thing, tuple(wrappers)


def _inside(thing: Any) -> nn.Module | None:
    """What one wrapper is around; `None` where `thing` is none."""
    if not isinstance(thing, nn.Module):
        return module_in(thing)
    classifiers = tuple(row.cls for row in family.members().values())
    if isinstance(thing, classifiers):
        return None
    if hasattr(thing, "get_base_model"):
        _check_adapter(thing)
        base: nn.Module = thing.get_base_model()
        return base
    known = ("_orig_mod",), ("module",) if isinstance(thing, _parallel()) else ()
    for name in (name for names in known for name in names if name in thing._modules):
        return thing._modules[name]
    paths = [path for path, each in thing.named_modules() if isinstance(each, classifiers)]
    if len(paths) > 1:
        raise UsageError(
            f"a {safe(type(thing).__name__)} holds more than one classifier: {safe(paths[0])} and "
            f"{safe(paths[1])}",
            hint="Give one of them, such as the module at the first of these paths.",
        )
    return thing._modules[paths[0].partition(".")[0]] if paths else None


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


# What is around modules inside of a classifier: objects of torch.compile, and hooks of accelerate,
# which keep the weights of an offloaded model elsewhere, and its parameters on meta.

COMPILED_IN_PLACE = "compiled"


def _woven_in(model: nn.Module) -> set[str]:
    """The classes of what is around single modules."""
    modules = list(model.modules())
    offloaded = {type(hook).__name__ for module in modules for hook in _offload_hooks(module)}
    compiled = {type(module).__name__ for module in modules if _behind(module) is not module}
    in_place = any(
        module._compiled_call_impl is not None or _compiled_forward(module) for module in modules
    )
    return offloaded | compiled | ({COMPILED_IN_PLACE} if in_place else set())


def _plain(model: nn.Module) -> nn.Module:
    """A copy of a model without them, which shares what is in memory.

    Raises:
        CannotInspectError: there is no memory for offloaded weights, or `forward` was changed, too.
    """
    _check_memory(model)
    # An object of torch.compile writes through to what is inside of it: it must not be copied.
    copies = {module: copy.copy(module) for module in model.modules() if _behind(module) is module}
    for module, made in copies.items():
        _load_weights(module, made)
        _restore_forward(module, vars(made))
        made._compiled_call_impl = None
        made._modules = {
            name: None if child is None else copies[_behind(child)]
            for name, child in module._modules.items()
        }
    return copies[_behind(model)]


def _behind(module: nn.Module) -> nn.Module:
    """What `torch.compile` is around, or the module itself."""
    inside = module._modules.get("_orig_mod")
    return module if inside is None else _behind(inside)


def _compiled_forward(module: nn.Module) -> Any:
    """The method behind a `forward` that was compiled on the object; `None` without one."""
    return getattr(vars(module).get("forward"), "_torchdynamo_orig_callable", None)


def _offload_hooks(module: nn.Module) -> list[Any]:
    hook = getattr(module, "_hf_hook", None)
    hooks = getattr(hook, "hooks", () if hook is None else (hook,))
    return [each for each in hooks if getattr(each, "weights_map", None) is not None]


def _check_memory(model: nn.Module) -> None:
    needed = sum(each.numel() * each.element_size() for each in model.parameters() if each.is_meta)
    free = memory.available()
    if free is not None and needed > free:
        raise CannotInspectError(
            f"the weights of this offloaded model need {storage(needed)} of memory, and "
            f"{storage(free)} are free",
            hint="Give the checkpoint with no_weights=True, or use a machine with more memory.",
        )


def _load_weights(module: nn.Module, made: nn.Module) -> None:
    weights = {
        name: hook.weights_map[name]
        for hook in _offload_hooks(module)
        for name, tensor in (*module._parameters.items(), *module._buffers.items())
        if tensor is not None and tensor.is_meta
    }
    made._parameters = {
        name: nn.Parameter(weights[name], requires_grad=False) if name in weights else each
        for name, each in module._parameters.items()
    }
    made._buffers = {name: weights.get(name, each) for name, each in module._buffers.items()}


def _restore_forward(module: nn.Module, attributes: dict[str, Any]) -> None:
    """The `forward` of the class in `attributes`, where a hook or `torch.compile` was around it."""
    hooked = attributes.pop("_old_forward", None)
    attributes.pop("_hf_hook", None)
    before = hooked or _compiled_forward(module)
    if getattr(before, "__func__", None) is type(module).forward:
        del attributes["forward"]
    elif hooked is not None:
        raise CannotInspectError(
            f"the forward of an offloaded {safe(type(module).__name__)} was replaced",
            hint="Inspect the model before it is offloaded.",
        )


_STANCE = threading.Lock()
_eager: list[Any] = []
"""The stance of torch.compile that is in force, as often as somebody asked for it."""


@contextmanager
def eager() -> Iterator[None]:
    """Nothing is compiled meanwhile: a compiled module runs as it is written.

    The stance is one for the process: the first thread that asks sets it, and the last one that
    goes puts it back.
    """
    # Who compiled anything has imported this; nobody else should have to wait for it.
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
