"""What the model is given: token ids or texts, and labels that fit the problem type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import torch

from roberta_inspect.errors import CannotInspectError, UsageError
from roberta_inspect.records import Input, Labels
from roberta_inspect.text import counted, listed, safe

IGNORED = torch.nn.CrossEntropyLoss().ignore_index
"""The class id that `CrossEntropyLoss` leaves out."""

ProblemType = Literal["regression", "single_label_classification", "multi_label_classification"]


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

    def row(self, index: int) -> Probe:
        """One row alone, without its padding."""
        keep = self.attention_mask[index].bool()
        return Probe(
            inputs={name: each[index : index + 1, keep] for name, each in self.inputs.items()},
            labels=self.labels[index : index + 1],
        )

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


def dtype_word(dtype: torch.dtype) -> str:
    """`float32` for `torch.float32`."""
    return str(dtype).removeprefix("torch.")


def usable_length(config: Any) -> int:
    """The longest sequence that the position embeddings can hold, in tokens.

    The position ids start at `pad_token_id + 1` (`RobertaEmbeddings`), so the rows of the table
    up to that one are never used.
    """
    return int(config.max_position_embeddings - config.pad_token_id - 1)


def problem_type_for(config: Any, labels: torch.Tensor) -> tuple[ProblemType, str]:
    """Which loss `forward` will use for these labels, and what decides it.

    The rule is that of `RobertaForSequenceClassification.forward`: `config.problem_type` where it
    is set, else `num_labels`, else the dtype of the labels.
    """
    if config.problem_type is not None:
        return config.problem_type, f'config.problem_type is "{config.problem_type}"'
    if config.num_labels == 1:
        return "regression", "config.problem_type is unset and num_labels is 1"
    unset = f"config.problem_type is unset, num_labels is {config.num_labels:,} and the labels are"
    if labels.dtype in (torch.int64, torch.int32):
        return "single_label_classification", f"{unset} {dtype_word(labels.dtype)}"
    return "multi_label_classification", f"{unset} {dtype_word(labels.dtype)}, not int64 or int32"


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
        UsageError: a text is longer than the model can hold, or the labels do not fit.
        CannotInspectError: the tokenizer makes ids that the model does not have, or cannot pad.
    """
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
        labels=labels_for(config, len(rows), labels),
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


def labels_for(config: Any, batch_size: int, given: Any = None) -> torch.Tensor:
    """Labels for the labelled calls: those given, or some that fit the problem type.

    `given` is a tensor, which is used as it is; a list of numbers or of lists of 0 and 1; a list
    of strings from the command line: label ids or names (several, joined by commas, for a
    multi-label problem), or numbers for a regression; or the labels of a saved map, which another
    checkpoint need not fit: then they are chosen anew.

    Raises:
        UsageError: not one label per row, a label out of range, or a dtype that this loss rejects.
    """
    if given is None:
        return _chosen(config, batch_size)
    if isinstance(given, Labels):
        return _as_saved(config, batch_size, given)
    labels = given if isinstance(given, torch.Tensor) else torch.tensor(_numbers(config, given))
    check_labels(config, batch_size, labels)
    return labels


def _as_saved(config: Any, batch_size: int, saved: Labels) -> torch.Tensor:
    labels = torch.tensor(saved.values, dtype=getattr(torch, saved.dtype))
    try:
        check_labels(config, batch_size, labels)
    except UsageError:
        return _chosen(config, batch_size)
    return labels


def _chosen(config: Any, batch_size: int) -> torch.Tensor:
    count = config.num_labels
    kind = problem_type_for(config, torch.tensor([0]))[0]
    if kind == "single_label_classification":
        return torch.tensor([row * (count - 1) % count for row in range(batch_size)])
    if kind == "multi_label_classification":
        return torch.tensor(
            [[float((row + label) % 2) for label in range(count)] for row in range(batch_size)]
        )
    if count == 1:
        return torch.tensor([row + 0.5 for row in range(batch_size)])
    return torch.tensor(
        [[row + label + 0.5 for label in range(count)] for row in range(batch_size)]
    )


