"""Folding alike siblings: which ones are alike, and that all counts add up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roberta_inspect.records import Node, Place, Returned
from roberta_inspect.records.tree import cut, folded
from roberta_inspect.render import phrases


def node(name: str, *children: Node, own: int = 0, **facts: Any) -> Node:
    """A node with the counts of its children added to its own."""
    parameters = own + sum(child.parameters for child in children)
    fields = {"cls": "Layer", "repr": "Layer()", "path": name, **facts}
    return Node(name=name, parameters=parameters, bytes=4 * parameters, children=children, **fields)


def at(slot: str, *item: int) -> Place:
    return Place(slot=slot, item=item)


def layer(number: int, **facts: Any) -> Node:
    """A layer of 5 parameters with the feeds of a real one."""
    dense = node("dense", own=3, cls="Linear", repr="Linear(in_features=1, out_features=3)")
    feeds = (at("hidden_states", number + 1), at("attentions", number))
    return node(str(number), dense, own=2, **{"feeds": feeds, **facts})


def stack(*layers: Node) -> Node:
    return node("layer", *layers, cls="ModuleList", repr="ModuleList()")


def names(root: Node) -> list[tuple[str, str | None, int]]:
    return [(child.name, child.last, child.repeat) for child in root.children]


def test_a_run_of_alike_layers_is_one_node() -> None:
    [run] = folded(stack(*map(layer, range(12)))).children
    dense = run.children[0]
    assert (run.name, run.last, run.repeat, run.parameters, run.bytes) == ("0", "11", 12, 60, 240)
    assert phrases.fed(run.feeds, run.number) == ["hidden_states[i+1]", "attentions[i]"]
    assert (dense.name, dense.last, dense.repeat, dense.parameters) == ("dense", None, 12, 36)
    assert (run.parameters_each, dense.parameters_each) == (5, 3)


OTHERWISE: dict[str, Node] = {
    "class": layer(1, cls="OtherLayer"),
    "arguments": layer(1, repr="Layer(1)"),
    "parameters": node("1", own=5, feeds=layer(1).feeds),
    "bytes": replace(layer(1), bytes=10),
    "dtype": layer(1, dtypes=("float16",)),
    "output": layer(1, output=(Returned(axes=("batch_size",)),)),
    "not in the file": layer(1, in_checkpoint=False),
    "note": layer(1, note="reads position 1 alone"),
    "slots": layer(1, feeds=(at("hidden_states", 3), at("attentions", 1))),
    "inside": replace(layer(1), children=(replace(layer(1).children[0], repr="Linear()"),)),
    "name inside": replace(layer(1), children=(replace(layer(1).children[0], name="other"),)),
}


@pytest.mark.parametrize("different", OTHERWISE.values(), ids=OTHERWISE)
def test_a_layer_that_differs_is_not_folded_in(different: Node) -> None:
    assert names(folded(stack(layer(0), different, layer(2)))) == [
        ("0", None, 1),
        ("1", None, 1),
        ("2", None, 1),
    ]


@pytest.mark.parametrize(
    ("siblings", "runs"),
    [
        ([layer(0)], [("0", None, 1)]),
        ([layer(0), layer(1), layer(3)], [("0", "1", 2), ("3", None, 1)]),
        ([layer(2), layer(3)], [("2", "3", 2)]),
        ([layer(1), layer(0)], [("1", None, 1), ("0", None, 1)]),
        ([layer(0), node("norm"), layer(1)], [("0", None, 1), ("norm", None, 1), ("1", None, 1)]),
        (
            [node("query"), node("key"), node("value")],
            [(n, None, 1) for n in ("query", "key", "value")],
        ),
        ([node("²"), node("³")], [("²", None, 1), ("³", None, 1)]),
    ],
)
def test_runs(siblings: list[Node], runs: list[tuple[str, str | None, int]]) -> None:
    assert names(folded(stack(*siblings))) == runs


def test_a_layer_of_another_dtype_splits_the_run() -> None:
    layers = [layer(n, dtypes=("float16" if n == 3 else "float32",)) for n in range(6)]
    assert names(folded(stack(*layers))) == [("0", "2", 3), ("3", None, 1), ("4", "5", 2)]


def test_feeds_are_counted_from_the_number() -> None:
    late = [replace(layer(n), feeds=(at("hidden_states", n - 2), at("logits"))) for n in (4, 5)]
    [run] = folded(stack(*late)).children
    assert phrases.fed(run.feeds, run.number) == ["hidden_states[i-2]", "logits"]


def test_runs_within_runs() -> None:
    outer = folded(stack(*(node(str(n), *map(node, "01"), own=1) for n in range(3)))).children[0]
    [inner] = outer.children
    assert (outer.repeat, inner.repeat, inner.last) == (3, 6, "1")


@pytest.mark.parametrize(("depth", "nodes"), [(0, 1), (1, 2), (2, 14), (3, 26), (9, 26)])
def test_depth(depth: int, nodes: int) -> None:
    whole = node("", stack(*map(layer, range(12))))
    assert len(list(cut(whole, depth).walk())) == nodes
    assert cut(whole, depth).parameters == whole.parameters


@pytest.mark.parametrize(
    ("feeds", "shown"),
    [
        ([], []),
        ([at("loss")], ["loss"]),
        (
            [at("a", 1), at("b", 0), at("a", 2), at("b", 1), at("a", 3)],
            ["a[1 … 3]", "b[0 … 1]"],
        ),
        ([at("a", 0), at("a", 2), at("a", 3), at("a", 7)], ["a[0]", "a[2 … 3]", "a[7]"]),
        ([at("a", 4), at("logits"), at("a", 4), at("logits")], ["a[4]", "logits"]),
    ],
)
def test_what_is_cut_off_feeds_its_parent(feeds: list[Place], shown: list[str]) -> None:
    layers = [replace(layer(n), feeds=(place,)) for n, place in enumerate(feeds)]
    assert phrases.fed(cut(stack(*layers), 0).feeds) == shown


FACTS = st.fixed_dictionaries(
    {
        "own": st.integers(0, 2),
        "feeds": st.sampled_from([(), (at("logits"),), (at("hidden_states", 1),)]),
        "dtypes": st.sampled_from([("float32",), ("float16",)]),
    }
)


def trees(depth: int) -> st.SearchStrategy[Any]:
    below = trees(depth - 1) if depth else st.nothing()
    children = st.lists(below, max_size=4) if depth else st.just([])
    return st.builds(
        lambda facts, parts: (
            lambda name: node(
                name, *(part(str(number)) for number, part in enumerate(parts)), **facts
            )
        ),
        FACTS,
        children,
    )


@settings(max_examples=150)
@given(trees(3))
def test_counts_add_up_at_every_level(make_tree: Any) -> None:
    whole = make_tree("")
    once = folded(whole)
    own = [
        inner.parameters - sum(child.parameters for child in inner.children)
        for inner in once.walk()
    ]
    assert min(own) >= 0
    assert (once.parameters, once.bytes) == (whole.parameters, whole.bytes)
    assert sum(inner.repeat for inner in once.walk()) == len(list(whole.walk()))
