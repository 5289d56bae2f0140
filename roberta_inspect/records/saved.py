"""Saved maps: the files that `run --format json --output FILE` writes."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from roberta_inspect.errors import CannotInspectError
from roberta_inspect.records.output_map import NoMapError, OutputMap
from roberta_inspect.text import safe, storage

LARGEST_MAP = 32 * 1024**2
"""The most bytes in a file that is read as a map: about a hundred times a large model's map with
`--matrix`, and small enough that no content of it fills the memory."""


def is_saved_map(side: str) -> bool:
    """Whether one side of `diff` names a saved map: it ends in `.json` or is a file."""
    # Path.is_file raises for a name that is too long or in a forbidden directory.
    return side.lower().endswith(".json") or os.path.isfile(side)  # noqa: PTH113


def read_map(path: str | os.PathLike[str]) -> OutputMap:
    """The map saved at `path`.

    Raises:
        CannotInspectError: the file is missing, unreadable, too large, not JSON, not a map, or of
            another schema.
    """
    shown = safe(os.fspath(path))
    try:
        text = _read_text(Path(path), shown)
    except FileNotFoundError as error:
        raise CannotInspectError(
            f"{shown} does not exist",
            hint="Check the path, or save a map: roberta-inspect run CHECKPOINT --format json "
            f"--output {shown}",
        ) from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise CannotInspectError(
            f"{shown} cannot be read: {safe(reason)}",
            hint=_hint(Path(path), "Give a file that you may read."),
        ) from error
    try:
        return OutputMap.from_json(text)
    except CannotInspectError as error:
        hint = _hint(Path(path), error.hint) if isinstance(error, NoMapError) else error.hint
        raise CannotInspectError(f"{shown} {error.message}", hint=hint) from error


def _hint(path: Path, otherwise: str) -> str:
    """What to do about a file that is not a map: it may belong to a checkpoint."""
    if os.path.isfile(path.with_name("config.json")):  # noqa: PTH113 # is_file may raise
        return f"Did you mean the checkpoint {safe(path.parent)}?"
    return otherwise


def _read_text(path: Path, shown: str) -> str:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise CannotInspectError(
            f"{shown} is {'a directory' if path.is_dir() else 'no regular file'}, no saved map",
            hint="Give the JSON file; a checkpoint's directory must not end in .json.",
        )
    if status.st_size > LARGEST_MAP:
        raise CannotInspectError(
            f"{shown} is {storage(status.st_size)}, and a saved map is at most "
            f"{storage(LARGEST_MAP)}",
            hint=_hint(path, "Give the file that roberta-inspect run --format json wrote."),
        )
    return path.read_text(encoding="utf-8")
