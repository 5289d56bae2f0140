"""How the tuple is built: what each module on the way returned, and where it goes from there."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from roberta_inspect.records import OutputMap, StageSlot
from roberta_inspect.render import colours, phrases
from roberta_inspect.render.blocks import GAP, LABEL, block, rows
from roberta_inspect.text import listed, safe

WHOSE = f"bold {colours.NAME}"

NAME = 27
"""Columns of a name with its number of items: the same for every stage, so that they line up."""


def stages(of: OutputMap) -> Group:
    """The encoder, the base model and the model itself, from the inside out."""
    return block("How the tuple is built", *_each(of))


def _each(of: OutputMap) -> Iterator[RenderableType]:
    for stage in of.stages:
        whose = safe(stage.module or of.checkpoint.architecture)
        yield Text.assemble("  ", (whose, WHOSE), f" returned {safe(stage.container)}")
        grid = Table.grid(padding=GAP)
        grid.add_column(min_width=LABEL)
        grid.add_column(min_width=NAME)
        grid.add_column(overflow="fold")
        for slot in stage.shown:
            index = Text(f"    {phrases.stage_index(slot)}", "dim")
            grid.add_row(index, Text(phrases.stage_slot(slot)), _goes(slot))
        yield grid
        if stage.left_out:
            names = listed([slot.name for slot in stage.left_out], most=20, show=phrases.name)
            yield rows([(Text("    None", "dim"), Text(names, "dim"))])


def _goes(slot: StageSlot) -> Text:
    return Text(phrases.goes(slot), colours.GOOD if slot.reaches else "dim")
