"""What a comparison of two maps says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from roberta_inspect.records import SCHEMA, OutputMap, Product, Versions


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One cause that makes two maps differ, however many calls and items show it.

    Every string is fit to be shown: control characters are visible, long text is cut.
    """

    id: str
    """Stable name of what differs: `place`, `items`, `dtype`, `num-labels` …"""
    where: str
    """The calls that show it (`every call`; `return_dict=False, labels`), or `checkpoint`,
    `proofs`, `findings`."""
    message: str
    """What it was and what it is."""
    consequence: str
    """What that does to code that relies on it."""
    also: tuple[str, ...] = ()
    """Where else the same cause shows, with other indices or numbers."""

    @property
    def sentence(self) -> str:
        """The whole of it, as it is shown."""
        likewise = f" Likewise: {'; '.join(self.also)}." if self.also else ""
        return f"{self.where}: {self.message}: {self.consequence}.{likewise}"

    def __str__(self) -> str:
        return self.sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two maps, as the heading names it; never a difference."""

    file: str | None
    """The saved map it was read from; `None` where it was inspected just now."""
    source: str
    versions: Versions
    dtype: str
    attention: str

    @classmethod
    def of(cls, output_map: OutputMap, file: str | None = None) -> Side:
        """The heading of the map `made`."""
        return cls(
            file=file,
            source=output_map.checkpoint.source,
            versions=output_map.versions,
            dtype=output_map.setup.dtype,
            attention=output_map.setup.attention,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Report(Product):
    """Two maps and what differs between them."""

    command: ClassVar[str] = "diff"

    left: Side
    right: Side
    differences: tuple[Difference, ...]
    schema: int = SCHEMA

    @property
    def reasons(self) -> tuple[str, ...]:
        """Every difference, as a sentence."""
        return tuple(f"{difference.id}: {difference.sentence}" for difference in self.differences)
