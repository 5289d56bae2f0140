"""How the model itself magnifies rounding: measured, not assumed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from roberta_inspect.claims.comparison import SIGMAS, exact, factor_epsilon, rounding
from roberta_inspect.claims.second import repeated, row_of
from roberta_inspect.containers import tensors_in

if TYPE_CHECKING:
    from roberta_inspect.claims.evidence import Evidence

DRAWS = 8
"""Logits that the noisy call must return at least: fewer could agree by luck."""

OPERATIONS = 12
"""Roundings on the way through one layer: eight products and sums, two LayerNorms, the weights
and the activation."""


def magnified(evidence: Evidence) -> dict[str, float]:
    """Name of a slot → the standard deviation that rounding in every layer brings to its values.

    One call has the same input in every row: the first row is left alone, and the others have
    noise on what the embeddings and each layer return, as large as the rounding of one layer.
    """
    asked = {"labels": False, "output_attentions": "attentions" in evidence.fields}
    copies = max(3, math.ceil(DRAWS / evidence.config.num_labels))
    with _noise(evidence):
        rows = evidence.call(repeated(row_of(evidence.second.probe, 0), 1 + copies), **asked)
    return {
        name: max(_spreads(value), default=0.0)
        for name, value in rows.items()
        if all(each.ndim and len(each) == 1 + copies for each in tensors_in(value))
    }


def _spreads(value: Any) -> Iterator[float]:
    for rows in map(exact, tensors_in(value)):
        yield float((rows[1:] - rows[:1]).square().mean().sqrt())


@contextmanager
def _noise(evidence: Evidence) -> Iterator[None]:
    """While it lasts, the embeddings and every layer return their values with noise in every row
    but the first."""
    generator = torch.Generator().manual_seed(0)
    summed = evidence.config.hidden_size + evidence.config.intermediate_size

    def disturbed(_: nn.Module, __: Any, output: Any) -> Any:
        first = output[0] if isinstance(output, tuple) else output
        one_layer = rounding(first.dtype, operations=OPERATIONS, summed=summed) / SIGMAS
        one_layer += factor_epsilon(first.dtype) * math.sqrt(OPERATIONS / 12)
        noise = torch.randn(first.shape, generator=generator)
        noise[0] = 0
        noise *= one_layer * float(first.float().square().mean().sqrt())
        moved = (first.float() + noise.to(first.device)).to(first.dtype)
        return (moved, *output[1:]) if isinstance(output, tuple) else moved

    paths = [evidence.anatomy.embeddings, *evidence.layers]
    handles = [
        evidence.model.get_submodule(path).register_forward_hook(disturbed)
        for path in paths
        if path is not None
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
