"""A directory with a PEFT adapter: its base model with the adapter in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import nn

from roberta_inspect.checkpoint import files, hub, weights
from roberta_inspect.checkpoint.fake import skeleton
from roberta_inspect.checkpoint.header import Header, Shapes, read_header
from roberta_inspect.checkpoint.load import Loaded, load
from roberta_inspect.checkpoint.locate import Location, locate
from roberta_inspect.checkpoint.pickled import read_pickled_header
from roberta_inspect.checkpoint.wrappers import unwrap
from roberta_inspect.errors import CannotInspectError
from roberta_inspect.text import safe

CONFIG = "adapter_config.json"
ADAPTER_FORMS = ("adapter_model.safetensors", "adapter_model.bin")
"""The file of the adapter's tensors, in the order in which PEFT looks."""

BASE = "base_model_name_or_path"
PREFIX = "base_model.model."
"""What PEFT puts before the names of the tensors in its file."""


def is_adapter(location: Location) -> bool:
    """Whether a directory holds an adapter."""
    return location.directory is not None and files.present(location.directory / CONFIG)


def load_adapter(
    location: Location,
    *,
    attention: str | None = None,
    dtype: str | None = None,
    device: str = "cpu",
    no_weights: bool = False,
) -> Loaded:
    """The base model, from a directory or the Hub, with the adapter of `location` in it.

    Raises:
        UsageError: no such dtype, device or attention implementation.
        CannotInspectError: there is no peft, no base model, or a broken or foreign file.
    """
    directory = location.directory or Path()
    settings = _adapter_settings(directory)
    header, file = _header(directory)
    base_location = _base_location(directory, settings)
    rows = [shape[0] for name, (_, shape) in header.items() if name.endswith("out_proj.weight")]
    labels = rows[0] if rows else None
    if no_weights or not hub.has_weights(base_location):
        base = skeleton(base_location, attention=attention, dtype=dtype, num_labels=labels)
    else:
        base = load(
            base_location, attention=attention, dtype=dtype, device=device, num_labels=labels
        )
    shapes = {name: tuple(value.shape) for name, value in base.model.state_dict().items()}
    model, _ = unwrap(_with_adapter(base, directory))
    return replace(
        base,
        model=model.eval(),
        weights=_judge_both(base, shapes, header, file),
        header=None if base.header is None else _merged_header(base.header, header, model),
        source=location.source,
    )


def _adapter_settings(directory: Path) -> dict[str, Any]:
    """The adapter's configuration, checked before PEFT sees it."""
    path = directory / CONFIG
    settings = files.json_object(path)
    if not isinstance(settings.get(BASE), str) or not settings[BASE]:
        raise files.file_error(path, f"names no {BASE}", hint=f"Set {BASE} to the base model.")
    if settings.get("megatron_config"):
        raise files.file_error(
            path,
            "asks for Megatron, whose code PEFT imports by a name in that file",
            hint="Save the adapter without megatron_config.",
        )
    if find_spec("peft") is None:
        raise CannotInspectError(
            f"{safe(directory)} holds a PEFT adapter, and peft is not installed",
            hint='Install it: pip install "roberta-inspect[peft]".',
        )
    return settings


def _base_location(directory: Path, settings: Mapping[str, Any]) -> Location:
    try:
        location = locate(settings[BASE])
    except CannotInspectError as error:
        raise CannotInspectError(
            f"the base model of {safe(directory)} is missing: {error.message}",
            hint=f"Correct {BASE} in {CONFIG}.",
        ) from error
    revision = settings.get("revision")
    return replace(location, revision=revision) if location.repo and revision else location


def _header(directory: Path) -> tuple[Header, str]:
    """The adapter's tensors under the class's names, and the name of their file."""
    for name in ADAPTER_FORMS:
        path = directory / name
        if files.present(path):
            header = read_header(path) if name == ADAPTER_FORMS[0] else read_pickled_header(path)
            return {key.removeprefix(PREFIX): value for key, value in header.items()}, name
    raise files.file_error(
        directory,
        f"holds an adapter_config.json and neither {ADAPTER_FORMS[0]} nor {ADAPTER_FORMS[1]}",
    )


def _with_adapter(base: Loaded, directory: Path) -> Any:
    failed = f"peft cannot load the adapter in {safe(directory)}"
    with files.errors_as(failed, hint="Check that it belongs to its base model."):
        from peft import PeftConfig, PeftModel, get_peft_model

        if base.mode is None:
            return PeftModel.from_pretrained(base.model, str(directory))
        # PEFT moves tensors between devices, and fake ones cannot be moved.
        _remake(base.model, "meta")
        with torch.device("meta"):
            adapted = get_peft_model(base.model, PeftConfig.from_pretrained(str(directory)))
        with base.mode:
            _remake(adapted, "cpu")
        return adapted


def _remake(model: nn.Module, device: str) -> None:
    """Replace a model's tensors by tensors without values on `device`."""
    for module in model.modules():
        for name, tensor in module._parameters.items():
            if tensor is not None:
                new = torch.empty(tensor.shape, dtype=tensor.dtype, device=device)
                module._parameters[name] = nn.Parameter(new, requires_grad=False)
        for name, tensor in module._buffers.items():
            if tensor is not None:
                new = torch.empty(tensor.shape, dtype=tensor.dtype, device=device)
                module._buffers[name] = new


def _judge_both(base: Loaded, shapes: Shapes, header: Header, file: str) -> Any:
    """The verdict on both files together, and where the head came from."""
    if base.weights.verdict == "no-weights":
        return base.weights
    missing = base.weights.missing
    names = [name for name in (*shapes, *base.weights.unexpected) if name not in missing]
    both: Header = dict.fromkeys((*names, *(name for name in header if name in shapes)), ("", ()))
    own = weights.verdict_of(both, shapes, base.model.base_model_prefix, base.weights.files)
    head = {name for name in shapes if name.startswith("classifier.")}
    in_adapter = head & header.keys()
    return replace(
        own,
        files=(*base.weights.files, file),
        head_from="adapter" if in_adapter else "random" if head & {*missing} else "base",
    )


def _merged_header(base: Header, adapter: Header, model: Any) -> Header:
    """Tensor name in the adapted model → its dtype and shape in the files."""
    header: Header = {}
    for name in model.state_dict(keep_vars=True):
        plain = name.replace(".base_layer.", ".").replace(".original_module.", ".")
        saved = re.sub(r"\.(modules_to_save\.)?default\.", ".", name)
        stored = adapter.get(saved) if saved != name else base.get(plain)
        if stored is not None:
            header[name] = stored
    return header
