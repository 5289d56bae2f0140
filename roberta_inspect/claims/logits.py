"""Claims about the logits."""

from __future__ import annotations

import torch
from torch import nn

from roberta_inspect.claims.evidence import Evidence
from roberta_inspect.claims.outcome import Claims, NotTestedError, Outcome, proved, refuted
from roberta_inspect.claims.rounding import furthest, other_values, same, same_bits
from roberta_inspect.text import dtype_word

CLAIMS = Claims("logits")

SCORES = {
    "single_label_classification": "one unnormalised score per label; softmax gives probabilities",
    "multi_label_classification": "one unnormalised score per label; sigmoid gives the "
    "probability of each label by itself",
    "regression": "the predicted number itself: a regression has no probabilities",
}

NORMALISED = (
    "one number per label; each row is ≥ 0 and sums to 1: these look like probabilities already"
)

LOGARITHMS = (
    "one number per label, none above 0: these may be logarithms of probabilities, not scores"
)

UNKNOWN_SCALE = "one number per label; what scale it is on is not known"


@CLAIMS.register("logits-origin", "is the very tensor that classifier returned")
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
        if returned.dtype != logits.dtype and same(returned.to(logits.dtype), logits):
            outcome = proved(f"classifier returned {dtype_word(returned.dtype)}", exact=True)
            copied = f"is a {dtype_word(logits.dtype)} copy of what classifier returned"
            return outcome._replace(sentence=copied)
        apart = f"another tensor, up to {furthest(returned, logits):.1e} away"
    else:
        apart = f"another tensor of shape {tuple(logits.shape)}"
    return refuted(f"expected what classifier returned, got {apart}, at logits")


@CLAIMS.register(
    "logits-classifier",
    "equals classifier(hidden_states[-1])",
    asks="hidden_states",
    compares_calls=True,
)
def from_last(evidence: Evidence) -> Outcome | None:
    logits, (last, words) = evidence.finite("logits"), _last(evidence)
    got = _called(evidence, last, logits)
    if not same(got, logits):
        if not has_class_form(evidence) and not evidence.trace.changed(logits):
            raise NotTestedError(
                f"this {_head_name(evidence)} reads more than {words}, or something else"
            )
        return other_values(f"classifier({words})", got, logits, "logits")
    moved = furthest(_called(evidence, -last, logits), logits)
    outcome = same_bits("calling the head on other vectors", moved)
    return outcome._replace(sentence=f"equals classifier({words})")


@CLAIMS.register(
    "logits-head",
    "equals out_proj(tanh(dense(hidden_states[-1][:, 0])))",
    asks="hidden_states",
    compares_calls=True,
)
def head(evidence: Evidence) -> Outcome | None:
    logits, (last, words) = evidence.finite("logits"), _last(evidence)
    if not has_class_form(evidence):
        raise NotTestedError(
            f"this {_head_name(evidence)} lacks the dense and out_proj of "
            "RobertaClassificationHead: it may read what it likes"
        )
    classifier = evidence.classifier
    visit = evidence.visit(evidence.anatomy.classifier, "classifier")
    with visit.circumstances.again():
        dense = classifier.dense(last[:, 0])
        got = classifier.out_proj(torch.tanh(dense)).to(logits.dtype)
        bare = classifier.out_proj(dense).to(logits.dtype)
    if got.shape != logits.shape:
        return refuted(f"expected shape {tuple(got.shape)}, got {tuple(logits.shape)} at logits")
    if not same(got, logits):
        return other_values("out_proj(tanh(dense(…)))", got, logits, "logits")
    outcome = same_bits("leaving out tanh", furthest(bare, logits))
    return outcome._replace(sentence=f"equals out_proj(tanh(dense({words}[:, 0])))")


