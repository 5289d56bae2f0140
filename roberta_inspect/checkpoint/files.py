"""Files that somebody else made: read with a limit, and every failure told in a sentence."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from roberta_inspect.errors import CannotInspectError, InspectError, memory_error
from roberta_inspect.text import safe, storage

LARGEST = 16 * 2**20
"""Bytes of JSON that are read: three times a config of 100,000 labels. Parsed, it may take fifty
times the space."""

SAFETENSORS = "model.safetensors"
FORMS = (
    SAFETENSORS,
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
"""The file that a directory's weights start from, in the order `from_pretrained` looks."""

LONGEST_REASON = 400
"""Characters of somebody else's error that are shown."""

AGAIN = "Save the checkpoint again with save_pretrained, or download it again."
PANIC = "PanicException"
"""What a library in Rust raises where it would have crashed; it derives from `BaseException`."""

_POINTER = b"version https://git-lfs"


def fault(where: object, what: str, *, hint: str = AGAIN) -> CannotInspectError:
    """The error for a file or directory: where, and what is wrong with it."""
    return CannotInspectError(f"{safe(where)} {what}", hint=hint)


def reason_of(error: BaseException) -> str:
    """The first line of an error of somebody else's, and the second where the first only leads to
    it, without the full stop."""
    first, *rest = str(error).strip().splitlines() or [""]
    told = [type(error).__name__ + ":", first, *(rest[:1] if first.endswith(":") else ())]
    return safe(" ".join(each.strip() for each in told), longest=LONGEST_REASON).rstrip(".: ")


@contextmanager
def told(what: str, *, hint: str) -> Iterator[None]:
    """Turn whatever somebody else's code raises inside into `what` failed and for which reason.

    What damaged or foreign files make a library raise is open-ended. Our own errors say more
    already, and memory that runs out is not about the file.

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
        raise CannotInspectError(f"{what}: {reason_of(error)}", hint=hint) from error


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
        raise _unreadable(path, error) from error
    return True


def size_of(path: Path) -> int:
    """Bytes of a regular file.

    Raises:
        CannotInspectError: it is not there, no regular file, or may not be looked at.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise _unreadable(path, error) from error
    if not stat.S_ISREG(status.st_mode):
        is_directory = stat.S_ISDIR(status.st_mode)
        raise fault(path, "is a directory, not a file" if is_directory else "is no regular file")
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
        raise fault(
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
    if size > LARGEST:
        raise fault(path, f"is {storage(size)} large; at most {storage(LARGEST)} are read")
    return size


def parsed_object(content: bytes, where: str) -> dict[str, Any]:
    """The JSON object in `content`; `where` names it in errors."""
    if not content.strip():
        raise fault(where, "is empty")
    try:
        value = json.loads(
            content.decode("utf-8-sig"), object_pairs_hook=_unique, parse_constant=_no_constant
        )
    except UnicodeDecodeError as error:
        raise fault(where, f"is not UTF-8 text: {error.reason} at byte {error.start:,}") from error
    except RecursionError as error:
        raise fault(where, "is nested too deeply to be read") from error
    except ValueError as error:
        raise fault(where, f"is not JSON: {safe(error)}") from error
    if not isinstance(value, dict):
        raise fault(where, f"holds JSON, but not an object ({type(value).__name__})")
    return value


def _unreadable(path: Path, error: OSError) -> CannotInspectError:
    if not isinstance(error, FileNotFoundError):
        reason = safe(error.strerror)
    elif path.is_symlink():
        reason = "a link that leads nowhere"
    else:
        return fault(path, "does not exist")
    return fault(path, f"cannot be read: {reason}", hint="Check its permissions and links.")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, value in pairs:
        if name in made:
            raise ValueError(f"{name!r} stands there twice")
        made[name] = value
    return made


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")
