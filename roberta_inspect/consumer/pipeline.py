"""`pipeline("text-classification")`: which function made the score, and how deep the lists are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch
from transformers import pipeline

from roberta_inspect.consumer.identify import Slots
from roberta_inspect.consumer.subject import Subject
from roberta_inspect.consumer.way import Handed, row
from roberta_inspect.inputs.probe import Probe
from roberta_inspect.records import Consumer, Part, Text

CALL = 'pipeline("text-classification")'

MOST_TEXTS = 8
"""Texts of one call."""

NO_DICT = (
    'the pipeline asks for outputs["logits"], and with config.return_dict = False the outputs are '
    "a tuple; set it to True"
)


def rows(subject: Subject) -> Iterator[Consumer]:
    """One string, a list, `top_k`, a pair; after a call with labels; with `return_dict=False`."""
    texts = [Text(first=text.first) for text in subject.texts[:MOST_TEXTS]]
    one, several = texts[0].first, [text.first for text in texts]
    second = subject.texts[0].second or subject.texts[-1].first
    pair, both = {"text": one, "text_pair": second}, [Text(first=one, second=second)]

    def way(
        arguments: str, texts: list[Text], given: Any, model: Any = None, **options: Any
    ) -> Any:
        def call() -> Handed:
            classify = made("text-classification", subject, model or subject.copy)
            handed = classify(given, **options)
            return Handed(handed, scores(subject, texts, handed))

        return row("pipeline", f"{CALL}{arguments}", call, why=_why(subject, model))

    yield way("(text)", texts[:1], one)
    yield way("([text, …])", texts, several)
    yield way("(text, top_k=1)", texts[:1], one, top_k=1)
    yield way("(text, top_k=None)", texts[:1], one, top_k=None)
    yield way("([text, …], top_k=1)", texts, several, top_k=1)
    yield way('({"text": …, "text_pair": …})', both, pair)
    if subject.model.config.problem_type is None:
        labelled = way(
            "(text), after one call with labels", texts[:1], one, lambda: _labelled(subject)
        )
        yield replace(labelled, after_labels=True)
    if subject.model.config.return_dict:
        without = lambda: subject.copy(return_dict=False)  # noqa: E731
        yield way("(text), config.return_dict=False", texts[:1], one, without)


def _why(subject: Subject, model: Any) -> dict[str, str]:
    if subject.tokenizer is None:
        lacks = "there is no tokenizer beside this model; save one with it, or pass tokenizer="
        return dict.fromkeys(("Exception", "OSError", "ValueError", "TypeError"), lacks)
    return {"TypeError": NO_DICT}


def made(task: str, subject: Subject, model: Callable[[], Any]) -> Any:
    """The pipeline for this task around a copy of the model."""
    own = model()
    return pipeline(task, model=own, tokenizer=subject.own_tokenizer, device=own.device)


def _labelled(subject: Subject) -> Any:
    model, probe = subject.copy(), subject.probe
    with torch.no_grad():
        model(**probe.inputs, labels=probe.labels)
    return model


def slots_of(subject: Subject, text: Text) -> Slots:
    """What the model returns for one text alone, as the pipeline gives it to the model."""
    encoded = subject.own_tokenizer(text.first, text.second, return_tensors="pt")
    inputs = {name: tensor.to(subject.model.device) for name, tensor in encoded.items()}
    return Slots.of(subject.copy(), Probe(inputs=inputs, labels=torch.zeros(1)))


def scores(subject: Subject, texts: list[Text], handed: Any) -> Iterator[Part]:
    """What each score in nested lists is: `[0]["score"]`, `[0][0]["score"]`."""
    slots = [slots_of(subject, text) for text in texts]
    names = {int(key): str(name) for key, name in subject.model.config.id2label.items()}
    for access, row_number, entry in _entries(handed, len(texts)):
        columns = [column for column, name in names.items() if name == entry["label"]]
        yield slots[row_number].score(
            f'{access}["score"]', entry["score"], 0, columns, str(entry["label"])
        )


def _entries(handed: Any, texts: int) -> Iterator[tuple[str, int, Any]]:
    """Each `{label, score}`: how to reach it, the number of its text, and itself."""
    if isinstance(handed, dict):
        yield "", 0, handed
        return
    for number, each in enumerate(handed):
        inner = each if isinstance(each, list) else [each]
        for place, entry in enumerate(inner):
            deeper = f"[{place}]" if isinstance(each, list) else ""
            yield f"[{number}]{deeper}", number if texts > 1 else 0, entry
