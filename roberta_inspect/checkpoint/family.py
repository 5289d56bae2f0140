"""The classes that are built as RoBERTa is: one row per model type."""

from __future__ import annotations

from typing import Any

from roberta_inspect.errors import CannotInspectError
from roberta_inspect.text import listed, safe

FAMILY = ("roberta",)
"""Model types, as `config.model_type` has them."""


def refusal(what: str) -> CannotInspectError:
    """The error for a model of another class; `what` says which it is."""
    known = listed([f"{kind}" for kind in FAMILY], last="or")
    return CannotInspectError(
        f"{what}, not a sequence classifier of model type {known}",
        hint="Give a checkpoint or a model of RobertaForSequenceClassification.",
    )


def check_class(model: Any) -> None:
    """Refuse a live model that is not a sequence classifier.

    Raises:
        CannotInspectError: which class it is, and which are known.
    """
    config = getattr(model, "config", None)
    name = safe(type(model).__name__)
    if config is None or not hasattr(config, "num_labels"):
        raise refusal(f"{name} is a model without the configuration of transformers")
