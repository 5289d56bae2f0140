"""Ctrl-C and SIGTERM in every phase: the right exit code, no traceback, no files left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hub_server import Hub, serving
from makers import make_checkpoint

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and signals"),
    pytest.mark.newest,
]

ENDS = {signal.SIGINT: (130, "Interrupted.\n"), signal.SIGTERM: (143, "")}
SLOW_WRITE = """
import sys, time
from pathlib import Path
from roberta_inspect.__main__ import main
write = Path.write_bytes
def slow(path, content):
    write(path, content[:10])
    time.sleep(60)
Path.write_bytes = slow
sys.argv = ["roberta-inspect", *sys.argv[1:]]
main()
"""


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    folder = make_checkpoint(tmp_path / "model", tokenizer=True)
    with serving(Hub(models={"acme/tiny": folder}, dripping={"model.safetensors"})) as server:
        yield server


def started(command: list[str], folder: Path, **environment: str) -> subprocess.Popen[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    return subprocess.Popen(
        [sys.executable, *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**inherited, **environment},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def wait(process: subprocess.Popen[str], ready: Callable[[], object]) -> None:
    """Wait until `ready` is true, while the process is running."""
    while not ready():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


def ended(process: subprocess.Popen[str], number: signal.Signals) -> None:
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=60)
    code, words = ENDS[number]
    lines = [line for line in stderr.splitlines(True) if not line.startswith("Waiting for ")]
    shown = process.returncode if process.returncode >= 0 else 128 - process.returncode
    assert (shown, stdout, "".join(lines)) == (code, "", words)


@pytest.mark.parametrize("number", ENDS)
def test_while_importing(tmp_path: Path, number: signal.Signals) -> None:
    process = started(["-m", "roberta_inspect", "run", "-o", "map.json"], tmp_path)
    maps = Path(f"/proc/{process.pid}/maps")
    wait(process, lambda: "libtorch_python" in maps.read_text(encoding="utf-8"))
    ended(process, number)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", ENDS)
def test_while_downloading(hub: Hub, tmp_path: Path, number: signal.Signals) -> None:
    process = started(
        ["-m", "roberta_inspect", "run", "acme/tiny", "-o", "map.json"],
        tmp_path,
        HF_ENDPOINT=hub.endpoint,
        HF_HOME=str(tmp_path / "home"),
    )
    wait(process, lambda: hub.sent["dripped"])
    ended(process, number)
    assert {path.name for path in tmp_path.iterdir()} == {"model", "home"}
    assert not list((tmp_path / "home").rglob("*.incomplete"))


@pytest.mark.parametrize("number", ENDS)
def test_while_writing(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "map.txt").write_text("Checkpoint         demo\n")
    process = started(["-c", SLOW_WRITE, "tree", "-o", "map.txt"], tmp_path)
    wait(process, lambda: list(tmp_path.glob(".roberta-inspect-*")))
    ended(process, number)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["Checkpoint         demo\n"]


@pytest.mark.parametrize("number", ENDS)
def test_while_a_tokenizer_is_tried(tmp_path: Path, number: signal.Signals) -> None:
    hang = tmp_path / "hang.py"
    hang.write_text("import sys; sys.stdin.read()\n")
    code = (
        f"import sys; import roberta_inspect.checkpoint.trial as t; t.__file__ = {str(hang)!r}\n"
        "from roberta_inspect.__main__ import main\n"
        "sys.argv = ['roberta-inspect', 'run', '--text', 'a']; main()\n"
    )
    process = started(["-c", code], tmp_path)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    wait(process, lambda: _is_running(children, "hang.py"))
    child = children.read_text().split()[-1]
    ended(process, number)
    for _ in range(200):  # a process that was just being started ends when its stdin closes
        if not Path(f"/proc/{child}").exists():
            return
        time.sleep(0.05)
    pytest.fail("the child is still there")


def _is_running(children: Path, script: str) -> bool:
    pids = children.read_text(encoding="ascii").split()
    lines = [Path(f"/proc/{pid}/cmdline") for pid in pids]
    return any(script in line.read_text(encoding="utf-8") for line in lines if line.exists())
