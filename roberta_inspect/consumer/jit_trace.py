"""`torch.jit.trace`: what a traced model returns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from roberta_inspect.consumer.identify import parts
from roberta_inspect.consumer.subject import BOTH, HIDDEN_STATES, Subject
from roberta_inspect.consumer.way import Handed, row
from roberta_inspect.records import Consumer

CALL = "torch.jit.trace"

NO_DICT = (
    "a trace cannot hold a ModelOutput; set config.return_dict = False, or pass strict=False where "
    "the logits are all that is returned"
)


def rows(subject: Subject) -> Iterator[Consumer]:
    """As it is, `strict=False`, that with hidden states, and a tuple with everything."""

    def way(options: str, *, strict: bool = True, **settings: Any) -> Consumer:
        def call() -> Handed:
            inputs = subject.probe.inputs
            with torch.no_grad():
                traced = torch.jit.trace(
                    subject.copy(**settings), example_kwarg_inputs=inputs, strict=strict
                )
                outputs = traced(**inputs)
            return Handed(outputs, parts(subject.slots, outputs, "outputs"))

        return row("jit-trace", f"{CALL}(model{options}", call, why={"RuntimeError": NO_DICT})

    yield way(")")
    yield way(", strict=False)", strict=False)
    yield way(", strict=False), config.output_hidden_states=True", strict=False, **HIDDEN_STATES)
    yield way(
        "), config.return_dict=False, config.output_hidden_states=True, "
        "config.output_attentions=True",
        return_dict=False,
        **BOTH,
    )
