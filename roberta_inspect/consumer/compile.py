"""`torch.compile`: whether a compiled model still returns a `ModelOutput`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch

from roberta_inspect.consumer.identify import parts
from roberta_inspect.consumer.row import HandedOver, row
from roberta_inspect.consumer.subject import HIDDEN_STATES, Subject
from roberta_inspect.records import Consumer

BACKEND = "eager"
"""Captures the graph as the other backends do, but needs no compiler."""

EARLIER_LIMIT = "cache_size_limit"
"""The name that earlier releases of torch have for `recompile_limit`."""

MOST_GRAPHS = 64
"""How many graphs a call may add to those that exist."""


def _eager_backend(graph: Any, inputs: Any) -> Any:
    """The same as the backend `eager`."""
    return graph.forward


BREAKS_GRAPH = (
    "the first call with hidden states installs hooks under a lock, which breaks the graph; call "
    "the model once with output_hidden_states=True before it is compiled"
)


@contextmanager
def _own_graphs() -> Iterator[None]:
    """Drop the graphs afterwards, because torch keeps only a few of them per function.

    Dropping is all or nothing: if the user has graphs, those of this call stay with them.
    """
    from torch._dynamo.convert_frame import input_codes

    had_graphs = bool(input_codes.seen)
    limit = "recompile_limit" if hasattr(torch._dynamo.config, "recompile_limit") else EARLIER_LIMIT
    raised_limit = getattr(torch._dynamo.config, limit) + MOST_GRAPHS
    with torch._dynamo.config.patch({limit: raised_limit}):
        try:
            yield
        finally:
            if not had_graphs:
                torch._dynamo.reset()


def rows(subject: Subject) -> Iterator[Consumer]:
    """With the configuration as it is, with hidden states, and with those as one graph."""

    def row_of(options: str, settings: dict[str, Any], *, fullgraph: bool = False) -> Consumer:
        def call() -> HandedOver:
            model = subject.copy(**settings)
            with torch.no_grad(), _own_graphs():
                # Torch reuses graphs per backend object, so a new object has none to reuse.
                compiled = torch.compile(
                    model, backend=partial(_eager_backend), fullgraph=fullgraph
                )
                outputs = compiled(**subject.probe.inputs)
            return HandedOver(outputs, parts(subject.slots, outputs, "outputs"))

        title = f'torch.compile(model, backend="{BACKEND}"{options}'
        return row("compile", title, call, advice={"Unsupported": BREAKS_GRAPH})

    yield row_of(")", {})
    yield row_of("), config.output_hidden_states=True", HIDDEN_STATES)
    yield row_of(
        ", fullgraph=True), config.output_hidden_states=True", HIDDEN_STATES, fullgraph=True
    )
