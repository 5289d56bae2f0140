"""`python -m roberta_inspect`, and the `roberta-inspect` command."""

from __future__ import annotations

import gc
import os
import signal
import sys
from types import FrameType
from typing import NoReturn


def main() -> None:
    """Run the command line.

    Importing torch and transformers makes millions of objects that live as long as the process:
    looking through them for garbage costs more than it frees, so the collector is off, and what
    is left at the end is not looked through either.
    """
    gc.disable()
    _fill_closed_streams()
    signal.signal(signal.SIGTERM, _end)
    try:
        from roberta_inspect.cli.commands import app

        app()
    except KeyboardInterrupt:  # before a command's body, which reports it itself
        from roberta_inspect.cli.refusals import INTERRUPTED

        print("Interrupted.", file=sys.stderr)
        sys.exit(INTERRUPTED)
    finally:
        gc.freeze()


def _end(number: int, _: FrameType | None) -> NoReturn:
    """End as after Ctrl-C: what is half-written is taken away, and a shell sees the signal."""
    sys.exit(128 + number)


def _fill_closed_streams() -> None:
    """What is opened next must not become stdout or stderr where these were closed."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


if __name__ == "__main__":
    main()
