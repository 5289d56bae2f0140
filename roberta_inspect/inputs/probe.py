"""What the model is given: token ids or texts, and labels that fit the problem type."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch

from roberta_inspect.records import Field, Input, Labels, Text, Tokenizer
from roberta_inspect.text import dtype_word


@dataclass(frozen=True)
class Probe:
    """One input of the model.

    `inputs` holds `input_ids` and `attention_mask` of shape `(batch_size, sequence_length)`,
    int64, and what else the tokenizer made; `labels` is of shape `(batch_size,)`, or
    `(batch_size, num_labels)` for a multi-label problem.
    """

    inputs: dict[str, torch.Tensor]
    labels: torch.Tensor
    texts: tuple[Text, ...] | None = None
    tokens: tuple[tuple[str, ...], ...] | None = None
    tokenizer: Tokenizer | None = None
    source: Literal["texts", "inputs", "synthetic"] = "synthetic"

    @property
    def batch_size(self) -> int:
        """Rows."""
        return int(self.inputs["input_ids"].shape[0])

    @property
    def sequence_length(self) -> int:
        """Tokens per row, padding included."""
        return int(self.inputs["input_ids"].shape[1])

    @property
    def attention_mask(self) -> torch.Tensor:
        """1 for a token, 0 for padding; of shape `(batch_size, sequence_length)`."""
        return self.inputs["attention_mask"]

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
        mask, places = (each.to(self.attention_mask.device) for each in (mask, places))
        inputs = {
            name: tensor.flatten(0, 1)[places]
            for name, tensor in self.inputs.items()
            if tensor.shape[:2] == self.attention_mask.shape
        }
        mask = mask.to(self.attention_mask.dtype)
        return Probe(inputs={**inputs, "attention_mask": mask}, labels=self.labels)

    def padded_with(self, pad_token_id: int, *, left: bool = False) -> Probe:
        """The same rows with what pads wherever the mask is 0, all of it on one side."""
        order = self.attention_mask.argsort(dim=1, stable=True, descending=not left)
        inputs = {
            name: torch.take_along_dim(
                tensor, order.reshape(*order.shape, *[1] * (tensor.ndim - 2)), 1
            )
            for name, tensor in self.inputs.items()
        }
        padding = inputs["attention_mask"] == 0
        for name, pad in (("input_ids", pad_token_id), ("position_ids", pad_token_id)):
            if name in inputs:
                inputs[name] = inputs[name].masked_fill(padding, pad)
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
        )


def digest(tensors: Mapping[str, torch.Tensor]) -> str:
    """A short checksum of the names, dtypes, shapes and bytes of `tensors`."""
    made = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        whole = tensor.detach().cpu().contiguous()
        made.update(f"{name} {dtype_word(whole.dtype)} {tuple(whole.shape)};".encode())
        made.update(whole.reshape(-1).view(torch.uint8).numpy().tobytes())
    return made.hexdigest()[:16]
