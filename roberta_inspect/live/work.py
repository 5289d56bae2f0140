"""Whether the calls fit into memory, from the sizes alone and before they are made."""

from __future__ import annotations

from typing import Any

import torch

from roberta_inspect.checkpoint.memory import available
from roberta_inspect.errors import UsageError
from roberta_inspect.releases import attention_of
from roberta_inspect.text import counted, storage

BYTES_PER_TOKEN = 100
"""Bytes of Python objects for one token of the input."""


def check_work(
    model: Any, *, batch_size: int, sequence_length: int, has_values: bool = True
) -> None:
    """Refuse an input whose calls cannot fit.

    Of one call every tensor is kept that a module returned: in each layer eight of `hidden_size`
    and two of `intermediate_size` for a token, and under eager attention two of
    `(num_heads, query_length, key_length)` for a row. Without values the input alone takes room.

    Raises:
        UsageError: what is needed, and what is free.
    """
    config, tokens = model.config, batch_size * sequence_length
    numbers = tokens * (8 * config.hidden_size + 2 * config.intermediate_size)
    if attention_of(config) == "eager":
        numbers += 2 * tokens * sequence_length * config.num_attention_heads
    parameter = next(model.parameters())
    element_bytes = parameter.element_size() if has_values else 0
    needed = tokens * BYTES_PER_TOKEN + numbers * config.num_hidden_layers * element_bytes
    free = _free(parameter.device)
    if free is not None and needed > free:
        rows, layers = counted(batch_size, "row"), counted(config.num_hidden_layers, "layer")
        raise UsageError(
            f"{rows} of {counted(sequence_length, 'token')} through {layers} need at least "
            f"{storage(needed)} of memory, and {storage(free)} are free",
            hint="Give a smaller batch_size= or sequence_length=, or fewer or shorter texts.",
        )


def _free(device: torch.device) -> int | None:
    """Bytes for tensors on a device."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return available()
