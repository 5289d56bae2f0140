"""The whole pipeline on live models and checkpoints: what stands where, and how it is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from makers import make_checkpoint, make_masked_lm, tiny_config, tiny_model
from transformers import RobertaForSequenceClassification

from roberta_inspect import CannotInspectError, OutputMap, UsageError, inspect, module_tree
from roberta_inspect.records import Call


def table(call: Call) -> list[tuple[int | None, str, str]]:
    return [(slot.index, slot.name, slot.access) for slot in call.slots if slot.kind != "none"]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of base size in all that the layout depends on, with 30 labels."""
    model = tiny_model(
        vocab_size=2000,
        hidden_size=768,
        num_hidden_layers=12,
        num_attention_heads=12,
        intermediate_size=3072,
        max_position_embeddings=514,
        num_labels=30,
    )
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "LayerNorm" not in name:
                parameter.mul_(0.2)  # else all tokens are alike after twelve layers
    return make_checkpoint(tmp_path_factory.mktemp("base"), model)


@pytest.fixture(scope="module")
def base_map(base: Path) -> OutputMap:
    return inspect(base, attention="eager")


def test_base_size_without_labels(base_map: OutputMap) -> None:
    assert table(base_map.call(return_dict=False, labels=False)) == [
        (0, "logits", "outputs[0]"),
        (1, "hidden_states", "outputs[1]"),
        (2, "attentions", "outputs[2]"),
    ]


def test_base_size_with_labels_every_index_moves_by_one(base_map: OutputMap) -> None:
    assert table(base_map.call(return_dict=False, labels=True)) == [
        (0, "loss", "outputs[0]"),
        (1, "logits", "outputs[1]"),
        (2, "hidden_states", "outputs[2]"),
        (3, "attentions", "outputs[3]"),
    ]


def test_base_size_origins(base_map: OutputMap) -> None:
    call = base_map.call(return_dict=False, labels=True)
    hidden, logits = call.slot("hidden_states"), call.slot("logits")
    assert hidden is not None
    assert logits is not None
    assert [item.origin and item.origin.module for item in hidden.items] == [
        "roberta.embeddings",
        *(f"roberta.encoder.layer.{layer}" for layer in range(12)),
    ]
    assert logits.origin is not None
    assert (logits.origin.module, logits.shape) == ("classifier", (2, 30))


def test_base_size_attentions(base_map: OutputMap) -> None:
    (slot,) = base_map.fullest_slots("attentions")
    assert {(item.axes, item.shape) for item in slot.items} == {
        (("batch_size", "num_heads", "query_length", "key_length"), (2, 12, 16, 16))
    }
    assert len(slot.items) == 12


def test_base_size_all_is_proved_that_the_release_allows(base_map: OutputMap) -> None:
    not_proved = [(p.id, p.detail[:12]) for p in base_map.proofs if p.status != "proved"]
    assert not_proved in ([], [("attention-implementations", "this release")])


@pytest.mark.newest
def test_base_size_everything_is_proved(base_map: OutputMap) -> None:
    assert {proof.status for proof in base_map.proofs} == {"proved"}
    assert len(base_map.proofs) > 20


def test_axis_names_do_not_come_from_sizes() -> None:
    model = tiny_model(num_labels=2, hidden_size=16, num_attention_heads=16)
    output_map = inspect(model, batch_size=2, sequence_length=16)
    (logits,), (hidden,) = (
        output_map.fullest_slots("logits"),
        output_map.fullest_slots("hidden_states"),
    )
    assert (logits.axes, logits.shape) == (("batch_size", "num_labels"), (2, 2))
    assert (hidden.items[1].axes, hidden.items[1].shape) == (
        ("batch_size", "sequence_length", "hidden_size"),
        (2, 16, 16),
    )


@pytest.mark.parametrize(
    ("flags", "names"),
    [
        ({}, ["loss", "logits", "hidden_states", "attentions"]),
        ({"output_attentions": False}, ["loss", "logits", "hidden_states"]),
        ({"output_hidden_states": False}, ["loss", "logits", "attentions"]),
        ({"output_hidden_states": False, "output_attentions": False}, ["loss", "logits"]),
    ],
)
def test_the_flags_decide_what_is_there(flags: dict[str, bool], names: list[str]) -> None:
    model = RobertaForSequenceClassification._from_config(
        tiny_config(), attn_implementation="eager"
    )
    call = inspect(model.eval(), **flags).call(return_dict=False, labels=True)
    assert [slot.name for slot in call.slots] == names


