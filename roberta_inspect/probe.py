"""What the model is given: token ids or texts, and labels that fit the problem type."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from roberta_inspect.anatomy import pad_token_id
from roberta_inspect.errors import CannotInspectError, UsageError
from roberta_inspect.labels import labels_for
from roberta_inspect.records import Input, Labels
from roberta_inspect.text import counted, dtype_word, safe


@dataclass(frozen=True)
class Probe:
    """One input of the model.

    `inputs` holds `input_ids` and `attention_mask` of shape `(batch_size, sequence_length)`,
    int64, and what else the tokenizer made; `labels` is of shape `(batch_size,)`, or
    `(batch_size, num_labels)` for a multi-label problem.
    """

    inputs: dict[str, torch.Tensor]
    labels: torch.Tensor
    texts: tuple[str, ...] | None = None
    tokens: tuple[tuple[str, ...], ...] | None = None

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
    def padding_first(self) -> tuple[str, ...]:
        """The token at position 0 of each row whose position 0 is padding; `()` without tokens."""
        if self.tokens is None:
            return ()
        masked = (self.attention_mask[:, 0] == 0).tolist()
        return tuple(row[0] for row, hidden in zip(self.tokens, masked, strict=True) if hidden)

    def on(self, device: torch.device | str) -> Probe:
        """The same input on another device."""
        inputs = {name: tensor.to(device) for name, tensor in self.inputs.items()}
        return replace(self, inputs=inputs, labels=self.labels.to(device))

    def fake(self, mode: Any) -> Probe:
        """The same input as fake tensors: shapes and dtypes without values."""
        inputs = {name: mode.from_tensor(tensor) for name, tensor in self.inputs.items()}
        return replace(self, inputs=inputs, labels=mode.from_tensor(self.labels))

    def beside(self, model: Any, mode: Any = None) -> Probe:
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
        """What the map says of this input."""
        return Input(
            source="synthetic" if self.texts is None else "text",
            batch_size=self.batch_size,
            sequence_length=self.sequence_length,
            tokens=self.tokens,
            labels=Labels(dtype=dtype_word(self.labels.dtype), values=self.labels.tolist()),
            texts=self.texts,
            row_lengths=self.row_lengths,
        )


def config_of(model: Any) -> Any:
    """The configuration of a model, for making its input: a copy where it names no `pad_token_id`,
    with that of the embeddings.

    Raises:
        CannotInspectError: the embeddings name none either.
    """
    if getattr(model.config, "pad_token_id", None) is not None:
        return model.config
    config = copy.copy(model.config)
    config.pad_token_id = pad_token_id(model)
    return config


def usable_length(config: Any) -> int:
    """The longest sequence that the position embeddings can hold, in tokens.

    The position ids start at `pad_token_id + 1` (`RobertaEmbeddings`), so the rows of the table
    up to that one are never used.
    """
    return int(config.max_position_embeddings - config.pad_token_id - 1)


def synthetic(
    config: Any, *, batch_size: int = 2, sequence_length: int = 16, labels: Any = None
) -> Probe:
    """Token ids spread over the vocabulary, the same every time; the last row is padded.

    Raises:
        UsageError: the sizes are not what the model can hold, or the labels do not fit.
    """
    _check_sizes(config, batch_size, sequence_length)
    special = {config.pad_token_id, config.bos_token_id, config.eos_token_id}
    ordinary = [each for each in range(min(config.vocab_size, 1 << 16)) if each not in special] or [
        0
    ]
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
    known = range(config.vocab_size)
    if config.bos_token_id in known:
        ids[0] = config.bos_token_id
    if len(ids) > 1 and config.eos_token_id in known:
        ids[-1] = config.eos_token_id
    return ids


def _check_sizes(config: Any, batch_size: int, sequence_length: int) -> None:
    for name, size in (("batch size", batch_size), ("sequence length", sequence_length)):
        if size < 1:
            raise UsageError(
                f"the {name} is {size}; the model needs at least 1",
                hint=f"Give a positive --{name.replace(' ', '-')}.",
            )
    if sequence_length > usable_length(config):
        raise UsageError(
            f"a sequence length of {sequence_length:,} is more than the {_usable(config)}",
            hint=f"Give --sequence-length {usable_length(config)} or less.",
        )


def _usable(config: Any) -> str:
    return (
        f"{usable_length(config):,} tokens that this model can hold: its table has "
        f"max_position_embeddings {config.max_position_embeddings:,} rows, and position ids start "
        f"at pad_token_id + 1 = {config.pad_token_id + 1}"
    )


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
            hint="Put the tokenizer files beside config.json, pass tokenizer=, or leave the "
            "texts out.",
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
                f"{_usable(config)}",
                hint="Shorten the text, or truncate it in your own code: tokenizer(…, "
                f"truncation=True, max_length={usable_length(config)}).",
            )
    _check_ids(inputs, "input_ids", config.vocab_size, "vocab_size")
    if "token_type_ids" in inputs:
        _check_ids(inputs, "token_type_ids", config.type_vocab_size, "type_vocab_size")
    return Probe(
        inputs=inputs,
        labels=labels_for(config, len(rows), labels, texts=True),
        texts=tuple(texts),
        tokens=tuple(
            tuple(str(token) for token in tokenizer.convert_ids_to_tokens(row)) for row in rows
        ),
    )


def _encoded(tokenizer: Any, texts: Sequence[str]) -> Any:
    if len(texts) > 1 and tokenizer.pad_token is None:
        raise CannotInspectError(
            "the tokenizer has no padding token, so texts of different length make no batch",
            hint="Give one --text, or set pad_token in tokenizer_config.json.",
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
