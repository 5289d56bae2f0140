"""Values of `config.json` and `tokenizer_config.json`: a product or a sentence every time."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from fuzz.drawn import CASES, Tally, repeated
from makers import make_checkpoint, tiny_model

from roberta_inspect import inspect, module_tree
from roberta_inspect.checkpoint.config import FIELD_RULES

VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, 2, 3, 4, 7, 16, 50, -1, 1.5, 0.0, -0.5, 1e30, 1e-30),
    *(10**6, 2**31, 2**63, 2**70, -(2**70), "", "x", "3", "eager", "relu", "cpu", "0"),
    *("\x1b[31m[/red]", "x" * 10**4, "half \udcff a character", "../x", "a/b", "[MASK]", "<s>"),
    *([], [0], [1, 2], ["a"], [None], [[]], [1.5], [-1], {}, {"a": 1}, {"0": "x"}),
    *({"0": None}, {"0": "a", "1": "b", "2": "c"}, {"a": []}, {"type": "x"}, {"rope_type": "x"}),
    {"content": "<s>", "__type": "AddedToken"},
)
"""What JSON can hold, by example."""

CONFIG = (
    *FIELD_RULES,
    *("auto_map", "decoder_start_token_id", "forced_eos_token_id", "gradient_checkpointing"),
    *("is_encoder_decoder", "layer_types", "length_penalty", "max_length", "model_type", "name"),
    *(
        "num_beams",
        "num_key_value_heads",
        "output_scores",
        "prefix",
        "pruned_heads",
        "rope_scaling",
    ),
    *("rope_parameters", "sep_token_id", "task_specific_params", "tie_encoder_decoder"),
    *("tokenizer_class", "torchscript", "transformers_version", "use_bfloat16", "_name_or_path"),
    *("_commit_hash", "base_model_tp_plan", "generation_config", "finetuning_task", "loss_type"),
    *("id2label", "label2id", "hidden_act", "pad_token_id", "bos_token_id", "eos_token_id"),
)
TOKENIZER = (
    *("add_bos_token", "add_eos_token", "add_prefix_space", "added_tokens_decoder", "auto_map"),
    *("additional_special_tokens", "backend", "bos_token", "chat_template", "cls_token"),
    *(
        "clean_up_tokenization_spaces",
        "do_lower_case",
        "eos_token",
        "errors",
        "extra_special_tokens",
    ),
    *("fast_tokenizer_files", "from_slow", "init_inputs", "legacy", "mask_token", "merges"),
    *(
        "max_length",
        "model_input_names",
        "model_max_length",
        "name_or_path",
        "normalizer",
        "pad_token",
    ),
    *("pad_to_multiple_of", "padding_side", "processor_class", "sep_token", "sp_model_kwargs"),
    *("special_tokens_map_file", "split_special_tokens", "strip_accents", "tokenize_chinese_chars"),
    *("tokenizer_class", "tokenizer_file", "tokenizer_object", "trim_offsets", "truncation_side"),
    *("unk_token", "use_fast", "verbose", "vocab", "vocab_file", "merges_file", "__slow_tokenizer"),
)
CLASSES = (
    *("PreTrainedTokenizerFast", "RobertaTokenizerFast", "BertTokenizer", "XLMRobertaTokenizer"),
    *(
        "GPT2Tokenizer",
        "CamembertTokenizer",
        "PhobertTokenizer",
        "NoSuchTokenizer",
        "TokenizersBackend",
    ),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("fuzzed") / "checkpoint"
    return make_checkpoint(place, tiny_model(num_hidden_layers=1), tokenizer=True)


def changed(
    values: dict[str, Any], names: tuple[str, ...], random_: random.Random
) -> dict[str, Any]:
    """The fields with one to three others in their place."""
    fields = dict(values)
    for name in random_.sample(names, random_.choice((1, 1, 1, 2, 3))):
        fields[name] = value_of(name, random_)
    return fields


def value_of(name: str, random_: random.Random) -> Any:
    if name == "tokenizer_class" and random_.random() < 0.7:
        return random_.choice(CLASSES)
    if random_.random() < 0.1:
        return [random_.choice(VALUES) for _ in range(random_.randrange(4))]
    return random_.choice(VALUES)


def fuzzed(folder: Path, name: str, names: tuple[str, ...], works: Any, cases: int = CASES) -> None:
    path = folder / name
    original = path.read_text(encoding="utf-8")
    tally = Tally()
    try:
        for number, random_ in repeated(cases, name):
            fields = changed(json.loads(original), names, random_)
            path.write_text(json.dumps(fields), encoding="utf-8")
            different = {
                key: fields[key]
                for key in fields
                if fields[key] != json.loads(original).get(key, ...)
            }
            work = random_.choice(works)
            tally.call(
                f"{number}: {work.__name__} {str(different)[:200]!a}",
                lambda work=work: work(folder),
            )
    finally:
        path.write_text(original, encoding="utf-8")
    tally.close(name)


def tree(folder: Path) -> Any:
    return str(module_tree(folder))


def outline(folder: Path) -> Any:
    return str(inspect(folder, no_weights=True))


def whole(folder: Path) -> Any:
    return inspect(folder).to_json()


def texts(folder: Path) -> Any:
    return str(inspect(folder, texts=["abc", "a"], no_weights=True))


def test_config(folder: Path) -> None:
    fuzzed(folder, "config.json", CONFIG, (tree, tree, tree, outline, whole))


def test_tokenizer_config(folder: Path) -> None:
    fuzzed(folder, "tokenizer_config.json", TOKENIZER, (texts,))
