"""The plain data that everything is made of: no tensor, no module, no formatting.

A fact that follows from other facts is a property here and is computed nowhere else.
`None` means "does not apply" or "is not known", as each field says.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from rich.console import RenderableType

UNNAMED = "unnamed"
"""The name of a slot that nothing explains."""

SCHEMA = 1
"""The number of the JSON layout; a saved map of another number is refused."""

Verdict = Literal[
    "complete",
    "head-not-in-checkpoint",
    "encoder-not-in-checkpoint",
    "nothing-from-checkpoint",
    "no-weights",
]
Kind = Literal["tensor", "tuple", "list", "cache", "none", "other"]
Status = Literal["proved", "refuted", "not-tested"]
Level = Literal["error", "warning", "note"]
ProblemType = Literal["regression", "single_label_classification", "multi_label_classification"]
Function = Literal["softmax", "sigmoid", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Versions:
    """What the map was made with."""

    roberta_inspect: str
    transformers: str
    torch: str
    python: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Which tensors of the model came from the checkpoint's files, and which are random."""

    verdict: Verdict
    files: tuple[str, ...] = ()
    """The weight files, relative to the checkpoint; empty for a live model."""
    loaded: int = 0
    """How many of the model's tensors came from the files."""
    missing: tuple[str, ...] = ()
    """Tensors of the model that the files lack: they are random."""
    unexpected: tuple[str, ...] = ()
    """Tensors of the files that the class does not use, the harmless ones too."""
    mismatched: tuple[str, ...] = ()
    """Tensors whose shape in the file is not the model's, as `name: (3, 8) in the file, …`."""

    @property
    def harmless(self) -> tuple[str, ...]:
        """Those of `unexpected` that this class never needs: a pooler, position ids, an LM head."""
        return tuple(name for name in self.unexpected if _is_harmless(name))

    @property
    def ignored(self) -> tuple[str, ...]:
        """Those of `unexpected` that are not known to be harmless."""
        return tuple(name for name in self.unexpected if not _is_harmless(name))


