"""Which files a checkpoint's tokenizer reads: its class says so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from roberta_inspect.checkpoint import files

SETTINGS_ALONE = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
"""Files that every class may read, and that make no tokenizer alone; the first names the class."""

SETTINGS = (*SETTINGS_ALONE, "tokenizer.json")


def vocabulary_files(directory: Path) -> tuple[str, ...]:
    """The files of the vocabulary that the tokenizer's class reads, from the JSON in `directory`.

    `vocab.txt` of BERT, `bpe.codes` of PhoBERT, the model of SentencePiece …
    """
    from transformers.models.auto.tokenization_auto import tokenizer_class_from_name

    names: dict[str, None] = {}
    for name in _tokenizer_classes(directory):
        cls = tokenizer_class_from_name(name)
        try:
            named = getattr(cls, "vocab_files_names", None) or {}
        except ImportError:  # the class needs a library that is not installed
            continue
        names.update(dict.fromkeys(map(str, named.values())))
    return tuple(name for name in names if name not in SETTINGS)


def _tokenizer_classes(directory: Path) -> Iterator[str]:
    """The class that the settings name, else the one of the model type; fast ones too."""
    from transformers.models.auto.tokenization_auto import TOKENIZER_MAPPING_NAMES

    config = files.json_object(directory / "config.json")
    settings = directory / SETTINGS[0]
    named = files.json_object(settings) if files.present(settings) else {}
    name = named.get("tokenizer_class") or config.get("tokenizer_class")
    of_type = TOKENIZER_MAPPING_NAMES.get(str(config.get("model_type", "roberta")))
    names = (
        [name] if isinstance(name, str) else of_type if isinstance(of_type, tuple) else [of_type]
    )
    for class_name in filter(None, names):
        yield str(class_name)
        yield str(class_name) + "Fast"
