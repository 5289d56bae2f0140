"""The steps of action.yml, run in a plain shell, as a runner does it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from makers import edit_config, make_base_model, make_checkpoint, tiny_model

from roberta_inspect import inspect

ROOT = Path(__file__).parents[1]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
DEFAULTS = {name: option["default"] for name, option in ACTION["inputs"].items()}
STEPS = {step["name"]: step for step in ACTION["runs"]["steps"] if "run" in step}

pytestmark = [pytest.mark.newest, pytest.mark.slow]


@dataclass
class Runner:
    """The folder of a job, and the environment into which it installs the tool."""

    folder: Path
    python: Path

    def step(self, name: str, **inputs: str) -> tuple[int, str]:
        """The exit code and the output of one step."""
        context = {
            "github.action_path": str(ROOT),
            **{f"inputs.{key}": text for key, text in {**DEFAULTS, **inputs}.items()},
        }
        variables = {
            key: re.sub(r"\$\{\{ (\S+) \}\}", lambda match: context[match[1]], text)
            for key, text in STEPS[name]["env"].items()
        }
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", STEPS[name]["run"]],
            cwd=self.folder,
            env={
                **os.environ,
                "PATH": f"{self.python.parent}{os.pathsep}{os.environ['PATH']}",
                "PYTHONPATH": sysconfig.get_path("purelib"),
                "GITHUB_STEP_SUMMARY": str(self.folder / "summary.md"),
                **variables,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    @property
    def summary(self) -> str:
        path = self.folder / "summary.md"
        return path.read_text(encoding="utf-8") if path.exists() else ""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    runner = Runner(folder, folder / "bin" / "python")
    code, output = runner.step("Install", requirements="--no-index --no-build-isolation")
    assert code == 0, output
    return runner.python


@pytest.fixture
def runner(tmp_path: Path, python: Path) -> Runner:
    make_checkpoint(tmp_path / "film", tiny_model(id2label={0: "bad", 1: "good"}))
    return Runner(tmp_path, python)


def test_the_tool_is_installed_from_the_folder_of_the_action(python: Path) -> None:
    assert (python.parent / "roberta-inspect").exists()


def test_a_contract_that_is_kept_and_one_that_is_broken(runner: Runner) -> None:
    contract = runner.folder / "contract.json"
    contract.write_text(inspect(runner.folder / "film").to_json(), encoding="utf-8")
    code, output = runner.step("Check", checkpoint="film", contract="contract.json")
    assert (code, "Nothing differs" in output) == (0, True), output
    assert runner.summary.startswith("### ✓ roberta-inspect diff")
    edit_config(runner.folder / "film", id2label={0: "bad", 1: "superb"})
    code, output = runner.step("Check", checkpoint="film", contract="contract.json")
    assert code == 1
    assert "::error title=roberta-inspect diff%3A label-names::" in output
    assert "label 1 was good, is superb" in runner.summary


def test_without_a_contract_the_findings_count(runner: Runner) -> None:
    make_base_model(runner.folder / "film")
    code, output = runner.step("Check", checkpoint="film", options="--no-attentions")
    assert code == 1
    assert "::error title=head-not-in-checkpoint::" in output
    assert "head-not-in-checkpoint" in runner.summary
    assert "attentions-empty" not in output, "options are handed on"


def test_a_check_that_cannot_be_made_is_an_annotation_too(runner: Runner) -> None:
    code, output = runner.step("Check", checkpoint="film", contract="no-such.json")
    assert code == 3
    assert "no-such.json does not exist" in output
    assert "::error title=roberta-inspect::The check could not be made" in output
    assert runner.summary == ""
