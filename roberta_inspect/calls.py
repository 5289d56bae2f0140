"""The calls of one map: each observed, named, compared and annotated, then its tensors dropped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import torch

from roberta_inspect.annotate import annotate
from roberta_inspect.claims import Evidence, compare, meaning
from roberta_inspect.naming import names_of
from roberta_inspect.observe import Observed, observe
from roberta_inspect.probe import Probe
from roberta_inspect.records import UNNAMED, Call, CallSpec, Stage
from roberta_inspect.stages import stages_of


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


class Calls:
    """The calls of one map, made one after the other; those with the first one's flags are its
    main calls."""

    def __init__(self, model: Any, probe: Probe, specs: Sequence[CallSpec]) -> None:
        self.model = model
        self.probe = probe
        self.specs = specs
        self.records: dict[CallSpec, Call] = {}
        self.meanings: dict[str, str | None] = {}
        """Found once per name: they come from the reference call, whichever call is told."""
        self.stages: tuple[Stage, ...] = ()
        self.logits: torch.Tensor | None = None
        self.evidence: Evidence | None = None

    def make(self) -> None:
        """Make every call; the first that succeeds, a labelled dict if it can, is the reference
        by which the positions of the others are named."""
        main = [spec for spec in self.specs if spec[2:] == self.specs[0][2:]]
        main.sort(key=lambda spec: (not spec.return_dict, not spec.labels))
        for spec in dict.fromkeys([*main, *self.specs]):
            # No name holds what was observed while the next call is made.
            self._take(observe(self.model, self.probe, spec), is_main=spec in main)

    def _take(self, seen: Observed, *, is_main: bool) -> None:
        if seen.error is not None:
            self.records[seen.call] = annotate(seen, (), {})
            return
        reference = seen if self.evidence is None else self.evidence.observed
        names = names_of(seen, reference)
        if self.evidence is None:
            fields = dict(zip(names, (value for _, value in seen.fields), strict=True))
            self.evidence = Evidence(self.model, self.probe, seen, fields)
        for name in names:
            if name not in self.meanings:
                self.meanings[name] = meaning(name, self.evidence)
        self.records[seen.call] = annotate(seen, names, self.meanings)
        if seen is not reference:
            self.evidence.comparisons.append(compare(seen, reference, names))
        if is_main and (not self.stages or (not seen.call.return_dict and seen.call.labels)):
            self.stages = stages_of(seen, names, reference, self.model)
        if not seen.call.labels and self.logits is None and "logits" in names:
            self.logits = seen.fields[names.index("logits")][1]

    def in_order(self) -> Iterator[Call]:
        """The calls in the order of the map, each with the names that others have and it lacks."""
        slots = [slot for call in self.records.values() for slot in call.slots]
        known = dict.fromkeys(slot.name for slot in slots if slot.name != UNNAMED)
        for spec in self.specs:
            call = self.records[spec]
            has = {slot.name for slot in call.slots}
            lacks = () if call.error else tuple(name for name in known if name not in has)
            yield replace(call, absent=lacks)