class Reordered(RobertaForSequenceClassification):
    """Returns its tuple in another order than its dict."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        outputs = super().forward(*args, **kwargs)
        if isinstance(outputs, tuple):
            return tuple(reversed(outputs))
        return outputs


def test_names_come_from_values_and_not_from_positions() -> None:
    model = Reordered(tiny_config()).eval()
    call = inspect(model, output_attentions=False).call(return_dict=False, labels=True)
    assert [slot.name for slot in call.slots] == ["hidden_states", "logits", "loss"]


class TuplesOnly(RobertaForSequenceClassification):
    """Knows no dict at all, as heads written for old releases do."""

    def forward(self, *args: Any, return_dict: bool | None = None, **kwargs: Any) -> Any:
        return super().forward(*args, return_dict=False, **kwargs)


def test_without_any_dict_the_modules_give_the_names() -> None:
    model = TuplesOnly(tiny_config()).eval()
    call = inspect(model, output_attentions=False).call(return_dict=True, labels=True)
    assert [slot.name for slot in call.slots] == ["loss", "logits", "hidden_states"]


class WithExtra(RobertaForSequenceClassification):
    """Puts a tensor at the end of its tuple that nothing explains."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        outputs = super().forward(*args, **kwargs)
        return (*outputs, torch.ones(7)) if isinstance(outputs, tuple) else outputs


def test_what_nothing_explains_is_unnamed_and_a_finding() -> None:
    output_map = inspect(WithExtra(tiny_config()).eval())
    call = output_map.call(return_dict=False, labels=False)
    assert (call.slots[-1].name, call.slots[-1].axes) == ("unnamed", ("?",))
    assert "unnamed-output" in {finding.id for finding in output_map.findings}


class Refusing(RobertaForSequenceClassification):
    """Raises where labels are given."""

    def forward(self, *args: Any, labels: Any = None, **kwargs: Any) -> Any:
        if labels is not None:
            raise RuntimeError("no labels here")
        return super().forward(*args, **kwargs)


def test_a_call_that_raises_is_recorded_and_the_others_still_run() -> None:
    output_map = inspect(Refusing(tiny_config()).eval())
    assert [call.error and call.error.message for call in output_map.calls] == [
        None,
        "no labels here",
        None,
        "no labels here",
    ]
    assert {"call-failed"} == {
        finding.id for finding in output_map.findings if finding.level == "error"
    }
    assert output_map.call(return_dict=False, labels=False).slot("logits") is not None


def test_labels_write_the_problem_type() -> None:
    output_map = inspect(tiny_model())
    assert [call.wrote_problem_type for call in output_map.calls] == [
        None,
        "single_label_classification",
        None,
        "single_label_classification",
    ]
    assert "problem-type-written" in {finding.id for finding in output_map.findings}


def test_predictions_name_the_labels() -> None:
    output_map = inspect(texts=["what a wonderful film", "a dull, awful mess"])
    assert output_map.predictions is not None
    assert [prediction.ranked[0].label for prediction in output_map.predictions] == [
        "positive",
        "negative",
    ]
    assert {prediction.function for prediction in output_map.predictions} == {"softmax"}
    for prediction in output_map.predictions:
        assert sum(score.probability or 0 for score in prediction.scores) == pytest.approx(1)


@pytest.mark.parametrize(
    ("config", "function"),
    [
        ({"num_labels": 1}, "none"),
        ({"problem_type": "multi_label_classification"}, "sigmoid"),
        ({}, "softmax"),
    ],
)
def test_what_makes_probabilities(config: dict[str, Any], function: str, tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path, tiny_model(**config), tokenizer=True)
    output_map = inspect(checkpoint, texts=["abc"])
    assert output_map.predictions is not None
    assert output_map.predictions[0].function == function


