"""What the claims are tested on: the reference call, and the few calls more that they need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import nn

from roberta_inspect.claims.claim import NotTestedError
from roberta_inspect.claims.magnification import magnified
from roberta_inspect.claims.relabelled import RelabelledCall
from roberta_inspect.claims.resized import ResizedCall
from roberta_inspect.inputs.probe import Probe
from roberta_inspect.live.anatomy import Anatomy, pad_token_id
from roberta_inspect.live.calls import Comparison
from roberta_inspect.live.containers import is_fake, keyed, tensors_in
from roberta_inspect.live.observe import Observed, Trace, Visit, observe


class Evidence:
    """The reference call of a model with its named fields; the tensors of no other call are kept.

    Args:
        model: as observed; called again in evaluation mode and left as it was found.
        probe: the input of the reference call.
        observed: the reference call, a dict with labels if it can.
        fields: name → value of each position.
        comparisons: the other calls beside it.
    """

    def __init__(
        self,
        model: nn.Module,
        probe: Probe,
        observed: Observed,
        fields: Mapping[str, Any],
        comparisons: Sequence[Comparison] = (),
    ) -> None:
        self.model: Any = model
        self.probe = probe
        self.observed = observed
        self.fields = fields
        self.comparisons = comparisons

    @property
    def config(self) -> Any:
        """The model's configuration."""
        return self.model.config

    @cached_property
    def pad_token_id(self) -> int:
        """The id that pads the input."""
        return pad_token_id(self.model)

    @property
    def trace(self) -> Trace:
        """Which module read and returned what in the reference call."""
        return self.observed.trace

    @property
    def anatomy(self) -> Anatomy:
        """Where the parts of the model are."""
        return self.trace.anatomy

    @property
    def fake(self) -> bool:
        """Whether the tensors have shapes and no values."""
        return any(map(is_fake, tensors_in(self.fields)))

    @property
    def layers(self) -> tuple[str, ...]:
        """The paths of the layers."""
        if not self.anatomy.layers:
            raise NotTestedError("this model has no layers")
        return self.anatomy.layers

    def tensor(self, name: str) -> torch.Tensor:
        """The tensor in the slot of that name."""
        value = self.fields.get(name)
        if not isinstance(value, torch.Tensor):
            raise NotTestedError(f"this model returns no tensor called {name}")
        return value

    def tuple_of(self, name: str) -> tuple[torch.Tensor, ...]:
        """The tensors in the slot of that name, none of them `None`."""
        value = self.fields.get(name)
        if not isinstance(value, tuple | list) or not value:
            raise NotTestedError(f"{name} {'is empty' if value == () else 'is no tuple here'}")
        for index, each in enumerate(value):
            if not isinstance(each, torch.Tensor):
                raise NotTestedError(f"{name}[{index}] is {type(each).__name__}, no tensor")
        return tuple(value)

    def module(self, path: str | None, what: str) -> Any:
        """A module of the model by its path."""
        if path is None:
            raise NotTestedError(f"this model has no {what} where its class has it")
        try:
            return self.model.get_submodule(path)
        except AttributeError as error:
            raise NotTestedError(f"this model has no module {path}") from error

    def visit(self, path: str | None, what: str) -> Visit:
        """The only call of a module during the reference call."""
        visits = self.trace.visits.get(path or "", [])
        if path is None or not visits:
            raise NotTestedError(f"forward calls no {what} where its class has it")
        if len(visits) > 1:
            raise NotTestedError(f"forward calls {path} {len(visits)} times")
        return visits[0]

    def reaches_the_caller(self, name: str) -> bool:
        """Whether some call returned a slot of that name."""
        others = (each.names for each in self.comparisons)
        return name in self.fields or any(name in names for names in others)

    def handed_on(self, name: str) -> Any:
        """What the base model returned under that name."""
        visit = self.trace.visit(self.anatomy.base)
        fields = {} if visit is None else keyed(visit.output)
        if name not in fields:
            raise NotTestedError(f"the base model hands on no {name}")
        return fields[name]

    def call(self, probe: Probe, **changes: Any) -> dict[str, Any]:
        """Name → value of one call more, its flags those of the reference call but for `changes`.

        Raises:
            NotTestedError: the call raised.
        """
        spec = self.observed.call._replace(**changes)
        seen = observe(self.model, probe, spec)
        if seen.error is not None:
            raise NotTestedError(f"a call for this claim raised {seen.error.type}")
        names = [key for key, _ in seen.fields]
        known = list(self.fields) if None in names else names
        return dict(zip(known, (value for _, value in seen.fields), strict=False))  # type: ignore[arg-type]

    def logits_of(self, probe: Probe) -> torch.Tensor:
        """The logits of another input, of shape `(batch_size, num_labels)`."""
        asked = {"labels": False, "output_hidden_states": False, "output_attentions": False}
        logits = self.call(probe, **asked).get("logits")
        if not isinstance(logits, torch.Tensor):
            raise NotTestedError("a call for this claim returned no logits")
        return logits

    @cached_property
    def resized(self) -> ResizedCall:
        """What is kept of one call with another batch size and another sequence length."""
        return ResizedCall.of(self)

    @cached_property
    def relabelled(self) -> RelabelledCall:
        """What is kept of one call with labels that cover the classes."""
        return RelabelledCall.of(self)

    def rounding_of(self, name: str) -> float:
        """The standard deviation that rounding in every layer brings to the values of a slot; that
        of the label that it moves most for the logits."""
        return float(self._measured(name).max())

    def rounding_by_label(self) -> torch.Tensor:
        """The same for the logits of each label, of shape `(num_labels,)` in float64."""
        return self._measured("logits")

    def _measured(self, name: str) -> torch.Tensor:
        if name not in self._magnified:
            raise NotTestedError(f"what rounding does to {name} could not be measured")
        return self._magnified[name]

    @cached_property
    def _magnified(self) -> dict[str, torch.Tensor]:
        return magnified(self)
