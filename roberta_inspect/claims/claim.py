"""What a claim is, and how it becomes a proof."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roberta_inspect.errors import is_out_of_memory
from roberta_inspect.live.observe import failure
from roberta_inspect.records import Failure, Proof, Status, finite
from roberta_inspect.text import safe

if TYPE_CHECKING:
    from roberta_inspect.claims.evidence import Evidence


class NotTestedError(Exception):
    """A claim speaks of this model and cannot be tested; the message is the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What testing a claim showed; the fields are those of `Proof`."""

    status: Status
    detail: str
    difference: float | None = None
    tolerance: float | None = None
    error: Failure | None = None
    sentence: str | None = None
    """The claim in this model's words, where the general sentence says less."""


Test = Callable[["Evidence"], "Outcome | None"]


@dataclass(frozen=True, slots=True)
class Claim:
    """A testable sentence about a slot."""

    id: str
    slot: str
    sentence: str
    test: Test
    """Returns `None` where the claim does not speak of this model."""

    def proof(self, evidence: Evidence) -> Proof | None:
        """The claim with its outcome; one that raises is not tested, and is told in a finding."""
        try:
            outcome = self.test(evidence)
        except NotTestedError as reason:
            outcome = Outcome(status="not-tested", detail=str(reason))
        except Exception as error:
            if is_out_of_memory(error):
                raise
            detail = f"testing it raised {type(error).__name__}: {safe(error)}"
            outcome = Outcome(status="not-tested", detail=detail, error=failure(error))
        if outcome is None:
            return None
        return Proof(
            id=self.id,
            slot=self.slot,
            claim=outcome.sentence or self.sentence,
            status=outcome.status,
            detail=outcome.detail,
            difference=finite(outcome.difference),
            tolerance=finite(outcome.tolerance),
            error=outcome.error,
        )


class Claims(list[Claim]):
    """The claims of one module, in the order of definition."""

    def register(self, id: str, slot: str, sentence: str) -> Callable[[Test], Test]:  # noqa: A002
        """Add the function below as the test of this claim."""

        def added(test: Test) -> Test:
            self.append(Claim(id, slot, sentence, test))
            return test

        return added


def proved(
    detail: str, *, difference: float | None = None, tolerance: float | None = None
) -> Outcome:
    """Proved."""
    return Outcome(status="proved", detail=detail, difference=difference, tolerance=tolerance)


def refuted(
    detail: str, *, difference: float | None = None, tolerance: float | None = None
) -> Outcome:
    """Refuted; `detail` says what was expected, what was got, and where."""
    return Outcome(status="refuted", detail=detail, difference=difference, tolerance=tolerance)


def not_tested(reason: str) -> Outcome:
    """Not tested, as one outcome among several; alone, raise `NotTestedError`."""
    return Outcome(status="not-tested", detail=reason)


def weakest(outcomes: Iterable[Outcome]) -> Outcome:
    """Of the outcomes of all items the one that decides: a refuted one, else one not tested, else
    the one closest to its tolerance."""
    ranks: dict[Status, int] = {"refuted": 2, "not-tested": 1, "proved": 0}
    return max(
        outcomes,
        key=lambda each: (ranks[each.status], (each.difference or 0) / (each.tolerance or 1)),
    )
