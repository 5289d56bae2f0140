"""The calls that claims make beside those of the map: on a few rows and tokens of its input.

What must not matter is changed, and the same shapes must give the same bits; what must matter is
changed, and the bits must move.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from roberta_inspect.claims.outcome import NotTestedError
from roberta_inspect.claims.rounding import epsilon, furthest
from roberta_inspect.inputs.probe import Probe
from roberta_inspect.live.containers import tensors_in
from roberta_inspect.text import counted

if TYPE_CHECKING:
    from roberta_inspect.claims.evidence import Evidence

MOST_TOKENS = 4
"""Tokens of a row in the small calls."""
MOST_CLASSES = 512
"""Classes that get a row of their own; a loss that treats a later one apart is not noticed."""
MOST_LOGITS = 1 << 20
"""Logits of all those rows together, unless two rows have more."""
NUDGE = 64
"""Units in the last place by which the embeddings are moved, to see what the model magnifies."""
LARGEST_NUDGE = 1e-3
"""The largest relative change that counts as small."""
MOST_SHARED = 6
"""Rows up to which the small calls carry the labels that cover the classes, which saves a call."""


class Answer(NamedTuple):
    """What is kept of one small call."""

    fields: Mapping[str, Any]

    @property
    def logits(self) -> torch.Tensor:
        """Of shape `(batch_size, num_labels)`."""
        logits = self.fields.get("logits")
        if not isinstance(logits, torch.Tensor):
            raise NotTestedError("a call for this claim returned no logits")
        return logits

    @property
    def hidden_states(self) -> tuple[torch.Tensor, ...]:
        """Each of shape `(batch_size, sequence_length, hidden_size)`; `()` where none came back."""
        return tuple(tensors_in(self.fields.get("hidden_states")))


class SmallCalls:
    """Three rows or more, and a few tokens of the input: a padded row between others.

    The padding stands on the side on which the input has it; on the left with explicit position
    ids, since those that the model makes itself count the ids before a token.
    """

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        first, second = _longest_rows(evidence.probe)
        length = evidence.probe.sequence_length
        # Not the length of the input, so that these calls show which axes change with it.
        width = min(MOST_TOKENS, max(2, length - 1)) if length > 2 else length + 1
        tokens = max(1, min(len(second), width - max(1, width // 4)))
        self.left = any(evidence.probe.row_starts)
        self.tokens = slice(width - tokens, width) if self.left else slice(tokens)
        """Where the tokens of the padded row stand."""
        self.labelling = Labelling.of(evidence)
        self.labelled = evidence.observed.call.labels and self.labelling.rows <= MOST_SHARED
        """Whether these rows have labels that cover the classes."""
        self.nudged = False
        """Whether the embeddings of the rows to be moved were moved."""
        more_rows = [first[-width:].flip(0)[shift:] for shift in range(MOST_SHARED)]
        rows = [first[:width], second[:tokens]]
        rows += [row if len(row) else first[:1] for row in more_rows]
        rows = rows[: self.labelling.rows if self.labelled else 3]
        probe = self._padded(evidence.probe.picked(rows, width))
        self.probe = replace(probe, labels=self.labelling.labels)
        alone = evidence.probe.picked([second[:tokens]], tokens)
        self.alone_probe = replace(alone, labels=self._label_of_padded_row())

    def _label_of_padded_row(self) -> torch.Tensor:
        labels = self.labelling.labels
        row = labels.reshape(self.labelling.rows, -1)[1:2]
        return row.reshape(-1) if labels.ndim == 1 else row.reshape(1, *labels.shape[1:])

    def _padded(self, probe: Probe) -> Probe:
        pad = self.evidence.pad_token_id
        probe = probe.padded_with(pad, left=self.left)
        if not self.left or "input_ids" not in probe.inputs:
            return probe
        positions = probe.attention_mask.cumsum(dim=1) * probe.attention_mask + pad
        return probe.changed(position_ids=positions)

    @cached_property
    def plain(self) -> Answer:
        """As the rows are."""
        return self.call(self.probe)

    def call(self, probe: Probe, **changes: Any) -> Answer:
        """A call, labelled where these rows have labels."""
        return self.evidence.call(probe, labels=self.labelled, **changes)

    @cached_property
    def changed(self) -> Answer:
        """Other ids in the padding, and in one half of the rows, at once: one call shows that
        neither matters to the other half."""
        return self.other(self.padding | self.places(self.other_half))

    @property
    def padding(self) -> torch.Tensor:
        """Where the padded row is padding, of shape `(batch_size, sequence_length)`."""
        return (self.probe.attention_mask == 0) & self.places([1])

    @property
    def half(self) -> list[int]:
        """The padded row, and every second one after it."""
        return [1, *range(2, self.probe.batch_size, 2)]

    @property
    def other_half(self) -> list[int]:
        """The rows that are not in that half."""
        return [0, *range(3, self.probe.batch_size, 2)]

    def places(self, rows: Sequence[int]) -> torch.Tensor:
        """Every place of these rows, of shape `(batch_size, sequence_length)`."""
        places = torch.zeros_like(self.probe.attention_mask, dtype=torch.bool)
        places[rows] = True
        return places

    @cached_property
    def unmasked(self) -> Answer:
        """The padded row with its padding attended like any other token, and the rest of its half
        with embeddings that are moved a little; a tuple where these rows have labels."""
        mask = self.probe.attention_mask.masked_fill(self.places([1]), 1)
        probe = self.probe.changed(attention_mask=mask)
        path = self.evidence.anatomy.embeddings
        with self.evidence.observer.editing(path, self._nudge):
            return self.call(probe, return_dict=not self.has_tuple)

    @property
    def has_tuple(self) -> bool:
        """Whether the call without the mask is the one that shows the loss of the tuple."""
        return self.labelled and self.evidence.succeeded(labels=True, return_dict=False)

    @cached_property
    def alone(self) -> Answer:
        """The padded row in a batch of its own, without its padding."""
        return self.call(self.alone_probe)

    @cached_property
    def relabelled(self) -> dict[str, Answer]:
        """`dict` and `tuple` → what came back that way of several rows with labels that cover the
        classes: the small calls where they have these labels, else two calls more.

        One row cannot tell a mean from a sum, and labels that leave a class out cannot show its
        weight. The rows are short, of unlike length and unlike difficulty. Their number is not that
        of the first call, so that a division by a constant shows too.
        """
        if self.has_tuple:
            return {"dict": self.plain, "tuple": self.unmasked}
        rows = _short_rows(self.evidence, self.labelling.rows)
        probe = replace(rows, labels=self.labelling.labels)
        return {
            container: self.evidence.call(probe, labels=True, return_dict=container == "dict")
            for container in ("dict", "tuple")
        }

    @cached_property
    def steepness(self) -> float | None:
        """How far a small relative change of the embeddings moves the logits, per size of the
        change; `None` where it cannot be tried: in 16 bits no change is small."""
        size = NUDGE * epsilon(self.evidence.coarsest)
        moved = self.moved(self.unmasked, slice(2, None, 2))
        return moved / size if self.nudged and size <= LARGEST_NUDGE else None

    @property
    def words(self) -> str:
        """How much they are called on."""
        rows, tokens = self.probe.attention_mask.shape
        return f"the same bits in {counted(rows, 'row')} of {counted(tokens, 'token')}"

    @property
    def draws(self) -> int:
        """The logits that show how steep the model is."""
        return int(self.plain.logits[2::2].numel())

    def moved(self, answer: Answer, rows: slice | torch.Tensor) -> float:
        """How far the logits of some rows are from those of the call that changes nothing."""
        return furthest(answer.logits[rows], self.plain.logits[rows])

    def _nudge(self, embedded: Any) -> Any:
        """What the embeddings return, of shape `(batch_size, sequence_length, hidden_size)`."""
        mask = self.probe.attention_mask
        if not isinstance(embedded, torch.Tensor) or embedded.shape[:2] != mask.shape:
            return embedded
        self.nudged = True
        noise = torch.randn(
            embedded.shape, generator=torch.Generator().manual_seed(0), device="cpu"
        )
        moved = embedded * (1 + NUDGE * epsilon(self.evidence.coarsest) * noise.to(embedded))
        return torch.where(self.places(self.half[1:])[..., None], moved, embedded)

    def other(self, where: torch.Tensor) -> Answer:
        """Other tokens there, and nothing else."""
        inputs = self.probe.inputs
        if "inputs_embeds" in inputs:
            embedded = inputs["inputs_embeds"]
            edited = torch.where(where[..., None], -embedded.flip(-1), embedded)
            return self.call(self.probe.changed(inputs_embeds=edited))
        ids = inputs["input_ids"]
        edited = torch.where(where, self._other_ids(ids), ids)
        return self.call(self.probe.changed(input_ids=edited))

    def _other_ids(self, ids: torch.Tensor) -> torch.Tensor:
        """Another id for each, and never the one that pads: positions must stay as they are."""
        path = f"{self.evidence.anatomy.embeddings}.word_embeddings"
        rows = len(self.evidence.module(path, "word_embeddings").weight)
        other_ids = (ids + 1 + rows // 3) % rows
        pads = other_ids == self.evidence.pad_token_id
        return torch.where(pads, (other_ids + 1) % rows, other_ids)


def _longest_rows(probe: Probe) -> tuple[torch.Tensor, torch.Tensor]:
    """Where the tokens of two rows stand: of the longest, and of the shortest other one; of the
    same row in reverse where there is no other. They are counted through all rows of the batch."""
    places = [row.nonzero()[:, 0] for row in probe.attention_mask.cpu()]
    rows = [where + row * probe.sequence_length for row, where in enumerate(places) if len(where)]
    if not rows:
        raise NotTestedError("every row is nothing but padding")
    first = max(rows, key=len)
    shorter = [row for row in rows if row is not first]
    return first, min(shorter, key=len) if shorter else first.flip(0)


class Labelling(NamedTuple):
    """Labels that cover the classes."""

    rows: int
    labels: torch.Tensor
    words: str
    """The rows and what their labels cover."""

    @classmethod
    def of(cls, evidence: Evidence) -> Labelling:
        """Those of the problem that the labels of the input are of."""
        classes, (kind, _) = int(evidence.config.num_labels), evidence.problem_type
        single = kind == "single_label_classification"
        covered = min(classes, MOST_CLASSES, max(2, MOST_LOGITS // classes))
        rows = max(3, covered) if single else 4
        rows += rows == evidence.probe.batch_size
        words = counted(rows, "row")
        if single:
            every = covered == classes
            words += " with every label" if every else f" with {covered} of {classes:,} labels"
        labels = _labels(kind, rows, classes, covered, evidence.probe.labels)
        return cls(rows, labels, words)


def _labels(kind: str, rows: int, classes: int, covered: int, like: torch.Tensor) -> torch.Tensor:
    """Labels of the dtype and rank of those that were given: every class, targets of several
    magnitudes, or shares from none of a label to all of it."""
    row = torch.arange(rows)
    if kind == "single_label_classification":
        labels = (row % covered).reshape(rows, *[1] * (like.ndim - 1))
    elif kind == "regression":
        columns = row[:, None] + torch.arange(classes)
        labels = (10.0 ** (columns % 4 - 2) * (1 - 2 * (columns % 2))).reshape(rows, classes)
        labels = labels if like.ndim > 1 else labels.reshape(rows * classes)
    else:
        labels = (row[:, None] + torch.arange(classes)) % 4 / 3
    return labels.to(device=like.device, dtype=like.dtype)


def _short_rows(evidence: Evidence, rows: int) -> Probe:
    """As many rows, each two or three tokens of the input, every second one padded."""
    first, second = _longest_rows(evidence.probe)
    own = [first[shift:] for shift in range(len(first))] + [second]
    width = min(3, len(first))
    places = [own[row % len(own)][: max(1, width - row % 2)] for row in range(rows)]
    return evidence.probe.picked(places, width).padded_with(evidence.pad_token_id)
