"""Models that are wrong in one way each, and the claim that must be refuted."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from makers import seeded, tiny_config
from torch import nn
from torch.nn import functional
from transformers import RobertaForSequenceClassification
from transformers.modeling_outputs import (
    SequenceClassifierOutput,
    SequenceClassifierOutputWithPast,
)

from roberta_inspect.releases import cache_layers

EAGER = {"attn_implementation": "eager"}
DECODER = {"is_decoder": True}
OTHER_TOKENS = 16
"""Of the states that cross-attention reads: as many as the made-up input has."""
CROSS = {"is_decoder": True, "add_cross_attention": True}


@dataclass(frozen=True)
class Mutation:
    """A wrong model, the claim that owns what is wrong, and how to inspect it."""

    owner: str
    make: Callable[[], nn.Module]
    how: dict[str, Any] = field(default_factory=dict)


def right(seed: int = 0, cls: Any = RobertaForSequenceClassification, **overrides: Any) -> Any:
    """A model with nothing wrong, under eager attention, whose weights all matter.

    The queries and keys are large, so that the attention is far from uniform.
    """
    model = seeded(cls, tiny_config(**{**EAGER, **overrides}), seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".query." in name or ".key." in name:
                parameter.mul_(5)
    return model


def edited(
    edit: Callable[[Any, dict[str, Any]], Any] = lambda output, kwargs: None,
    as_tuple: Callable[[tuple[Any, ...]], tuple[Any, ...]] = lambda values: values,
    **overrides: Any,
) -> Callable[[], nn.Module]:
    """A model whose output is edited or replaced before the caller gets it, or only the tuple."""

    class Edited(RobertaForSequenceClassification):
        def forward(self, *args: Any, **kwargs: Any) -> Any:
            wants_dict = kwargs.pop("return_dict", True)
            output = super().forward(*args, return_dict=True, **kwargs)
            output = edit(output, kwargs) or output
            output = type(output)(**vars(output))  # what is None now has no index
            return output if wants_dict else as_tuple(output.to_tuple())

    return lambda: right(cls=Edited, **overrides)


def patched(patch: Callable[[Any], None], **overrides: Any) -> Callable[[], nn.Module]:
    """A model that is changed after it was made."""

    def make() -> nn.Module:
        model = right(**overrides)
        patch(model)
        return model

    return make


def with_head(forward: Callable[[Any, torch.Tensor], torch.Tensor]) -> Callable[[], nn.Module]:
    """A model whose head has the parts of its class and does something else with them."""

    def patch(model: Any) -> None:
        head = model.classifier
        head.forward = lambda features, **_: forward(head, features)

    return patched(patch)


def scores(head: Any, read: torch.Tensor) -> torch.Tensor:
    """What the class does with position 0, done with another tensor."""
    return head.out_proj(torch.tanh(head.dense(read)))


def set_loss(compute: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> Any:
    def edit(output: Any, kwargs: dict[str, Any]) -> None:
        if kwargs.get("labels") is not None:
            output["loss"] = compute(output.logits, kwargs["labels"])

    return edit


def weighted(*weights: float) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    return lambda x, y: functional.cross_entropy(x, y, weight=torch.tensor(weights).to(x.dtype))


def in_bfloat16(edit: Any, problem_type: str) -> Callable[[], nn.Module]:
    return lambda: edited(edit, problem_type=problem_type)().bfloat16()


def one_hot(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return functional.one_hot(labels, logits.shape[-1]).to(logits.dtype)


def set_logits(change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    def edit(output: Any, kwargs: dict[str, Any]) -> None:
        output["logits"] = change(output.logits)

    return edit


def without_flags(name: str, change: Callable[[torch.Tensor], torch.Tensor] | None) -> Any:
    """A slot is changed, or `None`, where nothing but the inputs and labels is passed."""

    def edit(output: Any, kwargs: dict[str, Any]) -> None:
        if "output_hidden_states" not in kwargs and output.get(name) is not None:
            setattr(output, name, None if change is None else change(output[name]))

    return edit


def set_items(name: str, change: Callable[[list[Any]], list[Any]]) -> Any:
    def edit(output: Any, kwargs: dict[str, Any]) -> None:
        output[name] = tuple(change(list(output[name])))

    return edit


def swapped(items: list[Any]) -> list[Any]:
    return [items[1], items[0], *items[2:]]


def edited_by_a_hook(model: Any) -> None:
    """What the first layer reads is changed by a user's pre-hook, and the record is not."""

    def double(module: nn.Module, args: Any, kwargs: Any) -> Any:
        if args:
            return ((args[0] * 2, *args[1:]), kwargs)
        return (args, {**kwargs, "hidden_states": kwargs["hidden_states"] * 2})

    model.roberta.encoder.layer[1].register_forward_pre_hook(double, with_kwargs=True)


