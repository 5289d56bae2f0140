"""Renders records: one module per block on a terminal, one function per format.

A renderer takes a record and returns text or a Rich renderable. It prints nothing, computes nothing
(facts are properties of the records) and does not read the text of another renderer. Every string
from a checkpoint goes through `text.safe`, and then into a `rich.text.Text` or through `html.tag`,
never into markup.
"""

from __future__ import annotations

from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from rich.console import RenderableType

    from roberta_inspect.records import Product


class Format(NamedTuple):
    """One format of one command."""

    command: str
    name: str
    maker: str
    """The function that renders it, as `module:function` below the package. It is named and not
    imported, so that nothing is loaded for a format that nobody asked for."""
    ending: str
    """The ending of files in this format; `""` where no ending stands for it."""
    kind: Literal["terminal", "picture", "text"]
    """What `maker` returns: text, or a Rich renderable that is shown on a terminal or drawn as a
    picture of one."""


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
"""Every format of every command; the first one of a command is its default."""

FRAGMENTS = {
    "run": "render.page.map:map_fragment",
    "tree": "render.page.tree:tree_fragment",
    "consumers": "render.page.consumers:consumers_fragment",
    "diff": "render.differences:differences_fragment",
}
"""Command → the function that makes HTML of its product for a notebook to embed."""


def formats_of(command: str) -> dict[str, Format]:
    """The formats of one command, by name."""
    return {row.name: row for row in FORMATS if row.command == command}


def rendered(product: Product, name: str, *, width: int | None = None, **options: Any) -> str:
    """A product as text in one format, ending in a newline.

    Args:
        product: what a command made.
        name: of the format.
        width: columns, for formats of a terminal; `None` for the default of the format.
        options: which part of a tree is shown: `expand`, `depth`. JSON always holds the whole tree.

    Raises:
        KeyError: there is no such format of this product.
    """
    row = formats_of(product.command)[name]
    rendering = _make(product, row, **({} if name == "json" else options))
    if row.kind == "terminal":
        from roberta_inspect.render.plain import plain_text

        return plain_text(rendering, width=width)
    if row.kind == "picture":
        from roberta_inspect.render.picture import picture

        return picture(rendering, title=f"roberta-inspect {product.command}", width=width)
    return str(rendering)


def page_of(product: Product, **options: Any) -> RenderableType:
    """A product as Rich shows it on a terminal."""
    page: RenderableType = _make(product, formats_of(product.command)["table"], **options)
    return page


def fragment(product: Product) -> str:
    """A product as HTML that a notebook embeds, in the notebook's own colours."""
    return str(resolve_name(f"roberta_inspect.{FRAGMENTS[product.command]}")(product))


def _make(product: Product, row: Format, **options: Any) -> Any:
    return resolve_name(f"roberta_inspect.{row.maker}")(product, **options)
