"""From plain data to what is read: one module per block on a terminal, one function per format.

A renderer is a function from a record to text or to a Rich renderable. It prints nothing, works
nothing out (facts are properties of the records) and reads no other renderer's text. Whatever a
checkpoint brings goes through `text.safe`, and into a `rich.text.Text` or through `html.tag`, never
into markup.
"""

from __future__ import annotations

from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from rich.console import RenderableType

    from roberta_inspect.records import Product


class Format(NamedTuple):
    """One way in which one command writes its product."""

    command: str
    name: str
    maker: str
    """The function that makes it, as `module:function` below the package; so nothing is imported
    for a format that nobody asked for."""
    ending: str
    """Of the file that is written in this format, where none is asked for."""
    kind: Literal["terminal", "picture", "text"]
    """What `maker` makes: text as it is, or what Rich shows on a terminal or draws as a picture of
    one."""


FORMATS = (
    Format("run", "table", "render.table:map_table", ".txt", "terminal"),
    Format("run", "json", "records.codec:json_text", ".json", "text"),
    Format("run", "markdown", "render.markdown:map_markdown", ".md", "text"),
    Format("run", "svg", "render.diagram:map_svg", ".svg", "text"),
    Format("run", "terminal", "render.table:map_table", "", "picture"),
    Format("run", "html", "render.page.map:map_page", ".html", "text"),
    Format("run", "github", "render.github:map_github", "", "text"),
    Format("tree", "table", "render.tree:tree_table", ".txt", "terminal"),
    Format("tree", "json", "records.codec:json_text", ".json", "text"),
    Format("tree", "markdown", "render.tree:tree_markdown", ".md", "text"),
    Format("tree", "svg", "render.tree:tree_table", ".svg", "picture"),
    Format("tree", "html", "render.page.tree:tree_page", ".html", "text"),
    Format("consumers", "table", "render.consumers:consumers_table", ".txt", "terminal"),
    Format("consumers", "json", "records.codec:json_text", ".json", "text"),
    Format("consumers", "markdown", "render.consumers:consumers_markdown", ".md", "text"),
    Format("consumers", "svg", "render.consumers:consumers_table", ".svg", "picture"),
    Format("consumers", "html", "render.page.consumers:consumers_page", ".html", "text"),
    Format("consumers", "github", "render.consumers:consumers_github", "", "text"),
    Format("diff", "table", "render.differences:differences_table", ".txt", "terminal"),
    Format("diff", "json", "records.codec:json_text", ".json", "text"),
    Format("diff", "markdown", "render.differences:differences_markdown", ".md", "text"),
    Format("diff", "github", "render.differences:differences_github", "", "text"),
)
"""Every format of every command; the first one of a command is used where none is asked for."""

FRAGMENTS = {
    "run": "render.page.map:fragment",
    "tree": "render.page.tree:fragment",
    "consumers": "render.page.consumers:fragment",
    "diff": "render.differences:differences_fragment",
}
"""Command → the function that makes HTML of its product for a notebook to embed."""


def formats_of(command: str) -> dict[str, Format]:
    """The formats of one command, by name."""
    return {row.name: row for row in FORMATS if row.command == command}


def format_for(command: str, ending: str) -> Format | None:
    """The format of files that end so, such as `.md`, where any command has one.

    The row is that of `command` where it writes this format, else that of another command.
    """
    rows = [row for row in FORMATS if row.ending and row.ending == ending.lower()]
    return next((row for row in rows if row.command == command), rows[0] if rows else None)


def rendered(product: Product, name: str, *, width: int | None = None, **options: Any) -> str:
    """A product as text in one format, ending in a newline.

    Args:
        product: what a command made.
        name: of the format.
        width: columns of what is made for a terminal; `None` for what suits the format.
        options: what is shown of a tree: `expand`, `depth`; its JSON is always the whole tree.

    Raises:
        KeyError: there is no such format of this product.
    """
    row = formats_of(product.command)[name]
    made = _made(product, row, **({} if name == "json" else options))
    if row.kind == "terminal":
        from roberta_inspect.render.plain import plain

        return plain(made, width=width)
    if row.kind == "picture":
        from roberta_inspect.render.picture import picture

        return picture(made, title=f"roberta-inspect {product.command}", width=width)
    return str(made)


def page_of(product: Product, **options: Any) -> RenderableType:
    """A product as Rich shows it on a terminal."""
    page: RenderableType = _made(product, formats_of(product.command)["table"], **options)
    return page


def fragment(product: Product) -> str:
    """A product as HTML that a notebook embeds, in the notebook's own colours."""
    return str(resolve_name(f"roberta_inspect.{FRAGMENTS[product.command]}")(product))


def _made(product: Product, row: Format, **options: Any) -> Any:
    return resolve_name(f"roberta_inspect.{row.maker}")(product, **options)
