"""How long work says what it is at, to whoever wants to know."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called before a call, a claim or a consumer starts: its name, how many of its kind are done, and
of how many."""


def silent(name: str, done: int, total: int) -> None:
    """Tell nobody."""
