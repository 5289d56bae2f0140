"""A batch of the user's own: tensors, arrays or lists under the keywords of `forward`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any

import torch

from roberta_inspect.errors import CannotInspectError, UsageError
from roberta_inspect.inputs.labels import labels_for
from roberta_inspect.inputs.limits import check_ids, usable_length, usable_words
from roberta_inspect.inputs.probe import (
    ATTENTION_MASK,
    FIELDS,
    INPUT_IDS,
    INPUTS_EMBEDS,
    MOST_KEPT,
    POSITION_IDS,
    TOKEN_TYPE_IDS,
    Probe,
)
from roberta_inspect.records import Input
from roberta_inspect.text import dtype_word, listed, safe, storage

LABELS_KEYWORD = "labels"
FLAGS = ("return_dict", "output_hidden_states", "output_attentions")
ALIKE = 0.8
"""How like two keywords are, from 0 to 1, for one to be a misspelling of the other."""


def from_inputs(
    config: Any,
    batch: Any,
    *,
    keywords: Collection[str],
    dtype: torch.dtype = torch.float32,
    labels: Any = None,
) -> Probe:
    """The input of a batch of the user's own.

    Args:
        config: the model's, with the sizes of its tables.
        batch: keyword of `forward` → tensor, array or list; `None` values are left out.
        keywords: those that `forward` has.
        dtype: of embeddings that are not given as a tensor.
        labels: as in `labels_for`, where the batch holds none.

    Raises:
        UsageError: it is no such mapping, or holds what the model cannot read.
    """
    values = _checked_names(batch, keywords)
    ignored = {name: _close_keyword(name, keywords) for name in batch if name not in keywords}
    own_labels = values.pop(LABELS_KEYWORD, None)
    if own_labels is not None and labels is not None:
        raise UsageError(
            "there are labels in inputs= and in labels=", hint="Give them in one of the two."
        )
    inputs = {name: _as_tensor(name, values[name], dtype) for name in FIELDS if name in values}
    batch_size, length = _check_axes(inputs, config)
    if POSITION_IDS in inputs:
        inputs[POSITION_IDS] = inputs[POSITION_IDS].expand(batch_size, length)
    _check_values(inputs, config)
    labels = labels if own_labels is None else own_labels
    return Probe(
        inputs=inputs,
        labels=labels_for(config, batch_size, labels, source="inputs"),
        source="inputs",
        ignored=ignored,
    )


def saved_inputs(saved: Input) -> dict[str, Any]:
    """The batch of a saved map.

    Raises:
        CannotInspectError: its numbers were not kept.
    """
    if saved.values is None:
        raise CannotInspectError(
            "the saved map was made of a batch that it does not hold: one of more than "
            f"{storage(MOST_KEPT)}, or with NaN or infinity",
            hint="Make both maps of that batch with inputs=, and compare those.",
        )
    dtypes = {field.name: getattr(torch, field.dtype) for field in saved.fields}
    tensors = {
        name: torch.tensor(values, dtype=dtypes.get(name)) for name, values in saved.values.items()
    }
    return {**tensors, **dict.fromkeys(saved.ignored)}


def _checked_names(batch: Any, keywords: Collection[str]) -> dict[str, Any]:
    """The values under keywords that `forward` knows, those that are `None` aside."""
    if not isinstance(batch, Mapping):
        raise UsageError(
            f"inputs= must be a mapping of forward's keywords, not a {safe(type(batch).__name__)}",
            hint='Give inputs={"input_ids": …, "attention_mask": …}, or what a tokenizer returned.',
        )
    for name in batch:
        if not isinstance(name, str):
            raise UsageError(
                f"inputs= has the key {safe(name, longest=40)}, which is not a keyword",
                hint="Give the names of forward's keywords, such as input_ids.",
            )
        if name in FLAGS:
            raise UsageError(
                f"inputs= holds {name}, and each call passes its own",
                hint="Take it out; output_hidden_states= and output_attentions= are arguments.",
            )
    values = {name: batch[name] for name in batch if batch[name] is not None and name in keywords}
    for name in values:
        if name not in (*FIELDS, LABELS_KEYWORD):
            raise UsageError(
                f"inputs= holds {safe(name)}, which cannot be given here",
                hint=f"Known are {listed([*FIELDS, LABELS_KEYWORD])}.",
            )
    if len({INPUT_IDS, INPUTS_EMBEDS} & values.keys()) != 1:
        both = "both input_ids and" if INPUT_IDS in values else "neither input_ids nor"
        raise UsageError(f"inputs= holds {both} inputs_embeds", hint="Give exactly one of the two.")
    return values


def _close_keyword(name: str, keywords: Collection[str]) -> str | None:
    fields = [field for field in (*FIELDS, LABELS_KEYWORD) if field in keywords]
    return next(iter(get_close_matches(name, fields, n=1, cutoff=ALIKE)), None)


def _as_tensor(name: str, value: Any, dtype: torch.dtype) -> torch.Tensor:
    try:
        tensor = value.detach() if isinstance(value, torch.Tensor) else torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise UsageError(
            f"{name} in inputs= makes no tensor: {safe(error)}".rstrip("."),
            hint="Give a tensor, an array, or lists of numbers, all rows of the same length.",
        ) from error
    if tensor.layout != torch.strided or tensor.is_meta or tensor.is_quantized:
        raise UsageError(
            f"{name} in inputs= is a tensor without plain values", hint="Give an ordinary tensor."
        )
    if name == INPUTS_EMBEDS and not isinstance(value, torch.Tensor):
        return tensor.to(dtype)
    return tensor


def _check_axes(inputs: Mapping[str, torch.Tensor], config: Any) -> tuple[int, int]:
    """The batch size and the sequence length, which all tensors share."""
    name = INPUT_IDS if INPUT_IDS in inputs else INPUTS_EMBEDS
    tokens = inputs[name]
    if name == INPUT_IDS and tokens.ndim == 1:
        raise UsageError(
            f"input_ids has shape {tuple(tokens.shape)}, and forward reads (batch_size, "
            "sequence_length)",
            hint="Put the row into a batch: input_ids[None], or one list more around it.",
        )
    expected = tuple(tokens.shape[:2]) + ((config.hidden_size,) if name == INPUTS_EMBEDS else ())
    if tokens.ndim < 2 or tuple(tokens.shape) != expected or 0 in expected:
        axes = f"hidden_size {config.hidden_size}" if name == INPUTS_EMBEDS else ""
        words = ", ".join(filter(None, ("batch_size", "sequence_length", axes)))
        raise UsageError(
            f"{name} has shape {tuple(tokens.shape)}, and forward reads ({words}), none of them 0",
            hint="Give a batch of at least one row of one token.",
        )
    rows, length = expected[:2]
    for field in (ATTENTION_MASK, TOKEN_TYPE_IDS, POSITION_IDS):
        allowed = [(rows, length), (1, length)] if field == POSITION_IDS else [(rows, length)]
        if field in inputs and tuple(inputs[field].shape) not in allowed:
            raise UsageError(
                f"{field} has shape {tuple(inputs[field].shape)}, and {name} is of "
                f"(batch_size {rows:,}, sequence_length {length:,})",
                hint=f"Give {field} of shape ({rows}, {length}).",
            )
    return rows, length


def _check_values(inputs: Mapping[str, torch.Tensor], config: Any) -> None:
    for name in (INPUT_IDS, TOKEN_TYPE_IDS, POSITION_IDS):
        if name in inputs and inputs[name].dtype not in (torch.int64, torch.int32):
            raise UsageError(
                f"{name} is of dtype {dtype_word(inputs[name].dtype)}, and an embedding reads "
                "int64 or int32",
                hint=f"Cast it: {name}.long().",
            )
        if name in inputs:
            check_ids(config, name, inputs[name])
    if INPUTS_EMBEDS in inputs and not inputs[INPUTS_EMBEDS].is_floating_point():
        raise UsageError(
            f"inputs_embeds is of dtype {dtype_word(inputs[INPUTS_EMBEDS].dtype)}",
            hint="Give embeddings as numbers with a fraction, of the model's dtype.",
        )
    mask = inputs.get(ATTENTION_MASK)
    if mask is not None and not ((mask == 0) | (mask == 1)).all():
        raise UsageError(
            "attention_mask holds other values than 0 and 1",
            hint="Give 1 for a token and 0 for padding.",
        )
    _check_length(inputs, config)


def _check_length(inputs: Mapping[str, torch.Tensor], config: Any) -> None:
    length = next(iter(inputs.values())).shape[1]
    if POSITION_IDS in inputs:
        tokens = 0
    elif INPUT_IDS in inputs:
        tokens = int((inputs[INPUT_IDS] != config.pad_token_id).sum(dim=1).max())
    else:
        tokens = length
    if tokens > usable_length(config):
        raise UsageError(
            f"a row of inputs= has {tokens:,} tokens, more than the {usable_words(config)}",
            hint=f"Cut the rows to {usable_length(config):,} tokens.",
        )
    if TOKEN_TYPE_IDS not in inputs and length > config.max_position_embeddings:
        raise UsageError(
            f"the rows of inputs= are {length:,} long, padding included, more than "
            f"max_position_embeddings {config.max_position_embeddings:,}",
            hint="Cut the padding.",
        )
