"""What the name of a checkpoint means: a directory, a Hub model id or the demo."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from pathlib import Path

from roberta_inspect.checkpoint.batch import is_batch
from roberta_inspect.errors import CannotInspectError, UsageError
from roberta_inspect.text import safe

DEMO = Path(__file__).parent.parent / "demo"
"""The checkpoint that ships with the package."""

_HUB_ID = re.compile(r"[A-Za-z0-9_][\w.-]{0,95}/[A-Za-z0-9_][\w.-]{0,95}", re.ASCII)
_WITHOUT_OWNER = frozenset(
    {
        "distilroberta-base",
        "roberta-base",
        "roberta-base-openai-detector",
        "roberta-large",
        "roberta-large-mnli",
        "roberta-large-openai-detector",
    }
)
"""The Hub's RoBERTa ids from before ids had owners; the Hub still answers to them."""

_FILE_ENDINGS = frozenset(
    {".bin", ".ckpt", ".gguf", ".json", ".onnx", ".pkl", ".pt", ".pth", ".safetensors", ".zip"}
)


_ANY = (
    "Give a directory with a config.json, a Hub model id such as owner/name, or nothing for the "
    "bundled demo."
)

_ALIKE = 0.75
"""How like two names are, from 0 to 1, for one to be a misspelling of the other."""

_MOST_NEIGHBOURS = 2000
"""Entries of a folder that are looked through for a name like the given one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A checkpoint's place: exactly one of `directory` and `repo` is set."""

    source: str
    """How it is shown: as the user wrote it, `demo` where nothing was given."""
    directory: Path | None = None
    repo: str | None = None
    """The Hub model id."""
    revision: str | None = None
    """A branch, tag or commit on the Hub; `None` is the default branch."""


def locate(source: str | None, *, revision: str | None = None) -> Location:
    """Where `source` is; `None` and `demo` are the bundled checkpoint.

    Raises:
        UsageError: an impossible name, or a revision of a directory.
        CannotInspectError: a path that does not exist or is not a directory.
    """
    location = _location(source, revision)
    if revision is not None and location.repo is None:
        raise UsageError(
            f"revision={safe(revision)} does not fit {safe(location.source)}, "
            "which is a local directory",
            hint="Revisions exist on the Hub only: leave revision= out.",
        )
    return location


def _location(source: str | None, revision: str | None) -> Location:
    if source is None:
        return Location(source="demo", directory=DEMO)
    if not source.strip() or "\0" in source:
        raise UsageError(
            "the checkpoint's name is empty or holds a null character",
            hint="Give a directory, a Hub model id, or nothing for the bundled demo.",
        )
    path = Path(source).expanduser()
    try:
        if path.is_dir():
            return Location(source=source, directory=path)
        exists = path.exists()
        symbolic = path.is_symlink()
    except (OSError, RuntimeError) as error:
        raise CannotInspectError(
            f"{safe(source)} cannot be looked at: {safe(error)}", hint="Give another path."
        ) from error
    if exists:
        raise CannotInspectError(
            f"{safe(source)} is a file, not a checkpoint directory",
            hint=_instead_of_file(path),
        )
    if symbolic:
        raise CannotInspectError(
            f"{safe(source)} is a symbolic link that leads nowhere",
            hint="Give the directory itself.",
        )
    if source == "demo":
        return Location(source=source, directory=DEMO)
    is_id = _HUB_ID.fullmatch(source) and path.suffix not in _FILE_ENDINGS
    if not is_id and source not in _WITHOUT_OWNER:
        raise CannotInspectError(
            f"{safe(source)} does not exist",
            hint=spelt_otherwise(source) or _ANY,
        )
    return Location(source=source, repo=source, revision=revision)


def spelt_otherwise(source: str) -> str | None:
    """`Did you mean …?` where a directory of nearly this name lies in the same folder."""
    path = Path(source).expanduser()
    names: list[str] = []
    with suppress(OSError):
        names += [entry.name for entry in islice(path.parent.iterdir(), _MOST_NEIGHBOURS)]
    for name in get_close_matches(path.name, names, n=len(names) or 1, cutoff=_ALIKE):
        with suppress(OSError):
            if path.with_name(name).is_dir():
                return f"Did you mean {safe(Path(source).with_name(name))}?"
    return None


def _instead_of_file(path: Path) -> str:
    from roberta_inspect.records.saved import read_map

    if path.with_name("config.json").is_file():
        return f"Give the directory that holds it and its config.json: {safe(path.parent)}"
    if path.suffix.lower() == ".json":
        with suppress(CannotInspectError):
            read_map(path)
            return f"{safe(path)} is a saved map: roberta-inspect diff {safe(path)} CHECKPOINT"
    if is_batch(path):
        return f"{safe(path)} is a batch: roberta-inspect run CHECKPOINT --inputs {safe(path)}"
    return _ANY
