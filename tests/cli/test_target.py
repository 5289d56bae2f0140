"""The product is written whole, or not at all."""

from __future__ import annotations

import errno
import io
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.text import Text
from samples import EAGER

from roberta_inspect.cli.refusals import PIPE_CLOSED, failures_reported
from roberta_inspect.cli.target import Target
from roberta_inspect.errors import CannotInspectError, InspectError, UsageError
from roberta_inspect.render import rendered

AS_ROOT = os.name == "posix" and os.geteuid() == 0
POSIX = pytest.mark.skipif(os.name != "posix", reason="needs /dev and POSIX signals")

OLD = "Checkpoint         demo\n"
"""The content of a file from an earlier run."""

COLOURED = Text("hello", "bold red")


def python(
    code: str, stdout: Any = subprocess.PIPE, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run `code` in a process of its own."""
    prelude = (
        "import sys, typer\n"
        "from roberta_inspect.cli.refusals import failures_reported, status\n"
        "from roberta_inspect.cli.target import Target\n"
        "app = typer.Typer(pretty_exceptions_enable=False)\n"
        "@app.command()\n"
        "def main():\n"
        "    with failures_reported():\n"
    )
    body = "".join(f"        {line}\n" for line in code.splitlines())
    return subprocess.run(
        [sys.executable, "-c", f"{prelude}{body}app()"],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env={**os.environ, **env},
        timeout=60,
        check=False,
    )


class Refusing(io.StringIO):
    """A stream that raises `error` when it is flushed."""

    def __init__(self, error: OSError) -> None:
        super().__init__()
        self.error = error

    def flush(self) -> None:
        raise self.error


def only(folder: Path) -> Path:
    """The only file in `folder`, so that no partly written file is beside it."""
    (file,) = folder.iterdir()
    return file


def test_stdout_gets_text_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    Target().deliver_text("a [bold]b[/] c\n")
    assert capsys.readouterr() == ("a [bold]b[/] c\n", "")


def test_no_colour_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    Target().deliver_text(COLOURED)
    assert capsys.readouterr().out == "hello\n"


def test_colour_where_it_is_forced(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    Target().deliver_text(COLOURED)
    assert "\x1b[1;31mhello\x1b[0m" in capsys.readouterr().out


def test_no_color_wins_over_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    Target().deliver_text(Text("hello", "red"))
    assert "\x1b[31m" not in capsys.readouterr().out


@pytest.mark.parametrize("columns", [60, 140])
def test_columns_set_the_width(
    columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    Target().deliver(EAGER, "table")
    assert capsys.readouterr().out == rendered(EAGER, "table", width=columns)


@pytest.mark.parametrize("form", ["table", "json", "markdown", "svg", "html", "github"])
def test_a_file_holds_what_stdout_would(
    form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Target().deliver(EAGER, form)
    Target(tmp_path / "out").deliver(EAGER, form)
    assert only(tmp_path).read_text(encoding="utf-8") == capsys.readouterr().out


def test_a_stream_that_lacks_a_character_gets_a_question_mark(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    Target().deliver_text("✓ ok\n")
    assert raw.getvalue() == b"? ok\n"


@POSIX
@pytest.mark.parametrize("mode", [0o600, 0o644, 0o664])
def test_permissions_stay_as_they_were(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "out"
    path.write_text(OLD)
    path.chmod(mode)
    Target(path).deliver_text("new")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("new", mode)


@POSIX
def test_a_new_file_has_the_permissions_of_any_other(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    Target(tmp_path / "b").deliver_text("")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


@POSIX
def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_text(OLD)
    (tmp_path / "link").symlink_to("real")
    Target(tmp_path / "link").deliver_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


@POSIX
def test_a_device_is_written_and_not_replaced() -> None:
    Target(Path(os.devnull)).deliver_text("gone")
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt()])
def test_a_file_is_written_whole_or_not_at_all(
    error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out"
    path.write_text(OLD)
    written = Path.write_bytes

    def half(self: Path, data: bytes) -> int:
        written(self, data[: len(data) // 2])
        raise error

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises((CannotInspectError, KeyboardInterrupt)):
        Target(path).deliver_text("new")
    assert only(tmp_path).read_text() == OLD


REFUSED: list[tuple[str, str, type[InspectError], str]] = [
    ("missing directory", "none/out", UsageError, "there is no directory"),
    ("a file as directory", "file/out", UsageError, "there is no directory"),
    ("a directory", "folder", UsageError, "is a directory"),
    ("the directory itself", ".", UsageError, "is a directory"),
]


@pytest.mark.parametrize(
    ("path", "error", "sentence"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_a_file_that_cannot_be_is_refused_before_the_work(
    path: str, error: type[InspectError], sentence: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    with pytest.raises(error, match=sentence):
        Target(tmp_path / path)


@POSIX
def test_a_link_that_loops_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(InspectError):
        Target(tmp_path / "a").deliver_text("x")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


@pytest.mark.skipif(AS_ROOT, reason="root may write everywhere")
@pytest.mark.parametrize("read_only", ["folder", "folder/out"])
def test_a_place_that_must_not_be_written_is_refused(read_only: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "out").write_text(OLD)
    (tmp_path / read_only).chmod(0o500)
    with pytest.raises(CannotInspectError, match="is not writable"):
        Target(tmp_path / "folder" / "out")
    (tmp_path / read_only).chmod(0o700)


@pytest.mark.parametrize("blocked", ["folder", "folder/out"])
def test_a_forbidden_place_is_refused(
    blocked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "out").write_text(OLD)
    forbidden = (tmp_path / blocked).resolve()
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != forbidden)
    with pytest.raises(CannotInspectError, match="is not writable"):
        Target(tmp_path / "folder" / "out")


def test_a_full_disk_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Refusing(OSError(errno.ENOSPC, "full")))
    with pytest.raises(CannotInspectError, match="stdout cannot be written: No space left"):
        Target().deliver_text("x")


def test_a_closed_pipe_is_no_failure_to_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Refusing(BrokenPipeError()))
    with pytest.raises(typer.Exit) as caught, failures_reported():
        Target().deliver_text("x")
    assert caught.value.exit_code == PIPE_CLOSED


@POSIX
def test_a_reader_that_goes_away_ends_it_quietly() -> None:
    read, write = os.pipe()
    os.close(read)
    done = python("Target().deliver_text('x' * 10**6)", stdout=write)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("size", [1, 10**6])
def test_a_full_disk_ends_with_a_sentence(size: int) -> None:
    with Path("/dev/full").open("w") as full:
        done = python(f"Target().deliver_text('x' * {size})", stdout=full)
    assert done.returncode == 3
    assert done.stderr.splitlines() == [
        "Error: stdout cannot be written: No space left on device",
        "Hint: Make room there, or write elsewhere with --output FILE.",
    ]


@POSIX
def test_ctrl_c_ends_with_130_and_no_traceback() -> None:
    done = python(
        "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nimport time\ntime.sleep(9)"
    )
    assert (done.returncode, done.stderr) == (130, "Interrupted.\n")


def test_delivering_imports_no_torch() -> None:
    code = (
        "import sys\nfrom samples import EAGER\n"
        "for form in ('table', 'json', 'markdown', 'svg', 'html', 'github'):\n"
        "    Target().deliver(EAGER, form)\n"
        "print(sorted({'torch', 'transformers', 'numpy'} & set(sys.modules)), file=sys.stderr)"
    )
    done = python(code, PYTHONPATH=str(Path(__file__).parents[1]))
    assert (done.returncode, done.stderr) == (0, "[]\n")
