"""What one call of `forward` returned: its slots, their items, and how the tuple was built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from roberta_inspect.records.place import Place

UNNAMED = "unnamed"
"""The name of a slot that nothing explains."""

ValueKind = Literal["tensor", "tuple", "list", "cache", "none", "other"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The module whose `forward` returned this very tensor object."""

    module: str
    """The outermost such module, as in `named_modules()`."""
    through: str | None = None
    """The innermost one, where it is another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """Four numbers about a tensor's values, to recognise "same structure, other numbers"."""

    mean: float | None
    """`None` where the number is not finite; the same for the others."""
    std: float | None
    min: float | None
    max: float | None
    finite: bool = True
    """Whether no value is NaN or infinite."""


def _holes(items: tuple[Item, ...]) -> tuple[int, ...]:
    return tuple(item.index for item in items if item.kind == "none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One element of a slot that is itself a tuple or a cache: `hidden_states[3]`."""

    index: int
    kind: ValueKind
    axes: tuple[str, ...] = ()
    """One word per axis, in order; empty for a 0-d tensor and for what is no tensor."""
    shape: tuple[int, ...] | None = None
    dtype: str | None = None
    origin: Origin | None = None
    items: tuple[Item, ...] = ()
    """Elements of an item that is a tuple again (keys and values of one layer)."""
    same_as: Place | None = None
    """Another place of this call that holds this very tensor: `logits`, `hidden_states[0]`."""
    fingerprint: Fingerprint | None = None

    @property
    def holes(self) -> tuple[int, ...]:
        """Where its items are `None`."""
        return _holes(self.items)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One position of a container: its index, and its key if it has one."""

    index: int | None
    """`None` for a field of a `ModelOutput` that is `None`: it has an attribute, but no index."""
    name: str
    """What it holds, from evidence; `unnamed` where nothing explains it."""
    key: str | None
    """The key of a `ModelOutput`; `None` in a plain tuple."""
    access: str
    """How to reach it: `outputs[1]`, `outputs.logits`."""
    kind: ValueKind
    axes: tuple[str, ...] = ()
    shape: tuple[int, ...] | None = None
    """`()` for a 0-d tensor; `None` for what is no tensor."""
    dtype: str | None = None
    items: tuple[Item, ...] = ()
    meaning: str | None = None
    origin: Origin | None = None
    same_as: Place | None = None
    fingerprint: Fingerprint | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it is present, but an empty tuple: `()`."""
        return self.kind in ("tuple", "list", "cache") and not self.items

    @property
    def holes(self) -> tuple[int, ...]:
        """Where its items are `None`."""
        return _holes(self.items)


def item_at(value: Slot | Item, index: int) -> Item | None:
    """`value[index]`, of a tensor its row; `None` where there is no such index."""
    count = value.shape[0] if value.shape else len(value.items)
    if not -count <= index < count:
        return None
    if not value.shape:
        return value.items[index]
    return Item(
        index=index % count,
        kind="tensor",
        axes=value.axes[1:],
        shape=value.shape[1:],
        dtype=value.dtype,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What a call raised."""

    type: str
    message: str
    raised_in: str | None = None
    """The file and function of transformers that raised it; `None` where others did."""


class CallSpec(NamedTuple):
    """One way of calling `forward`. A flag that is `None` is not passed."""

    return_dict: bool | None
    labels: bool
    output_hidden_states: bool | None
    output_attentions: bool | None

    @property
    def is_plain(self) -> bool:
        """Whether the inputs alone are passed, so that the configuration decides the rest."""
        return self.return_dict is None

    @property
    def output_flags(self) -> tuple[bool | None, bool | None]:
        """The flags for hidden states and for attentions."""
        return self.output_hidden_states, self.output_attentions

    @property
    def with_labels(self) -> str:
        """Labels present or absent, in words."""
        return "labels" if self.labels else "no labels"

    @property
    def flags(self) -> tuple[str, ...]:
        """Each flag in a user's words, in order."""
        if self.is_plain:
            return ("nothing else passed", self.with_labels)
        return (
            f"return_dict={self.return_dict}",
            self.with_labels,
            f"output_hidden_states={self.output_hidden_states}",
            f"output_attentions={self.output_attentions}",
        )

    @property
    def words(self) -> str:
        """What distinguishes the main calls: `return_dict=False, labels`, or `plain, labels`."""
        first = "plain" if self.is_plain else f"return_dict={self.return_dict}"
        return f"{first}, {self.with_labels}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One way of calling `forward`, and what came back."""

    return_dict: bool | None
    """`None` in a plain call, which passes no flag; the same for the others."""
    labels: bool
    output_hidden_states: bool | None
    output_attentions: bool | None
    container: str | None
    """The class of what was returned; `None` where the call raised."""
    error: Failure | None = None
    slots: tuple[Slot, ...] = ()
    absent: tuple[str, ...] = ()
    """Names that other calls or the class know and this container lacks."""
    wrote_problem_type: str | None = None
    """What this call wrote into `config.problem_type`; it was put back."""

    @property
    def spec(self) -> CallSpec:
        """What identifies this call among those of the map."""
        return CallSpec(
            self.return_dict, self.labels, self.output_hidden_states, self.output_attentions
        )

    @property
    def words(self) -> str:
        """How it was called, in a user's words: `return_dict=False, labels`."""
        return self.spec.words

    @property
    def positions(self) -> tuple[Slot, ...]:
        """The slots at 0, 1, 2 … of the container: those that have an index."""
        return tuple(slot for slot in self.slots if slot.index is not None)

    def single_flag_to(self, other: Call) -> str | None:
        """The flag of `other` that differs from this call, if it is the only one, else `None`."""
        differing = [flag for flag in other.spec.flags if flag not in self.spec.flags]
        return differing[0] if len(differing) == 1 else None

    def with_meanings(self, meanings: Mapping[str, str]) -> Call:
        """The same call, with the meaning of its name in each slot."""
        slots = tuple(
            slot
            if slot.kind == "none" and slot.index is None
            else replace(slot, meaning=meanings.get(slot.name))
            for slot in self.slots
        )
        return replace(self, slots=slots)

    def slot(self, name: str) -> Slot | None:
        """The slot of that name, or `None` if this container lacks it."""
        return next((slot for slot in self.slots if slot.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSlot:
    """One position of what a stage returned, and where this very object goes from there."""

    index: int | None
    """Its index in the stage's container; `None` where a field is not indexable (it is `None`)."""
    name: str
    kind: ValueKind
    items: int | None
    """How many items a tuple or cache has; `None` for what is neither."""
    reaches: tuple[Place, ...] = ()
    """Where it is found again: `classifier reads it`, `outputs.logits`, `outputs[1]`."""
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One module on the way to the output: the encoder, the base model, the model itself."""

    module: str
    """Its path as in `named_modules()`; `""` for the model itself."""
    container: str
    slots: tuple[StageSlot, ...]

    @property
    def left_out(self) -> tuple[StageSlot, ...]:
        """The fields without a row of their own: they are `None`, have no index and no note."""
        return tuple(slot for slot in self.slots if slot.index is None and not slot.note)

    @property
    def shown(self) -> tuple[StageSlot, ...]:
        """The fields that are shown as rows."""
        return tuple(slot for slot in self.slots if slot.index is not None or slot.note)
