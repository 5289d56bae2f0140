"""The child process in which a tokenizer is tried: it may crash or fill the memory here.

Run as a script with the folder that holds `tokenizers` as its argument; nothing else is imported.
Each line of stdin is a request as JSON: `{"file": …}` loads a `tokenizer.json`,
`{"pipeline": …, "texts": [[first, second or null], …]}` runs the texts through one. Each line of
stdout answers with `{"longest": …}`, the ids of the longest row, or `{"error": …}`.
"""

from __future__ import annotations

import contextlib
import json
import sys
from typing import Any

MOST_MEMORY = 3 * 2**28
"""Bytes that loading and running may take: three times those of a vocabulary of 250,000 pieces."""

MOST_SECONDS = 30
"""Of computing time."""


def _limit() -> None:
    """Limit this process to `ROOM` and `SECONDS`, where the system can."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        with open("/proc/self/statm", encoding="ascii") as opened:  # noqa: PTH123 # nothing imported
            pages = int(opened.read().split()[0])
        size = pages * resource.getpagesize() + MOST_MEMORY
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        if hard != resource.RLIM_INFINITY:
            size = min(size, hard)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))
        resource.setrlimit(resource.RLIMIT_AS, (size, size))


def _longest(request: dict[str, Any]) -> int:
    from tokenizers import Tokenizer

    if "file" in request:
        Tokenizer.from_file(request["file"])
        return 0
    tokenizer = Tokenizer.from_str(request["pipeline"])
    return max(len(tokenizer.encode(*pair)) for pair in request["texts"])


def main() -> None:
    """Answer every line of stdin."""
    sys.path.insert(0, sys.argv[1])
    import tokenizers  # noqa: F401 # before the limit, which is for the tokenizer

    _limit()
    for line in sys.stdin:
        try:
            answer: dict[str, Any] = {"longest": _longest(json.loads(line))}
        except BaseException as error:  # a panic in Rust is not an Exception
            answer = {"error": f"{type(error).__name__}: {error}"[:2000]}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
