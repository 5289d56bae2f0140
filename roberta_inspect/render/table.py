"""The page that `run` shows: its blocks, in reading order."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType

from roberta_inspect.records import OutputMap
from roberta_inspect.render.consumers import consumer_blocks
from roberta_inspect.render.findings import findings, verdict
from roberta_inspect.render.header import header
from roberta_inspect.render.places import combinations, places, plain_calls
from roberta_inspect.render.predictions import predictions
from roberta_inspect.render.slots import slots
from roberta_inspect.render.stages import stages


def map_table(of: OutputMap) -> Group:
    """The whole map; blocks that have nothing to say are left out."""
    return Group(*_blocks(of))


def _blocks(of: OutputMap) -> Iterator[RenderableType]:
    yield header(of)
    if of.plain:
        yield plain_calls(of)
    yield places(of)
    if of.matrix:
        yield combinations(of)
    yield slots(of)
    if of.stages:
        yield stages(of)
    if of.predictions:
        yield predictions(of)
    if of.consumers:
        yield from consumer_blocks(of.consumers)
    if of.findings:
        yield findings(of.findings)
    yield verdict(of)
