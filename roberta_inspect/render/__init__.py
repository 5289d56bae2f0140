"""From plain data to what is read: one module per block of the page, one function per format.

A renderer is a function from a record to text or to a Rich renderable. It prints nothing, works
nothing out (facts are properties of the records) and reads no other renderer's text. Whatever a
checkpoint brings goes through `text.safe` and into a `rich.text.Text`, never into markup.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from roberta_inspect.records import ModuleTree, OutputMap

if TYPE_CHECKING:
    from rich.console import RenderableType

    from roberta_inspect.differences import Report

Product: TypeAlias = "OutputMap | ModuleTree | Report"
"""What the three commands make: a map, a tree, or a comparison of two maps."""


def rendered(thing: Product, form: str, *, width: int | None = None, **options: Any) -> str:
    """`thing` as text in one format, ending in a newline.

    Args:
        thing: what `run`, `tree` or `diff` made.
        form: `table` (plain text), `json`, `markdown`, `svg`, `html` or `github`.
        width: columns of `table`, `svg` and `html`; `None` for what suits the format.
        options: those of the table of a tree: `expand`, `depth`.
    """
    if form == "table":
        from roberta_inspect.render.plain import plain

        return plain(table_of(thing, **options), width=width)
    if form == "svg":
        from roberta_inspect.render.picture import svg

        return svg(table_of(thing, **options), title=title_of(thing), width=width)
    if form == "html":
        from roberta_inspect.render.picture import html

        return html(table_of(thing, **options), title=title_of(thing), width=width)
    return {"json": _json, "markdown": _markdown, "github": _github}[form](thing, **options)


def table_of(thing: Product, **options: Any) -> RenderableType:
    """`thing` as Rich shows it on a terminal."""
    if isinstance(thing, OutputMap):
        from roberta_inspect.render.table import map_table

        return map_table(thing)
    if isinstance(thing, ModuleTree):
        from roberta_inspect.render.tree import tree_table

        return tree_table(thing, **options)
    from roberta_inspect.render.differences import differences_table

    return differences_table(thing)


def title_of(thing: Product) -> str:
    """The command that makes it, as the title of a picture or a page."""
    if isinstance(thing, OutputMap):
        return "roberta-inspect run"
    return "roberta-inspect tree" if isinstance(thing, ModuleTree) else "roberta-inspect diff"


def _json(thing: Product, **options: Any) -> str:
    from roberta_inspect.codec import json_text

    return json_text(thing)


def _markdown(thing: Product, **options: Any) -> str:
    if isinstance(thing, OutputMap):
        from roberta_inspect.render.markdown import map_markdown

        return map_markdown(thing)
    if isinstance(thing, ModuleTree):
        from roberta_inspect.render.tree import tree_markdown

        return tree_markdown(thing, **options)
    from roberta_inspect.render.differences import differences_markdown

    return differences_markdown(thing)


def _github(thing: Product, **options: Any) -> str:
    from roberta_inspect.render import github

    if isinstance(thing, OutputMap):
        return github.map_github(thing)
    if isinstance(thing, ModuleTree):
        return github.finding_lines(thing.findings)
    from roberta_inspect.render.differences import differences_github

    return differences_github(thing)
