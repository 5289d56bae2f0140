"""Makes untrusted text safe to show, and puts counts and lists into words."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

LONGEST_SHOWN = 200
"""How many characters of one untrusted string are shown. The rest is counted."""

_NOT_SHOWN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that can move the cursor, change the writing direction or break a line."""


def safe(untrusted: object, *, longest: int = LONGEST_SHOWN) -> str:
    r"""`untrusted` as one harmless line: control characters as `\x1b`, the middle of long text cut.

    Everything that comes from a checkpoint (label names, tokens, class names, paths) passes here.
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
    values: Sequence[object],
    *,
    most: int = 8,
    last: str = "and",
    show: Callable[[object], str] = str,
) -> str:
    """`a, b and c`. Of more than `most` values, the first ones and how many more there are.

    `show` is only called for the values that are named, because there may be very many.
    """
    named = values if len(values) <= most else values[: most - 1]
    words = [show(value) for value in named]
    if len(named) < len(values):
        words.append(f"{len(values) - len(named):,} more")
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"


def distinct_names(names: Mapping[int, str]) -> dict[int, str]:
    """Names of labels by id: `yes (id:1)` where two share a name, `(id:2)` without a name."""
    counts = Counter(names.values())
    return {
        label: name
        if name.strip() and counts[name] == 1
        else f"{safe(name.strip(), longest=40)} (id:{label})".strip()
        for label, name in names.items()
    }


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
