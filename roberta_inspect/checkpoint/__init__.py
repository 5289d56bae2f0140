"""Where the weights come from: found, checked before anything is allocated, then loaded."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from roberta_inspect.checkpoint.hub import has_weights
from roberta_inspect.checkpoint.location import Location, locate

if TYPE_CHECKING:
    from roberta_inspect.checkpoint.fake import Skeleton, skeleton
    from roberta_inspect.checkpoint.loading import Loaded, load, load_tokenizer

_HOME = {
    "Loaded": "loading",
    "Skeleton": "fake",
    "load": "loading",
    "load_tokenizer": "loading",
    "skeleton": "fake",
}
"""Public name → the module it lives in; those import torch, so they wait for the first use."""

__all__ = [
    "Loaded",
    "Location",
    "Skeleton",
    "has_weights",
    "load",
    "load_tokenizer",
    "locate",
    "skeleton",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
