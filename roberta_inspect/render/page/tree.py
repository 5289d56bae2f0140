"""The page of a module tree: each module with what it returns and the slots it feeds."""

from __future__ import annotations

from collections.abc import Iterator

from roberta_inspect.records import ModuleTree, Node
from roberta_inspect.render import phrases
from roberta_inspect.render.html import Html, joined, tag
from roberta_inspect.render.page import parts
from roberta_inspect.render.tree import class_words, counted_shape, visible_root
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
            phrases.weights_line(tree.checkpoint.weights),
            ok=tree.ok,
        ),
        tag("main", parts.findings_section(tree.findings), _modules(tree, expand, depth)),
    )


def tree_fragment(tree: ModuleTree) -> str:
    """The tree for a notebook."""
    return tag("div", parts.findings_section(tree.findings), _modules(tree, False, None))


def _modules(tree: ModuleTree, expand: bool, depth: int | None) -> Html:
    root = _node(visible_root(tree.root, expand, depth), "", None)
    return parts.section("Modules", tag("ul", root, class_="tree"))


def _node(node: Node, name: str, number: int | None) -> Html:
    line = joined(*_node_line(node, name, number), between=" ")
    if not node.children:
        return tag("li", tag("div", line))
    children = [
        _node(child, _run_name(child), child.number if child.last else number)
        for child in node.children
    ]
    return tag("li", tag("details", tag("summary", line), tag("ul", *children), open=True))


def _run_name(node: Node) -> str:
    last = f" … {phrases.name(node.last)}" if node.last else ""
    return f"{phrases.name(node.name)}{last}"


def _node_line(node: Node, name: str, number: int | None) -> Iterator[Html]:
    yield tag("b", name or "the model")
    yield parts.code(class_words(node))
    if node.repeat > 1 and node.last:
        yield tag("span", f"× {node.repeat}")
    facts = [counted(node.parameters_each, "parameter")] if node.parameters else []
    shapes = ", ".join(map(counted_shape, node.output))
    facts += [f"returns {shapes}"] if shapes else []
    if facts:
        yield tag("small", " · ".join(facts))
    if node.feeds:
        yield tag("span", f"→ {', '.join(phrases.fed(node.feeds, number))}", class_="feeds")
    if node.note:
        yield tag("em", safe(node.note))
