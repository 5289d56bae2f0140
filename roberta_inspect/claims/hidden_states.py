"""Claims about the hidden states."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch

from roberta_inspect.claims.evidence import Evidence
from roberta_inspect.claims.outcome import Claims, NotTestedError, Outcome, proved, refuted
from roberta_inspect.claims.rounding import (
    Expected,
    accumulating,
    epsilon,
    furthest,
    identity,
    judge,
    other_values,
    same,
    wide,
)
from roberta_inspect.releases import position_embedding_of
from roberta_inspect.text import counted

CLAIMS = Claims("hidden_states")

STATES_MEANING = "what the embeddings and then each layer returned: the input of layer k is [k]"

COLLECTED_MEANING = "what forward collected under this name; that layers returned it is not shown"


def meaning(evidence: Evidence, status: str | None) -> str:
    """What stands in the slot called hidden_states; `status` is that of the claim about the
    chain."""
    if evidence.fields.get("hidden_states") == ():
        return "an empty tuple: nothing was collected"
    return STATES_MEANING if status == "proved" else COLLECTED_MEANING


@CLAIMS.register("hidden-states-count", "one tensor more than there are layers, none of them None")
def one_more_than_layers(evidence: Evidence) -> Outcome | None:
    states = evidence.fields.get("hidden_states")
    if states is None:
        if not evidence.observed.call.output_hidden_states or not evidence.anatomy.layers:
            return None
        return refuted("output_hidden_states was passed, and no hidden_states came back")
    number = len(evidence.layers)
    layers, items = counted(number, "layer"), counted(number + 1, "item")
    if len(states) != number + 1:
        return refuted(f"expected {items} for {layers}, got {len(states)} at hidden_states")
    holes = [index for index, state in enumerate(states) if state is None]
    if holes:
        return refuted(f"expected tensors, got None at hidden_states[{holes[0]}]")
    configured = evidence.config.num_hidden_layers
    also = f"; config.num_hidden_layers is {configured}" if configured != number else ""
    return proved(f"{layers}, {items}{also}")


@CLAIMS.register(
    "hidden-states-embeddings",
    "[0] is LayerNorm(word + position + token_type) of the embeddings",
    asks="hidden_states",
)
def embeddings(evidence: Evidence) -> Outcome | None:
    got = evidence.tuple_of("hidden_states")[0]
    evidence.check_values()
    outcome = _as_sum(evidence, got)
    if _norm(evidence) is not None:
        return outcome
    return outcome._replace(sentence="[0] is word + position + token_type of the embeddings")


@CLAIMS.register(
    "hidden-states-positions",
    "position ids count from pad_token_id + 1, and padding keeps pad_token_id",
    asks="hidden_states",
)
def positions(evidence: Evidence) -> Outcome | None:
    path = f"{evidence.anatomy.embeddings}.position_embeddings"
    evidence.visit(path, "position_embeddings")
    evidence.check_values()
    ids, expected = _position_ids(evidence).cpu(), evidence.position_ids.cpu()
    ids = ids.expand_as(expected) if ids.shape[-1:] == expected.shape[-1:] else ids
    if ids.shape != expected.shape:
        return refuted(f"expected ids of shape {tuple(expected.shape)}, got {tuple(ids.shape)}")
    wrong = (ids != expected).nonzero()
    if len(wrong):
        row, column = (int(axis) for axis in wrong[0])
        got = f"{int(ids[row, column])} at row {row}, position {column}"
        return refuted(f"expected position id {int(expected[row, column])}, got {got}")
    other_row = _other_row(evidence, "position_embeddings", _position_ids(evidence))
    if other_row is not None:
        return refuted(other_row)
    weight = evidence.module(path, "position_embeddings").weight
    neighbours = weight[expected.clamp(max=len(weight) - 2) + 1]
    if same(weight[expected], neighbours):
        raise NotTestedError("neighbouring rows of the table of positions hold the same values")
    control = f"the next row of the table is {furthest(weight[expected], neighbours):.1e} away"
    outcome = proved(_counted(evidence, expected), exact=True, control=control)
    return outcome._replace(sentence=_positions_sentence(evidence))


def _positions_sentence(evidence: Evidence) -> str:
    """No word on padding where there is none, and none on counting where positions were given."""
    inputs = evidence.probe.inputs
    if "position_ids" in inputs:
        return "the position ids that were given are those that are looked up"
    start = "position ids count from pad_token_id + 1"
    if "input_ids" not in inputs:
        return f"{start}, through every position"
    return f"{start}, and padding keeps pad_token_id" if _pads_as_configured(evidence) else start


def _pads_as_configured(evidence: Evidence) -> bool:
    """Whether there is padding, all of it with the id by which positions are counted."""
    padding = evidence.probe.attention_mask == 0
    ids = evidence.probe.inputs.get("input_ids")
    if ids is None or not padding.any():
        return False
    return bool((ids[padding] == evidence.pad_token_id).all())


def _counted(evidence: Evidence, ids: torch.Tensor) -> str:
    padding = evidence.pad_token_id
    tokens = ids[ids != padding]
    parts = [f"tokens have {int(tokens.min())} to {int(tokens.max())}"] if len(tokens) else []
    holder = "padding" if _pads_as_configured(evidence) else f"the id {padding}"
    parts += [f"{holder} has {padding}"] if len(tokens) < ids.numel() else []
    if getattr(evidence.config, "pad_token_id", None) is None:
        parts.append(f"config.pad_token_id is None, and the embeddings were built with {padding}")
    return ", ".join(parts)


@CLAIMS.register(
    "hidden-states-not-bare", "[0] is not the bare word embedding", asks="hidden_states"
)
def not_bare(evidence: Evidence) -> Outcome | None:
    got = evidence.tuple_of("hidden_states")[0]
    words = evidence.probe.inputs.get("inputs_embeds")
    if words is None:
        path = f"{evidence.anatomy.embeddings}.word_embeddings"
        words = evidence.returned(path, "word_embeddings")
    evidence.check_values()
    if not same(got, words):
        return proved(f"up to {furthest(got, words):.1e} away from the word embedding")
    if _as_sum(evidence, got).status != "refuted":
        raise NotTestedError("the sum is the word embedding itself")
    return refuted("expected the sum of the embeddings, got the word embedding at hidden_states[0]")


@CLAIMS.register(
    "hidden-states-chain",
    "[0] is what the embeddings returned, [k] what layer k-1 returned and layer k read",
    asks="hidden_states",
)
def chain(evidence: Evidence) -> Outcome | None:
    states = evidence.fields["hidden_states"]
    first = evidence.visit(evidence.anatomy.embeddings, "embeddings").first
    visits = [evidence.visit(path, "layer") for path in evidence.layers]
    returned = [first, *(visit.first for visit in visits)]
    read = [visit.hidden_states for visit in visits]
    makers = ["the embeddings", *(f"layer {index}" for index in range(len(visits)))]
    normed = _normed_last(evidence, returned[-1], states)
    if normed is not None:
        returned[-1], makers[-1] = normed, f"{evidence.anatomy.last_norm} returned of layer"
    for index, state in enumerate(states[: len(returned)]):
        words, place = f"what {makers[index]} returned", f"hidden_states[{index}]"
        if state is None:
            return refuted(f"expected {words}, got None at {place}")
        if evidence.trace.changed(returned[index]):
            return refuted(f"expected {words}, which was changed in place")
        if not same(state, returned[index]):
            return other_values(words, state, returned[index], place)
        if index < len(read) and not same(state, read[index]):
            return other_values(f"what layer {index} read", state, read[index], place)
    pairs = zip(states, returned, strict=False)
    outcome = proved(f"{counted(len(states), 'item')}, {identity(pairs)}")
    if normed is None:
        return outcome
    return outcome._replace(
        sentence="[0] is what the embeddings returned, [k] what layer k-1 returned and layer k "
        f"read, [-1] what {evidence.anatomy.last_norm} made of the last layer's"
    )


def _normed_last(evidence: Evidence, returned: torch.Tensor, states: Any) -> torch.Tensor | None:
    """What the LayerNorm behind the last layer made of it, where that is the last hidden state."""
    norm = evidence.trace.visit(evidence.anatomy.last_norm)
    if norm is None or not len(states) or states[-1] is None:
        return None
    normed: torch.Tensor = norm.first
    return normed if same(norm.hidden_states, returned) and same(states[-1], normed) else None


@CLAIMS.register("hidden-states-last", "[-1] is what classifier read", asks="hidden_states")
def last(evidence: Evidence) -> Outcome | None:
    states = evidence.fields["hidden_states"]
    read = evidence.visit(evidence.anatomy.classifier, "classifier").hidden_states
    if len(states) and isinstance(states[-1], torch.Tensor):
        if same(states[-1], read):
            return proved(identity([(states[-1], read)]))
        norm = evidence.trace.visit(evidence.anatomy.last_norm)
        if norm is not None and same(norm.hidden_states, states[-1]) and same(norm.first, read):
            path = evidence.anatomy.last_norm
            outcome = proved(f"{path} read [-1], and classifier what it returned")
            return outcome._replace(sentence=f"classifier read what {path} made of [-1]")
        if read.shape != states[-1].shape:
            raise NotTestedError(
                f"the classifier of this model reads a tensor of shape {tuple(read.shape)}"
            )
        place = f"hidden_states[{len(states) - 1}]"
        return other_values("what classifier read", states[-1], read, place)
    if not evidence.anatomy.layers:
        raise NotTestedError("this model has no layers")
    return refuted("expected what classifier read, got nothing at hidden_states[-1]")


def _position_ids(evidence: Evidence) -> torch.Tensor:
    """The ids that the model looked up, of shape `(batch_size or 1, sequence_length)`; where it
    looked up none, those of its class."""
    embeddings = evidence.module(evidence.anatomy.embeddings, "embeddings")
    kind = position_embedding_of(embeddings)
    if kind != "absolute":
        raise NotTestedError(f"position_embedding_type {kind} adds no position embedding")
    visit = evidence.trace.visit(f"{evidence.anatomy.embeddings}.position_embeddings")
    if visit is None:
        return evidence.position_ids
    return torch.as_tensor(visit.hidden_states)


def _norm(evidence: Evidence) -> Any:
    """The LayerNorm of the embeddings; `None` in a class that has none."""
    embeddings = evidence.module(evidence.anatomy.embeddings, "embeddings")
    return getattr(embeddings, "LayerNorm", None)


def _as_sum(evidence: Evidence, got: torch.Tensor) -> Outcome:
    """Whether these are the LayerNorm of the sum of the three embeddings."""
    parts = dict(_parts(evidence, got))
    embeddings = evidence.module(evidence.anatomy.embeddings, "embeddings")
    dtype = max(got.dtype, *(weight.dtype for weight in embeddings.parameters()), key=epsilon)
    whole = _normed(evidence, parts, dtype)
    without = {}
    for name in ("position", "word"):
        others = {other: part for other, part in parts.items() if other != name}
        without[f"the {name} embedding"] = _normed(evidence, others, dtype).values
    expected = whole._replace(without=without)
    return judge(got, expected, place="hidden_states[0]", dtype=dtype)


def _parts(evidence: Evidence, got: torch.Tensor) -> Iterator[tuple[str, torch.Tensor]]:
    """Word, position and token type embeddings in float64, each of the shape of `got`."""
    inputs = evidence.probe.inputs
    if "inputs_embeds" in inputs:
        yield "word", wide(inputs["inputs_embeds"])
    else:
        yield "word", _looked_up(evidence, "word_embeddings", inputs["input_ids"], got)
    ids = _position_ids(evidence)
    yield "position", _looked_up(evidence, "position_embeddings", ids, got)
    types = evidence.probe.token_type_ids.long()
    yield "type", _looked_up(evidence, "token_type_embeddings", types, got)


def _looked_up(evidence: Evidence, name: str, ids: torch.Tensor, got: torch.Tensor) -> torch.Tensor:
    other_row = _other_row(evidence, name, ids)
    if other_row is not None and name != "position_embeddings":
        # Which row stands for a token is the model's own affair; which for a position is not.
        raise NotTestedError(other_row)
    weight = evidence.module(f"{evidence.anatomy.embeddings}.{name}", name).weight
    return wide(weight[ids]).expand_as(got)


def _other_row(evidence: Evidence, name: str, ids: torch.Tensor) -> str | None:
    """Where an embedding returned another row of its weight than that of an id, in words; `None`
    where it returned that of each.

    Raises:
        NotTestedError: it does more than look up rows.
    """
    path = f"{evidence.anatomy.embeddings}.{name}"
    table, visit = evidence.module(path, name), evidence.trace.visit(path)
    weight = getattr(table, "weight", None)
    more = NotTestedError(f"{path} does more than look up rows of its weight")
    if not isinstance(weight, torch.Tensor) or int(ids.max()) >= len(weight):
        raise more
    unchanged = visit is not None and not evidence.trace.changed(visit.output)
    returned, rows = visit.output if visit and unchanged else table(ids), weight[ids]
    if same(returned, rows):
        return None
    if returned.shape != rows.shape:
        raise more
    row, column = (int(axis) for axis in (returned != rows).any(dim=-1).nonzero()[0])
    matches = (weight == returned[row, column]).all(dim=-1).nonzero()
    if not len(matches):
        raise more
    got = f"row {int(matches[0])} at row {row}, position {column}"
    return f"expected row {int(ids[row, column])} of {path}, got {got}"


def _normed(evidence: Evidence, parts: dict[str, torch.Tensor], dtype: torch.dtype) -> Expected:
    """LayerNorm of a sum; a row of little variance magnifies the rounding of the sum."""
    values = torch.stack(list(parts.values()))
    total, magnitude = values.sum(dim=0), values.abs().sum(dim=0)
    unit, norm = epsilon(dtype), _norm(evidence)
    if norm is None:
        return Expected(total, unit * magnitude, {})
    own = {name: getattr(norm, name, None) for name in ("weight", "bias", "eps")}
    weight = 1.0 if own["weight"] is None else wide(own["weight"])
    bias = 0.0 if own["bias"] is None else wide(own["bias"])
    scale = (total.var(dim=-1, correction=0, keepdim=True) + (own["eps"] or 0.0)).rsqrt()
    centred = (total - total.mean(dim=-1, keepdim=True)) * scale
    normed = centred * weight + bias
    size = total.shape[-1]
    fine = accumulating(dtype, size)
    # What moves every term by itself averages out in the mean and the variance.
    reduced = (unit / math.sqrt(size) + fine) * magnitude.mean(dim=-1, keepdim=True) * scale
    summed = unit / 2 * (total.abs() + magnitude) * scale
    moved = (summed + reduced * (1 + centred.abs())) * abs(weight)
    rounded = unit / 2 * normed.abs() + fine * (abs(bias) + (centred * weight).abs())
    return Expected(normed, moved + rounded, {})
