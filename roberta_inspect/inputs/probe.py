"""What the model is given: token ids or texts, and labels that fit the problem type."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
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

    def fake(self, mode: Any) -> Probe:
        """The same input as fake tensors: shapes and dtypes without values."""
        inputs = {name: mode.from_tensor(tensor) for name, tensor in self.inputs.items()}
        return replace(self, inputs=inputs, labels=mode.from_tensor(self.labels))

    def placed_like(self, model: Any, mode: Any = None) -> Probe:
        """The same input for `model`: on its device, or fake where it was made in a fake `mode`."""
        return self.on(model.device) if mode is None else self.fake(mode)

    def row(self, index: int) -> Probe:
        """One row with its padding."""
        rows = slice(index, index + 1)
        inputs = {name: each[rows] for name, each in self.inputs.items()}
        return Probe(inputs=inputs, labels=self.labels[rows])

    def trimmed(self, index: int) -> Probe:
        """One row without its padding."""
        row, keep = self.row(index), self.attention_mask[index].bool()
        inputs = {name: each[:, keep] for name, each in row.inputs.items()}
        return Probe(inputs=inputs, labels=row.labels)

    def repeated(self, copies: int) -> Probe:
        """A single row, several times."""
        inputs = {name: each.repeat(copies, 1) for name, each in self.inputs.items()}
        labels = self.labels.repeat(copies, *[1] * (self.labels.ndim - 1))
        return Probe(inputs=inputs, labels=labels)

    def padded(self, pad_token_id: int) -> Probe:
        """The same rows with one token of padding more on the right, masked."""
        inputs = {
            name: torch.nn.functional.pad(
                each, (0, 1), value=pad_token_id if name == "input_ids" else 0
            )
            for name, each in self.inputs.items()
        }
        return Probe(inputs=inputs, labels=self.labels)

    def unmasked(self) -> Probe:
        """The same rows, padding attended like any other token."""
        mask = torch.ones_like(self.attention_mask)
        return Probe(inputs={**self.inputs, "attention_mask": mask}, labels=self.labels)

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
