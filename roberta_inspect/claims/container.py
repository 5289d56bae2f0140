"""Claims about the container, and how another call's container compares with the reference."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from roberta_inspect.claims.claim import (
    Claims,
    NotTestedError,
    Outcome,
    not_tested,
    proved,
    refuted,
    weakest,
)
from roberta_inspect.claims.comparison import SIGMAS, epsilon, exact
from roberta_inspect.claims.evidence import Evidence
from roberta_inspect.inputs.probe import Probe
from roberta_inspect.live.calls import Comparison
from roberta_inspect.live.containers import tensors_in
from roberta_inspect.records import UNNAMED
from roberta_inspect.records.axes import AXES, PER_ROW, PER_TOKEN
from roberta_inspect.text import counted, listed

CLAIMS = Claims()


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
            return refuted(f"{wrong} ({_which(each, evidence)})")
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
    outcomes = [proved("the same values in every call", difference=0.0, tolerance=0.0)]
    for index, (name, apart) in enumerate(zip(seen.names, seen.differences, strict=True)):
        if apart is None and name in evidence.fields:
            outcomes.append(not_tested(f"{name} could not be compared ({call})"))
        elif apart:
            explained = SIGMAS * _rounding(evidence, name)
            detail = f"{name} up to {apart:.1e} apart, of which rounding explains {explained:.1e}"
            place = f"outputs[{index}] ({call})"
            outcomes.append(
                proved(detail, difference=apart, tolerance=explained)
                if apart <= explained
                else refuted(
                    f"expected the same values, got {detail}, at {place}",
                    difference=apart,
                    tolerance=explained,
                )
            )
    return weakest(outcomes)


def _which(seen: Comparison, evidence: Evidence) -> str:
    """The call, by as many of its flags as tell it from the others."""
    main = seen.call.asked == evidence.observed.call.asked
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
    first, second = evidence.probe, evidence.resized.probe
    checked = 0
    for name, shapes in evidence.resized.shapes.items():
        before = [tuple(each.shape) for each in tensors_in(evidence.fields.get(name))]
        if name not in AXES or not before:
            continue
        if len(before) != len(shapes):
            return refuted(f"expected {len(before)} tensors, got {len(shapes)} at {name}")
        for index, sizes in enumerate(zip(before, shapes, strict=True)):
            for probe, shape in zip((first, second), sizes, strict=True):
                wanted = _sized(AXES[name], before[index], probe)
                if shape != wanted:
                    place = name if len(before) == 1 else f"{name}[{index}]"
                    return refuted(
                        f"expected ({', '.join(AXES[name])}) to be {wanted}, got {shape} at {place}"
                    )
            checked += 1
    if not checked:
        raise NotTestedError("no slot of this model has axes with names")
    return proved(
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
        return refuted(f"expected None, got a pooler at {evidence.anatomy.base}.pooler")
    returned = evidence.visit(evidence.anatomy.base, "base model").output
    if getattr(returned, "pooler_output", None) is not None:
        return refuted("expected None, got a tensor at pooler_output")
    return proved(f"{evidence.anatomy.base}.pooler is None")