def embedded(*tables: str, norm: bool = True) -> Callable[[Any], None]:
    """The embeddings are the sum of these tables alone; the others are not called at all."""

    def patch(model: Any) -> None:
        module = model.roberta.embeddings

        def forward(input_ids: Any = None, **_: Any) -> torch.Tensor:
            ids = {
                "word_embeddings": input_ids,
                "token_type_embeddings": torch.zeros_like(input_ids),
                "position_embeddings": torch.arange(2, 2 + input_ids.shape[1])[None],
            }
            total = sum(getattr(module, name)(ids[name]) for name in tables)
            return module.LayerNorm(total) if norm else total

        module.forward = forward

    return patch


def no_norm(model: Any) -> None:
    model.roberta.embeddings.LayerNorm = nn.Identity()


def positions_from_zero(model: Any) -> None:
    table = model.roberta.embeddings.position_embeddings

    def shift(module: nn.Module, args: Any) -> Any:
        return (args[0] - args[0].min(),)

    table.register_forward_pre_hook(shift)


class ShiftedTable(nn.Embedding):
    """Looks up the row below the one that it is asked for."""

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return super().forward((ids - 1).clamp(min=0))


def shifted_table(model: Any) -> None:
    model.roberta.embeddings.position_embeddings.__class__ = ShiftedTable


def with_weights(change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Any], None]:
    """The weights that the first self-attention returns are not those that it used."""

    def patch(model: Any) -> None:
        attention = model.roberta.encoder.layer[0].attention.self
        forward = attention.forward

        def changed(*args: Any, **kwargs: Any) -> Any:
            output = forward(*args, **kwargs)
            has_weights = len(output) > 1 and isinstance(output[1], torch.Tensor)
            return (output[0], change(output[1]), *output[2:]) if has_weights else output

        attention.forward = changed

    return patch


def ignore_mask(model: Any) -> None:
    """Every layer attends padding: the mask that the model makes is dropped."""

    def drop(module: nn.Module, args: Any, kwargs: Any) -> Any:
        changed = {**kwargs, "attention_mask": None} if "attention_mask" in kwargs else kwargs
        return ((*args[:1], None, *args[2:]) if len(args) > 1 else args, changed)

    for layer in model.roberta.encoder.layer:
        layer.attention.self.register_forward_pre_hook(drop, with_kwargs=True)


def looks_ahead(model: Any) -> None:
    """The configuration says decoder, and the encoder masks as if it were none."""
    model.roberta.config = copy.deepcopy(model.config)
    model.roberta.config.is_decoder = False


def with_pooler(model: Any) -> None:
    model.roberta.pooler = nn.Linear(model.config.hidden_size, model.config.hidden_size)
    model.roberta.pooler.forward = lambda states: states[:, 0]


def depends_on_length(model: Any) -> None:
    """The embeddings depend on the length of the padded batch."""

    def hook(module: nn.Module, args: Any, output: torch.Tensor) -> torch.Tensor:
        return output + 0.05 * output.shape[1] * torch.linspace(0, 1, output.shape[-1])

    model.roberta.embeddings.LayerNorm.register_forward_hook(hook)


def depends_on_implementation(model: Any) -> None:
    def hook(module: Any, args: Any, output: Any) -> Any:
        if module.config._attn_implementation == "eager":
            return output
        return (output[0] * 1.01, *output[1:])

    model.roberta.encoder.layer[0].attention.self.register_forward_hook(hook)


