"""The findings of a map, and their order."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from samples import EAGER, REFUTED, SDPA

from roberta_inspect.findings import findings_of, tree_findings
from roberta_inspect.records import (
    Failure,
    Fingerprint,
    ModuleTree,
    Node,
    OutputMap,
    Tokenizer,
    Weights,
)

HARMLESS = replace(REFUTED.checkpoint.weights, verdict="complete", missing=())
ODD = replace(HARMLESS, unexpected=("lm_head.bias", "odd"))
FAILED = Failure(type="ValueError", message="no")
NAN = Fingerprint(mean=None, std=None, min=None, max=None, finite=False)


def with_nan(output_map: OutputMap) -> OutputMap:
    """The map with a NaN in the logits of every call."""
    calls = [
        replace(
            call,
            slots=tuple(
                replace(slot, fingerprint=NAN) if slot.name == "logits" else slot
                for slot in call.slots
            ),
        )
        for call in output_map.calls
    ]
    return replace(output_map, calls=tuple(calls))


def padding_left(output_map: OutputMap) -> OutputMap:
    tokenizer = Tokenizer(cls="RobertaTokenizer", vocabulary=50, padding_side="left")
    return replace(output_map, input=replace(output_map.input, tokenizer=tokenizer))


def writing(problem_type: str) -> OutputMap:
    calls = [
        replace(call, wrote_problem_type=problem_type if call.labels else None)
        for call in EAGER.calls
    ]
    return replace(EAGER, calls=tuple(calls))


def tree_with(weights: Weights) -> ModuleTree:
    root = Node(name="", path="", cls="Model", repr="Model()", parameters=0, bytes=0)
    checkpoint = replace(EAGER.checkpoint, weights=weights)
    return ModuleTree(versions=EAGER.versions, checkpoint=checkpoint, root=root, attention="eager")


@pytest.mark.parametrize(
    ("output_map", "allowed", "levels"),
    [
        (EAGER, False, []),
        (with_nan(SDPA), False, ["error", "warning"]),
        (
            padding_left(with_nan(replace(SDPA, checkpoint=tree_with(ODD).checkpoint))),
            False,
            ["error", "warning", "warning", "warning", "note"],
        ),
        (REFUTED, False, ["error", "error", "error", "warning", "note"]),
        (REFUTED, True, ["error", "error", "warning", "warning", "note"]),
    ],
)
def test_errors_come_first_and_notes_last(
    output_map: OutputMap, allowed: bool, levels: list[str]
) -> None:
    findings = findings_of(output_map, allow_missing_head=allowed)
    assert [finding.level for finding in findings] == levels


@pytest.mark.parametrize(
    ("weights", "error", "ids"),
    [
        (HARMLESS, None, ["harmless-tensors"]),
        (ODD, FAILED, ["call-failed", "tensors-not-used", "harmless-tensors"]),
    ],
)
def test_so_they_do_of_a_tree(weights: Weights, error: Failure | None, ids: list[str]) -> None:
    assert [finding.id for finding in tree_findings(tree_with(weights), error)] == ids


@pytest.mark.parametrize(
    "written", ["regression", "single_label_classification", "multi_label_classification"]
)
def test_the_problem_type_to_set_is_the_one_that_was_written(written: str) -> None:
    (finding,) = findings_of(writing(written))
    assert finding.hint == f'Set "problem_type": "{written}" in config.json.'


def test_where_a_hint_names_an_option_it_names_the_keyword_too() -> None:
    findings = [*findings_of(SDPA), *findings_of(REFUTED), *findings_of(with_nan(EAGER))]
    hints = [finding.hint for finding in findings if "--" in (finding.hint or "")]
    options = [re.findall(r"--([a-z-]+)", hint or "") for hint in hints]
    assert options == [["attention"], ["allow-missing-head"], ["attention"], ["dtype"]]
    for hint, [option] in zip(hints, options, strict=True):
        assert f"{option.replace('-', '_')}=" in (hint or "").partition("--")[0]
