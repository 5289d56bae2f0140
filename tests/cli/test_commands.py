"""The command line as a user runs it: exit codes, streams, and what is not imported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from makers import make_bert, make_checkpoint, make_masked_lm, tiny_model
from samples import REFUTED
from typer.testing import CliRunner, Result

from roberta_inspect import OutputMap, __version__
from roberta_inspect.checkpoint.dtype import DTYPES
from roberta_inspect.cli.commands import app
from roberta_inspect.cli.options import Attention
from roberta_inspect.render import formats_of


def invoke(*arguments: Any) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.mark.parametrize(
    ("arguments", "exit_code", "shown"),
    [
        (["--help"], 0, "run"),
        (["run", "--help"], 0, "--hidden-states"),
        (["--version"], 0, __version__),
        (["run", "./no-such-folder"], 3, "does not exist"),
        (["tree", "./no-such-folder"], 3, "does not exist"),
        (["run", "--wrong"], 2, "--wrong"),
        (["run", "--format", "pdf"], 2, "pdf"),
        (["run", "--device", "toaster"], 2, "toaster"),
        (["run", "--batch-size", "0"], 2, "at least 1"),
        (["run", "--explain", "0", "--format", "json"], 2, "--explain"),
        (["run", "--text", "a", "--batch-size", "3"], 2, "--text"),
        (["run", "--output", "no/such/folder/map.json"], 2, "there is no directory"),
        (["diff", "one"], 2, "RIGHT"),
        (["nothing"], 2, "nothing"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_answered_without_importing_torch(
    arguments: list[str], exit_code: int, shown: str, tmp_path: Path
) -> None:
    watch = (
        "import sys, atexit\n"
        "heavy = ('torch', 'transformers', 'safetensors', 'tokenizers', 'huggingface_hub')\n"
        "atexit.register(lambda: print('IMPORTED', [h for h in heavy if h in sys.modules]))\n"
        f"sys.argv = ['roberta-inspect', *{arguments!r}]\n"
        "from roberta_inspect.__main__ import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", watch], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == exit_code, done.stderr
    assert shown in done.stdout + done.stderr
    assert "IMPORTED []" in done.stdout


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("", ["run", "tree", "consumers", "diff"]),
        ("run --form", ["--format"]),
        ("run --format ", list(formats_of("run"))),
        ("tree --format ", list(formats_of("tree"))),
        ("diff --format ", list(formats_of("diff"))),
        ("run --format s", ["svg"]),
        ("tree --attention ", [attention.value for attention in Attention]),
        ("run --dtype ", list(DTYPES)),
    ],
)
def test_a_shell_is_offered_what_fits(typed: str, offered: list[str]) -> None:
    words = f"roberta-inspect {typed}"
    environment = {
        "_ROBERTA_INSPECT_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    done = CliRunner().invoke(app, env=environment, prog_name="roberta-inspect")
    assert done.stdout.split() == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_written_for_each_shell(shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # The command is built at import, so the test names the shell instead of detecting it.
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    done = CliRunner().invoke(app, ["--show-completion", shell], prog_name="roberta-inspect")
    assert (done.exit_code, "_ROBERTA_INSPECT_COMPLETE" in done.stdout) == (0, True)


def test_diff_of_two_saved_maps_imports_no_torch(tmp_path: Path) -> None:
    saved = tmp_path / "map.json"
    assert invoke("run", "--format", "json", "--output", saved).exit_code == 0
    watch = (
        "import sys\n"
        f"sys.argv = ['roberta-inspect', 'diff', {str(saved)!r}, {str(saved)!r}]\n"
        "from roberta_inspect.__main__ import main\n"
        "try:\n main()\n"
        "finally:\n assert not {'torch', 'transformers', 'huggingface_hub'} & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", watch], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_demo_is_proved() -> None:
    done = invoke("run", "--attention", "eager")
    assert done.exit_code == 0, done.output
    assert "Where each output is" in done.stdout


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_demo_is_proved_in_every_dtype(dtype: str) -> None:
    done = invoke("run", "--attention", "eager", "--dtype", dtype, "--format", "json")
    assert done.exit_code == 0, done.output
    output_map = OutputMap.from_json(done.stdout)
    assert output_map.setup.dtype == dtype
    not_proved = {proof.id for proof in output_map.proofs if proof.status != "proved"}
    # Not every release can switch the attention, and rounding in 16 bits hides some mistakes.
    hidden = {"alone", "attentions-formula"} if dtype in ("float16", "bfloat16") else set()
    assert not_proved <= {"attention-implementations", *hidden}


def test_the_map_is_json_on_stdout() -> None:
    output_map = OutputMap.from_json(invoke("run", "--format", "json").stdout)
    assert [call.words for call in output_map.calls] == [
        "return_dict=True, no labels",
        "return_dict=True, labels",
        "return_dict=False, no labels",
        "return_dict=False, labels",
    ]


def test_matrix_adds_every_combination() -> None:
    output_map = OutputMap.from_json(invoke("run", "--matrix", "--format", "json").stdout)
    assert len({call.spec for call in output_map.calls}) == len(output_map.calls) == 16


@pytest.mark.parametrize(
    ("make", "flags", "verdict", "exit_code"),
    [
        (make_checkpoint, [], "complete", 0),
        (make_masked_lm, [], "head-not-in-checkpoint", 1),
        (make_masked_lm, ["--allow-missing-head"], "head-not-in-checkpoint", 0),
    ],
)
def test_the_verdict_decides(
    make: Any, flags: list[str], verdict: str, exit_code: int, tmp_path: Path
) -> None:
    done = invoke("run", make(tmp_path / "checkpoint"), "--format", "json", *flags)
    assert done.exit_code == exit_code
    assert json.loads(done.stdout)["checkpoint"]["weights"]["verdict"] == verdict


def test_a_bert_checkpoint_is_refused(tmp_path: Path) -> None:
    done = invoke("run", make_bert(tmp_path / "checkpoint"))
    assert done.exit_code == 3
    assert "bert" in done.stderr
    assert done.stdout == ""


def test_a_directory_without_weights_is_mapped_all_the_same(tmp_path: Path) -> None:
    tiny_model().config.save_pretrained(tmp_path)
    done = invoke("run", tmp_path, "--format", "json")
    assert done.exit_code == 0, done.output
    output_map = OutputMap.from_json(done.stdout)
    assert output_map.setup.no_weights
    assert "no-weights" in {finding.id for finding in output_map.findings}
    assert {proof.status for proof in output_map.proofs_of("loss")} == {"not-tested"}


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["--explain", "0"], "loss"),
        (["--explain", "1"], "logits"),
        (["--explain", "0", "--no-labels"], "logits"),
        (["--explain=1", "--no-labels", "--no-hidden-states", "--attention=eager"], "attentions"),
    ],
)
def test_explain_answers_one_index(arguments: list[str], shown: str) -> None:
    done = invoke("run", *arguments)
    assert done.exit_code == 0, done.output
    assert shown in done.stdout.splitlines()[2]


def test_explain_tells_where_it_is_in_a_call_without_flags() -> None:
    text = invoke("run", "--explain", "2").stdout
    assert "neither of the two: None" in text or "neither of the two: absent" in text


@pytest.mark.newest
@pytest.mark.parametrize("index", [4, 9, -5])
def test_explain_of_an_index_that_there_is_not(index: int) -> None:
    done = invoke("run", "--explain", index)
    assert done.exit_code == 2
    assert f"a tuple of 4 elements: it has no outputs[{index}]" in done.stderr


@pytest.mark.newest
def test_an_index_counts_from_the_end_as_in_python() -> None:
    first, *rest = invoke("run", "--explain", "-1").stdout.splitlines()
    expected, *same = invoke("run", "--explain", "3").stdout.splitlines()
    assert first.startswith("outputs[-1] is outputs[3]  when called with")
    assert expected.startswith("outputs[3]  when called with")
    assert rest == same


def test_a_plain_call_is_explained_too() -> None:
    done = invoke("run", "--explain", "1", "--plain")
    assert done.exit_code == 0, done.output
    assert "outputs.logits  when called with labels and nothing else" in done.stdout


LEFT_ASIDE = [
    (
        ["run", "--plain"],
        "--plain is for --explain alone: a map always holds the plain calls",
        "Give --explain PLACE, or leave --plain out.",
    ),
    (
        ["run", "--no-labels"],
        "--no-labels is for --explain alone: a map always holds the calls with labels",
        "Give --explain PLACE, or leave --no-labels out.",
    ),
    (
        ["run", "--device", "cuda", "--no-weights"],
        "--no-weights computes nothing that --device cuda could do",
        "Leave --device out, or leave --no-weights out.",
    ),
    (
        ["tree", "--depth", "1", "--format", "json"],
        "--depth does not fit JSON, which is always the whole tree",
        "Leave --depth out, or write another format.",
    ),
    (
        ["tree", "--expand", "--output", "tree.json"],
        "--expand does not fit JSON, which is always the whole tree",
        "Leave --expand out, or write another format.",
    ),
    (["tree", "--depth=-1"], "there is no module at depth -1", "Give a --depth of at least 0."),
    (
        ["run", "--explain", "1", "--format", "json"],
        "--explain answers in words, not as json",
        "Leave --format out, or leave --explain out.",
    ),
    (
        ["run", "--explain", "1", "--output", "one.svg"],
        "--explain answers in words, not as svg",
        "Name a .txt file, or leave --explain out.",
    ),
    (
        ["diff", "demo", "demo", "--output", "what.svg"],
        "--output what.svg: diff writes no .svg file",
        "End the name in .txt, .json or .md, or give --format table, json, markdown or github.",
    ),
    (
        ["tree", "--output", "x.PDF"],
        "--output x.PDF: tree writes no .PDF file",
        "End the name in .txt, .json, .md, .svg or .html, or give --format table, json, markdown, "
        "svg or html.",
    ),
]


@pytest.mark.parametrize(("arguments", "sentence", "hint"), LEFT_ASIDE)
def test_no_option_is_left_aside_in_silence(
    arguments: list[str],
    sentence: str,
    hint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    done = invoke(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == f"Error: {sentence}\nHint: {hint}\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "start"),
    [
        (["tree", "--output", "a.json"], '{\n "schema"'),
        (["tree", "--output", "a.JSON"], '{\n "schema"'),
        (["tree", "--output", "a.md"], "## "),
        (["tree", "--output", "a.svg"], "<svg"),
        (["tree", "--output", "a.html"], "<!DOCTYPE html>"),
        (["tree", "--output", "a.txt"], "Checkpoint"),
        (["tree", "--output", "a"], "Checkpoint"),
        (["tree", "--output", "a.json", "--format", "table"], "Checkpoint"),
        (["tree", "--output", "a.log", "--format", "table"], "Checkpoint"),
        (["run", "--output", "a.md"], "## "),
        (["diff", "demo", "demo", "--output", "a.json"], "{"),
    ],
    ids=" ".join,
)
def test_the_ending_of_the_file_says_the_format(
    arguments: list[str], start: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = invoke(*arguments)
    assert (done.exit_code, done.output) == (0, "")
    (written,) = tmp_path.iterdir()
    assert written.read_text(encoding="utf-8").startswith(start)


def test_a_line_of_the_command_list_is_not_cut() -> None:
    lines = invoke("--help").stdout.partition("Commands:\n")[2].splitlines()
    assert lines == [
        "  run        What each output is, proved on the checkpoint.",
        "  tree       Which module makes which output.",
        "  consumers  What pipeline, Trainer and exports hand over.",
        "  diff       What differs between two maps or checkpoints.",
    ]


def test_explain_of_a_call_that_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("roberta_inspect.api.inspect", lambda *_, **__: REFUTED)
    done = invoke("run", "--explain", "0")
    assert done.exit_code == 3
    assert "return_dict=False, labels raised IndexError: Target 7 is out of bounds" in done.stderr