def reports_weights_it_does_not_use(model: Any) -> None:
    """Every key that can be read counts alike; the softmax is reported all the same."""
    for layer in model.roberta.encoder.layer:
        inner = layer.attention.self
        forward = inner.forward

        def even(
            states: torch.Tensor,
            *args: Any,
            forward: Any = forward,
            inner: Any = inner,
            **kwargs: Any,
        ) -> Any:
            context, weights, *rest = forward(states, *args, **kwargs)
            size = inner.attention_head_size
            values = inner.value(states).unflatten(-1, (-1, size)).transpose(1, 2)
            shares = (weights > 0).to(weights)
            mixed = (shares / shares.sum(-1, keepdim=True)) @ values
            return mixed.transpose(1, 2).reshape(context.shape), weights, *rest

        inner.forward = even


def writes_into_what_it_reads(model: Any) -> None:
    """A layer scales the hidden states that the layer before returned, in place."""
    layer = model.roberta.encoder.layer[1]
    forward = layer.forward

    def scaled(hidden_states: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        return forward(hidden_states.mul_(3), *args, **kwargs)

    layer.forward = scaled


def reads_its_neighbour(model: Any) -> None:
    """Every row of a batch but the last reads the row below it too."""
    forward = model.classifier.forward

    def mixed(features: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        below = torch.cat([features[1:], features[-1:]])
        return forward(features + 0.1 * below, **kwargs)

    model.classifier.forward = mixed


def loss_of_other_calls(output: Any, kwargs: dict[str, Any]) -> None:
    """The loss differs where no hidden states are requested."""
    if kwargs.get("labels") is not None and not kwargs["output_hidden_states"]:
        output["loss"] = output.loss * 2


def scale_in_place(output: Any, kwargs: dict[str, Any]) -> None:
    output.logits.mul_(3)


def overflows_elsewhere(head: Any, features: torch.Tensor) -> torch.Tensor:
    """NaN for inputs longer than that of the run; otherwise it reads position 0 alone."""
    more = torch.tensor(math.inf if features.shape[1] > 20 else 0.0)
    return scores(head, features[:, 0]) + (more - more)


class Reader(RobertaForSequenceClassification):
    """Its head reads `read(states)`; it returns `more(states)` besides loss and logits."""

    asks: ClassVar[dict[str, Any]] = {}
    container: Any = SequenceClassifierOutput

    def read(self, states: Any) -> torch.Tensor:
        return states[0]

    def more(self, states: Any) -> dict[str, Any]:
        return {"hidden_states": states.hidden_states}

    def forward(self, input_ids: Any, labels: Any = None, **kwargs: Any) -> Any:
        wants_dict = kwargs.pop("return_dict", True)
        states = self.roberta(input_ids, return_dict=True, **kwargs, **self.asks)
        logits = self.classifier(self.read(states))
        loss = None if labels is None else functional.cross_entropy(logits, labels)
        output = self.container(loss=loss, logits=logits, **self.more(states))
        return output if wants_dict else output.to_tuple()


class EarlierReader(Reader):
    """Its head reads the last hidden state but one."""

    def read(self, states: Any) -> torch.Tensor:
        return states.hidden_states[-2]


class Decoder(Reader):
    """Hands the keys and values to the caller, whatever the release does."""

    asks: ClassVar[dict[str, Any]] = {"use_cache": True}
    container = SequenceClassifierOutputWithPast

    def more(self, states: Any) -> dict[str, Any]:
        layers = cache_layers(states.past_key_values) or states.past_key_values
        pairs = [tuple(layer[:2]) for layer in layers]
        return {**super().more(states), "past_key_values": tuple(self.ordered(pairs))}

    def ordered(self, items: list[Any]) -> list[Any]:
        return items


class SwappedDecoder(Decoder):
    def ordered(self, items: list[Any]) -> list[Any]:
        return swapped(items)


@dataclass
class WithCrossAttentions(SequenceClassifierOutput):
    """What this class returns, and the cross-attention weights."""

    cross_attentions: Any = None


class CrossReader(Decoder):
    """Reads other states too, as the decoder half of an encoder-decoder model does; the same for
    every row."""

    asks: ClassVar[dict[str, Any]] = {"use_cache": False}
    container = WithCrossAttentions

    def forward(self, input_ids: Any, **kwargs: Any) -> Any:
        shape = (OTHER_TOKENS, self.config.hidden_size)
        states = torch.arange(math.prod(shape)).reshape(shape).remainder(7).to(self.dtype) - 3
        states = states.expand(len(input_ids), *shape)
        return super().forward(input_ids, encoder_hidden_states=states, **kwargs)

    def more(self, states: Any) -> dict[str, Any]:
        weights = self.ordered(list(states.cross_attentions or ()))
        return {"hidden_states": states.hidden_states, "cross_attentions": tuple(weights)}


class SwappedCrossReader(CrossReader):
    def ordered(self, items: list[Any]) -> list[Any]:
        return swapped(items)


def drop_last(items: list[Any]) -> list[Any]:
    return items[:-1]


def reordered(values: tuple[Any, ...]) -> tuple[Any, ...]:
    return (*values[:-2], values[-1], values[-2])


MUTATIONS: dict[str, Mutation] = {
    # loss
    "loss doubled": Mutation(
        "loss-value", edited(set_loss(lambda x, y: 2 * functional.cross_entropy(x, y)))
    ),
    "sum instead of mean": Mutation(
        "loss-value", edited(set_loss(lambda x, y: functional.cross_entropy(x, y, reduction="sum")))
    ),
    "labels ignored": Mutation(
        "loss-value", edited(set_loss(lambda x, y: functional.cross_entropy(x, y * 0)))
    ),
    "loss missing": Mutation("loss-value", edited(set_loss(lambda x, y: None))),
    "loss of shape (1,)": Mutation(
        "loss-value", edited(set_loss(lambda x, y: functional.cross_entropy(x, y)[None]))
    ),
    "ignored rows counted": Mutation(
        "loss-value",
        edited(set_loss(lambda x, y: functional.cross_entropy(x, y.clamp(min=0)))),
        {"labels": [-100, 1]},
    ),
    "loss with smoothed labels": Mutation(
        "loss-value",
        edited(set_loss(lambda x, y: functional.cross_entropy(x, y, label_smoothing=0.1))),
    ),
    "sum of one row": Mutation(
        "loss-value",
        edited(set_loss(lambda x, y: functional.cross_entropy(x, y, reduction="sum"))),
        {"batch_size": 1},
    ),
    "sum over the batch of means over the labels": Mutation(
        "loss-value",
        edited(
            set_loss(lambda x, y: functional.mse_loss(x, y, reduction="none").mean(-1).sum()),
            problem_type="regression",
        ),
        {"batch_size": 1},
    ),
    "sum divided by two": Mutation(
        "loss-value",
        edited(set_loss(lambda x, y: functional.cross_entropy(x, y, reduction="sum") / 2)),
    ),
    "a class weighs more": Mutation("loss-value", edited(set_loss(weighted(1.0, 5.0, 1.0)))),
    "a class weighs more, one row": Mutation(
        "loss-value", edited(set_loss(weighted(1.0, 5.0, 9.0))), {"batch_size": 1}
    ),
    "loss in bfloat16 a little larger": Mutation(
        "loss-value",
        in_bfloat16(set_loss(lambda x, y: 1.05 * functional.mse_loss(x, y)), "regression"),
    ),
    "binary loss in bfloat16 a little larger": Mutation(
        "loss-value",
        in_bfloat16(
            set_loss(lambda x, y: 1.05 * functional.binary_cross_entropy_with_logits(x, y)),
            "multi_label_classification",
        ),
    ),
    "squared error instead of cross-entropy": Mutation(
        "loss-kind", edited(set_loss(lambda x, y: functional.mse_loss(x, one_hot(x, y))))
    ),
    "binary instead of categorical cross-entropy": Mutation(
        "loss-kind",
        edited(
            set_loss(lambda x, y: functional.binary_cross_entropy_with_logits(x, one_hot(x, y)))
        ),
    ),
    "cross-entropy in a regression": Mutation(
        "loss-kind",
        edited(set_loss(lambda x, y: functional.cross_entropy(x, y)), problem_type="regression"),
    ),
    # logits
    "logits scaled": Mutation("logits-origin", edited(set_logits(lambda x: x * 1.5))),
    "a constant added to the logits": Mutation(
        "logits-origin", edited(set_logits(lambda x: x + 1))
    ),
    "logits copied": Mutation("logits-origin", edited(set_logits(lambda x: x.clone()))),
    "softmax in forward": Mutation("logits-origin", edited(set_logits(lambda x: x.softmax(-1)))),
    "head reads position 1": Mutation(
        "logits-position", with_head(lambda head, features: scores(head, features[:, 1]))
    ),
    "head reads the last position": Mutation(
        "logits-position", with_head(lambda head, features: scores(head, features[:, -1]))
    ),
    "head reads the mean": Mutation(
        "logits-position", with_head(lambda head, features: scores(head, features.mean(1)))
    ),
    "head counts zeros": Mutation(
        "logits-position",
        with_head(
            lambda head, features: (
                scores(head, features[:, 0]) + (features == 0).all(-1).sum(-1, keepdim=True)
            )
        ),
    ),
    "head overflows on other positions": Mutation(
        "logits-position", with_head(overflows_elsewhere)
    ),
    "head reads nothing": Mutation(
        "logits-head", with_head(lambda head, features: scores(head, features[:, 0] * 0))
    ),
    "head without tanh": Mutation(
        "logits-head",
        with_head(lambda head, features: head.out_proj(head.dense(features[:, 0]))),
    ),
    "head with gelu": Mutation(
        "logits-head",
        with_head(
            lambda head, features: head.out_proj(functional.gelu(head.dense(features[:, 0])))
        ),
    ),
    "head without dense": Mutation(
        "logits-head", with_head(lambda head, features: head.out_proj(features[:, 0]))
    ),
    "head scales": Mutation(
        "logits-head", with_head(lambda head, features: 1.001 * scores(head, features[:, 0]))
    ),
    "logits transposed": Mutation("axes", edited(set_logits(lambda x: x.T))),
    "logits squeezed": Mutation(
        "axes", edited(set_logits(lambda x: x.squeeze()), num_labels=1), {"batch_size": 2}
    ),
    "head reads an earlier layer": Mutation("logits-classifier", lambda: right(cls=EarlierReader)),
    # the whole model
    "length of the batch leaks": Mutation("alone", patched(depends_on_length)),
    "padding attended": Mutation("padding", patched(ignore_mask)),
    "the first row is the mean of all": Mutation(
        "rows-beside", edited(set_logits(lambda x: torch.cat([x.mean(0, keepdim=True), x[1:]])))
    ),
    "the last row reads the first": Mutation(
        "rows-beside", edited(set_logits(lambda x: torch.cat([x[:-1], x[-1:] + x[:1] / 10])))
    ),
    "every second row reads the others of these": Mutation(
        "rows-beside",
        edited(set_logits(lambda x: x + (torch.arange(len(x)) % 2 == 0)[:, None] * x[::2].mean(0))),
    ),
    # hidden states
    "two hidden states swapped": Mutation(
        "hidden-states-chain", edited(set_items("hidden_states", swapped))
    ),
    "one hidden state repeated": Mutation(
        "hidden-states-chain",
        edited(set_items("hidden_states", lambda items: [items[-1]] * len(items))),
    ),
    "a hidden state before a user's hook": Mutation(
        "hidden-states-chain", patched(edited_by_a_hook)
    ),
    "the last hidden state dropped": Mutation(
        "hidden-states-count", edited(set_items("hidden_states", drop_last))
    ),
    "a hole in the hidden states": Mutation(
        "hidden-states-count",
        edited(set_items("hidden_states", lambda items: [items[0], None, *items[2:]])),
    ),
    "another last hidden state": Mutation(
        "hidden-states-last",
        edited(set_items("hidden_states", lambda items: [*items[:-1], items[-1] + 1])),
    ),
    "no hidden states": Mutation(
        "hidden-states-count",
        edited(lambda output, kwargs: SequenceClassifierOutput(output.loss, output.logits)),
    ),
    "embeddings without LayerNorm": Mutation("hidden-states-embeddings", patched(no_norm)),
    "embeddings without positions": Mutation(
        "hidden-states-embeddings", patched(embedded("word_embeddings", "token_type_embeddings"))
    ),
    "embeddings without token types": Mutation(
        "hidden-states-embeddings", patched(embedded("word_embeddings", "position_embeddings"))
    ),
    "positions counted from 0": Mutation("hidden-states-positions", patched(positions_from_zero)),
    "a table of positions that looks up other rows": Mutation(
        "hidden-states-positions", patched(shifted_table)
    ),
    "embeddings of other positions": Mutation("hidden-states-embeddings", patched(shifted_table)),
    "the bare word embedding": Mutation(
        "hidden-states-not-bare", patched(embedded("word_embeddings", norm=False))
    ),
    # attentions
    "attentions of two layers swapped": Mutation(
        "attentions-origin", edited(set_items("attentions", swapped))
    ),
    "an attention dropped": Mutation(
        "attentions-count", edited(set_items("attentions", drop_last))
    ),
    "a hole in the attentions": Mutation(
        "attentions-count", edited(set_items("attentions", lambda items: [None, *items[1:]]))
    ),
    "logits changed in place": Mutation("logits-origin", edited(scale_in_place)),
    "a layer that writes into what it reads": Mutation(
        "hidden-states-chain", patched(writes_into_what_it_reads)
    ),
    "rows that read their neighbours": Mutation("rows-beside", patched(reads_its_neighbour)),
    "weights reported, and others used": Mutation(
        "attentions-values", patched(reports_weights_it_does_not_use)
    ),
    "attention rows not normalised": Mutation(
        "attentions-rows", patched(with_weights(lambda x: x * 1.01))
    ),
    "padded keys attended": Mutation("attentions-padding", patched(ignore_mask)),
    "attention of another temperature": Mutation(
        "attentions-formula",
        patched(with_weights(lambda x: x.square() / x.square().sum(-1, keepdim=True))),
    ),
    "uniform attention": Mutation(
        "attentions-formula",
        patched(with_weights(lambda x: (x > 0) / (x > 0).sum(-1, keepdim=True))),
    ),
    "heads in another order": Mutation(
        "attentions-formula", patched(with_weights(lambda x: x.flip(1)))
    ),
    "a decoder that looks ahead": Mutation("attentions-formula", patched(looks_ahead, **DECODER)),
    "cross-attentions swapped": Mutation(
        "cross-attentions", lambda: right(cls=SwappedCrossReader, **CROSS)
    ),
    "caches of two layers swapped": Mutation(
        "cache-projections", lambda: right(cls=SwappedDecoder, **DECODER)
    ),
    # the container
    "another loss with other flags": Mutation(
        "tuple-and-dict", edited(loss_of_other_calls), {"matrix": True}
    ),
    "tuple in another order": Mutation("tuple-and-dict", edited(as_tuple=reordered)),
    "an extra tensor in the tuple": Mutation(
        "tuple-and-dict", edited(as_tuple=lambda values: (*values, torch.ones(3)))
    ),
    "a tuple without attentions": Mutation(
        "tuple-and-dict", edited(as_tuple=lambda values: values[:-1])
    ),
    "other hidden states in the tuple": Mutation(
        "tuple-and-dict",
        edited(
            as_tuple=lambda values: (
                *values[:-2],
                tuple(value * 1.01 for value in values[-2]),
                values[-1],
            )
        ),
    ),
    "None for a hidden state in the tuple": Mutation(
        "tuple-and-dict",
        edited(as_tuple=lambda values: (*values[:-2], (None, *values[-2][1:]), values[-1])),
    ),
    "no loss without flags": Mutation("tuple-and-dict", edited(without_flags("loss", None))),
    "float64 logits without flags": Mutation(
        "tuple-and-dict", edited(without_flags("logits", torch.Tensor.double))
    ),
    "a pooler": Mutation("no-pooler", patched(with_pooler)),
}
"""Name → what is wrong, for every release."""

SWITCHING: dict[str, Mutation] = {
    "implementations disagree": Mutation(
        "attention-implementations", patched(depends_on_implementation)
    ),
}
"""Those that need a release which can switch the attention implementation of a loaded model."""
