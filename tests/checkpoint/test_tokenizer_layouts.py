"""Tokenizers in the layouts of the Hub: from a Hub id the tokens are those of the same folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hub_server import Hub, serving
from makers import edit_config, make_checkpoint

from roberta_inspect.checkpoint.vocabulary import vocabulary_files

pytestmark = pytest.mark.newest

TEXT = "the movie was good"

CODE = """
import json, sys
from roberta_inspect import inspect
given = [inspect(source, texts=[{text!r}], no_weights=True).input for source in sys.argv[1:]]
print(json.dumps([[each.tokenizer.cls, each.tokens[0]] for each in given]))
"""


def klue(folder: Path) -> None:
    """`BertTokenizer` with `vocab.txt`, whose ids are in the order of the lines."""
    words = ["[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]", "the", "movie", "was", "go", "##od"]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    special = {"cls": "[CLS]", "sep": "[SEP]", "pad": "[PAD]", "unk": "[UNK]", "mask": "[MASK]"}
    settings(folder, "BertTokenizer", {f"{name}_token": token for name, token in special.items()})


def phobert(folder: Path) -> None:
    """`PhobertTokenizer` with `vocab.txt` and `bpe.codes`; the settings only in `config.json`."""
    lines = ["the 9", "movie 8", "was 7", "g@@ 6", "o@@ 5", "od 4"]
    (folder / "vocab.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    merges = ["t h 9", "th e</w> 8", "w a 7", "wa s</w> 6", "o d</w> 5"]
    merges += ["m o 4", "mo v 3", "mov i 2", "movi e</w> 1"]
    (folder / "bpe.codes").write_text("\n".join(merges) + "\n", encoding="utf-8")
    edit_config(folder, tokenizer_class="PhobertTokenizer")


def settings(folder: Path, cls: str, values: dict[str, Any]) -> None:
    content = json.dumps({"tokenizer_class": cls, **values})
    (folder / "tokenizer_config.json").write_text(content, encoding="utf-8")


def sentencepiece(folder: Path, cls: str) -> None:
    """A unigram model of SentencePiece, as `cls` reads it."""
    pytest.importorskip("sentencepiece")
    from transformers.convert_slow_tokenizer import import_protobuf

    protobuf = import_protobuf()
    model = protobuf.ModelProto()
    model.trainer_spec.model_type = protobuf.TrainerSpec.UNIGRAM
    model.normalizer_spec.name = "identity"
    kinds = protobuf.ModelProto.SentencePiece
    for piece, kind in (("<unk>", kinds.UNKNOWN), ("<s>", kinds.CONTROL), ("</s>", kinds.CONTROL)):
        model.pieces.add(piece=piece, score=0, type=kind)
    for number, piece in enumerate(("▁the", "▁movie", "▁was", "▁go", "od", "▁")):
        model.pieces.add(piece=piece, score=-1.0 - number, type=kinds.NORMAL)
    (folder / "sentencepiece.bpe.model").write_bytes(model.SerializeToString())
    settings(folder, cls, {})


def xlm_roberta(folder: Path) -> None:
    """`XLMRobertaTokenizer` with a model of SentencePiece."""
    sentencepiece(folder, "XLMRobertaTokenizer")


def camembert(folder: Path) -> None:
    """`CamembertTokenizer` with a model of SentencePiece."""
    sentencepiece(folder, "CamembertTokenizer")


LAYOUTS: dict[Callable[[Path], None], list[str]] = {
    klue: ["[CLS]", "the", "movie", "was", "go", "##od", "[SEP]"],
    phobert: ["<s>", "the", "movie", "was", "g@@", "o@@", "od", "</s>"],
    xlm_roberta: ["<s>", "▁the", "▁movie", "▁was", "▁go", "od", "</s>"],
    camembert: ["<s>", "▁the", "▁movie", "▁was", "▁go", "od", "</s>"],
}


@pytest.mark.slow
@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_tokens_from_the_hub_are_those_of_the_folder(layout: Any, tmp_path: Path) -> None:
    folder = make_checkpoint(tmp_path / "model")
    layout(folder)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    with serving(Hub(models={"acme/layout": folder})) as hub:
        done = subprocess.run(
            [sys.executable, "-c", CODE.format(text=TEXT), str(folder), "acme/layout"],
            env={
                **environ,
                "HF_ENDPOINT": hub.endpoint,
                "HF_HOME": str(tmp_path / "home"),
                "HF_HUB_DISABLE_TELEMETRY": "1",
            },
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.returncode == 0, done.stderr
    of_folder, of_hub = json.loads(done.stdout)
    assert of_hub == of_folder
    assert of_hub[1] == LAYOUTS[layout]


@pytest.mark.parametrize(
    ("cls", "files"),
    [
        ("BertTokenizer", {"vocab.txt"}),
        ("BertTokenizerFast", {"vocab.txt"}),
        ("PhobertTokenizer", {"vocab.txt", "bpe.codes"}),
        ("BertweetTokenizer", {"vocab.txt", "bpe.codes"}),
        ("XLMRobertaTokenizer", {"sentencepiece.bpe.model"}),
        ("CamembertTokenizer", {"sentencepiece.bpe.model"}),
        ("RobertaTokenizer", {"vocab.json", "merges.txt"}),
        (None, {"vocab.json", "merges.txt"}),
        ("NoSuchTokenizer", set()),
        (7, {"vocab.json", "merges.txt"}),
    ],
)
def test_the_class_says_which_files(cls: Any, files: set[str], tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "roberta"}', encoding="utf-8")
    settings(tmp_path, cls, {})
    assert set(vocabulary_files(tmp_path)) == files
