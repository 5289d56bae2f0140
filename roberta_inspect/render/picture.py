"""What Rich shows on a terminal as an SVG picture."""

from __future__ import annotations

import io
import re
from html import escape

from rich.console import Console, RenderableType
from rich.terminal_theme import TerminalTheme

WIDTH = 100
"""Columns that are still readable at the width of a code host's page."""

FONTS = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
"""Fonts of the reader's machine: a picture fetches nothing from elsewhere."""

THEME = TerminalTheme(
    background=(30, 31, 36),
    foreground=(236, 238, 240),
    normal=[
        (90, 94, 104),
        (255, 107, 107),
        (126, 211, 127),
        (240, 200, 95),
        (110, 170, 255),
        (208, 150, 240),
        (100, 205, 225),
        (200, 204, 210),
    ],
)
"""Light on dark; dimmed text keeps a contrast of more than 4.5 to the background."""

BRIGHTER = {"#008700": "#7ed37f", "#d70000": "#ff6b6b", "#af5f00": "#f0c85f", "#0087af": "#64cde1"}
"""The colours of a terminal → those that are readable on this background."""

SVG = """\
<svg class="rich-terminal" xml:space="preserve" viewBox="0 0 {width} {height}" role="img" \
xmlns="http://www.w3.org/2000/svg">
<title>TITLE</title>
<style>
.{unique_id}-matrix {{ font-family: FONTS; font-size: {char_height}px; \
line-height: {line_height}px; font-variant-east-asian: full-width; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: FONTS; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{width}" height="{height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def picture(renderable: RenderableType, *, title: str, width: int | None = None) -> str:
    """A picture of a terminal that shows `renderable`; the same bytes every time.

    Args:
        renderable: what is shown.
        title: of the window; plain text.
        width: columns.
    """
    drawn = _recorded(renderable, width or WIDTH).export_svg(
        title=title,
        theme=THEME,
        code_format=_filled(SVG, title),
        unique_id=title.replace(" ", "-"),
    )
    return re.sub("(?<=fill: )#[0-9a-f]{6}", lambda match: BRIGHTER.get(match[0], match[0]), drawn)


def _filled(template: str, title: str) -> str:
    shown = escape(title).replace("{", "{{").replace("}", "}}")
    return template.replace("FONTS", FONTS).replace("TITLE", shown)


def _recorded(renderable: RenderableType, width: int) -> Console:
    console = Console(
        record=True,
        width=width,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
        no_color=False,
        legacy_windows=False,
    )
    console.print(renderable)
    return console
