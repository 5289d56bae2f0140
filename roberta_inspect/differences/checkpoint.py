"""What differs between two checkpoints: the classifier's labels, and how complete the files are."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from roberta_inspect.differences.change import Change
from roberta_inspect.records import Checkpoint
from roberta_inspect.text import listed, safe

CHECKPOINT_PLACE = "checkpoint"


def checkpoint_changes(left: Checkpoint, right: Checkpoint) -> Iterator[Change]:
    """Changes of the number of labels, their names, the problem type and the weights verdict."""
    if left.num_labels != right.num_labels:
        yield Change(
            "num-labels",
            None,
            CHECKPOINT_PLACE,
            "num_labels",
            f"{left.num_labels:,} ({_names(left)})",
            f"{right.num_labels:,} ({_names(right)})",
            "logits has another number of columns, and labels mean other things",
        )
    elif left.id2label != right.id2label:
        yield from _name_changes(left, right)
    if left.problem_type != right.problem_type:
        yield Change(
            "problem-type",
            None,
            CHECKPOINT_PLACE,
            "problem_type",
            left.problem_type or "unset",
            right.problem_type or "unset",
            "the loss may be of another kind, and labels may need another dtype and shape",
        )
    if left.weights.verdict != right.weights.verdict:
        yield Change(
            "weights",
            None,
            CHECKPOINT_PLACE,
            "the weights verdict",
            left.weights.verdict,
            right.weights.verdict,
            "the predictions rest on other weights"
            if right.weights.verdict == "complete"
            else "tensors that the checkpoint does not give are random, and so are predictions",
        )


def _names(checkpoint: Checkpoint) -> str:
    return listed(tuple(checkpoint.id2label.values()), most=6, show=partial(safe, longest=40))


def _name_changes(left: Checkpoint, right: Checkpoint) -> Iterator[Change]:
    for number in dict.fromkeys([*left.id2label, *right.id2label]):
        was, now = left.id2label.get(number), right.id2label.get(number)
        if was != now:
            yield Change(
                "label-names",
                None,
                CHECKPOINT_PLACE,
                f"label {safe(number, longest=12)}",
                "absent" if was is None else safe(was, longest=40),
                "absent" if now is None else safe(now, longest=40),
                "the same column of the logits now goes by another name",
            )
