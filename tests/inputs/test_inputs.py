"""What the model is given, and what is refused before the model is called."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from makers import make_tokenizer, tiny_config

from roberta_inspect.errors import InspectError, UsageError
from roberta_inspect.inputs.labels import labels_for, problem_type_for
from roberta_inspect.inputs.probe import Probe
from roberta_inspect.inputs.synthetic import synthetic
from roberta_inspect.inputs.texts import from_texts
from roberta_inspect.records import Labels

MULTI = {"problem_type": "multi_label_classification"}
NAMED = {"id2label": {0: "bad", 1: "fair", 2: "good"}}


def test_the_input_is_the_same_every_time() -> None:
    first, second = (synthetic(tiny_config()).record() for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("batch_size", "sequence_length", "row_lengths"),
    [(2, 16, (16, 12)), (1, 16, (12,)), (3, 4, (4, 4, 3)), (2, 1, (1, 1)), (2, 2, (2, 1))],
)
def test_the_last_row_is_padded(
    batch_size: int, sequence_length: int, row_lengths: tuple[int, ...]
) -> None:
    probe = synthetic(tiny_config(), batch_size=batch_size, sequence_length=sequence_length)
    assert probe.row_lengths == row_lengths
    assert torch.equal(probe.inputs["input_ids"] == 1, probe.attention_mask == 0)


def test_the_ids_are_of_the_vocabulary() -> None:
    ids = synthetic(tiny_config(vocab_size=7)).inputs["input_ids"]
    assert 0 <= int(ids.min()) <= int(ids.max()) < 7


@pytest.mark.parametrize(
    ("config", "values", "dtype"),
    [
        ({"num_labels": 3}, [0, 2], torch.int64),
        ({"num_labels": 2}, [0, 1], torch.int64),
        ({"num_labels": 1}, [0.5, 1.5], torch.float32),
        ({"num_labels": 3, **MULTI}, [[1, 1, 1], [1, 0, 1]], torch.float32),
        ({"num_labels": 2, "problem_type": "regression"}, [[0.5, 1.5], [1.5, 2.5]], torch.float32),
    ],
)
def test_labels_fit_the_problem_type(
    config: dict[str, Any], values: list[Any], dtype: torch.dtype
) -> None:
    labels = labels_for(tiny_config(**config), 2)
    assert (labels.tolist(), labels.dtype) == (values, dtype)


@pytest.mark.parametrize(
    ("config", "labels", "values"),
    [
        (NAMED, ["good", "bad"], [2, 0]),
        (NAMED, ["1", "-100"], [1, -100]),
        ({**NAMED, **MULTI}, ["bad,good", "1"], [[1, 0, 1], [0, 1, 0]]),
        (NAMED, ["bad,good", "fair"], [[1, 0, 1], [0, 1, 0]]),
        ({"num_labels": 1}, ["0.5", "-2"], [0.5, -2.0]),
        (NAMED, [2, 1], [2, 1]),
        (NAMED, torch.tensor([2, 1]), [2, 1]),
        (NAMED, Labels(dtype="int64", values=[1, 1]), [1, 1]),
        (NAMED, Labels(dtype="float32", values=[[0, 1, 1], [1, 0, 0]]), [[0, 1, 1], [1, 0, 0]]),
        (NAMED, Labels(dtype="int64", values=[7, 1]), [0, 2]),
    ],
)
def test_given_labels(config: dict[str, Any], labels: Any, values: list[Any]) -> None:
    assert labels_for(tiny_config(**config), 2, labels).tolist() == values


@pytest.mark.parametrize(
    ("config", "labels", "sentence", "hint"),
    [
        ({}, ["7", "0"], "label 7 is out of range", "in that range"),
        ({}, ["-1", "0"], "label -1 is out of range", "-100"),
        (MULTI, ["7", "0"], "label 7 is out of range", "Give ids in that range, or label names."),
        (MULTI, ["0,-1", "0"], "label -1 is out of range", "label names"),
        (MULTI, ["-100", "0"], "label -100 is out of range", "label names"),
        ({}, ["0,7", "0"], "label 7 is out of range", "label names"),
        ({}, ["0"], "1 label for 2 rows of input", "2 labels, one per row, or batch_size=1."),
        ({}, [], "0 labels for 2 rows of input", "Give 2 labels, one per row."),
        (NAMED, ["goood", "bad"], 'label "goood" is neither', "bad, fair and good"),
        ({"num_labels": 1}, ["x", "1"], '"x" is not a number', "0.5"),
        ({}, torch.tensor([0, 1], dtype=torch.int32), "rejects labels of dtype int32", "long()"),
        (MULTI, torch.tensor([[0, 1, 0]] * 2), "rejects labels of dtype int64", "float()"),
        (MULTI, torch.tensor([0.0, 1.0]), "labels of shape (2,)", "long()"),
        ({}, torch.tensor([0.0, 1.0]), "labels of shape (2,)", "long()"),
        ({"problem_type": "regression"}, [1.0, 2.0], "labels of shape (2,)", "3 numbers per row"),
    ],
)
def test_labels_that_the_loss_rejects(
    config: dict[str, Any], labels: Any, sentence: str, hint: str
) -> None:
    with pytest.raises(UsageError) as raised:
        labels_for(tiny_config(**config), 2, labels)
    assert sentence in raised.value.message
    assert hint in raised.value.hint


@pytest.mark.parametrize(("source", "row"), [("texts", "text"), ("inputs", "row")])
def test_labels_that_are_fewer_than_the_rows_that_are_given(source: Any, row: str) -> None:
    with pytest.raises(UsageError) as raised:
        labels_for(tiny_config(), 2, ["0"], source=source)
    assert raised.value.message == "1 label for 2 rows of input"
    assert raised.value.hint == f"Give 2 labels, one per {row}."


@pytest.mark.parametrize(
    ("sizes", "sentence"),
    [
        ({"sequence_length": 39}, "39 is more than the 38 tokens that this model can hold"),
        ({"sequence_length": 0}, "sequence_length=0 holds nothing"),
        ({"batch_size": 0}, "batch_size=0 holds nothing"),
    ],
)
def test_sizes_that_the_model_cannot_hold(sizes: dict[str, int], sentence: str) -> None:
    with pytest.raises(UsageError) as raised:
        synthetic(tiny_config(), **sizes)
    assert sentence in raised.value.message


@pytest.mark.parametrize(
    ("config", "labels", "kind", "reason"),
    [
        (MULTI, [0], "multi_label_classification", "config.problem_type is"),
        ({"num_labels": 1}, [0], "regression", "num_labels is 1"),
        ({}, [0], "single_label_classification", "the labels are int64"),
        ({}, [0.0], "multi_label_classification", "the labels are float32"),
    ],
)
def test_what_decides_the_loss(
    config: dict[str, Any], labels: list[Any], kind: str, reason: str
) -> None:
    decided = problem_type_for(tiny_config(**config), torch.tensor(labels))
    assert decided[0] == kind
    assert reason in decided[1]


def texts_of(folder: Any, texts: list[str], **config: Any) -> Probe:
    from transformers import AutoTokenizer

    make_tokenizer(folder)
    tiny_config().save_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    return from_texts(tiny_config(**config), tokenizer, texts)


def test_texts_are_padded_to_the_longest(tmp_path: Any) -> None:
    record = texts_of(tmp_path, ["ab", "abcd"]).record()
    assert record.tokens == (
        ("<s>", "a", "b", "</s>", "<pad>", "<pad>"),
        ("<s>", "a", "b", "c", "d", "</s>"),
    )
    assert (record.row_lengths, record.source) == ((4, 6), "texts")


@pytest.mark.parametrize(
    ("text", "config", "sentence"),
    [
        ("a" * 40, {}, "is 42 tokens long, more than the 38 tokens that this model can hold"),
        ("xyz", {"vocab_size": 20}, "the model has only 20 rows for them (vocab_size)"),
    ],
)
def test_texts_that_would_make_forward_fail(
    tmp_path: Any, text: str, config: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InspectError) as raised:
        texts_of(tmp_path, [text], **config)
    assert sentence in raised.value.message
