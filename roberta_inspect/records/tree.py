"""The module tree, with functions that fold runs of alike siblings and cut it at a depth."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from roberta_inspect.records.place import Place, runs
from roberta_inspect.records.product import SCHEMA, Product
from roberta_inspect.records.proof import Finding, error_reasons
from roberta_inspect.records.setting import Checkpoint, Versions


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """Alike tensors that a module returns, one or a run of them in a tuple."""

    axes: tuple[str, ...]
    """One word per axis, or its size: `batch_size`, `30`."""
    count: int | None = None
    """How many there are in a tuple; `None` for a tensor that stands alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One module of the tree, or a run of alike siblings folded into one."""

    name: str
    """The attribute's name; of a folded run the first one's."""
    path: str
    """`""` for the root, else as in `named_modules()`; of a folded run the first one's."""
    cls: str = field(metadata={"key": "class"})
    repr: str
    """What `print(model)` shows for it: `Linear(in_features=768, out_features=30, bias=True)`."""
    parameters: int
    """Its own and its children's, tied ones counted once, at the first place; of a folded run
    those of all repeats."""
    bytes: int
    """Of those parameters, at the dtypes of the file (of the model, where there is no file)."""
    dtypes: tuple[str, ...] = ()
    """The dtypes that its tensors have in the file, sorted."""
    repeat: int = 1
    """How many alike modules this node stands for; below a folded run too."""
    last: str | None = None
    """The name of the last of a folded run."""
    feeds: tuple[Place, ...] = ()
    """The slots whose tensor this module, or one inside it, made: `hidden_states[12]`, `logits`;
    of a folded run those of the first."""
    output: tuple[Returned, ...] = ()
    """The tensors that it returns, in order."""
    in_checkpoint: bool | None = None
    """Whether the file has all of its tensors; `None` where it has none or there is no file."""
    note: str | None = None
    children: tuple[Node, ...] = ()

    @property
    def parameters_each(self) -> int:
        """The parameters of one of the modules that this node stands for."""
        return self.parameters // self.repeat

    @property
    def bytes_each(self) -> int:
        """The bytes of one of the modules that this node stands for."""
        return self.bytes // self.repeat

    @property
    def number(self) -> int | None:
        """Its number among its siblings; `None` where its name is not a number."""
        return int(self.name) if self.name.isascii() and self.name.isdecimal() else None

    def walk(self) -> Iterator[Node]:
        """This node and all below it, in the order of `print(model)`."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleTree(Product):
    """The modules of one checkpoint's model, each with the slots it feeds."""

    command: ClassVar[str] = "tree"

    versions: Versions
    checkpoint: Checkpoint
    root: Node
    attention: str
    """The attention implementation under which it was observed."""
    wrappers: tuple[str, ...] = ()
    """The classes of the objects around the classifier that were taken off, outermost first."""
    findings: tuple[Finding, ...] = ()
    schema: int = SCHEMA

    @property
    def reasons(self) -> tuple[str, ...]:
        """What the findings of level `error` say: a refuted proof, a random head …"""
        return error_reasons(self.findings)


def folded(node: Node) -> Node:
    """`node` with every run of alike numbered siblings below it folded into one node.

    Siblings are alike if only their numbers differ: they have the same class, arguments, sizes and
    dtypes, the file has the same tensors for them, and they feed the same slots, counted from their
    own number. All counts below a folded run are those of all its repeats.
    """
    siblings = runs(node.children, lambda run, child: _follows(child, run[-1]))
    return replace(node, children=tuple(folded(_fold_run(run)) for run in siblings))


def cut(node: Node, depth: int) -> Node:
    """`node`, not folded yet, with `depth` levels below it.

    A node at that depth keeps the counts of what is cut off below it, and takes over its feeds.
    """
    if depth > 0:
        return replace(node, children=tuple(cut(child, depth - 1) for child in node.children))
    fed = dict.fromkeys(place for inside in node.walk() for place in inside.feeds)
    return replace(node, children=(), feeds=tuple(fed))


def _follows(node: Node, before: Node) -> bool:
    """Whether `node` is numbered one higher than its sibling `before`, and alike otherwise."""
    if not (node.number is not None and before.number is not None):
        return False
    return node.number == before.number + 1 and _facts(node, node.number) == _facts(
        before, before.number
    )


def _facts(node: Node, number: int) -> Hashable:
    """Everything about a node and those below it, except their paths and the node's own name."""
    feeds = tuple(place.seen_from(number) for place in node.feeds)
    bare = replace(node, name="", path="", feeds=feeds, children=())
    return bare, tuple((child.name, _facts(child, number)) for child in node.children)


def _fold_run(run: Sequence[Node]) -> Node:
    first, last = run[0], run[-1]
    return first if len(run) == 1 else replace(_multiplied(first, len(run)), last=last.name)


def _multiplied(node: Node, repeat: int) -> Node:
    return replace(
        node,
        parameters=node.parameters * repeat,
        bytes=node.bytes * repeat,
        repeat=node.repeat * repeat,
        children=tuple(_multiplied(child, repeat) for child in node.children),
    )
