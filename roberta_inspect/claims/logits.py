"""Claims about the logits."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from roberta_inspect.claims.claim import Claims, NotTestedError, Outcome, proved, refuted
from roberta_inspect.claims.comparison import (
    Estimate,
    exact,
    furthest,
    judged,
    linear,
    rounding,
)
from roberta_inspect.claims.evidence import Evidence
from roberta_inspect.inputs.labels import problem_type_for

CLAIMS = Claims()

SCORES = {
    "single_label_classification": "one unnormalised score per label; softmax gives probabilities",
    "multi_label_classification": "one unnormalised score per label; sigmoid gives the "
    "probability of each label by itself",
    "regression": "the predicted number itself: a regression has no probabilities",
}

NORMALISED = (
    "one number per label; each row is ≥ 0 and sums to 1: these look like probabilities already"
)


@CLAIMS.register("logits-origin", "logits", "is the very tensor that classifier returned")
def origin(evidence: Evidence) -> Outcome | None:
    logits = evidence.tensor("logits")
    returned = evidence.visit(evidence.anatomy.classifier, "classifier").output
    if returned is logits and evidence.trace.changed(logits):
        return refuted("expected what classifier returned, got it changed in place, at logits")
    if returned is logits:
        return proved("the same object")
    if not isinstance(returned, torch.Tensor):
        raise NotTestedError(f"the classifier returns a {type(returned).__name__}")
    if returned.shape == logits.shape and not evidence.fake:
        apart = f"another tensor, up to {furthest(returned, logits):.1e} away"
    else:
        apart = f"another tensor of shape {tuple(logits.shape)}"
    return refuted(f"expected what classifier returned, got {apart}, at logits")


@CLAIMS.register("logits-classifier", "logits", "equals classifier(hidden_states[-1])")
def from_last(evidence: Evidence) -> Outcome | None:
    last, logits = _last(evidence), evidence.tensor("logits")
    classifier = evidence.module(evidence.anatomy.classifier, "classifier")
    found = judged(logits, _again(evidence, classifier(last)), place="logits")
    excused = not has_class_form(evidence, classifier) and not evidence.trace.changed(logits)
    if found.status == "refuted" and excused:
        raise NotTestedError(
            f"this {type(classifier).__name__} reads more than hidden_states[-1], or something else"
        )
    return found


@CLAIMS.register("logits-head", "logits", "equals out_proj(tanh(dense(hidden_states[-1][:, 0])))")
def head(evidence: Evidence) -> Outcome | None:
    classifier = evidence.module(evidence.anatomy.classifier, "classifier")
    _needs_class_form(evidence, classifier)
    logits, first = evidence.tensor("logits"), _last(evidence)[:, 0]
    if not (is_plain(classifier.dense) and is_plain(classifier.out_proj)):
        again = classifier.out_proj(torch.tanh(classifier.dense(first)))
        return judged(logits, _again(evidence, again), place="logits")
    first = exact(first)
    before = linear(Estimate(first, torch.zeros_like(first)), classifier.dense)
    bent = before.value.tanh()
    slope = 1 - bent.square()
    rounded = rounding(classifier.dense.weight.dtype, operations=2) * bent.abs()
    # The tangent alone says too little where the error is large; 1 bounds every slope of tanh.
    curved = before.error * (slope + before.error).clamp(max=1)
    expected = linear(Estimate(bent, curved + rounded), classifier.out_proj)
    return judged(logits, expected, place="logits")


@CLAIMS.register("logits-position", "logits", "only position 0 of the last hidden state matters")
def position(evidence: Evidence) -> Outcome | None:
    last, logits = _last(evidence), evidence.tensor("logits")
    if not exact(logits).isfinite().all():
        raise NotTestedError("the logits hold NaN or infinity, so there is nothing to compare")
    classifier = evidence.module(evidence.anatomy.classifier, "classifier")
    _needs_class_form(evidence, classifier)
    if not exact(last).isfinite().all():
        raise NotTestedError("hidden_states[-1] holds NaN or infinity, so there is nothing to move")
    others = torch.cat([-last[:, 1:], last.flip(-1)], dim=1)
    elsewhere = classifier(torch.cat([last[:, :1], others], dim=1))
    at_first = classifier(torch.cat([-last[:, :1], last[:, 1:]], dim=1))
    moved, kept = furthest(at_first, logits), furthest(elsewhere, logits)
    allowed = float(_again(evidence, logits).error.max())
    if kept > allowed:
        return refuted(
            "expected the same logits after replacing every other position of "
            f"hidden_states[-1], got logits that differ by {kept:.1e}",
            difference=kept,
            tolerance=allowed,
        )
    if moved <= allowed:
        raise NotTestedError("replacing position 0 changes the logits no more than rounding does")
    return proved(
        f"replacing every other position moves the logits by {kept:.1e}, replacing position 0 "
        f"by {moved:.1e}",
        difference=kept,
        tolerance=allowed,
    )


def has_class_form(evidence: Evidence, classifier: Any) -> bool:
    """Whether the head has the parts of `RobertaClassificationHead`, whatever it does with them."""
    dense, out = (getattr(classifier, name, None) for name in ("dense", "out_proj"))
    size = evidence.config.hidden_size
    return (
        isinstance(dense, nn.Linear)
        and isinstance(out, nn.Linear)
        and (dense.in_features, dense.out_features, out.in_features) == (size, size, size)
    )


def is_plain(module: nn.Module) -> bool:
    """Whether it multiplies by its weight and adds its bias, and nobody changes what it returns."""
    own = type(module).forward is nn.Linear.forward and "forward" not in vars(module)
    return own and not module._forward_hooks and not module._forward_pre_hooks


def _needs_class_form(evidence: Evidence, classifier: Any) -> None:
    if not has_class_form(evidence, classifier):
        raise NotTestedError(
            f"this {type(classifier).__name__} lacks the dense and out_proj of "
            "RobertaClassificationHead: it may read what it likes"
        )


def meaning(evidence: Evidence) -> str:
    """What the logits are, by problem type, unless their values say otherwise."""
    kind = problem_type_for(evidence.config, evidence.probe.labels)[0]
    logits = evidence.fields.get("logits")
    if not evidence.fake and isinstance(logits, torch.Tensor) and _look_normalised(logits):
        return NORMALISED
    return SCORES.get(kind, "one number per label")


def _look_normalised(logits: torch.Tensor) -> bool:
    """Whether each row is at least 0 and sums to 1."""
    if not logits.is_floating_point() or logits.ndim != 2 or logits.shape[-1] < 2:
        return False
    values = exact(logits)
    allowed = rounding(logits.dtype, operations=2, summed=values.shape[-1])
    return bool((values >= 0).all() and ((values.sum(dim=-1) - 1).abs() <= allowed).all())


def _last(evidence: Evidence) -> torch.Tensor:
    """The last hidden state, as the caller gets it."""
    if evidence.fields.get("hidden_states") is None:
        raise NotTestedError("the call was made without output_hidden_states")
    return evidence.tuple_of("hidden_states")[-1]


def _again(evidence: Evidence, logits: torch.Tensor) -> Estimate:
    """The same module on the same values: nothing but the order of summing may differ."""
    summed = 2 * evidence.config.hidden_size
    relative = rounding(logits.dtype, operations=4, summed=summed)
    values = exact(logits)
    return Estimate(values, relative * values.abs().max().expand_as(values))
