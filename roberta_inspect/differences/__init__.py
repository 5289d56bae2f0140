"""What differs between two maps, as sentences: one per cause, with its consequence.

Compared are the labels and weights of the checkpoint, the containers, which name stands at which
index, kinds, numbers of items, axes, sizes that belong to the model, dtypes, origins, proofs that
held, what consumers hand over, and findings that came. Versions, sources and the input's sizes are
no differences.
"""

from __future__ import annotations

from roberta_inspect.differences.change import Change, merged
from roberta_inspect.differences.checkpoint import checkpoint_changes
from roberta_inspect.differences.consumers import consumer_changes
from roberta_inspect.differences.containers import (
    call_changes,
    container_changes,
    paired_calls,
    place_changes,
)
from roberta_inspect.differences.proofs import finding_changes, proof_changes
from roberta_inspect.differences.report import Difference, Report, Side
from roberta_inspect.differences.slots import pairs, slot_changes, value_changes
from roberta_inspect.errors import UsageError
from roberta_inspect.records import OutputMap

__all__ = ["Difference", "Report", "Side", "compared"]


def compared(
    left: OutputMap,
    right: OutputMap,
    *,
    values: bool = False,
    files: tuple[str | None, str | None] = (None, None),
) -> Report:
    """The differences of two maps; `files` are the names of those that were read from a file.

    Raises:
        UsageError: `values` of maps whose inputs differ or that hold no values.
    """
    if values:
        _check_values(left, right)
    calls = paired_calls(left, right)
    changes = [*checkpoint_changes(left.checkpoint, right.checkpoint), *call_changes(left, right)]
    for pair in calls:
        changes += [*container_changes(*pair), *place_changes(*pair)]
    for pair in calls:
        for each in pairs(*pair):
            changes += slot_changes(each)
            # Other labels make another loss of the same logits.
            if values and (each.name != "loss" or left.input.labels == right.input.labels):
                changes += value_changes(each)
    changes += consumer_changes(left, right)
    changes += proof_changes(left, right)
    changes += finding_changes(left, right, _told(changes, right))
    return Report(
        left=Side.of(left, files[0]),
        right=Side.of(right, files[1]),
        differences=merged(_without_labels_axis(changes), [before.spec for before, _ in calls]),
    )


def _told(changes: list[Change], right: OutputMap) -> frozenset[str]:
    """The findings that a difference says already."""
    told = {
        "num-labels": "placeholder-label-names",
        "label-names": "placeholder-label-names",
        "problem-type": "problem-type-written",
        "weights": right.checkpoint.weights.verdict,
        "call-raised": "call-failed",
        "proof": "claim-refuted",
    }
    return frozenset(told[change.id] for change in changes if change.id in told)


def _without_labels_axis(changes: list[Change]) -> list[Change]:
    """The changes, less the size of the axis `num_labels` where the checkpoints' numbers differ."""
    if not any(change.id == "num-labels" for change in changes):
        return changes
    return [change for change in changes if (change.id, change.subject) != ("size", "num_labels")]


def _check_values(left: OutputMap, right: OutputMap) -> None:
    before, after = left.input, right.input
    rows = [
        (each.batch_size, each.sequence_length, each.tokens, each.values)
        for each in (before, after)
    ]
    if rows[0] != rows[1]:
        raise UsageError(
            f"the values of two maps compare only on one input: left has {_size(left)}, right has "
            f"{_size(right)}" + (", other tokens" if rows[0][:2] == rows[1][:2] else ""),
            hint="Make both maps with the same texts=, batch_size= and sequence_length=.",
        )
    for side, made in (("left", left), ("right", right)):
        if made.setup.no_weights:
            raise UsageError(
                f"the {side} map holds no values: it was made without weights",
                hint="Leave values= out, or make the map anew without no_weights=.",
            )


def _size(made: OutputMap) -> str:
    return f"batch_size {made.input.batch_size} × sequence_length {made.input.sequence_length}"
