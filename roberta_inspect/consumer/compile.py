"""`torch.compile`: whether the class of the outputs survives."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch

from roberta_inspect.consumer.identify import parts
from roberta_inspect.consumer.subject import HIDDEN_STATES, Subject
from roberta_inspect.consumer.way import Handed, row
from roberta_inspect.records import Consumer

BACKEND = "eager"
"""Captures the graph as the others do, and needs no compiler."""

LIMIT = "cache_size_limit"
"""What earlier releases of torch call `recompile_limit`."""

MOST_GRAPHS = 64
"""Graphs that may be made in addition, for as long as a call takes."""


def _backend(graph: Any, inputs: Any) -> Any:
    """What that backend does."""
    return graph.forward


LOCK = (
    "the first call with hidden states installs hooks under a lock, which breaks the graph; call "
    "the model once with output_hidden_states=True before it is compiled"
)


@contextmanager
def _own_graphs() -> Iterator[None]:
    """Forget the graphs afterwards, where nobody else has made any: torch keeps them with the code
    of the classes, and makes no more than a few for each.

    Graphs of the user's are kept, and so are those of this call beside them.
    """
    from torch._dynamo.convert_frame import input_codes

    others = bool(input_codes.seen)
    limit = "recompile_limit" if hasattr(torch._dynamo.config, "recompile_limit") else LIMIT
    more = getattr(torch._dynamo.config, limit) + MOST_GRAPHS
    with torch._dynamo.config.patch({limit: more}):
        try:
            yield
        finally:
            if not others:
                torch._dynamo.reset()


def rows(subject: Subject) -> Iterator[Consumer]:
    """As it is, with hidden states, and those in one graph."""

    def way(options: str, settings: dict[str, Any], *, fullgraph: bool = False) -> Consumer:
        def call() -> Handed:
            model = subject.copy(**settings)
            with torch.no_grad(), _own_graphs():
                # Graphs are kept for each backend object: a new one finds none of an earlier call.
                compiled = torch.compile(model, backend=partial(_backend), fullgraph=fullgraph)
                outputs = compiled(**subject.probe.inputs)
            return Handed(outputs, parts(subject.slots, outputs, "outputs"))

        title = f'torch.compile(model, backend="{BACKEND}"{options}'
        return row("compile", title, call, why={"Unsupported": LOCK})

    yield way(")", {})
    yield way("), config.output_hidden_states=True", HIDDEN_STATES)
    yield way(", fullgraph=True), config.output_hidden_states=True", HIDDEN_STATES, fullgraph=True)
