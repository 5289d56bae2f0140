"""Every failure is a sentence, a hint and an exit code, also if Typer raised it."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from samples import HOSTILE
from typer.main import get_command
from typer.testing import CliRunner

from roberta_inspect.cli.commands import app
from roberta_inspect.cli.refusals import (
    DEBUG,
    KEYWORD,
    OPTIONS,
    failures_reported,
    in_options,
    status,
)
from roberta_inspect.errors import CannotInspectError, UsageError

DEMO = Path(__file__).parents[2] / "roberta_inspect" / "demo"

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
        "--format is an option of run, tree, consumers and diff: write it after the command.",
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
        "got unexpected extra argument",
        "See roberta-inspect run --help.",
    ),
    (
        "diff one",
        "missing argument 'RIGHT'",
        "Give two maps or checkpoints to compare: roberta-inspect diff LEFT RIGHT.",
    ),
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
        "The commands are run, tree, consumers and diff: see roberta-inspect --help.",
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
    error_line, hint_line = done.stderr.splitlines()
    # Releases of Typer end the sentence in different words.
    assert error_line.startswith(f"Error: {sentence}")
    assert hint_line.startswith(f"Hint: {hint}")


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


# Failures of a command's body


class OutOfMemoryError(RuntimeError):
    """Has the name of torch's error."""


ALLOCATOR = (
    "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: "
    "you tried to allocate 400000000000 bytes. Error code 12 (Cannot allocate memory)"
)
FAILURES: list[tuple[str, BaseException, int, list[str]]] = [
    (
        "usage",
        UsageError("that is wrong", hint="Do this."),
        2,
        ["Error: that is wrong", "Hint: Do this."],
    ),
    (
        "cannot",
        CannotInspectError("no such thing", hint="Do that."),
        3,
        ["Error: no such thing", "Hint: Do that."],
    ),
    ("ctrl-c", KeyboardInterrupt(), 130, ["Interrupted."]),
    ("memory", MemoryError(), 3, ["the memory of this machine is not enough", "Ask for less"]),
    ("cpu memory", RuntimeError(ALLOCATOR), 3, ["not enough: 400000000000 bytes more", "less"]),
    (
        "cuda memory",
        OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has"),
        3,
        ["not enough: 20.00 GiB more were asked for", "--batch-size"],
    ),
    (
        "unexpected",
        ValueError("odd\x1b[31m"),
        3,
        ["Error: unexpected ValueError: odd\\x1b[31m", "ROBERTA_INSPECT_DEBUG=1"],
    ),
    (
        "markup",
        CannotInspectError(HOSTILE, hint="[/]"),
        3,
        ["Error: [/]\\x1b[31m", "Hint: [/]"],
    ),
]


@pytest.mark.parametrize(
    ("error", "code", "lines"), [case[1:] for case in FAILURES], ids=[case[0] for case in FAILURES]
)
def test_a_failure_is_a_sentence_a_hint_and_a_code(
    error: BaseException, code: int, lines: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as caught, failures_reported():
        raise error
    printed = capsys.readouterr()
    assert caught.value.exit_code == code
    assert printed.out == ""
    assert len(printed.err.splitlines()) == len(lines)
    for line, part in zip(printed.err.splitlines(), lines, strict=True):
        assert part in line


def test_the_traceback_is_shown_when_asked_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DEBUG, "1")
    with pytest.raises(typer.Exit), failures_reported():
        raise ValueError("odd")
    printed = capsys.readouterr().err
    assert "Traceback (most recent call last)" in printed
    assert "Error: unexpected ValueError: odd" in printed


LONG = "the words of this sentence do not fit into forty columns"


@pytest.mark.parametrize(
    ("terminal", "lines"),
    [
        (
            True,
            [
                "Error: the words of this sentence do not",
                "fit into forty columns",
                "Hint: Read it.",
            ],
        ),
        (False, [f"Error: {LONG}", "Hint: Read it."]),
    ],
)
def test_a_long_sentence_is_broken_between_words_on_a_terminal_alone(
    terminal: bool,
    lines: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    if terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("TERM", "xterm")
    with pytest.raises(typer.Exit), failures_reported():
        raise UsageError(LONG, hint="Read it.")
    printed = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().err)
    assert [line.rstrip() for line in printed.splitlines()] == lines


def test_success_is_left_alone() -> None:
    with failures_reported():
        done = True
    assert done


@pytest.mark.parametrize("error", [typer.Exit(1), typer.Abort(), typer.BadParameter("x")])
def test_what_typer_raises_passes(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, failures_reported():
        raise error
    assert caught.value is error


def test_a_status_is_shown_on_a_terminal_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with status("working"):
        pass
    assert capsys.readouterr() == ("", "")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with status("working [/]\x1b[31m"):
        pass
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "working [/]\\x1b[31m" in printed.err


# Keyword arguments as options


@pytest.mark.parametrize(
    ("sentence", "shown"),
    [
        ("revision=main does not fit a directory", "--revision main does not fit a directory"),
        ("Give sequence_length=64 or less.", "Give --sequence-length 64 or less."),
        ('Use attention="eager", or leave it out.', "Use --attention eager, or leave it out."),
        ("Leave values= out.", "Leave --values out."),
        ("texts=, batch_size= and labels=.", "--text, --batch-size and --label."),
        ("or no_weights=True for shapes alone", "or --no-weights for shapes alone"),
        ("config.num_labels=3, my_texts=[1]", "config.num_labels=3, my_texts=[1]"),
    ],
)
def test_a_keyword_of_the_library_is_an_option(sentence: str, shown: str) -> None:
    assert in_options(sentence) == shown


def test_every_keyword_has_an_option_of_the_command_line() -> None:
    spelt = {
        spelling
        for command in get_command(app).commands.values()
        for parameter in command.params
        for spelling in parameter.opts
    }
    assert set(OPTIONS.values()) - spelt <= {"--inputs"}


@pytest.mark.parametrize(
    ("words", "option"),
    [
        ("--revision main", "--revision main does not fit"),
        ("--sequence-length 9999", "Give --sequence-length 64 or less."),
        ("--text a --text b --label positive", "2 labels"),
    ],
)
def test_a_refusal_of_the_library_speaks_of_options(words: str, option: str) -> None:
    done = CliRunner().invoke(app, ["run", str(DEMO), *shlex.split(words)])
    assert done.exit_code == 2
    assert option in done.stderr
    assert KEYWORD.search(done.stderr) is None
