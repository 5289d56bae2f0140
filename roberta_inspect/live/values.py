"""Values of two tensors side by side."""

from __future__ import annotations

import math

import torch

from roberta_inspect.live.containers import is_fake


def same_values(left: torch.Tensor, right: torch.Tensor) -> bool:
    """Whether two tensors agree in shape, dtype and every value; NaN agrees with NaN."""
    if left is right:
        return True
    if left.shape != right.shape or left.dtype != right.dtype:
        return False
    return torch.equal(left, right) or bool(
        ((left == right) | (left.isnan() & right.isnan())).all()
    )


def largest_difference(left: torch.Tensor, right: torch.Tensor) -> float | None:
    """The largest absolute difference; infinite where shapes or places of NaN differ, `None` where
    there are no values (fake tensors)."""
    if left is right:
        return 0.0
    if is_fake(left) or is_fake(right):
        return None
    if left.shape != right.shape:
        return math.inf
    if same_values(left, right):
        return 0.0
    left, right = (side.detach().to(device="cpu", dtype=torch.float64) for side in (left, right))
    apart = torch.where(left == right, 0.0, (left - right).abs())
    apart = apart[~(left.isnan() & right.isnan())].nan_to_num(nan=math.inf)
    return float(apart.max()) if apart.numel() else 0.0
