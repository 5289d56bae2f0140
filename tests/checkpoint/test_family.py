"""The six model types: what is let in, and what is refused in which words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from makers import (
    TINY,
    edit_config,
    make_bert,
    make_checkpoint,
    seeded,
    tiny_config,
    tiny_member,
    tiny_model,
)
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    GPT2Config,
    GPT2ForSequenceClassification,
    RobertaForMaskedLM,
    RobertaForSequenceClassification,
    RobertaForTokenClassification,
    RobertaModel,
)
from transformers.modeling_outputs import SequenceClassifierOutput
from transformers.models.roberta.modeling_roberta import RobertaPreTrainedModel

from roberta_inspect import InspectError, inspect, module_tree
from roberta_inspect.checkpoint.family import MODEL_TYPES, members
from roberta_inspect.live.anatomy import Anatomy


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_a_checkpoint_of_each_model_type(model_type: str, tmp_path: Path) -> None:
    model = tiny_member(model_type)
    folder = make_checkpoint(tmp_path, model)
    output_map = inspect(folder, attention="eager")
    assert output_map.checkpoint.architecture == type(model).__name__
    assert output_map.checkpoint.weights.verdict == "complete"
    assert not output_map.proofs_with("refuted")
    assert inspect(folder, no_weights=True).ok
    assert module_tree(folder).ok


@pytest.mark.newest
@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_every_claim_is_proved_of_each_model_type(model_type: str) -> None:
    not_proved = [
        proof for proof in inspect(tiny_member(model_type)).proofs if proof.status != "proved"
    ]
    assert not_proved == []


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_the_parts_of_each_model_type(model_type: str) -> None:
    anatomy = Anatomy.of(tiny_member(model_type))
    base = members()[model_type].cls.base_model_prefix
    norms = {
        "xlm-roberta-xl": f"{base}.encoder.LayerNorm",
        "roberta-prelayernorm": f"{base}.LayerNorm",
    }
    assert (anatomy.base, anatomy.embeddings) == (base, f"{base}.embeddings")
    assert (len(anatomy.layers), anatomy.classifier) == (2, "classifier")
    assert anatomy.last_norm == norms.get(model_type)


@pytest.mark.parametrize("names", [["CamembertModel"], ["CamembertForMaskedLM"]])
def test_without_a_model_type_the_class_names_decide(names: list[str], tmp_path: Path) -> None:
    folder = make_checkpoint(tmp_path, tiny_member("camembert"))
    edit_config(folder, model_type=..., architectures=names)
    checkpoint = inspect(folder, no_weights=True).checkpoint
    assert checkpoint.architecture == "CamembertForSequenceClassification"


class Own(RobertaPreTrainedModel):
    """A class of the user's own: a mean over the tokens, and one linear layer."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.roberta = RobertaModel(config, add_pooling_layer=False)
        self.scores = torch.nn.Linear(config.hidden_size, config.num_labels)

    def forward(self, input_ids: Any, labels: Any = None, **flags: Any) -> Any:
        states = self.roberta(input_ids, **flags)
        return SequenceClassifierOutput(logits=self.scores(states[0].mean(dim=1)))


class Subclass(RobertaForSequenceClassification):
    """A class of the user's own that changes nothing."""


@pytest.mark.parametrize(
    ("make", "head"),
    [
        (lambda: seeded(Own, tiny_config()), "scores"),
        (lambda: Subclass(tiny_config()), "classifier"),
    ],
)
def test_classes_of_the_users_own_are_let_in(make: Callable[[], Any], head: str) -> None:
    model = make()
    assert Anatomy.of(model).classifier == head
    assert inspect(model).checkpoint.architecture == type(model).__name__


KNOWN = (
    "a sequence classifier of model type roberta, xlm-roberta, camembert, xlm-roberta-xl, "
    "roberta-prelayernorm or data2vec-text"
)


def gpt2() -> Any:
    sizes = {"n_layer": 1, "n_head": 2, "n_embd": 8, "vocab_size": 20, "n_positions": 16}
    return GPT2ForSequenceClassification(GPT2Config(**sizes, pad_token_id=0))


@pytest.mark.parametrize("verb", [inspect, module_tree])
@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (
            lambda: BertForSequenceClassification(BertConfig(**TINY)),
            f"the model is of class BertForSequenceClassification and model type bert, and not "
            f"{KNOWN}",
        ),
        (
            gpt2,
            f"the model is of class GPT2ForSequenceClassification and model type gpt2, and not "
            f"{KNOWN}",
        ),
        (
            lambda: tiny_model().roberta,
            f"the model is of class RobertaModel and model type roberta, and not {KNOWN}: a base "
            "model has no head",
        ),
        (
            lambda: RobertaForMaskedLM(tiny_config()),
            f"the model is of class RobertaForMaskedLM and model type roberta, and not {KNOWN}: "
            "its head is another one",
        ),
        (
            lambda: RobertaForTokenClassification(tiny_config()),
            "the model is of class RobertaForTokenClassification and model type roberta, and not "
            f"{KNOWN}: its head is another one",
        ),
        (lambda: torch.nn.Linear(2, 2), f"the model is of class Linear, and not {KNOWN}"),
        (lambda: 5, "an object of type int is neither a checkpoint nor a model"),
    ],
)
def test_the_same_refusal_from_every_verb(
    verb: Callable[[Any], Any], make: Callable[[], Any], sentence: str
) -> None:
    with pytest.raises(InspectError) as raised:
        verb(make())
    assert str(raised.value) == sentence


@pytest.mark.parametrize("verb", [inspect, module_tree])
def test_a_checkpoint_of_another_class_is_refused_alike(
    verb: Callable[[Any], Any], tmp_path: Path
) -> None:
    folder = make_bert(tmp_path)
    with pytest.raises(InspectError) as raised:
        verb(folder)
    assert str(raised.value) == (
        f"{folder}/config.json is of class BertForSequenceClassification and model type bert, "
        f"and not {KNOWN}"
    )
