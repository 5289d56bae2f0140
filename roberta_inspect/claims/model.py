"""Claims about rows: what must not change them, and what must."""

from __future__ import annotations

import math

import torch

from roberta_inspect.claims.evidence import Evidence
from roberta_inspect.claims.extra import Answer, SmallCalls
from roberta_inspect.claims.outcome import Claims, NotTestedError, Outcome, refuted
from roberta_inspect.claims.rounding import (
    epsilon,
    furthest,
    power_of,
    product_epsilon,
    same,
    same_bits,
    within,
)
from roberta_inspect.releases import attention_of

CLAIMS = Claims("logits")

STEPS = 12
"""Roundings on the way through one layer: eight products and sums, two LayerNorms, the weights
and the activation."""

SIGMAS = 8
"""Standard deviations of rounding that a tolerance covers: beyond the worst case of 20 steps."""


@CLAIMS.register(
    "padding",
    "other ids in the padded positions change no bit of a row's logits and hidden states",
    compares_calls=True,
)
def padding(evidence: Evidence) -> Outcome | None:
    evidence.finite("logits")
    small = evidence.small
    parted = _parted(small, small.changed) and _parted(small, small.other(small.padding))
    if parted is not None:
        return refuted(f"expected the same bits with other ids in the padding, {parted}")
    outcome = same_bits("leaving out the mask", small.moved(small.unmasked, slice(1, 2)))
    if not small.left:
        return outcome
    moved = small.moved(small.changed, slice(1, 2))
    also = f"; the logits move by {moved:.1e}" if moved else ""
    return outcome._replace(
        detail=outcome.detail + also,
        sentence="other ids in the padding on the left change no bit of the hidden states of a "
        "row's tokens, where position ids are given"
        + ("; its logits change, because the head reads position 0" if moved else ""),
    )


@CLAIMS.register(
    "rows-beside",
    "other rows beside a row change no bit of its logits and hidden states",
    compares_calls=True,
)
def beside(evidence: Evidence) -> Outcome | None:
    evidence.finite("logits")
    small = evidence.small
    parted = _parted(small, small.changed) and _parted(small, small.other(small.rows_beside))
    if parted is not None:
        return refuted(f"expected the same bits beside another row, {parted}")
    outcome = same_bits("another row", small.moved(small.changed, slice(1)))
    if not small.left:
        return outcome
    sentence = "other rows beside a row change no bit of the hidden states of its tokens"
    return outcome._replace(sentence=sentence)


def _parted(small: SmallCalls, answer: Answer) -> str | None:
    """Where the padded row's bits part from those of the call that changes nothing, in words."""
    states = zip(answer.hidden_states, small.plain.hidden_states, strict=True)
    pairs = [
        (f"hidden_states[{index}]", now[1, small.tokens], before[1, small.tokens])
        for index, (now, before) in enumerate(states)
    ]
    if not small.left:
        pairs.append(("logits", answer.logits[1], small.plain.logits[1]))
    for place, now, before in pairs:
        if not same(now, before):
            apart = furthest(now, before)
            return f"got values up to {apart:.1e} away at {place} of the padded row"
    if small.left and not small.plain.hidden_states:
        raise NotTestedError(
            "the row is padded on the left, the head reads padding, and no hidden states were "
            "asked for"
        )
    return None


@CLAIMS.register(
    "alone",
    "a row in a batch of its own, without padding, has the same logits",
    compares_calls=True,
)
def alone(evidence: Evidence) -> Outcome | None:
    evidence.finite("logits")
    small = evidence.small
    got, padded = small.alone.logits, small.plain.logits[1:2]
    if small.left and got.shape == padded.shape:
        raise NotTestedError("the row is padded on the left, so that the head reads padding")
    return _within_rounding(evidence, got, padded, "the logits of the row alone")


@CLAIMS.register(
    "attention-implementations",
    "another attention implementation gives the same",
    compares_calls=True,
)
def implementations(evidence: Evidence) -> Outcome | None:
    used = attention_of(evidence.config)
    implementation = "sdpa" if used == "eager" else "eager"
    evidence.finite("logits")
    small = evidence.small
    if used == "sdpa" and evidence.fields.get("attentions"):
        # torch's sdpa returns no weights: where they came back, that call fell back to eager.
        got = evidence.call(small.probe, labels=False, output_attentions=False).logits
    else:
        with evidence.switched(implementation):
            got = evidence.call(small.probe, labels=False).logits
    words = f"the logits under {implementation}"
    outcome = _within_rounding(evidence, got, small.plain.logits, words)
    sentence = f"the logits under {used} and under {implementation} attention agree"
    return outcome._replace(sentence=sentence)


def _within_rounding(
    evidence: Evidence, got: torch.Tensor, expected: torch.Tensor, words: str
) -> Outcome:
    """Whether logits agree with others but for the rounding of every layer, and those of the padded
    row without its mask do not.

    Both are of shape `(batch_size, num_labels)`: all rows, or the padded one alone.
    """
    dtype = got.dtype
    if got.shape != expected.shape:
        return refuted(f"expected shape {tuple(expected.shape)}, got {tuple(got.shape)}: {words}")
    rows = expected.double().abs().amax(dim=-1, keepdim=True)
    unit = rounding_of_model(evidence, dtype)
    apart, steepness = furthest(got, expected), evidence.small.steepness
    # The model may magnify what is small. What one draw of noise moves may be less than what
    # another one does.
    tolerance = unit * max(float(rows.max()), 4 * (steepness or 0.0))
    differ = f"{words} differ by {apart:.1e}"
    if apart > tolerance and steepness is None:
        raise NotTestedError(f"{differ}, and what rounding does to them could not be measured")
    if apart > tolerance:
        detail = f"expected the same, but {differ}, tolerance {tolerance:.1e}"
        return refuted(detail, apart, tolerance)
    power = power_of(torch.full_like(rows, tolerance), expected)
    outcome = within(apart, tolerance, power=power, dtype=dtype)
    if outcome.status != "proved":
        return outcome
    unmasked = furthest(evidence.small.unmasked.logits[1:2], got[1:2] if len(got) > 1 else got)
    if not unmasked > tolerance:
        raise NotTestedError(
            f"the padded row without its mask would be {unmasked:.1e} away, within the tolerance "
            f"of {tolerance:.1e}"
        )
    return outcome._replace(control=f"without its mask {unmasked:.1e} away")


def rounding_of_model(evidence: Evidence, dtype: torch.dtype) -> float:
    """What rounding in every layer brings to the logits, relative to the largest of a row, if the
    model magnifies nothing."""
    steps = STEPS * (len(evidence.anatomy.layers) + 1)
    return SIGMAS * math.sqrt(steps / 12) * (epsilon(dtype) + product_epsilon(dtype))
