"""Meaningless values, drawn from a seed, and a tally of how each case ended."""

from __future__ import annotations

import decimal
import os
import random
import resource
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from roberta_inspect.errors import InspectError

SEED = int(os.environ.get("ROBERTA_INSPECT_FUZZ_SEED", "1"))
CASES = int(os.environ.get("ROBERTA_INSPECT_FUZZ_CASES", "60"))
"""Cases of each kind; a thousand where the fuzz runs by itself."""


class Mute:
    """Its `repr` raises, as that of a half-made object does."""

    def __repr__(self) -> str:
        raise RuntimeError("no words")


class BytesPath:
    """A path whose name is bytes, which `os.PathLike` allows."""

    def __fspath__(self) -> bytes:
        return b"no\xff-such"


SCALARS: tuple[Callable[[], Any], ...] = (
    lambda: None,
    lambda: True,
    lambda: False,
    lambda: 0,
    lambda: -1,
    lambda: 3,
    lambda: 10**12,
    lambda: 2**70,
    lambda: -(2**70),
    lambda: 1.5,
    lambda: float("nan"),
    lambda: float("inf"),
    lambda: 1j,
    lambda: "",
    lambda: " ",
    lambda: "3",
    lambda: "positive",
    lambda: "eager",
    lambda: "cpu",
    lambda: "a\0b",
    lambda: "half \udcff a character",
    lambda: "x" * 10**5,
    lambda: "../..",
    lambda: "owner/name/more",
    lambda: "\x1b[31m[/red]",
    lambda: b"bytes",
    lambda: bytearray(3),
    lambda: decimal.Decimal("1.5"),
    lambda: ...,
    lambda: NotImplemented,
    lambda: object(),
    lambda: Mute(),
    lambda: BytesPath(),
    lambda: Path("no-such-folder"),
    lambda: Path(__file__),
    lambda: int,
    lambda: len,
    lambda: range(3),
    lambda: slice(2),
    lambda: (value for value in (1, 2)),
    lambda: torch.nn.Linear(2, 2),
    lambda: torch.nn.Linear,
    lambda: torch.float32,
    lambda: torch.device("cpu"),
    lambda: torch.tensor(1),
    lambda: torch.tensor([[0.5, float("nan")]]),
    lambda: torch.zeros(2, dtype=torch.complex64),
    lambda: torch.zeros(0),
    lambda: torch.zeros(2, 3, device="meta"),
    lambda: torch.eye(2).to_sparse(),
    lambda: np.array([1, 2]),
    lambda: np.array(["a", None], dtype=object),
    lambda: np.float16(1),
    lambda: np.int64(2),
    lambda: sys,
    lambda: ValueError("x"),
)


def drawn(random_: random.Random, depth: int = 0) -> Any:
    """Any value: a scalar, or a container of some."""
    kind = random_.randrange(8) if depth < 2 else 0
    size = random_.choice((0, 1, 2, 2, 2, 3, 5))
    if kind == 6:
        container = random_.choice((list, list, list, tuple, set, frozenset, iter))
        values = [drawn(random_, depth + 1) for _ in range(size)]
        return (
            values if container in (set, frozenset) and not _hashable(values) else container(values)
        )
    if kind == 7:
        return {_key(random_): drawn(random_, depth + 1) for _ in range(size)}
    return random_.choice(SCALARS)()


def _hashable(values: list[Any]) -> bool:
    try:
        set(values)
    except TypeError:
        return False
    return True


def _key(random_: random.Random) -> Any:
    return random_.choice(("input_ids", "attention_mask", "labels", "x", 0, None, "\udcff", 1.5))


class Tally:
    """How every case ended; anything but a product or a refusal is a fault."""

    def __init__(self) -> None:
        self.ends: Counter[str] = Counter()
        self.faults: list[str] = []

    def call(self, case: str, function: Callable[[], Any]) -> Any:
        """Call `function`; its value, or `None` where it was refused or raised."""
        try:
            value = function()
        except InspectError as error:
            self.ends[f"exit code {error.exit_code}"] += 1
            if not error.message or not error.hint or "\n" in error.message + error.hint:
                self.faults.append(f"{case}: {error.message!r} {error.hint!r}")
            return None
        except BaseException as error:
            self.ends[type(error).__name__] += 1
            where = "".join(traceback.format_tb(error.__traceback__)[-3:])
            self.faults.append(f"{case}: {type(error).__name__}: {str(error)[:300]}\n{where}")
            return None
        self.ends["done"] += 1
        return value

    def close(self, kind: str) -> None:
        """Print the tally, and fail with the first faults if there are any."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{kind}: seed {SEED}, {sum(self.ends.values())} cases, {dict(self.ends)}, "
            f"peak {peak:,.0f} MiB"
        )
        shown = "\n\n".join(self.faults[:5])
        assert not self.faults, f"{len(self.faults)} of seed {SEED}; the first:\n\n{shown}"


def repeated(cases: int, salt: str) -> Iterator[tuple[int, random.Random]]:
    """A random generator for every case, so that one can be made again by itself."""
    for number in range(cases):
        yield number, random.Random(f"{SEED} {salt} {number}")
