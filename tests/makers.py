"""Tiny checkpoints for the tests, made on the spot from seeds."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any, Literal

import torch
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    RobertaConfig,
    RobertaForMaskedLM,
    RobertaForSequenceClassification,
    RobertaModel,
)

from roberta_inspect.checkpoint.family import members

TINY: dict[str, Any] = {
    "vocab_size": 50,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 40,
    "type_vocab_size": 1,
    "num_labels": 3,
}
TOKENS = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
LETTERS = ("Ġ", *string.ascii_lowercase, ".", ",", "!", "?", "'")


def tiny_config(**overrides: Any) -> RobertaConfig:
    """A RoBERTa configuration whose every size is small; three labels unless said otherwise."""
    values = {**TINY, **overrides}
    if "id2label" in overrides:
        del values["num_labels"]
    return RobertaConfig(**values)


def tiny_model(seed: int = 0, **overrides: Any) -> RobertaForSequenceClassification:
    """A classifier of `tiny_config(**overrides)` in eval mode, its random weights from `seed`."""
    return seeded(RobertaForSequenceClassification, tiny_config(**overrides), seed)


def seeded(cls: Any, config: Any, seed: int = 0, *, noise: float = 0.1) -> Any:
    """A model of `cls` in eval mode with random weights; the random state stays as it was.

    Every parameter gets noise, biases too: a zero bias would hide a claim that forgets it.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = cls(config).eval()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=noise)
    return model


def tiny_member(model_type: str) -> Any:
    """A classifier of that model type with random weights, its attention eager."""
    row = members()[model_type]
    return seeded(row.cls, row.config(**TINY, **TOKENS, attn_implementation="eager"))


def make_checkpoint(
    folder: Path | str,
    model: Any = None,
    *,
    form: Literal["safetensors", "sharded", "bin", "sharded-bin"] = "safetensors",
    tokenizer: bool = False,
) -> Path:
    """`model` (the tiny classifier unless given) saved in `folder`; returns the folder."""
    folder = Path(folder)
    model = tiny_model() if model is None else model
    folder.mkdir(parents=True, exist_ok=True)
    if form == "bin":
        model.config.architectures = [type(model).__name__]
        model.config.save_pretrained(folder)
        torch.save(model.state_dict(), folder / "pytorch_model.bin")
    elif form == "sharded-bin":
        model.config.architectures = [type(model).__name__]
        model.config.save_pretrained(folder)
        _save_bin_shards(folder, model.state_dict())
    else:
        model.save_pretrained(folder, **({"max_shard_size": "10KB"} if form == "sharded" else {}))
    if tokenizer:
        make_tokenizer(folder)
    return folder


def make_masked_lm(folder: Path | str, **overrides: Any) -> Path:
    """A masked-LM checkpoint: everything that the classifier needs but its head."""
    return make_checkpoint(folder, seeded(RobertaForMaskedLM, tiny_config(**overrides)))


def make_base_model(folder: Path | str, **overrides: Any) -> Path:
    """A `RobertaModel` checkpoint: names without the `roberta.` prefix, with a pooler."""
    return make_checkpoint(folder, seeded(RobertaModel, tiny_config(**overrides)))


def make_bert(folder: Path | str, **overrides: Any) -> Path:
    """A `BertForSequenceClassification` checkpoint."""
    config = BertConfig(**{**TINY, **overrides})
    return make_checkpoint(folder, seeded(BertForSequenceClassification, config))


def make_tokenizer(folder: Path | str) -> Path:
    """A byte-level tokenizer of single letters, 37 tokens, saved in `folder`."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    folder = Path(folder)
    vocabulary = {token: number for number, token in enumerate((*SPECIAL, *LETTERS))}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    tokenizer.add_special_tokens(list(SPECIAL))
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    names = {"bos": "<s>", "cls": "<s>", "eos": "</s>", "sep": "</s>", "pad": "<pad>"}
    special = {f"{name}_token": token for name, token in names.items()}
    special |= {"unk_token": "<unk>", "mask_token": "<mask>"}
    settings = {"tokenizer_class": "RobertaTokenizer", "model_max_length": 38, **special}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder


def edit_config(folder: Path, **changes: Any) -> Path:
    """`config.json` of `folder` with these fields; `...` takes a field out."""
    path = folder / "config.json"
    values = {**json.loads(path.read_text(encoding="utf-8")), **changes}
    fields = {name: value for name, value in values.items() if value is not ...}
    path.write_text(json.dumps(fields), encoding="utf-8")
    return folder


def _save_bin_shards(folder: Path, state: dict[str, torch.Tensor]) -> None:
    names = list(state)
    halves = (names[: len(names) // 2], names[len(names) // 2 :])
    weight_map = {}
    for number, half in enumerate(halves, start=1):
        shard = f"pytorch_model-{number:05d}-of-{len(halves):05d}.bin"
        torch.save({name: state[name] for name in half}, folder / shard)
        weight_map |= dict.fromkeys(half, shard)
    index = {"metadata": {}, "weight_map": weight_map}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index), encoding="utf-8")
