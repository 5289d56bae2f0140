"""Elements of HTML and SVG: the one place where strings that are not markup are escaped."""

from __future__ import annotations

import html
from typing import TypeAlias

from roberta_inspect.text import safe

VOID_ELEMENTS = frozenset({"meta", "br", "input", "path", "rect"})
"""Elements that hold nothing."""


class Html(str):
    """Finished markup; any other string is text."""

    __slots__ = ()


HtmlContent: TypeAlias = "Html | str | None"
"""What stands in an element; `None` is left out."""

Attribute: TypeAlias = "str | int | float | bool | None"
"""`True` is the attribute without a value; `False` and `None` leave it out."""


def escaped_html(text: str) -> Html:
    """`text` as markup, escaped, with control characters made visible."""
    return Html(html.escape(safe(text, longest=len(text))))


def joined(*contents: HtmlContent, between: str = "") -> Html:
    """Several contents after each other."""
    parts = [part if isinstance(part, Html) else escaped_html(part) for part in contents if part]
    return Html(between.join(parts))


def tag(element: str, /, *contents: HtmlContent, **attributes: Attribute) -> Html:
    """An element; `class_` is its `class`, and `_` in other names is `-`."""
    markup = "".join(_attribute(*attribute) for attribute in attributes.items())
    if element in VOID_ELEMENTS:
        return Html(f"<{element}{markup}/>")
    return Html(f"<{element}{markup}>{joined(*contents)}</{element}>")


def _attribute(name: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    shown = "" if value is True else escaped_html(str(value))
    return f' {name.rstrip("_").replace("_", "-")}="{shown}"'
