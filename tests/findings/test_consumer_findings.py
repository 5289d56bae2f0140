"""The findings about consumers: one case for each, and one without any."""

from __future__ import annotations

from dataclasses import replace

import pytest
import small_consumers as rows

from roberta_inspect.findings import CONSUMER_QUESTIONS
from roberta_inspect.records import Consumer, Finding


def findings(*consumers: Consumer) -> list[Finding]:
    return list(CONSUMER_QUESTIONS.about(consumers))


CASES = {
    "mislabelled-output": (
        [rows.GRAPH],
        "error",
        "model.onnx: the output called attentions is hidden_states[1]",
    ),
    "consumer-raised": (
        [rows.RAISED],
        "warning",
        "torch.jit.trace(model) raises RuntimeError: no dict",
    ),
    "predictions-are-a-tuple": (
        [replace(rows.TUPLE, parts=rows.TUPLE.parts[:-1])],
        "warning",
        "predictions are a tuple as soon as the configuration asks for hidden states or "
        "attentions (logits, hidden_states), and predictions.argmax(-1) raises",
    ),
    "padding-in-hidden-states": (
        [replace(rows.PADDED, id="other")],
        "warning",
        "with rows of unlike length hidden states hold -100.0 in the places where a row has no "
        "token",
    ),
    "empty-attentions-in-predictions": (
        [replace(rows.TUPLE, container="other")],
        "warning",
        "predictions[2] is an empty tuple: this attention hands no weights back, and the slot "
        "counts all the same",
    ),
    "score-changes-after-labels": (
        [rows.PIPELINE, rows.LABELLED],
        "warning",
        "the score of the same text is softmax of the logits, and after one call with labels "
        "sigmoid of the logit: that call writes config.problem_type",
    ),
    "features-are-logits": (
        [rows.FEATURES],
        "warning",
        'pipeline("feature-extraction") returns the logits of this class, no features',
    ),
    "pair-returns-a-dict": (
        [rows.PAIR],
        "note",
        'pipeline("text-classification") returns a dict for a pair, not a list of one dict',
    ),
    "exported-values-differ": (
        [rows.OFF],
        "warning",
        "model.onnx: 1 output further from the model's than rounding explains: logits by 2.0e-01, "
        "and rounding explains 1.0e-03",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_surprise_is_one_finding(name: str) -> None:
    consumers, level, message = CASES[name]
    (finding,) = findings(*consumers)
    assert (finding.id, finding.level, finding.message) == (name, level, message)


def test_every_finding_has_a_case() -> None:
    assert list(CASES) == [name for name, _, _ in CONSUMER_QUESTIONS]


@pytest.mark.parametrize(
    "consumers",
    [
        [],
        [rows.PREDICT],
        [rows.PIPELINE, replace(rows.LABELLED, parts=rows.PIPELINE.parts)],
        [rows.MISSING],
        [replace(rows.FEATURES, parts=rows.STATES[:1])],
    ],
)
def test_what_is_as_it_should_be_is_none(consumers: list[Consumer]) -> None:
    assert findings(*consumers) == []


def test_one_cause_is_one_finding_that_names_the_rows() -> None:
    other = replace(rows.RAISED, title="again", notes=("another reason",))
    first, second = findings(rows.RAISED, other, replace(rows.RAISED, id="x", title="once more"))
    assert first.message == "torch.jit.trace(model); once more raise RuntimeError: no dict"
    assert second.message == "again raises RuntimeError: no dict"


def test_the_names_to_give_are_in_the_hint() -> None:
    (finding,) = findings(rows.GRAPH)
    assert (finding.hint or "").endswith(
        "output_names: logits, hidden_states_0, hidden_states_1, hidden_states_2."
    )


def test_an_output_that_is_nothing_known_is_told_with_how_far_it_is_from_its_name() -> None:
    (finding,) = findings(rows.UNKNOWN)
    assert finding.message == (
        "model.onnx: the output called logits is nothing known (4.0e-01 away from it)"
    )
