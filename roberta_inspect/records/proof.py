"""Claims with their outcomes, and findings."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from roberta_inspect.records.call import Failure
from roberta_inspect.text import safe

Status = Literal["proved", "refuted", "not-tested"]
Method = Literal["exact", "rounding", "structure"]
Level = Literal["error", "warning", "note"]

LONGEST_FINDING = 2000
"""Characters of a finding's message, and of its hint, that are shown."""

LEVELS: tuple[Level, ...] = ("error", "warning", "note")
"""The most serious level is first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A claim with its outcome."""

    id: str
    """Stable name of the claim: `loss-kind`, `hidden-states-chain` …"""
    slot: str
    """The slot it is about: `loss`, `hidden_states` …, or `outputs` for all of them."""
    claim: str
    """What must be true, in one sentence."""
    status: Status
    detail: str
    """What was measured; for `refuted` what was expected, what was got and where; for
    `not-tested` the reason."""
    difference: float | None = None
    """The largest absolute difference measured; `None` where nothing was compared or it is not
    finite."""
    tolerance: float | None = None
    """The largest difference that rounding in this dtype explains; 0 where bits are compared."""
    method: Method = "structure"
    """`exact`: bits were compared; `rounding`: numbers, within a tolerance; `structure`: objects,
    counts and shapes."""
    power: float | None = None
    """The smallest mistake that the test would have caught, relative to the largest magnitude of
    its row; `None` where nothing was compared within a tolerance."""
    control: str | None = None
    """The change that must make the claim fail, and what it did here."""
    error: Failure | None = None
    """What testing the claim raised; it is `not-tested` then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something the user should know."""

    id: str
    level: Level
    message: str
    hint: str | None = None
    """How to mend it. Each line of code is on a line of its own."""
    slots: tuple[str, ...] = ()
    """The slots that it is about; empty for one about all of them."""

    @property
    def sentence(self) -> str:
        """The message and the hint, safe to be shown, with the hint on lines of its own."""
        hint = f"Hint: {self.hint}".splitlines() if self.hint else []
        lines = [f"{self.id}: {self.message}", *hint]
        return "\n".join(safe(line, longest=LONGEST_FINDING) for line in lines)


def finite(number: float | None) -> float | None:
    """The number, or `None` if it is NaN or infinite, which JSON cannot express."""
    return number if number is not None and math.isfinite(number) else None


def error_reasons(findings: tuple[Finding, ...]) -> tuple[str, ...]:
    """What the findings of level `error` say, each with its hint."""
    return tuple(finding.sentence for finding in findings if finding.level == "error")
