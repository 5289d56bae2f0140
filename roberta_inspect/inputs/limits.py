"""What a model can hold: tokens in a row, and ids that its tables have rows for."""

from __future__ import annotations

from typing import Any

import torch

from roberta_inspect.errors import UsageError
from roberta_inspect.text import counted

ROWS = {
    "input_ids": "vocab_size",
    "token_type_ids": "type_vocab_size",
    "position_ids": "max_position_embeddings",
}
"""Keyword of `forward` → the size of the configuration that its ids stay below."""


def usable_length(config: Any) -> int:
    """The longest sequence that the position embeddings can hold, in tokens.

    The position ids start at `pad_token_id + 1` (`RobertaEmbeddings`), so the rows of the table
    up to that one are never used.
    """
    return int(config.max_position_embeddings - config.pad_token_id - 1)


def usable_words(config: Any) -> str:
    """The same in words, with what decides it."""
    return (
        f"{usable_length(config):,} tokens that this model can hold: its table has "
        f"max_position_embeddings {config.max_position_embeddings:,} rows, and position ids start "
        f"at pad_token_id + 1 = {config.pad_token_id + 1}"
    )


def check_ids(config: Any, name: str, ids: torch.Tensor) -> None:
    """Refuse ids that the embedding of that name has no row for.

    Raises:
        UsageError: the lowest or highest of them, and how many rows there are.
    """
    field = ROWS[name]
    rows, low, high = getattr(config, field), int(ids.min()), int(ids.max())
    if low < 0 or high >= rows:
        raise UsageError(
            f"{name} hold {low if low < 0 else high:,}, and the model has only "
            f"{counted(rows, 'row')} for them ({field}): ids run from 0 to {rows - 1:,}",
            hint="Take ids that were made for this model.",
        )
