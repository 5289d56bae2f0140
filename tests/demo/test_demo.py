"""The bundled checkpoint: small, really trained, and what its README says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from roberta_inspect.demo.sentences import LABEL_NAMES, corpus, natural_sentences, normalized

DEMO = Path(__file__).parents[2] / "roberta_inspect" / "demo"
SEED = 7
"""The seed of the training sentences, as in demo/train.py; unseen templates have the next one."""


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(DEMO)


@pytest.fixture(scope="module")
def model():
    return AutoModelForSequenceClassification.from_pretrained(DEMO).eval()


@pytest.fixture(scope="module")
def predicted(tokenizer, model):
    def labels(sentences):
        rows = tokenizer(sentences, padding=True, return_tensors="pt")
        with torch.no_grad():
            return [model.config.id2label[int(label)] for label in model(**rows).logits.argmax(-1)]

    return labels


def stated(row: str) -> tuple[str, ...]:
    """The other cells of that row of the README's tables."""
    line = re.search(rf"^\| {row} \| (.*) \|$", (DEMO / "README.md").read_text("utf-8"), re.M)
    assert line is not None, f"demo/README.md has no row {row!r}"
    return tuple(line[1].split(" | "))


def test_all_files_together_are_at_most_400_kb():
    sizes = {path.name: path.stat().st_size for path in DEMO.iterdir() if path.is_file()}
    assert sum(sizes.values()) <= 400_000, sizes


def test_the_tokenizer_puts_special_tokens_where_roberta_has_them(tokenizer):
    ids = tokenizer("a film").input_ids
    assert tokenizer.convert_ids_to_tokens(range(5)) == ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    assert (ids[0], ids[-1]) == (0, 2)


def test_any_text_survives_the_tokenizer(tokenizer):
    text = "Łódź, naïve 映画 🎬\ttabs"
    assert tokenizer.decode(tokenizer(text).input_ids, skip_special_tokens=True) == text


@pytest.mark.parametrize(
    ("sentence", "label"),
    [
        ("what a wonderful film", "positive"),
        ("The staff were friendly and the food was delicious.", "positive"),
        ("a dull, awful mess", "negative"),
        ("This was not a good film.", "negative"),
        ("The train leaves at noon.", "neutral"),
    ],
)
def test_an_unseen_sentence_gets_its_label(predicted, sentence, label):
    assert (sentence, label) in [(text, str(name)) for text, name in natural_sentences()]
    assert predicted([sentence]) == [label]


def test_no_sentence_written_by_hand_is_made_for_training():
    training = {normalized(sentence) for sentence, _ in corpus(30_000, SEED)}
    assert training.isdisjoint({normalized(sentence) for sentence, _ in natural_sentences()})


def test_the_training_sentences_are_the_same_each_time():
    assert list(corpus(50, SEED)) == list(corpus(50, SEED))


@pytest.mark.parametrize(
    ("row", "unseen"),
    [
        ("made from unseen templates", list(corpus(2_000, SEED + 1, held_out=True))),
        ("written by hand", natural_sentences()),
    ],
)
def test_the_readme_states_the_accuracy(predicted, row, unseen):
    sentences, labels = zip(*unseen, strict=True)
    guesses = [
        label for at in range(0, len(unseen), 500) for label in predicted(sentences[at : at + 500])
    ]
    right = sum(guess == label for guess, label in zip(guesses, labels, strict=True))
    accuracy = right / len(unseen)
    assert stated(row) == (f"{len(unseen):,}", f"{right:,}", f"{accuracy * 100:.1f} %")
    assert accuracy >= 0.85


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ("layers", "num_hidden_layers"),
        ("hidden size", "hidden_size"),
        ("attention heads", "num_attention_heads"),
        ("vocabulary", "vocab_size"),
    ],
)
def test_the_readme_states_the_configuration(model, row, field):
    assert stated(row) == (str(getattr(model.config, field)),)


def test_the_labels_have_names_and_no_problem_type_is_set(model):
    assert tuple(model.config.id2label.values()) == LABEL_NAMES
    assert stated("labels") == (", ".join(LABEL_NAMES),)
    assert model.config.problem_type is None


def test_the_longest_input_is_what_the_positions_allow(model, tokenizer):
    usable = model.config.max_position_embeddings - model.config.pad_token_id - 1
    assert stated("longest input") == (f"{usable} tokens",)
    assert tokenizer.model_max_length == usable
