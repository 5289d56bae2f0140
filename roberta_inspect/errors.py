"""The failures that a user can cause and mend: one sentence and one hint, never a traceback."""

from __future__ import annotations

import errno
from typing import ClassVar

NO_ROOM = ("can't allocate memory", "Cannot allocate memory")
"""How torch says that there is no memory for a tensor, and the system that none is for a file."""


class InspectError(Exception):
    """What went wrong in one sentence, and in `hint` what to do about it.

    The message follows other words, such as `Error: `: it starts in lower case unless with a name,
    and has no full stop. The hint is whole sentences.
    """

    exit_code: ClassVar[int] = 3

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(InspectError, ValueError):
    """The options or arguments do not fit together, or do not fit this checkpoint (exit code 2)."""

    exit_code = 2


class CannotInspectError(InspectError, RuntimeError):
    """The checkpoint, the saved map or the machine does not allow it (exit code 3)."""


class CheckError(AssertionError):
    """What `check()` raises: every reason why a map, a tree or a comparison is not `ok`."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, which is about the machine and not about the model.

    By name: torch has errors of its own and is not imported here; on the CPU it raises a plain
    `RuntimeError`.
    """
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or (isinstance(error, RuntimeError) and any(words in str(error) for words in NO_ROOM))
        or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
    )


def memory_error(error: BaseException) -> BaseException | None:
    """The error by which memory ran out, where `error` is it or was raised because of it."""
    cause: BaseException | None = error
    while cause is not None and not is_out_of_memory(cause):
        cause = cause.__cause__ or cause.__context__
    return cause
