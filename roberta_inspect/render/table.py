"""The page that `run` shows: its blocks, in reading order."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType

from roberta_inspect.records import OutputMap
from roberta_inspect.render import phrases
from roberta_inspect.render.consumers import consumer_blocks
from roberta_inspect.render.findings import findings_block, verdict_line
from roberta_inspect.render.header import header
from roberta_inspect.render.places import combinations, places, plain_calls
from roberta_inspect.render.predictions import predictions
from roberta_inspect.render.slots import slots
from roberta_inspect.render.stages import stages


def map_table(output_map: OutputMap) -> Group:
    """The whole map; empty blocks are left out."""
    return Group(*_blocks(output_map))


def _blocks(output_map: OutputMap) -> Iterator[RenderableType]:
    yield header(output_map)
    if output_map.plain:
        yield plain_calls(output_map)
    yield places(output_map)
    if output_map.matrix:
        yield combinations(output_map)
    yield slots(output_map)
    if output_map.stages:
        yield stages(output_map)
    if output_map.predictions:
        yield predictions(output_map)
    if output_map.consumers:
        yield from consumer_blocks(output_map.consumers)
    if output_map.findings:
        yield findings_block(output_map.findings)
    yield verdict_line(phrases.map_verdict(output_map), ok=output_map.ok)
