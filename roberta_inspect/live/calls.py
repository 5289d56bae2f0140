"""The calls of one map: each observed, named, compared and annotated, then its tensors dropped."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import torch

from roberta_inspect.inputs.probe import Probe
from roberta_inspect.live.annotate import annotate
from roberta_inspect.live.containers import keyed, tensors_in
from roberta_inspect.live.naming import names_of
from roberta_inspect.live.observe import Observed, observe
from roberta_inspect.live.stages import stages_of
from roberta_inspect.live.values import furthest
from roberta_inspect.records import UNNAMED, Call, CallSpec, Stage


def calls_asked(
    hidden_states: bool, attentions: bool, *, matrix: bool = False
) -> tuple[CallSpec, ...]:
    """return_dict on and off × labels absent and present, with these flags; with `matrix` then
    those of every other combination of the two flags."""
    both = (True, False)
    flags = [(hidden_states, attentions), *(product(both, both) if matrix else ())]
    return tuple(
        CallSpec(return_dict, labels, *asked)
        for asked in dict.fromkeys(flags)
        for return_dict in both
        for labels in (False, True)
    )


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


class Calls:
    """The calls of one map, made one after the other; those with the first one's flags are its
    main calls. Nothing but the reference call's tensors, and one call's logits, is kept."""

    def __init__(self, model: Any, probe: Probe, specs: Sequence[CallSpec]) -> None:
        self.model = model
        self.probe = probe
        self.specs = specs
        self.reference: Observed | None = None
        """The first call that succeeded, a labelled dict if it can."""
        self.fields: dict[str, Any] = {}
        """Name → value of each position of the reference call."""
        self.comparisons: list[Comparison] = []
        self.stages: tuple[Stage, ...] = ()
        self.logits: torch.Tensor | None = None
        """Of the first call without labels, of shape `(batch_size, num_labels)`."""
        self._records: dict[CallSpec, Call] = {}

    def make(self) -> None:
        """Make every call; by the reference call the positions of the others are named."""
        main = [spec for spec in self.specs if spec.asked == self.specs[0].asked]
        main.sort(key=lambda spec: (not spec.return_dict, not spec.labels))
        for spec in dict.fromkeys([*main, *self.specs]):
            # Do not bind what was observed: its tensors must be freed before the next call.
            self._take(observe(self.model, self.probe, spec), is_main=spec in main)

    def _take(self, observed: Observed, *, is_main: bool) -> None:
        spec = observed.call
        if observed.error is not None:
            self._records[spec] = annotate(observed, ())
            return
        reference = self.reference or observed
        names = names_of(observed, reference)
        if self.reference is None:
            self.reference = observed
            self.fields = dict(zip(names, (value for _, value in observed.fields), strict=True))
        else:
            self.comparisons.append(_compared(observed, reference, names))
        self._records[spec] = annotate(observed, names)
        if is_main and (not self.stages or (not spec.return_dict and spec.labels)):
            self.stages = stages_of(observed, names, reference, self.model)
        if not spec.labels and self.logits is None and "logits" in names:
            self.logits = observed.fields[names.index("logits")][1]

    def records(self) -> Iterator[Call]:
        """The calls in the order of the map, each with the names that others have and it lacks."""
        slots = [slot for call in self._records.values() for slot in call.slots]
        known = dict.fromkeys(slot.name for slot in slots if slot.name != UNNAMED)
        for spec in self.specs:
            call = self._records[spec]
            has = {slot.name for slot in call.slots}
            lacks = () if call.error else tuple(name for name in known if name not in has)
            yield replace(call, absent=lacks)


def _compared(observed: Observed, reference: Observed, names: Sequence[str]) -> Comparison:
    """`names` of the positions of `observed`; to be called before its tensors are dropped."""
    known = keyed(reference.output)
    asked = {
        "loss": observed.call.labels,
        "hidden_states": observed.call.output_hidden_states,
        "attentions": observed.call.output_attentions,
        "cross_attentions": observed.call.output_attentions,
    }
    order = [name for name in known if name in names]
    here = [name for name in names if name in known]
    return Comparison(
        call=observed.call,
        names=tuple(names),
        differences=tuple(
            _apart(value, known[name]) if name in known else None
            for name, (_, value) in zip(names, observed.fields, strict=True)
        ),
        missing=tuple(name for name in known if asked.get(name, True) and name not in names),
        moved=tuple(name for name, other in zip(here, order, strict=False) if name != other),
    )


def _apart(value: Any, other: Any) -> float | None:
    left, right = list(tensors_in(value)), list(tensors_in(other))
    if len(left) != len(right):
        return math.inf
    distances = [furthest(*pair) for pair in zip(left, right, strict=True)]
    known = [distance for distance in distances if distance is not None]
    return max(known, default=0.0) if len(known) == len(distances) else None