def _is_harmless(name: str) -> bool:
    return (
        "pooler." in name
        or name.endswith(("position_ids", "token_type_ids"))
        or name.startswith("lm_head.")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Where the weights come from, and what the configuration says of the classifier."""

    source: str
    architecture: str
    """The class that was inspected."""
    parameters: int
    num_labels: int
    problem_type: str | None
    """As the configuration has it before any call; `None` where it is unset."""
    id2label: Mapping[str, str]
    """Label id (a decimal number) → label name."""
    weights: Weights

    @property
    def placeholder_labels(self) -> bool:
        """Whether every label has the name that transformers makes up: `LABEL_0` …"""
        return bool(self.id2label) and all(
            name == f"LABEL_{number}" for number, name in self.id2label.items()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """How the model was run."""

    device: str
    dtype: str
    attention: str
    """The attention implementation that was in use: `eager`, `sdpa` …"""
    mode: Literal["eval", "train"]
    no_weights: bool = False
    """Whether the tensors were fake: shapes and origins are right, values do not exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """The labels of the labelled calls."""

    dtype: str
    values: Any
    """A list of one class id, one number or one list of 0/1 per row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """What the model was given."""

    source: Literal["text", "synthetic"]
    batch_size: int
    sequence_length: int
    """Tokens per row, padding included."""
    tokens: tuple[tuple[str, ...], ...] | None
    """The tokens of each row, padding included; `None` for synthetic ids."""
    labels: Labels
    texts: tuple[str, ...] | None = None
    row_lengths: tuple[int, ...] = ()
    """Tokens of each row that are not padding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The module whose `forward` returned this very tensor object."""

    module: str
    """The outermost such module, as in `named_modules()`."""
    through: str | None = None
    """The innermost one, where it is another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """Four numbers of a tensor's values, to tell "same structure, other numbers"."""

    mean: float | None
    """`None` where the number is not finite; the same for the others."""
    std: float | None
    min: float | None
    max: float | None


def _holes(items: tuple[Item, ...]) -> tuple[int, ...]:
    return tuple(item.index for item in items if item.kind == "none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One element of a slot that is itself a tuple or a cache: `hidden_states[3]`."""

    index: int
    kind: Kind
    axes: tuple[str, ...] = ()
    """One word per axis, in order; empty for a 0-d tensor and for what is no tensor."""
    shape: tuple[int, ...] | None = None
    dtype: str | None = None
    origin: Origin | None = None
    items: tuple[Item, ...] = ()
    """Elements of an item that is a tuple again (keys and values of one layer)."""
    same_as: str | None = None
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
    """What stands there, from evidence; `unnamed` where nothing explains it."""
    key: str | None
    """The key of a `ModelOutput`; `None` in a plain tuple."""
    access: str
    """How to reach it: `outputs[1]`, `outputs.logits`."""
    kind: Kind
    axes: tuple[str, ...] = ()
    shape: tuple[int, ...] | None = None
    """`()` for a 0-d tensor; `None` for what is no tensor."""
    dtype: str | None = None
    items: tuple[Item, ...] = ()
    meaning: str | None = None
    origin: Origin | None = None
    same_as: str | None = None
    fingerprint: Fingerprint | None = None

    @property
    def is_empty(self) -> bool:
        """Present, and a tuple of nothing: `()`."""
        return self.kind in ("tuple", "list", "cache") and not self.items

    @property
    def holes(self) -> tuple[int, ...]:
        """Where its items are `None`."""
        return _holes(self.items)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What a call raised."""

    type: str
    message: str
    raised_in: str | None = None
    """The file and function of transformers that raised it; `None` where others did."""


class CallSpec(NamedTuple):
    """One way of calling `forward`."""

    return_dict: bool
    labels: bool
    output_hidden_states: bool
    output_attentions: bool

    @property
    def flags(self) -> tuple[str, ...]:
        """Each part in a user's words, in order."""
        return (
            f"return_dict={self.return_dict}",
            "labels" if self.labels else "no labels",
            f"output_hidden_states={self.output_hidden_states}",
            f"output_attentions={self.output_attentions}",
        )

    @property
    def words(self) -> str:
        """What tells the main calls apart: `return_dict=False, labels`."""
        return ", ".join(self.flags[:2])


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One way of calling `forward`, and what came back."""

    return_dict: bool
    labels: bool
    output_hidden_states: bool
    output_attentions: bool
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
        """What tells this call from the others of the map."""
        return CallSpec(
            self.return_dict, self.labels, self.output_hidden_states, self.output_attentions
        )

    @property
    def words(self) -> str:
        """How it was called, in a user's words: `return_dict=False, labels`."""
        return self.spec.words

    @property
    def positions(self) -> tuple[Slot, ...]:
        """What stands at 0, 1, 2 … of the container: the slots that have an index."""
        return tuple(slot for slot in self.slots if slot.index is not None)

    def single_flag_to(self, other: Call) -> str | None:
        """The one part in which `other` differs from this call, as `other` has it.

        `None` where they differ in none, or in more than one.
        """
        differing = [flag for flag in other.spec.flags if flag not in self.spec.flags]
        return differing[0] if len(differing) == 1 else None

    def slot(self, name: str) -> Slot | None:
        """The slot of that name, or `None` where this container lacks it."""
        return next((slot for slot in self.slots if slot.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSlot:
    """One position of what a stage returned, and where this very object goes from there."""

    index: int | None
    """Its index in the stage's container; `None` where a field is not indexable (it is `None`)."""
    name: str
    kind: Kind
    items: int | None
    """How many items a tuple or cache has; `None` for what is neither."""
    reaches: tuple[str, ...] = ()
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
    def silent(self) -> tuple[StageSlot, ...]:
        """The fields that are `None`, take no index, and of which there is nothing to say."""
        return tuple(each for each in self.slots if each.index is None and not each.note)

    @property
    def told(self) -> tuple[StageSlot, ...]:
        """All the others."""
        return tuple(each for each in self.slots if each.index is not None or each.note)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A claim with its outcome."""

    id: str
    """Stable name of the claim: `loss-kind`, `hidden-states-chain` …"""
    slot: str
    """The slot it is about: `loss`, `hidden_states` …, or `outputs` for all of them."""
    claim: str
    """What must be true, in one sentence."""
    status: Status
    detail: str
    """What was measured; for `refuted` what was expected, what was got and where; for
    `not-tested` the reason."""
    difference: float | None = None
    """The largest absolute difference measured; `None` where nothing was compared or it is not
    finite."""
    tolerance: float | None = None
    """The largest difference that rounding in this dtype explains."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something the user should know."""

    id: str
    level: Level
    message: str
    hint: str | None = None


def finite(number: float | None) -> float | None:
    """The number, or `None` where it is NaN or infinite: JSON has no word for those."""
    return number if number is not None and math.isfinite(number) else None


def _no_error(findings: tuple[Finding, ...]) -> bool:
    return not any(finding.level == "error" for finding in findings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One label of one prediction."""

    label: str
    logit: float | None
    """The raw score; `None` where it is not finite."""
    probability: float | None
    """Softmax or sigmoid of the logits; `None` for a regression, and where it is not finite."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What the logits of one text say."""

    text: str
    function: Function
    """What makes probabilities of the logits, by problem type; `none` for a regression."""
    scores: tuple[Score, ...]

    @property
    def ranked(self) -> tuple[Score, ...]:
        """The scores, the highest logit first; equal ones in the order of their ids."""
        return tuple(
            sorted(
                self.scores,
                key=lambda score: float("inf") if score.logit is None else -score.logit,
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputMap:
    """Everything about one checkpoint under one setup: the product."""

    versions: Versions
    checkpoint: Checkpoint
    setup: Setup
    input: Input
    calls: tuple[Call, ...]
    stages: tuple[Stage, ...] = ()
    proofs: tuple[Proof, ...] = ()
    findings: tuple[Finding, ...] = ()
    predictions: tuple[Prediction, ...] | None = None
    schema: int = SCHEMA

    @property
    def ok(self) -> bool:
        """Whether no finding is of level `error`: no proof refuted, every weight loaded."""
        return _no_error(self.findings)

    @property
    def main_calls(self) -> tuple[Call, ...]:
        """The four calls of `run`, in its order; with `--matrix` the others come after them."""
        return self.calls[:4]

    @property
    def matrix(self) -> bool:
        """Whether there are calls beside the main ones: every combination of the flags."""
        return len(self.calls) > len(self.main_calls)

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that some main call has or lacks, in the order of the fullest container."""
        seen: dict[str, None] = {}
        for call in sorted(self.main_calls, key=lambda call: -len(call.slots)):
            seen.update(dict.fromkeys(slot.name for slot in call.slots))
        first = ["loss"] if any("loss" in call.absent for call in self.main_calls) else []
        return tuple(dict.fromkeys([*first, *seen]))

    def call(
        self,
        *,
        return_dict: bool,
        labels: bool,
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
    ) -> Call:
        """The call made this way; flags left out are those of the four main calls.

        Raises:
            KeyError: no call of this map was made this way.
        """
        main = self.calls[0]
        wanted = CallSpec(
            return_dict,
            labels,
            main.output_hidden_states if output_hidden_states is None else output_hidden_states,
            main.output_attentions if output_attentions is None else output_attentions,
        )
        found = self.made(wanted)
        if found is None:
            raise KeyError(f"no call with {', '.join(wanted.flags)}")
        return found

    def made(self, spec: CallSpec) -> Call | None:
        """The call made this way, or `None` where this map has none."""
        return next((call for call in self.calls if call.spec == spec), None)

    def shown(self, name: str) -> tuple[Slot, ...]:
        """Every slot of that name in the one call that has the most to show of it.

        A call in which it is something goes before one in which it is `None`, then a dict before
        a tuple, then labels before none.
        """
        calls = sorted(self.main_calls, key=lambda call: (not call.return_dict, not call.labels))
        found = [tuple(slot for slot in call.slots if slot.name == name) for call in calls]
        filled = [slots for slots in found if any(slot.kind != "none" for slot in slots)]
        return next(iter([*filled, *filter(None, found)]), ())

    def proofs_of(self, name: str) -> tuple[Proof, ...]:
        """The proofs about one slot, in the order of the claims."""
        return tuple(proof for proof in self.proofs if proof.slot == name)

    def proofs_with(self, status: Status) -> tuple[Proof, ...]:
        """The proofs with this outcome, in the order of the claims."""
        return tuple(proof for proof in self.proofs if proof.status == status)

    def findings_of(self, level: Level) -> tuple[Finding, ...]:
        """The findings of one level."""
        return tuple(finding for finding in self.findings if finding.level == level)

    def moved_by_labels(self, call: Call, name: str) -> int:
        """How many places further a name stands in this call than in the same call without labels.

        0 for a call without labels, and where there is nothing to compare with.
        """
        other = self.made(call.spec._replace(labels=False))
        slot, before = call.slot(name), None if other is None else other.slot(name)
        if slot is None or slot.index is None or before is None or before.index is None:
            return 0
        return slot.index - before.index

    def loss_comes_first(self, call: Call) -> bool:
        """Whether the loss is at 0 in this call, and nowhere in the same call without labels."""
        other = self.made(call.spec._replace(labels=False))
        if other is None or "loss" in [slot.name for slot in other.positions]:
            return False
        return [slot.name for slot in call.positions[:1]] == ["loss"]

    def to_dict(self) -> dict[str, Any]:
        """The map as plain JSON values, in the layout of `schema/map.json`."""
        from roberta_inspect.codec import encoded

        return dict(encoded(self))

    def to_json(self) -> str:
        """The map as JSON text, ending in a newline."""
        from roberta_inspect.codec import json_text

        return json_text(self)

    @classmethod
    def from_json(cls, text: str) -> OutputMap:
        """The map that `to_json` wrote.

        Raises:
            CannotInspectError: the text is not JSON, not a map, or of another schema number.
        """
        from roberta_inspect.codec import decoded_map

        return decoded_map(text)

    def __str__(self) -> str:
        from roberta_inspect.render.plain import plain

        return plain(self).rstrip()

    def __rich__(self) -> RenderableType:
        from roberta_inspect.render.table import map_table

        return map_table(self)

    def _repr_html_(self) -> str:
        from roberta_inspect.render import rendered

        return rendered(self, "html")


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One module of the tree, or a run of alike siblings folded into one."""

    name: str
    """The attribute's name; of a folded run the first one's."""
    path: str
    """`""` for the root, else as in `named_modules()`; of a folded run the first one's."""
    cls: str = field(metadata={"key": "class"})
    repr: str
    """What `print(model)` shows for it: `Linear(in_features=768, out_features=30, bias=True)`."""
    parameters: int
    """Its own and its children's, tied ones counted once, at the first place; of a folded run
    those of all repeats."""
    bytes: int
    """Of those parameters, at the dtypes of the file (of the model, where there is no file)."""
    dtypes: tuple[str, ...] = ()
    """The dtypes that its tensors have in the file, sorted."""
    repeat: int = 1
    """How many alike modules this node stands for; below a folded run too."""
    last: str | None = None
    """The name of the last of a folded run."""
    feeds: tuple[str, ...] = ()
    """The slots whose tensor this module, or one inside it, made: `hidden_states[12]`, `logits`;
    of a folded run counted from its number: `hidden_states[i+1]`."""
    output: tuple[str, ...] = ()
    """What it returns: one entry per tensor, in axis words: `(batch_size, num_labels)`; of a tuple
    in it how many: `13 × (batch_size, sequence_length, hidden_size)`."""
    in_checkpoint: bool | None = None
    """Whether the file has all of its tensors; `None` where it has none or there is no file."""
    note: str | None = None
    children: tuple[Node, ...] = ()

    @property
    def each(self) -> int:
        """The parameters of one of the modules that this node stands for."""
        return self.parameters // self.repeat

    @property
    def bytes_each(self) -> int:
        """The bytes of one of the modules that this node stands for."""
        return self.bytes // self.repeat

    def walk(self) -> Iterator[Node]:
        """This node and all below it, in the order of `print(model)`."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleTree:
    """The modules of one checkpoint's model, each with the slots it feeds."""

    versions: Versions
    checkpoint: Checkpoint
    root: Node
    attention: str
    """The attention implementation under which it was observed."""
    findings: tuple[Finding, ...] = ()
    schema: int = SCHEMA

    @property
    def ok(self) -> bool:
        """Whether no finding is of level `error`."""
        return _no_error(self.findings)

    def to_dict(self) -> dict[str, Any]:
        """The tree as plain JSON values, in the layout of `schema/tree.json`."""
        from roberta_inspect.codec import encoded

        return dict(encoded(self))

    def to_json(self) -> str:
        """The tree as JSON text, ending in a newline."""
        from roberta_inspect.codec import json_text

        return json_text(self)

    def __str__(self) -> str:
        from roberta_inspect.render.plain import plain

        return plain(self).rstrip()

    def __rich__(self) -> RenderableType:
        from roberta_inspect.render.tree import tree_table

        return tree_table(self)

    def _repr_html_(self) -> str:
        from roberta_inspect.render import rendered

        return rendered(self, "html")
