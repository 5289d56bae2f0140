"""Claims about rows: what must not change them, and what must."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch

from roberta_inspect.claims.evidence import Evidence
from roberta_inspect.claims.extra import Answer, SmallCalls
from roberta_inspect.claims.logits import has_class_form
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
    parted = _parted(small, small.changed, [1])
    if parted is not None:
        parted = _parted(small, small.other(small.padding), [1])
        if parted is None:
            raise NotTestedError("the rows beside change a row, too, whatever its padding holds")
        return refuted(f"expected the same bits with other ids in the padding, {parted}")
    unmasked = small.moved(small.unmasked, slice(1, 2))
    outcome = same_bits("leaving out the mask", unmasked, small.words)
    if not small.left:
        return outcome
    moved = small.moved(small.changed, slice(1, 2))
    change = "; its logits change" if moved else ""
    if moved and has_class_form(evidence):
        change += ", because the head reads position 0"
    return outcome._replace(
        detail=outcome.detail + (f"; the logits move by {moved:.1e}" if moved else ""),
        sentence="other ids in the padding on the left change no bit of the hidden states of a "
        f"row's tokens, where position ids are given{change}",
    )


@CLAIMS.register(
    "rows-beside",
    "other rows beside a row change no bit of its logits and hidden states",
    compares_calls=True,
)
def beside(evidence: Evidence) -> Outcome | None:
    evidence.finite("logits")
    small = evidence.small
    parted = _parted(small, small.changed, small.half)
    parted = parted and _parted(small, small.other(small.places(small.other_half)), small.half)
    parted = parted or _parted(small, small.unmasked, small.other_half)
    if parted is not None:
        return refuted(f"expected the same bits beside another row, {parted}")
    outcome = same_bits("another row", small.moved(small.changed, slice(1)), small.words)
    if not small.left:
        return outcome
    sentence = "other rows beside a row change no bit of the hidden states of its tokens"
    return outcome._replace(sentence=sentence)


def _parted(small: SmallCalls, answer: Answer, rows: Iterable[int]) -> str | None:
    """Where the bits of these rows part from those of the call that changes nothing, in words; of
    the padded row those of its tokens."""
    for row in rows:
        places = small.tokens if row == 1 else slice(None)
        states = zip(answer.hidden_states, small.plain.hidden_states, strict=True)
        pairs = [
            (f"hidden_states[{index}]", now[row, places], before[row, places])
            for index, (now, before) in enumerate(states)
        ]
        if not small.left:
            pairs.append(("logits", answer.logits[row], small.plain.logits[row]))
        for place, now, before in pairs:
            if not same(now, before):
                apart, which = furthest(now, before), "the padded row" if row == 1 else f"row {row}"
                return f"got values up to {apart:.1e} away at {place} of {which}"
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
        raise NotTestedError("the row is padded on the left, where the head may read padding")
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
    if small.left and evidence.config.is_decoder:
        raise NotTestedError("padding on the left reads nothing, and what it gets is not defined")
    if used == "sdpa" and evidence.fields.get("attentions"):
        # torch's sdpa returns no weights: where they came back, that call fell back to eager.
        other = small.call(small.probe, output_attentions=False)
    else:
        with evidence.switched(implementation):
            other = small.call(small.probe)
    words = f"the logits under {implementation}"
    outcome = _within_rounding(evidence, other.logits, small.plain.logits, words)
    states = zip(other.hidden_states, small.plain.hidden_states, strict=True)
    if not any(furthest(*pair) for pair in (*states, (other.logits, small.plain.logits))):
        raise NotTestedError(f"no bit changes under {implementation}: it may not have been used")
    sentence = f"the logits under {used} and under {implementation} attention agree"
    return outcome._replace(sentence=sentence)


def _within_rounding(
    evidence: Evidence, got: torch.Tensor, expected: torch.Tensor, words: str
) -> Outcome:
    """Whether logits agree with others but for the rounding of every layer, and those of the padded
    row without its mask do not.

    Both are of shape `(batch_size, num_labels)`: all rows, or the padded one alone.
    """
    dtype = evidence.coarsest
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
    if tolerance < apart <= tolerance * _spread(evidence.small.draws):
        raise NotTestedError(f"{differ}, more than {tolerance:.1e}, which may be measured too low")
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


def _spread(draws: int) -> float:
    """How much more than four times the largest of so many draws of noise another draw may move a
    logit: one time in a million all of them are smaller than usual by this factor. Draws that moved
    stock models of extreme weights were up to nine times as large."""
    return float(max(16, 10 ** (6 / draws) / 5))


def rounding_of_model(evidence: Evidence, dtype: torch.dtype) -> float:
    """What rounding in every layer brings to the logits, relative to the largest of a row, if the
    model magnifies nothing."""
    steps = STEPS * (len(evidence.anatomy.layers) + 1)
    return SIGMAS * math.sqrt(steps / 12) * (epsilon(dtype) + product_epsilon(dtype))
