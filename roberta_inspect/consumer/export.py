"""`torch.export`: what an exported program returns, and what its graph calls it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch

from roberta_inspect.consumer.identify import parts
from roberta_inspect.consumer.subject import BOTH, Subject
from roberta_inspect.consumer.way import Handed, row
from roberta_inspect.records import Consumer, Part

CALL = "torch.export.export(model)"


def rows(subject: Subject) -> Iterator[Consumer]:
    """With hidden states and attentions; then with labels."""
    labels = {"labels": subject.probe.labels}
    asked = "config.output_hidden_states=True, config.output_attentions=True"
    yield _row(subject, f"{CALL}, {asked}", BOTH, {})
    yield _row(subject, f"{CALL}, with labels", {}, labels)


def _row(
    subject: Subject, title: str, settings: dict[str, Any], labels: dict[str, torch.Tensor]
) -> Consumer:
    def call() -> Handed:
        model, inputs = subject.copy(**settings), {**subject.probe.inputs, **labels}
        with torch.no_grad():
            program = torch.export.export(model, (), inputs)
            outputs = program.module()(**inputs)
        names = [str(name) for name in program.graph_signature.user_outputs]
        found = list(parts(subject.slots, outputs, "outputs"))
        written = model.config.problem_type
        notes = (
            (f'exporting wrote config.problem_type = "{written}"',)
            if written != subject.model.config.problem_type
            else ()
        )
        return Handed(outputs, _named(found, names), notes)

    return row("export", title, call)


def _named(found: list[Part], names: list[str]) -> list[Part]:
    """The parts with the names that the graph has for them, where it has one for each."""
    tensors = [part for part in found if part.shape is not None]
    if len(tensors) != len(names):
        return found
    declared = iter(names)
    return [
        part if part.shape is None else replace(part, declared=next(declared)) for part in found
    ]