def test_what_makes_probabilities_follows_the_labels_as_the_meaning_does(tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path, tiny_model(), tokenizer=True)
    output_map = inspect(checkpoint, texts=["abc"], labels=[[0.0, 1.0, 1.0]])
    assert output_map.predictions is not None
    assert output_map.predictions[0].function == "sigmoid"
    slot = output_map.calls[0].slot("logits")
    assert slot is not None
    assert "sigmoid" in (slot.meaning or "")


def test_the_map_is_the_same_every_time() -> None:
    first, second = (inspect().to_json() for _ in range(2))
    assert first == second


def test_the_head_that_is_not_there(tmp_path: Path) -> None:
    output_map = inspect(make_masked_lm(tmp_path))
    assert len(output_map.checkpoint.weights.missing) == 4
    assert not output_map.ok
    assert inspect(tmp_path, allow_missing_head=True).ok


@pytest.mark.parametrize(
    ("arguments", "raised"),
    [
        ({"texts": "one string"}, UsageError),
        ({"texts": []}, UsageError),
        ({"sequence_length": 0}, UsageError),
    ],
)
def test_arguments_that_do_not_fit(arguments: dict[str, Any], raised: type[Exception]) -> None:
    with pytest.raises(raised):
        inspect(**arguments)


def test_texts_for_a_live_model_need_a_tokenizer() -> None:
    with pytest.raises(UsageError, match="tokenizer"):
        inspect(tiny_model(), texts=["a"])


@pytest.mark.parametrize(
    "option",
    [
        {"attention": "sdpa"},
        {"device": "cpu"},
        {"dtype": "float16"},
        {"no_weights": True},
        {"revision": "main"},
    ],
    ids=lambda option: next(iter(option)),
)
def test_a_live_model_is_taken_as_it_stands(option: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=f"{next(iter(option))}= is for a checkpoint"):
        inspect(tiny_model(), **option)


def test_a_live_model_without_a_pad_token_id_has_that_of_its_embeddings() -> None:
    model = tiny_model(pad_token_id=3)
    model.config.pad_token_id = None
    output_map = inspect(model)
    assert model.config.pad_token_id is None
    assert [proof.detail for proof in output_map.proofs if proof.status == "refuted"] == []
    [positions] = [proof for proof in output_map.proofs if proof.id == "hidden-states-positions"]
    assert positions.detail == (
        "tokens have 4 to 19, padding has 3, config.pad_token_id is None, and the embeddings "
        "were built with 3"
    )
    assert module_tree(model).root.children


def test_a_live_model_without_any_padding_is_refused() -> None:
    model = tiny_model()
    model.config.pad_token_id = model.roberta.embeddings.padding_idx = None
    with pytest.raises(CannotInspectError, match=r"config\.pad_token_id is None") as raised:
        inspect(model)
    assert raised.value.hint == "Set model.config.pad_token_id."


def test_what_is_no_classifier() -> None:
    with pytest.raises(CannotInspectError, match="Linear"):
        inspect(torch.nn.Linear(2, 2))


def test_no_value_is_kept_of_a_nan() -> None:
    model = tiny_model()
    with torch.no_grad():
        model.classifier.out_proj.bias[1] = float("nan")
    output_map = inspect(model)
    assert "not-finite" in {
        finding.id for finding in output_map.findings if finding.level == "error"
    }
    assert OutputMap.from_json(output_map.to_json()) == output_map


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_on_cuda_nothing_right_is_refuted(dtype: str) -> None:
    output_map = inspect(device="cuda", dtype=dtype, attention="eager")
    assert [proof for proof in output_map.proofs if proof.status == "refuted"] == []
    assert output_map.setup.device.startswith("cuda")


@pytest.mark.parametrize("overrides", [{"attn_implementation": "eager"}, {}], ids=["eager", "own"])
@pytest.mark.parametrize("output_hidden_states", [True, False])
def test_the_matrix_explains_what_the_main_calls_do_not_ask_for(
    overrides: dict[str, Any], output_hidden_states: bool
) -> None:
    model = RobertaForSequenceClassification(tiny_config(**overrides)).eval()
    output_map = inspect(
        model, matrix=True, output_attentions=False, output_hidden_states=output_hidden_states
    )
    errors = [finding.message for finding in output_map.findings if finding.level == "error"]
    assert errors == []
    assert "unnamed-output" not in [finding.id for finding in output_map.findings]
