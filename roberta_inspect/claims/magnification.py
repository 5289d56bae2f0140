"""How the model itself magnifies rounding: measured, not assumed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from roberta_inspect.claims.comparison import SIGMAS, accumulator, exact, factor_epsilon, rounding
from roberta_inspect.live.containers import tensors_in

if TYPE_CHECKING:
    from roberta_inspect.claims.evidence import Evidence

DRAWS = 8
"""Logits that the noisy call must return at least: fewer could agree by luck."""

COPIES = 4
"""Rows with noise at least, because one label alone may show what rounding does."""

OPERATIONS = 12
"""Roundings on the way through one layer: eight products and sums, two LayerNorms, the weights
and the activation."""


def magnified(evidence: Evidence) -> dict[str, torch.Tensor]:
    """Name of a slot → the standard deviations that rounding in every layer brings to its values:
    one per label for the logits, of shape `(num_labels,)`, and otherwise that of the tensor that it
    moves most.

    One call has the same input in every row: the first row is left alone, and the others have
    noise on what the embeddings, each layer and each product of the head return, as large as the
    rounding of one layer or product.
    """
    asked = {"labels": False, "output_attentions": "attentions" in evidence.fields}
    copies = max(COPIES, math.ceil(DRAWS / evidence.config.num_labels))
    with _noise(evidence):
        rows = evidence.call(evidence.resized.probe.row(0).repeated(1 + copies), **asked)
    return {
        name: _by_label(value) if name == "logits" else _largest(value)
        for name, value in rows.items()
        if all(each.ndim and len(each) == 1 + copies for each in tensors_in(value))
    }


def _by_label(logits: torch.Tensor) -> torch.Tensor:
    """That of each label, or of all of them together: a few draws of one alone may be small."""
    squares = (exact(logits[1:]) - exact(logits[:1])).square()
    return torch.maximum(squares.mean(dim=0), squares.mean()).sqrt()


def _largest(value: Any) -> torch.Tensor:
    moved = (
        (exact(rows[1:]) - exact(rows[:1])).square().mean().sqrt() for rows in tensors_in(value)
    )
    return max(moved, default=torch.zeros((), dtype=torch.float64))


@contextmanager
def _noise(evidence: Evidence) -> Iterator[None]:
    """While it lasts, the embeddings, every layer and every product of the head return their
    values with noise in every row but the first."""
    generator = torch.Generator().manual_seed(0)
    summed = evidence.config.hidden_size + evidence.config.intermediate_size

    def noisy(tensor: torch.Tensor, size: float | torch.Tensor) -> torch.Tensor:
        wide = accumulator(tensor.dtype)
        noise = torch.randn(tensor.shape, generator=generator, dtype=wide)
        noise[0] = 0
        return (tensor.to(wide) + noise.to(tensor.device) * size).to(tensor.dtype)

    def disturbed(_: nn.Module, __: Any, output: Any) -> Any:
        first = output[0] if isinstance(output, tuple) else output
        one_layer = rounding(first.dtype, operations=OPERATIONS, summed=summed) / SIGMAS
        one_layer += factor_epsilon(first.dtype) * math.sqrt(OPERATIONS / 12)
        magnitude = first.to(accumulator(first.dtype)).square().mean().sqrt()
        moved = noisy(first, one_layer * float(magnitude))
        return (moved, *output[1:]) if isinstance(output, tuple) else moved

    def multiplied(
        module: nn.Module, args: tuple[Any, ...], given: dict[str, Any], output: torch.Tensor
    ) -> torch.Tensor:
        [read] = (*args, *given.values())
        return noisy(output, _product_rounding(module, read, output))

    model, anatomy = evidence.model, evidence.anatomy
    paths = [each for each in (anatomy.embeddings, *evidence.layers) if each is not None]
    head = [] if anatomy.classifier is None else model.get_submodule(anatomy.classifier).modules()
    handles = [model.get_submodule(path).register_forward_hook(disturbed) for path in paths]
    handles += [
        each.register_forward_hook(multiplied, with_kwargs=True)
        for each in head
        if isinstance(each, nn.Linear)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _product_rounding(module: Any, read: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
    """The standard deviation of the rounding of what a linear layer returned.

    The sum grows like a random walk, of a size that the root of its summed squares tells; the end
    of the walk and the bias, which may be as large and cancel, are on top of it.
    """
    dtype, wide = output.dtype, accumulator(output.dtype)
    squares = read.to(wide).square() @ module.weight.to(wide).square().T
    bias = 0.0 if module.bias is None else module.bias.to(wide).abs()
    walk, end = squares.sqrt(), output.to(wide).abs() + bias
    summing = rounding(dtype, operations=0, summed=read.shape[-1]) / SIGMAS
    factors = factor_epsilon(dtype) * math.sqrt(2 / 12)
    return summing * (walk + end) + factors * walk + rounding(dtype, operations=2) / SIGMAS * end
