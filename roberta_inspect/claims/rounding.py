"""Numbers compared: bit for bit where the same computation is made again, else within what
rounding explains.

A recomputed formula may differ from the model's result by the rounding of the steps between. Each
step moves a number by at most half a unit in the last place of its dtype; matrix products of
16-bit tensors accumulate in float32, which is what torch documents. What a tolerance lets pass is
told as its power: tolerance ÷ the largest magnitude in the same row.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import torch

from roberta_inspect.claims.outcome import NotTestedError, Outcome, not_tested, proved, refuted
from roberta_inspect.live import values
from roberta_inspect.live.containers import is_fake
from roberta_inspect.text import dtype_word


def epsilon(dtype: torch.dtype) -> float:
    """The relative distance of neighbouring numbers of this dtype."""
    return float(torch.finfo(dtype).eps)


def limit_of(dtype: torch.dtype) -> float:
    """The largest power of a proof in this dtype; a tolerance above it shows too little."""
    return 0.05 if torch.finfo(dtype).bits == 16 else 0.001


def accumulating(dtype: torch.dtype, terms: int) -> float:
    """The relative rounding of the partial sums of so many terms, in the accumulator: their errors
    add up like a random walk."""
    accumulator = torch.float32 if torch.finfo(dtype).bits < 32 else dtype
    return 2 * math.sqrt(terms) * epsilon(accumulator)


def summing(dtype: torch.dtype, terms: int) -> float:
    """The relative rounding of a sum of so many terms, and of its result."""
    return epsilon(dtype) + accumulating(dtype, terms)


def product_epsilon(dtype: torch.dtype) -> float:
    """What factors lose before they are multiplied, where the user allows torch to round those of
    float32 to TF32 or bfloat16 (`torch.set_float32_matmul_precision`)."""
    if dtype != torch.float32:
        return 0.0
    try:
        precision = torch.get_float32_matmul_precision()
    except RuntimeError:
        # Set for one backend by the newer switches, so that there is no answer for all of them.
        precision = "medium"
    return {"highest": 0.0, "high": 2.0**-10, "medium": 2.0**-7}[precision]


def wide(tensor: torch.Tensor) -> torch.Tensor:
    """The values in float64 on the CPU, for a recomputation whose own rounding is nothing.

    Raises:
        NotTestedError: the tensor is fake.
    """
    if is_fake(tensor):
        raise NotTestedError("the tensors have shapes, no values")
    return tensor.detach().to(device="cpu", dtype=torch.float64)


def same(left: torch.Tensor, right: torch.Tensor) -> bool:
    """Whether two tensors are one object, or agree in shape and every value; NaN agrees with NaN.

    Raises:
        NotTestedError: they are two objects, and fake.
    """
    if left is right:
        return True
    if left.shape != right.shape:
        return False
    if is_fake(left) or is_fake(right):
        raise NotTestedError("the tensors have shapes, no values")
    if left.dtype == right.dtype:
        return values.same_values(left, right)
    return values.same_values(wide(left), wide(right))


def identity(pairs: Iterable[tuple[Any, Any]]) -> str:
    """Whether those that agree are one object each, or copies, in words."""
    if all(left is right for left, right in pairs):
        return "the same tensor"
    return "the same values in another tensor"


def furthest(left: torch.Tensor, right: torch.Tensor) -> float:
    """The largest absolute difference; infinite where shapes or places of NaN differ.

    Raises:
        NotTestedError: they are two objects, and fake.
    """
    apart = values.largest_difference(left, right)
    if apart is None:
        raise NotTestedError("the tensors have shapes, no values")
    return apart


def other_values(expected: str, got: torch.Tensor, right: torch.Tensor, place: str) -> Outcome:
    """Refuted: not the bits that were expected."""
    apart = furthest(got, right)
    detail = f"expected {expected}, got values up to {apart:.1e} away at {place}"
    return refuted(detail, apart)


def same_bits(change: str, moved: float, detail: str = "the same bits") -> Outcome:
    """Proved bit for bit, where a change that must move the logits does move them.

    Raises:
        NotTestedError: it does not.
    """
    if not moved:
        raise NotTestedError(f"{change} changes no bit of the logits either")
    return proved(detail, exact=True, control=f"{change} moves the logits by {moved:.1e}")


class Expected(NamedTuple):
    """What a formula gives."""

    values: torch.Tensor
    allowed: torch.Tensor
    """How far rounding may have moved each value, or each row, whose last axis is 1 then."""
    without: Mapping[str, torch.Tensor]
    """A part of the formula → what it gives without that part, at the first rows at least."""


def judge(got: torch.Tensor, expected: Expected, *, place: str, dtype: torch.dtype) -> Outcome:
    """Whether rounding in `dtype` alone explains the difference from the formula, and whether the
    formula without a part of it would have been refuted.

    Not tested where the values are not finite, where a mistake above the limit could pass, and
    where leaving out a part changes nothing.
    """
    right = expected.values
    if got.shape != right.shape:
        return refuted(f"expected shape {tuple(right.shape)}, got {tuple(got.shape)} at {place}")
    if not got.numel():
        return not_tested(f"{place} is empty")
    got_values = got.detach().to(right)
    if not (got_values.isfinite().all() and right.isfinite().all()):
        return not_tested(f"{place} holds NaN or infinity, so there is nothing to compare")
    allowed = expected.allowed + float(torch.finfo(dtype).tiny)
    difference = (got_values - right).abs()
    # The one that is closest to its tolerance, or furthest above it.
    worst = torch.unravel_index((difference / allowed).argmax(), difference.shape)
    apart, limit = float(difference[worst]), float(allowed.expand_as(difference)[worst])
    if apart > limit:
        where = f"{place}{[int(axis) for axis in worst] or ''}"
        got_there = f"{float(got_values[worst]):.6g} at {where}"
        detail = f"expected {float(right[worst]):.6g}, got {got_there}: {apart:.1e} apart"
        return refuted(f"{detail}, tolerance {limit:.1e}", apart, limit)
    outcome = within(apart, limit, power=power_of(allowed, right), dtype=dtype)
    if outcome.status != "proved":
        return outcome
    return _controlled(outcome, got_values, expected, allowed)


def power_of(allowed: torch.Tensor, right: torch.Tensor) -> float:
    """The largest tolerance ÷ the largest magnitude in the same row, over all rows that are not
    zero."""
    rows = torch.atleast_1d(right.abs()).amax(dim=-1)
    widest = torch.atleast_1d(allowed).amax(dim=-1).expand_as(rows)
    not_zero = rows > 0
    return float((widest[not_zero] / rows[not_zero]).max()) if bool(not_zero.any()) else math.inf


def within(difference: float, tolerance: float, *, power: float, dtype: torch.dtype) -> Outcome:
    """A difference that a tolerance explains: proved, unless too large a mistake could pass."""
    if power <= limit_of(dtype):
        measured = f"largest difference {difference:.1e}, tolerance {tolerance:.1e}"
        outcome = proved(f"{measured}; would have caught {share(power)}")
    else:
        missed = share(power) if math.isfinite(power) else "any size"
        outcome = not_tested(f"rounding in {dtype_word(dtype)} hides mistakes below {missed}")
    return outcome._replace(
        method="rounding", difference=difference, tolerance=tolerance, power=power
    )


def share(part: float) -> str:
    """A share in per cent, with two digits: `0.002 %`."""
    return f"{float(f'{100 * part:.2g}'):,.10g} %"


def _controlled(
    outcome: Outcome, got_values: torch.Tensor, expected: Expected, allowed: torch.Tensor
) -> Outcome:
    bites = []
    for part, without in expected.without.items():
        first = tuple(slice(size) for size in without.shape)
        apart = (got_values[first] - without).abs()
        if not bool((apart > allowed.expand_as(got_values)[first]).any()):
            return not_tested(f"leaving out {part} changes nothing that could be seen here")
        bites.append(f"without {part} {float(apart.nan_to_num(nan=math.inf).max()):.1e} away")
    return outcome._replace(control="; ".join(bites) or None)
