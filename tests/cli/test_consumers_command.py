"""`roberta-inspect consumers`: what it refuses at once, and what it writes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from roberta_inspect.cli.commands import app

WATCH = """\
import sys, atexit
heavy = ('torch', 'transformers', 'accelerate', 'onnx', 'onnxruntime')
atexit.register(lambda: print('IMPORTED', [name for name in heavy if name in sys.modules]))
from roberta_inspect.__main__ import main
sys.argv = ['roberta-inspect', 'consumers', *sys.argv[1:]]
main()
"""


@pytest.mark.parametrize(
    ("arguments", "exit_code", "shown"),
    [
        (["--help"], 0, "--onnx"),
        (["--only", "pipe"], 2, 'there is no consumer "pipe"'),
        (["--only", ""], 2, 'there is no consumer ""'),
        (["--onnx", "nowhere.onnx"], 3, "nowhere.onnx does not exist"),
        (["--format", "pdf"], 2, "consumers writes no format pdf"),
        (["./no-such-folder"], 3, "does not exist"),
    ],
)
def test_answered_before_anything_heavy_is_imported(
    arguments: list[str], exit_code: int, shown: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WATCH, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == exit_code, done.stderr
    assert shown in done.stdout + done.stderr
    assert "IMPORTED []" in done.stdout


def test_a_run_imports_no_consumer() -> None:
    before, after = WATCH.split("heavy = ")
    names = ("onnxruntime", "transformers.trainer", "transformers.pipelines")
    rest = after.replace("'consumers'", "'run'").partition("\n")[2]
    code = f"{before}heavy = {names}\n{rest}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "IMPORTED []" in done.stdout


def test_the_report_is_json_with_the_rows_that_were_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "consumers.json"
    done = CliRunner().invoke(
        app, ["consumers", "--only", "trainer,feature-extraction", "--text", "a film", "-o", path]
    )
    assert done.exit_code == 0, done.output
    written = json.loads(path.read_text(encoding="utf-8"))
    assert [*written][:6] == [
        *("schema", "versions", "checkpoint", "setup", "input", "consumers"),
    ]
    assert {row["id"] for row in written["consumers"]} == {"feature-extraction", "trainer"}
    assert written["input"]["texts"] == [{"first": "a film", "second": None}]


def test_what_is_called_next_is_told() -> None:
    import roberta_inspect

    steps: list[tuple[str, int, int]] = []
    roberta_inspect.consumers(
        only=["trainer", "jit-trace"], progress=lambda *step: steps.append(step)
    )
    assert steps[-2:] == [("Trainer.predict", 0, 2), ("torch.jit.trace", 1, 2)]
