"""Where the parts of a model are: base model, embeddings, encoder, layers, classifier."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from inspect import Parameter, signature
from typing import Any

from torch import nn

from roberta_inspect.errors import CannotInspectError


@dataclass(frozen=True)
class Anatomy:
    """Where the parts of this model are, as paths of `named_modules()`; `None` for a part that it
    lacks."""

    base: str | None
    embeddings: str | None
    encoder: str | None
    layers: tuple[str, ...]
    """In the order in which they run; one that runs several times under its first path."""
    last_norm: str | None
    """The LayerNorm that comes after the last layer, where the class has one."""
    classifier: str | None

    @classmethod
    def of(cls, model: nn.Module) -> Anatomy:
        """The parts of `model`: the base model by what it holds, the others by where it keeps
        them."""
        modules = dict(model.named_modules())

        def existing(*names: str | None) -> str | None:
            path = ".".join(name for name in names if name)
            return path if None not in names and path in modules else None

        base = existing(_base_of(model))
        encoder = existing(base, "encoder")
        stack = existing(encoder, "layer")
        layers = modules[stack]._modules.values() if stack else ()
        paths = {id(module): path for path, module in modules.items()}
        norms = (_norm_in(modules[path], path) for path in (encoder, base) if path)

        return cls(
            base=base or None,
            embeddings=existing(base, "embeddings"),
            encoder=encoder,
            layers=tuple(paths[id(layer)] for layer in layers if layer is not None),
            last_norm=next(filter(None, norms), None),
            classifier=existing("classifier") or existing(_head_of(model, _base_of(model))),
        )

    @property
    def stages(self) -> tuple[str, ...]:
        """The modules that hand on what others made: the encoder, the base model, the model."""
        return tuple(path for path in (self.encoder, self.base, "") if path is not None)

    @property
    def self_attentions(self) -> tuple[str, ...]:
        """The self-attention of each layer."""
        return tuple(f"{layer}.attention.self" for layer in self.layers)

    @property
    def cross_attentions(self) -> tuple[str, ...]:
        """Where the cross-attention of each layer is, if it has one."""
        return tuple(f"{layer}.crossattention.self" for layer in self.layers)

    @property
    def projections(self) -> tuple[str, ...]:
        """The query, key and value of each self- and cross-attention."""
        attentions = (*self.self_attentions, *self.cross_attentions)
        return tuple(f"{path}.{part}" for path in attentions for part in ("query", "key", "value"))

    @property
    def makers(self) -> frozenset[str]:
        """The modules that make what reaches the caller, and what the claims compute it from."""
        parts = [self.embeddings, self.last_norm, self.classifier]
        paths = [*parts, *self.layers, *self.self_attentions, *self.projections]
        return frozenset(path for path in paths if path is not None)

    @property
    def kept(self) -> frozenset[str]:
        """The modules of which a trace keeps what they read and returned."""
        tables = (f"{self.embeddings}.{part}_embeddings" for part in ("word", "position"))
        return self.makers | {*tables, *self.cross_attentions, *self.stages}


def _base_of(model: nn.Module) -> str | None:
    """The attribute that the class names, or else the first module with embeddings and encoder."""
    children = dict(model.named_children())
    named = getattr(model, "base_model_prefix", None)
    if named in children:
        return str(named)
    parts = {"embeddings", "encoder"}
    return next(
        (path for path, module in model.named_modules() if parts <= {*module._modules}), None
    )


def _head_of(model: nn.Module, base: str | None) -> str | None:
    """The only module with parameters beside the base model, in a class of the user's own."""
    heads = [
        path
        for path, child in model.named_children()
        if path != base and next(child.parameters(), None) is not None
    ]
    return heads[0] if base and len(heads) == 1 else None


def _norm_in(module: nn.Module, path: str) -> str | None:
    children = module.named_children()
    return next((f"{path}.{name}" for name, child in children if type(child) is nn.LayerNorm), None)


def pad_token_id(model: Any) -> int:
    """The id that pads the input of a model: what its configuration says now, or what its
    embeddings were built with where it says nothing.

    Raises:
        CannotInspectError: neither names one.
    """
    path = Anatomy.of(model).embeddings
    built = None if path is None else getattr(model.get_submodule(path), "padding_idx", None)
    padding = getattr(model.config, "pad_token_id", None)
    padding = built if padding is None else padding
    if padding is None:
        raise CannotInspectError(
            "config.pad_token_id is None, and no embeddings tell which id pads",
            hint="Set model.config.pad_token_id.",
        )
    return int(padding)


def input_config(model: Any) -> Any:
    """The configuration of a model, for making its input: a copy where its `pad_token_id` or its
    sizes are not those of the embeddings, with what the embeddings have.

    Raises:
        CannotInspectError: nothing says which id pads.
    """
    sizes = {"pad_token_id": pad_token_id(model), **_table_sizes(model)}
    differing = {name: size for name, size in sizes.items() if getattr(model.config, name) != size}
    if not differing:
        return model.config
    config = copy.copy(model.config)
    for name, size in differing.items():
        setattr(config, name, size)
    return config


def _table_sizes(model: nn.Module) -> dict[str, int]:
    path = Anatomy.of(model).embeddings
    tables = {} if path is None else dict(model.get_submodule(path).named_children())
    names = {
        "word_embeddings": "vocab_size",
        "position_embeddings": "max_position_embeddings",
        "token_type_embeddings": "type_vocab_size",
    }
    return {
        field: tables[name].num_embeddings
        for name, field in names.items()
        if isinstance(tables.get(name), nn.Embedding)
    }


def forward_keywords(model: nn.Module) -> frozenset[str]:
    """The keywords that `forward` names: of the class, and of the model where it has its own."""
    forwards = (type(model).forward, model.forward)
    parameters = [
        keyword for forward in forwards for keyword in signature(forward).parameters.values()
    ]
    named = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
    return frozenset(keyword.name for keyword in parameters if keyword.kind in named) - {"self"}
