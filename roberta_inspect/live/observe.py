"""Calls the model with hooks on, and leaves it as it was found.

What is kept of a call: what it returned, what the modules that the claims ask about read and
returned, and, for every other tensor, which modules returned this very object.
"""

from __future__ import annotations

import traceback
import weakref
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
import transformers
from torch import nn

from roberta_inspect.errors import is_out_of_memory
from roberta_inspect.inputs.probe import Probe
from roberta_inspect.live.anatomy import Anatomy
from roberta_inspect.live.containers import fields_of
from roberta_inspect.records import CallSpec, Failure, Origin


@dataclass(frozen=True)
class Visit:
    """One call of one module: what it read and what it returned, hooks of others included."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    output: Any

    @property
    def hidden_states(self) -> torch.Tensor:
        """The first thing it read; of shape `(batch_size, sequence_length, hidden_size)` in a
        layer."""
        return self.args[0] if self.args else self.kwargs["hidden_states"]

    @property
    def first(self) -> Any:
        """What it returned, or the first element where that is a tuple."""
        return self.output[0] if isinstance(self.output, tuple) else self.output


class _Return(NamedTuple):
    """A tensor that a module returned, and how often it had been written to by then."""

    path: str
    reference: weakref.ref[torch.Tensor]
    version: int


def _version(tensor: torch.Tensor) -> int:
    """How often the tensor was written to in place; tensors of inference mode do not count it."""
    return 0 if tensor.is_inference() else int(tensor._version)


@dataclass
class Trace:
    """Which module returned which tensor during one call."""

    anatomy: Anatomy
    visits: dict[str, list[Visit]] = field(default_factory=dict)
    _returned: dict[int, list[_Return]] = field(default_factory=dict)

    def visit(self, path: str | None) -> Visit | None:
        """The last call of the module at `path`, where one was kept."""
        return self.visits[path][-1] if path in self.visits else None

    def remember(self, path: str, output: Any) -> None:
        """Note that the module at `path` returned the tensors of `output`."""
        for tensor in _handed_back(output):
            returned = _Return(path, weakref.ref(tensor), _version(tensor))
            self._returned.setdefault(id(tensor), []).append(returned)

    def returned_by(self, tensor: torch.Tensor) -> tuple[str, ...]:
        """The modules whose `forward` returned this very object with the values that it has, the
        innermost first."""
        now = _version(tensor)
        seen = [each for each in self._all_of(tensor) if each.version == now]
        return tuple(dict.fromkeys(each.path for each in seen))

    def changed(self, tensor: torch.Tensor) -> bool:
        """Whether this object was written to after some module returned it."""
        now = _version(tensor)
        return any(each.version != now for each in self._all_of(tensor))

    def _all_of(self, tensor: torch.Tensor) -> list[_Return]:
        seen = self._returned.get(id(tensor), ())
        return [each for each in seen if each.reference() is tensor]

    def makers(self, tensor: torch.Tensor) -> tuple[str, ...]:
        """Those of them that may have made it: the encoder, the base model and the model hand on
        what others made, so that they count only where nobody else returned it."""
        chain = self.returned_by(tensor)
        return tuple(path for path in chain if path not in self.anatomy.stages) or chain

    def origin(self, tensor: torch.Tensor) -> Origin | None:
        """The module that made this very object; `None` where no submodule returned it."""
        makers = [path for path in self.makers(tensor) if path]
        if not makers:
            return None
        return Origin(module=makers[-1], through=makers[0] if makers[0] != makers[-1] else None)


@dataclass
class Observed:
    """One call and what came back: live tensors, to be dropped once it is annotated."""

    call: CallSpec
    output: Any
    trace: Trace
    error: Failure | None = None
    wrote_problem_type: str | None = None

    @property
    def fields(self) -> tuple[tuple[str | None, Any], ...]:
        """`(key, value)` of each position, in the order in which the container is indexed."""
        return fields_of(self.output)


def _handed_back(output: Any) -> Iterator[torch.Tensor]:
    """The tensors that a module returned as its own: the output, or the elements of its tuple."""
    for _, value in fields_of(output):
        if isinstance(value, torch.Tensor):
            yield value


def observe(
    model: nn.Module, probe: Probe, call: CallSpec, *, every_visit: bool = False
) -> Observed:
    """Call `model` once in evaluation mode and watch every module.

    What modules read and returned is kept of those that the claims ask about, or of all with
    `every_visit`. An exception of the call is recorded, not raised; `model` is left as it was
    found.
    """
    anatomy = Anatomy.of(model)
    observed = Observed(call=call, output=None, trace=Trace(anatomy))
    kept = {path for path, _ in model.named_modules()} if every_visit else anatomy.kept
    with as_found(model), torch.no_grad():
        model.eval()
        problem_type = model.config.problem_type
        with _hooked(model, kept, observed.trace):
            try:
                observed.output = model(**arguments(probe, call))
            except Exception as error:
                if is_out_of_memory(error):
                    raise
                observed.error = failure(error)
        if model.config.problem_type != problem_type:
            observed.wrote_problem_type = str(model.config.problem_type)
    return observed


def arguments(probe: Probe, call: CallSpec) -> dict[str, Any]:
    """The keyword arguments of `forward` for this call."""
    labels = {"labels": probe.labels} if call.labels else {}
    return {
        **probe.inputs,
        **labels,
        "return_dict": call.return_dict,
        "output_hidden_states": call.output_hidden_states,
        "output_attentions": call.output_attentions,
    }


def failure(error: Exception) -> Failure:
    """What was raised, and the function of transformers or torch it was raised in."""
    frames = traceback.extract_tb(error.__traceback__)
    package = Path(transformers.__file__).parent
    inside = [frame for frame in frames if Path(frame.filename).is_relative_to(package)]
    return Failure(
        type=type(error).__name__,
        message=str(error),
        raised_in=(
            f"{Path(inside[-1].filename).relative_to(package.parent).as_posix()}, {inside[-1].name}"
            if inside
            else None
        ),
    )


@contextmanager
def _hooked(model: nn.Module, kept: Set[str], trace: Trace) -> Iterator[None]:
    """Write into `trace` what the modules of `model` read and return."""

    def watch(path: str, module: nn.Module) -> Any:
        def hook(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
            trace.remember(path, output)
            if path in kept:
                trace.visits.setdefault(path, []).append(Visit(args, kwargs, output))

        return module.register_forward_hook(hook, with_kwargs=True)

    handles = [watch(path, module) for path, module in model.named_modules()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def as_found(model: nn.Module) -> Iterator[None]:
    """Put everything back afterwards: hooks, attributes, training mode, config and RNG state.

    transformers 5 installs capture hooks at the first capture and marks the model as hooked; left
    on, a hook that the user adds later would make what they record stale. Attributes and hooks
    are therefore restored for every module, whoever changed them.
    """
    found = [(each.__dict__, _contents(each.__dict__)) for each in (*model.modules(), model.config)]
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=devices):
        try:
            yield
        finally:
            for attributes, contents in found:
                _put_back(attributes, contents)


def _contents(attributes: dict[str, Any]) -> dict[str, tuple[Any, dict[Any, Any] | None]]:
    """Every attribute with a copy of what it holds, where it is a dictionary (of hooks, …)."""
    return {
        name: (value, dict(value) if isinstance(value, dict) else None)
        for name, value in attributes.items()
    }


def _put_back(
    attributes: dict[str, Any], contents: dict[str, tuple[Any, dict[Any, Any] | None]]
) -> None:
    for name in set(attributes) - set(contents):
        del attributes[name]
    for name, (value, inside) in contents.items():
        attributes[name] = value
        if inside is not None:
            value.clear()
            value.update(inside)
