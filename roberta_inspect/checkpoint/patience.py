"""Waiting for somebody else's server: said on stderr, and with an end."""

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
"""Seconds after which it is said that something is waited for; then after twice as many each."""

TRY_AGAIN = "Try again: what is complete already is in the cache and is not fetched twice."


def say(sentence: str) -> None:
    """One line on stderr."""
    if sys.stderr is not None:
        print(safe(sentence, longest=500), file=sys.stderr, flush=True)


@contextmanager
def patient(what: str, seconds: float) -> Iterator[None]:
    """Say when `what` takes long, and end it after so many `seconds`.

    Only an alarm ends a call that waits for the next byte, so both are for the main thread of a
    system that has alarms, and where nobody else uses them.

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
                f"{what} is not there after {seconds:,.0f} seconds", hint=TRY_AGAIN
            )
        if now >= due[0]:
            due[0] = now + 2 * (now - start)
            say(f"Waiting for {what}, for {now - start:.0f} of at most {seconds:,.0f} seconds")

    signal.signal(signal.SIGALRM, ring)
    # Again and again: what the first alarm raises, somebody else's code may have swallowed.
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
    """What the Hub's client logs in this thread: that it tries again is said, the rest is not.

    A filter is taken off without touching what others set, whatever the order.
    """

    def __init__(self, what: str) -> None:
        super().__init__()
        self.what = what
        self.thread = threading.get_ident()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record goes on: another thread's does."""
        if record.thread != self.thread:
            return True
        message = record.getMessage()
        if "[Retry" in message:
            say(f"Waiting for {self.what}: {message}")
        return False
