"""The losses that `forward` knows, recomputed in float64 term by term, and what rounding in the
dtypes in which torch computes them does to each term."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch.nn import functional

from roberta_inspect.claims.comparison import Estimate, accumulator, epsilon, rounding
from roberta_inspect.inputs.labels import IGNORED


class Precision(NamedTuple):
    """The dtypes in which torch computes a loss."""

    inner: torch.dtype
    """Of what is made of the logits alone: `log_softmax`, `logsigmoid`."""
    outer: torch.dtype
    """Of the terms and of the loss."""

    def at_least(self, dtype: torch.dtype) -> Precision:
        """As if the logits and the labels had first been made as fine as `dtype`."""
        return Precision(*(torch.promote_types(each, dtype) for each in self))

    @property
    def coarsest(self) -> torch.dtype:
        """The one whose rounding is largest."""
        return max(self, key=epsilon)


class Terms(NamedTuple):
    """The terms of a loss in float64, before they are reduced, and what rounding does to each."""

    values: torch.Tensor
    kept: torch.Tensor
    """How far rounding to the dtypes of the terms may have moved each. Each rounds by itself, but
    alike where the logits are alike."""
    summing: torch.Tensor
    """How far rounding on the way, in the dtype of the accumulator, may have moved each."""
    alike: torch.Tensor
    """A number for each term, the same where the logits are."""

    def reduced(self, precision: Precision, reduction: str, loss: torch.dtype) -> Estimate:
        """Their mean or sum, returned in the dtype `loss`."""
        count = self.values.numel()
        shares = 1 / count if reduction == "mean" and count else 1.0
        value = self.values.mean() if reduction == "mean" else self.values.sum()
        groups = torch.zeros(count, dtype=torch.float64)
        groups.index_add_(0, self.alike.flatten(), self.kept.flatten())
        # CrossEntropyLoss keeps its partial sums in the dtype of the logits, which on the average
        # are a third of the whole in the square.
        added = rounding(precision.outer, operations=2, summed=count) + rounding(
            precision.outer, operations=1
        ) * math.sqrt(count / 3)
        apart = [
            groups.square().sum().sqrt() * shares,
            self.values.abs().sum() * shares * added,
        ]
        together = torch.stack(apart).square().sum().sqrt() + self.summing.sum() * shares
        return Estimate(value, together + value.abs() * epsilon(loss) / 2)


def _cross_entropy(logits: torch.Tensor, targets: torch.Tensor, precision: Precision) -> Terms:
    largest = logits.abs().amax(dim=-1, keepdim=True)
    values = -(targets * functional.log_softmax(logits, dim=-1)).sum(dim=-1)
    weights = targets.abs().sum(dim=-1)
    fine = rounding(accumulator(precision.inner), operations=8)
    return Terms(
        values,
        rounding(precision.inner, operations=1) * (values.abs() + weights),
        fine * weights * (2 * largest.squeeze(-1) + 1 + math.log(logits.shape[-1])),
        logits.unique(dim=0, return_inverse=True)[1],
    )


def _squared_error(logits: torch.Tensor, targets: torch.Tensor, precision: Precision) -> Terms:
    values = (logits - targets).square()
    # The difference is rounded once, which counts twice in its square, and the square once.
    kept = rounding(precision.outer, operations=2**2 + 1) * values
    return Terms(values, kept, kept * 0, _alike(logits))


def _binary_cross_entropy(
    logits: torch.Tensor, targets: torch.Tensor, precision: Precision
) -> Terms:
    linear, logs = (1 - targets) * logits, functional.logsigmoid(logits)
    magnitudes = linear.abs() + logs.abs()
    inner = rounding(precision.inner, operations=1) * (logs.abs() + (-logits.abs()).exp())
    fine = rounding(accumulator(precision.coarsest), operations=8)
    return Terms(
        linear - logs,
        inner + rounding(precision.outer, operations=2) * magnitudes,
        fine * (magnitudes + 1),
        _alike(logits),
    )


def _alike(logits: torch.Tensor) -> torch.Tensor:
    return logits.unique(return_inverse=True)[1]


class Kind(NamedTuple):
    """One of the losses that `forward` knows."""

    words: str
    function: str
    """The class of `torch.nn` that computes it."""
    per_label: bool
    """Whether each label of a row has a term of its own."""
    terms: Callable[[torch.Tensor, torch.Tensor, Precision], Terms]

    def over(self, labels: int) -> str:
        """What it is reduced over, with logits of so many labels."""
        return "the batch and the labels" if self.per_label and labels > 1 else "the batch"

    def precision(self, logits: torch.dtype, labels: torch.dtype) -> Precision:
        """The dtypes in which torch computes it from logits and labels of these dtypes."""
        if not labels.is_floating_point or self.function == "CrossEntropyLoss":
            return Precision(logits, logits)
        if self.function == "BCEWithLogitsLoss":
            # Its terms are written over `1 - labels`.
            return Precision(logits, labels)
        both = torch.promote_types(logits, labels)
        return Precision(both, both)


KINDS = {
    "single_label_classification": Kind(
        "cross-entropy", "CrossEntropyLoss", per_label=False, terms=_cross_entropy
    ),
    "regression": Kind("mean squared error", "MSELoss", per_label=True, terms=_squared_error),
    "multi_label_classification": Kind(
        "binary cross-entropy", "BCEWithLogitsLoss", per_label=True, terms=_binary_cross_entropy
    ),
}


def terms_of(
    logits: torch.Tensor, labels: torch.Tensor, kind: str, precision: Precision
) -> Terms | None:
    """`logits` of shape `(batch_size, num_labels)` in float64; class ids count as one-hot rows
    for the losses that want one target per label."""
    rows, columns = logits.shape
    if labels.is_floating_point():
        if labels.numel() != logits.numel():
            return None
        targets = labels.double().reshape(rows, columns)
    elif labels.numel() == rows:
        ids = labels.long().reshape(rows)
        logits, ids = logits[ids != IGNORED], ids[ids != IGNORED]
        if kind == "regression" and columns == 1:
            targets = ids.double().reshape(-1, 1)
        elif bool(((ids < 0) | (ids >= columns)).any()):
            return None
        else:
            targets = functional.one_hot(ids, columns).double()
    elif labels.numel() == logits.numel():
        targets = labels.double().reshape(rows, columns)
    else:
        return None
    return KINDS[kind].terms(logits, targets, precision)


def as_given(
    logits: torch.Tensor, labels: torch.Tensor, kind: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """As `forward` hands them to the loss."""
    labels = labels.to(logits.device)
    if kind == "single_label_classification":
        return logits, labels.reshape(-1)
    if kind == "regression" and logits.shape[-1] == 1:
        return logits.squeeze(), labels.squeeze()
    return logits, labels
