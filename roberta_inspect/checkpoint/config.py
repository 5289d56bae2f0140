"""`config.json`, checked field by field before transformers sees it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, get_args

from roberta_inspect.checkpoint import family, files
from roberta_inspect.checkpoint.dtype import DTYPES
from roberta_inspect.checkpoint.forms import inner_checkpoint
from roberta_inspect.errors import CannotInspectError
from roberta_inspect.records import ProblemType
from roberta_inspect.text import listed, safe

MOST_LABELS = 2**17
"""More are not tried: transformers keeps several copies of a name, a kilobyte for each label."""


class FieldRule(NamedTuple):
    """What a field may be, in words and as a test."""

    allowed: str
    fits: Callable[[Any], bool]


def _is_int(value: Any) -> bool:
    return type(value) is int  # a bool is not a size


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _optional(rule: FieldRule) -> FieldRule:
    return FieldRule(f"{rule.allowed}, or null", lambda value: value is None or rule.fits(value))


def _one_of(*names: str) -> FieldRule:
    return FieldRule(f"one of {', '.join(names)}", lambda value: value in names)


def _is_labels(value: Any) -> bool:
    if not isinstance(value, dict) or not 0 < len(value) <= MOST_LABELS:
        return False
    named = all(name is None or isinstance(name, str | int | float) for name in value.values())
    # Gaps are allowed: transformers counts the names.
    return named and all(key.isascii() and key.isdecimal() and len(key) < 10 for key in value)


_SIZE = FieldRule(
    "a whole number from 1 to 2**63 - 1", lambda value: _is_int(value) and 0 < value < 2**63
)
_LABELS = FieldRule(
    f"a whole number from 1 to {MOST_LABELS:,}",
    lambda value: _is_int(value) and 0 < value <= MOST_LABELS,
)
_COUNT = FieldRule("a whole number from 0 on", lambda value: _is_int(value) and value >= 0)
_TOKENS = FieldRule(
    "a token id or a list of them",
    lambda value: all(map(_COUNT.fits, value if isinstance(value, list) else [value])),
)
_FLAG = FieldRule("true or false", lambda value: type(value) is bool)
_SHARE = FieldRule("a number from 0 to 1", lambda value: _is_number(value) and 0 <= value <= 1)
_AMOUNT = FieldRule("a number from 0 on", lambda value: _is_number(value) and value >= 0)
_OBJECT = FieldRule("an object from label names to ids", lambda value: isinstance(value, dict))
_ATTENTION = FieldRule(
    "eager, sdpa or another name without a slash",
    lambda value: isinstance(value, str) and "/" not in value,
)
_CLASSES = FieldRule(
    "a list of class names",
    lambda value: (
        isinstance(value, str)
        or (isinstance(value, list) and all(isinstance(name, str) for name in value))
    ),
)

_SIZES = (
    *("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads"),
    *("intermediate_size", "max_position_embeddings", "type_vocab_size"),
)
_FLAGS = (
    *("is_decoder", "add_cross_attention", "use_cache", "tie_word_embeddings"),
    *("return_dict", "output_hidden_states", "output_attentions"),
)

FIELD_RULES: Mapping[str, FieldRule] = {
    **dict.fromkeys(_SIZES, _SIZE),
    **dict.fromkeys(_FLAGS, _FLAG),
    "num_labels": _optional(_LABELS),
    **dict.fromkeys(("hidden_dropout_prob", "attention_probs_dropout_prob"), _SHARE),
    "classifier_dropout": _optional(_SHARE),
    **dict.fromkeys(("layer_norm_eps", "initializer_range"), _AMOUNT),
    "chunk_size_feed_forward": _COUNT,
    "pad_token_id": _COUNT,
    "bos_token_id": _optional(_COUNT),
    "eos_token_id": _optional(_TOKENS),
    "hidden_act": FieldRule("the name of an activation", lambda value: isinstance(value, str)),
    "position_embedding_type": _optional(_one_of("absolute", "relative_key", "relative_key_query")),
    "problem_type": _optional(_one_of(*get_args(ProblemType))),
    "id2label": _optional(
        FieldRule(
            f"an object from the label ids 0, 1, … to at most {MOST_LABELS:,} label names",
            _is_labels,
        )
    ),
    "label2id": _optional(_OBJECT),
    **dict.fromkeys(("attn_implementation", "_attn_implementation"), _optional(_ATTENTION)),
    **dict.fromkeys(("dtype", "torch_dtype"), _optional(_one_of(*DTYPES))),
    "architectures": _optional(_CLASSES),
}
"""Every field that the class or this tool reads; a missing one has transformers' default."""

