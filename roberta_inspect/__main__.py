"""`python -m roberta_inspect`, and the `roberta-inspect` command."""

from __future__ import annotations

import gc


def main() -> None:
    """Run the command line.

    Importing torch and transformers makes millions of objects that live as long as the process:
    looking through them for garbage costs more than it frees, so the collector is off, and what
    is left at the end is not looked through either.
    """
    gc.disable()
    from roberta_inspect.cli import app

    try:
        app()
    finally:
        gc.freeze()


if __name__ == "__main__":
    main()
