"""Claims about the container, and about the calls side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from roberta_inspect.claims.evidence import Evidence
from roberta_inspect.claims.model import rounding_of_model
from roberta_inspect.claims.outcome import (
    Claims,
    NotTestedError,
    Outcome,
    not_tested,
    proved,
    refuted,
    weakest,
)
from roberta_inspect.claims.rounding import within
from roberta_inspect.inputs.probe import Probe
from roberta_inspect.live.calls import Comparison
from roberta_inspect.live.containers import tensors_in
from roberta_inspect.records import UNNAMED
from roberta_inspect.records.axes import AXES, PER_ROW, PER_TOKEN
from roberta_inspect.releases import attention_of
from roberta_inspect.text import counted, listed

CLAIMS = Claims("outputs")


@CLAIMS.register(
    "tuple-and-dict", "all calls return the same values in the same order", compares_calls=True
)
def agreement(evidence: Evidence) -> Outcome | None:
    if not evidence.comparisons:
        raise NotTestedError("no other call returned anything")
    for comparison in evidence.comparisons:
        wrong = _misplaced(comparison)
        if wrong is not None:
            return refuted(f"{wrong} ({_which(comparison, evidence)})")
    if evidence.fake:
        raise NotTestedError("names and order agree, and the tensors have shapes, no values")
    outcome = weakest(_compare_values(comparison, evidence) for comparison in evidence.comparisons)
    if outcome.status == "proved":
        moved = evidence.small.moved(evidence.small.changed, slice(1))
        if not moved:
            raise NotTestedError("other ids change no bit of the logits: any two calls would agree")
        outcome = outcome._replace(control=f"other ids move the logits by {moved:.1e}")
    names = dict.fromkeys(name for comparison in evidence.comparisons for name in comparison.names)
    extra = [name for name in names if name not in evidence.fields]
    if not extra:
        return outcome
    return outcome._replace(
        sentence="all calls return what the dict holds, with the same values in the same order",
        detail=f"{outcome.detail}; the dict lacks {listed(extra)}",
    )


def _misplaced(comparison: Comparison) -> str | None:
    if UNNAMED in comparison.names:
        index = comparison.names.index(UNNAMED)
        return f"expected a known value, got an unexplained one at outputs[{index}]"
    if comparison.missing:
        return f"expected {listed(comparison.missing)}, got a container without"
    if comparison.moved:
        return f"expected the order of the dict, got {listed(comparison.moved)} elsewhere"
    return None


def _compare_values(comparison: Comparison, evidence: Evidence) -> Outcome:
    """The values of one call beside those of the reference call."""
    call = _which(comparison, evidence)
    outcomes = [proved("the same bits in every call", exact=True)]
    pairs = zip(comparison.names, comparison.differences, strict=True)
    for index, (name, apart) in enumerate(pairs):
        if apart is None and name in evidence.fields:
            outcomes.append(not_tested(f"{name} could not be compared ({call})"))
        elif apart and _fell_back(comparison, evidence):
            outcomes.append(_within_fallback(evidence, name, apart))
        elif apart:
            place = f"at outputs[{index}] ({call})"
            detail = f"expected the same bits, got {name} up to {apart:.1e} apart, {place}"
            outcomes.append(refuted(detail, apart))
    return weakest(outcomes)


def _fell_back(comparison: Comparison, evidence: Evidence) -> bool:
    """Whether the two calls ran under two attention implementations: in some releases asking for
    attentions makes sdpa fall back to eager."""
    asked = comparison.call.output_attentions != evidence.observed.call.output_attentions
    returned = bool(evidence.fields.get("attentions")) or "attentions" in comparison.names
    return asked and returned and attention_of(evidence.config) != "eager"


def _within_fallback(evidence: Evidence, name: str, apart: float) -> Outcome:
    largest = max(float(tensor.abs().max()) for tensor in tensors_in(evidence.fields[name]))
    if name == "loss":
        # None is steeper in a logit than 2 · max(1, √loss): the squared error is the steepest.
        logits = evidence.tensor("logits")
        largest += 2 * max(1.0, math.sqrt(abs(largest))) * float(logits.abs().max())
    unit = rounding_of_model(evidence, evidence.coarsest)
    tolerance = unit * largest
    if apart > tolerance:
        detail = f"{name} is {apart:.1e} apart under another attention, tolerance {tolerance:.1e}"
        return refuted(detail, apart, tolerance)
    return within(apart, tolerance, power=unit, dtype=evidence.coarsest)


def _which(comparison: Comparison, evidence: Evidence) -> str:
    """The call, by as many of its flags as tell it from the others."""
    main = comparison.call.output_flags == evidence.observed.call.output_flags
    return comparison.call.words if main else ", ".join(comparison.call.flags)


@CLAIMS.register(
    "axes",
    "another input changes exactly the axes called batch_size, sequence_length, query_length "
    "and key_length; the others have the model's own sizes",
)
def axes(evidence: Evidence) -> Outcome | None:
    small, first = evidence.small, evidence.probe
    checked = 0
    for probe, answer in ((small.probe, small.plain), (small.alone_probe, small.alone)):
        for name in AXES.keys() & answer.fields.keys() & evidence.fields.keys():
            before, after = _shapes(evidence.fields[name]), _shapes(answer.fields[name])
            if len(before) != len(after):
                return refuted(f"expected {len(before)} tensors, got {len(after)} at {name}")
            for index, sizes in enumerate(zip(before, after, strict=True)):
                for called, shape in zip((first, probe), sizes, strict=True):
                    # As many keys as the states have that cross-attention reads.
                    keys = shape[-1] if name == "cross_attentions" else called.sequence_length
                    expected = _sized(evidence, name, index, before[index], called, keys)
                    if shape != expected:
                        place = name if len(before) == 1 else f"{name}[{index}]"
                        words = f"({', '.join(AXES[name])})"
                        return refuted(f"expected {words} to be {expected}, got {shape} at {place}")
                checked += 1
    if not checked:
        raise NotTestedError("no slot of this model has axes with names")
    probes = (first, small.probe, small.alone_probe)
    batches = ", ".join(str(probe.batch_size) for probe in probes)
    lengths = ", ".join(str(probe.sequence_length) for probe in probes)
    checked_tensors = counted(checked, "tensor")
    return proved(f"{checked_tensors}; batch_size {batches}, sequence_length {lengths}")


def _shapes(value: Any) -> list[tuple[int, ...]]:
    return [tuple(tensor.shape) for tensor in tensors_in(value)]


def _sized(
    evidence: Evidence, name: str, index: int, shape: Sequence[int], probe: Probe, keys: int
) -> tuple[int, ...]:
    """The shape that a tensor of this slot has for an input: axes of the input's sizes, and of the
    model's."""
    sizes = dict.fromkeys(PER_ROW, probe.batch_size)
    sizes |= dict.fromkeys(PER_TOKEN, probe.sequence_length)
    sizes |= {
        "key_length": keys,
        "num_labels": int(evidence.config.num_labels),
        "hidden_size": int(evidence.config.hidden_size),
    }
    anatomy = evidence.anatomy
    makers = {"attentions": anatomy.self_attentions, "cross_attentions": anatomy.cross_attentions}
    if index < len(makers.get(name, ())):
        module = evidence.module(makers[name][index], "attention")
        sizes["num_heads"] = int(module.num_attention_heads)
    padded_shape = [*shape, *[0] * len(AXES[name])]
    pairs = zip(AXES[name], padded_shape, strict=False)
    return tuple(sizes.get(word, size) for word, size in pairs)


@CLAIMS.register("no-pooler", "the base model has no pooler, and its pooler_output is None")
def no_pooler(evidence: Evidence) -> Outcome | None:
    base = evidence.module(evidence.anatomy.base, "base model")
    if getattr(base, "pooler", None) is not None:
        return refuted(f"expected None, got a pooler at {evidence.anatomy.base}.pooler")
    returned = evidence.visit(evidence.anatomy.base, "base model").output
    if getattr(returned, "pooler_output", None) is not None:
        return refuted("expected None, got a tensor at pooler_output")
    return proved(f"{evidence.anatomy.base}.pooler is None")