_ELSEWHERE = {
    "quantization_config": "asks for quantised weights, which change what a tensor means",
    "transformers_weights": "names another weight file than the checkpoint's own",
}
"""Fields that make `from_pretrained` load something else than the plain weights beside them."""


def read_config(directory: Path) -> dict[str, Any]:
    """The fields of `config.json`, each of the right type and range, without defaults.

    Raises:
        CannotInspectError: unreadable, of another architecture, or a field out of range.
    """
    path = directory / "config.json"
    if files.present(directory / "adapter_config.json"):
        raise files.file_error(
            directory,
            "holds an adapter_config.json, which makes from_pretrained load another checkpoint",
            hint="Merge the adapter into its base model and save that.",
        )
    if not files.present(path):
        raise files.file_error(
            directory,
            "holds no config.json",
            hint=inner_checkpoint(directory) or "Give a directory that save_pretrained wrote.",
        )
    values = files.json_object(path)
    if not values.keys() & {*FIELD_RULES, "model_type"}:
        raise files.file_error(
            path,
            f"is not the configuration of a model: it has {_field_names(values)}",
            hint="Give a directory that save_pretrained wrote.",
        )
    family.member_in(path, values)
    for name, value in values.items():
        if name in FIELD_RULES and not FIELD_RULES[name].fits(value):
            raise field_error(path, name, value, FIELD_RULES[name].allowed)
        if name in _ELSEWHERE and value is not None:
            raise files.file_error(
                f"{path}: {name}", _ELSEWHERE[name], hint="Save the model in its plain form."
            )
    return values


def with_labels(values: dict[str, Any], num_labels: int | None) -> dict[str, Any]:
    """The fields with as many labels as an adapter's head has, where it has one."""
    own = len(values.get("id2label") or ()) or values.get("num_labels") or 2
    if num_labels in (None, own):
        return values
    fields = {name: value for name, value in values.items() if name not in ("id2label", "label2id")}
    return {**fields, "num_labels": num_labels}


def check_together(directory: Path, values: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
    """Check fields against each other, with transformers' `defaults` for missing ones.

    Raises:
        CannotInspectError: the two that do not fit, and what would.
    """
    path = directory / "config.json"
    whole = {**defaults, **values}
    hidden, heads = whole["hidden_size"], whole["num_attention_heads"]
    if hidden % heads:
        raise field_error(
            path, "num_attention_heads", heads, f"a divisor of hidden_size {hidden:,}"
        )
    pad, vocabulary = whole["pad_token_id"], whole["vocab_size"]
    if pad >= vocabulary:
        raise field_error(path, "pad_token_id", pad, f"below vocab_size {vocabulary:,}")
    positions = whole["max_position_embeddings"]
    if positions <= pad + 1:
        allowed = f"more than {pad + 1:,}: positions start at pad_token_id + 1"
        raise field_error(path, "max_position_embeddings", positions, allowed)


def _field_names(values: Mapping[str, Any]) -> str:
    return listed(tuple(values), most=4, show=partial(safe, longest=40)) or "no field"


def mend(values: Mapping[str, Any]) -> str:
    """What to do about checked `values` that transformers refuses."""
    labels = values.get("num_labels") or len(values.get("id2label") or ())
    if values.get("problem_type") == "single_label_classification" and labels == 1:
        return (
            'One label is a regression: set problem_type to "regression" in config.json; a head '
            "that decides between two classes has two labels."
        )
    return "Correct the field in config.json."


def field_error(path: Path, name: str, value: Any, allowed: str) -> CannotInspectError:
    """The error for a field: file, field, value, and what is allowed."""
    shown = "null" if value is None else safe(value, longest=60)
    return CannotInspectError(
        f"{safe(path)}: {safe(name)} is {shown}, it must be {allowed}",
        hint=f"Correct {safe(name)} in config.json.",
    )
