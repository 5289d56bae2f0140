"""What differs between two maps, as sentences: one per cause, with its consequence.

A comparison covers the labels and weights of the checkpoint, the containers, which name is at which
index, kinds, numbers of items, axes, sizes that belong to the model, dtypes, origins, proofs that
held, what consumers return, and new findings. Other versions, sources and input sizes are not
differences.
"""

from __future__ import annotations

from roberta_inspect.differences.change import Change, merge_changes
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
from roberta_inspect.differences.slots import slot_changes, slot_pairs, value_changes
from roberta_inspect.errors import UsageError
from roberta_inspect.records import Input, OutputMap

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
        for place in slot_pairs(*pair):
            changes += slot_changes(place)
            # With other labels, the same logits give another loss.
            if values and (place.name != "loss" or left.input.labels == right.input.labels):
                changes += value_changes(place)
    changes += consumer_changes(left, right)
    changes += proof_changes(left, right)
    changes += finding_changes(left, right, _already_said(changes, right))
    return Report(
        left=Side.of(left, files[0]),
        right=Side.of(right, files[1]),
        differences=merge_changes(
            _without_labels_axis(changes), [before.spec for before, _ in calls]
        ),
    )


def _already_said(changes: list[Change], right: OutputMap) -> frozenset[str]:
    """The ids of findings that repeat one of the changes."""
    finding_ids = {
        "num-labels": "placeholder-label-names",
        "label-names": "placeholder-label-names",
        "problem-type": "problem-type-written",
        "weights": right.checkpoint.weights.verdict,
        "call-raised": "call-failed",
        "proof": "claim-refuted",
    }
    return frozenset(finding_ids[change.id] for change in changes if change.id in finding_ids)


def _without_labels_axis(changes: list[Change]) -> list[Change]:
    """The changes without the size of the axis `num_labels`, if `num-labels` reports it already."""
    if not any(change.id == "num-labels" for change in changes):
        return changes
    return [change for change in changes if (change.id, change.subject) != ("size", "num_labels")]


def _check_values(left: OutputMap, right: OutputMap) -> None:
    before, after = left.input, right.input
    rows = [
        (input_.batch_size, input_.sequence_length, input_.tokens, input_.values)
        for input_ in (before, after)
    ]
    if rows[0] != rows[1]:
        raise UsageError(
            f"the values of two maps compare only on one input: left has {_input_size(before)}, "
            f"right has {_input_size(after)}"
            + (", other tokens" if rows[0][:2] == rows[1][:2] else ""),
            hint="Make both maps with the same texts=, batch_size= and sequence_length=.",
        )
    for side, output_map in (("left", left), ("right", right)):
        if output_map.setup.no_weights:
            raise UsageError(
                f"the {side} map holds no values: it was made without weights",
                hint="Leave values= out, or make the map anew without no_weights=.",
            )


def _input_size(input_: Input) -> str:
    return f"batch_size {input_.batch_size} × sequence_length {input_.sequence_length}"
