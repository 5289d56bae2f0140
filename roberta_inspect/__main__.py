"""`python -m roberta_inspect`, and the `roberta-inspect` command."""

from __future__ import annotations

import gc
import sys


def main() -> None:
    """Run the command line.

    Importing torch and transformers makes millions of objects that live as long as the process:
    looking through them for garbage costs more than it frees, so the collector is off, and what
    is left at the end is not looked through either.
    """
    gc.disable()
    try:
        from roberta_inspect.cli.commands import app

        app()
    except KeyboardInterrupt:  # before a command's body, which reports it itself
        from roberta_inspect.cli.refusals import INTERRUPTED

        print("Interrupted.", file=sys.stderr)
        sys.exit(INTERRUPTED)
    finally:
        gc.freeze()


if __name__ == "__main__":
    main()
