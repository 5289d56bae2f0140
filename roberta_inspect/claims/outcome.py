"""What a claim is, and how it becomes a proof."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from roberta_inspect.errors import is_out_of_memory
from roberta_inspect.live.observe import failure
from roberta_inspect.records import Failure, Method, Proof, Status, finite
from roberta_inspect.text import safe

if TYPE_CHECKING:
    from roberta_inspect.claims.evidence import Evidence


class NotTestedError(Exception):
    """A claim speaks of this model and cannot be tested; the message is the reason."""


class Outcome(NamedTuple):
    """What testing a claim showed; the fields are those of `Proof`."""

    status: Status
    detail: str
    method: Method = "structure"
    difference: float | None = None
    tolerance: float | None = None
    power: float | None = None
    control: str | None = None
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
    asks: str | None
    """The slot without which the claim says nothing."""
    compares_calls: bool
    """Whether it compares what two calls returned: nothing can be said where they differ anyway."""

    def proof(self, evidence: Evidence) -> Proof | None:
        """The claim with its outcome; one that raises is not tested, and is told in a finding."""
        if self.asks is not None and evidence.fields.get(self.asks) is None:
            return None
        try:
            if self.compares_calls:
                evidence.check_deterministic()
            outcome = self.test(evidence)
        except NotTestedError as reason:
            outcome = not_tested(str(reason))
        except Exception as error:
            if is_out_of_memory(error):
                raise
            detail = f"testing it raised {type(error).__name__}: {safe(error)}"
            outcome = not_tested(detail)._replace(error=failure(error))
        if outcome is None:
            return None
        fields = outcome._asdict()
        claim = fields.pop("sentence") or self.sentence
        for number in ("difference", "tolerance", "power"):
            fields[number] = finite(fields[number])
        return Proof(id=self.id, slot=self.slot, claim=claim, **fields)


class Claims(list[Claim]):
    """The claims about one slot, in the order of definition."""

    def __init__(self, slot: str) -> None:
        super().__init__()
        self.slot = slot

    def register(
        self,
        id: str,  # noqa: A002
        sentence: str,
        *,
        asks: str | None = None,
        compares_calls: bool = False,
    ) -> Callable[[Test], Test]:
        """Add the function below as the test of this claim."""

        def added(test: Test) -> Test:
            self.append(Claim(id, self.slot, sentence, test, asks, compares_calls))
            return test

        return added


def proved(detail: str, *, control: str | None = None, exact: bool = False) -> Outcome:
    """Proved by structure, or bit for bit where it is `exact`."""
    outcome = Outcome("proved", detail, control=control)
    return outcome._replace(method="exact", difference=0.0, tolerance=0.0) if exact else outcome


def refuted(detail: str, difference: float | None = None, tolerance: float = 0.0) -> Outcome:
    """Refuted; `detail` says what was expected, what was got, and where. The tolerance is that of a
    difference: none where bits are compared."""
    allowed = None if difference is None else tolerance
    return Outcome("refuted", detail, difference=difference, tolerance=allowed)


def not_tested(reason: str) -> Outcome:
    """Not tested, as one outcome among several; alone, raise `NotTestedError`."""
    return Outcome("not-tested", reason)


def weakest(outcomes: Iterable[Outcome]) -> Outcome:
    """Of the outcomes of all items the one that decides: a refuted one, else one not tested, else
    the one that would have let the largest mistake pass."""
    ranks: dict[Status, int] = {"refuted": 2, "not-tested": 1, "proved": 0}

    def rank(outcome: Outcome) -> tuple[int, float, float]:
        share = (outcome.difference or 0) / (outcome.tolerance or 1)
        return ranks[outcome.status], outcome.power or 0, share

    return max(outcomes, key=rank)
