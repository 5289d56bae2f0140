"""The map: everything about one checkpoint under one setup."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

from roberta_inspect.errors import CannotInspectError, UsageError
from roberta_inspect.records.call import Call, CallSpec, Slot, Stage
from roberta_inspect.records.codec import ForeignValueError, decoded, parsed
from roberta_inspect.records.consumers import Consumer
from roberta_inspect.records.input import Input, Prediction
from roberta_inspect.records.product import SCHEMA, Product
from roberta_inspect.records.proof import Finding, Level, Proof, Status, error_reasons
from roberta_inspect.records.setting import Checkpoint, Setup, Versions
from roberta_inspect.text import safe


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputMap(Product):
    """Everything about one checkpoint under one setup: the product."""

    command: ClassVar[str] = "run"

    versions: Versions
    checkpoint: Checkpoint
    setup: Setup
    input: Input
    calls: tuple[Call, ...]
    plain: tuple[Call, ...] = ()
    """The calls with the inputs alone, without and with labels: the configuration decides."""
    wrappers: tuple[str, ...] = ()
    """The classes of the objects around the classifier that were taken off, outermost first."""
    stages: tuple[Stage, ...] = ()
    proofs: tuple[Proof, ...] = ()
    not_deterministic: str | None = None
    """The first module that returns other bits when the same call is repeated, `""` for the model
    itself; `None` where no repeated call differed."""
    findings: tuple[Finding, ...] = ()
    predictions: tuple[Prediction, ...] | None = None
    same_logits: bool | None = None
    """Whether every row has the same logits, although the rows differ; `None` for one row and
    where there are no values."""
    consumers: tuple[Consumer, ...] | None = None
    """What pipeline, Trainer and the exports make of the outputs; `None` where nobody asked."""
    schema: int = SCHEMA

    @property
    def reasons(self) -> tuple[str, ...]:
        """What the findings of level `error` say: a refuted proof, a random head …"""
        return error_reasons(self.findings)

    @property
    def main_calls(self) -> tuple[Call, ...]:
        """The four calls of `run`, in its order. With `--matrix`, the others come after them."""
        return tuple(
            call for call in self.calls if call.spec.output_flags == self.calls[0].spec.output_flags
        )

    @property
    def matrix(self) -> bool:
        """Whether every combination of the flags was called, and not the main calls alone."""
        return len(self.calls) > len(self.main_calls)

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that a main call has or lacks, in the order of the fullest container."""
        names_by_fullness: dict[str, None] = {}
        for call in sorted(self.main_calls, key=lambda call: -len(call.slots)):
            names_by_fullness.update(dict.fromkeys(slot.name for slot in call.slots))
        first = ["loss"] if any("loss" in call.absent for call in self.main_calls) else []
        return tuple(dict.fromkeys([*first, *names_by_fullness]))

    def call(
        self,
        *,
        return_dict: bool,
        labels: bool,
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
    ) -> Call:
        """The call made this way. Flags that are left out are those of the four main calls.

        Raises:
            KeyError: no call of this map was made this way.
        """
        main = self.main_calls[0]
        spec = CallSpec(
            return_dict,
            labels,
            main.output_hidden_states if output_hidden_states is None else output_hidden_states,
            main.output_attentions if output_attentions is None else output_attentions,
        )
        call = self.find_call(spec)
        if call is None:
            raise KeyError(f"no call with {', '.join(spec.flags)}")
        return call

    def find_call(self, spec: CallSpec) -> Call | None:
        """The call made this way, plain or not, or `None` if this map has none."""
        return next((call for call in (*self.plain, *self.calls) if call.spec == spec), None)

    def fullest_slots(self, name: str) -> tuple[Slot, ...]:
        """Every slot of that name, in the call that says most about it.

        A call in which it is not `None` is preferred, then one that returns a dict, then one with
        labels.
        """
        calls = sorted(self.main_calls, key=lambda call: (not call.return_dict, not call.labels))
        slots_of_calls = [tuple(slot for slot in call.slots if slot.name == name) for call in calls]
        filled = [slots for slots in slots_of_calls if any(slot.kind != "none" for slot in slots)]
        return next(iter([*filled, *filter(None, slots_of_calls)]), ())

    def proofs_of(self, name: str) -> tuple[Proof, ...]:
        """The proofs about one slot, in the order of the claims."""
        return tuple(proof for proof in self.proofs if proof.slot == name)

    def proofs_with(self, status: Status) -> tuple[Proof, ...]:
        """The proofs with this outcome, in the order of the claims."""
        return tuple(proof for proof in self.proofs if proof.status == status)

    def findings_of(self, level: Level) -> tuple[Finding, ...]:
        """The findings of one level."""
        return tuple(finding for finding in self.findings if finding.level == level)

    def moved_by_labels(self, call: Call, name: str) -> int:
        """By how many positions the labels move a name: its index in this call, minus its index in
        the same call without labels.

        0 for a call without labels, and if one of the two lacks the name.
        """
        unlabelled = self.find_call(call.spec._replace(labels=False))
        slot, before = call.slot(name), None if unlabelled is None else unlabelled.slot(name)
        if slot is None or slot.index is None or before is None or before.index is None:
            return 0
        return slot.index - before.index

    def loss_comes_first(self, call: Call) -> bool:
        """Whether the loss is at 0 in this call, and absent in the same call without labels."""
        unlabelled = self.find_call(call.spec._replace(labels=False))
        if unlabelled is None or "loss" in [slot.name for slot in unlabelled.positions]:
            return False
        return [slot.name for slot in call.positions[:1]] == ["loss"]

    @classmethod
    def from_json(cls, text: str) -> OutputMap:
        """The map that `to_json` wrote.

        Raises:
            UsageError: `text` is not a string.
            CannotInspectError: the text is not JSON, not a map, or of another schema number.
        """
        if not isinstance(text, str):
            raise UsageError(
                f"an object of type {safe(type(text).__name__)} is not the text of a map",
                hint="Give the string that to_json returned, or what a saved file holds.",
            )
        return _read(text)


