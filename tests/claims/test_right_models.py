"""Nothing is refuted on a model that is right, whatever its sizes, its problem and its dtype."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from makers import seeded, tiny_config
from mutations import CROSS, CrossReader, Decoder, edited, right
from torch import nn
from transformers import RobertaForSequenceClassification
from transformers.activations import ACT2FN

from roberta_inspect.api import inspect
from roberta_inspect.inputs.limits import usable_length

ACTIVATIONS = ("gelu", "relu", "silu", "gelu_new", "tanh", "quick_gelu", "relu2", "mish")


SDPA = ("sdpa",) if RobertaForSequenceClassification._supports_sdpa else ()
IMPLEMENTATIONS = ("eager", *SDPA)


class MeanHead(nn.Module):
    """A user's own head, which reads every position but padding."""

    mask: Any = None

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.scores = nn.Linear(config.hidden_size, config.num_labels)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        weights = self.mask[..., None].to(states.dtype)
        return self.scores((states * weights).sum(dim=1) / weights.sum(dim=1))


class WithMeanHead(RobertaForSequenceClassification):
    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.classifier = MeanHead(config)

    def forward(self, *args: Any, **given: Any) -> Any:
        self.classifier.mask = given["attention_mask"]
        return super().forward(*args, **given)


class WithPooledHead(RobertaForSequenceClassification):
    """A head that is one linear layer and is given position 0 alone."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.classifier = nn.Sequential(_First(), nn.Linear(config.hidden_size, config.num_labels))


class _First(nn.Module):
    def forward(self, states: torch.Tensor) -> torch.Tensor:
        return states[:, 0]


HEADS = (RobertaForSequenceClassification, WithMeanHead, WithPooledHead)


def refuted(model: Any, **how: Any) -> list[str]:
    output_map = inspect(model, **how)
    assert not any(call.error for call in output_map.calls), output_map.calls
    return [
        f"{proof.id}: {proof.detail}" for proof in output_map.proofs if proof.status == "refuted"
    ]


@st.composite
def right_models(draw: st.DrawFn) -> tuple[Any, dict[str, Any]]:
    """A model with nothing wrong, and the sizes of the input."""
    heads = draw(st.sampled_from((1, 2, 4, 8)))
    labels = draw(st.sampled_from((1, 2, 3, 5)))
    problems = [None, "regression"]
    if labels > 1:
        problems += ["single_label_classification", "multi_label_classification"]
    config = tiny_config(
        attn_implementation=draw(st.sampled_from(IMPLEMENTATIONS)),
        num_hidden_layers=draw(st.integers(1, 6)),
        num_attention_heads=heads,
        hidden_size=heads * draw(st.sampled_from((2, 3, 4))),
        intermediate_size=draw(st.sampled_from((1, 8, 24))),
        hidden_act=draw(st.sampled_from([name for name in ACTIVATIONS if name in ACT2FN])),
        max_position_embeddings=12,
        type_vocab_size=draw(st.sampled_from((1, 2))),
        pad_token_id=draw(st.sampled_from((0, 1))),
        num_labels=labels,
        problem_type=draw(st.sampled_from(problems)),
        is_decoder=draw(st.booleans()),
        use_cache=draw(st.booleans()),
    )
    model = seeded(draw(st.sampled_from(HEADS)), config, draw(st.integers(0, 999)))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(draw(st.sampled_from((1.0, 3.0))))
    sizes = {
        "batch_size": draw(st.sampled_from((1, 2, 3))),
        "sequence_length": draw(st.sampled_from((1, 2, 5, usable_length(config)))),
    }
    return model, sizes


class LowRank(nn.Linear):
    """A linear layer that adds a product of two small matrices to its weight."""

    def __init__(self, base: nn.Linear) -> None:
        super().__init__(base.in_features, base.out_features)
        self.load_state_dict(base.state_dict())
        self.down = nn.Linear(base.in_features, 2, bias=False)
        self.up = nn.Linear(2, base.out_features, bias=False)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return super().forward(features) + self.up(self.down(features))


def low_rank(model: Any) -> None:
    model.classifier.dense = LowRank(model.classifier.dense)
    model.classifier.out_proj = LowRank(model.classifier.out_proj)


def share_layers(model: Any) -> None:
    layers = model.roberta.encoder.layer
    layers[1] = layers[0]


def prune_layers(model: Any) -> None:
    model.roberta.encoder.layer = model.roberta.encoder.layer[:1]


class AdaptedTable(nn.Embedding):
    """A table that adds something to its rows, as an adapter does."""

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return super().forward(ids) + 0.1 * torch.ones(self.embedding_dim)


class ReorderedTable(nn.Embedding):
    """A table that keeps its rows in another order."""

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return super().forward(len(self.weight) - 1 - ids)


def adapted_tables(model: Any) -> None:
    for table in (module for module in model.modules() if isinstance(module, nn.Embedding)):
        table.__class__ = AdaptedTable


def reordered_words(model: Any) -> None:
    model.roberta.embeddings.word_embeddings.__class__ = ReorderedTable


def no_embeddings(model: Any) -> None:
    """LayerNorm of nothing is nothing: the word embedding too."""
    with torch.no_grad():
        for parameter in model.roberta.embeddings.parameters():
            parameter.zero_()


@pytest.mark.parametrize(
    ("change", "not_tested"),
    [
        (adapted_tables, {"hidden-states-embeddings", "hidden-states-positions"}),
        (reordered_words, {"hidden-states-embeddings"}),
        (no_embeddings, {"hidden-states-not-bare"}),
    ],
)
def test_embeddings_that_show_nothing_are_not_tested(change, not_tested) -> None:
    model = right()
    change(model)
    statuses = {proof.id: proof.status for proof in inspect(model).proofs}
    assert "refuted" not in statuses.values()
    assert not_tested <= {key for key, status in statuses.items() if status == "not-tested"}


@pytest.mark.parametrize("change", [low_rank, share_layers, prune_layers])
def test_nothing_is_refuted_on_a_model_built_otherwise(change) -> None:
    model = seeded(RobertaForSequenceClassification, tiny_config(attn_implementation="eager"))
    change(model)
    output_map = inspect(model.eval())
    assert [proof.detail for proof in output_map.proofs if proof.status == "refuted"] == []
    proved = {proof.id for proof in output_map.proofs if proof.status == "proved"}
    assert {"hidden-states-count", "attentions-count", "logits-head"} <= proved


def test_nothing_is_refuted_without_layers() -> None:
    config = tiny_config(num_hidden_layers=0, attn_implementation="eager")
    assert refuted(seeded(RobertaForSequenceClassification, config)) == []


@pytest.mark.parametrize("examples", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_nothing_is_refuted_on_a_right_model(examples: int) -> None:
    @settings(max_examples=examples)
    @given(right_models())
    def holds(example: tuple[Any, dict[str, Any]]) -> None:
        model, sizes = example
        assert refuted(model, **sizes) == []

    holds()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=["bfloat16", "float16"])
@pytest.mark.parametrize("attention", IMPLEMENTATIONS)
@pytest.mark.parametrize(
    "overrides",
    [
        {},
        {"num_labels": 1},
        {"problem_type": "multi_label_classification", "num_labels": 5},
        {"problem_type": "regression", "num_labels": 2},
        {"num_hidden_layers": 6, "num_attention_heads": 8, "hidden_size": 64},
        {"is_decoder": True},
    ],
    ids=["single-label", "one-label", "multi-label", "regression", "deep", "decoder"],
)
def test_nothing_is_refuted_in_16_bits(dtype, attention, overrides) -> None:
    config = tiny_config(attn_implementation=attention, **overrides)
    model = seeded(RobertaForSequenceClassification, config).to(dtype)
    assert refuted(model) == []


@pytest.mark.parametrize("attention", IMPLEMENTATIONS)
@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_refuted_in_float64(attention, seed) -> None:
    config = tiny_config(attn_implementation=attention)
    model = seeded(RobertaForSequenceClassification, config, seed).double()
    output_map = inspect(model)
    assert [proof for proof in output_map.proofs if proof.status == "refuted"] == []
    [padding] = [proof for proof in output_map.proofs if proof.id == "padding"]
    assert padding.status == "proved"
    assert padding.tolerance < 1e-12


@pytest.mark.parametrize("seed", range(6))
def test_nothing_is_refuted_where_one_label_of_many_is_far_larger(seed) -> None:
    config = tiny_config(attn_implementation=IMPLEMENTATIONS[-1], num_labels=300)
    model = seeded(RobertaForSequenceClassification, config, seed)
    with torch.no_grad():
        for parameter in model.classifier.out_proj.parameters():
            parameter[0].mul_(1000)
    assert refuted(model) == []


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_refuted_where_the_head_itself_rounds_most(seed) -> None:
    config = tiny_config(attn_implementation=IMPLEMENTATIONS[-1], num_labels=1000)
    model = seeded(RobertaForSequenceClassification, config, seed)
    with torch.no_grad():
        model.classifier.out_proj.bias.fill_(300)
    assert refuted(model) == []


@pytest.mark.parametrize(
    ("dtype", "sharpness", "status"),
    [
        (torch.bfloat16, 300, "not-tested"),
        (torch.float16, 5, "not-tested"),
        (torch.float32, 30, "not-tested"),
        (torch.float32, 300, "not-tested"),
        (torch.float64, 2, "proved"),
        (torch.float64, 300, "not-tested"),
    ],
)
@pytest.mark.parametrize("is_decoder", [False, True], ids=["encoder", "decoder"])
def test_nothing_is_refuted_where_the_attention_is_sharp(
    dtype, sharpness, status, is_decoder
) -> None:
    model = right(seed=1, hidden_size=64, is_decoder=is_decoder)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(("query.weight", "key.weight")):
                parameter.mul_(sharpness)
    proofs = {proof.id: proof for proof in inspect(model.to(dtype)).proofs}
    assert [proof.detail for proof in proofs.values() if proof.status == "refuted"] == []
    assert proofs["attentions-formula"].status == status, proofs["attentions-formula"].detail


class Float32Copies(RobertaForSequenceClassification):
    """Hands float32 copies of its logits to the caller, whatever it is computed in."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        output = super().forward(*args, **{**kwargs, "return_dict": True})
        output["logits"] = output.logits.float()
        return output if kwargs.get("return_dict", True) else output.to_tuple()


