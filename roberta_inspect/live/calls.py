"""The calls of one map: each observed, named, compared and annotated, then its tensors dropped."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import torch

from roberta_inspect.inputs.probe import Probe
from roberta_inspect.live.annotate import Fingerprints, annotate
from roberta_inspect.live.containers import elements, keyed
from roberta_inspect.live.naming import names_of
from roberta_inspect.live.observe import Observed, Observer
from roberta_inspect.live.stages import stages_of
from roberta_inspect.live.values import largest_difference
from roberta_inspect.progress import Progress, silent
from roberta_inspect.records import UNNAMED, Call, CallSpec, Stage


def calls_asked(
    hidden_states: bool, attentions: bool, *, matrix: bool = False
) -> tuple[CallSpec, ...]:
    """return_dict on and off × labels absent and present, with these flags; with `matrix` then
    those of every other combination of the two flags."""
    both = (True, False)
    flags = [(hidden_states, attentions), *(product(both, both) if matrix else ())]
    return tuple(
        CallSpec(return_dict, labels, *pair)
        for pair in dict.fromkeys(flags)
        for return_dict in both
        for labels in (False, True)
    )


PLAIN = tuple(CallSpec(None, labels, None, None) for labels in (False, True))
"""The inputs alone, without and with labels: the configuration decides the rest."""


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

    def __init__(
        self,
        observer: Observer,
        probe: Probe,
        specs: Sequence[CallSpec],
        progress: Progress = silent,
    ) -> None:
        self.observer = observer
        self.progress = progress
        self.probe = probe
        self.specs = specs
        self.reference: Observed | None = None
        """The first call with flags that succeeded, a labelled dict if it can."""
        self.fields: dict[str, Any] = {}
        """Name → value of each position of the reference call."""
        self.comparisons: list[Comparison] = []
        self.stages: tuple[Stage, ...] = ()
        self.logits: torch.Tensor | None = None
        """Of the first call without labels, of shape `(batch_size, num_labels)`."""
        self.parted: str | None = None
        """The first module that returns other bits when a call is made again, `""` for the model
        itself; `None` where two calls never differed."""
        self.edited: dict[str, None] = {}
        """The tensors of the input that some call wrote into."""
        self._empty: dict[CallSpec, list[str]] = {}
        """Call → the names under which its container, if it has keys, holds `()`."""
        self._records: dict[CallSpec, Call] = {}
        self._fingerprints = Fingerprints()

    def make(self) -> None:
        """Make every call; by the reference call the positions of the others are named."""
        main = [spec for spec in self.specs if spec.output_flags == self.specs[0].output_flags]
        main.sort(key=lambda spec: (not spec.return_dict, not spec.labels))
        specs = dict.fromkeys([*main, *self.specs, *PLAIN])
        for number, spec in enumerate(specs):
            self.progress(f"Calling with {spec.words}", number, len(specs))
            # Do not bind what was observed: its tensors must be freed before the next call.
            self._take(self._observed(spec), is_main=spec in main)
        if self.reference is not None and any(map(_differs, self.comparisons)):
            self.parted = self.observer.parting(self.probe, self.reference.call)

    def _observed(self, spec: CallSpec) -> Observed:
        checked = self.observer.anatomy.makers if self.reference is None else frozenset()
        return self.observer.call(self.probe, spec, checked=checked)

    def _take(self, observed: Observed, *, is_main: bool) -> None:
        spec = observed.call
        self.edited.update(dict.fromkeys(observed.edited))
        if observed.error is not None:
            self._records[spec] = annotate(observed, (), self._fingerprints)
            return
        reference = self.reference or observed
        names = names_of(observed, reference, self._empty.get(spec._replace(return_dict=True), ()))
        self._empty[spec] = [name for name, value in keyed(observed.output).items() if value == ()]
        if self.reference is not None:
            self.comparisons.append(_comparison_of(observed, self.fields, names))
        elif not spec.is_plain:
            self.reference = observed
            self.fields = dict(zip(names, (value for _, value in observed.fields), strict=True))
            for name, value in self.fields.items():
                self._fingerprints.remember(name, value)
        self._records[spec] = annotate(observed, names, self._fingerprints)
        if is_main and (not self.stages or (not spec.return_dict and spec.labels)):
            self.stages = stages_of(observed, names, reference, self.observer.model)
        if not spec.labels and self.logits is None and "logits" in names:
            self.logits = observed.fields[names.index("logits")][1]

    def records(self, specs: Sequence[CallSpec]) -> Iterator[Call]:
        """Calls in this order, each with the names that others have and it lacks."""
        slots = [slot for call in self._records.values() for slot in call.slots]
        names = dict.fromkeys(slot.name for slot in slots if slot.name != UNNAMED)
        for spec in specs:
            call = self._records[spec]
            has = {slot.name for slot in call.slots}
            lacks = () if call.error else tuple(name for name in names if name not in has)
            yield replace(call, absent=lacks)


def _comparison_of(
    observed: Observed, reference: Mapping[str, Any], names: Sequence[str]
) -> Comparison:
    """`names` of the positions of `observed`, and the named values of the reference call; to be
    called before the tensors are dropped."""
    is_plain = observed.call.is_plain
    asked = {
        "loss": observed.call.labels,
        "hidden_states": observed.call.output_hidden_states,
        "attentions": observed.call.output_attentions,
        "cross_attentions": observed.call.output_attentions,
    }
    order = [name for name in reference if name in names]
    present = [name for name in names if name in reference]
    return Comparison(
        call=observed.call,
        names=tuple(names),
        differences=tuple(
            _apart(
                value,
                reference[name] if value != () or asked.get(name, True) else (),
                selected=is_plain,
            )
            if name in reference
            else None
            for name, (_, value) in zip(names, observed.fields, strict=True)
        ),
        missing=tuple(
            name
            for name in reference
            if name not in names
            and asked.get(name, True)
            and (not is_plain or name in ("loss", "logits"))
        ),
        moved=tuple(
            name for name, expected in zip(present, order, strict=False) if name != expected
        ),
    )


def _differs(comparison: Comparison) -> bool:
    return any(comparison.differences)  # None where nothing can be said


def _apart(value: Any, reference: Any, *, selected: bool) -> float | None:
    """The largest difference of the tensors of two slots; infinite where they are not of one form
    or dtype. Items that are `None` because the configuration may have `selected` layers are left
    out, and so is a slot that is empty because nobody asked for it."""
    if isinstance(value, torch.Tensor) and isinstance(reference, torch.Tensor):
        return largest_difference(value, reference) if value.dtype == reference.dtype else math.inf
    if not selected and (value is None) != (reference is None):
        return math.inf
    items, reference_items = elements(value) or (), elements(reference) or ()
    if len(items) != len(reference_items):
        return math.inf
    pairs = zip(items, reference_items, strict=True)
    distances = [
        _apart(item, beside, selected=selected)
        for item, beside in pairs
        if not selected or (item is not None and beside is not None)
    ]
    apart = [distance for distance in distances if distance is not None]
    return max(apart, default=0.0) if len(apart) == len(distances) else None
