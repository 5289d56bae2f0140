"""The classes that are built as RoBERTa is: one row per model type."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import transformers
from torch import nn
from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES
from transformers.models.auto.modeling_auto import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES

from roberta_inspect.errors import CannotInspectError
from roberta_inspect.text import listed, safe

DEFAULT = "roberta"
"""The model type of a configuration that names none."""

MODEL_TYPES = (
    DEFAULT,
    "xlm-roberta",
    "camembert",
    "xlm-roberta-xl",
    "roberta-prelayernorm",
    "data2vec-text",
)
"""As `config.model_type` has them."""


@dataclass(frozen=True, slots=True)
class Member:
    """One model type: its configuration and its sequence classifier, by transformers' names."""

    model_type: str
    config_name: str
    class_name: str

    @property
    def config(self) -> Any:
        """The class of its configurations."""
        return getattr(transformers, self.config_name)

    @property
    def cls(self) -> Any:
        """The sequence classifier."""
        return getattr(transformers, self.class_name)

    @property
    def stem(self) -> str:
        """What the names of all its classes start with: `Roberta`."""
        return self.class_name.removesuffix("ForSequenceClassification")


@cache
def members() -> dict[str, Member]:
    """Model type → its row, of those that this release of transformers has."""
    classes, configs = MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES, CONFIG_MAPPING_NAMES
    return {
        model_type: Member(model_type, configs[model_type], classes[model_type])
        for model_type in MODEL_TYPES
        if model_type in classes
    }


def member_of(config: Any) -> Member:
    """The row of a configuration object.

    Raises:
        CannotInspectError: it is not one of the family's.
    """
    member = _member_of(config)
    if member is None:
        raise _refusal("the configuration", type(config).__name__, _model_type(config))
    return member


def member_in(where: object, values: Mapping[str, Any]) -> Member:
    """The row for the fields of a `config.json`: by its model type, else by the classes that it
    names, else RoBERTa. `where` names the file in errors.

    Raises:
        CannotInspectError: which architecture it is, and which are known.
    """
    names = _class_names(values)
    if "model_type" in values:
        member = members().get(str(values["model_type"]))
    elif not names or any("Roberta" in name for name in names):
        member = _member_named(names) or members()[DEFAULT]
    else:
        member = _member_named(names)
    if member is None:
        raise _refusal(safe(where), next(iter(names), None), values.get("model_type"))
    return member


def _member_of(config: Any) -> Member | None:
    """By its model type, else by a class that it derives from."""
    rows = {row.config_name: row for row in members().values()}
    names = [ancestor.__name__ for ancestor in type(config).__mro__]
    derived = next((rows[name] for name in names if name in rows), None)
    return members().get(str(_model_type(config)), derived)


def _model_type(config: Any) -> Any:
    return getattr(config, "model_type", None)


def _member_named(class_names: Iterable[str]) -> Member | None:
    """The row that one of these classes belongs to, whatever its head."""
    stems = {row.stem: row for row in members().values()}
    matches = (re.fullmatch(r"(\w+?)(Model|For\w+)", name) for name in class_names)
    return next((stems[match[1]] for match in matches if match and match[1] in stems), None)


def _class_names(values: Mapping[str, Any]) -> list[str]:
    names = values.get("architectures") or []
    return [str(name) for name in (names if isinstance(names, list) else [names])]


def check_class(model: nn.Module) -> None:
    """Refuse a live model that is not a sequence classifier of the family.

    A subclass of one is let in, and so is a class of the user's own that has the configuration of
    one and a head of its own.

    Raises:
        CannotInspectError: which class it is, and which are known.
    """
    ready_made = [kind for kind in type(model).__mro__ if _is_ready_made(kind)]
    classifiers = {row.cls for row in members().values()}
    if any(kind in classifiers for kind in ready_made):
        return
    config = getattr(model, "config", None)
    name, model_type = type(model).__name__, _model_type(config)
    if _member_of(config) is None:
        raise _refusal("the model", name, model_type)
    if any(kind.__name__.endswith("Model") for kind in ready_made) or not _has_head(model):
        raise _refusal("the model", name, model_type, why="a base model has no head")
    if ready_made:
        raise _refusal("the model", name, model_type, why="its head is another one")


def _is_ready_made(kind: type) -> bool:
    """Whether the class is one of transformers' own, and not an abstract base."""
    ready = kind.__module__.startswith("transformers.models.")
    return ready and not kind.__name__.endswith("PreTrainedModel")


def _has_head(model: nn.Module) -> bool:
    """Whether a model holds a base model of the family, and parameters beside it."""
    bases = [module for module in model.modules() if _is_ready_made_base(module)]
    inside = {id(parameter) for base in bases for parameter in base.parameters()}
    return any(id(parameter) not in inside for parameter in model.parameters())


def _is_ready_made_base(module: nn.Module) -> bool:
    return type(module).__name__ in {f"{row.stem}Model" for row in members().values()}


def _refusal(
    where: str, class_name: str | None, model_type: Any, *, why: str | None = None
) -> CannotInspectError:
    kinds = [f"class {safe(class_name, longest=80)}"] if class_name else []
    kinds += [f"model type {safe(model_type, longest=80)}"] if model_type is not None else []
    return CannotInspectError(
        f"{where} is of {listed(kinds)}, and not a sequence classifier of model type "
        f"{listed(MODEL_TYPES, last='or')}{': ' + why if why else ''}",
        hint="Give a checkpoint or a model of RobertaForSequenceClassification, or of that class "
        "of another of these model types.",
    )
