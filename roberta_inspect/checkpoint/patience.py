"""Waiting for a server: reported on stderr, and limited."""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from roberta_inspect.errors import CannotInspectError
from roberta_inspect.text import safe

FIRST_WORD = 5
"""Seconds until the first message; each further one comes after twice as long."""

TRY_AGAIN = "Try again: what is complete already is in the cache and is not fetched twice."


def say(sentence: str) -> None:
    """One line on stderr."""
    if sys.stderr is not None:
        print(safe(sentence, longest=500), file=sys.stderr, flush=True)


@contextmanager
def patient(task: str, seconds: float) -> Iterator[None]:
    """Report that `task` takes long, and end it after `seconds`.

    Only an alarm ends a call that waits for the next byte. Outside the main thread, on a system
    without alarms and where the alarm is in use, nothing is reported or ended.

    Raises:
        CannotInspectError: it took longer.
    """
    if not _has_alarm():
        yield
        return
    start = time.monotonic()
    due = [start + FIRST_WORD]

    def ring(*_: Any) -> None:
        now = time.monotonic()
        if now - start >= seconds:
            raise CannotInspectError(
                f"{task} is not there after {seconds:,.0f} seconds", hint=TRY_AGAIN
            )
        if now >= due[0]:
            due[0] = now + 2 * (now - start)
            say(f"Waiting for {task}, for {now - start:.0f} of at most {seconds:,.0f} seconds")

    signal.signal(signal.SIGALRM, ring)
    # The alarm repeats: a library may swallow what the first one raises.
    signal.setitimer(signal.ITIMER_REAL, min(FIRST_WORD, seconds), 1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)


def _has_alarm() -> bool:
    return (
        hasattr(signal, "SIGALRM")
        and threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
        and signal.getitimer(signal.ITIMER_REAL)[0] == 0
    )


class Retries(logging.Filter):
    """Report the retries that the Hub's client logs in this thread, and drop its other records.

    A filter, since it can be removed without touching what others set.
    """

    def __init__(self, task: str) -> None:
        super().__init__()
        self.task = task
        self.thread = threading.get_ident()

    def filter(self, record: logging.LogRecord) -> bool:
        """Let the records of other threads pass."""
        if record.thread != self.thread:
            return True
        message = record.getMessage()
        if "[Retry" in message:
            say(f"Waiting for {self.task}: {message}")
        return False
