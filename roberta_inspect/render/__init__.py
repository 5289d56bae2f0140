"""From plain data to what is read: one module per block of the page, one function per format.

A renderer is a function from a record to text or to a Rich renderable. It prints nothing, works
nothing out (facts are properties of the records) and reads no other renderer's text. Whatever a
checkpoint brings goes through `text.safe` and into a `rich.text.Text`, never into markup.
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
    kind: Literal["page", "svg", "html", "text"]
    """What `maker` makes: text as it is, or a Rich page that is shown on a terminal, drawn as a
    picture, or put into HTML."""


FORMATS = (
    Format("run", "table", "render.table:map_table", ".txt", "page"),
    Format("run", "json", "records.codec:json_text", ".json", "text"),
    Format("run", "markdown", "render.markdown:map_markdown", ".md", "text"),
    Format("run", "svg", "render.table:map_table", ".svg", "svg"),
    Format("run", "html", "render.table:map_table", ".html", "html"),
    Format("run", "github", "render.github:map_github", "", "text"),
    Format("tree", "table", "render.tree:tree_table", ".txt", "page"),
    Format("tree", "json", "records.codec:json_text", ".json", "text"),
    Format("tree", "markdown", "render.tree:tree_markdown", ".md", "text"),
    Format("tree", "svg", "render.tree:tree_table", ".svg", "svg"),
    Format("tree", "html", "render.tree:tree_table", ".html", "html"),
    Format("consumers", "table", "render.consumers:consumers_table", ".txt", "page"),
    Format("consumers", "json", "records.codec:json_text", ".json", "text"),
    Format("consumers", "markdown", "render.consumers:consumers_markdown", ".md", "text"),
    Format("consumers", "svg", "render.consumers:consumers_table", ".svg", "svg"),
    Format("consumers", "html", "render.consumers:consumers_table", ".html", "html"),
    Format("consumers", "github", "render.consumers:consumers_github", "", "text"),
    Format("diff", "table", "render.differences:differences_table", ".txt", "page"),
    Format("diff", "json", "records.codec:json_text", ".json", "text"),
    Format("diff", "markdown", "render.differences:differences_markdown", ".md", "text"),
    Format("diff", "github", "render.differences:differences_github", "", "text"),
)
"""Every format of every command; the first one of a command is used where none is asked for."""


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
        width: columns of `table`, `svg` and `html`; `None` for what suits the format.
        options: what is shown of a tree: `expand`, `depth`; its JSON is always the whole tree.

    Raises:
        KeyError: there is no such format of this product.
    """
    row = formats_of(product.command)[name]
    made = _made(product, row, **({} if name == "json" else options))
    if row.kind == "page":
        from roberta_inspect.render.plain import plain

        return plain(made, width=width)
    if row.kind in ("svg", "html"):
        from roberta_inspect.render import picture

        draw = picture.svg if row.kind == "svg" else picture.html
        return draw(made, title=f"roberta-inspect {product.command}", width=width)
    return str(made)


def page_of(product: Product, **options: Any) -> RenderableType:
    """A product as Rich shows it on a terminal."""
    page: RenderableType = _made(product, formats_of(product.command)["table"], **options)
    return page


def fragment(product: Product) -> str:
    """A product as HTML that a notebook embeds."""
    from roberta_inspect.render import picture

    return picture.html(page_of(product), title=f"roberta-inspect {product.command}")


def _made(product: Product, row: Format, **options: Any) -> Any:
    return resolve_name(f"roberta_inspect.{row.maker}")(product, **options)
