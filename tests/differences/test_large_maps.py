"""Maps with very many or repeated entries are compared in seconds, and never reported as equal."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

import roberta_inspect
from roberta_inspect import OutputMap
from roberta_inspect.differences import compared
from roberta_inspect.errors import CannotInspectError
from roberta_inspect.render import formats_of, rendered

MANY = 20_000


@pytest.fixture(scope="module")
def values() -> dict[str, Any]:
    return roberta_inspect.inspect(no_weights=True).to_dict()


def map_of(values: dict[str, Any], **changes: Any) -> OutputMap:
    return OutputMap.from_json(json.dumps({**values, **changes}))


def findings(count: int, *, alike: bool = False) -> list[dict[str, Any]]:
    return [
        {
            "level": "warning",
            "id": "same" if alike else f"finding-{number}",
            "message": f"number {number}",
            "hint": "Nothing.",
        }
        for number in range(count)
    ]


def test_many_findings(values: dict[str, Any]) -> None:
    """A comparison that is quadratic in the findings would exceed the time limit of a test."""
    report = compared(map_of(values, findings=[]), map_of(values, findings=findings(MANY)))
    assert len(report.differences) == MANY
    for name in formats_of("diff"):
        assert rendered(report, name)
    assert "… and 19,500 more" in rendered(report, "table")


def test_many_findings_of_one_id(values: dict[str, Any]) -> None:
    left, right = (map_of(values, findings=findings(MANY + extra, alike=True)) for extra in (0, 1))
    assert [change.id for change in compared(left, right).differences] == ["finding"]
    assert compared(left, left).ok


def test_many_findings_in_another_order(values: dict[str, Any]) -> None:
    shuffled = findings(MANY)
    random.Random(0).shuffle(shuffled)
    assert compared(map_of(values, findings=findings(MANY)), map_of(values, findings=shuffled)).ok


@pytest.mark.parametrize("status", ["proved", "refuted"])
def test_a_proof_twice(values: dict[str, Any], status: str) -> None:
    proofs = values["proofs"] or [_proof(status)]
    with pytest.raises(CannotInspectError, match="stands there twice"):
        map_of(values, proofs=[*proofs, {**proofs[0], "status": status}])


def _proof(status: str) -> dict[str, Any]:
    return {"id": "x", "slot": "logits", "claim": "c", "status": status, "detail": "d"}


def test_a_call_twice(values: dict[str, Any]) -> None:
    with pytest.raises(CannotInspectError, match="stands there twice"):
        map_of(values, calls=[*values["calls"], values["calls"][0]])
