"""What each consumer of the outputs returns: one module per consumer, which really calls it.

A consumer is a row of `TABLE`. Its module is imported only when the consumer is called.
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
    """The packages that it needs beyond the dependencies of this one."""

    @property
    def missing(self) -> tuple[str, ...]:
        """The packages in `needs` that are not installed."""
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

CONSUMER_IDS = tuple(entry.id for entry in TABLE)


def choose_entries(only: Sequence[str] | None) -> tuple[Entry, ...]:
    """The consumers with these ids, in the order of the table. `None` means all of them.

    Raises:
        UsageError: there is no consumer with one of the ids.
    """
    if only is None:
        return TABLE
    for name in only:
        if name not in CONSUMER_IDS:
            raise UsageError(
                f'there is no consumer "{safe(name, longest=40)}"',
                hint=f"The consumers are {listed(CONSUMER_IDS)}.",
            )
    return tuple(entry for entry in TABLE if entry.id in only)


def consume(
    subject: Subject, entries: Sequence[Entry] = TABLE, *, progress: Progress = silent
) -> Iterator[Consumer]:
    """One row per way of calling each of these consumers. Reports each consumer to `progress`."""
    for number, entry in enumerate(entries):
        progress(entry.title, number, len(entries))
        if entry.missing:
            yield _not_installed(entry)
        else:
            yield from _entry_rows(entry, subject)


def _entry_rows(entry: Entry, subject: Subject) -> Iterator[Consumer]:
    """The rows of one consumer. An exception outside its calls, as by an import, is a row too."""
    from roberta_inspect.consumer.row import raised_row

    try:
        yield from resolve_name(f"{__name__}.{entry.rows}")(subject)
    except Exception as error:
        yield raised_row(entry.id, entry.title, error)


def _not_installed(entry: Entry) -> Consumer:
    note = f"{listed(entry.missing)} {'is' if len(entry.missing) == 1 else 'are'} not installed: "
    return Consumer(
        id=entry.id, title=entry.title, status="not-installed", notes=(f"{note}{INSTALL}",)
    )


def check_onnx(path: Path) -> None:
    """Check that an exported model can be opened, before anything heavy is imported.

    Raises:
        CannotInspectError: there is no such file, or the packages that run it are not installed.
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
        CannotInspectError: it cannot be read or run, or needs another input.
    """
    row: Consumer = resolve_name(f"{__name__}.onnx:file_row")(subject, path)
    return row
