"""Claims about the loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch

from roberta_inspect.claims.claim import (
    Claims,
    NotTestedError,
    Outcome,
    not_tested,
    proved,
    refuted,
    weakest,
)
from roberta_inspect.claims.comparison import (
    Estimate,
    epsilon,
    exact,
    judged,
    same,
)
from roberta_inspect.claims.evidence import Evidence
from roberta_inspect.claims.losses import KINDS, as_given, terms_of
from roberta_inspect.claims.relabelled import RelabelledCall
from roberta_inspect.inputs.labels import IGNORED, problem_type_for
from roberta_inspect.text import counted, dtype_word, listed

CLAIMS = Claims()

FLOATS = frozenset({torch.float16, torch.bfloat16, torch.float32, torch.float64})
"""The dtypes in which torch computes a loss."""


class Expected(NamedTuple):
    """What a loss would be by one of the kinds."""

    estimate: Estimate
    """With the rounding of the dtypes in which torch computes it."""
    narrow: Estimate
    """With no more rounding than float32 brings, and that of the loss to its own dtype."""
    rounded: torch.dtype
    """The coarsest dtype of `estimate`."""


class ObservedLoss(NamedTuple):
    """A loss that came back, and what each kind would make of the logits and labels."""

    loss: torch.Tensor
    logits: torch.Tensor
    labels: torch.Tensor
    known: Mapping[tuple[str, str], Expected]
    """Kind and reduction → the loss in float64, of each kind that takes these tensors."""

    @classmethod
    def of(cls, loss: torch.Tensor, logits: torch.Tensor, labels: torch.Tensor) -> ObservedLoss:
        known: dict[tuple[str, str], Expected] = {}
        values = exact(logits)
        taken = logits.ndim == 2 and {loss.dtype, logits.dtype} <= FLOATS
        taken &= labels.dtype in FLOATS or not labels.is_floating_point()
        for key, kind in KINDS.items() if taken else ():
            ours = kind.precision(logits.dtype, labels.dtype)
            finer = ours.at_least(torch.float32)
            terms, fine = (
                terms_of(values, labels.detach().cpu(), key, each) for each in (ours, finer)
            )
            if terms is None or fine is None:
                continue
            for reduction in ("mean", "sum"):
                known[key, reduction] = Expected(
                    terms.reduced(ours, reduction, loss.dtype),
                    fine.reduced(finer, reduction, loss.dtype),
                    max(ours.coarsest, loss.dtype, key=epsilon),
                )
        return cls(loss, logits, labels, known)

    @property
    def fitting(self) -> list[str]:
        """The kinds whose mean is the loss."""
        return [
            key
            for (key, reduction), each in self.known.items()
            if reduction == "mean" and self._fits(each)
        ]

    def judged(self, own: str) -> Outcome:
        """Whether the loss is the mean that this kind gives."""
        expected = self.known[own, "mean"]
        found = judged(self.loss, expected.estimate, place="loss", dtype=expected.rounded)
        if found.status == "proved":
            narrow = judged(self.loss, expected.narrow, place="loss")
            return self._by_torch(own, found) if narrow.status == "refuted" else narrow
        labels = self.logits.shape[-1]
        others = [
            f"{KINDS[key].function} with the {reduction} over {KINDS[key].over(labels)}"
            for (key, reduction), each in self.known.items()
            if (key, reduction) != (own, "mean") and self._fits(each)
        ]
        if found.status != "refuted" or not others:
            return found
        return replace(found, detail=f"{found.detail}; it is {listed(others, last='or')}")

    def _by_torch(self, own: str, found: Outcome) -> Outcome:
        """Only if every step was rounded to 16 bits is it this loss: then torch itself, given the
        same tensors, rounds to the same number."""
        function = KINDS[own].function
        by_torch = getattr(torch.nn, function)()(*as_given(self.logits, self.labels, own))
        if same(self.loss, by_torch):
            detail = f"{found.detail}, and {function} rounds to the same number"
            return replace(found, detail=detail)
        return not_tested(
            f"the loss is {float(self.loss):.6g}, {found.difference:.1e} from the exact one: "
            f"rounding in {dtype_word(self.known[own, 'mean'].rounded)} may explain that, but "
            f"{function} itself rounds to {float(by_torch):.6g}"
        )

    def _fits(self, expected: Expected) -> bool:
        apart = (exact(self.loss) - expected.estimate.value).abs()
        return self.loss.shape == expected.estimate.value.shape and bool(
            apart <= expected.estimate.error
        )


@CLAIMS.register("loss-value", "loss", "the loss is computed from the logits and the labels")
def value(evidence: Evidence) -> Outcome | None:
    if not evidence.observed.call.labels:
        raise NotTestedError("no call with labels returned anything")
    own, reason = problem_type_for(evidence.config, evidence.probe.labels)
    kind = KINDS[own]
    columns = _columns(evidence.tensor("logits"))
    sentence = f"equals {kind.function}(logits, labels), mean over {kind.over(columns)}"
    if evidence.fields.get("loss") is None:
        return replace(refuted("labels were passed, and no loss came back"), sentence=sentence)
    first = _first(evidence)
    if (own, "mean") not in first.known:
        raise NotTestedError(f"{kind.function} does not take these logits and labels")
    if not exact(evidence.tensor("logits")).isfinite().all():
        raise NotTestedError("the logits hold NaN or infinity, so there is nothing to compare")
    if first.loss.isnan().all() and first.known[own, "mean"].estimate.value.isnan():
        raise NotTestedError(f"the loss is NaN: {_rows(evidence, columns)}")
    found = first.judged(own)
    rows = _rows(evidence, columns)
    if found.status == "proved":
        found, also = _with_other_labels(evidence, own, found)
        rows += also
    return replace(found, detail=f"{found.detail}; {reason}; {rows}", sentence=sentence)


def _with_other_labels(evidence: Evidence, own: str, found: Outcome) -> tuple[Outcome, str]:
    """What the call with labels of its own makes of an outcome, and words for it."""
    try:
        more = evidence.relabelled
    except NotTestedError as missing:
        if _counted_rows(evidence) < 2:
            return not_tested(f"one row cannot tell a mean from a sum, and {missing}"), ""
        return found, f"; {missing}"
    if not isinstance(more.loss, torch.Tensor):
        return refuted(f"expected a loss with {more.input}, and none came back"), ""
    other = _of(more)
    if (own, "mean") not in other.known:
        return not_tested(f"{KINDS[own].function} does not take the logits of {more.input}"), ""
    again = other.judged(own)
    if again.status != "proved":
        return replace(again, detail=f"over {more.input}: {again.detail}"), ""
    return weakest([found, again]), f", then over {more.input}"


@CLAIMS.register("loss-kind", "loss", "no other loss than the one of this problem type fits")
def kind_alone(evidence: Evidence) -> Outcome | None:
    if evidence.fields.get("loss") is None:
        return None
    first = _first(evidence)
    loss = first.loss
    if loss.numel() != 1:
        raise NotTestedError(f"the loss is of shape {tuple(loss.shape)}, no single number")
    if not loss.isfinite().all():
        raise NotTestedError("the loss is NaN or infinite")
    own = problem_type_for(evidence.config, evidence.probe.labels)[0]
    others = [key for key in KINDS if key != own]
    everywhere = _fitting(evidence)
    fitting = [key for key in everywhere if key != own]
    sentence = f"{_functions(others)} do not fit the loss"
    if not fitting:
        values = [
            f"{KINDS[key].function} would be {float(first.known[key, 'mean'].estimate.value):.6g}"
            for key in others
            if (key, "mean") in first.known
        ]
        detail = "; ".join([f"the loss is {float(loss):.6g}", *values])
        return replace(proved(detail), sentence=sentence)
    if own in everywhere:
        raise NotTestedError(
            f"{_functions([own, *fitting])} fit the loss of {float(loss):.6g} on this input: "
            "other labels or inputs would tell them apart"
        )
    detail = (
        f"expected {KINDS[own].function}, got {float(loss):.6g} at loss, which is "
        f"{_functions(fitting)}"
    )
    return replace(refuted(detail), sentence=sentence)


def meaning(evidence: Evidence) -> str:
    """What the loss is, by the kind that was found to fit."""
    tensors = [evidence.fields.get(name) for name in ("loss", "logits")]
    if not evidence.observed.call.labels or not all(map(torch.is_tensor, tensors)):
        return "what forward computes when labels are passed"
    own = problem_type_for(evidence.config, evidence.probe.labels)[0]
    loss = evidence.tensor("loss")
    if not evidence.fake and not loss.isfinite().all():
        number = "NaN" if loss.isnan().any() else "infinite"
        return f"what forward computed from the labels: {number} here, so no formula can be tested"
    fitting = [own] if evidence.fake else _fitting(evidence)
    if not fitting:
        return "what forward computed from the labels: none of the losses that its class knows"
    kind = KINDS[own if own in fitting else fitting[0]]
    over = kind.over(_columns(evidence.tensor("logits")))
    return f"{kind.words} of the logits against the labels, mean over {over}"


def _columns(logits: torch.Tensor) -> int:
    """The labels that the logits are of."""
    return int(logits.shape[-1]) if logits.ndim else 1


def _first(evidence: Evidence) -> ObservedLoss:
    """Of the reference call."""
    return ObservedLoss.of(
        evidence.tensor("loss"), evidence.tensor("logits"), evidence.probe.labels
    )


def _of(more: RelabelledCall) -> ObservedLoss:
    """Of the call with labels of its own."""
    return ObservedLoss.of(more.loss, more.logits, more.labels)


def _fitting(evidence: Evidence) -> list[str]:
    """The kinds whose mean is the loss, with whatever labels it was called."""
    fitting = _first(evidence).fitting
    try:
        more = evidence.relabelled if fitting else None
    except NotTestedError:
        more = None
    if more is None or not isinstance(more.loss, torch.Tensor):
        return fitting
    again = _of(more)
    return [key for key in fitting if key in again.fitting]


def _functions(kinds: Sequence[str]) -> str:
    return listed([KINDS[key].function for key in kinds])


def _rows(evidence: Evidence, columns: int) -> str:
    """What the mean goes over, and how many rows the cross-entropy leaves out."""
    own = problem_type_for(evidence.config, evidence.probe.labels)[0]
    rows = counted(evidence.probe.batch_size, "row")
    ignored = evidence.probe.batch_size - _counted_rows(evidence)
    if not ignored:
        labels = f" × {counted(columns, 'label')}" if KINDS[own].per_label and columns > 1 else ""
        return f"mean over {rows}{labels}"
    return f"{ignored} of {rows} {'is' if ignored == 1 else 'are'} ignored ({IGNORED})"


def _counted_rows(evidence: Evidence) -> int:
    """The rows that the loss does not leave out."""
    labels, rows = evidence.probe.labels, evidence.probe.batch_size
    single = problem_type_for(evidence.config, labels)[0] == "single_label_classification"
    return rows - (int((exact(labels) == IGNORED).sum()) if single else 0)
