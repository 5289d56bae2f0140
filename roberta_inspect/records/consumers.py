"""What pipeline, Trainer and the exports make of the outputs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from roberta_inspect.records.call import Failure
from roberta_inspect.records.input import Function, Input
from roberta_inspect.records.product import SCHEMA, Product
from roberta_inspect.records.proof import Finding, error_reasons
from roberta_inspect.records.setting import Checkpoint, Setup, Versions

NOTHING = "nothing known"
"""The identity of a part whose values are in no slot."""

EMPTY = "()"
"""The identity of a part that is an empty tuple, and so still takes an index."""

SLOT_NAME = re.compile(
    r"(?P<last>last_)?(?P<slot>loss|logits|hidden_state|attention)s?(?:[._\[](?P<item>\d+)\]?)?"
)
"""A name that says which slot a part is: `logits`, `hidden_states_1`, `attentions[0]`,
`last_hidden_state`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One tensor, number or empty tuple that a consumer returns."""

    access: str
    """How to reach it: `predictions[0]`, `[0]["score"]`."""
    declared: str | None = None
    """The name that the artefact itself gives it; `None` for none."""
    name: str | None = None
    """The slot whose values it holds; `None` where nothing known has them."""
    identity: str = field(default=NOTHING, metadata={"key": "is"})
    """What it is, in words: `hidden_states[1]`, `softmax(logits)[positive]`."""
    shape: tuple[int, ...] | None = None
    dtype: str | None = None
    difference: float | None = None
    """The largest absolute difference from what it is, or from what its name says where it is
    nothing known; `None` where nothing was compared."""
    tolerance: float | None = None
    """The largest difference that rounding explains."""
    item: tuple[int, ...] = ()
    """Which item of the slot; empty for the slot itself."""
    items_in_slot: int | None = None
    """How many items the slot has; `None` for a slot that is one tensor."""
    function: Function | None = None
    """What was made of the slot's values: `softmax`, `sigmoid`; `none` for a score that is the
    number itself, `None` where no function was asked about."""
    label: str | None = None
    """The label whose number it is; `None` for all of them."""
    padding: float | None = None
    """The number that fills the places where a row has no token; `None` where none is filled."""

    @property
    def is_empty(self) -> bool:
        """Whether it is an empty tuple."""
        return self.identity == EMPTY

    @property
    def is_off(self) -> bool:
        """Whether it differs from the values that it holds by more than rounding explains."""
        if self.name is None or self.difference is None or self.tolerance is None:
            return False
        return self.difference > self.tolerance

    @property
    def is_mislabelled(self) -> bool:
        """Whether its declared name says one slot or item, and its values are those of another."""
        declared = SLOT_NAME.fullmatch(self.declared or "")
        if declared is None or self.is_empty:
            return False
        slot = {"hidden_state": "hidden_states", "attention": "attentions"}.get(
            declared["slot"], declared["slot"]
        )
        if self.name != slot or self.function is not None:
            return True
        item = declared["item"]
        if declared["last"]:
            return self.items_in_slot is not None and self.item != (self.items_in_slot - 1,)
        return item is not None and self.item != (int(item),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggested:
    """The names that a graph's outputs and axes should have."""

    output_names: tuple[str, ...]
    dynamic_shapes: Mapping[str, Mapping[str, str]]
    """Name of an input → number of an axis → its word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """One way of calling a consumer, and what it returned."""

    id: str
    """`pipeline`, `feature-extraction`, `trainer`, `jit-trace`, `export`, `onnx`, `compile`."""
    title: str
    """How it was called, in a user's words."""
    status: Literal["called", "raised", "not-installed"]
    container: str | None = None
    """The class of what it returned; `None` where it returned nothing."""
    parts: tuple[Part, ...] = ()
    suggested: Suggested | None = None
    error: Failure | None = None
    notes: tuple[str, ...] = ()
    """Why it raised, where that is known; what must be installed; what it was run with."""
    after_labels: bool = False
    """Whether the model was called with labels first."""

    @property
    def raised(self) -> str:
        """What it raised, on one line and without the numbers of tensors; empty if nothing was
        raised. If the first line ends in a colon, the second is added."""
        if self.error is None:
            return ""
        lines = [*self.error.message.strip().splitlines(), "", ""]
        line = f"{lines[0]} {lines[1]}".strip() if lines[0].endswith(":") else lines[0]
        words, cut, _ = line.partition("tensor(")
        return f"{self.error.type}: {words}{'…' if cut else ''}"

    @property
    def mislabelled(self) -> tuple[Part, ...]:
        """The parts whose declared name does not fit their values."""
        return tuple(part for part in self.parts if part.is_mislabelled)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerReport(Product):
    """Every consumer of one checkpoint's outputs."""

    command: ClassVar[str] = "consumers"

    versions: Versions
    checkpoint: Checkpoint
    setup: Setup
    input: Input
    consumers: tuple[Consumer, ...]
    findings: tuple[Finding, ...] = ()
    schema: int = SCHEMA

    @property
    def verdict(self) -> bool | None:
        """`ok`; or `None` where nothing is wrong because no consumer returned anything."""
        is_tested = any(consumer.status == "called" for consumer in self.consumers)
        return self.ok if is_tested or not self.ok else None

    @property
    def reasons(self) -> tuple[str, ...]:
        """What the findings of level `error` say: a refuted proof, a random head …"""
        return error_reasons(self.findings)
