"""Findings that lead to the mend: replaced heads, predictions, the file and the configuration."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from makers import edit_config, make_checkpoint, make_masked_lm, tiny_model
from torch import nn
from typer.testing import CliRunner

from roberta_inspect import inspect
from roberta_inspect.cli.commands import app
from roberta_inspect.errors import CannotInspectError
from roberta_inspect.records import OutputMap


def finding(output_map: OutputMap, id_: str) -> Any:
    return next(finding for finding in output_map.findings if finding.id == id_)


def per_token() -> Any:
    model = tiny_model()
    model.classifier = nn.Linear(16, 3)
    return model


def wide(**config: Any) -> Any:
    model = tiny_model(**config)
    model.classifier.out_proj = nn.Linear(16, 5)
    return model


@pytest.mark.parametrize(
    ("model", "id_", "message"),
    [
        (
            per_token(),
            "logits-per-token",
            "the classifier was applied to every position: its logits are of shape (2, 16, 3), and "
            "a sequence has one row of them",
        ),
        *(
            (
                wide(problem_type=problem_type),
                "head-width-differs",
                "the head returns 5 numbers per row, and config.num_labels is 3: no loss can be "
                "computed",
            )
            for problem_type in (
                None,
                "regression",
                "single_label_classification",
                "multi_label_classification",
            )
        ),
    ],
)
def test_a_head_of_the_users_own_is_named(model: Any, id_: str, message: str) -> None:
    output_map = inspect(model)
    assert finding(output_map, id_).message == message
    assert finding(output_map, id_).level == "error"
    words = " ".join(f"{finding.message} {finding.hint}" for finding in output_map.findings)
    assert "call-failed" not in [finding.id for finding in output_map.findings]
    assert "report it" not in words
    assert "is invalid for input" not in words


def test_the_mended_head_is_proved() -> None:
    model = wide()
    model.config.num_labels = model.num_labels = 5
    output_map = inspect(model)
    assert output_map.ok
    assert "head-width-differs" not in [finding.id for finding in output_map.findings]


@pytest.mark.parametrize(
    ("config", "written", "change"),
    [
        ({"num_labels": 1}, "regression", "the raw number in place of sigmoid"),
        ({"num_labels": 3}, "single_label_classification", "softmax, as before"),
    ],
)
def test_what_a_later_pipeline_answers(config: dict[str, Any], written: str, change: str) -> None:
    written_finding = finding(inspect(tiny_model(**config)), "problem-type-written")
    assert written_finding.level == "warning"
    assert f'config.problem_type = "{written}"' in written_finding.message
    assert f"a later pipeline answers by it ({change})" in written_finding.message


def test_what_a_later_pipeline_answers_after_float_labels() -> None:
    labels = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    written_finding = finding(inspect(tiny_model(), labels=labels), "problem-type-written")
    assert "a later pipeline answers by it (sigmoid in place of softmax)" in written_finding.message


def test_the_same_logits_are_told_of_synthetic_rows_too() -> None:
    model = tiny_model()
    with torch.no_grad():
        model.classifier.dense.weight.zero_()
    assert inspect(model).same_logits is True
    assert finding(inspect(model), "constant-logits").message.startswith("every row has the same")
    assert inspect(tiny_model()).same_logits is False
    assert inspect(tiny_model(), batch_size=1).same_logits is None
    assert inspect(None, no_weights=True).same_logits is None


def test_a_loss_of_nothing_is_no_error() -> None:
    output_map = inspect(tiny_model(), labels=[-100, -100])
    assert finding(output_map, "labels-all-ignored").level == "warning"
    assert "not-finite" not in [finding.id for finding in output_map.findings]
    output_map = inspect(tiny_model(), labels=[-100, 1])
    assert "labels-all-ignored" not in [finding.id for finding in output_map.findings]


@pytest.mark.newest
def test_no_prediction_of_texts_that_became_nothing(tmp_path: Path) -> None:
    folder = make_checkpoint(tmp_path, tokenizer=True)
    for name in ("tokenizer.json", "vocab.json", "merges.txt"):
        (folder / name).unlink()
    output_map = inspect(folder, texts=["abc", "d"])
    assert output_map.predictions is None
    assert not output_map.ok
    assert finding(output_map, "tokenizer-empty").level == "error"


def test_a_tokenizer_without_a_vocabulary_is_empty_or_refused(tmp_path: Path) -> None:
    """Releases before 5 refuse it, with an unhelpful error about None."""
    folder = make_checkpoint(tmp_path, tokenizer=True)
    for name in ("tokenizer.json", "vocab.json", "merges.txt"):
        (folder / name).unlink()
    try:
        hint = finding(inspect(folder, texts=["abc"]), "tokenizer-empty").hint
    except CannotInspectError as error:
        hint = error.hint
    assert "tokenizer.json" in hint


def test_a_blank_text_is_no_fault_of_the_tokenizer(tmp_path: Path) -> None:
    folder = make_checkpoint(tmp_path, tokenizer=True)
    output_map = inspect(folder, texts=["", "  "])
    assert "tokenizer-empty" not in [finding.id for finding in output_map.findings]
    assert output_map.predictions is not None


def test_tokens_of_bytes_are_shown_as_text(tmp_path: Path) -> None:
    folder = make_checkpoint(tmp_path, tokenizer=True)
    assert inspect(folder, texts=["a b"]).input.tokens == (("<s>", "a", "␣", "b", "</s>"),)


def test_the_class_that_saved_it_is_told_beside_a_missing_head(tmp_path: Path) -> None:
    output_map = inspect(make_masked_lm(tmp_path))
    assert "(RobertaForMaskedLM has none)" in finding(output_map, "head-not-in-checkpoint").message
    assert finding(output_map, "other-architecture").level == "note"


@pytest.mark.parametrize(
    ("changes", "layers", "held", "id_", "words"),
    [
        ({"num_hidden_layers": 1}, 1, 2, "fewer-layers", "1 of 2, so that 1 layer was left out"),
        (
            {"num_hidden_layers": 3},
            3,
            2,
            "encoder-not-in-checkpoint",
            "config.json asks for 3 layers, and the file has 2",
        ),
    ],
)
def test_layers_of_the_file(
    changes: dict[str, Any], layers: int, held: int, id_: str, words: str, tmp_path: Path
) -> None:
    output_map = inspect(edit_config(make_checkpoint(tmp_path), **changes))
    checkpoint = output_map.checkpoint
    assert (checkpoint.layers, checkpoint.layers_in_file) == (layers, held)
    assert words in finding(output_map, id_).message
    assert "tensors-not-used" not in [finding.id for finding in output_map.findings]


@pytest.mark.parametrize(
    ("changes", "settings"),
    [
        ({}, ()),
        ({"position_embedding_type": "absolute", "pruned_heads": {}}, ()),
        ({"position_embedding_type": None}, ()),
        (
            {"position_embedding_type": "relative_key", "pruned_heads": {"0": [1]}},
            (
                "position_embedding_type relative_key: it has absolute positions alone",
                "pruned_heads: it builds every head",
            ),
        ),
    ],
)
@pytest.mark.newest
def test_settings_that_this_release_leaves_aside(
    changes: dict[str, Any], settings: tuple[str, ...], tmp_path: Path
) -> None:
    folder = edit_config(make_checkpoint(tmp_path), **changes)
    assert inspect(folder, no_weights=True).checkpoint.ignored_settings == settings


@pytest.mark.parametrize(
    ("changes", "sources", "reported"),
    [
        ({}, (None, 3, 3, 3), False),
        ({"num_labels": 3}, (3, 3, 3, 3), False),
        ({"id2label": None, "label2id": None, "num_labels": 3}, (3, None, None, 3), False),
        ({"label2id": {"a": 0}}, (None, 3, 1, 3), True),
        (
            {"id2label": {"0": "a", "1": "a", "2": "b"}, "label2id": {"a": 1, "b": 2}},
            (None, 3, 2, 3),
            False,
        ),
    ],
)
def test_sources_of_labels(
    changes: dict[str, Any], sources: tuple[Any, ...], reported: bool, tmp_path: Path
) -> None:
    output_map = inspect(edit_config(make_checkpoint(tmp_path), **changes))
    labels = output_map.checkpoint.label_sources
    assert labels is not None
    assert (labels.num_labels, labels.id2label, labels.label2id, labels.head_rows) == sources
    assert ("labels-disagree" in [finding.id for finding in output_map.findings]) == reported


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("1", "outputs[1]  when called"),
        ("-1", "outputs[-1] is outputs[3]"),
        ("outputs[1]", "outputs[1]  when called"),
        ("logits", "logits is outputs[1]"),
        ("outputs.logits", "outputs.logits is outputs[1]"),
        ('outputs["logits"]', 'outputs["logits"] is outputs[1]'),
        ("hidden_states[-1]", "hidden_states[-1] is outputs[2][-1]"),
        ("outputs[2][0]", "hidden_states[0]: (batch_size 2, sequence_length 16, hidden_size 48)"),
        ("cls", "cls is outputs[2][-1][:, 0]"),
        ("[CLS]", "[CLS] is outputs[2][-1][:, 0]"),
        ("<s>", "<s> is outputs[2][-1][:, 0]"),
        ("hidden_states[-1][:, 0]", "hidden_states[2][:, 0]: the vector of <s>"),
        ("last_hidden_state", "last_hidden_state is outputs[2][-1]"),
        ("embeddings", "returned by roberta.embeddings"),
        ("hidden_states[0][:, 0]", "hidden_states[0][:, 0]: the vector of <s> by name"),
        ("cls", "[1] … [2] roberta.encoder.layer.0 … 1 (its output.LayerNorm) the item"),
        ("cls", "the vector of <s>, which is all that RobertaClassificationHead reads by name"),
        ("logits[-1]", "the item logits[1]: (num_labels 3) float32, row 1 of logits by name"),
        ("attentions", "no layer handed its weights back how to fill it"),
        ("hidden_states --plain", "outputs.hidden_states when called with labels and nothing else"),
        ("loss --plain --no-labels", "outputs.loss when called with the inputs alone"),
        ("loss --no-labels", "loss is not returned when called with return_dict=False"),
        ("past_key_values", "past_key_values is not returned"),
    ],
)
@pytest.mark.newest
def test_explained_as_it_is_typed(typed: str, shown: str) -> None:
    arguments = ["run", "--attention", "sdpa", "--explain", *re.split(r" (?=--)", typed)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "returned  when" not in result.stdout
    assert shown in " ".join(result.stdout.split()).replace("outputs[1] when", "outputs[1]  when")


def test_what_is_none_is_neither_named_nor_proved() -> None:
    result = CliRunner().invoke(app, ["run", "--explain", "hidden_states", "--plain"])
    _, *rows = result.stdout.splitlines()
    assert rows == [
        "  is               hidden_states: None here",
        "  how to fill it   pass output_hidden_states=True",
        "  where it is      return_dict=True, no labels: [1]",
        "                   return_dict=True, labels: [2]",
        "                   return_dict=False, no labels: [1]",
        "                   return_dict=False, labels: [2]",
    ]


@pytest.mark.parametrize(
    ("typed", "message", "hint"),
    [
        ("4", "a tuple of 4 elements: it has no outputs[4]", "Give an index from 0 to 3"),
        ("logit", "no call of this class returns logit", "Did you mean logits?"),
        ("a+b", "--explain a+b is neither an index nor a name", "Give 1, -1, outputs[1], logits"),
        ("", "Error: --explain is empty\n", "Give 1, -1, outputs[1], logits"),
        ("hidden_states[9]", "hidden_states[9]: there are 3 items", "Give an index from 0 to 2"),
        ("logits[9]", "logits[9]: there are 2 items, and none is [9]", "Give an index from 0 to 1"),
        ("loss[0]", "loss is one number here: it has no [0]", "Give loss."),
        ("logits[:, 0]", "logits[:, 0]: only a hidden state has a vector of <s>", "Give cls, or"),
        (
            "cls --plain",
            "hidden_states is None here: it has no [-1]",
            "Pass output_hidden_states and output_attentions (here: leave --plain out): then it is "
            "there.",
        ),
        (
            "past_key_values[0][1]",
            "past_key_values is not returned here: it has no [0]",
            "A decoder fills it",
        ),
        (
            "2 --plain",
            "a SequenceClassifierOutput of 2 elements: it has no outputs[2]",
            "Pass output_hidden_states and output_attentions (here: leave --plain out): then "
            "outputs[2] is hidden_states.",
        ),
        (
            "2 --no-labels --no-attentions",
            "a tuple of 2 elements: it has no outputs[2]",
            "Pass labels (here: leave --no-labels out): then outputs[2] is hidden_states. Pass "
            "output_attentions (here: leave --no-attentions out): then outputs[2] is attentions.",
        ),
        pytest.param(
            "attentions[0] --attention=sdpa",
            "attentions is () here: it has no [0]",
            'Load the model with attn_implementation="eager" (here: --attention eager)',
            marks=pytest.mark.newest,
        ),
    ],
)
def test_explained_is_no_place(typed: str, message: str, hint: str) -> None:
    arguments = ["run", "--attention", "eager", "--explain", *re.split(r" (?=--)", typed)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2, result.output
    assert message in result.output
    assert hint in result.output


def test_only_the_errors_of_a_slot_are_told_with_it(tmp_path: Path) -> None:
    folder = str(make_masked_lm(tmp_path))
    shown = {
        place: CliRunner().invoke(app, ["run", folder, "--explain", place]).stdout
        for place in ("logits", "hidden_states")
    }
    assert "head-not-in-checkpoint" in shown["logits"]
    assert "head-not-in-checkpoint" not in shown["hidden_states"]
    folder = str(make_checkpoint(tmp_path / "other", tiny_model(num_hidden_layers=1)))
    edit_config(Path(folder), num_hidden_layers=2)
    explained = CliRunner().invoke(app, ["run", folder, "--explain", "hidden_states"]).stdout
    assert "encoder-not-in-checkpoint" in explained
