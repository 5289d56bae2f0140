"""What Typer refuses by itself: told like every other failure, with the hint that helps."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from roberta_inspect.cli.commands import app

WRONG = [
    (
        "run --expain 1",
        "roberta-inspect run has no option --expain",
        "Did you mean --explain?",
    ),
    ("run -x", "roberta-inspect run has no option -x", "See roberta-inspect run --help."),
    ("--vrsion", "roberta-inspect has no option --vrsion", "Did you mean --version?"),
    (
        "tree --explain 1",
        "roberta-inspect tree has no option --explain",
        "--explain is an option of run.",
    ),
    (
        "--format json",
        "roberta-inspect has no option --format",
        "--format is an option of run, tree and diff: write it after the command.",
    ),
    ("run --explain", "option '--explain' requires an argument", "See roberta-inspect run --help."),
    ("tree -o", "option '-o' requires an argument", "See roberta-inspect tree --help."),
    (
        "run --matrix=3",
        "option '--matrix' does not take a value",
        "See roberta-inspect run --help.",
    ),
    ("--help=3", "option '--help' does not take a value", "See roberta-inspect --help."),
    ("run --batch-size x", "invalid value for '--batch-size': ", "See roberta-inspect run --help."),
    ("run --dtype float8", "invalid value for '--dtype': ", "See roberta-inspect run --help."),
    (
        "run --text good movie night",
        "got unexpected extra argument(s) (night)",
        "See roberta-inspect run --help.",
    ),
    ("diff one", "missing argument 'RIGHT'", "See roberta-inspect diff --help."),
    ("difff a b", "there is no command difff", "Did you mean roberta-inspect diff?"),
    ("explain", "there is no command explain", "Did you mean roberta-inspect run --explain?"),
    (
        "owner/name",
        "there is no command owner/name",
        "Did you mean roberta-inspect run owner/name?",
    ),
    (
        "nothing",
        "there is no command nothing",
        "The commands are run, tree and diff: see roberta-inspect --help.",
    ),
    (
        "'[/]\x1b[31m'",
        "there is no command [/]\\x1b[31m",
        "Did you mean roberta-inspect run [/]\\x1b[31m?",
    ),
    ("run '--[/]\x1b'", "roberta-inspect run has no option --[/]\\x1b", "See roberta-inspect run"),
]


@pytest.mark.parametrize(("line", "sentence", "hint"), WRONG, ids=[case[0] for case in WRONG])
def test_a_refusal_is_a_sentence_and_a_hint(line: str, sentence: str, hint: str) -> None:
    done = CliRunner().invoke(app, shlex.split(line))
    assert (done.exit_code, done.stdout) == (2, "")
    said, told = done.stderr.splitlines()
    assert said.startswith(f"Error: {sentence}")  # releases of Typer end it in their own words
    assert told.startswith(f"Hint: {hint}")


def test_a_directory_in_place_of_a_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my-roberta").mkdir()
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["my-roberta"])
    assert "Did you mean roberta-inspect run my-roberta?" in done.stderr


@pytest.mark.parametrize(("arguments", "exit_code"), [([], 2), (["--help"], 0), (["-h"], 0)])
def test_the_help_is_shown(arguments: list[str], exit_code: int) -> None:
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == exit_code
    assert "Usage: roberta-inspect [OPTIONS] COMMAND" in (done.stderr or done.stdout)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_help_that_cannot_be_written_is_told() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "roberta_inspect", "--help"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 3
    assert done.stderr.splitlines() == [
        "Error: stdout cannot be written: No space left on device",
        "Hint: Make room there.",
    ]
