"""Arguments of the public functions, checked before any work: a sentence, not a raw error."""

from __future__ import annotations

import os
from numbers import Integral
from pathlib import Path
from typing import Any

from roberta_inspect.errors import UsageError
from roberta_inspect.text import safe


def check_flags(**flags: Any) -> None:
    """Each is `True` or `False`.

    Raises:
        UsageError: the first that is not.
    """
    for name, value in flags.items():
        if not isinstance(value, bool):
            raise UsageError(
                f"{name}={shown(value)} is neither True nor False",
                hint=f"Give {name}=True or {name}=False.",
            )


def check_sizes(**sizes: Any) -> None:
    """Each is a whole number; numpy's are allowed.

    Raises:
        UsageError: the first that is not.
    """
    for name, value in sizes.items():
        if type(value) is bool or not isinstance(value, Integral):
            raise UsageError(
                f"{name} is of type {safe(type(value).__name__)}, not a whole number",
                hint=f"Give {name}= an int.",
            )


def check_words(**words: Any) -> None:
    """Each is `None` or a string that can be written.

    Raises:
        UsageError: the first that is not.
    """
    for name, value in words.items():
        if value is None:
            continue
        if not isinstance(value, str):
            raise UsageError(
                f"{name}={shown(value)} is not a string", hint=f"Give {name}= a string, or None."
            )
        if not value or "\0" in value or not is_unicode(value):
            raise UsageError(
                f"{name}={shown(value)} is empty, or holds an invalid character",
                hint=f"Give {name}= a string, or leave it out.",
            )


def is_unicode(text: str) -> bool:
    """Whether a string can be written: bytes that no encoding knew are half of a character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def shown(value: Any) -> str:
    """A value in a sentence, which its own `repr` must not break."""
    try:
        return safe(repr(value), longest=60)
    except Exception as error:
        return f"<{type(value).__name__} whose repr raises {type(error).__name__}>"


def check_progress(progress: Any) -> None:
    """It can be called.

    Raises:
        UsageError: it cannot.
    """
    if not callable(progress):
        raise UsageError(
            f"progress={shown(progress)} cannot be called",
            hint="Give a function of a name and two numbers, or leave progress= out.",
        )


def path_of(name: str, value: Any) -> Path:
    """The path in a string or a path object.

    Raises:
        UsageError: it is neither, or no system has such a path.
    """
    if not isinstance(value, str | os.PathLike) or "\0" in os.fsdecode(value):
        raise UsageError(f"{name}={shown(value)} is not a path", hint=f"Give {name}= a path.")
    return Path(os.fsdecode(value))


def check_names(name: str, value: Any) -> None:
    """`None`, or a list of strings.

    Raises:
        UsageError: it is something else.
    """
    is_list = isinstance(value, list | tuple | set | frozenset)
    if value is not None and not (is_list and all(isinstance(item, str) for item in value)):
        raise UsageError(
            f"{name}={shown(value)} is not a list of names",
            hint=f'Give {name}=["…"], or leave it out.',
        )
