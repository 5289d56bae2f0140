"""Claims about the container, and how another call's container compares with the reference."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from roberta_inspect.axes import AXES, PER_ROW, PER_TOKEN
from roberta_inspect.claims.claim import (
    Claims,
    NotTestedError,
    Outcome,
    broken,
    held,
    untested,
    weakest,
)
from roberta_inspect.claims.comparison import SIGMAS, epsilon, exact, furthest
from roberta_inspect.claims.evidence import Evidence
from roberta_inspect.containers import is_fake, keyed, tensors_in
from roberta_inspect.observe import Observed
from roberta_inspect.probe import Probe
from roberta_inspect.records import UNNAMED, CallSpec
from roberta_inspect.text import counted, listed

CLAIMS = Claims()


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What another call returned, beside the reference call; no tensor."""

    call: CallSpec
    names: tuple[str, ...]
    """What stands at each position."""
    differences: tuple[float | None, ...]
    """The largest absolute difference from the reference's values of that name; `None` where the
    reference has none, or where tensors are fake and not the same object."""
    missing: tuple[str, ...]
    """What the reference has and this container lacks, although it was asked for."""
    moved: tuple[str, ...]
    """What stands in another order than in the reference."""


def compare(seen: Observed, reference: Observed, names: Sequence[str]) -> Comparison:
    """`names` of the positions of `seen`; to be called before its tensors are dropped."""
    known = keyed(reference.output)
    asked = {
        "loss": seen.call.labels,
        "hidden_states": seen.call.output_hidden_states,
        "attentions": seen.call.output_attentions,
        "cross_attentions": seen.call.output_attentions,
    }
    order = [name for name in known if name in names]
    here = [name for name in names if name in known]
    return Comparison(
        call=seen.call,
        names=tuple(names),
        differences=tuple(
            _apart(value, known[name]) if name in known else None
            for name, (_, value) in zip(names, seen.fields, strict=True)
        ),
        missing=tuple(name for name in known if asked.get(name, True) and name not in names),
        moved=tuple(name for name, other in zip(here, order, strict=False) if name != other),
    )


def _apart(value: Any, other: Any) -> float | None:
    left, right = list(tensors_in(value)), list(tensors_in(other))
    if len(left) != len(right):
        return math.inf
    try:
        return max(map(_distance, left, right), default=0.0)
    except NotTestedError:
        return None


def _distance(left: torch.Tensor, right: torch.Tensor) -> float:
    alike = left.shape == right.shape and left.dtype == right.dtype
    return (
        0.0 if alike and not is_fake(left) and torch.equal(left, right) else furthest(left, right)
    )


@CLAIMS.register(
    "tuple-and-dict",
    "outputs",
    "all calls return the same values in the same order",
)
def agreement(evidence: Evidence) -> Outcome | None:
    if not evidence.comparisons:
        raise NotTestedError("no other call returned anything")
    for each in evidence.comparisons:
        wrong = next(_misplaced(each), None)
        if wrong is not None:
            return broken(f"{wrong} ({_which(each, evidence)})")
    if evidence.fake:
        raise NotTestedError("names and order agree, and the tensors have shapes, no values")
    found = weakest(_compared(each, evidence) for each in evidence.comparisons)
    names = dict.fromkeys(name for each in evidence.comparisons for name in each.names)
    extra = [name for name in names if name not in evidence.fields]
    if not extra:
        return found
    return replace(
        found,
        sentence="all calls return what the dict holds, with the same values in the same order",
        detail=f"{found.detail}; the dict lacks {listed(extra)}",
    )


def _misplaced(seen: Comparison) -> Iterator[str]:
    if UNNAMED in seen.names:
        index = seen.names.index(UNNAMED)
        yield f"expected a known value, got an unexplained one at outputs[{index}]"
    if seen.missing:
        yield f"expected {listed(seen.missing)}, got a container without"
    if seen.moved:
        yield f"expected the order of the dict, got {listed(seen.moved)} elsewhere"


