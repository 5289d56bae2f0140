"""Claims about the hidden states."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from roberta_inspect.claims.claim import Claims, NotTestedError, Outcome, proved, refuted
from roberta_inspect.claims.comparison import (
    Estimate,
    exact,
    furthest,
    identity,
    judged,
    rounding,
    same,
)
from roberta_inspect.claims.evidence import Evidence
from roberta_inspect.releases import position_embedding_of
from roberta_inspect.text import counted

CLAIMS = Claims()

MEANING = "what the embeddings and then each layer returned: the input of layer k is [k]"

NOTHING = "an empty tuple: nothing was collected"


def meaning(evidence: Evidence) -> str:
    """What stands in the slot called hidden_states."""
    return NOTHING if evidence.fields.get("hidden_states") == () else MEANING


@CLAIMS.register(
    "hidden-states-count",
    "hidden_states",
    "one tensor more than there are layers, none of them None",
)
def count(evidence: Evidence) -> Outcome | None:
    states = evidence.fields.get("hidden_states")
    if states is None:
        return _missing(evidence)
    wanted = len(evidence.layers) + 1
    holes = [index for index, each in enumerate(states) if each is None]
    if len(states) != wanted:
        return refuted(
            f"expected {counted(wanted, 'item')} for {counted(wanted - 1, 'layer')}, got "
            f"{len(states)} at hidden_states"
        )
    if holes:
        return refuted(f"expected tensors, got None at {_at(holes[0])}")
    configured = evidence.config.num_hidden_layers
    other = f"; config.num_hidden_layers is {configured}" if configured != wanted - 1 else ""
    return proved(f"{counted(wanted - 1, 'layer')}, {counted(wanted, 'item')}{other}")


@CLAIMS.register(
    "hidden-states-embeddings",
    "hidden_states",
    "[0] is LayerNorm(word + position + token_type) of the embeddings",
)
def embeddings(evidence: Evidence) -> Outcome | None:
    if evidence.fields.get("hidden_states") is None:
        return None
    got = evidence.tuple_of("hidden_states")[0]
    exact(got)
    return judged(got, _embedded(evidence, got), place=_at(0))


@CLAIMS.register(
    "hidden-states-positions",
    "hidden_states",
    "position ids count from pad_token_id + 1, and padding keeps pad_token_id",
)
def positions(evidence: Evidence) -> Outcome | None:
    if evidence.fields.get("hidden_states") is None:
        return None
    path = f"{evidence.anatomy.embeddings}.position_embeddings"
    evidence.visit(path, "position_embeddings")
    made, wanted = exact(_position_ids(evidence)).long(), _counted_ids(evidence).cpu()
    padding = evidence.pad_token_id
    made = made.expand_as(wanted) if made.shape[-1:] == wanted.shape[-1:] else made
    if made.shape != wanted.shape:
        return refuted(f"expected ids of shape {tuple(wanted.shape)}, got {tuple(made.shape)}")
    wrong = (made != wanted).nonzero()
    if len(wrong):
        row, column = (int(each) for each in wrong[0])
        return refuted(
            f"expected position id {int(wanted[row, column])}, got {int(made[row, column])} at "
            f"row {row}, position {column}"
        )
    other = _other_row(evidence, "position_embeddings", _position_ids(evidence))
    if other is not None:
        return refuted(other)
    tokens = wanted[wanted != padding]
    told = [f"tokens have {int(tokens.min())} to {int(tokens.max())}"] if len(tokens) else []
    told += [f"padding has {padding}"] if len(tokens) < wanted.numel() else []
    if getattr(evidence.config, "pad_token_id", None) is None:
        built = f"config.pad_token_id is None, and the embeddings were built with {padding}"
        told.append(built)
    return proved(", ".join(told))


@CLAIMS.register("hidden-states-not-bare", "hidden_states", "[0] is not the bare word embedding")
def not_bare(evidence: Evidence) -> Outcome | None:
    if evidence.fields.get("hidden_states") is None:
        return None
    got = evidence.tuple_of("hidden_states")[0]
    words = evidence.visit(f"{evidence.anatomy.embeddings}.word_embeddings", "word_embeddings")
    exact(got)
    if same(got, words.output):
        if judged(got, _embedded(evidence, got), place=_at(0)).status != "refuted":
            raise NotTestedError("the sum after LayerNorm is the word embedding itself")
        return refuted(f"expected the sum after LayerNorm, got the word embedding at {_at(0)}")
    return proved(f"up to {furthest(got, words.output):.1e} away from the word embedding")


@CLAIMS.register(
    "hidden-states-chain",
    "hidden_states",
    "[0] is what the embeddings returned, [k] what layer k-1 returned and layer k read",
)
def chain(evidence: Evidence) -> Outcome | None:
    if evidence.fields.get("hidden_states") is None:
        return None
    states = evidence.fields["hidden_states"]
    first = evidence.visit(evidence.anatomy.embeddings, "embeddings").first
    visits = [evidence.visit(path, "layer") for path in evidence.layers]
    returned = [first, *(visit.first for visit in visits)]
    read = [visit.hidden_states for visit in visits]
    makers = ["the embeddings", *(f"layer {index}" for index in range(len(visits)))]
    for index, state in enumerate(states[: len(returned)]):
        if state is not None and evidence.trace.changed(returned[index]):
            return refuted(f"expected what {makers[index]} returned, which was changed in place")
        if state is None or not same(state, returned[index]):
            return _off(state, returned[index], index, f"what {makers[index]} returned")
        if index < len(read) and not same(state, read[index]):
            return _off(state, read[index], index, f"what layer {index} read")
    pairs = zip(states, returned, strict=False)
    return proved(f"{counted(len(states), 'item')}, {identity(pairs)}")


@CLAIMS.register("hidden-states-last", "hidden_states", "[-1] is what classifier read")
def last(evidence: Evidence) -> Outcome | None:
    if evidence.fields.get("hidden_states") is None:
        return None
    states = evidence.fields["hidden_states"]
    read = evidence.visit(evidence.anatomy.classifier, "classifier").hidden_states
    if len(states) and isinstance(states[-1], torch.Tensor):
        if same(states[-1], read):
            return proved(identity([(states[-1], read)]))
        if read.shape != states[-1].shape:
            raise NotTestedError(
                f"the classifier of this model reads a tensor of shape {tuple(read.shape)}"
            )
        return _off(states[-1], read, len(states) - 1, "what classifier read")
    if not evidence.anatomy.layers:
        raise NotTestedError("this model has no layers")
    return refuted("expected what classifier read, got nothing at hidden_states[-1]")


def _missing(evidence: Evidence) -> Outcome | None:
    if not evidence.observed.call.output_hidden_states or not evidence.anatomy.layers:
        return None
    return refuted("output_hidden_states was passed, and no hidden_states came back")


def _off(state: torch.Tensor | None, wanted: torch.Tensor, index: int, what: str) -> Outcome:
    if state is None:
        return refuted(f"expected {what}, got None at {_at(index)}")
    apart = furthest(state, wanted)
    return refuted(f"expected {what}, got values up to {apart:.1e} away at {_at(index)}")


def _at(index: int) -> str:
    return f"hidden_states[{index}]"


def _position_ids(evidence: Evidence) -> torch.Tensor:
    """The ids that the model itself made, of shape `(batch_size or 1, sequence_length)`; where it
    made none, those of its class."""
    embeddings = evidence.module(evidence.anatomy.embeddings, "embeddings")
    kind = position_embedding_of(embeddings)
    if kind != "absolute":
        raise NotTestedError(f"position_embedding_type {kind} adds no position embedding")
    visit = evidence.trace.visit(f"{evidence.anatomy.embeddings}.position_embeddings")
    if visit is None:
        return _counted_ids(evidence)
    return torch.as_tensor(visit.args[0] if visit.args else visit.kwargs["input"])


def _counted_ids(evidence: Evidence) -> torch.Tensor:
    """Position ids as `RobertaEmbeddings` makes them."""
    padding = evidence.pad_token_id
    tokens = (evidence.probe.inputs["input_ids"] != padding).long()
    return tokens.cumsum(dim=1) * tokens + padding


def _embedded(evidence: Evidence, like: torch.Tensor) -> Estimate:
    """LayerNorm of the sum of the three embeddings, of the shape of `like`."""
    parts = torch.stack(list(_parts(evidence, like)))
    norm = evidence.module(f"{evidence.anatomy.embeddings}.LayerNorm", "LayerNorm")
    return _normed(norm, parts.sum(dim=0), parts.abs().sum(dim=0), like.dtype)


def _parts(evidence: Evidence, like: torch.Tensor) -> Iterator[torch.Tensor]:
    """Word, position and token type embeddings in float64, each of the shape of `like`."""
    inputs = evidence.probe.inputs
    types = inputs.get("token_type_ids", torch.zeros_like(inputs["input_ids"]))
    ids = {
        "word_embeddings": inputs["input_ids"],
        "position_embeddings": _position_ids(evidence),
        "token_type_embeddings": types,
    }
    for name, each in ids.items():
        other = _other_row(evidence, name, each)
        if other is not None and name != "position_embeddings":
            # Which row stands for a token is the model's own affair; which for a position is not.
            raise NotTestedError(other)
        weight = evidence.module(f"{evidence.anatomy.embeddings}.{name}", name).weight
        yield exact(weight[each]).expand_as(like)


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
    kept = visit is not None and not evidence.trace.changed(visit.output)
    returned, rows = visit.output if visit and kept else table(ids), weight[ids]
    if same(returned, rows):
        return None
    if returned.shape != rows.shape:
        raise more
    place = tuple(int(each) for each in (returned != rows).any(dim=-1).nonzero()[0])
    there = (weight == returned[place]).all(dim=-1).nonzero()
    if not len(there):
        raise more
    got, wanted = int(there[0]), int(ids[place])
    return f"expected row {wanted} of {path}, got row {got} at row {place[0]}, position {place[1]}"


def _normed(
    norm: Any, total: torch.Tensor, magnitude: torch.Tensor, dtype: torch.dtype
) -> Estimate:
    """LayerNorm of a sum of three; a row of little variance magnifies the rounding of the sum."""
    found = {name: getattr(norm, name, None) for name in ("weight", "bias", "eps")}
    variance = total.var(dim=-1, correction=0, keepdim=True)
    scale = (variance + (found["eps"] or 0.0)).rsqrt()
    centred = (total - total.mean(dim=-1, keepdim=True)) * scale
    weight = 1.0 if found["weight"] is None else exact(found["weight"])
    bias = 0.0 if found["bias"] is None else exact(found["bias"])
    value = centred * weight + bias
    size = total.shape[-1]
    largest = magnitude.amax(dim=-1, keepdim=True) * scale
    summing = rounding(dtype, operations=3, summed=size) * (magnitude * scale + largest / size)
    shifting = rounding(dtype, operations=0, summed=size) * (largest + centred.abs() * largest)
    rounded = rounding(dtype, operations=4) * (value.abs() + abs(bias) + (centred * weight).abs())
    return Estimate(value, (summing + shifting) * abs(weight) + rounded)
