"""Numbers compared under what rounding explains: tolerances follow from the dtype.

A model's result is compared with the same formula in float64, so that the whole difference is the
model's own rounding. Each rounding to a dtype moves a number by an error that is uniform within
half a unit in the last place, of standard deviation `eps / √12`; independent errors add up like a
random walk, so that n of them give `eps · √(n / 12)`. The tolerance is `SIGMAS` of that, times the
magnitude of what was rounded. Matrix products of 16-bit tensors accumulate in float32, which is
what torch documents (`torch.backends.cuda.matmul.allow_fp16_accumulation` is off).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch

from roberta_inspect.claims.claim import NotTestedError, Outcome, not_tested, proved, refuted
from roberta_inspect.live import values
from roberta_inspect.live.containers import is_fake
from roberta_inspect.text import dtype_word

SIGMAS = 8
"""Standard deviations of rounding that a tolerance covers: beyond the worst case of 20 steps."""


def epsilon(dtype: torch.dtype) -> float:
    """The relative distance of neighbouring numbers of this dtype."""
    return float(torch.finfo(dtype).eps)


def accumulator(dtype: torch.dtype) -> torch.dtype:
    """The dtype in which sums over tensors of `dtype` are kept."""
    return torch.float32 if torch.finfo(dtype).bits < 32 else dtype


def rounding(dtype: torch.dtype, *, operations: int, summed: int = 0) -> float:
    """The relative difference that this many roundings, and sums of so many terms, explain."""
    kept = epsilon(dtype) * math.sqrt(operations / 12)
    return SIGMAS * (kept + epsilon(accumulator(dtype)) * math.sqrt(summed / 12))


def factor_epsilon(dtype: torch.dtype) -> float:
    """What float32 factors lose before they are multiplied, where the user allows torch to round
    them to TF32 or bfloat16 (`torch.set_float32_matmul_precision`)."""
    if dtype != torch.float32:
        return 0.0
    try:
        precision = torch.get_float32_matmul_precision()
    except RuntimeError:
        # Set for one backend by the newer switches, so that there is no answer for all of them.
        precision = "medium"
    return {"highest": 0.0, "high": 2.0**-10, "medium": 2.0**-7}[precision]


def smallest(dtype: torch.dtype) -> float:
    """The distance of neighbouring numbers around zero."""
    return float(torch.finfo(dtype).smallest_normal) * epsilon(dtype)


def exact(tensor: torch.Tensor) -> torch.Tensor:
    """The values in float64 on the CPU, for a recomputation whose own rounding is nothing.

    Raises:
        NotTestedError: the tensor is fake.
    """
    if is_fake(tensor):
        raise NotTestedError("the tensors have shapes, no values")
    return tensor.detach().to(device="cpu", dtype=torch.float64)


def same(left: torch.Tensor, right: torch.Tensor) -> bool:
    """Whether two tensors are one object, or agree in every value; NaN agrees with NaN.

    Raises:
        NotTestedError: they are two objects, and fake.
    """
    if left is right:
        return True
    if left.shape != right.shape:
        return False
    return bool(torch.allclose(exact(left), exact(right), rtol=0, atol=0, equal_nan=True))


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
    apart = values.furthest(left, right)
    if apart is None:
        raise NotTestedError("the tensors have shapes, no values")
    return apart


@dataclass(frozen=True, slots=True)
class Estimate:
    """Float64 values, and for each how far rounding in the model may have moved it."""

    value: torch.Tensor
    error: torch.Tensor


def product(left: torch.Tensor, right: torch.Tensor, dtype: torch.dtype) -> Estimate:
    """The matrix product of float64 factors, with the rounding of one in `dtype`."""
    summing = rounding(dtype, operations=0, summed=left.shape[-1]) * (left.abs() @ right.abs())
    spread = (left.square() @ right.square()).sqrt()
    return Estimate(
        left @ right, summing + SIGMAS * factor_epsilon(dtype) * math.sqrt(2 / 12) * spread
    )


def linear(given: Estimate, module: torch.nn.Linear) -> Estimate:
    """`module` applied to `given`; errors that come in add up like a random walk too."""
    dtype, weight = module.weight.dtype, exact(module.weight).T
    bias = 0.0 if module.bias is None else exact(module.bias)
    multiplied = product(given.value, weight, dtype)
    value = multiplied.value + bias
    rounded = rounding(dtype, operations=2) * (value.abs() + abs(bias))
    brought = (given.error.square() @ weight.square()).sqrt()
    return Estimate(value, multiplied.error + rounded + brought)


def judged(
    got: torch.Tensor, expected: Estimate, *, place: str, dtype: torch.dtype | None = None
) -> Outcome:
    """Whether rounding alone explains the difference between the model's and the exact values;
    not tested where the values are not finite, or where rounding would explain any value. `dtype`
    is what was rounded to, where it is not that of `got`."""
    if got.shape != expected.value.shape:
        wanted = tuple(expected.value.shape)
        return refuted(f"expected shape {wanted}, got {tuple(got.shape)} at {place}")
    given, wanted = exact(got), expected.value
    allowed = expected.error + smallest(got.dtype)
    if not all(each.isfinite().all() for each in (given, wanted, allowed)):
        return not_tested(f"{place} holds NaN or infinity, so there is nothing to compare")
    if not given.numel():
        return not_tested(f"{place} is empty")
    difference = (given - wanted).abs()
    worst = torch.unravel_index((difference / allowed).argmax(), difference.shape)
    here, limit = float(difference[worst]), float(allowed[worst])
    explained = f"rounding in {dtype_word(dtype or got.dtype)} explains"
    if here > limit:
        index = [int(each) for each in worst] or ""
        return refuted(
            f"expected {float(wanted[worst]):.6g}, got {float(given[worst]):.6g} at "
            f"{place}{index}: {here:.1e} apart, and {explained} {limit:.1e}",
            difference=here,
            tolerance=limit,
        )
    return decided(
        f"largest difference {here:.1e}; {explained} {limit:.1e}",
        difference=here,
        tolerance=limit,
        widest=float(allowed.max()),
        largest=float(wanted.abs().max()),
        place=place,
    )


def decided(
    detail: str, *, difference: float, tolerance: float, widest: float, largest: float, place: str
) -> Outcome:
    """Proved, unless the widest tolerance is so wide that it could not show anything else."""
    if widest > largest / 2 and largest > 0:
        return not_tested(
            f"rounding explains a difference of {widest:.1e}, and the values of {place} are no "
            f"larger than {largest:.1e}: they could not show anything else"
        )
    return proved(detail, difference=difference, tolerance=tolerance)