def _compared(seen: Comparison, evidence: Evidence) -> Outcome:
    """The values of one call beside those of the reference call."""
    call = _which(seen, evidence)
    outcomes = [held("the same values in every call", difference=0.0, tolerance=0.0)]
    for index, (name, apart) in enumerate(zip(seen.names, seen.differences, strict=True)):
        if apart is None and name in evidence.fields:
            outcomes.append(untested(f"{name} could not be compared ({call})"))
        elif apart:
            explained = SIGMAS * _rounding(evidence, name)
            detail = f"{name} up to {apart:.1e} apart, of which rounding explains {explained:.1e}"
            place = f"outputs[{index}] ({call})"
            outcomes.append(
                held(detail, difference=apart, tolerance=explained)
                if apart <= explained
                else broken(
                    f"expected the same values, got {detail}, at {place}",
                    difference=apart,
                    tolerance=explained,
                )
            )
    return weakest(outcomes)


def _which(seen: Comparison, evidence: Evidence) -> str:
    """The call, by as many of its flags as tell it from the others."""
    main = seen.call[2:] == evidence.observed.call[2:]
    return seen.call.words if main else ", ".join(seen.call.flags)


def _rounding(evidence: Evidence, name: str) -> float:
    if name != "loss":
        return evidence.rounding_of(name)
    # No loss here is steeper in a logit than 2 · max(1, √loss): cross-entropy 2, BCE 1, and the
    # squared error by the inequality of Jensen.
    loss = float(exact(evidence.tensor("loss")))
    steepness = 2 * max(1.0, math.sqrt(abs(loss)))
    return steepness * evidence.rounding_of("logits") + abs(loss) * epsilon(
        evidence.tensor("loss").dtype
    )


@CLAIMS.register(
    "axes",
    "outputs",
    "another input changes exactly the axes called batch_size, sequence_length, query_length "
    "and key_length",
)
def axes(evidence: Evidence) -> Outcome | None:
    first, second = evidence.probe, evidence.second.probe
    checked = 0
    for name, shapes in evidence.second.shapes.items():
        before = [tuple(each.shape) for each in tensors_in(evidence.fields.get(name))]
        if name not in AXES or not before:
            continue
        if len(before) != len(shapes):
            return broken(f"expected {len(before)} tensors, got {len(shapes)} at {name}")
        for index, sizes in enumerate(zip(before, shapes, strict=True)):
            for probe, shape in zip((first, second), sizes, strict=True):
                wanted = _sized(AXES[name], before[index], probe)
                if shape != wanted:
                    place = name if len(before) == 1 else f"{name}[{index}]"
                    return broken(
                        f"expected ({', '.join(AXES[name])}) to be {wanted}, got {shape} at {place}"
                    )
            checked += 1
    if not checked:
        raise NotTestedError("no slot of this model has axes with names")
    return held(
        f"{counted(checked, 'tensor')}; batch_size {first.batch_size} → {second.batch_size}, "
        f"sequence_length {first.sequence_length} → {second.sequence_length}"
    )


def _sized(words: Sequence[str], shape: Sequence[int], probe: Probe) -> tuple[int, ...]:
    """The shape that axes of these words have for an input; the others stay as they are."""
    changing = dict.fromkeys(PER_ROW, probe.batch_size)
    changing |= dict.fromkeys(PER_TOKEN, probe.sequence_length)
    kept = [*shape, *[0] * len(words)]
    return tuple(changing.get(word, size) for word, size in zip(words, kept, strict=False))


@CLAIMS.register(
    "no-pooler", "outputs", "the base model has no pooler, and its pooler_output is None"
)
def no_pooler(evidence: Evidence) -> Outcome | None:
    base = evidence.module(evidence.anatomy.base, "base model")
    if getattr(base, "pooler", None) is not None:
        return broken(f"expected None, got a pooler at {evidence.anatomy.base}.pooler")
    returned = evidence.visit(evidence.anatomy.base, "base model").output
    if getattr(returned, "pooler_output", None) is not None:
        return broken("expected None, got a tensor at pooler_output")
    return held(f"{evidence.anatomy.base}.pooler is None")
