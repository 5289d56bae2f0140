"""Claims about the attention weights."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from roberta_inspect.claims.claim import Claims, NotTestedError, Outcome, broken, held
from roberta_inspect.claims.comparison import Estimate, exact, judged, product, rounding, same
from roberta_inspect.claims.evidence import Evidence
from roberta_inspect.observe import tensors_in
from roberta_inspect.releases import attention_of
from roberta_inspect.text import counted

CLAIMS = Claims()

CROSS_IDLE = "forward passes no encoder_hidden_states on"

MEANING = "attention weights of each layer: how much each position reads of every other, per head"


@CLAIMS.register("attentions-count", "attentions", "one tensor per layer")
def count(evidence: Evidence) -> Outcome | None:
    weights = _weights(evidence)
    if weights is None:
        return None
    wanted = len(evidence.layers)
    if len(weights) != wanted:
        return broken(f"expected {counted(wanted, 'item')}, got {len(weights)} at attentions")
    return held(f"{counted(wanted, 'layer')}, {counted(wanted, 'item')}")


@CLAIMS.register(
    "attentions-origin", "attentions", "[i] is what the self-attention of layer i returned"
)
def origin(evidence: Evidence) -> Outcome | None:
    weights = _weights(evidence)
    if weights is None:
        return None
    for index, each in enumerate(weights[: len(evidence.layers)]):
        path = evidence.anatomy.self_attention(index)
        returned = tensors_in(evidence.visit(path, "self-attention").output)
        if not any(same(each, other) for other in returned):
            return broken(f"expected what {path} returned, got another tensor at {_at(index)}")
    return held(f"{counted(len(weights), 'item')}, each returned by its layer")


@CLAIMS.register("attentions-formula", "attentions", "equals softmax(QKᵀ / √head_size + mask)")
def formula(evidence: Evidence) -> Outcome | None:
    weights = _weights(evidence)
    if weights is None:
        return None
    outcomes = []
    for index, each in enumerate(weights[: len(evidence.layers)]):
        expected, readable = _softmax(evidence, index)
        if each.shape != expected.value.shape:
            return judged(each, expected, place=_at(index))
        rows = readable.expand_as(expected.value[..., 0])
        kept = Estimate(expected.value[rows], expected.error[rows])
        outcomes.append(judged(each[rows.to(each.device)], kept, place=_at(index)))
    return _least(outcomes)


@CLAIMS.register("attentions-rows", "attentions", "every row sums to 1")
def rows(evidence: Evidence) -> Outcome | None:
    weights = _weights(evidence)
    if weights is None:
        return None
    outcomes = []
    for index, each in enumerate(weights):
        readable = _readable(evidence, each)
        sums = exact(each).sum(dim=-1)[readable.expand_as(each[..., 0])]
        relative = rounding(each.dtype, operations=4 + each.shape[-1])
        expected = Estimate(torch.ones_like(sums), torch.full_like(sums, relative))
        outcomes.append(judged(sums.to(each.dtype), expected, place=f"{_at(index)}.sum(-1)"))
    return _least(outcomes)


@CLAIMS.register("attentions-padding", "attentions", "padded keys get exactly 0")
def padding(evidence: Evidence) -> Outcome | None:
    weights = _weights(evidence)
    if weights is None:
        return None
    exact(weights[0])
    hidden = evidence.probe.attention_mask.cpu() == 0
    if not hidden.any():
        raise NotTestedError("no row of this input is padded")
    for index, each in enumerate(weights):
        masked = hidden[:, None, None, :] & _readable(evidence, each)[..., None]
        got = exact(each)[masked.expand_as(each)].abs()
        if not got.numel():
            raise NotTestedError("no position that can read anything is followed by padding")
        if float(got.max()) != 0:
            return Outcome(
                status="refuted",
                detail=f"expected 0 for padded keys, got {float(got.max()):.3g} at {_at(index)}",
                difference=float(got.max()),
                tolerance=0.0,
            )
    return Outcome(
        status="proved",
        detail=f"{counted(int(hidden.sum()), 'padded position')}, weight 0 in every layer and head",
        difference=0.0,
        tolerance=0.0,
    )


@CLAIMS.register(
    "cross-attentions", "cross_attentions", "[i] is what the cross-attention of layer i returned"
)
def cross(evidence: Evidence) -> Outcome | None:
    if not evidence.reaches_the_caller("cross_attentions"):
        return None
    value = evidence.fields.get("cross_attentions") or evidence.handed_on("cross_attentions")
    ran = [evidence.anatomy.cross_attention(index) for index in range(len(evidence.layers))]
    if not _cross_ran(evidence):
        raise NotTestedError(f"no cross-attention ran: {CROSS_IDLE}")
    for index, each in enumerate(value):
        returned = tensors_in(evidence.visit(ran[index], "cross-attention").output)
        if not any(same(each, other) for other in returned):
            return broken(f"expected what {ran[index]} returned, got another tensor at [{index}]")
    return held(f"{counted(len(value), 'item')}, each returned by its layer")


def cross_meaning(evidence: Evidence) -> str:
    """What stands in the slot called cross_attentions."""
    if _cross_ran(evidence):
        return "cross-attention weights of each layer"
    return f"no cross-attention weights, whatever the name says: {CROSS_IDLE}"


def heads(projected: torch.Tensor, head_size: int) -> torch.Tensor:
    """`(batch_size, sequence_length, hidden_size)` as `(batch_size, num_heads, sequence_length,
    head_size)`."""
    return projected.unflatten(-1, (-1, head_size)).transpose(1, 2)


def _cross_ran(evidence: Evidence) -> bool:
    layers = range(len(evidence.anatomy.layers))
    return any(evidence.anatomy.cross_attention(each) in evidence.trace.visits for each in layers)


def _weights(evidence: Evidence) -> Sequence[torch.Tensor] | None:
    """The attention weights; `None` where none were asked for."""
    if not evidence.observed.call.output_attentions:
        return None
    weights = evidence.fields.get("attentions")
    if weights is None or not len(weights):
        how = "are not returned" if weights is None else "are ()"
        raise NotTestedError(f"attentions {how} under {attention_of(evidence.config)} attention")
    return evidence.tuple_of("attentions")


def _softmax(evidence: Evidence, layer: int) -> tuple[Estimate, torch.Tensor]:
    """The weights of one layer in float64, and which of their rows can read anything."""
    path = evidence.anatomy.self_attention(layer)
    module = evidence.module(path, "self-attention")
    kind = getattr(module, "position_embedding_type", "absolute")
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
    values = scores.masked_fill(~allowed, -math.inf).softmax(dim=-1)
    own = rounding(dtype, operations=3, summed=scores.shape[-1])
    return Estimate(values, _reach(values, moved) + values * own), allowed.any(dim=-1)


def _reach(values: torch.Tensor, moved: torch.Tensor) -> torch.Tensor:
    """How far a softmax value can go where each score moves by no more than `moved`."""
    factor = torch.exp((2 * moved).clamp(max=700))
    highest = values / (values + (1 - values) / factor)
    lowest = values / (values + (1 - values) * factor)
    return torch.maximum(highest - values, values - lowest)


def _allowed(evidence: Evidence) -> torch.Tensor:
    """Which keys each query may read, of shape `(batch_size, 1, query_length, key_length)`."""
    mask = evidence.probe.attention_mask.cpu().bool()[:, None, None, :]
    length = mask.shape[-1]
    allowed = mask.expand(-1, 1, length, length)
    return allowed.tril() if evidence.config.is_decoder else allowed


def _readable(evidence: Evidence, weights: torch.Tensor) -> torch.Tensor:
    """Which rows can read anything, of shape `(batch_size, 1, query_length)`; a softmax over
    masked keys alone means nothing."""
    allowed = _allowed(evidence)
    if weights.ndim != 4 or weights.shape[-1] != allowed.shape[-1]:
        raise NotTestedError(f"attentions are of shape {tuple(weights.shape)}")
    return allowed.any(dim=-1)


def _least(outcomes: Sequence[Outcome]) -> Outcome:
    """The outcome that says most: a refuted one, else the one closest to its tolerance."""
    return max(
        outcomes,
        key=lambda each: (
            each.status == "refuted",
            (each.difference or 0.0) / (each.tolerance or 1.0),
        ),
    )


def _at(index: int) -> str:
    return f"attentions[{index}]"
