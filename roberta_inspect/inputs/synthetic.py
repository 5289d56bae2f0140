"""Token ids spread over the vocabulary, where nothing was given."""

from __future__ import annotations

from typing import Any

import torch

from roberta_inspect.errors import UsageError
from roberta_inspect.inputs.labels import labels_for
from roberta_inspect.inputs.limits import usable_length, usable_words
from roberta_inspect.inputs.probe import Probe
from roberta_inspect.text import safe


def synthetic(
    config: Any, *, batch_size: int = 2, sequence_length: int = 16, labels: Any = None
) -> Probe:
    """Token ids spread over the vocabulary, the same every time; the last row is padded.

    Raises:
        UsageError: the sizes are not what the model can hold, or the labels do not fit.
    """
    _check_sizes(config, batch_size, sequence_length)
    ends = config.eos_token_id if isinstance(config.eos_token_id, list) else [config.eos_token_id]
    special = {config.pad_token_id, config.bos_token_id, *ends}
    vocabulary = range(min(config.vocab_size, 1 << 16))
    ordinary = [token for token in vocabulary if token not in special] or [0]
    padding = (sequence_length + 2) // 4 if sequence_length > 1 else 0
    rows = []
    for row in range(batch_size):
        length = sequence_length - (padding if row == batch_size - 1 else 0)
        start = row * sequence_length
        ids = [ordinary[(start + step) * 7919 % len(ordinary)] for step in range(length)]
        rows.append(_framed(ids, config) + [config.pad_token_id] * (sequence_length - length))
    input_ids = torch.tensor(rows)
    mask = torch.ones_like(input_ids)
    mask[-1, sequence_length - padding :] = 0
    return Probe(
        inputs={"input_ids": input_ids, "attention_mask": mask},
        labels=labels_for(config, batch_size, labels),
    )


def _framed(ids: list[int], config: Any) -> list[int]:
    """`ids` with the first one `<s>` and the last one `</s>`, where the config names them."""
    vocabulary = range(config.vocab_size)
    if config.bos_token_id in vocabulary:
        ids[0] = config.bos_token_id
    if len(ids) > 1 and config.eos_token_id in vocabulary:
        ids[-1] = config.eos_token_id
    return ids


def _check_sizes(config: Any, batch_size: int, sequence_length: int) -> None:
    for name, size in (("batch_size", batch_size), ("sequence_length", sequence_length)):
        if type(size) is not int:
            raise UsageError(
                f"{name} is of type {safe(type(size).__name__)}, not a whole number",
                hint=f"Give {name}=1 or more.",
            )
        if size < 1:
            raise UsageError(
                f"{name}={size} holds nothing: the model needs at least 1",
                hint=f"Give {name}=1 or more.",
            )
    if sequence_length > usable_length(config):
        raise UsageError(
            f"a sequence length of {sequence_length:,} is more than the {usable_words(config)}",
            hint=f"Give sequence_length={usable_length(config)} or less.",
        )
