"""A Rich renderable as plain text."""

from __future__ import annotations

import io

from rich.console import Console, RenderableType


def plain_text(renderable: RenderableType, *, width: int | None = None) -> str:
    """`renderable` as text without colour and without spaces at the ends of lines.

    Args:
        renderable: anything that Rich can print.
        width: columns; `None` for `COLUMNS`, or 80 where that is not set.
    """
    file = io.StringIO()
    console = Console(file=file, width=width, color_system=None, force_terminal=False)
    console.print(renderable)
    return "\n".join(line.rstrip() for line in file.getvalue().split("\n"))
