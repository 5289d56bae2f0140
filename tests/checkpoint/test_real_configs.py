"""Configurations as they lie in public repositories of 2019 to 2026, made small: each is right in
`tree`, in `run --no-weights`, and in `run` with random weights of its shape."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from makers import seeded
from transformers import RobertaConfig, RobertaForSequenceClassification

from roberta_inspect import inspect, module_tree

SIZES: dict[str, Any] = {
    "attention_probs_dropout_prob": 0.1,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "hidden_size": 24,
    "initializer_range": 0.02,
    "intermediate_size": 48,
    "layer_norm_eps": 1e-05,
    "max_position_embeddings": 42,
    "num_attention_heads": 2,
    "num_hidden_layers": 2,
    "type_vocab_size": 1,
    "vocab_size": 60,
}
IDS = {"bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1}
MODERN = {
    **IDS,
    "model_type": "roberta",
    "classifier_dropout": None,
    "position_embedding_type": "absolute",
    "torch_dtype": "float32",
    "use_cache": True,
}
NEWEST = {
    **IDS,
    "model_type": "roberta",
    "add_cross_attention": False,
    "classifier_dropout": None,
    "dtype": "float32",
    "is_decoder": False,
    "tie_word_embeddings": True,
    "transformers_version": "5.12.0",
    "use_cache": False,
}
CLASSIFIER = {"architectures": ["RobertaForSequenceClassification"]}


def named(*names: str) -> dict[str, Any]:
    return {
        "id2label": {str(label): name for label, name in enumerate(names)},
        "label2id": {name: label for label, name in enumerate(names)},
    }


CONFIGS: dict[str, dict[str, Any]] = {
    "pytorch-transformers of 2019": {
        "finetuning_task": None,
        "num_labels": 2,
        "output_attentions": False,
        "output_hidden_states": False,
        "torchscript": False,
    },
    "_num_labels of 2020": {
        **IDS,
        **CLASSIFIER,
        **named("CONTRADICTION", "NEUTRAL", "ENTAILMENT"),
        "_num_labels": 3,
        "model_type": "roberta",
    },
    "a class of its own": {
        **IDS,
        **named(*(f"LABEL_{label}" for label in range(10))),
        "architectures": ["RobertaForMultiLabelSequenceClassification"],
        "gradient_checkpointing": False,
        "model_type": "roberta",
    },
    "a masked-LM model without ids of tokens": {
        "architectures": ["RobertaForMaskedLM"],
        "model_type": "roberta",
    },
    "output_past of 2020": {
        **IDS,
        "_name_or_path": "owner/name",
        "architectures": ["RobertaModel"],
        "model_type": "roberta",
        "output_past": True,
    },
    "PhoBERT": {
        **MODERN,
        "architectures": ["RobertaModel"],
        "max_position_embeddings": 30,
        "tokenizer_class": "PhobertTokenizer",
    },
    "one layer, another epsilon": {
        **MODERN,
        "architectures": ["RobertaForMaskedLM"],
        "layer_norm_eps": 1e-12,
        "num_hidden_layers": 1,
    },
    "ten token types": {**MODERN, "architectures": ["RobertaModel"], "type_vocab_size": 10},
    "many labels and a problem type": {
        **MODERN,
        **CLASSIFIER,
        **named(*(f"label {label}" for label in range(30))),
        "problem_type": "single_label_classification",
    },
    "a problem type and no labels": {
        **MODERN,
        **CLASSIFIER,
        "problem_type": "single_label_classification",
    },
    "a regression": {**MODERN, **CLASSIFIER, **named("LABEL_0"), "problem_type": "regression"},
    "several labels per text": {
        **MODERN,
        **CLASSIFIER,
        **named("joy", "anger", "fear"),
        "problem_type": "multi_label_classification",
    },
    "transformers 5": {**NEWEST, **CLASSIFIER, **named("True", "Fake", "Satire", "Bias")},
    "transformers 5, numbers as names": {
        **NEWEST,
        **named("0", "1", "2"),
        "architectures": ["RobertaForMaskedLM"],
        "tokenizer_class": "PhobertTokenizer",
    },
    "an epsilon of 0": {**MODERN, **CLASSIFIER, "layer_norm_eps": 0.0},
    "architectures as a string": {**MODERN, "architectures": "RobertaForSequenceClassification"},
    "labels null": {**MODERN, **CLASSIFIER, "id2label": None, "label2id": None},
    "labels from 1 on": {**MODERN, **CLASSIFIER, "id2label": {"1": "a", "2": "b"}},
    "a model type and a number of labels": {"model_type": "roberta", "num_labels": 5},
}


@pytest.mark.parametrize("name", CONFIGS)
def test_right(name: str, tmp_path: Path) -> None:
    values = {**SIZES, **CONFIGS[name]}
    try:
        config = RobertaConfig.from_dict(dict(values))
    except Exception as error:
        if not isinstance(error.__cause__, TypeError):
            raise
        pytest.skip(f"this release refuses it itself: {type(error).__name__}")
    model = seeded(RobertaForSequenceClassification, config)
    model.save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(values), encoding="utf-8")
    whole = inspect(tmp_path, attention="eager")
    assert whole.ok, [finding.message for finding in whole.findings_of("error")]
    assert whole.checkpoint.weights.verdict == "complete"
    assert whole.checkpoint.num_labels == config.num_labels
    assert not whole.proofs_with("refuted")
    assert inspect(tmp_path, no_weights=True).ok
    tree = module_tree(tmp_path)
    assert tree.ok
    assert tree.checkpoint.parameters == whole.checkpoint.parameters
