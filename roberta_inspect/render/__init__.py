"""From plain data to what is read: one module per block of the page, one function per format.

A renderer is a function from a record to text or to a Rich renderable. It prints nothing, works
nothing out (facts are properties of the records) and reads no other renderer's text. Whatever a
checkpoint brings goes through `text.safe` and into a `rich.text.Text`, never into markup.
"""

from __future__ import annotations

from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from rich.console import RenderableType

    from roberta_inspect.differences import Report
    from roberta_inspect.records import ModuleTree, OutputMap

Product: TypeAlias = "OutputMap | ModuleTree | Report"
"""What the three commands make: a map, a tree, or a comparison of two maps."""

COMMANDS = {"OutputMap": "run", "ModuleTree": "tree", "Report": "diff"}
"""Class of a product → the command that makes it."""

RENDERERS = {
    "run": {
        "table": "render.table:map_table",
        "svg": "render.table:map_table",
        "html": "render.table:map_table",
        "json": "codec:json_text",
        "markdown": "render.markdown:map_markdown",
        "github": "render.github:map_github",
    },
    "tree": {
        "table": "render.tree:tree_table",
        "svg": "render.tree:tree_table",
        "html": "render.tree:tree_table",
        "json": "codec:json_text",
        "markdown": "render.tree:tree_markdown",
    },
    "diff": {
        "table": "render.differences:differences_table",
        "json": "codec:json_text",
        "markdown": "render.differences:differences_markdown",
        "github": "render.differences:differences_github",
    },
}
"""Command → format → the function that makes it, or what a picture or a page of it shows.

They are names, so that nothing is imported for a format that nobody asked for.
"""


def rendered(thing: Product, form: str, *, width: int | None = None, **options: Any) -> str:
    """`thing` as text in one format, ending in a newline.

    Args:
        thing: what `run`, `tree` or `diff` made.
        form: `table` (plain text), `json`, `markdown`, `svg`, `html` or `github`.
        width: columns of `table`, `svg` and `html`; `None` for what suits the format.
        options: what is shown of a tree: `expand`, `depth`; its JSON is always the whole tree.

    Raises:
        KeyError: there is no such format of this thing.
    """
    made = _made(thing, form, **({} if form == "json" else options))
    if form == "table":
        from roberta_inspect.render.plain import plain

        return plain(made, width=width)
    if form in ("svg", "html"):
        from roberta_inspect.render import picture

        draw = picture.svg if form == "svg" else picture.html
        return draw(made, title=f"roberta-inspect {_command(thing)}", width=width)
    return str(made)


def table_of(thing: Product, **options: Any) -> RenderableType:
    """`thing` as Rich shows it on a terminal."""
    page: RenderableType = _made(thing, "table", **options)
    return page


def _made(thing: Product, form: str, **options: Any) -> Any:
    return resolve_name(f"roberta_inspect.{RENDERERS[_command(thing)][form]}")(thing, **options)


def _command(thing: Product) -> str:
    return COMMANDS[type(thing).__name__]
