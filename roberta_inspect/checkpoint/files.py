"""Files from outside: read up to a limit, with one sentence for every failure."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from roberta_inspect.errors import CannotInspectError, InspectError, memory_error
from roberta_inspect.records.codec import refuse_constant
from roberta_inspect.text import safe, storage

LARGEST_READ = 16 * 2**20
"""Bytes of a file that is read whole: three times a config of 100,000 labels. Parsed JSON can take
fifty times the space."""

SAFETENSORS = "model.safetensors"
WEIGHT_FORMS = (
    SAFETENSORS,
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
"""The file that a directory's weights start from, in the order `from_pretrained` looks."""

LONGEST_REASON = 400
"""Characters of a library's error that are shown."""

AGAIN = "Save the checkpoint again with save_pretrained, or download it again."
PANIC = "PanicException"
"""What a library in Rust raises where it would have crashed; it derives from `BaseException`."""

_POINTER = b"version https://git-lfs"


def file_error(where: object, problem: str, *, hint: str = AGAIN) -> CannotInspectError:
    """The error for a file or directory: where, and what is wrong with it."""
    return CannotInspectError(f"{safe(where)} {problem}", hint=hint)


def reason_of(error: BaseException) -> str:
    """The first line of a library's error, without the full stop; with the second line where the
    first ends in a colon."""
    first, *rest = str(error).strip().splitlines() or [""]
    words = [type(error).__name__ + ":", first, *(rest[:1] if first.endswith(":") else ())]
    return safe(" ".join(word.strip() for word in words), longest=LONGEST_REASON).rstrip(".: ")


@contextmanager
def errors_as(failure: str, *, hint: str) -> Iterator[None]:
    """Turn any error of a library into one that says `failure` and the library's reason.

    What a library raises on damaged files is open-ended. Errors of this package pass: they say
    more. Memory that runs out is reported as such: it is not about the file.

    Raises:
        CannotInspectError: instead of any other error.
    """
    try:
        yield
    except InspectError:
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != PANIC:
            raise
        if (exhausted := memory_error(error)) is not None:
            raise exhausted from None
        raise CannotInspectError(f"{failure}: {reason_of(error)}", hint=hint) from error


def weight_form(directory: Path) -> str | None:
    """Which of `FORMS` the directory holds, the first that is there."""
    return next((name for name in WEIGHT_FORMS if present(directory / name)), None)


def present(path: Path) -> bool:
    """Whether the path exists; a broken link counts."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise _unreadable(path, error) from error
    return True


def size_of(path: Path) -> int:
    """Bytes of a regular file.

    Raises:
        CannotInspectError: it does not exist, is not a regular file, or cannot be read.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise _unreadable(path, error) from error
    if not stat.S_ISREG(status.st_mode):
        is_directory = stat.S_ISDIR(status.st_mode)
        raise file_error(
            path, "is a directory, not a file" if is_directory else "is not a regular file"
        )
    return status.st_size


def head_of(path: Path, length: int, *, start: int = 0) -> bytes:
    """Up to `length` bytes of a regular file, from `start` on."""
    size_of(path)
    try:
        with path.open("rb") as opened:
            opened.seek(start)
            return opened.read(length)
    except OSError as error:
        raise _unreadable(path, error) from error


def check_pointer(path: Path) -> None:
    """Refuse what git leaves in place of a large file where git-lfs is not installed."""
    if head_of(path, len(_POINTER)) == _POINTER:
        raise file_error(
            path,
            "is a git-lfs pointer, not the file itself",
            hint="Install git-lfs and run `git lfs pull` in that directory.",
        )


def json_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        CannotInspectError: unreadable, too large, not UTF-8, not JSON, or no object.
    """
    size = check_size(path)
    check_pointer(path)
    return parsed_object(head_of(path, size), str(path))


def check_size(path: Path) -> int:
    """Bytes of a regular file that is read whole.

    Raises:
        CannotInspectError: there are too many, or as `size_of`.
    """
    size = size_of(path)
    if size > LARGEST_READ:
        raise file_error(
            path, f"is {storage(size)} large; at most {storage(LARGEST_READ)} are read"
        )
    return size


def parsed_object(content: bytes, where: str) -> dict[str, Any]:
    """The JSON object in `content`; `where` names it in errors."""
    if not content.strip():
        raise file_error(where, "is empty")
    try:
        value = json.loads(
            content.decode("utf-8-sig"), object_pairs_hook=_unique, parse_constant=refuse_constant
        )
    except UnicodeDecodeError as error:
        raise file_error(
            where, f"is not UTF-8 text: {error.reason} at byte {error.start:,}"
        ) from error
    except RecursionError as error:
        raise file_error(where, "is nested too deeply to be read") from error
    except ValueError as error:
        raise file_error(where, f"is not JSON: {safe(error)}") from error
    if not isinstance(value, dict):
        raise file_error(where, f"holds JSON, but not an object ({type(value).__name__})")
    return value


def _unreadable(path: Path, error: OSError) -> CannotInspectError:
    if not isinstance(error, FileNotFoundError):
        reason = safe(error.strerror)
    elif path.is_symlink():
        reason = "a link that leads nowhere"
    else:
        return file_error(path, "does not exist")
    return file_error(path, f"cannot be read: {reason}", hint="Check its permissions and links.")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique: dict[str, Any] = {}
    for name, value in pairs:
        if name in unique:
            raise ValueError(f"{name!r} stands there twice")
        unique[name] = value
    return unique
