"""What every consumer is called with: copies of the model, the input and the tokenizer."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import nn

from roberta_inspect.consumer.identify import Slots
from roberta_inspect.errors import CannotInspectError
from roberta_inspect.inputs.probe import Probe
from roberta_inspect.records import Text
from roberta_inspect.releases import attention_of, switch_attention
from roberta_inspect.text import safe

TEXTS = (Text(first="What a wonderful film."), Text(first="It was too long."))
"""For consumers that take texts, if the input has none."""

HIDDEN_STATES = {"output_hidden_states": True}
BOTH = {**HIDDEN_STATES, "output_attentions": True}
"""Settings of the configuration."""

BOTH_IN_WORDS = "config.output_hidden_states=True, config.output_attentions=True"


@dataclass(frozen=True)
class Subject:
    """The user's model and its input. Consumers only get copies of the model."""

    model: Any
    probe: Probe
    """On the model's device."""
    tokenizer: Any = None

    @property
    def texts(self) -> tuple[Text, ...]:
        """The texts of the input, or examples if it has none."""
        return self.probe.texts or TEXTS

    @cached_property
    def slots(self) -> Slots:
        """What the model returns for the input, labels included."""
        return Slots.of(self.copy(), self.probe, labels=True)

    @cached_property
    def own_tokenizer(self) -> Any:
        """A copy of the tokenizer, because a call changes how it pads."""
        return copy.deepcopy(self.tokenizer)

    def copy(self, **settings: Any) -> Any:
        """A copy of the model in eval mode, with these settings of the configuration.

        It shares only the storage of its tensors with the user's model.

        Raises:
            CannotInspectError: the model holds something that cannot be copied.
        """
        tensors = [*self.model.parameters(), *self.model.buffers()]
        shared = {id(tensor): _of_its_own(tensor) for tensor in tensors}
        try:
            model = copy.deepcopy(self.model, shared).eval()
        except Exception as error:
            raise CannotInspectError(
                f"the model cannot be copied: {safe(type(error).__name__)}: {safe(error)}",
                hint="Save it with save_pretrained, and give that folder instead.",
            ) from error
        _configure(model, settings)
        return model

    def eager_copy(self, **settings: Any) -> Any:
        """A copy on the CPU, with eager attention if this release can switch to it."""
        model = self.copy().to("cpu")
        if attention_of(model.config) != "eager":
            switch_attention(model, "eager")
        _configure(model, settings)
        return model


def _of_its_own(tensor: torch.Tensor) -> torch.Tensor:
    """Another tensor object on the same storage, so that `model.to` does not move the first one."""
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(tensor.detach(), requires_grad=tensor.requires_grad)
    return tensor.detach()


def _configure(model: Any, settings: dict[str, Any]) -> None:
    """Set fields of the configuration, as if it had been saved with them.

    Under some attention implementations a live configuration refuses `output_attentions`. One that
    is read from a file accepts it.
    """
    try:
        for name, value in settings.items():
            setattr(model.config, name, value)
    except ValueError:
        attention = attention_of(model.config)
        config = type(model.config).from_dict({**model.config.to_dict(), **settings})
        config._attn_implementation = attention
        for module in model.modules():
            if hasattr(module, "config"):
                module.config = config
