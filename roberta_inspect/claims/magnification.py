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
from roberta_inspect.observe import tensors_in

if TYPE_CHECKING:
    from roberta_inspect.claims.evidence import Evidence

DRAWS = 8
"""Logits that the noisy call must return at least: fewer could agree by luck."""

OPERATIONS = 12
"""Roundings on the way through one layer: eight products and sums, two LayerNorms, the weights
and the activation."""


def magnified(evidence: Evidence) -> dict[str, float]:
    """Name of a slot → the standard deviation that rounding in every layer brings to its values.

    One row is called plainly, and several times with noise on what the embeddings and each layer
    return, as large as the rounding of one layer.
    """
    asked = {"labels": False, "output_attentions": "attentions" in evidence.fields}
    row = row_of(evidence.second.probe, 0)
    copies = max(3, math.ceil(DRAWS / evidence.config.num_labels))
    plain = evidence.call(row, **asked)
    with _noise(evidence):
        noisy = evidence.call(repeated(row, copies), **asked)
    return {
        name: max(_spreads(noisy[name], value), default=0.0)
        for name, value in plain.items()
        if name in noisy
    }


def _spreads(noisy: Any, plain: Any) -> Iterator[float]:
    for left, right in zip(tensors_in(noisy), tensors_in(plain), strict=True):
        yield float((exact(left) - exact(right)).square().mean().sqrt())


@contextmanager
def _noise(evidence: Evidence) -> Iterator[None]:
    """While it lasts, the embeddings and every layer return their values with noise."""
    generator = torch.Generator().manual_seed(0)
    summed = evidence.config.hidden_size + evidence.config.intermediate_size

    def disturbed(_: nn.Module, __: Any, output: Any) -> Any:
        first = output[0] if isinstance(output, tuple) else output
        one_layer = rounding(first.dtype, operations=OPERATIONS, summed=summed) / SIGMAS
        one_layer += factor_epsilon(first.dtype) * math.sqrt(OPERATIONS / 12)
        noise = torch.randn(first.shape, generator=generator).to(first.device)
        moved = first.float() + noise * one_layer * first.float().square().mean().sqrt()
        moved = moved.to(first.dtype)
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
