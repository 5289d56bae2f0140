"""Progress of long work on a terminal: the current step, the number of steps, the time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from roberta_inspect.progress import Progress, silent
from roberta_inspect.text import safe


@contextmanager
def progress_shown(message: str) -> Iterator[Progress]:
    """Show progress on stderr until the work is done, or nothing if stderr is not a terminal.

    Yields a function to call with the name of each step before it starts.
    """
    from rich import progress
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield silent
        return
    columns = (
        progress.SpinnerColumn(),
        progress.TextColumn("{task.description}", markup=False),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
    )
    with progress.Progress(*columns, console=console, transient=True) as line:
        task = line.add_task(message, total=None)

        def at_work(name: str, done: int, total: int) -> None:
            line.update(task, description=safe(name), completed=done, total=total)

        yield at_work
