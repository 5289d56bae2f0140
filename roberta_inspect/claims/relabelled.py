"""The call with labels of its own, which shows what a loss is reduced over and how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from roberta_inspect.claims.claim import NotTestedError
from roberta_inspect.inputs.labels import problem_type_for
from roberta_inspect.inputs.probe import Probe
from roberta_inspect.text import counted

if TYPE_CHECKING:
    from roberta_inspect.claims.evidence import Evidence

MOST_LABELS = 63
"""Labels that get a row; a loss that treats a later one apart is not seen."""
MOST_LOGITS = 1 << 17
"""Logits of all rows together, unless two rows have more: the proof is made in float64."""
MOST_TOKENS = 2
"""Tokens per row: any logits do, and there may be many rows."""


@dataclass(frozen=True, slots=True)
class RelabelledCall:
    """What is kept of a call with several rows, and labels that cover the classes.

    One row cannot tell a mean from a sum, and labels that leave a class out cannot show its weight.
    The number of rows is not that of the first call, so that a division by a constant shows too.
    """

    loss: Any
    logits: torch.Tensor
    labels: torch.Tensor
    input: str
    """The rows and what their labels cover, in words."""

    @classmethod
    def of(cls, evidence: Evidence) -> RelabelledCall:
        """Make the call."""
        config, given = evidence.config, evidence.probe.labels
        classes = int(config.num_labels)
        kind = problem_type_for(config, given)[0]
        single = kind == "single_label_classification"
        covered = min(classes, MOST_LABELS, max(2, MOST_LOGITS // classes))
        rows = max(2, covered) if single else 2
        rows += rows == evidence.probe.batch_size
        row = torch.arange(rows)
        if single:
            labels = (row % covered).reshape(rows, *[1] * (given.ndim - 1))
        elif kind == "regression" and classes == 1:
            labels = (row % 5 + 0.5).reshape(rows, *[1] * (given.ndim - 1))
        else:
            labels = (row[:, None] + torch.arange(classes)) % 2
        labels = labels.to(device=given.device, dtype=given.dtype)
        fields = evidence.call(
            _rows(evidence.probe, labels), output_hidden_states=False, output_attentions=False
        )
        logits = fields.get("logits")
        if not isinstance(logits, torch.Tensor):
            raise NotTestedError("a call with other labels returned no logits")
        words = counted(rows, "row")
        if single:
            every = covered == classes
            words += " with every label" if every else f" with {covered} of {classes:,} labels"
        return cls(fields.get("loss"), logits, labels, words)


def _rows(probe: Probe, labels: torch.Tensor) -> Probe:
    """As many rows as there are labels: the beginnings of the probe's own, without padding, one
    after the other."""
    lengths = [each for each in probe.row_lengths if each]
    if not lengths:
        raise NotTestedError("every row is nothing but padding")
    own = [probe.trimmed(row) for row, length in enumerate(probe.row_lengths) if length]
    kept = min(*lengths, MOST_TOKENS)
    inputs = {
        name: torch.cat(
            [own[row % len(own)].inputs[name][:, :kept] for row in range(labels.shape[0])]
        )
        for name in probe.inputs
    }
    return Probe(inputs=inputs, labels=labels)