class OwnAutocast(Float32Copies):
    """Computes in bfloat16 from float32 weights."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        with torch.autocast("cpu", torch.bfloat16):
            return super().forward(*args, **kwargs)


class PlainDict(RobertaForSequenceClassification):
    """Returns a dict of Python in place of a ModelOutput."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        output = super().forward(*args, **kwargs)
        return output if isinstance(output, tuple) else dict(output)


class PadsToEight(RobertaForSequenceClassification):
    """Pads its input to a multiple of eight, and cuts what it returns."""

    def forward(self, input_ids: Any, attention_mask: Any, **kwargs: Any) -> Any:
        length = input_ids.shape[1]
        more = (0, -length % 8)
        ids = nn.functional.pad(input_ids, more, value=self.config.pad_token_id)
        mask = nn.functional.pad(attention_mask, more)
        flags = {"output_hidden_states": False, "output_attentions": False}
        return super().forward(ids, mask, **{**kwargs, **flags})


@pytest.mark.parametrize("attention", IMPLEMENTATIONS)
@pytest.mark.parametrize(
    ("cls", "dtype"),
    [
        (Float32Copies, torch.bfloat16),
        (Float32Copies, torch.float16),
        (OwnAutocast, torch.float32),
        (PlainDict, torch.float32),
    ],
)
def test_nothing_is_refuted_where_forward_casts_or_repacks(cls, dtype, attention) -> None:
    assert refuted(right(cls=cls, attn_implementation=attention).to(dtype)) == []


