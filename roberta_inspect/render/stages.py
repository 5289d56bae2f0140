"""How the tuple is built: what each module on the way returned, and where it goes from there."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from roberta_inspect.records import OutputMap, StageSlot
from roberta_inspect.render import colours, phrases
from roberta_inspect.render.blocks import COLUMN_GAP, LABEL_WIDTH, block, two_columns
from roberta_inspect.text import listed, safe

MODULE_STYLE = f"bold {colours.NAME}"

NAME_WIDTH = 27
"""Columns of a name with its number of items: the same for every stage, so that they line up."""


def stages(output_map: OutputMap) -> Group:
    """The encoder, the base model and the model itself, from the inside out."""
    return block("How the tuple is built", *_stage_lines(output_map))


def _stage_lines(output_map: OutputMap) -> Iterator[RenderableType]:
    for stage in output_map.stages:
        module = safe(stage.module or output_map.checkpoint.architecture)
        yield Text.assemble("  ", (module, MODULE_STYLE), f" returned {safe(stage.container)}")
        grid = Table.grid(padding=COLUMN_GAP)
        grid.add_column(min_width=LABEL_WIDTH)
        grid.add_column(min_width=NAME_WIDTH)
        grid.add_column(overflow="fold")
        for slot in stage.shown:
            index = Text(f"    {phrases.stage_index(slot)}", "dim")
            grid.add_row(index, Text(phrases.stage_slot(slot)), _reaches(slot))
        yield grid
        if stage.left_out:
            names = listed([slot.name for slot in stage.left_out], most=20, show=phrases.name)
            yield two_columns([(Text("    None", "dim"), Text(names, "dim"))])


def _reaches(slot: StageSlot) -> Text:
    return Text(phrases.stage_reaches(slot), colours.GOOD if slot.reaches else "dim")
