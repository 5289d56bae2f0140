"""`pipeline("text-classification")`: how it computes the score, and how it nests lists."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch
from transformers import pipeline

from roberta_inspect.consumer.identify import Slots
from roberta_inspect.consumer.row import HandedOver, row
from roberta_inspect.consumer.subject import Subject
from roberta_inspect.inputs.probe import Probe
from roberta_inspect.records import Consumer, Part, Text
from roberta_inspect.text import distinct_names

CALL = 'pipeline("text-classification")'

MOST_TEXTS = 8
"""The most texts in one call."""

NO_TOKENIZER = dict.fromkeys(
    ("Exception", "OSError", "ValueError", "TypeError"),
    "there is no tokenizer beside this model; save one with it, or give one as an argument "
    "in Python",
)
NEEDS_DICT = (
    'the pipeline asks for outputs["logits"], and with config.return_dict = False the outputs are '
    "a tuple; set it to True"
)


def rows(subject: Subject) -> Iterator[Consumer]:
    """One string, a list, `top_k`, a pair; after a call with labels; with `return_dict=False`."""
    texts = [Text(first=text.first) for text in subject.texts[:MOST_TEXTS]]
    single, several = texts[0].first, [text.first for text in texts]
    second = subject.texts[0].second or subject.texts[-1].first
    pair, pair_texts = {"text": single, "text_pair": second}, [Text(first=single, second=second)]

    advice = NO_TOKENIZER if subject.tokenizer is None else {"TypeError": NEEDS_DICT}

    def row_of(
        arguments: str, texts: list[Text], text_input: Any, model: Any = None, **options: Any
    ) -> Any:
        def call() -> HandedOver:
            classify = pipeline_for("text-classification", subject, model or subject.copy)
            output = classify(text_input, **options)
            return HandedOver(output, scores(subject, texts, output))

        return row("pipeline", f"{CALL}{arguments}", call, advice=advice)

    yield row_of("(text)", texts[:1], single)
    yield row_of("([text, …])", texts, several)
    yield row_of("(text, top_k=1)", texts[:1], single, top_k=1)
    yield row_of("(text, top_k=None)", texts[:1], single, top_k=None)
    yield row_of("([text, …], top_k=1)", texts, several, top_k=1)
    yield row_of('({"text": …, "text_pair": …})', pair_texts, pair)
    if subject.model.config.problem_type is None:
        labelled = row_of(
            "(text), after one call with labels",
            texts[:1],
            single,
            lambda: _model_after_labels(subject),
        )
        yield replace(labelled, after_labels=True)
    if subject.model.config.return_dict:
        without = lambda: subject.copy(return_dict=False)  # noqa: E731
        yield row_of("(text), config.return_dict=False", texts[:1], single, without)


def pipeline_for(task: str, subject: Subject, model: Callable[[], Any]) -> Any:
    """The pipeline for this task around a copy of the model."""
    own = model()
    return pipeline(task, model=own, tokenizer=subject.own_tokenizer, device=own.device)


def _model_after_labels(subject: Subject) -> Any:
    model, probe = subject.copy(), subject.probe
    with torch.no_grad():
        model(**probe.inputs, labels=probe.labels)
    return model


def slots_of(subject: Subject, text: Text) -> Slots:
    """What the model returns for one text alone, encoded as the pipeline does it."""
    encoded = subject.own_tokenizer(text.first, text.second, return_tensors="pt")
    inputs = {name: tensor.to(subject.model.device) for name, tensor in encoded.items()}
    return Slots.of(subject.copy(), Probe(inputs=inputs, labels=torch.zeros(1)))


def scores(subject: Subject, texts: list[Text], output: Any) -> Iterator[Part]:
    """What each score in the nested lists is: `[0]["score"]`, `[0][0]["score"]`."""
    slots = [slots_of(subject, text) for text in texts]
    names = {int(key): str(name) for key, name in subject.model.config.id2label.items()}
    shown = distinct_names(names)
    for access, row_number, entry in _score_entries(output, len(texts)):
        columns = {column: shown[column] for column in names if names[column] == entry["label"]}
        part = slots[row_number].score(f'{access}["score"]', entry["score"], 0, columns)
        yield replace(part, label=str(entry["label"]))


def _score_entries(output: Any, texts: int) -> Iterator[tuple[str, int, Any]]:
    """For each `{label, score}`: how to reach it, the number of its text, and the dict itself."""
    if isinstance(output, dict):
        yield "", 0, output
        return
    for number, outer in enumerate(output):
        inner = outer if isinstance(outer, list) else [outer]
        for place, entry in enumerate(inner):
            deeper = f"[{place}]" if isinstance(outer, list) else ""
            yield f"[{number}]{deeper}", number if texts > 1 else 0, entry
