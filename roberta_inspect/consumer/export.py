"""`torch.export`: what an exported program returns, and the names that its graph has for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch

from roberta_inspect.consumer.identify import parts
from roberta_inspect.consumer.row import HandedOver, row
from roberta_inspect.consumer.subject import BOTH, BOTH_IN_WORDS, Subject
from roberta_inspect.records import Consumer, Part

CALL = "torch.export.export(model)"


def rows(subject: Subject) -> Iterator[Consumer]:
    """With hidden states and attentions; then with labels."""
    labels = {"labels": subject.probe.labels}
    yield _row(subject, f"{CALL}, {BOTH_IN_WORDS}", BOTH, {})
    yield _row(subject, f"{CALL}, with labels", {}, labels)


def _row(
    subject: Subject, title: str, settings: dict[str, Any], labels: dict[str, torch.Tensor]
) -> Consumer:
    def call() -> HandedOver:
        model, inputs = subject.copy(**settings), {**subject.probe.inputs, **labels}
        with torch.no_grad():
            program = torch.export.export(model, (), inputs)
            outputs = program.module()(**inputs)
        names = [str(name) for name in program.graph_signature.user_outputs]
        identified = list(parts(subject.slots, outputs, "outputs"))
        written = model.config.problem_type
        notes = (
            (f'exporting wrote config.problem_type = "{written}"',)
            if written != subject.model.config.problem_type
            else ()
        )
        return HandedOver(outputs, _with_names(identified, names), notes)

    return row("export", title, call)


def _with_names(identified: list[Part], names: list[str]) -> list[Part]:
    """The parts with the names of the graph, if it has one for each of them."""
    tensors = [part for part in identified if part.shape is not None]
    if len(tensors) != len(names):
        return identified
    graph_names = iter(names)
    return [
        part if part.shape is None else replace(part, declared=next(graph_names))
        for part in identified
    ]
