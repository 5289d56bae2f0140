"""The call with other sizes, which several claims share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from roberta_inspect.claims.claim import NotTestedError
from roberta_inspect.inputs.probe import Probe
from roberta_inspect.live.containers import tensors_in

if TYPE_CHECKING:
    from roberta_inspect.claims.evidence import Evidence


@dataclass(frozen=True, slots=True)
class ResizedCall:
    """What is kept of a call that repeats one row of the first input.

    It is the row with the most padding, without that padding; where no row has any, the first row
    with one token of padding more. In the last place its tokens stand in reverse. So the call also
    shows what padding, and another row beside it, do to a row.
    """

    probe: Probe
    row: int
    """Which row of the first input."""
    shapes: Mapping[str, tuple[tuple[int, ...], ...]]
    """Name of a slot → the shape of each tensor in it."""
    logits: torch.Tensor
    """Of shape `(batch_size - 1, num_labels)`: the same row everywhere but in the last place."""

    @classmethod
    def of(cls, evidence: Evidence) -> ResizedCall:
        """Make the call."""
        first = evidence.probe
        lengths = (first.sequence_length,) if evidence.fake else first.row_lengths
        row = min(range(len(lengths)), key=lambda each: lengths[each])
        if lengths[row] == 0:
            raise NotTestedError(f"row {row} is nothing but padding")
        trimmed = lengths[row] < first.sequence_length
        one = first.trimmed(row) if trimmed else first.row(row).padded(evidence.pad_token_id)
        # One row more would change both axes alike where both are as long.
        alike = not trimmed and first.batch_size == first.sequence_length
        probe = one.repeated(first.batch_size + (2 if alike else 1))
        ids, tokens = probe.inputs["input_ids"], lengths[row]
        ids[-1, :tokens] = ids[-1, :tokens].flip(0)
        fields = evidence.call(probe, labels=False)
        if not isinstance(fields.get("logits"), torch.Tensor):
            raise NotTestedError("a call with other sizes returned no logits")
        shapes = {
            name: tuple(tuple(each.shape) for each in tensors_in(value))
            for name, value in fields.items()
        }
        return cls(probe, row, shapes, fields["logits"][:-1])
