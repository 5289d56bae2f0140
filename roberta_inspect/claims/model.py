"""Claims about the model as a whole: padding and the attention implementation."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch

from roberta_inspect.claims.claim import Claims, NotTestedError, Outcome, refuted
from roberta_inspect.claims.comparison import (
    SIGMAS,
    decided,
    exact,
    furthest,
    rounding,
    smallest,
)
from roberta_inspect.claims.evidence import Evidence
from roberta_inspect.releases import attention_of, switch_attention

CLAIMS = Claims()


@CLAIMS.register(
    "padding", "logits", "the logits of a row are the same alone and padded with its mask"
)
def padding(evidence: Evidence) -> Outcome | None:
    second = evidence.resized
    logits = evidence.tensor("logits")[second.row]
    exact(logits)
    row = evidence.probe.row(second.row)
    if int(row.attention_mask[0, 0]) == 0:
        raise NotTestedError(
            f"row {second.row} is padded on the left, so that the head reads padding in a batch"
        )
    whole = row.row_lengths[0] == row.sequence_length
    bare = evidence.logits_of((row.padded(evidence.pad_token_id) if whole else row).unmasked())
    without = furthest(bare, logits.expand_as(bare))
    found = _within_rounding(evidence, second.logits, logits, "the padded row's logits differ")
    detail = f"{found.detail}; without the mask the difference is {without:.1e}"
    return replace(found, detail=detail)


@CLAIMS.register(
    "attention-implementations", "logits", "another attention implementation gives the same"
)
def implementations(evidence: Evidence) -> Outcome | None:
    used = attention_of(evidence.config)
    other = "sdpa" if used == "eager" else "eager"
    exact(evidence.tensor("logits"))
    if used == "sdpa" and evidence.fields.get("attentions"):
        # torch's sdpa returns no weights: where they came back, that call fell back to eager.
        logits = evidence.logits_of(evidence.probe)
    else:
        with _switched(evidence, other):
            logits = evidence.logits_of(evidence.probe)
    wanted = evidence.tensor("logits")
    found = _within_rounding(evidence, logits, wanted, f"the logits under {other} differ")
    return replace(found, sentence=f"the logits under {used} and under {other} attention agree")


def _within_rounding(
    evidence: Evidence, got: torch.Tensor, wanted: torch.Tensor, what: str
) -> Outcome:
    """Whether logits agree with others but for what rounding does to each label.

    `got` and `wanted` are of shape `(batch_size, num_labels)`, or `wanted` is one row for all.
    """
    logits = exact(evidence.tensor("logits"))
    if not logits.isfinite().all():
        raise NotTestedError("the logits hold NaN or infinity, so there is nothing to compare")
    if got.shape[1:] != logits.shape[1:]:
        shapes = f"of shape {tuple(logits.shape)}, got {tuple(got.shape)}"
        return refuted(f"expected the same, but {what}: expected rows {shapes}")
    apart = (exact(got) - exact(wanted)).abs().nan_to_num(nan=math.inf)
    own = rounding(wanted.dtype, operations=2) * logits.abs().amax(dim=0)
    allowed = torch.hypot(SIGMAS * evidence.rounding_by_label(), own) + smallest(wanted.dtype)
    allowed = allowed.expand_as(apart)
    worst = torch.unravel_index((apart / allowed).argmax(), apart.shape)
    most, limit = float(apart[worst]), float(allowed[worst])
    if not most <= limit:
        detail = f"expected the same, but {what} by {most:.1e}; rounding explains {limit:.1e}"
        return refuted(detail, difference=most, tolerance=limit)
    return decided(
        f"largest difference {most:.1e}; rounding explains {limit:.1e}",
        difference=most,
        tolerance=limit,
        widest=float(allowed.max()),
        largest=float(logits.abs().max()),
        place="logits",
    )


@contextmanager
def _switched(evidence: Evidence, implementation: str) -> Iterator[None]:
    """The model under another attention implementation, for as long as it lasts."""
    used = attention_of(evidence.config)
    try:
        if not switch_attention(evidence.model, implementation):
            raise NotTestedError(
                f"this release does not switch all of a loaded model to {implementation}"
            )
        yield
    finally:
        switch_attention(evidence.model, used)