def _numbers(config: Any, given: Sequence[Any]) -> list[Any]:
    if not all(isinstance(label, str) for label in given):
        return list(given)
    kind = problem_type_for(config, torch.tensor([0]))[0]
    if kind == "regression":
        return [_numbers_of(label, config) for label in given]
    if kind == "multi_label_classification" or any("," in label for label in given):
        return [_several(label, config) for label in given]
    return [_label_id(label, config) for label in given]


def _numbers_of(label: str, config: Any) -> Any:
    try:
        numbers = [float(part) for part in label.split(",")]
    except ValueError as error:
        raise UsageError(
            f'--label "{safe(label)}" is no number, and this checkpoint is a regression',
            hint="Give a number such as --label 0.5.",
        ) from error
    return numbers[0] if config.num_labels == 1 and len(numbers) == 1 else numbers


def _several(label: str, config: Any) -> list[float]:
    chosen = {_label_id(part.strip(), config) for part in label.split(",") if part.strip()}
    return [float(label in chosen) for label in range(config.num_labels)]


def _label_id(label: str, config: Any) -> int:
    named = {str(name): int(key) for key, name in config.id2label.items()}
    if label in named:
        return named[label]
    if label.lstrip("-").isascii() and label.lstrip("-").isdigit():
        return int(label)
    raise UsageError(
        f'--label "{safe(label)}" is neither a label id nor a label name of this checkpoint',
        hint=f"Its labels are {listed(tuple(named), show=partial(safe, longest=40))}.",
    )


def check_labels(config: Any, batch_size: int, labels: torch.Tensor) -> None:
    """What would make the loss fail, said before it is computed.

    Raises:
        UsageError: see `labels_for`.
    """
    rows = labels.shape[0] if labels.ndim else 1
    if rows != batch_size:
        raise UsageError(
            f"{counted(rows, 'label')} for {counted(batch_size, 'row')}",
            hint="Give one label per row: repeat --label, or change --batch-size.",
        )
    kind, reason = problem_type_for(config, labels)
    if kind == "single_label_classification":
        _check_class_ids(config, labels, reason)
    elif kind == "multi_label_classification":
        _check_multi_hot(config, batch_size, labels, reason)
    elif labels.numel() != batch_size * config.num_labels:
        raise UsageError(
            f"labels of shape {tuple(labels.shape)} for a regression with "
            f"{counted(config.num_labels, 'output')} per row",
            hint=f"Give {counted(config.num_labels, 'number')} per row, joined by commas.",
        )


def _check_class_ids(config: Any, labels: torch.Tensor, reason: str) -> None:
    if labels.dtype not in (torch.int64, torch.uint8):
        raise UsageError(
            f"CrossEntropyLoss rejects labels of dtype {dtype_word(labels.dtype)} ({reason})",
            hint="Cast them: labels.long().",
        )
    outside = [
        each
        for each in labels.flatten().tolist()
        if each != IGNORED and not 0 <= each < config.num_labels
    ]
    if outside:
        raise UsageError(
            f"label {outside[0]} is out of range: this checkpoint has num_labels "
            f"{config.num_labels:,}, so ids run from 0 to {config.num_labels - 1:,}",
            hint=f"Give an id in that range, or {IGNORED} to have the row ignored by the loss.",
        )


def _check_multi_hot(config: Any, batch_size: int, labels: torch.Tensor, reason: str) -> None:
    if not labels.dtype.is_floating_point:
        raise UsageError(
            f"BCEWithLogitsLoss rejects labels of dtype {dtype_word(labels.dtype)} ({reason})",
            hint="Cast them: labels.float().",
        )
    if tuple(labels.shape) != (batch_size, config.num_labels):
        raise UsageError(
            f"labels of shape {tuple(labels.shape)} for BCEWithLogitsLoss ({reason}), which needs "
            f"(batch_size {batch_size}, num_labels {config.num_labels:,})",
            hint="Give one 0 or 1 per label and row; for one class id per row cast them: "
            "labels.long().",
        )