@CLAIMS.register(
    "logits-position",
    "only position 0 of the last hidden state matters",
    asks="hidden_states",
    compares_calls=True,
)
def position(evidence: Evidence) -> Outcome | None:
    (last, words), logits = _last(evidence), evidence.finite("logits")
    if not last.isfinite().all():
        raise NotTestedError(f"{words} holds NaN or infinity, so there is nothing to move")
    if not same(_called(evidence, last, logits), logits):
        raise NotTestedError(f"this {_head_name(evidence)} reads more than {words}")
    large = 1e3 * last.abs().max() * torch.ones_like(last)
    longer = torch.cat([last, last.flip(-1)], dim=1)
    for replaced in (-last, longer, large, torch.zeros_like(last)):
        elsewhere = torch.cat([last[:, :1], replaced[:, 1:]], dim=1)
        moved = furthest(_called(evidence, elsewhere, logits), logits)
        if moved and not has_class_form(evidence):
            raise NotTestedError(f"this {_head_name(evidence)} reads other positions, too")
        if moved:
            expected = f"the same logits after replacing every other position of {words}"
            return refuted(f"expected {expected}, got logits that differ by {moved:.1e}", moved)
    at_first = torch.cat([-last[:, :1], last[:, 1:]], dim=1)
    moved = furthest(_called(evidence, at_first, logits), logits)
    detail = "replacing every other position changes no bit of the logits"
    return same_bits("replacing position 0", moved, detail)


def _called(evidence: Evidence, features: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """What the head returns, in the dtype in which the caller gets it."""
    got = evidence.again(evidence.anatomy.classifier, "classifier", features)
    if not isinstance(got, torch.Tensor):
        raise NotTestedError(f"the classifier returns a {type(got).__name__}")
    return got.to(logits.dtype)


def has_class_form(evidence: Evidence) -> bool:
    """Whether the head has the parts of `RobertaClassificationHead`, whatever it does with them."""
    dense, out = (getattr(evidence.classifier, name, None) for name in ("dense", "out_proj"))
    size = evidence.config.hidden_size
    return (
        isinstance(dense, nn.Linear)
        and isinstance(out, nn.Linear)
        and (dense.in_features, dense.out_features, out.in_features) == (size, size, size)
    )


def _head_name(evidence: Evidence) -> str:
    return type(evidence.classifier).__name__


def meaning(evidence: Evidence, status: str | None) -> str:
    """What the logits are, by problem type, as far as the head's form or their values show it.

    `status` is that of the claim about the form of the head.
    """
    kind, _ = evidence.problem_type
    logits = evidence.fields.get("logits")
    sentence = SCORES.get(kind, UNKNOWN_SCALE)
    if evidence.fake or not isinstance(logits, torch.Tensor) or status == "proved":
        return sentence
    values = logits.detach().double()
    if values.ndim == 2 and values.shape[-1] > 1 and bool((values >= 0).all()):
        sums = values.sum(dim=-1)
        if bool(((sums - 1).abs() <= 0.01).all()):
            return NORMALISED
    if bool((values <= 0).all()):
        return LOGARITHMS
    scores = bool((values > 1).any() or (values < 0).any())
    return sentence if scores or kind == "regression" else UNKNOWN_SCALE


def _last(evidence: Evidence) -> tuple[torch.Tensor, str]:
    """What the head reads of the last hidden state, and its name: as the caller gets it, or after
    the LayerNorm that some classes put behind it."""
    last = evidence.tuple_of("hidden_states")[-1]
    evidence.check_values()
    read = evidence.visit(evidence.anatomy.classifier, "classifier").hidden_states
    if read.shape != last.shape:
        raise NotTestedError(f"the classifier reads a tensor of shape {tuple(read.shape)}")
    norm = evidence.trace.visit(evidence.anatomy.last_norm)
    if norm is not None and norm.hidden_states is last:
        normed = evidence.returned(str(evidence.anatomy.last_norm), "LayerNorm")
        return normed, "LayerNorm(hidden_states[-1])"
    return last, "hidden_states[-1]"
