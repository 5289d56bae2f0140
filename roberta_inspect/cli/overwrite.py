"""What `--output` may replace: only an earlier output of this tool."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from roberta_inspect.checkpoint.files import WEIGHT_FORMS
from roberta_inspect.checkpoint.locate import DEMO
from roberta_inspect.checkpoint.vocabulary import SETTINGS
from roberta_inspect.errors import CannotInspectError, UsageError
from roberta_inspect.text import safe

VOCABULARIES = (
    *("vocab.json", "merges.txt", "vocab.txt", "bpe.codes"),
    *("sentencepiece.bpe.model", "sentencepiece.model", "spiece.model"),
)
NAMES_READ = frozenset(
    {"config.json", "adapter_config.json", *WEIGHT_FORMS, *SETTINGS, *VOCABULARIES}
)
"""Files in a checkpoint's folder that are read if they exist."""

BEGINNING = re.compile(
    rb'\{\s+"schema": \d+,\s'
    rb"|#+ (\S+ )?roberta-inspect "
    rb'|<svg [^>]*class="(rich-terminal|diagram)"'
    rb"|<!DOCTYPE html>(?s:.*?)<title>roberta-inspect"
    rb"|::(error|warning|notice) (title|file)="
    rb"|(Checkpoint|Left) {2,}\S"
    rb"|\S[^\n]{0,200}\s{2,}when called with "
)
"""The beginning of every file that this tool writes: JSON, Markdown, SVG, HTML, annotations, the
table, an explanation."""

LOOKED_AT = 1024
"""How many bytes of a file are read to recognise it."""


def check_overwrite(shown: Path, place: Path, inputs: Iterable[str | None]) -> None:
    """Refuse to overwrite an input, a file of a checkpoint, or a file that is not this tool's.

    The system says whether two files are the same, so links and other spellings do not matter.
    `place` is `shown` with its links resolved. `inputs` are as the user typed them.

    Raises:
        UsageError: the file belongs to an input, or this tool did not write it.
        CannotInspectError: the existing file cannot be read.
    """
    for word in inputs:
        path = DEMO if word is None else Path(word).expanduser()
        if word == "demo" and not path.is_dir():
            path = DEMO
        if _is_part(place, path):
            raise UsageError(
                f"--output {safe(shown)} is a file of {safe(word or 'the demo')}, which is read",
                hint="Name another file, or - for stdout.",
            )
    if not _is_ours(place):
        raise UsageError(
            f"--output {safe(shown)} exists, and it is no earlier output of roberta-inspect",
            hint="Name another file, or remove that one first.",
        )


def _is_part(place: Path, path: Path) -> bool:
    """Whether `place` is the input `path`, or one of the files in that folder."""
    with suppress(OSError, ValueError):
        if not path.is_dir():
            return _is_same(place, path)
        if place.name in NAMES_READ and _is_same(place.parent, path):
            return True
        return not _is_ours(place) and any(_is_same(place, file) for file in path.iterdir())
    return False


def _is_same(place: Path, other: Path) -> bool:
    with suppress(OSError):
        return place.samefile(other)
    return False


def _is_ours(place: Path) -> bool:
    """Whether nothing would be lost: the file is missing or empty, or this tool wrote it."""
    try:
        with place.open("rb") as opened:
            beginning = opened.read(LOOKED_AT)
    except FileNotFoundError:
        return True
    except OSError as error:
        raise CannotInspectError(
            f"{safe(place)} cannot be looked at: {safe(error.strerror)}", hint="Name another file."
        ) from error
    return not beginning or BEGINNING.match(beginning) is not None
