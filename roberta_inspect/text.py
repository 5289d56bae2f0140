"""Words for untrusted text and for counts: the one place where strings are made fit to be shown."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence

LONGEST = 200
"""Characters of one untrusted string that are shown; the rest is counted."""

_NOT_SHOWN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that can move the cursor, turn the writing direction or break a line."""


def safe(untrusted: object, *, longest: int = LONGEST) -> str:
    r"""`untrusted` as one harmless line: control characters as `\x1b`, the middle of long text cut.

    Whatever a checkpoint brings (label names, tokens, class names, paths) passes through here.
    """
    text = str(untrusted)
    if len(text) > longest:
        rest = len(text) - longest
        text = (
            f"{text[: longest // 2]}… {rest:,} more characters …{text[-(longest - longest // 2) :]}"
        )
    return "".join(_visible(character) for character in text)


def _visible(character: str) -> str:
    if unicodedata.category(character) not in _NOT_SHOWN:
        return character
    return character.encode("unicode_escape").decode("ascii")


def counted(number: int, noun: str) -> str:
    """`1 item`, `12 items`, `1,024 items`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def listed(
    things: Sequence[object],
    *,
    most: int = 8,
    last: str = "and",
    show: Callable[[object], str] = str,
) -> str:
    """`a, b and c`; of more than `most` things the first ones and how many more there are.

    `show` makes words of the things that are named, and of no other: there may be many.
    """
    named = things if len(things) <= most else things[: most - 1]
    words = [show(each) for each in named]
    if len(named) < len(things):
        words.append(f"{len(things) - len(named):,} more")
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"


def dtype_word(dtype: object) -> str:
    """`float32` for `torch.float32`."""
    return str(dtype).removeprefix("torch.")


def storage(size: float) -> str:
    """Bytes in the largest binary unit that leaves at least one: `124.6 MiB`."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if size < 1024 or unit == "TiB":
            return f"{size:,.0f} {unit}" if unit == "B" else f"{size:,.1f} {unit}"
        size /= 1024
    raise AssertionError("unreachable: the last unit always returns")
