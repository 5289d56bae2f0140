"""Claims about the attention weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from roberta_inspect.claims.claim import Claims, NotTestedError, Outcome, proved, refuted, weakest
from roberta_inspect.claims.comparison import (
    Estimate,
    exact,
    identity,
    judged,
    product,
    rounding,
    same,
)
from roberta_inspect.claims.evidence import Evidence
from roberta_inspect.live.containers import tensors_in
from roberta_inspect.live.observe import Visit
from roberta_inspect.releases import attention_of, position_embedding_of
from roberta_inspect.text import counted

CLAIMS = Claims()

MEANING = "attention weights of each layer: how much each position reads of every other, per head"


@CLAIMS.register("attentions-count", "attentions", "one tensor per layer")
def count(evidence: Evidence) -> Outcome | None:
    if _weights(evidence) is None:
        return None
    weights, wanted = evidence.fields["attentions"], len(evidence.layers)
    if len(weights) != wanted:
        return refuted(f"expected {counted(wanted, 'item')}, got {len(weights)} at attentions")
    holes = [index for index, each in enumerate(weights) if each is None]
    if holes:
        return refuted(f"expected tensors, got None at {_at(holes[0])}")
    return proved(f"{counted(wanted, 'layer')}, {counted(wanted, 'item')}")


@CLAIMS.register(
    "attentions-origin", "attentions", "[i] is what the self-attention of layer i returned"
)
def origin(evidence: Evidence) -> Outcome | None:
    weights = _weights(evidence)
    if weights is None:
        return None
    pairs = []
    for index, each in enumerate(weights[: len(evidence.layers)]):
        path = evidence.anatomy.self_attentions[index]
        returned = returned_by(evidence.visit(path, "self-attention"), each)
        if returned is None:
            return refuted(f"expected what {path} returned, got something else at {_at(index)}")
        pairs.append((each, returned))
        if evidence.trace.changed(each):
            return refuted(
                f"expected what {path} returned, got it changed in place at {_at(index)}"
            )
    return proved(f"{counted(len(weights), 'item')}, {identity(pairs)}")


@CLAIMS.register("attentions-formula", "attentions", "equals softmax(QKᵀ / √head_size + mask)")
def formula(evidence: Evidence) -> Outcome | None:
    weights = _weights(evidence)
    if weights is None:
        return None
    return weakest(
        _as_computed(evidence, index, each)
        for index, each in enumerate(weights[: len(evidence.layers)])
    )


def _as_computed(evidence: Evidence, layer: int, weights: torch.Tensor) -> Outcome:
    readable = _readable(evidence, weights)[..., None]
    expected = _softmax(evidence, layer)
    kept = Estimate(
        expected.value.masked_fill(~readable, 0.0), expected.error.masked_fill(~readable, 0.0)
    )
    return judged(weights.masked_fill(~readable.to(weights.device), 0.0), kept, place=_at(layer))


@CLAIMS.register("attentions-rows", "attentions", "every row sums to 1")
def rows(evidence: Evidence) -> Outcome | None:
    weights = _weights(evidence)
    if weights is None:
        return None
    return weakest(_summed(evidence, index, each) for index, each in enumerate(weights))


def _summed(evidence: Evidence, layer: int, weights: torch.Tensor) -> Outcome:
    sums = exact(weights).sum(dim=-1).masked_fill(~_readable(evidence, weights), 1.0)
    relative = rounding(weights.dtype, operations=4 + weights.shape[-1])
    expected = Estimate(torch.ones_like(sums), torch.full_like(sums, relative))
    return judged(sums.to(weights.dtype), expected, place=f"{_at(layer)}.sum(-1)")


@CLAIMS.register("attentions-padding", "attentions", "padded keys get exactly 0")
def padding(evidence: Evidence) -> Outcome | None:
    weights = _weights(evidence)
    if weights is None:
        return None
    hidden = evidence.probe.attention_mask.cpu() == 0
    if not hidden.any():
        raise NotTestedError("no row of this input is padded")
    for index, each in enumerate(weights):
        masked = hidden[:, None, None, :] & _readable(evidence, each)[..., None]
        got = exact(each)[masked.expand_as(each)].abs()
        if not got.numel():
            raise NotTestedError("no position that can read anything is followed by padding")
        if (most := float(got.max())) > 0:
            return refuted(
                f"expected 0 for padded keys, got {most:.3g} at {_at(index)}",
                difference=most,
                tolerance=0.0,
            )
    detail = f"{counted(int(hidden.sum()), 'padded position')}, weight 0 in every layer and head"
    return proved(detail, difference=0.0, tolerance=0.0)


def returned_by(visit: Visit, value: Any) -> torch.Tensor | None:
    """The tensor with these values that this call of a module returned, alone or among others."""
    if not isinstance(value, torch.Tensor):
        return None
    tensors = list(tensors_in(visit.output))
    itself = (each for each in tensors if each is value)
    found = next(itself, None)
    return next((each for each in tensors if same(value, each)), None) if found is None else found


def heads(projected: torch.Tensor, head_size: int) -> torch.Tensor:
    """`(batch_size, sequence_length, hidden_size)` as `(batch_size, num_heads, sequence_length,
    head_size)`."""
    return projected.unflatten(-1, (-1, head_size)).transpose(1, 2)


def _weights(evidence: Evidence) -> Sequence[Any] | None:
    """The attention weights; `None` where none were asked for."""
    if not evidence.observed.call.output_attentions:
        return None
    weights = evidence.fields.get("attentions")
    if weights is None or not len(weights):
        how = "are not returned" if weights is None else "are ()"
        raise NotTestedError(f"attentions {how} under {attention_of(evidence.config)} attention")
    return tuple(weights)


def _softmax(evidence: Evidence, layer: int) -> Estimate:
    """The weights of one layer in float64."""
    path = evidence.anatomy.self_attentions[layer]
    module = evidence.module(path, "self-attention")
    kind = position_embedding_of(module)
    if kind != "absolute":
        raise NotTestedError(f"position_embedding_type {kind} adds terms to QKᵀ")
    size = int(module.attention_head_size)
    query, key = (evidence.visit(f"{path}.{part}", part).output for part in ("query", "key"))
    dtype = query.dtype
    query, key = heads(exact(query), size), heads(exact(key), size)
    products = product(query, key.transpose(-1, -2), dtype)
    scores = products.value / math.sqrt(size)
    allowed = _allowed(evidence)
    moved = rounding(dtype, operations=3) * scores.abs() + products.error / math.sqrt(size)
    moved = moved.masked_fill(~allowed, 0.0).amax(dim=-1, keepdim=True)
    logs = scores.masked_fill(~allowed, -math.inf).log_softmax(dim=-1)
    values = logs.exp()
    own = rounding(dtype, operations=3, summed=scores.shape[-1])
    return Estimate(values, _reach(values, logs, moved) + values * own)


def _reach(values: torch.Tensor, logs: torch.Tensor, moved: torch.Tensor) -> torch.Tensor:
    """How far a softmax value can go where each score moves by no more than `moved`.

    `logs` are the logarithms of the values. A value above 1/2 goes as far down as the others go up
    together; their sum is told by logarithms too, because 1 minus the value may be 0 in float64.
    """
    place = logs.argmax(dim=-1, keepdim=True)
    others = logs.scatter(-1, place, -math.inf).logsumexp(dim=-1, keepdim=True)
    least = torch.minimum(logs.gather(-1, place), others)
    small = values.scatter(-1, place, least.exp())
    grown = (logs.scatter(-1, place, least) + 2 * moved).clamp(max=700).exp()
    return grown / (1 - small + grown) - small


def _allowed(evidence: Evidence) -> torch.Tensor:
    """Which keys each query may read, of shape `(batch_size, 1, query_length, key_length)`."""
    mask = evidence.probe.attention_mask.cpu().bool()[:, None, None, :]
    length = mask.shape[-1]
    allowed = mask.expand(-1, 1, length, length)
    return allowed.tril() if evidence.config.is_decoder else allowed


def _readable(evidence: Evidence, weights: Any) -> torch.Tensor:
    """Which rows can read anything, of shape `(batch_size, 1, query_length)`; a softmax over
    masked keys alone means nothing."""
    allowed = _allowed(evidence)
    shape = tuple(getattr(weights, "shape", ()))
    if len(shape) != 4 or shape[-1] != allowed.shape[-1]:
        raise NotTestedError(f"attentions hold a {type(weights).__name__} of shape {shape}")
    return allowed.any(dim=-1)


def _at(index: int) -> str:
    return f"attentions[{index}]"