SAVE_AGAIN = "Make it anew: roberta-inspect run CHECKPOINT --format json --output FILE"

MAIN_CALLS = {(return_dict, labels) for return_dict in (False, True) for labels in (False, True)}
"""The main calls of every map, as `(return_dict, labels)`."""

WRITERS = {1: "0.1.0"}
"""Number of an earlier schema → the release of roberta-inspect that wrote it."""


class NoMapError(CannotInspectError):
    """A text that is not a map of any release."""


def _read(text: str) -> OutputMap:
    try:
        value = parsed(text)
    except ValueError as error:
        raise NoMapError(f"is not JSON: {safe(error)}", hint=SAVE_AGAIN) from error
    if not isinstance(value, dict) or "schema" not in value or "calls" not in value:
        raise NoMapError("is JSON, but not a map of roberta-inspect run", hint=SAVE_AGAIN)
    schema = value["schema"]
    if schema != SCHEMA or isinstance(schema, bool):
        writer = WRITERS.get(schema) if type(schema) is int else None
        wrote = f", which roberta-inspect {writer} wrote" if writer else ""
        raise CannotInspectError(
            f"has schema {safe(schema)}{wrote}; this release reads schema {SCHEMA}", hint=SAVE_AGAIN
        )
    try:
        output_map = decoded(OutputMap, value)
    except ForeignValueError as error:
        raise CannotInspectError(
            f"is not a complete map: {safe(error)}", hint=SAVE_AGAIN
        ) from error
    except RecursionError as error:
        raise CannotInspectError(
            "is not a map: it is nested too deeply", hint=SAVE_AGAIN
        ) from error
    twice = _repeated(output_map)
    if twice:
        raise CannotInspectError(f"is not a map: {safe(twice)} stands there twice", hint=SAVE_AGAIN)
    main = [(call.return_dict, call.labels) for call in output_map.main_calls]
    if len(main) != len(MAIN_CALLS) or set(main) != MAIN_CALLS:
        raise CannotInspectError(
            "is not a complete map: its first four calls are not those of run", hint=SAVE_AGAIN
        )
    return output_map


def _repeated(output_map: OutputMap) -> str | None:
    """Something that is in a map twice but belongs there once: a comparison would ignore one of the
    two."""
    calls = (*output_map.plain, *output_map.calls)
    entries = [f"the proof {proof.id} of {proof.slot}" for proof in output_map.proofs]
    entries += [f"the call with {call.spec}" for call in calls]
    for call in calls:
        entries += [f"outputs[{slot.index}] of {call.spec}" for slot in call.positions]
    return next((entry for entry, count in Counter(entries).items() if count > 1), None)
