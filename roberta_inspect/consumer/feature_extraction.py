"""`pipeline("feature-extraction")`: which of the outputs it returns as features."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from roberta_inspect.consumer.pipeline import NO_TOKENIZER, pipeline_for, slots_of
from roberta_inspect.consumer.row import HandedOver, row
from roberta_inspect.consumer.subject import Subject
from roberta_inspect.records import Consumer, Text

CALL = 'pipeline("feature-extraction")'


def rows(subject: Subject) -> Iterator[Consumer]:
    """One string."""
    text = subject.texts[0].first

    def call() -> HandedOver:
        features = pipeline_for("feature-extraction", subject, subject.copy)(text)
        part = slots_of(subject, Text(first=text)).part("features", torch.tensor(features))
        return HandedOver(features, [part])

    advice = NO_TOKENIZER if subject.tokenizer is None else None
    yield row("feature-extraction", f"features = {CALL}(text)", call, advice=advice)
