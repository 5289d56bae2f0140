"""A child process that loads and runs a tokenizer before this one does.

A `tokenizer.json` is a program for that code. It can make it panic, abort or take all memory,
which no exception handler in the same process survives. The child starts in some 0.05 seconds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from roberta_inspect.checkpoint import trial
from roberta_inspect.errors import CannotInspectError
from roberta_inspect.records import Text
from roberta_inspect.text import counted, safe, storage

PATIENCE = 2 * trial.MOST_SECONDS
"""Seconds after which the child is killed."""

MOST_IDS = 2**20
"""Ids of all rows together, each as long as the longest: room for 2,048 rows of 512."""

SHORT, PER_BYTE = 1024, 16
"""Ids of a row that do not depend on the text, and ids of one byte of it, at the most: a byte-level
tokenizer makes one, and a normalizer some more."""

TOKENIZER_HINT = "Save the tokenizer again with tokenizer.save_pretrained, or leave texts= out."


class Sandbox:
    """The child process for the tokenizer of one checkpoint; a context manager, which ends it."""

    def __init__(self, source: str) -> None:
        self.source = source
        specification = find_spec("tokenizers")
        origin = None if specification is None else specification.origin
        folder = Path(origin or __file__).parent.parent
        self.process = subprocess.Popen(
            # Isolated: neither the current folder nor the environment decides what is imported.
            [sys.executable, "-I", "-S", trial.__file__, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "TOKENIZERS_PARALLELISM": "false"},
        )
        self.clock = threading.Timer(PATIENCE, self.process.kill)
        self.clock.daemon = True
        self.clock.start()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.clock.cancel()
        self.process.kill()
        self.process.communicate()

    def load(self, path: Path) -> None:
        """Load a `tokenizer.json`.

        Raises:
            CannotInspectError: it cannot be loaded.
        """
        self._ask("loaded", file=str(path))

    def run(self, tokenizer: Any, texts: Sequence[Text]) -> None:
        """Run the texts through the pipeline of a fast tokenizer.

        Raises:
            CannotInspectError: it cannot be run, or makes more ids than any model holds.
        """
        pairs = [[text.first] if text.second is None else list(text.parts) for text in texts]
        pipeline = tokenizer.backend_tokenizer.to_str()
        longest = self._ask("run on these texts", pipeline=pipeline, texts=pairs)
        size = max(len("".join(pair).encode(errors="surrogatepass")) for pair in pairs)
        if longest > SHORT + PER_BYTE * size:
            raise CannotInspectError(
                f"the tokenizer of {safe(self.source)} makes {longest:,} ids of at most "
                f"{counted(size, 'byte')} of text",
                hint=TOKENIZER_HINT,
            )
        if longest * len(texts) > MOST_IDS:
            raise CannotInspectError(
                f"the tokenizer of {safe(self.source)} makes {longest:,} ids of one text, and "
                f"{len(texts):,} such rows are more than {MOST_IDS:,} ids",
                hint="Give shorter or fewer texts; where they are short, save the tokenizer again "
                "with tokenizer.save_pretrained.",
            )

    def _ask(self, action: str, **request: Any) -> int:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            answer = json.loads(self.process.stdout.readline())
            reason = answer.get("error")
        except (OSError, ValueError):
            answer = {}
            limits = f"{storage(trial.MOST_MEMORY)} or {trial.MOST_SECONDS} seconds"
            reason = f"it crashed, or wanted more than {limits}"
        if reason is not None:
            raise CannotInspectError(
                f"the tokenizer of {safe(self.source)} cannot be {action}: {safe(reason)}",
                hint=TOKENIZER_HINT,
            )
        return int(answer["longest"])
