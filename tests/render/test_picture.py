"""What Rich shows: colours for every terminal, and a picture of one that clips nothing."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from rich.color import Color
from samples import EAGER, MATRIX, REFUTED, hostile

from roberta_inspect.records import OutputMap
from roberta_inspect.render import colours, picture, rendered

SVG = "{http://www.w3.org/2000/svg}"
DESCENT = 0.3
"""How far letters reach below their line, as a part of their size: underscores in most fonts."""


def luminance(colour: tuple[int, int, int]) -> float:
    linear = [
        part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4
        for part in (channel / 255 for channel in colour)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(ink: tuple[int, int, int], paper: tuple[int, int, int]) -> float:
    darker, lighter = sorted((luminance(ink), luminance(paper)))
    return (lighter + 0.05) / (darker + 0.05)


NAMES = ("GOOD", "BAD", "DOUBT", "NAME")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("paper", [(255, 255, 255), (0, 0, 0)], ids=["white", "black"])
def test_colours_are_readable_on_a_white_and_on_a_black_terminal(
    name: str, paper: tuple[int, int, int]
) -> None:
    ink = tuple(Color.parse(getattr(colours, name)).get_truecolor())
    assert contrast(ink, paper) >= 3.8


@pytest.mark.parametrize("name", NAMES)
def test_colours_are_readable_in_the_picture(name: str) -> None:
    dark = Color.parse(getattr(colours, name)).get_truecolor().hex
    bright = tuple(Color.parse(picture.BRIGHTER[dark]).get_truecolor())
    assert contrast(bright, tuple(picture.THEME.background_color)) >= 4.5


def test_no_other_colour_is_drawn() -> None:
    drawn = {
        fill
        for output_map in (REFUTED, MATRIX)
        for fill in re.findall(r"fill: (#[0-9a-f]{6})", rendered(output_map, "terminal"))
    }
    foreground = tuple(picture.THEME.foreground_color)
    plain = "#" + "".join(f"{part:02x}" for part in foreground)
    other_fills = drawn - set(picture.BRIGHTER.values()) - {plain}
    assert all(
        contrast(tuple(Color.parse(fill).get_truecolor()), tuple(picture.THEME.background_color))
        >= 4.5
        for fill in other_fills
    )


@pytest.mark.parametrize("output_map", [EAGER, REFUTED, MATRIX, hostile()])
def test_no_text_stands_outside_the_frame(output_map: OutputMap) -> None:
    drawn = ElementTree.fromstring(rendered(output_map, "terminal"))
    frame = drawn.find(f".//{SVG}clipPath[@id='roberta-inspect-run-clip-terminal']/{SVG}rect")
    lines = drawn.findall(f".//{SVG}g[@class='roberta-inspect-run-matrix']/{SVG}text")
    size = re.search(r"font-size: (\d+)px", drawn.findtext(f"{SVG}style") or "")
    assert frame is not None
    assert size is not None
    for line in lines:
        if (line.text or "").strip():
            x, y, length = (float(line.get(name, "0")) for name in ("x", "y", "textLength"))
            assert x + length <= float(frame.get("width", "0"))
            assert y + DESCENT * float(size[1]) <= float(frame.get("height", "0"))
