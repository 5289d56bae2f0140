"""Outputs of exported graphs are identified by their values, whatever their names are."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from makers import make_checkpoint, tiny_model
from typer.testing import CliRunner

import roberta_inspect
from roberta_inspect import CannotInspectError, ConsumerReport
from roberta_inspect.cli.commands import app
from roberta_inspect.inputs.synthetic import synthetic

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

pytestmark = [pytest.mark.newest, pytest.mark.slow]

TOO_FEW = ["logits", "hidden_states", "attentions"]
RIGHT = [
    *("logits", "hidden_states_0", "hidden_states_1", "hidden_states_2"),
    *("attentions_0", "attentions_1"),
]
SENTENCE = "the output called attentions is hidden_states[1]"


def export(model: Any, path: Path, names: list[str] | None, **options: Any) -> Path:
    model.config.output_hidden_states = model.config.output_attentions = True
    inputs = synthetic(model.config).inputs
    with contextlib.redirect_stdout(None), torch.no_grad():
        torch.onnx.export(
            model,
            (),
            str(path),
            kwargs=inputs,
            dynamo=True,
            verbose=False,
            output_names=names,
            **options,
        )
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("onnx")
    make_checkpoint(root / "checkpoint", tiny_model())
    eager = {"attn_implementation": "eager"}
    export(tiny_model(**eager), root / "too-few.onnx", TOO_FEW)
    axes = {0: "batch_size", 1: "sequence_length"}
    shapes = dict.fromkeys(("input_ids", "attention_mask"), axes)
    export(tiny_model(**eager), root / "right.onnx", RIGHT, dynamic_shapes=shapes)
    trained_on = tiny_model(**eager)
    with torch.no_grad():
        trained_on.classifier.out_proj.weight.mul_(1.01)
    export(trained_on, root / "off.onnx", RIGHT, dynamic_shapes=shapes)
    export(tiny_model(seed=1, **eager), root / "another.onnx", RIGHT, dynamic_shapes=shapes)
    (root / "broken.onnx").write_text("no model")
    return root


def identified(folder: Path, name: str, **options: Any) -> ConsumerReport:
    return roberta_inspect.consumers(folder / "checkpoint", onnx=folder / name, **options)


def test_names_too_few_make_one_say_attentions_that_is_a_hidden_state(folder: Path) -> None:
    report = identified(folder, "too-few.onnx")
    (row,) = report.consumers
    assert [(part.declared, part.identity) for part in row.parts[:3]] == [
        ("logits", "logits"),
        ("hidden_states", "hidden_states[0]"),
        ("attentions", "hidden_states[1]"),
    ]
    (finding,) = report.findings
    assert (finding.id, finding.level) == ("mislabelled-output", "error")
    assert finding.message.endswith(SENTENCE)
    assert ", ".join(RIGHT) in (finding.hint or "")


@pytest.mark.parametrize(
    ("name", "code", "sentence"),
    [("too-few.onnx", 1, SENTENCE), ("right.onnx", 0, ""), ("another.onnx", 1, "nothing known")],
)
def test_the_exit_code_is_for_what_is_not_what_its_name_says(
    name: str, code: int, sentence: str, folder: Path
) -> None:
    done = CliRunner().invoke(
        app, ["consumers", str(folder / "checkpoint"), "--onnx", str(folder / name)]
    )
    assert done.exit_code == code
    assert sentence in " ".join(done.stdout.split())


def test_the_names_that_are_printed_are_right(folder: Path) -> None:
    report = roberta_inspect.consumers(folder / "checkpoint", only=["onnx"])
    plain, named = report.consumers
    assert plain.suggested is None
    assert named.suggested is not None
    assert list(named.suggested.output_names) == RIGHT
    assert [part.declared for part in named.parts] == RIGHT
    assert not any(part.is_mislabelled for part in named.parts)
    # They were tested on sizes other than those of the export.
    assert plain.parts[0].shape != named.parts[0].shape
    printed = json.loads(report.to_json())["consumers"][1]["suggested"]
    axes = {int(axis): word for axis, word in printed["dynamic_shapes"]["input_ids"].items()}
    again = export(
        tiny_model(attn_implementation="eager"),
        folder / "printed.onnx",
        printed["output_names"],
        dynamic_shapes=dict.fromkeys(printed["dynamic_shapes"], axes),
    )
    assert identified(folder, again.name).ok


def test_other_sizes_than_those_that_a_graph_was_fixed_to_are_left_aside(folder: Path) -> None:
    report = identified(folder, "too-few.onnx", batch_size=3, sequence_length=5)
    assert report.consumers[0].parts[0].shape == (2, 3)
    assert report.consumers[0].parts[0].identity == "logits"


def test_what_is_off_is_told_with_by_how_much(folder: Path) -> None:
    report = identified(folder, "off.onnx")
    assert report.consumers[0].parts[0].identity == "logits"
    (finding,) = report.findings
    assert (finding.id, finding.level) == ("exported-values-differ", "warning")
    assert "1 output further from the model's than rounding explains: logits by" in finding.message


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("broken.onnx", "is not an ONNX model that onnxruntime runs"),
        ("nowhere.onnx", "does not exist"),
    ],
)
def test_a_file_that_is_no_model_is_refused(name: str, sentence: str, folder: Path) -> None:
    with pytest.raises(CannotInspectError, match=sentence):
        identified(folder, name)


def test_a_graph_that_asks_for_more_is_refused_with_what_it_asks_for(folder: Path) -> None:
    model = tiny_model(attn_implementation="eager")
    inputs = synthetic(model.config).inputs
    path = folder / "embeds.onnx"
    embeds = model.roberta.embeddings.word_embeddings(inputs["input_ids"]).detach()
    with contextlib.redirect_stdout(None), torch.no_grad():
        torch.onnx.export(
            model, (), str(path), kwargs={"inputs_embeds": embeds}, dynamo=True, verbose=False
        )
    with pytest.raises(CannotInspectError, match="asks for inputs_embeds, and this input has"):
        identified(folder, path.name)
