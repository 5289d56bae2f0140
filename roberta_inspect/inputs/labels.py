"""Labels that fit the problem type, and which loss they lead to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import torch

from roberta_inspect.errors import UsageError
from roberta_inspect.records import Labels, ProblemType
from roberta_inspect.records.input import IGNORED, Source
from roberta_inspect.text import counted, dtype_word, listed, safe

BY_ID = "id:"
"""Marks the id of a label where it could be read as a name: `id:1`."""


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


def labels_for(
    config: Any, batch_size: int, labels: Any = None, *, source: Source = "synthetic"
) -> torch.Tensor:
    """Labels for the labelled calls: those given, or some that fit the problem type.

    `labels` is a tensor, which is used as it is; a list of numbers or of lists of 0 and 1; a list
    of strings from the command line: label ids, `id:1` or names (several, joined by commas, for a
    multi-label problem), or numbers for a regression; or the labels of a saved map, which are
    chosen anew where they do not fit this checkpoint. `source` is where the rows come from.

    Raises:
        UsageError: not one label per row, a label out of range, or a dtype that this loss rejects.
    """
    if labels is None:
        return _chosen(config, batch_size)
    if isinstance(labels, Labels):
        return _as_saved(config, batch_size, labels)
    labels = labels if isinstance(labels, torch.Tensor) else _label_tensor(config, labels)
    check_labels(config, batch_size, labels, source=source)
    return labels


def _label_tensor(config: Any, labels: Any) -> torch.Tensor:
    is_list = isinstance(labels, Iterable) and getattr(labels, "ndim", 1) > 0
    if isinstance(labels, str | bytes | Mapping) or not is_list:
        raise UsageError(
            f"labels is of type {safe(type(labels).__name__)}, not a list of labels",
            hint="Give one label per row: [0, 1].",
        )
    numbers = _label_numbers(config, list(labels))
    try:
        return torch.tensor(numbers)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise UsageError(
            f"labels make no tensor: {safe(error)}".rstrip("."),
            hint="Give one number, one name, or one list of 0 and 1 per row, all of one kind.",
        ) from error


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
        # The first row has every label: class ids could not say that.
        rows = [
            [float(not row or (row + label) % 2) for label in range(count)]
            for row in range(batch_size)
        ]
        return torch.tensor(rows)
    if count == 1:
        return torch.tensor([row + 0.5 for row in range(batch_size)])
    return torch.tensor(
        [[row + label + 0.5 for label in range(count)] for row in range(batch_size)]
    )


def _label_numbers(config: Any, labels: Sequence[Any]) -> list[Any]:
    if not all(isinstance(label, str) for label in labels):
        return list(labels)
    kind = problem_type_for(config, torch.tensor([0]))[0]
    if kind == "regression":
        return [_regression_numbers(label, config) for label in labels]
    names = _ids_by_name(config)
    several = any("," in label and label not in names for label in labels)
    if kind == "multi_label_classification" or several:
        return [_multi_hot(label, config) for label in labels]
    return [_label_id(label, config) for label in labels]


def _regression_numbers(label: str, config: Any) -> Any:
    try:
        numbers = [float(part) for part in label.split(",")]
    except ValueError as error:
        raise UsageError(
            f'label "{safe(label)}" is not a number, and this checkpoint is a regression',
            hint="Give a number such as 0.5.",
        ) from error
    return numbers[0] if config.num_labels == 1 and len(numbers) == 1 else numbers


def _multi_hot(label: str, config: Any) -> list[float]:
    parts = [label] if label in _ids_by_name(config) else label.split(",")
    chosen = [_label_id(part.strip(), config) for part in parts if part.strip()]
    _check_range(config, chosen, hint="Give ids in that range, or label names.")
    return [float(label in chosen) for label in range(config.num_labels)]


def _ids_by_name(config: Any) -> dict[str, list[int]]:
    """Label name → the ids that have it; in the order of the ids."""
    ids: dict[str, list[int]] = {}
    for label, name in sorted(config.id2label.items()):
        ids.setdefault("" if name is None else str(name), []).append(int(label))
    return ids


def _label_id(label: str, config: Any) -> int:
    """The id that a word means: `id:1`, a name, or a number."""
    names = _ids_by_name(config)
    number = label.removeprefix(BY_ID) if label.startswith(BY_ID) else label
    is_number = number.removeprefix("-").isascii() and number.removeprefix("-").isdecimal()
    if is_number and (number != label or label not in names):
        return int(number)
    meant: list[int] = list(
        dict.fromkeys([*names.get(label, ()), *([int(label)] if is_number else ())])
    )
    if len(meant) == 1:
        return meant[0]
    if meant:
        ids = listed([f"{BY_ID}{label_id}" for label_id in meant], last="or")
        also = " and an id" if is_number else ""
        raise UsageError(
            f'label "{safe(label)}" is ambiguous: it is the name of '
            f"{listed([f'id {label_id}' for label_id in names[label]])}{also}",
            hint=f"Give {ids}.",
        )
    raise UsageError(
        f'label "{safe(label)}" is neither a label id nor a label name of this checkpoint',
        hint=f"{_whole_number(label)}Its labels are {_label_list(names)}.",
    )


def _whole_number(label: str) -> str:
    try:
        number = float(label)
    except ValueError:
        return ""
    return f"Class ids are whole numbers: give {int(number)}. " if number.is_integer() else ""


def _label_list(names: Mapping[str, Sequence[int]]) -> str:
    """The names in the order of their ids; an ambiguous one with its id."""
    words = [
        name
        if name.strip() and len(ids) == 1 and not name.isdecimal()
        else f"{name} ({BY_ID}{label})"
        for name, ids in names.items()
        for label in ids
    ]
    return listed([word.strip() for word in words], show=partial(safe, longest=40))


def check_labels(
    config: Any, batch_size: int, labels: torch.Tensor, *, source: Source = "synthetic"
) -> None:
    """Refuse labels that would make the loss fail; `source` as in `labels_for`.

    Raises:
        UsageError: see `labels_for`.
    """
    if labels.is_complex() or labels.is_meta or labels.is_quantized or labels.is_sparse:
        raise UsageError(
            f"labels of dtype {dtype_word(labels.dtype)} on {labels.device} without plain values "
            "fit no loss",
            hint="Give an ordinary tensor of whole numbers, or of numbers with a fraction.",
        )
    rows = labels.shape[0] if labels.ndim else 1
    if rows != batch_size:
        advice = (
            f"Give {counted(batch_size, 'label')}, one per {'text' if source == 'texts' else 'row'}"
        )
        sized = f", or batch_size={rows}" if source == "synthetic" and rows else ""
        raise UsageError(
            f"{counted(rows, 'label')} for {counted(batch_size, 'row')} of input",
            hint=f"{advice}{sized}.",
        )
    kind, reason = problem_type_for(config, labels)
    if kind == "single_label_classification":
        _check_class_ids(config, labels, batch_size, reason)
    elif kind == "multi_label_classification":
        _check_multi_hot(config, batch_size, labels, reason)
    elif labels.numel() != batch_size * config.num_labels:
        raise UsageError(
            f"labels of shape {tuple(labels.shape)} for a regression with "
            f"{counted(config.num_labels, 'output')} per row",
            hint=f"Give {counted(config.num_labels, 'number')} per row; labels= takes them as "
            "lists, the command line joined by commas.",
        )


def _check_class_ids(config: Any, labels: torch.Tensor, batch_size: int, reason: str) -> None:
    if labels.numel() != batch_size:
        raise UsageError(
            f"labels of shape {tuple(labels.shape)} for CrossEntropyLoss ({reason}), which needs "
            f"one class id per row: ({batch_size},)",
            hint="Give labels.argmax(dim=-1)."
            if _is_one_hot(labels)
            else "Give one class id per row; rows of several labels need problem_type "
            '"multi_label_classification" in config.json.',
        )
    if labels.dtype not in (torch.int64, torch.uint8):
        whole = not labels.is_complex() and bool((labels == labels.round()).all())
        raise UsageError(
            f"CrossEntropyLoss rejects labels of dtype {dtype_word(labels.dtype)} ({reason})",
            hint="They are whole numbers: give them as class ids, labels.long()."
            if whole
            else "Class ids are whole numbers; for numbers to predict, set problem_type "
            '"regression" in config.json.',
        )
    _check_range(
        config,
        [label for label in labels.flatten().tolist() if label != IGNORED],
        hint=f"Give an id in that range, or {IGNORED} to have the row ignored by the loss.",
    )


def _is_one_hot(labels: torch.Tensor) -> bool:
    """Whether every row of `(batch_size, num_labels)` is zeros but for a single 1."""
    if labels.ndim != 2 or labels.is_complex():
        return False
    return bool(((labels == 0) | (labels == 1)).all() and (labels.sum(dim=-1) == 1).all())


def _check_range(config: Any, ids: Iterable[int], *, hint: str) -> None:
    outside = [label for label in ids if not 0 <= label < config.num_labels]
    if outside:
        raise UsageError(
            f"label {outside[0]} is out of range: this checkpoint has num_labels "
            f"{config.num_labels:,}, so ids run from 0 to {config.num_labels - 1:,}",
            hint=hint,
        )


def _check_multi_hot(config: Any, batch_size: int, labels: torch.Tensor, reason: str) -> None:
    expected = (batch_size, config.num_labels)
    if tuple(labels.shape) != expected:
        raise UsageError(
            f"labels of shape {tuple(labels.shape)} for BCEWithLogitsLoss ({reason}), which needs "
            f"a row of 0 and 1 as floats for each row of input: (batch_size {batch_size}, "
            f"num_labels {config.num_labels:,})",
            hint=_instead_of_multi_hot(config, labels, batch_size),
        )
    if not labels.dtype.is_floating_point:
        raise UsageError(
            f"BCEWithLogitsLoss rejects labels of dtype {dtype_word(labels.dtype)} ({reason})",
            hint="Cast them: labels.float().",
        )


def _instead_of_multi_hot(config: Any, labels: torch.Tensor, batch_size: int) -> str:
    """What to do with labels of another shape, which may be class ids."""
    if labels.numel() != batch_size or not bool((labels == labels.round()).all()):
        return "Give one 0 or 1 per label and row."
    ids = "labels.flatten().long()" if labels.is_floating_point() else "labels.flatten()"
    as_rows = f"torch.nn.functional.one_hot({ids}, {config.num_labels}).float()"
    if config.problem_type is None:
        return f"Class ids are integers: give {ids}. For several labels per row give {as_rows}."
    return (
        "Class ids, one per row, need problem_type "
        f'"single_label_classification" in config.json; here give {as_rows}.'
    )
