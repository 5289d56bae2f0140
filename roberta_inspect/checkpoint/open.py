"""One function for every kind of checkpoint: it becomes a model, or is refused in a sentence."""

from __future__ import annotations

import os
from typing import Any

from roberta_inspect.checkpoint import family, hub
from roberta_inspect.checkpoint.adapter import is_adapter, load_adapter
from roberta_inspect.checkpoint.fake import skeleton
from roberta_inspect.checkpoint.load import Loaded, load
from roberta_inspect.checkpoint.locate import locate
from roberta_inspect.checkpoint.wrappers import module_in, unwrap
from roberta_inspect.errors import CannotInspectError, UsageError
from roberta_inspect.records import Weights
from roberta_inspect.text import safe


def is_live(checkpoint: Any) -> bool:
    """Whether it is a model object, or holds one."""
    return module_in(checkpoint) is not None


def open(  # noqa: A001
    checkpoint: Any = None,
    *,
    revision: str | None = None,
    attention: str | None = None,
    dtype: str | None = None,
    device: str | None = None,
    no_weights: bool = False,
    needs_values: bool = True,
) -> Loaded:
    """The model of a checkpoint.

    Args:
        checkpoint: a directory of a model or of a PEFT adapter, a Hub model id, `None` for the
            bundled demo, a live model, or a wrapper around one.
        revision: branch, tag or commit of a Hub model id.
        attention: attention implementation; `None` for what `from_pretrained` picks.
        dtype: dtype to load in; `None` for what `from_pretrained` picks.
        device: where the checkpoint's model runs; `None` for the CPU.
        no_weights: lay a checkpoint's model out on fake tensors; of its files the header is read.
        needs_values: refuse a live model on the meta device.

    Raises:
        UsageError: it is none of these, or an option does not fit it.
        CannotInspectError: no such checkpoint, an unreadable file, an unsupported architecture.
    """
    if is_live(checkpoint):
        options = {"revision": revision, "attention": attention, "dtype": dtype, "device": device}
        return _live(checkpoint, needs_values, **options, no_weights=no_weights)
    if checkpoint is not None and not isinstance(checkpoint, str | os.PathLike):
        raise UsageError(
            f"an object of type {safe(type(checkpoint).__name__)} is neither a checkpoint nor a "
            "model",
            hint="Give a directory, a Hub model id, a live model, or nothing for the bundled demo.",
        )
    location = locate(None if checkpoint is None else os.fsdecode(checkpoint), revision=revision)
    if is_adapter(location):
        return load_adapter(
            location,
            attention=attention,
            dtype=dtype,
            device=device or "cpu",
            no_weights=no_weights,
        )
    if no_weights or not hub.has_weights(location):
        return skeleton(location, attention=attention, dtype=dtype)
    return load(location, attention=attention, dtype=dtype, device=device or "cpu")


def _live(model: Any, needs_values: bool, **options: Any) -> Loaded:
    """A model object as it is; all its weights count as loaded, and no option applies."""
    for name in (name for name, value in options.items() if value not in (None, False)):
        raise UsageError(
            f"{name}= is for a checkpoint, and a live model is taken as it stands",
            hint=f"Leave {name}= out, or give the checkpoint instead.",
        )
    model, wrappers = unwrap(model)
    family.check_class(model)
    if needs_values and any(parameter.is_meta for parameter in model.parameters()):
        raise CannotInspectError(
            "the model is on the meta device, where tensors have no values",
            hint="Load its weights first, or give the checkpoint with no_weights=True.",
        )
    weights = Weights(verdict="complete", loaded=sum(1 for _ in model.parameters()))
    return Loaded(model=model, weights=weights, source="a live model", wrappers=wrappers)
