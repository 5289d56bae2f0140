"""Claims about the loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch.nn import functional

from roberta_inspect.claims.claim import Claims, NotTestedError, Outcome, broken, held
from roberta_inspect.claims.comparison import Estimate, exact, judged, rounding
from roberta_inspect.claims.evidence import Evidence
from roberta_inspect.labels import IGNORED, problem_type_for
from roberta_inspect.text import counted, listed

CLAIMS = Claims()


class Terms(NamedTuple):
    """The terms of a loss in float64, before they are reduced, and how large their parts are."""

    values: torch.Tensor
    magnitudes: torch.Tensor

    def reduced(self, dtype: torch.dtype, reduction: str) -> Estimate:
        """Their mean or sum, with the rounding of `dtype`."""
        how = {"mean": torch.mean, "sum": torch.sum}[reduction]
        relative = rounding(dtype, operations=8, summed=self.magnitudes.numel())
        return Estimate(how(self.values), how(self.magnitudes) * relative)


def _cross_entropy(logits: torch.Tensor, targets: torch.Tensor) -> Terms:
    largest = logits.abs().amax(dim=-1, keepdim=True)
    logs = functional.log_softmax(logits, dim=-1)
    return Terms(
        -(targets * logs).sum(dim=-1),
        (targets.abs() * (2 * largest + 1 + math.log(logits.shape[-1]))).sum(dim=-1),
    )


def _squared_error(logits: torch.Tensor, targets: torch.Tensor) -> Terms:
    return Terms((logits - targets).square(), (logits.abs() + targets.abs()).square())


def _binary_cross_entropy(logits: torch.Tensor, targets: torch.Tensor) -> Terms:
    values = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return Terms(values, logits.abs() * (1 + targets.abs()) + 1)


class Kind(NamedTuple):
    """One of the losses that `forward` knows."""

    words: str
    function: str
    """The class of `torch.nn` that computes it."""
    over: str
    """What it is reduced over."""
    terms: Callable[[torch.Tensor, torch.Tensor], Terms]


KINDS = {
    "single_label_classification": Kind(
        "cross-entropy", "CrossEntropyLoss", "the batch", _cross_entropy
    ),
    "regression": Kind("mean squared error", "MSELoss", "the batch", _squared_error),
    "multi_label_classification": Kind(
        "binary cross-entropy",
        "BCEWithLogitsLoss",
        "the batch and the labels",
        _binary_cross_entropy,
    ),
}


@CLAIMS.register("loss-value", "loss", "the loss is computed from the logits and the labels")
def value(evidence: Evidence) -> Outcome | None:
    if not evidence.observed.call.labels:
        raise NotTestedError("no call with labels returned anything")
    own, reason = problem_type_for(evidence.config, evidence.probe.labels)
    kind = KINDS[own]
    sentence = f"equals {kind.function}(logits, labels), mean over {kind.over}"
    if evidence.fields.get("loss") is None:
        return replace(broken("labels were passed, and no loss came back"), sentence=sentence)
    loss, known = evidence.tensor("loss"), _known(evidence)
    if (own, "mean") not in known:
        raise NotTestedError(f"{kind.function} does not take these logits and labels")
    if loss.isnan().all() and known[own, "mean"].value.isnan():
        raise NotTestedError(f"the loss is NaN: {_rows(evidence)}")
    found = judged(loss, known[own, "mean"], place="loss")
    others = [
        f"{KINDS[key].function} with the {reduction} over {KINDS[key].over}"
        for (key, reduction), each in known.items()
        if (key, reduction) != (own, "mean") and _fits(loss, each)
    ]
    instead = f"; it is {listed(others, last='or')}" if found.status == "refuted" and others else ""
    detail = f"{found.detail}{instead}; {reason}; {_rows(evidence)}"
    return replace(found, detail=detail, sentence=sentence)


@CLAIMS.register("loss-kind", "loss", "no other loss than the one of this problem type fits")
def kind_alone(evidence: Evidence) -> Outcome | None:
    if evidence.fields.get("loss") is None:
        return None
    loss, known = evidence.tensor("loss"), _known(evidence)
    if not loss.isfinite().all():
        raise NotTestedError("the loss is NaN or infinite")
    own = problem_type_for(evidence.config, evidence.probe.labels)[0]
    others = [key for key in KINDS if key != own]
    fitting = [key for key in _fitting(loss, known) if key != own]
    sentence = f"{_functions(others)} do not fit the loss"
    if not fitting:
        values = [
            f"{KINDS[key].function} would be {float(known[key, 'mean'].value):.6g}"
            for key in others
            if (key, "mean") in known
        ]
        detail = "; ".join([f"the loss is {float(loss):.6g}", *values])
        return replace(held(detail), sentence=sentence)
    if own in _fitting(loss, known):
        raise NotTestedError(
            f"{_functions([own, *fitting])} fit the loss of {float(loss):.6g} on this input: "
            "other labels or inputs would tell them apart"
        )
    detail = (
        f"expected {KINDS[own].function}, got {float(loss):.6g} at loss, which is "
        f"{_functions(fitting)}"
    )
    return replace(broken(detail), sentence=sentence)


def meaning(evidence: Evidence) -> str:
    """What the loss is, by the kind that was found to fit."""
    tensors = [evidence.fields.get(name) for name in ("loss", "logits")]
    if not evidence.observed.call.labels or not all(map(torch.is_tensor, tensors)):
        return "what forward computes when labels are passed"
    own = problem_type_for(evidence.config, evidence.probe.labels)[0]
    fitting = [own] if evidence.fake else _fitting(evidence.tensor("loss"), _known(evidence))
    if not fitting:
        return "what forward computed from the labels: none of the losses that its class knows"
    words, _, over, _ = KINDS[own if own in fitting else fitting[0]]
    return f"{words} of the logits against the labels, mean over {over}"


def _functions(kinds: Sequence[str]) -> str:
    return listed([KINDS[key].function for key in kinds])


def _rows(evidence: Evidence) -> str:
    """Over how many rows the mean goes, and how many the cross-entropy leaves out."""
    labels = evidence.probe.labels
    rows = counted(evidence.probe.batch_size, "row")
    single = problem_type_for(evidence.config, labels)[0] == "single_label_classification"
    ignored = int((exact(labels) == IGNORED).sum()) if single else 0
    if not ignored:
        return f"mean over {rows}"
    return f"{ignored} of {rows} {'is' if ignored == 1 else 'are'} ignored ({IGNORED})"


def _fits(loss: torch.Tensor, expected: Estimate) -> bool:
    apart = (exact(loss) - expected.value).abs()
    return loss.shape == expected.value.shape and bool(apart <= expected.error)


def _fitting(loss: torch.Tensor, known: Mapping[tuple[str, str], Estimate]) -> list[str]:
    """The kinds whose mean is the loss."""
    return [
        key for (key, reduction), each in known.items() if reduction == "mean" and _fits(loss, each)
    ]


def _known(evidence: Evidence) -> dict[tuple[str, str], Estimate]:
    """Kind and reduction → the loss in float64, of each kind that takes these tensors."""
    logits, labels = evidence.tensor("logits"), evidence.probe.labels.detach().cpu()
    terms = {key: _terms(exact(logits), labels, key) if logits.ndim == 2 else None for key in KINDS}
    return {
        (key, reduction): each.reduced(logits.dtype, reduction)
        for key, each in terms.items()
        if each is not None
        for reduction in ("mean", "sum")
    }


def _terms(logits: torch.Tensor, labels: torch.Tensor, kind: str) -> Terms | None:
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
    return KINDS[kind].terms(logits, targets)
