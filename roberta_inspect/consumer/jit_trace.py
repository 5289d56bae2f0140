"""`torch.jit.trace`: what a traced model returns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from roberta_inspect.consumer.identify import parts
from roberta_inspect.consumer.row import HandedOver, row
from roberta_inspect.consumer.subject import BOTH, HIDDEN_STATES, Subject
from roberta_inspect.records import Consumer

CALL = "torch.jit.trace"

NEEDS_TUPLE = (
    "a trace cannot hold a ModelOutput; set config.return_dict = False, or pass strict=False where "
    "the logits are all that is returned"
)


def rows(subject: Subject) -> Iterator[Consumer]:
    """The defaults, `strict=False` without and with hidden states, and a tuple with everything."""

    def row_of(options: str, *, strict: bool = True, **settings: Any) -> Consumer:
        def call() -> HandedOver:
            inputs = subject.probe.inputs
            with torch.no_grad():
                traced = torch.jit.trace(
                    subject.copy(**settings), example_kwarg_inputs=inputs, strict=strict
                )
                outputs = traced(**inputs)
            return HandedOver(outputs, parts(subject.slots, outputs, "outputs"))

        return row(
            "jit-trace", f"{CALL}(model{options}", call, advice={"RuntimeError": NEEDS_TUPLE}
        )

    yield row_of(")")
    yield row_of(", strict=False)", strict=False)
    yield row_of(", strict=False), config.output_hidden_states=True", strict=False, **HIDDEN_STATES)
    yield row_of(
        "), config.return_dict=False, config.output_hidden_states=True, "
        "config.output_attentions=True",
        return_dict=False,
        **BOTH,
    )
