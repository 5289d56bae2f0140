"""The product goes to stdout or into a file, everything else to stderr; failures become words."""

from __future__ import annotations

import os
import re
import secrets
import stat
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import typer

from roberta_inspect.errors import (
    CannotInspectError,
    InspectError,
    UsageError,
    is_out_of_memory,
)
from roberta_inspect.text import safe

if TYPE_CHECKING:
    from rich.console import RenderableType

    from roberta_inspect.render import Product

DEBUG = "ROBERTA_INSPECT_DEBUG"
"""The environment variable that, set to 1, has tracebacks shown."""

INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 + SIGINT, as a shell reports it."""

PIPE_CLOSED = 141
"""Exit code after a reader such as `head` went away: 128 + SIGPIPE, as a shell reports it."""

LONGEST_SENTENCE = 2000
"""Characters of an error message that are shown."""

ASKED_FOR = re.compile(r"tried to allocate ([\d.,]+ ?\w+)", re.IGNORECASE)
"""How torch says which allocation failed, on the CPU and on CUDA."""


@dataclass(frozen=True)
class Target:
    """Where the product goes: a file, written whole or not at all, or stdout where it is `None`."""

    path: Path | None = None

    def __post_init__(self) -> None:
        """Find out before the work whether the file can be written; nothing is made yet.

        Raises:
            UsageError: the directory does not exist, or the path is a directory itself.
            CannotInspectError: the directory, or the file that is there, must not be written.
        """
        if self.path is None:
            return
        place = _behind_links(self.path)
        if place.is_dir():
            raise UsageError(f"--output {safe(self.path)} is a directory", hint="Name a file.")
        if not place.parent.is_dir():
            raise UsageError(
                f"--output {safe(self.path)}: there is no directory {safe(place.parent)}",
                hint="Make the directory first, or name a file elsewhere.",
            )
        needed = [place] if place.exists() else []
        if not _is_special(place):
            needed.append(place.parent)
        for each in needed:
            if not os.access(each, os.W_OK):
                raise CannotInspectError(
                    f"--output {safe(self.path)} cannot be written: {safe(each)} is not writable",
                    hint="Name a file in a directory that you may write to.",
                )

    def deliver(self, thing: Product, form: str, **options: Any) -> None:
        """Write a map, a tree or a report in this format; `options` are its renderer's.

        Raises:
            CannotInspectError, BrokenPipeError: as `deliver_text`.
        """
        from roberta_inspect.render import rendered, table_of

        if form == "table":
            self.deliver_text(table_of(thing, **options))
        else:
            self.deliver_text(rendered(thing, form, **options))

    def deliver_text(self, product: str | RenderableType) -> None:
        """Write a text as it is, or a renderable as fits: in colour on a terminal only.

        Raises:
            CannotInspectError: the disk is full, or the file cannot be written after all.
            BrokenPipeError: the reader of stdout went away.
        """
        try:
            if self.path is None:
                _print(product if isinstance(product, str) else _for_stdout(product))
            else:
                _write(_behind_links(self.path), _plain(product))
        except BrokenPipeError:
            raise
        except OSError as error:
            where = "stdout" if self.path is None else f"--output {safe(self.path)}"
            raise CannotInspectError(
                f"{where} cannot be written: {_reason(error)}",
                hint="Make room there, or write elsewhere with --output FILE.",
            ) from error


def _behind_links(path: Path) -> Path:
    """The file itself, so that a symbolic link to it stays one."""
    nowhere = CannotInspectError(
        f"--output {safe(path)} cannot be written: it is a symbolic link that leads nowhere",
        hint="Name another file.",
    )
    try:
        found = path if _is_special(path) else path.resolve()
    except (OSError, RuntimeError) as error:
        raise nowhere from error
    # Since Python 3.13 a link that loops is returned as it is.
    if found.is_symlink() and not _is_special(path):
        raise nowhere
    return found


def _is_special(path: Path) -> bool:
    """Whether a device or a named pipe stands there, which must be written and not replaced."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _write(path: Path, text: str) -> None:
    """Write beside the file and move it into place, with the permissions that were there."""
    if _is_special(path):
        path.write_bytes(text.encode())
        return
    beside = path.parent / f".roberta-inspect-{secrets.token_hex(6)}.tmp"
    try:
        beside.write_bytes(text.encode())
        if path.exists():
            beside.chmod(stat.S_IMODE(path.stat().st_mode))
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _plain(product: str | RenderableType) -> str:
    if isinstance(product, str):
        return product
    from roberta_inspect.render.plain import plain

    return plain(product)


def _for_stdout(product: RenderableType) -> str:
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        return _plain(product)
    with console.capture() as captured:
        console.print(product)
    return captured.get()


def _print(text: str) -> None:
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        sys.stdout.write(text.encode(encoding, errors="replace").decode(encoding))
        sys.stdout.flush()
    except OSError:
        _abandon(sys.stdout)
        raise


def _abandon(stream: TextIO) -> None:
    """Let what could not be written go nowhere: Python would try once more at exit."""
    with suppress(OSError, ValueError), Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


def _reason(error: OSError) -> str:
    return safe(os.strerror(error.errno) if error.errno else error)


@contextmanager
def failures_reported() -> Iterator[None]:
    """Turn every failure of a command's body into one sentence, a hint and an exit code.

    Raises:
        typer.Exit: with the exit code, once the sentence is on stderr.
    """
    try:
        yield
    except (typer.Exit, typer.Abort, typer.BadParameter):
        raise
    except BrokenPipeError:
        _abandon(sys.stdout)
        raise typer.Exit(PIPE_CLOSED) from None
    except KeyboardInterrupt:
        _say("Interrupted.")
        raise typer.Exit(INTERRUPTED) from None
    except Exception as error:
        if os.environ.get(DEBUG) == "1":
            traceback.print_exception(error)
        failure = _as_sentence(error)
        _say("Error: ", failure.message, style="bold red")
        _say("Hint: ", failure.hint, style="cyan")
        raise typer.Exit(failure.exit_code) from None


def _as_sentence(error: Exception) -> InspectError:
    if isinstance(error, InspectError):
        return error
    if is_out_of_memory(error):
        asked = ASKED_FOR.search(str(error))
        for_what = f": {asked[1]} more were asked for" if asked else ""
        return CannotInspectError(
            f"the memory of this machine is not enough{for_what}",
            hint="Ask for less: a smaller --batch-size or --sequence-length, fewer texts, "
            "--dtype bfloat16, or --no-weights for shapes and origins alone.",
        )
    return CannotInspectError(
        f"unexpected {type(error).__name__}: {safe(str(error) or 'no message')}",
        hint=f"Run it again with {DEBUG}=1 to see where, and report it with that output.",
    )


def _say(word: str, rest: str = "", *, style: str = "") -> None:
    """One line on stderr; on a terminal its first word in colour, and broken between words."""
    from rich.console import Console
    from rich.text import Text

    line = Text.assemble((word, style), safe(rest, longest=LONGEST_SENTENCE))
    console = Console(stderr=True)
    console.print(line, soft_wrap=not console.is_terminal)


@contextmanager
def status(message: str) -> Iterator[None]:
    """Show on stderr what is going on, on a terminal only, until it is done."""
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True)
    line = console.status(Text(safe(message))) if console.is_terminal else nullcontext()
    with line:
        yield
