"""`Trainer.predict`: what `predictions` contains."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from transformers import Trainer, TrainingArguments, default_data_collator

from roberta_inspect.consumer.identify import Slots, parts
from roberta_inspect.consumer.row import HandedOver, row
from roberta_inspect.consumer.subject import BOTH, HIDDEN_STATES, Subject
from roberta_inspect.inputs.probe import Probe
from roberta_inspect.records import Consumer

PADDING = -100.0
"""The number with which the Trainer fills shorter batches."""

SETTINGS_OF_TITLE: Mapping[str, Mapping[str, Any]] = {
    "": {},
    ", config.output_hidden_states=True": HIDDEN_STATES,
    ", config.output_hidden_states=True, config.output_attentions=True": BOTH,
}

UNEQUAL_LENGTHS = (
    "the Trainer pads one axis of what it joins, and attentions of rows of unlike length differ in "
    'two; pad every row to one length, or pass ignore_keys=["attentions"] to predict'
)


def rows(subject: Subject) -> Iterator[Consumer]:
    """With each of the settings, then again with rows of unequal length, one row per batch."""
    for words, settings in SETTINGS_OF_TITLE.items():
        yield _row(subject, f"Trainer.predict{words}", settings, subject.slots, trim=False)
    if len(set(subject.probe.row_lengths)) > 1:
        slots = subject.slots.filled(subject.probe.attention_mask, PADDING)
        for words, settings in SETTINGS_OF_TITLE.items():
            title = f"Trainer.predict, rows of unlike length{words}"
            yield _row(subject, title, settings, slots, trim=True)


def _row(
    subject: Subject, title: str, settings: Mapping[str, Any], slots: Slots, *, trim: bool
) -> Consumer:
    def call() -> HandedOver:
        predictions = _predictions(subject, settings, trim=trim)
        return HandedOver(predictions, parts(slots, predictions, "predictions"))

    return row("trainer", title, call, advice={"RuntimeError": UNEQUAL_LENGTHS} if trim else None)


def _predictions(subject: Subject, settings: Mapping[str, Any], *, trim: bool) -> Any:
    """`Trainer.predict(rows).predictions`. With `trim`, each row is a batch without padding."""
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
    """One row of the input, without its padding if `trim` is set."""
    keep = probe.attention_mask[number].bool().cpu()
    inputs = {
        name: tensor[number][keep] if trim else tensor[number]
        for name, tensor in probe.on("cpu").inputs.items()
    }
    return {**inputs, "labels": probe.labels[number].cpu()}
