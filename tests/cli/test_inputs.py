"""Pairs of texts and a batch in a file, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from roberta_inspect.cli.commands import app

PAIR = ["--text", "a dull mess", "--text-pair", "it is bad"]


def ran(*arguments: str) -> tuple[int, str]:
    """The exit code and everything that was printed."""
    result = CliRunner().invoke(app, [*arguments])
    return result.exit_code, " ".join(result.output.split())


def test_a_pair_is_shown_saved_and_made_again(tmp_path: Path) -> None:
    saved = str(tmp_path / "pair.json")
    assert ran("run", "demo", *PAIR, "--format", "json", "-o", saved) == (0, "")
    assert ran("diff", saved, "demo")[0] == 0
    code, printed = ran("run", "demo", *PAIR)
    assert code == 0
    assert "a dull mess ‖ it is bad" in printed


def test_a_batch_in_a_file(tmp_path: Path) -> None:
    batch, saved = tmp_path / "batch.json", str(tmp_path / "map.json")
    batch.write_text(json.dumps({"input_ids": [[0, 5, 2, 1]], "attention_mask": [[1, 1, 1, 0]]}))
    assert ran("run", "--inputs", str(batch), "-o", saved)[0] == 0
    assert ran("diff", saved, "demo")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["--text-pair", "b"],
            "--text-pair is given once and --text not at all Hint: Give --text too: one "
            "--text-pair for each --text.",
        ),
        (
            ["--text", "a", *PAIR],
            "--text-pair is given once and --text 2 times Hint: Give one --text-pair for each",
        ),
        (
            ["--label", "0"],
            "1 label for 2 rows of input Hint: Give 2 labels, one per row, or --batch-size 1.",
        ),
        (["--text", "a", "--inputs", "b.json"], "there are --text and --inputs"),
        (["--inputs", "b.json", "--batch-size", "3"], "--inputs brings its own rows and tokens"),
        (["--inputs", "b.pt"], "--inputs b.pt is neither a .safetensors nor a .json file"),
    ],
)
def test_options_that_do_not_fit_together(arguments: list[str], sentence: str) -> None:
    code, printed = ran("run", *arguments)
    assert code == 2
    assert sentence in printed
