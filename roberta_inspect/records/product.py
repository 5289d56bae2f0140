"""What every product of a command has in common: it can show itself and become JSON.

Records do not import renderers: the registry of formats is imported by name when it is needed.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, ClassVar

from roberta_inspect.errors import CheckError
from roberta_inspect.records.codec import encoded, json_text

if TYPE_CHECKING:
    from rich.console import RenderableType
    from typing_extensions import Self

SCHEMA = 2
"""The number of the JSON schema. A saved map with another number is refused."""


class Product:
    """A map, a tree, a table of consumers, or a comparison of two maps."""

    __slots__ = ()

    command: ClassVar[str]
    """The command that produces it."""

    @property
    def ok(self) -> bool:
        """Whether there are no `reasons` against it, which is what exit code 0 says."""
        return not self.reasons

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it is not `ok`, one text each: findings of level `error`, or differences."""
        raise NotImplementedError

    def check(self) -> Self:
        """The product itself, if it is `ok`. For tests: `inspect(model).check()`.

        Raises:
            CheckError: it is not `ok`. The message is every reason.
        """
        __tracebackhide__ = True  # pytest then shows the caller's line
        if self.reasons:
            raise CheckError("\n".join(self.reasons))
        return self

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values, in the layout of `records/schema`."""
        return dict(encoded(self))

    def to_json(self) -> str:
        """As JSON text, ending in a newline."""
        return json_text(self)

    def __str__(self) -> str:
        return str(_render().rendered(self, "table")).rstrip()

    def __rich__(self) -> RenderableType:
        page: RenderableType = _render().page_of(self)
        return page

    def _repr_html_(self) -> str:
        return str(_render().fragment(self))


def _render() -> Any:
    return importlib.import_module("roberta_inspect.render")
