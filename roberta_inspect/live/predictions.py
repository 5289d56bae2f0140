"""What the logits of each text say: a probability per label, where the problem type has one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from roberta_inspect.inputs.labels import problem_type_for
from roberta_inspect.inputs.probe import Probe
from roberta_inspect.live.containers import is_fake
from roberta_inspect.records import Function, Prediction, Score, finite
from roberta_inspect.records.input import contents

FUNCTIONS: dict[str, tuple[Function, Callable[[torch.Tensor], torch.Tensor] | None]] = {
    "single_label_classification": ("softmax", lambda logits: logits.softmax(dim=-1)),
    "multi_label_classification": ("sigmoid", torch.sigmoid),
    "regression": ("none", None),
}
"""Problem type → what makes probabilities of logits of shape `(batch_size, num_labels)`."""


def predictions_of(
    config: Any, probe: Probe, logits: torch.Tensor | None
) -> tuple[Prediction, ...] | None:
    """One prediction per text; `None` without texts, where no text became a token, or where the
    logits are of another shape.

    `logits` are of shape `(batch_size, num_labels)`. The function is that of the problem type by
    which `forward` treats the labels of the probe.
    """
    if probe.texts is None or logits is None or logits.ndim != 2:
        return None
    if set(contents(probe.texts, probe.tokens, probe.tokenizer)) == {"special"}:
        return None  # they would be predictions of nothing
    name, function = FUNCTIONS[problem_type_for(config, probe.labels)[0]]
    raw = logits.detach().float().cpu()
    shares = None if function is None else function(raw).tolist()
    return tuple(
        Prediction(
            text=text,
            function=name,
            scores=tuple(
                Score(
                    label=str(config.id2label.get(label) or ""),
                    logit=finite(logit),
                    probability=None if shares is None else finite(shares[row][label]),
                )
                for label, logit in enumerate(scores)
            ),
        )
        for row, (text, scores) in enumerate(zip(probe.texts, raw.tolist(), strict=True))
    )


def same_logits(probe: Probe, logits: torch.Tensor | None) -> bool | None:
    """Whether every row has the same logits but for float32 rounding, although the rows differ.

    `None` where there are no values, one row or no two rows that differ.
    """
    if logits is None or is_fake(logits) or logits.ndim != 2 or len(logits) < 2:
        return None
    ids = probe.inputs.get("input_ids", probe.inputs.get("inputs_embeds"))
    if ids is None or all(torch.equal(row, ids[0]) for row in ids[1:]):
        return None
    values = logits.detach().double().cpu()
    apart = (values.amax(dim=0) - values.amin(dim=0)).max()
    return bool(apart <= 4 * torch.finfo(torch.float32).eps * values.abs().max())
