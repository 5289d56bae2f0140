"""`torch.compile`: whether the class of the outputs survives."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch

from roberta_inspect.consumer.identify import parts
from roberta_inspect.consumer.subject import HIDDEN_STATES, Subject
from roberta_inspect.consumer.way import Handed, row
from roberta_inspect.records import Consumer

BACKEND = "eager"
"""Captures the graph as the others do, and needs no compiler."""


def _backend(graph: Any, inputs: Any) -> Any:
    """What that backend does."""
    return graph.forward


LOCK = (
    "the first call with hidden states installs hooks under a lock, which breaks the graph; call "
    "the model once with output_hidden_states=True before it is compiled"
)


def rows(subject: Subject) -> Iterator[Consumer]:
    """As it is, with hidden states, and those in one graph."""

    def way(options: str, settings: dict[str, Any], *, fullgraph: bool = False) -> Consumer:
        def call() -> Handed:
            model = subject.copy(**settings)
            with torch.no_grad():
                # Graphs are kept for each backend object: a new one finds none of an earlier call.
                compiled = torch.compile(model, backend=partial(_backend), fullgraph=fullgraph)
                outputs = compiled(**subject.probe.inputs)
            return Handed(outputs, parts(subject.slots, outputs, "outputs"))

        title = f'torch.compile(model, backend="{BACKEND}"{options}'
        return row("compile", title, call, why={"Unsupported": LOCK})

    yield way(")", {})
    yield way("), config.output_hidden_states=True", HIDDEN_STATES)
    yield way(", fullgraph=True), config.output_hidden_states=True", HIDDEN_STATES, fullgraph=True)