def test_embeddings_of_another_length_are_left_as_they_are() -> None:
    model = right(cls=PadsToEight)
    proofs = {proof.id: proof for proof in inspect(model, output_hidden_states=False).proofs}
    assert proofs["loss-value"].status == "proved", proofs["loss-value"].detail


def test_padding_on_the_left_of_a_decoder_refutes_nothing() -> None:
    ids = torch.tensor([[5, 6, 7, 8, 9, 10], [1, 1, 5, 6, 7, 8]])
    inputs = {"input_ids": ids, "attention_mask": (ids != 1).long()}
    for attention in IMPLEMENTATIONS:
        model = right(is_decoder=True, attn_implementation=attention)
        proofs = inspect(model, inputs=inputs).proofs
        assert [proof.detail for proof in proofs if proof.status == "refuted"] == []


def test_labels_that_move_the_logits_are_not_blamed_on_padding_or_rows() -> None:
    def with_margin(output: Any, kwargs: dict[str, Any]) -> None:
        output["logits"] = output.logits + ("labels" in kwargs)

    statuses = {proof.id: proof.status for proof in inspect(edited(with_margin)()).proofs}
    assert statuses["tuple-and-dict"] == "refuted"
    assert [statuses[name] for name in ("padding", "rows-beside", "alone")] == ["proved"] * 3


@pytest.mark.parametrize(
    ("cls", "overrides"),
    [(Decoder, {"is_decoder": True}), (CrossReader, CROSS)],
    ids=["keys and values", "cross-attention"],
)
def test_nothing_is_refuted_where_a_decoder_returns_more(cls, overrides) -> None:
    model = seeded(cls, tiny_config(attn_implementation="eager", **overrides))
    assert refuted(model) == []
