"""What the model is given: ids, embeddings or texts, and labels that fit the problem type."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from roberta_inspect.records import Field, Input, Labels, Text, Tokenizer
from roberta_inspect.records.input import Source
from roberta_inspect.text import dtype_word

MOST_KEPT = 64 * 1024
"""Bytes of a user's batch up to which a map keeps its numbers, to make the same input again."""

INPUT_IDS = "input_ids"
INPUTS_EMBEDS = "inputs_embeds"
ATTENTION_MASK = "attention_mask"
TOKEN_TYPE_IDS = "token_type_ids"
POSITION_IDS = "position_ids"

FIELDS = (INPUT_IDS, INPUTS_EMBEDS, ATTENTION_MASK, TOKEN_TYPE_IDS, POSITION_IDS)
"""The keywords of `forward` that an input can hold, `labels` aside. All tensors have the axes
`(batch_size, sequence_length)`, `inputs_embeds` then also `hidden_size`."""


@dataclass(frozen=True)
class Probe:
    """One input of the model.

    `inputs` holds tensors by their names in `FIELDS`: the ids or the embeddings of the tokens, and
    what else is given; `labels` is of shape `(batch_size,)`, or `(batch_size, num_labels)` for a
    multi-label problem.
    """

    inputs: dict[str, torch.Tensor]
    labels: torch.Tensor
    texts: tuple[Text, ...] | None = None
    tokens: tuple[tuple[str, ...], ...] | None = None
    tokenizer: Tokenizer | None = None
    source: Source = "synthetic"
    ignored: Mapping[str, str | None] = field(default_factory=dict)
    """Keywords that came with the input and that `forward` does not know → the one that was
    meant."""
    dropped: tuple[str, ...] = ()
    """What the tokenizer made and the model has no rows for."""

    @property
    def batch_size(self) -> int:
        """Rows."""
        return int(self._tokens.shape[0])

    @property
    def sequence_length(self) -> int:
        """Tokens per row, padding included."""
        return int(self._tokens.shape[1])

    @property
    def _tokens(self) -> torch.Tensor:
        return self.inputs[INPUT_IDS] if INPUT_IDS in self.inputs else self.inputs[INPUTS_EMBEDS]

    @property
    def attention_mask(self) -> torch.Tensor:
        """1 for a token, 0 for padding; of shape `(batch_size, sequence_length)`. All ones where
        none is given; the model is not given any then."""
        return self.inputs[ATTENTION_MASK] if ATTENTION_MASK in self.inputs else self._filled(1)

    @property
    def token_type_ids(self) -> torch.Tensor:
        """Of shape `(batch_size, sequence_length)`; all zeros where none are given."""
        return self.inputs[TOKEN_TYPE_IDS] if TOKEN_TYPE_IDS in self.inputs else self._filled(0)

    def _filled(self, value: int) -> torch.Tensor:
        shape, device = self._tokens.shape[:2], self._tokens.device
        return torch.full(shape, value, dtype=torch.int64, device=device)

    @property
    def row_lengths(self) -> tuple[int, ...]:
        """Tokens of each row that are not padding."""
        return tuple(int(length) for length in self.attention_mask.sum(dim=1))

    @property
    def row_starts(self) -> tuple[int, ...]:
        """Where the first token of each row stands; the length of a row without any."""
        length = self.sequence_length
        rows = self.attention_mask.bool().tolist()
        return tuple(row.index(True) if True in row else length for row in rows)

    def on(self, device: torch.device | str) -> Probe:
        """The same input on another device."""
        inputs = {name: tensor.to(device) for name, tensor in self.inputs.items()}
        return replace(self, inputs=inputs, labels=self.labels.to(device))

    def placed_like(self, model: Any, mode: Any = None) -> Probe:
        """The same input on the device of `model`; as it is where a `mode` makes it fake."""
        return self.on(next(model.parameters()).device) if mode is None else self

    def picked(self, rows: Sequence[torch.Tensor], width: int) -> Probe:
        """Rows of `width` tokens made of tokens of this input, the rest of each masked.

        Each of `rows` holds places, counted through all rows of the batch, of shape
        `(sequence_length,)` and at most `width` long.
        """
        mask = torch.zeros(len(rows), width, dtype=torch.long)
        places = torch.zeros(len(rows), width, dtype=torch.long)
        for number, row in enumerate(rows):
            mask[number, : len(row)] = 1
            places[number, : len(row)] = row
        mask, places = (tensor.to(self.attention_mask.device) for tensor in (mask, places))
        inputs = {
            name: tensor.flatten(0, 1)[places]
            for name, tensor in self.inputs.items()
            if tensor.shape[:2] == self.attention_mask.shape
        }
        mask = mask.to(self.attention_mask.dtype)
        return Probe(inputs={**inputs, ATTENTION_MASK: mask}, labels=self.labels)

    def padded_with(self, pad_token_id: int, *, left: bool = False) -> Probe:
        """The same rows with `pad_token_id` wherever the mask is 0, all padding on one side."""
        order = self.attention_mask.argsort(dim=1, stable=True, descending=not left)
        inputs = {
            name: torch.take_along_dim(
                tensor, order.reshape(*order.shape, *[1] * (tensor.ndim - 2)), 1
            )
            for name, tensor in {**self.inputs, ATTENTION_MASK: self.attention_mask}.items()
        }
        padding = inputs[ATTENTION_MASK] == 0
        for name in (INPUT_IDS, POSITION_IDS):
            if name in inputs:
                inputs[name] = inputs[name].masked_fill(padding, pad_token_id)
        return Probe(inputs=inputs, labels=self.labels)

    def changed(self, **inputs: torch.Tensor) -> Probe:
        """The same input with some of its tensors replaced."""
        return replace(self, inputs={**self.inputs, **inputs})

    def record(self) -> Input:
        """What the map says of this input; to be made of real tensors."""
        tensors = {**self.inputs, "labels": self.labels}
        return Input(
            source=self.source,
            batch_size=self.batch_size,
            sequence_length=self.sequence_length,
            tokens=self.tokens,
            labels=Labels(dtype=dtype_word(self.labels.dtype), values=self.labels.tolist()),
            texts=self.texts,
            fields=tuple(
                Field(name=name, dtype=dtype_word(tensor.dtype), shape=tuple(tensor.shape))
                for name, tensor in tensors.items()
            ),
            digest=digest(tensors),
            row_lengths=self.row_lengths,
            row_starts=self.row_starts,
            tokenizer=self.tokenizer,
            values=self._values() if self.source == "inputs" else None,
            ignored=self.ignored,
            dropped=self.dropped,
        )

    def _values(self) -> dict[str, Any] | None:
        """The numbers of the tensors, where they are few and JSON has words for all of them."""
        size = sum(tensor.numel() * tensor.element_size() for tensor in self.inputs.values())
        if size > MOST_KEPT or not all(tensor.isfinite().all() for tensor in self.inputs.values()):
            return None
        return {name: tensor.tolist() for name, tensor in self.inputs.items()}


def digest(tensors: Mapping[str, torch.Tensor]) -> str:
    """A short checksum of the names, dtypes, shapes and bytes of `tensors`."""
    checksum = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        whole = tensor.detach().cpu().contiguous()
        checksum.update(f"{name} {dtype_word(whole.dtype)} {tuple(whole.shape)};".encode())
        checksum.update(whole.reshape(-1).view(torch.uint8).numpy().tobytes())
    return checksum.hexdigest()[:16]
