"""`Trainer.predict`: what stands in `predictions`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from transformers import Trainer, TrainingArguments, default_data_collator

from roberta_inspect.consumer.identify import Slots, parts
from roberta_inspect.consumer.subject import BOTH, HIDDEN_STATES, Subject
from roberta_inspect.consumer.way import Handed, row
from roberta_inspect.inputs.probe import Probe
from roberta_inspect.records import Consumer

PADDING = -100.0
"""What the Trainer fills the shorter batches with."""

WAYS: Mapping[str, Mapping[str, Any]] = {
    "": {},
    ", config.output_hidden_states=True": HIDDEN_STATES,
    ", config.output_hidden_states=True, config.output_attentions=True": BOTH,
}

UNLIKE = (
    "the Trainer pads one axis of what it joins, and attentions of rows of unlike length differ in "
    'two; pad every row to one length, or pass ignore_keys=["attentions"] to predict'
)


def rows(subject: Subject) -> Iterator[Consumer]:
    """Plain, with hidden states, with both; then rows of unlike length, one to a batch."""
    for words, settings in WAYS.items():
        yield _row(subject, f"Trainer.predict{words}", settings, subject.slots, trim=False)
    if len(set(subject.probe.row_lengths)) > 1:
        slots = subject.slots.filled(subject.probe.attention_mask, PADDING)
        for words, settings in WAYS.items():
            title = f"Trainer.predict, rows of unlike length{words}"
            yield _row(subject, title, settings, slots, trim=True)


def _row(
    subject: Subject, title: str, settings: Mapping[str, Any], slots: Slots, *, trim: bool
) -> Consumer:
    def call() -> Handed:
        predictions = _predictions(subject, settings, trim=trim)
        return Handed(predictions, parts(slots, predictions, "predictions"))

    return row("trainer", title, call, why={"RuntimeError": UNLIKE} if trim else None)


def _predictions(subject: Subject, settings: Mapping[str, Any], *, trim: bool) -> Any:
    """`Trainer.predict(rows).predictions`; with `trim` each row without its padding, in a batch of
    its own."""
    probe = subject.probe
    dataset = [_example(probe, number, trim) for number in range(probe.batch_size)]
    with tempfile.TemporaryDirectory(prefix="roberta-inspect-") as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            report_to=[],
            use_cpu=subject.model.device.type == "cpu",
            per_device_eval_batch_size=1 if trim else probe.batch_size,
            dataloader_pin_memory=False,
            disable_tqdm=True,
            log_level="critical",
        )
        trainer = Trainer(
            model=subject.copy(**settings), args=arguments, data_collator=default_data_collator
        )
        return trainer.predict(dataset).predictions


def _example(probe: Probe, number: int, trim: bool) -> dict[str, torch.Tensor]:
    """One row of the input, without its padding where that is to be trimmed."""
    keep = probe.attention_mask[number].bool().cpu()
    inputs = {
        name: tensor[number][keep] if trim else tensor[number]
        for name, tensor in probe.on("cpu").inputs.items()
    }
    return {**inputs, "labels": probe.labels[number].cpu()}
