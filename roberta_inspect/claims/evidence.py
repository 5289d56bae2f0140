"""What the claims are tested on: the reference call, and the few calls more that they need."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import torch

from roberta_inspect.claims.extra import Answer, SmallCalls
from roberta_inspect.claims.outcome import NotTestedError
from roberta_inspect.claims.rounding import epsilon, same
from roberta_inspect.inputs.labels import problem_type_for
from roberta_inspect.inputs.probe import Probe
from roberta_inspect.live.anatomy import Anatomy, pad_token_id
from roberta_inspect.live.calls import Calls, Comparison
from roberta_inspect.live.containers import is_fake, keyed, tensors_in
from roberta_inspect.live.observe import Observed, Trace, Visit
from roberta_inspect.records import ProblemType
from roberta_inspect.releases import attention_of, switch_attention
from roberta_inspect.text import counted


class Evidence:
    """The reference call of a model with its named fields, and how the other calls compare.

    Args:
        calls: as they were made; the tensors of no call but the reference are kept.
        observed: the reference call.
    """

    def __init__(self, calls: Calls, observed: Observed) -> None:
        self.observer = calls.observer
        self.model: Any = calls.observer.model
        self.config: Any = self.model.config
        self.probe: Probe = calls.probe
        self.observed = observed
        self.trace: Trace = observed.trace
        self.anatomy: Anatomy = observed.trace.anatomy
        self.fields = calls.fields
        self.comparisons: Sequence[Comparison] = calls.comparisons
        self._names = {comparison.call: comparison.names for comparison in calls.comparisons}
        self._names[observed.call] = tuple(calls.fields)
        self.parted = calls.parted

    @property
    def problem_type(self) -> tuple[ProblemType, str]:
        """Which loss `forward` will use for the labels of the input, and what decides it."""
        return problem_type_for(self.config, self.probe.labels)

    @cached_property
    def pad_token_id(self) -> int:
        """The id that pads the input."""
        return pad_token_id(self.model)

    @property
    def fake(self) -> bool:
        """Whether the tensors have shapes and no values."""
        return any(map(is_fake, tensors_in(self.fields)))

    @cached_property
    def coarsest(self) -> torch.dtype:
        """Of the dtypes in which the model holds its parameters or hands anything on, the one that
        rounds most: a float32 copy of what was computed in 16 bits is no more exact."""
        visits = itertools.chain.from_iterable(self.trace.visits.values())
        tensors = tensors_in([visit.output for visit in visits])
        held = itertools.chain(tensors, self.model.parameters(), tensors_in(self.fields))
        return max({t.dtype for t in held if t.is_floating_point()}, key=epsilon)

    def check_deterministic(self) -> None:
        """Raise NotTestedError where the same call gives other bits each time."""
        if self.parted is not None:
            raise NotTestedError(
                f"two calls on the same input differ, from {self.parted or 'the model itself'} on"
            )

    def check_values(self) -> None:
        """Raise NotTestedError where the tensors are fake."""
        if self.fake:
            raise NotTestedError("the tensors have shapes, no values")

    @property
    def layers(self) -> tuple[str, ...]:
        """The paths of the layers."""
        if not self.anatomy.layers:
            raise NotTestedError("this model has no layers")
        return self.anatomy.layers

    @property
    def classifier(self) -> Any:
        """The head of the model."""
        return self.module(self.anatomy.classifier, "classifier")

    def tensor(self, name: str) -> torch.Tensor:
        """The tensor in the slot of that name."""
        value = self.fields.get(name)
        if not isinstance(value, torch.Tensor):
            raise NotTestedError(f"this model returns no tensor called {name}")
        return value

    def finite(self, name: str) -> torch.Tensor:
        """The tensor in the slot of that name, none of whose values is NaN or infinite."""
        tensor = self.tensor(name)
        self.check_values()
        if not tensor.isfinite().all():
            raise NotTestedError(f"the {name} hold NaN or infinity, so there is nothing to compare")
        return tensor

    def tuple_of(self, name: str) -> tuple[torch.Tensor, ...]:
        """The tensors in the slot of that name, none of them `None`."""
        value = self.fields.get(name)
        if not isinstance(value, tuple | list) or not value:
            raise NotTestedError(f"{name} {'is empty' if value == () else 'is not a tuple here'}")
        for index, item in enumerate(value):
            if not isinstance(item, torch.Tensor):
                raise NotTestedError(f"{name}[{index}] is {type(item).__name__}, not a tensor")
        return tuple(value)

    def module(self, path: str | None, words: str) -> Any:
        """A module of the model by its path."""
        if path is None:
            raise NotTestedError(f"this model has no {words} where its class has it")
        try:
            return self.model.get_submodule(path)
        except AttributeError as error:
            raise NotTestedError(f"this model has no module {path}") from error

    def visit(self, path: str | None, words: str) -> Visit:
        """The only call of a module during the reference call."""
        visits = self.trace.visits.get(path or "", [])
        if path is None or not visits:
            raise NotTestedError(f"forward calls no {words} where its class has it")
        if len(visits) > 1:
            raise NotTestedError(f"forward calls {path} {len(visits)} times")
        return visits[0]

    def returned(self, path: str, words: str) -> torch.Tensor:
        """The tensor that a module returned, with the bytes that it had then: called once more
        where it was written to afterwards."""
        visits = self.trace.visits.get(path, [])
        outputs = [visit.output for visit in visits]
        if not outputs or not all(isinstance(output, torch.Tensor) for output in outputs):
            raise NotTestedError(f"forward calls no {words} that returns a tensor")
        if not all(same(output, outputs[0]) for output in outputs):
            raise NotTestedError(f"forward calls {path} {len(outputs)} times, and it differs")
        if not self.trace.changed(outputs[0]):
            return outputs[0]
        returned: torch.Tensor = self.again(path, words, *visits[0].args, **visits[0].kwargs)
        return returned

    def again(self, path: str | None, words: str, *args: Any, **kwargs: Any) -> Any:
        """What a module returns in the circumstances of the reference call."""
        module, visits = self.module(path, words), self.trace.visits.get(path or "", [])
        if not visits:
            raise NotTestedError(f"forward calls no {words} where its class has it")
        with visits[0].circumstances.again():
            return module(*args, **kwargs)

    def returned_by_any_call(self, name: str) -> Any:
        """The value of that name, of the base model where the reference call returned none; `None`
        where no call did."""
        if not any(name in names for names in self._names.values()):
            return None
        if self.fields.get(name):
            return self.fields[name]
        visit = self.trace.visit(self.anatomy.base)
        fields = {} if visit is None else keyed(visit.output)
        if name not in fields:
            raise NotTestedError(f"the base model hands on no {name}")
        return fields[name]

    def succeeded(self, **changes: Any) -> bool:
        """Whether the map has a call with the flags of the reference call but for `changes`."""
        return self.observed.call._replace(**changes) in self._names

    def call(self, probe: Probe, **changes: Any) -> Answer:
        """One call more, its flags those of the reference call but for `changes`. Positions without
        a key have the names that they had in the call of the map.

        Raises:
            NotTestedError: the call raised, or its positions have no names.
        """
        spec = self.observed.call._replace(**changes)
        observed = self.observer.call(probe, spec, watched=False)
        if observed.error is not None:
            raise NotTestedError(f"a call for this claim raised {observed.error.type}")
        keys = tuple(key for key, _ in observed.fields)
        names = self._names.get(spec, ()) if None in keys else keys
        if len(names) != len(keys):
            raise NotTestedError(f"a call for this claim returned {counted(len(keys), 'value')}")
        return Answer(dict(zip(names, (value for _, value in observed.fields), strict=True)))  # type: ignore[arg-type]

    @property
    def position_ids(self) -> torch.Tensor:
        """Position ids as the class makes them of token ids, or those that were given."""
        inputs, padding = self.probe.inputs, self.pad_token_id
        if "position_ids" in inputs:
            return inputs["position_ids"]
        if "input_ids" in inputs:
            tokens = (inputs["input_ids"] != padding).long()
        else:  # they count through padding, too
            tokens = torch.ones_like(self.probe.attention_mask).long()
        return tokens.cumsum(dim=1) * tokens + padding

    @cached_property
    def small(self) -> SmallCalls:
        """Calls on a few rows and tokens of the input."""
        return SmallCalls(self)

    @contextmanager
    def switched(self, implementation: str) -> Iterator[None]:
        """The model under another attention implementation, for as long as it lasts.

        Raises:
            NotTestedError: not all of it can be switched, or somebody else may be calling it.
        """
        if not self.observer.is_twin:
            raise NotTestedError(
                "a forward of this model was set on an object: switching its attention could "
                "change what others who call it get"
            )
        used = attention_of(self.config)
        try:
            if not switch_attention(self.model, implementation):
                raise NotTestedError(
                    f"this release does not switch all of a loaded model to {implementation}"
                )
            yield
        finally:
            switch_attention(self.model, used)
