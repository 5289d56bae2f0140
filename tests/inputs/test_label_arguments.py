"""Labels as arguments: which are taken, and how the others are refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from makers import tiny_config

from roberta_inspect.errors import UsageError
from roberta_inspect.inputs.labels import labels_for
from roberta_inspect.records.input import IGNORED

SINGLE, MULTI = "single_label_classification", "multi_label_classification"
ODD = {0: "1", 1: "a, b", 2: "yes"}
TWINS = {2: "yes", 0: "yes", 1: ""}


def label_values(labels: Any, **config: Any) -> Any:
    return labels_for(tiny_config(**config), len(labels), labels).tolist()


@pytest.mark.parametrize(
    ("labels", "config", "numbers"),
    [
        (["id:1", "0"], {}, [1, 0]),
        (["id:0", "a, b"], {"id2label": ODD}, [0, 1]),
        (["yes", "2"], {"id2label": ODD}, [2, 2]),
        (["0", "id:2"], {"id2label": TWINS}, [0, 2]),
        (["-100", "id:1"], {}, [-100, 1]),
        (["1", "1"], {"id2label": {0: "0", 1: "1"}}, [1, 1]),
        (["id:0,id:2", "1"], {"problem_type": MULTI}, [[1, 0, 1], [0, 1, 0]]),
        (["a, b", "yes"], {"id2label": ODD, "problem_type": MULTI}, [[0, 1, 0], [0, 0, 1]]),
        ([[0], [1]], {}, [[0], [1]]),
    ],
)
def test_taken(labels: Any, config: dict[str, Any], numbers: Any) -> None:
    assert label_values(labels, **config) == numbers


@pytest.mark.parametrize(
    ("labels", "config", "message", "hint"),
    [
        (
            ["yes", "0"],
            {"id2label": TWINS},
            'label "yes" is ambiguous: it is the name of id 0 and id 2',
            "Give id:0 or id:2.",
        ),
        (
            ["1", "0"],
            {"id2label": ODD},
            'label "1" is ambiguous: it is the name of id 0 and an id',
            "Give id:0 or id:1.",
        ),
        (
            ["no", "0"],
            {"id2label": TWINS},
            'label "no" is neither a label id nor a label name of this checkpoint',
            "Its labels are yes (id:0), yes (id:2) and (id:1).",
        ),
        (
            ["1.0", "0"],
            {},
            'label "1.0" is neither a label id nor a label name of this checkpoint',
            "Class ids are whole numbers: give 1. Its labels are LABEL_0, LABEL_1 and LABEL_2.",
        ),
        (
            [[0, 1, 0], [1, 0, 0]],
            {"problem_type": SINGLE},
            "labels of shape (2, 3) for CrossEntropyLoss (config.problem_type is "
            f'"{SINGLE}"), which needs one class id per row: (2,)',
            "Give labels.argmax(dim=-1).",
        ),
        (
            [[0.0, 1.0, 1.0], [1.0, 0.0, 0.0]],
            {"problem_type": SINGLE},
            "labels of shape (2, 3) for CrossEntropyLoss (config.problem_type is "
            f'"{SINGLE}"), which needs one class id per row: (2,)',
            f'Give one class id per row; rows of several labels need problem_type "{MULTI}" in '
            "config.json.",
        ),
        (
            [1.0, 0.0],
            {"problem_type": SINGLE},
            f'CrossEntropyLoss rejects labels of dtype float32 (config.problem_type is "{SINGLE}")',
            "They are whole numbers: give them as class ids, labels.long().",
        ),
        (
            [0.5, 0.0],
            {"problem_type": SINGLE},
            f'CrossEntropyLoss rejects labels of dtype float32 (config.problem_type is "{SINGLE}")',
            'Class ids are whole numbers; for numbers to predict, set problem_type "regression" in '
            "config.json.",
        ),
        (
            [1, 0],
            {"problem_type": MULTI},
            f'labels of shape (2,) for BCEWithLogitsLoss (config.problem_type is "{MULTI}"), which '
            "needs a row of 0 and 1 as floats for each row of input: (batch_size 2, num_labels 3)",
            f'Class ids, one per row, need problem_type "{SINGLE}" in config.json; here give '
            "torch.nn.functional.one_hot(labels.flatten(), 3).float().",
        ),
        (
            [1.0, 0.0],
            {},
            "labels of shape (2,) for BCEWithLogitsLoss (config.problem_type is unset, num_labels "
            "is 3 and the labels are float32, not int64 or int32), which needs a row of 0 and 1 as "
            "floats for each row of input: (batch_size 2, num_labels 3)",
            "Class ids are integers: give labels.flatten().long(). For several labels per row give "
            "torch.nn.functional.one_hot(labels.flatten().long(), 3).float().",
        ),
        (
            [[0, 1, 1], [1, 0, 0]],
            {"problem_type": MULTI},
            f'BCEWithLogitsLoss rejects labels of dtype int64 (config.problem_type is "{MULTI}")',
            "Cast them: labels.float().",
        ),
    ],
)
def test_refused(labels: Any, config: dict[str, Any], message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        label_values(labels, **config)
    assert (caught.value.message, caught.value.hint) == (message, hint)


@pytest.mark.parametrize(
    ("labels", "changes"),
    [
        ([1, 0], {"problem_type": MULTI}),
        ([1.0, 0.0], {"problem_type": MULTI}),
        ([[0, 1, 0], [1, 0, 0]], {"problem_type": SINGLE}),
        ([1.0, 0.0], {"problem_type": SINGLE}),
        ([1.0, 0.0], {}),
    ],
)
def test_the_advice_ends_in_labels_that_are_taken(labels: Any, changes: dict[str, Any]) -> None:
    """The labels that a hint suggests are accepted."""
    config, tensor = tiny_config(**changes), torch.tensor(labels)
    with pytest.raises(UsageError) as caught:
        labels_for(config, 2, tensor)
    advice = [
        word
        for word in caught.value.hint.replace("; here give ", "|").replace("give ", "|").split("|")
        if word.startswith(("labels.", "torch.", "Give labels."))
    ] or [caught.value.hint.removeprefix("Give ").rpartition("ids, ")[2]]
    for expression in advice:
        code = expression.partition(". ")[0].strip().removesuffix(".").removeprefix("Give ")
        mended = eval(code, {"torch": torch, "labels": tensor})
        assert labels_for(config, 2, mended) is mended


@pytest.mark.parametrize("num_labels", [2, 3, 4])
def test_chosen_rows_of_several_labels_are_no_class_ids(num_labels: int) -> None:
    chosen = labels_for(tiny_config(problem_type=MULTI, num_labels=num_labels), 2)
    assert set(chosen.sum(dim=-1).tolist()) != {1.0}


def test_the_class_id_that_is_left_out() -> None:
    assert torch.nn.CrossEntropyLoss().ignore_index == IGNORED
