"""Texts through the checkpoint's own tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from roberta_inspect.errors import CannotInspectError, UsageError
from roberta_inspect.inputs.labels import labels_for
from roberta_inspect.inputs.probe import Probe
from roberta_inspect.inputs.synthetic import usable_length, usable_words
from roberta_inspect.inputs.tokenizer import shown_tokens, tokenizer_record
from roberta_inspect.records import Text
from roberta_inspect.text import counted, safe


def from_texts(config: Any, tokenizer: Any, texts: Sequence[str], *, labels: Any = None) -> Probe:
    """The texts through the checkpoint's own tokenizer, padded to the longest, never truncated.

    Raises:
        UsageError: there is no tokenizer, a text is longer than the model can hold, or the labels
            do not fit.
        CannotInspectError: the tokenizer makes ids that the model does not have, or cannot pad.
    """
    if tokenizer is None:
        raise UsageError(
            "texts need a tokenizer, and there is none",
            hint="Put the tokenizer files beside config.json, pass tokenizer=, or leave "
            "texts= out.",
        )
    encoded = _encoded(tokenizer, texts)
    inputs = {
        name: encoded[name]
        for name in ("input_ids", "attention_mask", "token_type_ids")
        if name in encoded
    }
    inputs.setdefault("attention_mask", torch.ones_like(inputs["input_ids"]))
    rows = inputs["input_ids"].tolist()
    for text, length in zip(texts, inputs["attention_mask"].sum(dim=1).tolist(), strict=True):
        if length > usable_length(config):
            raise UsageError(
                f'the text "{safe(text, longest=40)}" is {length:,} tokens long, more than the '
                f"{usable_words(config)}",
                hint="Shorten the text, or truncate it in your own code: tokenizer(…, "
                f"truncation=True, max_length={usable_length(config)}).",
            )
    _check_ids(inputs, "input_ids", config.vocab_size, "vocab_size")
    if "token_type_ids" in inputs:
        _check_ids(inputs, "token_type_ids", config.type_vocab_size, "type_vocab_size")
    return Probe(
        inputs=inputs,
        labels=labels_for(config, len(rows), labels, texts=True),
        texts=tuple(Text(first=text) for text in texts),
        source="texts",
        tokenizer=tokenizer_record(tokenizer),
        tokens=shown_tokens(tokenizer, rows),
    )


def _encoded(tokenizer: Any, texts: Sequence[str]) -> Any:
    if len(texts) > 1 and tokenizer.pad_token is None:
        raise CannotInspectError(
            "the tokenizer has no padding token, so texts of different length make no batch",
            hint="Give one text in texts=, or set pad_token in tokenizer_config.json.",
        )
    return tokenizer(list(texts), padding=len(texts) > 1, return_tensors="pt")


def _check_ids(inputs: dict[str, torch.Tensor], name: str, limit: int, field: str) -> None:
    highest = int(inputs[name].max())
    if highest >= limit:
        raise CannotInspectError(
            f"the tokenizer makes {name} up to {highest:,}, and the model has only "
            f"{counted(limit, 'row')} for them ({field}): the two do not belong together",
            hint="Put the tokenizer that the model was trained with beside config.json.",
        )
