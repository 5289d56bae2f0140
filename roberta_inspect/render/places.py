"""Where each output is: at which index of which call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from roberta_inspect.records import Call, OutputMap
from roberta_inspect.render import colours, phrases
from roberta_inspect.render.blocks import COLUMN_GAP, LABEL_MAX, LABEL_WIDTH, block, two_columns
from roberta_inspect.text import safe

HEAD_LINES = 3
"""Lines above the first name: `return_dict`, the container, the labels."""

ABSENT = "–"
"""`absent`, where there are too many columns for the word."""

STYLES = {"None": "dim", "absent": "dim", "raised": f"bold {colours.BAD}"}
"""Sign → how a place that shows it is styled."""


def plain_calls(output_map: OutputMap) -> Group:
    """What a call with the inputs alone returns, and the configuration that decides it."""
    returned = [
        (Text(f"  {call.spec.with_labels}", "bold"), Text(phrases.returned(call)))
        for call in output_map.plain
    ]
    config = (Text("  config", "dim"), Text(phrases.configured_line(output_map.setup), "dim"))
    return block("What model(**inputs) returns here", two_columns([*returned, config]))


def places(output_map: OutputMap) -> Group:
    """The four calls side by side, one row per name."""
    groups = groupby(output_map.main_calls, lambda call: call.return_dict)
    halves = [list(calls) for _, calls in groups]
    return block("Where each output is", _SideBySide(output_map, halves), *_legend(output_map))


def combinations(output_map: OutputMap) -> Group:
    """Every combination of the flags, one column per call: how each index moves."""

    def order(call: Call) -> tuple[bool, ...]:
        return (
            not call.return_dict,
            bool(call.output_hidden_states),
            bool(call.output_attentions),
            call.labels,
        )

    parts: list[RenderableType] = []
    ordered = sorted(output_map.calls, key=order)
    for return_dict, calls in groupby(ordered, lambda call: call.return_dict):
        title = Text(f"  return_dict={return_dict}", "bold")
        parts += [title, _combinations(output_map, list(calls))]
    parts += [Text(), Text(f"  {ABSENT} absent: the container has no place for it", "dim")]
    return block("How each index moves with the flags", *parts)


def _combinations(output_map: OutputMap, calls: Sequence[Call]) -> Table:
    flags: dict[str, list[bool | None]] = {
        "with labels": [*(call.labels for call in calls)],
        "with hidden_states": [call.output_hidden_states for call in calls],
        "with attentions": [call.output_attentions for call in calls],
    }
    grid = Table.grid(padding=COLUMN_GAP)
    for flag, values in flags.items():
        answers = (Text("yes" if on else "no", "dim") for on in values)
        grid.add_row(Text(f"  {flag}", "dim"), *answers)
    for name in output_map.names:
        cells = (_place(call, name, absent=ABSENT) for call in calls)
        grid.add_row(Text(f"  {phrases.name(name)}", "bold"), *cells)
    return grid


class _SideBySide:
    """Both values of `return_dict` beside each other where the width allows it, else below."""

    def __init__(self, output_map: OutputMap, halves: Sequence[Sequence[Call]]) -> None:
        self.output_map = output_map
        self.halves = halves

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        wide = _places_grid(self.output_map, self.halves)
        needed = Measurement.get(console, options.update(max_width=10_000), wide).maximum
        if needed <= options.max_width:
            yield wide
        else:
            yield from (_places_grid(self.output_map, [calls]) for calls in self.halves)


def _places_grid(output_map: OutputMap, halves: Sequence[Sequence[Call]]) -> Table:
    """The names, and the calls beside them."""
    grid = Table.grid(padding=COLUMN_GAP)
    grid.add_column(min_width=LABEL_WIDTH, max_width=LABEL_MAX, no_wrap=True)
    blocks = [
        Padding(_half(output_map, calls), (0, 0, 0, 2 if number else 0))
        for number, calls in enumerate(halves)
    ]
    names = [Text(f"  {phrases.name(name)}", "bold") for name in output_map.names]
    grid.add_row(Group(*([Text()] * HEAD_LINES), *names), *blocks)
    return grid


def _half(output_map: OutputMap, calls: Sequence[Call]) -> Group:
    """One row per name, with its key where the containers have keys."""
    containers = dict.fromkeys(phrases.name(call.container) for call in calls if call.container)
    keyed = any(slot.key for call in calls for slot in call.slots)
    grid = Table.grid(padding=COLUMN_GAP)
    for _ in range(len(calls) + keyed):
        grid.add_column(no_wrap=True)
    heads = [
        *(["by name"] if keyed else []),
        *("labels" if call.labels else "no labels" for call in calls),
    ]
    grid.add_row(*(Text(head, "dim") for head in heads))
    for name in output_map.names:
        keys = [Text(_key(calls, name), colours.NAME)] if keyed else []
        cells = [_place(call, name) for call in calls]
        for call, cell in zip(calls, cells, strict=True):
            cell.append(phrases.moved(output_map, call, name), f"bold {colours.DOUBT}")
        grid.add_row(*keys, *cells)
    title = Text(f"return_dict={calls[0].return_dict}", "bold")
    return Group(title, Text(" or ".join(containers), "dim"), grid)


def _key(calls: Sequence[Call], name: str) -> str:
    """How to reach a name in these calls, as what follows `outputs`: `.logits`."""
    slots = (slot for call in calls for slot in call.slots if slot.name == name and slot.key)
    return ", ".join(dict.fromkeys(safe(f".{slot.key}") for slot in slots))


def _place(call: Call, name: str, *, absent: str = "absent") -> Text:
    style = next((STYLES[sign] for sign in phrases.signs(call, name) if sign in STYLES), "")
    return Text.assemble((phrases.where_it_is(call, name, absent=absent), style))


def _legend(output_map: OutputMap) -> Iterator[RenderableType]:
    if legend := phrases.legend(output_map):
        yield Text()
        rows = ((Text(f"  {sign}", "dim"), Text(words, "dim")) for sign, words in legend.items())
        yield two_columns(rows)
