"""Command lines in forks of one process that has imported everything: a case costs what it does
itself, and what it takes and touches is seen from outside."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import roberta_inspect

PATIENCE = 60
"""Seconds after which a case is killed."""

ROOM = 2**34
"""Bytes of address space that a case may add: far more than it should need, so that its peak can be
measured, and little enough for the machine."""

CHANGES = {
    "os.chmod": 0,
    "os.link": 1,
    "os.mkdir": 0,
    "os.remove": 0,
    "os.rename": 1,
    "os.rmdir": 0,
    "os.symlink": 1,
    "os.truncate": 0,
    "os.utime": 0,
}
"""Audit event → which of its arguments is the path that is changed."""

STARTS = ("os.exec", "os.fork", "os.posix_spawn", "os.system", "subprocess.Popen")
NETWORK = ("socket.bind", "socket.connect", "socket.getaddrinfo", "socket.sendto")


@dataclass(frozen=True)
class Outcome:
    """How one command line ended."""

    code: int
    """The exit code; minus the number of the signal that killed it."""
    stdout: str
    stderr: str
    peak: int
    """Bytes of memory at the most, the imported libraries' included."""
    touched: tuple[str, ...]
    """Files written or changed, processes started and addresses looked up, temporary files beside
    `--output` included."""


class Warm:
    """The process that has imported everything. As a context manager, it ends on exit."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        # In offline mode no access to the network would be seen.
        environment.pop("HF_HUB_OFFLINE", None)
        self.process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def __enter__(self) -> Warm:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()

    def run(
        self,
        arguments: Sequence[str],
        folder: Path,
        *,
        stdout: str | None = None,
        limits: Mapping[str, int] | None = None,
    ) -> Outcome:
        """Run `roberta-inspect` with these arguments in `folder`.

        `stdout` names a file to write to; `limits` are resource limits such as `FSIZE`, in bytes,
        `AS` counting from what the process starts with.
        """
        case = {
            "arguments": list(arguments),
            "folder": str(folder),
            "scratch": str(self.scratch),
            "stdout": stdout or str(self.scratch / "stdout"),
            "limits": {"AS": ROOM, **(limits or {})},
        }
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        for name in ("stdout", "stderr", "touched"):
            (self.scratch / name).write_bytes(b"")
        self.process.stdin.write(json.dumps(case) + "\n")
        self.process.stdin.flush()
        code, peak = json.loads(self.process.stdout.readline())
        return Outcome(
            code=code,
            stdout=self._read("stdout"),
            stderr=self._read("stderr"),
            peak=peak,
            touched=tuple(self._read("touched").splitlines()),
        )

    def _read(self, name: str) -> str:
        return (self.scratch / name).read_bytes().decode("utf-8")


TRIAL = str(Path(roberta_inspect.__file__).parent / "checkpoint" / "trial.py")


def serve() -> None:
    """Answer each line of stdin, a command line, with its exit code and its peak of memory."""
    answers = os.fdopen(os.dup(1), "w")
    _import_everything()
    for line in sys.stdin:
        case = json.loads(line)
        child = os.fork()
        if child == 0:
            _case(case)
        _, status, used = os.wait4(child, 0)
        code = os.waitstatus_to_exitcode(status)
        print(json.dumps([code, used.ru_maxrss * 1024]), file=answers, flush=True)


def _import_everything() -> None:
    """Import everything that the commands import lazily."""
    for command in ("run --no-weights", "run --format json --text a", "tree", "diff demo demo"):
        with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
            _code_of(command.split())
    import roberta_inspect.render.explain  # noqa: F401


def _code_of(arguments: Sequence[str]) -> int:
    from roberta_inspect.__main__ import main

    sys.argv = ["roberta-inspect", *arguments]
    try:
        main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def _case(case: dict[str, Any]) -> None:
    """One command line, as if the process had just been started for it."""
    signal.alarm(PATIENCE)
    scratch = Path(case["scratch"])
    for number, path in enumerate((os.devnull, case["stdout"], str(scratch / "stderr"))):
        os.dup2(os.open(path, os.O_RDWR), number)
    sys.stdin, sys.stdout, sys.stderr = (
        os.fdopen(number, mode, encoding="utf-8", closefd=False)
        for number, mode in enumerate(("r", "w", "w"))
    )
    os.chdir(case["folder"])
    log = os.open(scratch / "touched", os.O_WRONLY)
    _watch(log)
    code = 70
    try:
        for name, size in case["limits"].items():
            _limit(name, size)
        code = _code_of(case["arguments"])
        sys.stdout.flush()
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):
            sys.stderr.flush()
        os._exit(code)


def _limit(name: str, size: int) -> None:
    if name == "FSIZE":
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # as Python does when it starts
    start = _address_space() if name == "AS" else 0
    resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (start + size, start + size))


def _address_space() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    return pages * resource.getpagesize()


def _watch(log: int) -> None:
    """From now on, log what this process changes, starts or connects to."""

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            is_pipe = isinstance(path, int)  # an open file descriptor
            writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if writes and path != os.devnull and not is_pipe:
                os.write(log, f"open {path!r}\n".encode())
        elif event in CHANGES:
            os.write(log, f"{event} {arguments[CHANGES[event]]!r}\n".encode())
        elif event == "subprocess.Popen" and arguments[1][3:4] == [TRIAL]:
            pass  # the process that tries a tokenizer
        elif event in STARTS or event in NETWORK:
            os.write(log, f"{event} {arguments[:2]!r}\n".encode())
            raise RuntimeError(f"{event} is not allowed here")  # an error that is not retried

    sys.addaudithook(hook)


if __name__ == "__main__":
    serve()
