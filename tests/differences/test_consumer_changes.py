"""What differs between the consumers of two maps."""

from __future__ import annotations

from dataclasses import replace

import pytest
import small_consumers as rows
from small_maps import BASE

from roberta_inspect import diff
from roberta_inspect.records import Consumer

CASES = {
    "another container": (
        rows.PIPELINE,
        replace(rows.PIPELINE, container="list[list[dict]]"),
        'consumers: pipeline("text-classification")(text) was list[dict], is list[list[dict]]: '
        "code that takes it apart breaks.",
    ),
    "an exception": (
        rows.PREDICT,
        replace(rows.RAISED, title=rows.PREDICT.title),
        "consumers: Trainer.predict was ndarray, is an exception (RuntimeError): code that takes "
        "it apart breaks.",
    ),
    "another function": (
        rows.PIPELINE,
        replace(rows.PIPELINE, parts=(rows.SIGMOID,)),
        'consumers: pipeline("text-classification")(text) was [0]["score"] softmax of logits, is '
        '[0]["score"] sigmoid of logits: what stands there is something else than before.',
    ),
    "another slot": (
        rows.PREDICT,
        replace(rows.PREDICT, parts=(replace(rows.STATES[0], access="predictions"),)),
        "consumers: Trainer.predict was predictions logits, is predictions hidden_states[0]: what "
        "stands there is something else than before.",
    ),
    "a part more": (
        rows.PREDICT,
        replace(rows.PREDICT, parts=(rows.LOGITS, rows.EMPTY)),
        "consumers: Trainer.predict was nothing, is predictions[2] (): what stands there is "
        "something else than before.",
    ),
}
SAME = {
    "itself": (rows.TUPLE, rows.TUPLE),
    "not installed on the left": (rows.MISSING, rows.PREDICT),
    "not installed on the right": (rows.PREDICT, rows.MISSING),
    "another label came first": (
        rows.PIPELINE,
        replace(
            rows.PIPELINE,
            parts=(replace(rows.SCORE, label="bad", identity="softmax(logits)[bad]"),),
        ),
    ),
    "other rounding": (
        rows.PREDICT,
        replace(rows.PREDICT, parts=(replace(rows.LOGITS, difference=1e-7, tolerance=1e-4),)),
    ),
    "another input": (
        rows.PREDICT,
        replace(rows.PREDICT, parts=(replace(rows.LOGITS, shape=(5, 3)),)),
    ),
    "other words of the exception": (
        rows.RAISED,
        replace(rows.RAISED, error=replace(rows.RAISED.error, message="other numbers")),
    ),
    "a row that only one side has": (rows.PREDICT, rows.TUPLE),
}


def differences(left: Consumer | None, right: Consumer | None) -> list[str]:
    sides = [replace(BASE, consumers=None if row is None else (row,)) for row in (left, right)]
    return [str(difference) for difference in diff(*sides)]


@pytest.mark.parametrize("name", CASES)
def test_what_a_consumer_hands_over_otherwise_is_a_difference(name: str) -> None:
    left, right, sentence = CASES[name]
    assert differences(left, right) == [sentence]


@pytest.mark.parametrize("name", SAME)
def test_what_the_environment_or_the_input_decides_is_none(name: str) -> None:
    assert differences(*SAME[name]) == []


def test_a_map_without_consumers_is_compared_without_them() -> None:
    assert differences(None, rows.PREDICT) == []
    assert differences(rows.PREDICT, None) == []
