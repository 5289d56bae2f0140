"""The module tree: one line per module, alike ones folded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from roberta_inspect.records import ModuleTree, Node, Returned
from roberta_inspect.records.tree import cut, folded
from roberta_inspect.render import colours, markdown, phrases
from roberta_inspect.render.blocks import LEVEL, two_columns
from roberta_inspect.render.findings import findings_block
from roberta_inspect.render.header import fact_rows
from roberta_inspect.text import counted, safe, storage

WIDE_TERMINAL = 120
"""Columns from which there is room for arguments and bytes."""

FEEDS_SHOWN = 6
"""Slots of one module that are named."""

NARROWEST = 4
"""Columns of a line beside its guides, where there is hardly any room."""


def tree_table(
    tree: ModuleTree, *, expand: bool = False, depth: int | None = None
) -> RenderableType:
    """`tree` as Rich shows it: what was read, the modules, the shapes they return, the findings.

    Args:
        tree: what `module_tree` made.
        expand: every module on a line of its own, alike siblings too.
        depth: how many levels below the model are shown; `None` for all.
    """
    root = visible_root(tree.root, expand, depth)
    modules = _Modules(tuple(_lines(root, expand)), expand)
    head = two_columns(fact_rows(_head(tree), tree.checkpoint.weights))
    return Group(head, Text(), modules, *([findings_block(tree.findings)] if tree.findings else []))


def tree_markdown(tree: ModuleTree, *, expand: bool = False, depth: int | None = None) -> str:
    """`tree` as Markdown: one row per module, under the path that `named_modules()` gives it."""
    rows = [
        [
            markdown.code_span(safe(path)) or "the model",
            markdown.code_span(safe(node.repr)),
            _parameters(node),
            _size(node),
            "<br>".join(markdown.code_span(counted_shape(entry)) for entry in node.output),
            ", ".join(markdown.code_span(slot) for slot in phrases.fed(node.feeds, number)),
            markdown.escaped(safe(node.note or "")),
        ]
        for path, node, number in _paths(visible_root(tree.root, expand, depth))
    ]
    heads = ["module", "class", "parameters", "size", "returns", "feeds", ""]
    findings = [
        f"- {LEVEL[finding.level].sign} {markdown.code_span(finding.id)}: "
        + markdown.escaped(phrases.sentence(f"{finding.message}. {finding.hint or ''}".strip()))
        for finding in tree.findings
    ]
    checkpoint = markdown.escaped(phrases.checkpoint_line(tree.checkpoint))
    return "\n".join(
        [
            f"## roberta-inspect tree: {checkpoint}",
            "",
            *(f"{label}: {markdown.escaped(fact)}  " for label, fact in _head(tree).items()),
            "",
            *markdown.table_lines(heads, rows),
            *findings,
            *([""] if findings else []),
        ]
    )


def _paths(
    node: Node, path: str = "", number: int | None = None
) -> Iterator[tuple[str, Node, int | None]]:
    """Each module with its path, and the number from which indices count below a folded run."""
    yield path, node, number
    for child in node.children:
        name = f"{{{child.name} … {child.last}}}" if child.last else child.name
        counted_from = child.number if child.last else number
        yield from _paths(child, f"{path}.{name}" if path else name, counted_from)


def visible_root(root: Node, expand: bool, depth: int | None) -> Node:
    """`root` as it is shown: cut at `depth`, and with alike siblings folded without `expand`."""
    shown = root if depth is None else cut(root, depth)
    return shown if expand else folded(shown)


def _head(tree: ModuleTree) -> dict[str, str]:
    inspected = [
        safe(tree.checkpoint.source),
        counted(tree.checkpoint.num_labels, "label"),
        f"transformers {phrases.name(tree.versions.transformers)}",
        f"attention {phrases.name(tree.attention)}",
    ]
    weights = phrases.weights_line(tree.checkpoint.weights)
    return {"Checkpoint": " · ".join(inspected), "Weights": weights}


@dataclass(frozen=True)
class _Line:
    """One module. `guide` stands before its first line and `below` before the others; `dtype` is
    set where modules beside it have another; below a run, indices count from `number`."""

    guide: str
    below: str
    name: str
    node: Node
    dtype: str | None
    number: int | None


def _lines(root: Node, expand: bool) -> Iterator[_Line]:
    def walk(
        node: Node, name: str, guide: str, below: str, around: Node, number: int | None
    ) -> Iterator[_Line]:
        number = node.number if node.last else number
        children = [(name, child) for name, child in _children(node, expand)]
        mixed = len(around.dtypes) > 1 and len(node.dtypes) == 1
        under = f"{below}│ " if children else f"{below}  "
        yield _Line(guide, under, name, node, node.dtypes[0] if mixed else None, number)
        for position, (name, child) in enumerate(children, start=1):
            branch, on = ("└ ", "  ") if position == len(children) else ("├ ", "│ ")
            yield from walk(child, name, below + branch, below + on, node, number)

    yield from walk(root, "", "", "", root, None)


def _children(node: Node, expand: bool) -> Iterator[tuple[str, Node]]:
    """The lines below a node. When folded, a list has no line: its members carry its name."""
    for child in node.children:
        name = phrases.name(child.name)
        if child.cls == "ModuleList" and child.children and not expand:
            for member in child.children:
                last = f" … {name}.{phrases.name(member.last)}" if member.last else ""
                yield f"{name}.{phrases.name(member.name)}{last}", member
        else:
            yield (f"{name} … {phrases.name(child.last)}" if child.last else name), child


def _letter(number: int) -> str:
    alphabet = "abcdefghijklmnopqrstuvwxyz"
    return alphabet[number % 26] * (number // 26 + 1)


def _returned_cells(node: Node, wide: bool) -> list[tuple[str, str]]:
    """What a node returns, as `13×` and the shape; where there is no room, tuples are `…`."""
    shown = [entry for entry in node.output if wide or entry.count is None]
    cells = [
        (_shape(entry), "") if not entry.axes else (_count(entry), _shape(entry)) for entry in shown
    ]
    return cells + [("…", "")] * (len(shown) < len(node.output))


def _shape(returned: Returned) -> str:
    return f"({', '.join(map(phrases.name, returned.axes))})"


def counted_shape(returned: Returned) -> str:
    """`(batch_size, 30)`, or `12 × (batch_size, 30)` for a tuple."""
    return _shape(returned) if returned.count is None else f"{returned.count} × {_shape(returned)}"


def _count(returned: Returned) -> str:
    return "" if returned.count is None else f"{returned.count}×"


@dataclass(frozen=True)
class _Modules:
    """The lines of the tree, laid out for the width that there is."""

    lines: tuple[_Line, ...]
    expand: bool

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        wide = options.max_width >= WIDE_TERMINAL
        returned = [_returned_cells(line.node, wide) for line in self.lines]
        shapes = dict.fromkeys(shape for entries in returned for _, shape in entries if shape)
        letters = {shape: _letter(number) for number, shape in enumerate(shapes)}
        sides = [
            [
                _parameters(line.node),
                *([_size(line.node)] if wide else []),
                ", ".join(f"{count}{letters.get(shape, '')}" for count, shape in entries),
            ]
            for line, entries in zip(self.lines, returned, strict=True)
        ]
        heads = ["parameters", "size", "returns"] if wide else ["parameters", "returns"]
        taken = sum(
            2 + max(len(head), *(len(side[column]) for side in sides))
            for column, head in enumerate(heads)
        )
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
        table.add_column("module", no_wrap=True)
        for head in heads:
            table.add_column(
                head, justify="left" if head == "returns" else "right", overflow="fold"
            )
        for line, side in zip(self.lines, sides, strict=True):
            text = self._module(line, console, options.max_width - taken, wide or self.expand)
            table.add_row(text, *map(Text, side))
        yield table
        legend = [Text.assemble((f"{word} ", "bold"), shape) for shape, word in letters.items()]
        yield from _flowed(legend, console, options.max_width)

    def _module(self, line: _Line, console: Console, width: int, arguments: bool) -> Text:
        node = line.node
        label = class_words(node) if arguments else phrases.name(node.cls)
        label += f" × {node.repeat}" if node.last else ""
        name = f"{line.name}  " if line.name else ""
        pieces = [Text.assemble((name, "bold"), (label, "" if name else "bold"))]
        if line.dtype is not None:
            pieces.append(Text(phrases.name(line.dtype), colours.DOUBT))
        if node.note is not None:
            pieces.append(
                Text(safe(node.note), colours.DOUBT if node.in_checkpoint is False else "italic")
            )
        if node.feeds:
            feeds = phrases.fed(node.feeds, line.number)
            pieces.append(Text(f"→ {', '.join(feeds[:FEEDS_SHOWN])}{_more(feeds)}", colours.NAME))
        lines = _flowed(pieces, console, max(width - len(line.guide), NARROWEST))
        if len(lines) > 1:
            lines = _flowed(pieces, console, max(width - len(line.below), NARROWEST))
        guides = [line.guide, *[line.below] * (len(lines) - 1)]
        return Text("\n").join(
            Text.assemble((guide, "dim"), part) for guide, part in zip(guides, lines, strict=True)
        )


def _parameters(node: Node) -> str:
    return f"{_times(node)}{node.parameters_each:,}" if node.parameters else ""


def _size(node: Node) -> str:
    return f"{_times(node)}{storage(node.bytes_each)}" if node.parameters else ""


def _times(node: Node) -> str:
    return f"{node.repeat} × " if node.repeat > 1 else ""


def class_words(node: Node) -> str:
    """The class with its arguments: `Linear(in_features=1, out_features=3)`, `RobertaLayer`."""
    return safe(node.repr if not node.children else node.repr.removesuffix("()"))


def _more(feeds: Sequence[str]) -> str:
    rest = len(feeds) - FEEDS_SHOWN
    return f", {rest:,} more" if rest > 0 else ""


def _flowed(pieces: Iterable[Text], console: Console, width: int) -> list[Text]:
    """`pieces` in lines of `width`; only a piece that is longer than a line is broken."""
    lines: list[Text] = []
    for piece in pieces:
        if lines and lines[-1].cell_len + 2 + piece.cell_len <= width:
            lines[-1] = Text.assemble(lines[-1], "  ", piece)
        else:
            lines += piece.wrap(console, width, overflow="fold")
    return lines
