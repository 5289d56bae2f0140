"""What `--output` may replace: an earlier output of this tool, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from roberta_inspect.checkpoint.files import FORMS
from roberta_inspect.checkpoint.locate import DEMO
from roberta_inspect.checkpoint.vocabulary import SETTINGS
from roberta_inspect.errors import CannotInspectError, UsageError
from roberta_inspect.text import safe

VOCABULARIES = (
    *("vocab.json", "merges.txt", "vocab.txt", "bpe.codes"),
    *("sentencepiece.bpe.model", "sentencepiece.model", "spiece.model"),
)
NAMES_READ = frozenset({"config.json", "adapter_config.json", *FORMS, *SETTINGS, *VOCABULARIES})
"""Files of a checkpoint's folder that are read if they are there."""

BEGINNING = re.compile(
    rb'\{\s+"schema": \d+,\s'
    rb"|#+ (\S+ )?roberta-inspect "
    rb'|<svg [^>]*class="(rich-terminal|diagram)"'
    rb"|<!DOCTYPE html>(?s:.*?)<title>roberta-inspect"
    rb"|::(error|warning|notice) (title|file)="
    rb"|(Checkpoint|Left) {2,}\S"
    rb"|\S[^\n]{0,200}\s{2,}when called with "
)
"""How a file begins that this tool wrote: JSON, Markdown, SVG, HTML, annotations, the table, an
explanation."""

LOOKED_AT = 1024
"""Bytes at the beginning of a file by which it is recognised."""


def check_overwrite(shown: Path, place: Path, inputs: Iterable[str | None]) -> None:
    """Refuse a file that is read, would be read with the checkpoint, or is not this tool's.

    Files are the same where the system says so, whatever they are called: through links, other
    spellings and hard links. `place` is `shown` behind its links; `inputs` are as typed.

    Raises:
        UsageError: whose file it is.
        CannotInspectError: the file that is there cannot be read.
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
    """Whether `place` is the input `path`, or one of its files where it is a folder."""
    with suppress(OSError, ValueError):
        if not path.is_dir():
            return _is_same(place, path)
        if place.name in NAMES_READ and _is_same(place.parent, path):
            return True
        return not _is_ours(place) and any(_is_same(place, each) for each in path.iterdir())
    return False


def _is_same(place: Path, other: Path) -> bool:
    with suppress(OSError):
        return place.samefile(other)
    return False


def _is_ours(place: Path) -> bool:
    """Whether nothing is lost: there is no such file, it is empty, or this tool wrote it."""
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
