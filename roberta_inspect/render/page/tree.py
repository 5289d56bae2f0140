"""The page of a module tree: each module with what it returns and the slots it feeds."""

from __future__ import annotations

from collections.abc import Iterator

from roberta_inspect.records import ModuleTree, Node, Returned
from roberta_inspect.records.tree import cut, folded
from roberta_inspect.render import phrases
from roberta_inspect.render.html import Html, joined, tag
from roberta_inspect.render.page import parts
from roberta_inspect.text import counted, safe


def tree_page(tree: ModuleTree, *, expand: bool = False, depth: int | None = None) -> str:
    """`tree` as a page of its own; its levels open and close without a script.

    Args:
        tree: what `module_tree` made.
        expand: every module on a line of its own, alike siblings too.
        depth: how many levels below the model are shown; `None` for all.
    """
    return parts.document(
        f"roberta-inspect tree: {safe(tree.checkpoint.source)}",
        parts.heading(
            "Which module makes which output",
            tree.checkpoint.source,
            phrases.weights(tree.checkpoint.weights),
            ok=tree.ok,
        ),
        tag("main", parts.findings(tree.findings), _modules(tree, expand, depth)),
    )


def fragment(tree: ModuleTree) -> str:
    """The tree for a notebook."""
    return tag("div", parts.findings(tree.findings), _modules(tree, False, None))


def _modules(tree: ModuleTree, expand: bool, depth: int | None) -> Html:
    kept = tree.root if depth is None else cut(tree.root, depth)
    root = kept if expand else folded(kept)
    return parts.section("Modules", tag("ul", _node(root, "", None), class_="tree"))


def _node(node: Node, name: str, number: int | None) -> Html:
    line = joined(*_line(node, name, number), between=" ")
    if not node.children:
        return tag("li", tag("div", line))
    children = [
        _node(child, _name(child), child.number if child.last else number)
        for child in node.children
    ]
    return tag("li", tag("details", tag("summary", line), tag("ul", *children), open=True))


def _name(node: Node) -> str:
    last = f" … {phrases.name(node.last)}" if node.last else ""
    return f"{phrases.name(node.name)}{last}"


def _line(node: Node, name: str, number: int | None) -> Iterator[Html]:
    yield tag("b", name or "the model")
    yield parts.code(safe(node.repr if not node.children else node.repr.removesuffix("()")))
    if node.repeat > 1 and node.last:
        yield tag("span", f"× {node.repeat}")
    told = [counted(node.parameters_each, "parameter")] if node.parameters else []
    shapes = [_returned(entry) for entry in node.output]
    told += [f"returns {', '.join(shapes)}"] if shapes else []
    if told:
        yield tag("small", " · ".join(told))
    if node.feeds:
        yield tag("span", f"→ {', '.join(phrases.fed(node.feeds, number))}", class_="feeds")
    if node.note:
        yield tag("em", safe(node.note))


def _returned(of: Returned) -> str:
    shape = f"({', '.join(map(phrases.name, of.axes))})"
    return shape if of.count is None else f"{of.count} × {shape}"
