"""Who gets what: one module per consumer of the outputs, each really called.

A consumer is a row of the table. Its module is imported when it is called and not before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, NamedTuple

from roberta_inspect.errors import CannotInspectError, UsageError
from roberta_inspect.progress import Progress, silent
from roberta_inspect.records import Consumer
from roberta_inspect.text import listed, safe

if TYPE_CHECKING:
    from roberta_inspect.consumer.subject import Subject

INSTALL = "pip install 'roberta-inspect[consumers]'"


class Entry(NamedTuple):
    """One consumer."""

    id: str
    title: str
    """What is called, as it is written in Python."""
    rows: str
    """The function that calls it in every way, as `module:function` below this package."""
    needs: tuple[str, ...] = ()
    """The packages that it needs and that are not installed with this one."""

    @property
    def missing(self) -> tuple[str, ...]:
        """Those of `needs` that are not installed."""
        return tuple(name for name in self.needs if find_spec(name) is None)


ONNX = Entry("onnx", "torch.onnx.export", "onnx:rows", ("onnx", "onnxscript", "onnxruntime"))

TABLE = (
    Entry("pipeline", 'pipeline("text-classification")', "pipeline:rows"),
    Entry("feature-extraction", 'pipeline("feature-extraction")', "feature_extraction:rows"),
    Entry("trainer", "Trainer.predict", "trainer:rows", ("accelerate",)),
    Entry("jit-trace", "torch.jit.trace", "jit_trace:rows"),
    Entry("export", "torch.export.export", "export:rows"),
    ONNX,
    Entry("compile", "torch.compile", "compile:rows"),
)

IDS = tuple(entry.id for entry in TABLE)


def chosen(only: Sequence[str] | None) -> tuple[Entry, ...]:
    """The consumers of these ids, in the order of the table; all of them for `None`.

    Raises:
        UsageError: there is no such consumer.
    """
    if only is None:
        return TABLE
    for name in only:
        if name not in IDS:
            raise UsageError(
                f'there is no consumer "{safe(name, longest=40)}"',
                hint=f"The consumers are {listed(IDS)}.",
            )
    return tuple(entry for entry in TABLE if entry.id in only)


def consume(
    subject: Subject, entries: Sequence[Entry] = TABLE, *, progress: Progress = silent
) -> Iterator[Consumer]:
    """One row per way of calling each of these consumers; `progress` is told which one is next."""
    for number, entry in enumerate(entries):
        progress(entry.title, number, len(entries))
        if entry.missing:
            yield _not_installed(entry)
        else:
            yield from _rows(entry, subject)


def _rows(entry: Entry, subject: Subject) -> Iterator[Consumer]:
    """The rows of one consumer; what is raised outside its calls, by an import, is a row too."""
    from roberta_inspect.consumer.way import raised

    try:
        yield from resolve_name(f"{__name__}.{entry.rows}")(subject)
    except Exception as error:
        yield raised(entry.id, entry.title, error)


def _not_installed(entry: Entry) -> Consumer:
    note = f"{listed(entry.missing)} {'is' if len(entry.missing) == 1 else 'are'} not installed: "
    return Consumer(
        id=entry.id, title=entry.title, status="not-installed", notes=(f"{note}{INSTALL}",)
    )


def check_onnx(path: Path) -> None:
    """Say what is wrong with an exported model before anything heavy is imported.

    Raises:
        CannotInspectError: there is no such file, or what runs it is not installed.
    """
    if not path.is_file():
        raise CannotInspectError(
            f"{safe(path)} does not exist", hint="Give the file that torch.onnx.export wrote."
        )
    if missing := [name for name in ONNX.missing if name != "onnxscript"]:
        raise CannotInspectError(
            f"an ONNX file is run with {listed(missing)}, which this environment lacks",
            hint=f"Install what the consumers need: {INSTALL}",
        )


def onnx_row(subject: Subject, path: Path) -> Consumer:
    """What the outputs of a user's own exported model are.

    Raises:
        CannotInspectError: it cannot be read or run, or asks for another input.
    """
    row: Consumer = resolve_name(f"{__name__}.onnx:file_row")(subject, path)
    return row
