"""`config.json`, checked field by field before transformers sees it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, get_args

from roberta_inspect.checkpoint import family, files
from roberta_inspect.checkpoint.dtype import DTYPES
from roberta_inspect.errors import CannotInspectError
from roberta_inspect.records import ProblemType
from roberta_inspect.text import safe

MOST_LABELS = 2**17
"""Labels that are tried: transformers keeps their names several times, a kilobyte for each."""


class Field(NamedTuple):
    """What a field may be: the words for it, and the test."""

    allowed: str
    fits: Callable[[Any], bool]


def _is_int(value: Any) -> bool:
    return type(value) is int  # a bool is no size


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _optional(field: Field) -> Field:
    return Field(f"{field.allowed}, or null", lambda value: value is None or field.fits(value))


def _one_of(*names: str) -> Field:
    return Field(f"one of {', '.join(names)}", lambda value: value in names)


def _is_labels(value: Any) -> bool:
    if not isinstance(value, dict) or not 0 < len(value) <= MOST_LABELS:
        return False
    named = all(isinstance(name, str | int | float) for name in value.values())
    return named and value.keys() == {str(number) for number in range(len(value))}


_SIZE = Field(
    "a whole number from 1 to 2**63 - 1", lambda value: _is_int(value) and 0 < value < 2**63
)
_LABELS = Field(
    f"a whole number from 1 to {MOST_LABELS:,}",
    lambda value: _is_int(value) and 0 < value <= MOST_LABELS,
)
_COUNT = Field("a whole number from 0 on", lambda value: _is_int(value) and value >= 0)
_TOKENS = Field(
    "a token id or a list of them",
    lambda value: all(map(_COUNT.fits, value if isinstance(value, list) else [value])),
)
_FLAG = Field("true or false", lambda value: type(value) is bool)
_SHARE = Field("a number from 0 to 1", lambda value: _is_number(value) and 0 <= value <= 1)
_AMOUNT = Field("a number from 0 on", lambda value: _is_number(value) and value >= 0)
_OBJECT = Field("an object from label names to ids", lambda value: isinstance(value, dict))
_ATTENTION = Field(
    "eager, sdpa or another name without a slash",
    lambda value: isinstance(value, str) and "/" not in value,
)
_CLASSES = Field(
    "a list of class names",
    lambda value: isinstance(value, list) and all(isinstance(each, str) for each in value),
)

_SIZES = (
    *("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads"),
    *("intermediate_size", "max_position_embeddings", "type_vocab_size"),
)
_FLAGS = (
    *("is_decoder", "add_cross_attention", "use_cache", "tie_word_embeddings"),
    *("return_dict", "output_hidden_states", "output_attentions"),
)

FIELDS: Mapping[str, Field] = {
    **dict.fromkeys(_SIZES, _SIZE),
    **dict.fromkeys(_FLAGS, _FLAG),
    "num_labels": _LABELS,
    **dict.fromkeys(("hidden_dropout_prob", "attention_probs_dropout_prob"), _SHARE),
    "classifier_dropout": _optional(_SHARE),
    **dict.fromkeys(("layer_norm_eps", "initializer_range"), _AMOUNT),
    "chunk_size_feed_forward": _COUNT,
    "pad_token_id": _COUNT,
    "bos_token_id": _optional(_COUNT),
    "eos_token_id": _optional(_TOKENS),
    "hidden_act": Field("the name of an activation", lambda value: isinstance(value, str)),
    "position_embedding_type": _one_of("absolute", "relative_key", "relative_key_query"),
    "problem_type": _optional(_one_of(*get_args(ProblemType))),
    "id2label": Field(
        f"an object from the label ids 0, 1, … to at most {MOST_LABELS:,} label names", _is_labels
    ),
    "label2id": _optional(_OBJECT),
    **dict.fromkeys(("attn_implementation", "_attn_implementation"), _optional(_ATTENTION)),
    **dict.fromkeys(("dtype", "torch_dtype"), _optional(_one_of(*DTYPES))),
    "architectures": _optional(_CLASSES),
}
"""Every field that the class or the tool reads; one that is not there has transformers' default."""

_ELSEWHERE = {
    "quantization_config": "asks for quantised weights, which change what a tensor means",
    "transformers_weights": "names another weight file than the checkpoint's own",
}
"""Fields that make `from_pretrained` load something else than the plain weights beside them."""


def read_config(directory: Path) -> dict[str, Any]:
    """The fields of `config.json`, each of the right type and range; no default filled in.

    Raises:
        CannotInspectError: unreadable, of another architecture, or a field that cannot be.
    """
    path = directory / "config.json"
    if files.present(directory / "adapter_config.json"):
        raise files.fault(
            directory,
            "holds an adapter_config.json, which makes from_pretrained load another checkpoint",
            hint="Merge the adapter into its base model and save that.",
        )
    if not files.present(path):
        raise files.fault(
            directory,
            "holds no config.json",
            hint="Give a directory that save_pretrained wrote.",
        )
    values = files.json_object(path)
    family.member_in(path, values)
    for name, value in values.items():
        if name in FIELDS and not FIELDS[name].fits(value):
            raise wrong(path, name, value, FIELDS[name].allowed)
        if name in _ELSEWHERE and value is not None:
            raise files.fault(
                f"{path}: {name}", _ELSEWHERE[name], hint="Save the model in its plain form."
            )
    return values


def with_labels(values: dict[str, Any], num_labels: int | None) -> dict[str, Any]:
    """The fields with as many labels as an adapter's head has, where it has one."""
    own = len(values["id2label"]) if "id2label" in values else values.get("num_labels", 2)
    if num_labels in (None, own):
        return values
    kept = {name: each for name, each in values.items() if name not in ("id2label", "label2id")}
    return {**kept, "num_labels": num_labels}


def check_together(directory: Path, values: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
    """What fields say about each other, with transformers' `defaults` for those left out.

    Raises:
        CannotInspectError: the two that do not fit, and what would.
    """
    path = directory / "config.json"
    whole = {**defaults, **values}
    hidden, heads = whole["hidden_size"], whole["num_attention_heads"]
    if hidden % heads:
        raise wrong(path, "num_attention_heads", heads, f"a divisor of hidden_size {hidden:,}")
    pad, vocabulary = whole["pad_token_id"], whole["vocab_size"]
    if pad >= vocabulary:
        raise wrong(path, "pad_token_id", pad, f"below vocab_size {vocabulary:,}")
    positions = whole["max_position_embeddings"]
    if positions <= pad + 1:
        allowed = f"more than {pad + 1:,}: positions start at pad_token_id + 1"
        raise wrong(path, "max_position_embeddings", positions, allowed)
    labels, names = values.get("num_labels"), values.get("id2label")
    if labels is not None and names is not None and labels != len(names):
        raise wrong(path, "num_labels", labels, f"{len(names):,}, as many as id2label names")


def wrong(path: Path, name: str, value: Any, allowed: str) -> CannotInspectError:
    """The error for a field: file, field, value, and what is allowed."""
    shown = "null" if value is None else safe(value, longest=60)
    return CannotInspectError(
        f"{safe(path)}: {safe(name)} is {shown}, it must be {allowed}",
        hint=f"Correct {safe(name)} in config.json.",
    )
