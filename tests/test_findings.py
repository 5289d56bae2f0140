"""What is told of a map, and in which order."""

from __future__ import annotations

from dataclasses import replace

import pytest
from samples import EAGER, REFUTED, SDPA

from roberta_inspect.findings import Noticed, findings_of, tree_findings
from roberta_inspect.records import Failure, OutputMap, Weights

HARMLESS = replace(REFUTED.checkpoint.weights, verdict="complete", missing=())
ODD = replace(HARMLESS, unexpected=("lm_head.bias", "odd"))
FAILED = Failure(type="ValueError", message="no")


def writing(problem_type: str) -> OutputMap:
    calls = [
        replace(call, wrote_problem_type=problem_type if call.labels else None)
        for call in EAGER.calls
    ]
    return replace(EAGER, calls=tuple(calls))


@pytest.mark.parametrize(
    ("of", "noticed", "told"),
    [
        (EAGER, Noticed(), []),
        (SDPA, Noticed(not_finite=("logits",)), ["error", "warning"]),
        (
            replace(SDPA, checkpoint=replace(SDPA.checkpoint, weights=ODD)),
            Noticed(padding_side="left", not_finite=("logits",)),
            ["error", "warning", "warning", "warning", "note"],
        ),
        (REFUTED, Noticed(), ["error", "error", "error", "warning", "note"]),
        (
            REFUTED,
            Noticed(allow_missing_head=True),
            ["error", "error", "warning", "warning", "note"],
        ),
    ],
)
def test_errors_come_first_and_notes_last(of: OutputMap, noticed: Noticed, told: list[str]) -> None:
    assert [finding.level for finding in findings_of(of, noticed)] == told


@pytest.mark.parametrize(
    ("weights", "error", "told"),
    [
        (HARMLESS, None, ["harmless-tensors"]),
        (ODD, FAILED, ["call-failed", "tensors-not-used", "harmless-tensors"]),
    ],
)
def test_so_they_do_of_a_tree(weights: Weights, error: Failure | None, told: list[str]) -> None:
    checkpoint = replace(EAGER.checkpoint, weights=weights)
    assert [
        finding.id for finding in tree_findings(checkpoint, False, error, EAGER.versions)
    ] == told


@pytest.mark.parametrize(
    "written", ["regression", "single_label_classification", "multi_label_classification"]
)
def test_the_problem_type_to_set_is_the_one_that_was_written(written: str) -> None:
    (finding,) = findings_of(writing(written), Noticed())
    assert finding.hint == f'Set "problem_type": "{written}" in config.json.'
