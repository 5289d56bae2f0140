"""Runs of alike siblings as one node, and a tree cut at a depth. Pure: nodes in, nodes out."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from roberta_inspect.records import Node

_INDEX = re.compile(r"\[(\d+)\]")


def folded(node: Node) -> Node:
    """`node` with every run of alike numbered siblings below it folded into one.

    Siblings are alike when nothing but their number tells them apart: class, arguments, sizes,
    dtypes, what the file has of them, and the slots they feed, counted from their own number `i`
    (`hidden_states[i+1]`). All counts below a folded run are those of all its repeats.
    """
    return replace(node, children=tuple(map(folded, _runs(node.children))))


def cut(node: Node, depth: int) -> Node:
    """`node`, not folded yet, with `depth` levels below it; what is cut off still counts in its
    parents, and what it feeds is told there."""
    if depth > 0:
        return replace(node, children=tuple(cut(child, depth - 1) for child in node.children))
    fed = [each for inside in node.walk() for each in inside.feeds]
    return replace(node, children=(), feeds=tuple(_together(fed)))


def _together(feeds: Iterable[str]) -> Iterator[str]:
    """Each place once, those of one name together: `hidden_states[1 … 12]`."""
    indices: dict[str, set[int]] = {}
    for name, index in (each.removesuffix("]").partition("[")[::2] for each in feeds):
        indices.setdefault(name, set()).update([int(index)] if index else [])
    for name, found in indices.items():
        ordered = sorted(found)
        runs = groupby(ordered, key=lambda index: index - ordered.index(index))
        for run in (list(each) for _, each in runs):
            yield f"{name}[{run[0]}{f' … {run[-1]}' if len(run) > 1 else ''}]"
        if not ordered:
            yield name


def _runs(siblings: Sequence[Node]) -> Iterator[Node]:
    start = 0
    while start < len(siblings):
        end = start + 1
        while end < len(siblings) and _follows(siblings[end], siblings[end - 1]):
            end += 1
        yield _one(siblings[start:end])
        start = end


def _follows(node: Node, before: Node) -> bool:
    """Whether `node` is numbered one higher than its sibling `before`, and alike otherwise."""
    if not (_is_numbered(node) and _is_numbered(before)):
        return False
    mine, theirs = int(node.name), int(before.name)
    return mine == theirs + 1 and _facts(node, mine) == _facts(before, theirs)


def _is_numbered(node: Node) -> bool:
    return node.name.isascii() and node.name.isdecimal()


def _facts(node: Node, number: int) -> Hashable:
    """Everything about a node and those below it but their paths and the node's own name."""
    bare = replace(node, name="", path="", feeds=_relative(node.feeds, number), children=())
    return bare, tuple((child.name, _facts(child, number)) for child in node.children)


def _relative(feeds: Sequence[str], number: int) -> tuple[str, ...]:
    """`hidden_states[12]`, seen from layer 11, is `hidden_states[i+1]`."""

    def seen_from(found: re.Match[str]) -> str:
        distance = int(found[1]) - number
        return f"[i{distance:+}]" if distance else "[i]"

    return tuple(_INDEX.sub(seen_from, each) for each in feeds)


def _one(run: Sequence[Node]) -> Node:
    first, last = run[0], run[-1]
    if len(run) == 1:
        return first
    return replace(_times(first, len(run), int(first.name)), last=last.name)


def _times(node: Node, repeat: int, number: int) -> Node:
    return replace(
        node,
        parameters=node.parameters * repeat,
        bytes=node.bytes * repeat,
        repeat=node.repeat * repeat,
        feeds=_relative(node.feeds, number),
        children=tuple(_times(child, repeat, number) for child in node.children),
    )
