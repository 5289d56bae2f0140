"""What the configuration and the weight files say besides the weights, as fields of a record."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from roberta_inspect import releases
from roberta_inspect.checkpoint.header import Header
from roberta_inspect.records import LabelSources
from roberta_inspect.text import safe


def checkpoint_fields(
    model: Any, values: Mapping[str, Any] | None, header: Header | None
) -> dict[str, Any]:
    """Fields of a `Checkpoint`. `model` was built from `values`, the fields of config.json, and
    `header` is that of its files, under the names of the class; `None` without a file."""
    config = model.config
    return {
        "label_sources": None if values is None else read_label_sources(values, header),
        "ignored_settings": () if values is None else tuple(_ignored_settings(model, values)),
        "layers_in_file": None if header is None else _layers(header),
        "layers": getattr(config, "num_hidden_layers", None),
        "vocab_size": getattr(config, "vocab_size", None),
        "pad_token_id": getattr(config, "pad_token_id", None),
        "architectures": _classes(
            config.architectures if values is None else values.get("architectures")
        ),
    }


def read_label_sources(values: Mapping[str, Any], header: Header | None) -> LabelSources:
    """Where the number of labels can be read; `header` is that of the weight files, if any."""
    names, ids = values.get("id2label"), values.get("label2id")
    shapes = [
        shape
        for name, (_, shape) in (header or {}).items()
        if f".{name}".endswith(".classifier.out_proj.weight") and shape
    ]
    return LabelSources(
        num_labels=values.get("num_labels"),
        id2label=len(names) if names else None,
        label2id=len(ids) if ids else None,
        head_rows=shapes[0][0] if shapes else None,
    )


def _classes(named: Any) -> tuple[str, ...]:
    return (named,) if isinstance(named, str) else tuple(str(name) for name in named or ())


def _layers(header: Header) -> int:
    """How many encoder layers the files have, by the highest number in a name."""
    numbers = (re.search(r"\.encoder\.layer\.(\d{1,6})\.", f".{name}") for name in header)
    return max((int(number[1]) + 1 for number in numbers if number), default=0)


def _ignored_settings(model: Any, values: Mapping[str, Any]) -> list[str]:
    """Fields that would change what the model computes, and that this release ignores."""
    ignored = []
    kind = values.get("position_embedding_type") or "absolute"
    modules = list(model.modules())
    if kind not in {"absolute", *map(releases.position_embedding_of, modules)}:
        ignored.append(f"position_embedding_type {safe(kind)}: it has absolute positions alone")
    queries = [module.query for module in modules if hasattr(module, "query")]
    heads = values.get("pruned_heads")
    if heads and all(query.out_features == model.config.hidden_size for query in queries):
        ignored.append("pruned_heads: it builds every head")
    return ignored
