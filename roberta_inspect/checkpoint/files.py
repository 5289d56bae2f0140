"""Files that somebody else made: read with a limit, and every failure told in a sentence."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

from roberta_inspect.errors import CannotInspectError
from roberta_inspect.text import safe, storage

LARGEST = 16 * 2**20
"""Bytes of JSON that are read: three times a config of 100,000 labels. Parsed, it may take fifty
times the space."""

SAFETENSORS = "model.safetensors"
SAFETENSORS_INDEX = "model.safetensors.index.json"
PICKLE = "pytorch_model.bin"
PICKLE_INDEX = "pytorch_model.bin.index.json"
FORMS = (SAFETENSORS, SAFETENSORS_INDEX, PICKLE, PICKLE_INDEX)
"""The file that a directory's weights start from, in the order `from_pretrained` looks."""


def weight_form(directory: Path) -> str | None:
    """Which of `FORMS` the directory holds, the first that is there."""
    return next((name for name in FORMS if present(directory / name)), None)


def present(path: Path) -> bool:
    """Whether there is anything of that name, a link that leads nowhere too."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise unreadable(path, error) from error
    return True


def size_of(path: Path) -> int:
    """Bytes of a regular file.

    Raises:
        CannotInspectError: it is not there, not a regular file, or may not be read.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise unreadable(path, error) from error
    if not stat.S_ISREG(status.st_mode):
        kind = "a directory" if stat.S_ISDIR(status.st_mode) else "no regular file"
        raise CannotInspectError(f"{safe(path)} is {kind}, not a file.", hint=ANOTHER)
    return status.st_size


def head_of(path: Path, length: int, *, start: int = 0) -> bytes:
    """Up to `length` bytes of a regular file, from `start` on."""
    size_of(path)
    try:
        with path.open("rb") as opened:
            opened.seek(start)
            return opened.read(length)
    except OSError as error:
        raise unreadable(path, error) from error


def check_pointer(path: Path) -> None:
    """Refuse what git leaves in place of a large file where git-lfs is not installed."""
    if head_of(path, len(_POINTER)) == _POINTER:
        raise CannotInspectError(
            f"{safe(path)} is a git-lfs pointer, not the weights.",
            hint="Install git-lfs and run `git lfs pull` in that directory.",
        )


def json_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        CannotInspectError: unreadable, too large, not UTF-8, not JSON, or no object.
    """
    size = size_of(path)
    if size > LARGEST:
        raise CannotInspectError(
            f"{safe(path)} is {storage(size)} large; at most {storage(LARGEST)} are read.",
            hint=ANOTHER,
        )
    return parsed_object(head_of(path, size), str(path))


def parsed_object(content: bytes, where: str) -> dict[str, Any]:
    """The JSON object in `content`; `where` names it in errors."""
    if not content.strip():
        raise CannotInspectError(f"{safe(where)} is empty.", hint=ANOTHER)
    try:
        value = json.loads(
            content.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant
        )
    except UnicodeDecodeError as error:
        raise CannotInspectError(
            f"{safe(where)} is not UTF-8 text: {error.reason} at byte {error.start:,}.",
            hint=ANOTHER,
        ) from error
    except RecursionError as error:
        raise CannotInspectError(
            f"{safe(where)} is nested too deeply to be read.", hint=ANOTHER
        ) from error
    except ValueError as error:
        raise CannotInspectError(
            f"{safe(where)} is not JSON: {safe(error)}.", hint=ANOTHER
        ) from error
    if not isinstance(value, dict):
        raise CannotInspectError(
            f"{safe(where)} holds JSON, but not an object ({type(value).__name__}).", hint=ANOTHER
        )
    return value


def unreadable(path: Path, error: OSError) -> CannotInspectError:
    """The error for a file that the operating system does not hand out."""
    if isinstance(error, FileNotFoundError) and not path.is_symlink():
        return CannotInspectError(f"{safe(path)} does not exist.", hint=ANOTHER)
    reason = "a link that leads nowhere" if isinstance(error, FileNotFoundError) else error.strerror
    return CannotInspectError(f"{safe(path)} cannot be read: {safe(reason)}.", hint=READABLE)


_POINTER = b"version https://git-lfs"
ANOTHER = "Save the checkpoint again with save_pretrained, or download it again."
READABLE = "Check the file's permissions and links, or download the checkpoint again."


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in made if names.count(name) > 1)
        raise ValueError(f"{twice!r} stands there twice")
    return made


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")
