"""`diff` on real checkpoints: inspected in the setup of the saved map, compared with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from makers import make_checkpoint, tiny_model
from typer.testing import CliRunner

from roberta_inspect import OutputMap, diff, inspect
from roberta_inspect.cli.commands import app

THREE = {"id2label": {0: "bad", 1: "fair", 2: "good"}}
FOUR = {"id2label": {0: "bad", 1: "poor", 2: "fair", 3: "good"}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("contract")
    make_checkpoint(folder / "three", tiny_model(**THREE), tokenizer=True)
    make_checkpoint(folder / "four", tiny_model(**FOUR), tokenizer=True)
    return folder


@pytest.fixture(scope="module")
def eager(folder: Path) -> OutputMap:
    return inspect(folder / "three", attention="eager")


def saved(output_map: OutputMap, path: Path) -> Path:
    path.write_text(output_map.to_json(), encoding="utf-8")
    return path


@pytest.mark.newest
def test_a_contract_under_eager_compared_under_sdpa(folder: Path, eager: OutputMap) -> None:
    differences = diff(eager, inspect(folder / "three", attention="sdpa"))
    assert [difference.id for difference in differences] == ["kind", "proof", "finding"]
    assert [
        difference.sentence for difference in differences if "attentions" not in difference.message
    ] == []


@pytest.mark.parametrize(
    "setup",
    [
        {"attention": "eager"},
        {},
        {"batch_size": 3, "sequence_length": 7},
        {"output_attentions": False},
        {"matrix": True},
        {"dtype": "bfloat16"},
        {"texts": ["a film", "no"]},
        {"no_weights": True},
    ],
    ids=str,
)
def test_a_contract_holds_on_its_own_checkpoint(
    setup: dict[str, Any], folder: Path, tmp_path: Path
) -> None:
    contract = saved(inspect(folder / "three", **setup), tmp_path / "contract.json")
    values = not setup.get("no_weights", False)
    assert diff(contract, folder / "three", values=values) == []
    assert diff(folder / "three", contract, values=values) == []


def test_two_checkpoints_of_other_labels_are_one_difference(folder: Path) -> None:
    assert [difference.sentence for difference in diff(folder / "three", folder / "four")] == [
        "checkpoint: num_labels was 3 (bad, fair and good), is 4 (bad, poor, fair and good): "
        "logits has another number of columns, and labels mean other things."
    ]


def test_other_weights_are_seen_in_the_values_alone(folder: Path) -> None:
    left, right = tiny_model(seed=1), tiny_model(seed=2)
    assert diff(left, right) == []
    assert [difference.id for difference in diff(left, right, values=True)] == ["values"]


def test_other_labels_are_no_other_values(folder: Path) -> None:
    assert diff(inspect(folder / "three", labels=[1, 1]), folder / "three", values=True) == []


def test_a_live_model_whose_head_was_changed(eager: OutputMap) -> None:
    model = tiny_model(attn_implementation="eager", **THREE)
    model.classifier.register_forward_hook(lambda *called: called[2] * 2)
    assert {difference.id for difference in diff(eager, model)} <= {"proof", "origin"}
    assert any(
        "logits-head was proved, is refuted" in difference.message
        for difference in diff(eager, model)
    )


@pytest.mark.parametrize(("right", "code"), [("three", 0), ("four", 1), ("none", 3)])
def test_exit_codes(right: str, code: int, folder: Path, eager: OutputMap, tmp_path: Path) -> None:
    contract = saved(eager, tmp_path / "contract.json")
    result = CliRunner().invoke(app, ["diff", str(contract), str(folder / right)])
    assert result.exit_code == code, result.output


def test_two_saved_maps_are_compared_without_torch(eager: OutputMap, tmp_path: Path) -> None:
    contract = str(saved(eager, tmp_path / "contract.json"))
    code = (
        "import sys\n"
        "from roberta_inspect.cli.commands import app\n"
        f"app(['diff', {contract!r}, {contract!r}], standalone_mode=False)\n"
        "print([name for name in ('torch', 'transformers', 'numpy') if name in sys.modules])\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.stdout.splitlines()[-1] == "[]", ran.stderr
