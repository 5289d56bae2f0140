"""Elements of HTML and SVG: the one place where strings that are not markup are escaped."""

from __future__ import annotations

import html
from typing import TypeAlias

from roberta_inspect.text import safe

EMPTY = frozenset({"meta", "br", "input", "path", "rect"})
"""Elements that hold nothing."""


class Html(str):
    """Finished markup; any other string is text."""

    __slots__ = ()


Content: TypeAlias = "Html | str | None"
"""What stands in an element; `None` is left out."""

Attribute: TypeAlias = "str | int | float | bool | None"
"""`True` is the attribute without a value; `False` and `None` leave it out."""


def escaped(text: str) -> Html:
    """Text as markup that shows it: control characters visible, whatever it holds."""
    return Html(html.escape(safe(text, longest=len(text))))


def joined(*contents: Content, between: str = "") -> Html:
    """Several contents after each other."""
    parts = [part if isinstance(part, Html) else escaped(part) for part in contents if part]
    return Html(between.join(parts))


def tag(element: str, /, *contents: Content, **attributes: Attribute) -> Html:
    """An element; `class_` is its `class`, and `_` in other names is `-`."""
    given = "".join(_attribute(*each) for each in attributes.items())
    if element in EMPTY:
        return Html(f"<{element}{given}/>")
    return Html(f"<{element}{given}>{joined(*contents)}</{element}>")


def _attribute(name: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    shown = "" if value is True else escaped(str(value))
    return f' {name.rstrip("_").replace("_", "-")}="{shown}"'
