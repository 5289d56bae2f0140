"""Claims about the loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch

from roberta_inspect.claims.evidence import Evidence
from roberta_inspect.claims.outcome import (
    Claims,
    NotTestedError,
    Outcome,
    not_tested,
    proved,
    refuted,
    weakest,
)
from roberta_inspect.claims.rounding import epsilon, furthest, power_of, same, summing, within
from roberta_inspect.records.input import IGNORED
from roberta_inspect.text import counted, dtype_word, listed

CLAIMS = Claims("loss")


class Kind(NamedTuple):
    """One of the losses that `forward` knows."""

    words: str
    function: str
    """The class of `torch.nn` that computes it."""
    per_label: bool
    """Whether each label of a row has a term of its own."""

    def over(self, labels: int) -> str:
        """What it is reduced over, with logits of so many labels."""
        return "the batch and the labels" if self.per_label and labels > 1 else "the batch"


KINDS = {
    "single_label_classification": Kind("cross-entropy", "CrossEntropyLoss", per_label=False),
    "regression": Kind("mean squared error", "MSELoss", per_label=True),
    "multi_label_classification": Kind("binary cross-entropy", "BCEWithLogitsLoss", per_label=True),
}


class ObservedLoss(NamedTuple):
    """A loss that came back, with the logits and labels that it should be of."""

    loss: torch.Tensor
    logits: torch.Tensor
    labels: torch.Tensor

    def by(self, kind: str, reduction: str, *, wide: bool = False) -> torch.Tensor | None:
        """What torch makes of the same tensors, in float64 where it is to be `wide`; `None` where
        this loss does not take them."""
        logits, labels = _as_taken(self.logits, self.labels, kind)
        if kind != "single_label_classification" and labels.shape != logits.shape:
            return None  # torch would broadcast them, with a warning
        if wide:
            logits = logits.double()
            labels = labels.double() if labels.is_floating_point() else labels
        function = getattr(torch.nn, KINDS[kind].function)(reduction=reduction)
        try:
            value: torch.Tensor = function(logits, labels)
        except (RuntimeError, ValueError, IndexError):  # what does not fit is no such loss
            return None
        return value if value.ndim == 0 and value.is_floating_point() else None

    def judge(self, kind: str, reduction: str = "mean") -> Outcome:
        """Whether the loss is what this kind gives: bit for bit, or within its rounding."""
        if self.loss.ndim:
            return refuted(f"expected shape (), got {tuple(self.loss.shape)} at loss")
        exact = self.by(kind, reduction)
        if exact is None:
            return not_tested(f"{KINDS[kind].function} does not take these logits and labels")
        if not self.loss.is_floating_point():
            got = f"shape () {dtype_word(self.loss.dtype)}"
            return refuted(f"expected a single number, got {got} at loss")
        if same(self.loss, exact.to(self.loss.dtype)):
            return proved(f"{KINDS[kind].function} itself gives the same bits", exact=True)
        expected = self.by(kind, reduction, wide=True)
        assert expected is not None, "what is taken narrow is taken wide"
        dtype = max(self.loss.dtype, self.logits.dtype, key=epsilon)
        # Four roundings, each of half a unit: of the logarithm of a sum of exponentials, which is
        # as exact as the largest logit, of its argument, of a term and of their mean.
        largest = float(self.logits.abs().max()) + abs(float(expected))
        tolerance = 2 * summing(dtype, self.logits.numel()) * largest
        apart = furthest(self.loss, expected)
        if not apart <= tolerance:
            got = f"{float(self.loss):.6g} at loss: {apart:.1e} apart, tolerance {tolerance:.1e}"
            return refuted(f"expected {float(expected):.6g}, got {got}", apart, tolerance)
        power = power_of(torch.full_like(expected, tolerance), expected)
        return within(apart, tolerance, power=power, dtype=dtype)

    def relabelled(self, kind: str) -> ObservedLoss:
        """With labels that are not right: the least likely class of each row, other targets."""
        if kind == "single_label_classification":
            labels = self.logits.argmin(dim=-1).to(self.labels).reshape(self.labels.shape)
        else:
            labels = 1 - self.labels
        return self._replace(labels=labels)

    def fits(self, kind: str, reduction: str = "mean") -> bool:
        """Whether the loss could be of this kind."""
        outcome = self.judge(kind, reduction)
        return outcome.status != "refuted" and outcome.tolerance is not None


def _as_taken(
    logits: torch.Tensor, labels: torch.Tensor, kind: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """As `forward` hands them to a loss of its kind; for another kind as its labels say the same:
    class ids as one-hot rows."""
    labels = labels.to(logits.device)
    if logits.ndim != 2:
        return logits, labels
    ids = not labels.is_floating_point() and labels.numel() == len(logits)
    if kind == "single_label_classification":
        return logits, labels.reshape(-1) if ids else labels
    if kind == "regression" and logits.shape[-1] == 1:
        return logits.squeeze(), labels.squeeze()
    if ids and bool((labels >= 0).all()) and int(labels.max()) < logits.shape[-1]:
        rows = labels.reshape(-1).long()
        labels = torch.nn.functional.one_hot(rows, logits.shape[-1]).to(logits.dtype)
    return logits, labels.reshape(logits.shape) if labels.numel() == logits.numel() else labels


@CLAIMS.register("loss-value", "the loss is computed from the logits and the labels")
def value(evidence: Evidence) -> Outcome | None:
    if not evidence.observed.call.labels:
        raise NotTestedError("the call that the proofs rest on has no labels")
    own, reason = evidence.problem_type
    kind = KINDS[own]
    logits = evidence.tensor("logits")
    sentence = f"equals {kind.function}(logits, labels), mean over {kind.over(_columns(logits))}"
    if evidence.fields.get("loss") is None:
        return refuted("labels were passed, and no loss came back")._replace(sentence=sentence)
    evidence.finite("logits")
    first = _first(evidence)
    rows = _rows(evidence, _columns(logits))
    by_torch = first.by(own, "mean")
    if first.loss.isnan().all() and by_torch is not None and bool(by_torch.isnan()):
        raise NotTestedError(f"the loss is NaN: {rows}")
    outcome = _judged(first, own)
    if outcome.status == "proved":
        outcome = _with_other_labels(evidence, own, outcome)
    if outcome.status == "proved":
        rows += f", then over {evidence.small.labelling.words}, in the dict and in the tuple"
    return outcome._replace(detail=f"{outcome.detail}; {reason}; {rows}", sentence=sentence)


def _judged(observed: ObservedLoss, own: str) -> Outcome:
    """Whether it is the loss of its kind; if not, with the loss that it is instead, if any fits."""
    outcome = observed.judge(own)
    if outcome.status != "refuted":
        return outcome
    labels = observed.logits.shape[-1]
    fitting_losses = [
        f"{KINDS[kind].function} with the {reduction} over {KINDS[kind].over(labels)}"
        for kind in KINDS
        for reduction in ("mean", "sum")
        if (kind, reduction) != (own, "mean") and observed.fits(kind, reduction)
    ]
    if not fitting_losses:
        return outcome
    return outcome._replace(detail=f"{outcome.detail}; it is {listed(fitting_losses, last='or')}")


def _with_other_labels(evidence: Evidence, own: str, outcome: Outcome) -> Outcome:
    """What the calls with labels of their own make of an outcome."""
    try:
        evidence.check_deterministic()
        answers = evidence.small.relabelled
    except NotTestedError as missing:
        return not_tested(f"no other labels were tried: {missing}")
    rows = evidence.small.labelling.words
    outcomes = [outcome]
    for container, answer in answers.items():
        if not isinstance(answer.fields.get("loss"), torch.Tensor):
            return refuted(f"expected a loss in the {container} with {rows}, got none")
        again = _judged(_relabelled(evidence, container), own)
        if again.status != "proved":
            return again._replace(detail=f"{container} with {rows}: {again.detail}")
        outcomes.append(again)
    decisive = weakest(outcomes)
    control = _control(_relabelled(evidence, "dict"), own, decisive.tolerance or 0.0)
    return decisive._replace(control=control)


def _relabelled(evidence: Evidence, container: str) -> ObservedLoss:
    answer, labels = evidence.small.relabelled[container], evidence.small.labelling.labels
    return ObservedLoss(answer.fields["loss"], answer.logits, labels)


def _control(observed: ObservedLoss, own: str, tolerance: float) -> str:
    """How far the sum of the terms and the loss of other labels are from the loss, in words; raise
    NotTestedError where one of them would have been taken for it."""
    alternatives = {
        "their sum": observed.by(own, "sum"),
        "the loss of other labels": observed.relabelled(own).by(own, "mean"),
    }
    apart = {}
    for words, other in alternatives.items():
        dtype = observed.loss.dtype
        apart[words] = 0.0 if other is None else furthest(other.to(dtype), observed.loss)
        if not apart[words] > tolerance:
            raise NotTestedError(
                f"{words} would be {apart[words]:.1e} away, within the tolerance of {tolerance:.1e}"
            )
    return "; ".join(f"{words} is {distance:.1e} away" for words, distance in apart.items())


@CLAIMS.register("loss-kind", "no other loss than the one of this problem type fits", asks="loss")
def kind_alone(evidence: Evidence) -> Outcome | None:
    first = _first(evidence)
    loss = first.loss
    evidence.check_values()
    if loss.numel() != 1:
        raise NotTestedError(f"the loss is of shape {tuple(loss.shape)}, not a single number")
    if not loss.isfinite().all():
        raise NotTestedError("the loss is NaN or infinite")
    own, _ = evidence.problem_type
    other_kinds = [kind for kind in KINDS if kind != own]
    everywhere = fitting(evidence)
    also = [kind for kind in everywhere if kind != own]
    sentence = f"{_functions(other_kinds)} do not fit the loss"
    if not also:
        values = [
            f"{KINDS[kind].function} would be {float(loss_of_kind):.6g}"
            for kind in other_kinds
            if (loss_of_kind := first.by(kind, "mean")) is not None
        ]
        detail = "; ".join([f"the loss is {float(loss):.6g}", *values])
        return proved(detail)._replace(sentence=sentence)
    if own in everywhere:
        raise NotTestedError(
            f"{_functions([own, *also])} fit the loss of {float(loss):.6g} on this input: "
            "other labels or inputs would tell them apart"
        )
    got = f"{float(loss):.6g} at loss, which is {_functions(also)}"
    return refuted(f"expected {KINDS[own].function}, got {got}")._replace(sentence=sentence)


def meaning(evidence: Evidence, status: str | None) -> str:
    """What the loss is, by the kind that fits; `status` is that of the claim about its value."""
    tensors = [evidence.fields.get(name) for name in ("loss", "logits")]
    if not evidence.observed.call.labels or not all(map(torch.is_tensor, tensors)):
        return "what forward computes when labels are passed"
    own, _ = evidence.problem_type
    loss = evidence.tensor("loss")
    if not evidence.fake and not loss.isfinite().all():
        number = "NaN" if loss.isnan().any() else "infinite"
        return f"what forward computed from the labels: {number} here, so no formula can be tested"
    kinds = [own] if evidence.fake else fitting(evidence)
    if not kinds or status == "refuted":
        return "what forward computed from the labels: none of the losses that its class knows"
    kind = KINDS[own if own in kinds else kinds[0]]
    over = kind.over(_columns(evidence.tensor("logits")))
    reduced = f"mean over {over}" if status == "proved" or evidence.fake else "on this input"
    return f"{kind.words} of the logits against the labels, {reduced}"


def fitting(evidence: Evidence) -> list[str]:
    """The kinds whose mean is the loss, with whatever labels it was called."""
    kinds = [kind for kind in KINDS if _first(evidence).fits(kind)]
    try:
        loss = evidence.small.relabelled["dict"].fields.get("loss") if kinds else None
    except NotTestedError:
        loss = None
    if not isinstance(loss, torch.Tensor):
        return kinds
    return [kind for kind in kinds if _relabelled(evidence, "dict").fits(kind)]


def _columns(logits: torch.Tensor) -> int:
    """The labels that the logits are of."""
    return int(logits.shape[-1]) if logits.ndim else 1


def _first(evidence: Evidence) -> ObservedLoss:
    """Of the reference call."""
    return ObservedLoss(evidence.tensor("loss"), evidence.tensor("logits"), evidence.probe.labels)


def _functions(kinds: Sequence[str]) -> str:
    return listed([KINDS[kind].function for kind in kinds])


def _rows(evidence: Evidence, columns: int) -> str:
    """What the mean goes over, and how many rows the cross-entropy leaves out."""
    own, _ = evidence.problem_type
    rows = counted(evidence.probe.batch_size, "row")
    ignored = int((evidence.probe.labels == IGNORED).sum())
    if ignored and own == "single_label_classification":
        return f"{ignored} of {rows} {'is' if ignored == 1 else 'are'} ignored ({IGNORED})"
    per_label = KINDS[own].per_label and columns > 1
    return f"mean over {rows}" + (f" × {counted(columns, 'label')}" if per_label else "")
