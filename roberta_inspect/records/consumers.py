"""Who gets what: what pipeline, Trainer and the exports make of the outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from roberta_inspect.records.call import Failure
from roberta_inspect.records.given import Input
from roberta_inspect.records.product import SCHEMA, Product
from roberta_inspect.records.proof import Finding, no_error
from roberta_inspect.records.setting import Checkpoint, Setup, Versions


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One thing that a consumer hands over."""

    access: str
    """How to reach it: `predictions[0]`, `[0]["score"]`."""
    declared: str | None = None
    """The name that the artefact itself gives it; `None` for none."""
    name: str | None = None
    """The slot whose values it holds; `None` where nothing known has them."""
    identity: str = field(default="nothing known", metadata={"key": "is"})
    """What it is, in words: `hidden_states[1]`, `softmax(logits)[positive]`."""
    shape: tuple[int, ...] | None = None
    dtype: str | None = None
    difference: float | None = None
    """The largest absolute difference from what it is; `None` where nothing was compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggested:
    """The names that a graph's outputs should have."""

    output_names: tuple[str, ...]
    dynamic_shapes: Mapping[str, Mapping[str, str]]
    """Name of an input → axis → its word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """One consumer, and what it handed over."""

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
    """What is surprising, or what must be installed."""


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
    def ok(self) -> bool:
        """Whether no finding is of level `error`."""
        return no_error(self.findings)
