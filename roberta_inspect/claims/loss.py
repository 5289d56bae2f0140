"""Claims about the loss."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import torch
from torch.nn import functional

from roberta_inspect.claims.claim import Claims, NotTestedError, Outcome
from roberta_inspect.claims.comparison import Estimate, exact, judged, rounding
from roberta_inspect.claims.evidence import Evidence
from roberta_inspect.probe import IGNORED, problem_type_for
from roberta_inspect.text import counted, listed

CLAIMS = Claims()


class Kind(NamedTuple):
    """One of the losses that `forward` knows."""

    words: str
    function: str
    """The class of `torch.nn` that computes it."""
    over: str
    """What the mean is taken over."""


KINDS = {
    "single_label_classification": Kind("cross-entropy", "CrossEntropyLoss", "the batch"),
    "regression": Kind("mean squared error", "MSELoss", "the batch"),
    "multi_label_classification": Kind(
        "binary cross-entropy", "BCEWithLogitsLoss", "the batch and the labels"
    ),
}


class Terms(NamedTuple):
    """The terms of a loss in float64, before they are reduced, and how large their parts are."""

    values: torch.Tensor
    magnitudes: torch.Tensor

    def reduced(self, dtype: torch.dtype, *, mean: bool) -> Estimate:
        """Mean or sum of the terms, with the rounding of `dtype`."""
        how = torch.mean if mean else torch.sum
        relative = rounding(dtype, operations=8, summed=self.magnitudes.numel())
        return Estimate(how(self.values), how(self.magnitudes) * relative)


@CLAIMS.register("loss-value", "loss", "the loss is computed from the logits and the labels")
def value(evidence: Evidence) -> Outcome | None:
    if not evidence.observed.call.labels:
        raise NotTestedError("no call with labels returned anything")
    kind, reason = problem_type_for(evidence.config, evidence.probe.labels)
    sentence = f"equals {KINDS[kind].function}(logits, labels), mean over {KINDS[kind].over}"
    if evidence.fields.get("loss") is None:
        detail = "labels were passed, and no loss came back"
        return Outcome(status="refuted", detail=detail, sentence=sentence)
    loss, logits = evidence.tensor("loss"), evidence.tensor("logits")
    expected = _expected(evidence, kind, mean=True)
    if expected is None:
        raise NotTestedError(
            f"{KINDS[kind].function} does not take logits of shape {tuple(logits.shape)} with "
            f"labels of shape {tuple(evidence.probe.labels.shape)}"
        )
    if expected.value.isnan() and loss.isnan().all():
        raise NotTestedError(f"the loss is NaN: {_ignored(evidence) or 'so are the logits'}")
    found = judged(loss, expected, place="loss")
    others = [words for words, each in _alternatives(evidence) if _fits(loss, each)]
    instead = f"; it is {listed(others, last='or')}" if found.status == "refuted" and others else ""
    notes = [each for each in (reason, _ignored(evidence), _rows(logits)) if each]
    detail = f"{found.detail}{instead}; {'; '.join(notes)}"
    return replace(found, detail=detail, sentence=sentence)


@CLAIMS.register("loss-kind", "loss", "no other loss than the one of this problem type fits")
def kind_alone(evidence: Evidence) -> Outcome | None:
    if evidence.fields.get("loss") is None:
        return None
    loss = evidence.tensor("loss")
    own = problem_type_for(evidence.config, evidence.probe.labels)[0]
    exact(loss)
    others = {key: _expected(evidence, key, mean=True) for key in KINDS if key != own}
    fitting = [key for key, each in others.items() if each is not None and _fits(loss, each)]
    names = listed([KINDS[key].function for key in others])
    sentence = f"{names} do not fit the loss"
    expected = _expected(evidence, own, mean=True)
    if not loss.isfinite().all():
        raise NotTestedError("the loss is NaN or infinite")
    if not fitting:
        values = [
            f"{KINDS[key].function} would be {float(each.value):.6g}"
            if each is not None
            else f"{KINDS[key].function} does not take these labels"
            for key, each in others.items()
        ]
        detail = f"the loss is {float(loss):.6g}; {'; '.join(values)}"
        return Outcome(status="proved", detail=detail, sentence=sentence)
    fits = listed([KINDS[key].function for key in fitting])
    if expected is not None and _fits(loss, expected):
        raise NotTestedError(
            f"{KINDS[own].function} and {fits} fit the loss of {float(loss):.6g} on this input: "
            "other labels or inputs would tell them apart"
        )
    return Outcome(
        status="refuted",
        detail=f"expected {KINDS[own].function}, got {float(loss):.6g} at loss, which is {fits}",
        sentence=sentence,
    )


def meaning(evidence: Evidence) -> str:
    """What the loss is, by the kind that was found to fit."""
    loss = evidence.fields.get("loss")
    if not isinstance(loss, torch.Tensor) or not evidence.observed.call.labels:
        return "what forward computes from the logits when labels are passed"
    own = problem_type_for(evidence.config, evidence.probe.labels)[0]
    if evidence.fake:
        return _sentence(own)
    for key in sorted(KINDS, key=lambda key: key != own):
        expected = _expected(evidence, key, mean=True)
        if expected is not None and _fits(loss, expected):
            return _sentence(key)
    return "what forward computed from the labels: none of the losses that its class knows"


def _sentence(kind: str) -> str:
    words, _, over = KINDS[kind]
    return f"{words} of the logits against the labels, mean over {over}"


def _rows(logits: torch.Tensor) -> str:
    return f"mean over {counted(logits.shape[0], 'row')}"


def _ignored(evidence: Evidence) -> str | None:
    """How many rows the cross-entropy leaves out."""
    labels = evidence.probe.labels
    if problem_type_for(evidence.config, labels)[0] != "single_label_classification":
        return None
    ignored = int((exact(labels) == IGNORED).sum())
    if not ignored:
        return None
    verb = "is" if ignored == 1 else "are"
    return f"{ignored} of {counted(labels.numel(), 'row')} {verb} ignored ({IGNORED})"


def _fits(loss: torch.Tensor, expected: Estimate) -> bool:
    apart = (exact(loss) - expected.value).abs()
    return loss.shape == expected.value.shape and bool(apart <= expected.error)


def _alternatives(evidence: Evidence) -> Iterator[tuple[str, Estimate]]:
    """The other losses and the other reduction."""
    own = problem_type_for(evidence.config, evidence.probe.labels)[0]
    for mean in (True, False):
        for key in KINDS:
            estimate = _expected(evidence, key, mean=mean)
            if estimate is not None and (key != own or not mean):
                how = "mean" if mean else "sum"
                yield f"{KINDS[key].function} with the {how} over {KINDS[key].over}", estimate


def _expected(evidence: Evidence, kind: str, *, mean: bool) -> Estimate | None:
    """The loss of that kind in float64; `None` where it does not take these tensors."""
    logits, labels = evidence.tensor("logits"), evidence.probe.labels
    terms = _terms(exact(logits), labels.detach().cpu(), kind) if logits.ndim == 2 else None
    return None if terms is None else terms.reduced(logits.dtype, mean=mean)


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
    return _FORMULAS[kind](logits, targets)


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


_FORMULAS = {
    "single_label_classification": _cross_entropy,
    "regression": _squared_error,
    "multi_label_classification": _binary_cross_entropy,
}
