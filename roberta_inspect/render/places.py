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
from roberta_inspect.render.blocks import GAP, LABEL, WIDEST_LABEL, block, rows
from roberta_inspect.text import safe

HEAD = 3
"""Lines above the first name: `return_dict`, the container, the labels."""

ABSENT = "–"
"""`absent`, where there are many columns."""

STYLES = {"None": "dim", "absent": "dim", "raised": f"bold {colours.BAD}"}
"""Sign → how a place that shows it is styled."""


def plain_calls(of: OutputMap) -> Group:
    """What comes back where nothing but the inputs is passed, and what decides it."""
    told = [
        (Text(f"  {call.spec.with_labels}", "bold"), Text(phrases.returned(call)))
        for call in of.plain
    ]
    decides = (Text("  config", "dim"), Text(phrases.configured(of.setup), "dim"))
    return block("What model(**inputs) returns here", rows([*told, decides]))


def places(of: OutputMap) -> Group:
    """The four calls side by side, one row per name."""
    halves = [list(calls) for _, calls in groupby(of.main_calls, lambda call: call.return_dict)]
    return block("Where each output is", _SideBySide(of, halves), *_legend(of))


def combinations(of: OutputMap) -> Group:
    """Every combination of the flags, one column per call: how each index moves."""

    def order(call: Call) -> tuple[bool, ...]:
        return (
            not call.return_dict,
            bool(call.output_hidden_states),
            bool(call.output_attentions),
            call.labels,
        )

    parts: list[RenderableType] = []
    for return_dict, calls in groupby(sorted(of.calls, key=order), lambda call: call.return_dict):
        parts += [Text(f"  return_dict={return_dict}", "bold"), _combinations(of, list(calls))]
    parts += [Text(), Text(f"  {ABSENT} absent: the container has no place for it", "dim")]
    return block("How each index moves with the flags", *parts)


def _combinations(of: OutputMap, calls: Sequence[Call]) -> Table:
    flags: dict[str, list[bool | None]] = {
        "with labels": [*(call.labels for call in calls)],
        "with hidden_states": [call.output_hidden_states for call in calls],
        "with attentions": [call.output_attentions for call in calls],
    }
    grid = Table.grid(padding=GAP)
    for flag, given in flags.items():
        grid.add_row(
            Text(f"  {flag}", "dim"), *(Text("yes" if on else "no", "dim") for on in given)
        )
    for name in of.names:
        cells = (_place(call, name, absent=ABSENT) for call in calls)
        grid.add_row(Text(f"  {phrases.name(name)}", "bold"), *cells)
    return grid


class _SideBySide:
    """Both values of `return_dict` beside each other where the width allows it, else below."""

    def __init__(self, of: OutputMap, halves: Sequence[Sequence[Call]]) -> None:
        self.of = of
        self.halves = halves

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        wide = _named(self.of, self.halves)
        needed = Measurement.get(console, options.update(max_width=10_000), wide).maximum
        if needed <= options.max_width:
            yield wide
        else:
            yield from (_named(self.of, [calls]) for calls in self.halves)


def _named(of: OutputMap, halves: Sequence[Sequence[Call]]) -> Table:
    """The names, and beside them the calls."""
    grid = Table.grid(padding=GAP)
    grid.add_column(min_width=LABEL, max_width=WIDEST_LABEL, no_wrap=True)
    blocks = [
        Padding(_half(of, calls), (0, 0, 0, 2 if place else 0))
        for place, calls in enumerate(halves)
    ]
    names = [Text(f"  {phrases.name(name)}", "bold") for name in of.names]
    grid.add_row(Group(*([Text()] * HEAD), *names), *blocks)
    return grid


def _half(of: OutputMap, calls: Sequence[Call]) -> Group:
    """One row per name; the keys too, where the containers have them."""
    containers = dict.fromkeys(phrases.name(call.container) for call in calls if call.container)
    keyed = any(slot.key for call in calls for slot in call.slots)
    grid = Table.grid(padding=GAP)
    for _ in range(len(calls) + keyed):
        grid.add_column(no_wrap=True)
    heads = [
        *(["by name"] if keyed else []),
        *("labels" if call.labels else "no labels" for call in calls),
    ]
    grid.add_row(*(Text(head, "dim") for head in heads))
    for name in of.names:
        keys = [Text(_key(calls, name), colours.NAME)] if keyed else []
        cells = [
            _place(each, name).append(phrases.moved(of, each, name), f"bold {colours.DOUBT}")
            for each in calls
        ]
        grid.add_row(*keys, *cells)
    title = Text(f"return_dict={calls[0].return_dict}", "bold")
    return Group(title, Text(" or ".join(containers), "dim"), grid)


def _key(calls: Sequence[Call], name: str) -> str:
    """How to reach a name in these calls, as what follows `outputs`: `.logits`."""
    found = (slot for call in calls for slot in call.slots if slot.name == name and slot.key)
    return ", ".join(dict.fromkeys(safe(f".{slot.key}") for slot in found))


def _place(call: Call, name: str, *, absent: str = "absent") -> Text:
    style = next((STYLES[sign] for sign in phrases.signs(call, name) if sign in STYLES), "")
    return Text.assemble((phrases.where_it_is(call, name, absent=absent), style))


def _legend(of: OutputMap) -> Iterator[RenderableType]:
    if told := phrases.legend(of):
        yield Text()
        yield rows((Text(f"  {sign}", "dim"), Text(words, "dim")) for sign, words in told.items())
