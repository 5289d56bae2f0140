"""Trains the demo checkpoint: `python -m roberta_inspect.demo.train [FOLDER]`, about four minutes.

One seed, one thread: the same versions on the same machine write the same bytes.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast, RobertaConfig, RobertaForSequenceClassification

from roberta_inspect.demo.sentences import LABEL_NAMES, Label, corpus, natural_sentences

SEED = 7
SENTENCES = 30_000
EPOCHS = 12
BATCH_SIZE = 64
LONGEST_ROW = 64
"""Tokens of a row: the usable length, `max_position_embeddings - pad_token_id - 1`."""
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")

Example = tuple[list[int], int]


def train_demo(folder: Path) -> None:
    """Trains the tokenizer and the model, measures them on unseen sentences, writes both."""
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    sentences = list(corpus(SENTENCES, SEED))
    bpe = trained_tokenizer(sentence for sentence, _ in sentences)
    model = RobertaForSequenceClassification(config_for(bpe))
    train(model, examples(bpe, sentences))
    for name, unseen in (
        ("made from unseen templates", list(corpus(2_000, SEED + 1, held_out=True))),
        ("written by hand", natural_sentences()),
    ):
        right = correct(model.eval(), examples(bpe, unseen))
        print(f"{name}: {right} of {len(unseen)} right ({right / len(unseen):.1%})")
    model.save_pretrained(folder)
    save_tokenizer(bpe, folder)


def trained_tokenizer(sentences: Iterable[str]) -> Tokenizer:
    """A byte-level BPE as RoBERTa has it, with the special tokens at RoBERTa's ids."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=800,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(sentences, trainer)
    bpe.post_processor = processors.RobertaProcessing(
        ("</s>", SPECIAL.index("</s>")), ("<s>", SPECIAL.index("<s>")), add_prefix_space=False
    )
    return bpe


def config_for(bpe: Tokenizer) -> RobertaConfig:
    """A RoBERTa of two layers that fits into the package."""
    return RobertaConfig(
        vocab_size=bpe.get_vocab_size(),
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=96,
        max_position_embeddings=LONGEST_ROW + SPECIAL.index("<pad>") + 1,
        type_vocab_size=1,
        id2label=dict(enumerate(LABEL_NAMES)),
        label2id={label: number for number, label in enumerate(LABEL_NAMES)},
    )


def examples(bpe: Tokenizer, sentences: Iterable[tuple[str, Label]]) -> list[Example]:
    """Token ids, at most `LONGEST` of them, and label id of each sentence."""
    bpe.enable_truncation(LONGEST_ROW)
    return [(bpe.encode(text).ids, LABEL_NAMES.index(label)) for text, label in sentences]


def train(model: RobertaForSequenceClassification, rows: list[Example]) -> None:
    """AdamW with a linear warm-up and decay; dropout is on, rows are padded batch by batch."""
    steps = EPOCHS * (len(rows) // BATCH_SIZE)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=2e-3, total_steps=steps + 1, pct_start=0.1, anneal_strategy="linear"
    )
    loss_of = torch.nn.CrossEntropyLoss()
    shuffler = random.Random(SEED)
    model.train()
    for epoch in range(EPOCHS):
        shuffler.shuffle(rows)
        total = 0.0
        for ids, mask, labels in list(batches(rows))[: steps // EPOCHS]:
            loss = loss_of(model(input_ids=ids, attention_mask=mask).logits, labels)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            total += loss.item()
        print(f"epoch {epoch + 1} of {EPOCHS}: mean loss {total / (steps // EPOCHS):.3f}")


def batches(rows: list[Example]) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Token ids and attention mask `(batch_size, sequence_length)`, label ids `(batch_size,)`."""
    pad = SPECIAL.index("<pad>")
    for start in range(0, len(rows), BATCH_SIZE):
        batch = rows[start : start + BATCH_SIZE]
        longest = max(len(ids) for ids, _ in batch)
        ids = torch.tensor([row + [pad] * (longest - len(row)) for row, _ in batch])
        yield ids, (ids != pad).long(), torch.tensor([label for _, label in batch])


def correct(model: RobertaForSequenceClassification, rows: list[Example]) -> int:
    """How many rows get their own label."""
    right = 0
    with torch.no_grad():
        for ids, mask, labels in batches(rows):
            predicted = model(input_ids=ids, attention_mask=mask).logits.argmax(-1)
            right += int((predicted == labels).sum())
    return right


def save_tokenizer(bpe: Tokenizer, folder: Path) -> None:
    """The tokenizer's files, in the spelling that every supported release of transformers reads."""
    bpe.no_truncation()
    names = dict(zip(("bos", "pad", "eos", "unk", "mask"), SPECIAL, strict=True))
    names |= {"cls": "<s>", "sep": "</s>"}
    tokens = {f"{name}_token": token for name, token in names.items()}
    PreTrainedTokenizerFast(tokenizer_object=bpe, **tokens).save_pretrained(folder)
    whole = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    # tokenizers before 0.20 (transformers 4.40 – 4.44) reads a merge as one string only.
    whole["model"]["merges"] = [" ".join(pair) for pair in whole["model"]["merges"]]
    write(folder / "tokenizer.json", whole, indent=None)
    settings = {"tokenizer_class": "RobertaTokenizer", "model_max_length": LONGEST_ROW, **tokens}
    settings |= {"add_prefix_space": False, "trim_offsets": True, "errors": "replace"}
    write(folder / "tokenizer_config.json", settings)
    write(folder / "special_tokens_map.json", tokens)


def write(path: Path, value: object, indent: int | None = 2) -> None:
    """`value` as JSON text that ends in a newline."""
    path.write_text(json.dumps(value, indent=indent, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    train_demo(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
