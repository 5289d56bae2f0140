"""What differs between releases of transformers: each function asks for the feature itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from roberta_inspect.version import __version__


def versions() -> dict[str, str]:
    """What a map or a tree is made with, in the fields of `records.Versions`."""
    import platform

    import torch
    import transformers

    return {
        "roberta_inspect": __version__,
        "transformers": transformers.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def cache_layers(value: Any) -> tuple[tuple[Any, ...], ...] | None:
    """The keys and values in a cache object, per layer; `None` for anything else.

    Tensors are of shape `(batch_size, num_heads, key_length, head_size)`: keys and values of the
    self-attention, then those of the cross-attention where the cache holds them. Older releases
    return plain tuples instead, which are not cache objects.
    """
    if hasattr(value, "self_attention_cache"):
        own = cache_layers(value.self_attention_cache) or ()
        cross = cache_layers(value.cross_attention_cache) or ()
        rest = cross + ((),) * (len(own) - len(cross))
        return tuple(layer + extra for layer, extra in zip(own, rest, strict=True))
    if hasattr(value, "key_cache"):
        return tuple(zip(value.key_cache, value.value_cache, strict=True))
    if hasattr(value, "layers") and hasattr(value, "get_seq_length"):
        return tuple((layer.keys, layer.values) for layer in value.layers)
    return None


def configured_flags(config: Any) -> dict[str, str]:
    """What decides where `forward` is not told: each flag's value in the configuration, as JSON."""
    flags = ("return_dict", "output_hidden_states", "output_attentions")
    return {name: json.dumps(getattr(config, name, None), default=str) for name in flags}


def attention_of(config: Any) -> str:
    """The attention implementation in use: `eager`, `sdpa` …

    Releases that let the configuration choose keep the choice in `_attn_implementation`; where a
    class knows only one, none is kept and the class computes the weights itself.
    """
    return getattr(config, "_attn_implementation", None) or "eager"


def position_embedding_of(module: Any) -> str:
    """The kind of position embedding that the embeddings or a self-attention use: `absolute` …

    Releases that let the configuration choose keep the choice in every such module; the others
    have none but absolute ones.
    """
    return getattr(module, "position_embedding_type", "absolute")


def has_own_forward(module: Any) -> bool:
    """Whether a module runs the `forward` of its class, and not one that was set on the object.

    Some releases capture outputs by setting a `forward` on each layer for as long as a call lasts,
    and afterwards set the one of the class on it.
    """
    forward = vars(module).get("forward")
    if forward is None or getattr(forward, "__func__", None) is type(module).forward:
        return True
    code = getattr(forward, "__code__", None)
    return code is not None and Path(code.co_filename).parts[-3:] == CAPTURES


CAPTURES = ("transformers", "utils", "generic.py")
"""The end of the path of the file that sets it."""


def switch_attention(model: Any, implementation: str) -> bool:
    """Have a loaded model use another attention implementation; whether all of it does so.

    The oldest releases have no such method, and later ones have one that leaves RoBERTa as it was.
    A module with a configuration of its own is not reached.
    """
    if not hasattr(model, "set_attn_implementation"):
        return False
    model.set_attn_implementation(implementation)
    configs = [module.config for module in model.modules() if hasattr(module, "config")]
    return all(attention_of(config) == implementation for config in configs)


def unpickles_safely() -> bool:
    """Whether `torch.load(weights_only=True)` executes nothing that a file asks for.

    It could be made to before torch 2.6 (CVE-2025-32434). No feature shows that it is mended, so
    the version number is compared.
    """
    import torch

    major, minor = torch.__version__.split(".")[:2]
    return (int(major), int(minor)) >= (2, 6)


def dtype_argument() -> str:
    """What `from_pretrained` calls the dtype: `torch_dtype`, later `dtype`."""
    from transformers import PretrainedConfig

    return "dtype" if hasattr(PretrainedConfig(), "dtype") else "torch_dtype"


def loads_in_the_files_dtype() -> bool:
    """Whether `from_pretrained` keeps the checkpoint's dtype unless told; it was float32 before.

    Nothing that can be called shows it, so the source is searched for the default.
    """
    import inspect

    from transformers import PreTrainedModel

    return 'dtype = "auto"' in inspect.getsource(PreTrainedModel.from_pretrained)


def renames_every_name() -> bool:
    """Whether `from_pretrained` puts the base model's prefix on, or takes it off, name by name.

    It used to look at the file as a whole, and to put the prefix on all of its names or on none.
    """
    import importlib.util

    return importlib.util.find_spec("transformers.core_model_loading") is not None
