"""Claims about the attention weights, and about what a layer does with them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch

from roberta_inspect.claims.evidence import Evidence
from roberta_inspect.claims.outcome import (
    Claims,
    NotTestedError,
    Outcome,
    Test,
    proved,
    refuted,
    weakest,
)
from roberta_inspect.claims.rounding import (
    Expected,
    accumulating,
    epsilon,
    identity,
    judge,
    product_epsilon,
    same,
    summing,
)
from roberta_inspect.live.containers import tensors_in
from roberta_inspect.live.observe import Visit
from roberta_inspect.releases import attention_of, position_embedding_of
from roberta_inspect.text import counted

CLAIMS = Claims("attentions")

WeightsTest = Callable[[Evidence, Sequence[Any]], Outcome]


def about_weights(id: str, sentence: str) -> Callable[[WeightsTest], Test]:  # noqa: A002
    """Register a claim whose test also takes the attention weights, of one layer each."""

    def added(test: WeightsTest) -> Test:
        def tested(evidence: Evidence) -> Outcome | None:
            if not evidence.observed.call.output_attentions:
                return None
            weights = evidence.fields.get("attentions")
            if weights is None or not len(weights):
                how = "are not returned" if weights is None else "are ()"
                used = attention_of(evidence.config)
                raise NotTestedError(f"attentions {how} under {used} attention")
            return test(evidence, tuple(weights))

        return CLAIMS.register(id, sentence)(tested)

    return added


WEIGHTS_MEANING = (
    "attention weights of each layer: how much each position reads of every other, per head"
)

REPORTED_MEANING = (
    "what each layer reports as its attention weights; that it uses them is not shown"
)


def meaning(evidence: Evidence, status: str | None) -> str:
    """What stands in the slot called attentions; `status` is that of the claim that they are
    used."""
    if evidence.fields.get("attentions") == ():
        return "an empty tuple: no layer handed its weights back"
    return WEIGHTS_MEANING if status == "proved" or evidence.fake else REPORTED_MEANING


@about_weights("attentions-count", "one tensor per layer")
def one_per_layer(evidence: Evidence, weights: Sequence[Any]) -> Outcome:
    layers = len(evidence.layers)
    if len(weights) != layers:
        return refuted(f"expected {counted(layers, 'item')}, got {len(weights)} at attentions")
    holes = [index for index, item in enumerate(weights) if item is None]
    if holes:
        return refuted(f"expected tensors, got None at attentions[{holes[0]}]")
    return proved(f"{counted(layers, 'layer')}, {counted(layers, 'item')}")


@about_weights("attentions-origin", "[i] is what the self-attention of layer i returned")
def returned_by_layers(evidence: Evidence, weights: Sequence[Any]) -> Outcome:
    pairs = []
    for index, item in enumerate(weights[: len(evidence.layers)]):
        path = evidence.anatomy.self_attentions[index]
        returned = returned_by(evidence.visit(path, "self-attention"), item)
        if returned is None or evidence.trace.changed(item):
            got = "something else" if returned is None else "it changed in place"
            return refuted(f"expected what {path} returned, got {got} at attentions[{index}]")
        pairs.append((item, returned))
    return proved(f"{counted(len(weights), 'item')}, {identity(pairs)}")


@about_weights("attentions-formula", "equals softmax(QKᵀ / √head_size + mask)")
def formula(evidence: Evidence, weights: Sequence[Any]) -> Outcome:
    outcome = weakest(
        _as_computed(evidence, index, item)
        for index, item in enumerate(weights[: len(evidence.layers)])
    )
    if bool(_allowed(evidence).all()):  # no word on a mask where nothing is masked
        return outcome._replace(sentence="equals softmax(QKᵀ / √head_size)")
    return outcome


def _as_computed(evidence: Evidence, layer: int, weights: torch.Tensor) -> Outcome:
    unreadable = ~_readable(evidence, weights)[..., None]
    expected, _ = _softmax(evidence, layer, unreadable)
    got = weights.masked_fill(unreadable, 0.0)
    dtype = _coarser(evidence, layer, weights)
    return judge(got, expected, place=f"attentions[{layer}]", dtype=dtype)


@CLAIMS.register(
    "attentions-values", "what the self-attention of layer i hands on is [i] @ values, heads merged"
)
def used(evidence: Evidence) -> Outcome | None:
    if not evidence.observed.call.output_attentions:
        return None
    weights = evidence.fields.get("attentions") or ()
    outcome = weakest(_handed_on(evidence, index, weights) for index in range(len(evidence.layers)))
    if weights:
        return outcome
    sentence = "the self-attention of layer i hands on softmax(QKᵀ / √head_size + mask) @ values"
    return outcome._replace(sentence=sentence)


def _handed_on(evidence: Evidence, layer: int, weights: Sequence[Any]) -> Outcome:
    path = evidence.anatomy.self_attentions[layer]
    module = evidence.module(path, "self-attention")
    size = int(module.attention_head_size)
    handed_on = evidence.visit(path, "self-attention").first
    evidence.check_values()
    values = evidence.returned(f"{path}.value", "value")
    dtype, wide = values.dtype, _arithmetic(values.dtype)
    split = heads(values.to(wide), size)
    readable = _allowed(evidence).any(dim=-1, keepdim=True)
    if layer < len(weights):
        shares, relative = weights[layer].to(wide), torch.zeros(())
    else:
        formula, relative = _softmax(evidence, layer, ~readable.to(values.device))
        shares = formula.values
    if shares.shape[-1] != split.shape[-2]:
        raise NotTestedError(f"attentions of shape {tuple(shares.shape)} do not fit the values")
    context = shares @ split
    spread = ((shares * shares) @ (split * split)).sqrt()
    length = shares.shape[-1]
    moved = summing(dtype, length) * (context.abs() + spread) + product_epsilon(dtype) * spread
    # What moves all weights of a row alike moves their sum; what moves each by itself averages out.
    moved = moved + relative.to(moved) * (context.abs() + 4 * spread)
    even = (torch.ones_like(shares[:1]) / length) @ split[:1]
    readable_rows = readable[:, 0].to(values.device)
    expected = Expected(
        merged(context) * readable_rows,
        merged(moved) * readable_rows,
        {"the weights": merged(even) * readable_rows[:1]} if length > 1 else {},
    )
    return judge(handed_on * readable_rows, expected, place=f"{path}", dtype=dtype)


@about_weights("attentions-rows", "every row sums to 1")
def rows_sum_to_one(evidence: Evidence, weights: Sequence[Any]) -> Outcome:
    return weakest(_summed(evidence, index, item) for index, item in enumerate(weights))


def _summed(evidence: Evidence, layer: int, weights: torch.Tensor) -> Outcome:
    readable = _readable(evidence, weights)
    evidence.check_values()
    dtype = _coarser(evidence, layer, weights)
    sums = weights.to(_arithmetic(weights.dtype)).sum(dim=-1).masked_fill(~readable, 1.0)
    # Each weight is rounded to its own dtype, by half a unit in the last place at most.
    allowed = torch.full_like(sums, summing(dtype, weights.shape[-1]))
    ones = torch.ones_like(sums)
    without = {"a position": sums[:1] - weights[:1].amax(dim=-1)}
    place = f"attentions[{layer}].sum(-1)"
    return judge(sums, Expected(ones, allowed, without), place=place, dtype=dtype)


@about_weights("attentions-padding", "padded keys get exactly 0")
def padded_keys(evidence: Evidence, weights: Sequence[Any]) -> Outcome:
    hidden = evidence.probe.attention_mask == 0
    evidence.check_values()
    if not hidden.any():
        raise NotTestedError("no row of this input is padded")
    for index, item in enumerate(weights):
        masked = hidden[:, None, None, :] & _readable(evidence, item)[..., None]
        got = item[masked.expand_as(item)].abs()
        if not got.numel():
            raise NotTestedError("no position that can read anything is followed by padding")
        if (most := float(got.max())) > 0:
            return refuted(
                f"expected 0 for padded keys, got {most:.3g} at attentions[{index}]", most
            )
    least = min(float(item.amax()) for item in weights)
    detail = f"{counted(int(hidden.sum()), 'padded position')}, weight 0 in every layer and head"
    return proved(detail, exact=True, control=f"other keys get up to {least:.2g}")


def returned_by(visit: Visit, value: Any) -> torch.Tensor | None:
    """The tensor with these values that this call of a module returned, alone or among others."""
    if not isinstance(value, torch.Tensor):
        return None
    tensors = list(tensors_in(visit.output))
    if any(tensor is value for tensor in tensors):
        return value
    return next((tensor for tensor in tensors if same(value, tensor)), None)


def heads(projected: torch.Tensor, head_size: int) -> torch.Tensor:
    """`(batch_size, sequence_length, hidden_size)` as `(batch_size, num_heads, sequence_length,
    head_size)`."""
    return projected.unflatten(-1, (-1, head_size)).transpose(1, 2)


def merged(context: torch.Tensor) -> torch.Tensor:
    """The reverse of `heads`."""
    return context.transpose(1, 2).flatten(-2)


def _coarser(evidence: Evidence, layer: int, weights: torch.Tensor) -> torch.dtype:
    """The dtype of the weights or of the queries that they are made of, whichever rounds more."""
    visits = [
        evidence.trace.visit(f"{path}.query")
        for path in evidence.anatomy.self_attentions[layer : layer + 1]
    ]
    dtypes = [tensor.dtype for visit in visits if visit for tensor in tensors_in(visit.output)]
    return max([weights.dtype, *dtypes], key=epsilon)


def _softmax(
    evidence: Evidence, layer: int, unreadable: torch.Tensor
) -> tuple[Expected, torch.Tensor]:
    """The weights of one layer by the formula, and by which share rounding may have moved those of
    each row at most."""
    evidence.check_values()
    path = evidence.anatomy.self_attentions[layer]
    module = evidence.module(path, "self-attention")
    kind = position_embedding_of(module)
    if kind != "absolute":
        raise NotTestedError(f"position_embedding_type {kind} adds terms to QKᵀ")
    size = int(module.attention_head_size)
    query, key = (evidence.returned(f"{path}.{part}", part) for part in ("query", "key"))
    dtype, wide = query.dtype, _arithmetic(query.dtype)
    query, key = heads(query.to(wide), size), heads(key.to(wide), size)
    allowed = _allowed(evidence).to(query.device)
    products = query @ key.transpose(-1, -2)
    unscaled = products[:1, :1].masked_fill(~allowed[:1], -math.inf).softmax(dim=-1)
    scores = products.div_(math.sqrt(size)).masked_fill_(~allowed, -math.inf)
    moved = _rounding_of_scores(scores, query, key, dtype)
    values = scores.softmax(dim=-1).masked_fill_(unreadable, 0.0)
    # A recomputation in the dtype of the model rounds as the model does, once more.
    times = 2 if wide == dtype else 1
    of_scores, of_weights = (2 * times * moved).expm1(), times * summing(dtype, scores.shape[-1])
    # The others of a row cannot take from a weight, or give it, more than there is.
    most = values.amax(dim=-1, keepdim=True)
    tolerance = (values * (1 - values)).add_(epsilon(values.dtype) * most)
    tolerance.mul_(of_scores).add_(of_weights * most)
    without = {"the scale": unscaled.masked_fill(unreadable[:1], 0.0)}
    return Expected(values, tolerance, without), of_scores + of_weights


def _rounding_of_scores(
    scores: torch.Tensor, query: torch.Tensor, key: torch.Tensor, dtype: torch.dtype
) -> torch.Tensor:
    """How far rounding may have moved the scores of each row: their own, and on the way that of the
    sums of products, as a random walk. What is masked does not count."""
    size = query.shape[-1]
    largest = scores.masked_fill(scores == -math.inf, 0.0).abs().amax(dim=-1, keepdim=True)
    norms = query.norm(dim=-1, keepdim=True) * key.norm(dim=-1).amax(dim=-1)[..., None, None]
    walk = norms / size
    return epsilon(dtype) * largest + (accumulating(dtype, size) + product_epsilon(dtype)) * walk


def _arithmetic(dtype: torch.dtype) -> torch.dtype:
    """The dtype of a recomputation: at least float32, in which a formula of float32 is as good as
    the model's own, at a fraction of the cost of float64."""
    return torch.promote_types(dtype, torch.float32)


def _allowed(evidence: Evidence) -> torch.Tensor:
    """Which keys each query may read, of shape `(batch_size, 1, query_length, key_length)`."""
    mask = evidence.probe.attention_mask.bool()[:, None, None, :]
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
