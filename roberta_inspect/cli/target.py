"""Writes the product to stdout or to a file, whole or not at all."""

from __future__ import annotations

import os
import secrets
import stat
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from roberta_inspect.cli.overwrite import check_overwrite
from roberta_inspect.errors import CannotInspectError, UsageError
from roberta_inspect.text import safe

if TYPE_CHECKING:
    from rich.console import RenderableType

    from roberta_inspect.records import Product


STDOUT = Path("-")
"""The value of `--output` that stands for stdout."""


@dataclass(frozen=True)
class Target:
    """Where the product is written."""

    path: Path | None = None
    """The file; `None` for stdout."""
    inputs: tuple[str | None, ...] = ()
    """The checkpoints and files that the command reads, as the user typed them."""

    def __post_init__(self) -> None:
        """Check before the work that the file can be written. Nothing is created yet.

        Raises:
            UsageError: the directory does not exist, the path is a directory itself, or the file
                is an input or was not written by this tool.
            CannotInspectError: the directory or the existing file is not writable, or stdout is
                closed.
        """
        if self.path is None or self.path == STDOUT:
            object.__setattr__(self, "path", None)
            if sys.stdout is None:
                raise CannotInspectError(
                    "stdout is closed", hint="Open it, or write to a file with --output FILE."
                )
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
        for path in needed:
            if not os.access(path, os.W_OK):
                raise CannotInspectError(
                    f"--output {safe(self.path)} cannot be written: {safe(path)} is not writable",
                    hint="Name a file in a directory that you may write to.",
                )
        if not _is_special(place):
            check_overwrite(self.path, place, self.inputs)

    def deliver(self, product: Product, form: str, **options: Any) -> None:
        """Write a map, a tree or a report in this format. `options` are those of its renderer.

        Raises:
            CannotInspectError, BrokenPipeError: as `deliver_text`.
        """
        from roberta_inspect.render import page_of, rendered

        if form == "table":
            self.deliver_text(page_of(product, **options))
        else:
            self.deliver_text(rendered(product, form, **options))

    def deliver_text(self, product: str | RenderableType) -> None:
        """Write a text as it is, or a renderable, which has colours on a terminal only.

        Raises:
            CannotInspectError: the disk is full, or the file cannot be written after all.
            BrokenPipeError: the reader of stdout has closed it.
        """
        try:
            if self.path is None:
                _print(product if isinstance(product, str) else _for_stdout(product))
            else:
                _write(_behind_links(self.path), _as_plain_text(product))
        except BrokenPipeError:
            raise
        except OSError as error:
            where = "stdout" if self.path is None else f"--output {safe(self.path)}"
            raise CannotInspectError(
                f"{where} cannot be written: {_reason(error)}",
                hint="Make room there, or write elsewhere with --output FILE.",
            ) from error


def _behind_links(path: Path) -> Path:
    """The file that a symbolic link leads to, so that writing does not replace the link."""
    nowhere = CannotInspectError(
        f"--output {safe(path)} cannot be written: it is a symbolic link that leads nowhere",
        hint="Name another file.",
    )
    try:
        resolved = path if _is_special(path) else path.resolve()
    except (OSError, RuntimeError) as error:
        raise nowhere from error
    # Since Python 3.13, `resolve` returns a link that loops as it is.
    if resolved.is_symlink() and not _is_special(path):
        raise nowhere
    return resolved


def _is_special(path: Path) -> bool:
    """Whether it is a device or a named pipe, which must be written to and not replaced."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _write(path: Path, text: str) -> None:
    """Write a file beside it and move that into place, with the permissions of the old file."""
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


def _as_plain_text(product: str | RenderableType) -> str:
    if isinstance(product, str):
        return product
    from roberta_inspect.render.plain import plain_text

    return plain_text(product)


def _for_stdout(product: RenderableType) -> str:
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        return _as_plain_text(product)
    with console.capture() as captured:
        console.print(product)
    return captured.get()


def _print(text: str) -> None:
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        sys.stdout.write(text.encode(encoding, errors="replace").decode(encoding))
        sys.stdout.flush()
    except OSError:
        abandon(sys.stdout)
        raise


def abandon(stream: TextIO) -> None:
    """Redirect the stream to nowhere, because Python would try to write the rest at exit."""
    with suppress(OSError, ValueError), Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


def _reason(error: OSError) -> str:
    return safe(os.strerror(error.errno) if error.errno else error)
