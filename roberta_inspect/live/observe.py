"""Calls the model with hooks on.

What is kept of a call: what it returned, what the modules that the claims ask about read and
returned, and, for every other tensor, which modules returned this very object.
"""

from __future__ import annotations

import threading
import traceback
import weakref
import zlib
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
import transformers
from torch import nn

from roberta_inspect.errors import is_out_of_memory
from roberta_inspect.inputs.probe import Probe
from roberta_inspect.live.anatomy import Anatomy
from roberta_inspect.live.containers import fields_of, is_fake
from roberta_inspect.live.stand_in import has_twin, reseed, stand_in
from roberta_inspect.live.values import same_values
from roberta_inspect.records import CallSpec, Failure, Origin


class Circumstances(NamedTuple):
    """The state of torch in which a module was called."""

    device: str
    autocast: torch.dtype | None
    """The dtype of automatic mixed precision; `None` where it is off."""
    inference: bool

    @classmethod
    def now(cls, device: str) -> Circumstances:
        """Those of this moment."""
        enabled = _autocasts(device)
        dtype = torch.get_autocast_dtype(device) if enabled else None
        return cls(device, dtype, torch.is_inference_mode_enabled())

    @contextmanager
    def again(self) -> Iterator[None]:
        """The same circumstances once more; gradients are never needed."""
        autocast = torch.autocast(self.device, self.autocast, enabled=self.autocast is not None)
        with torch.inference_mode(self.inference), torch.no_grad(), autocast:
            yield


def _autocasts(device: str) -> bool:
    try:
        return bool(torch.is_autocast_enabled(device))
    except (
        RuntimeError,
        TypeError,
    ):  # no switch of its own for this device
        return device == "cuda" and bool(torch.is_autocast_enabled())


@dataclass(frozen=True)
class Visit:
    """One call of one module: what it read and what it returned, hooks of others included."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    output: Any
    circumstances: Circumstances

    @property
    def hidden_states(self) -> torch.Tensor:
        """The first thing it read; of shape `(batch_size, sequence_length, hidden_size)` in a
        layer."""
        return self.args[0] if self.args else next(iter(self.kwargs.values()))

    @property
    def first(self) -> Any:
        """What it returned, or the first element where that is a tuple."""
        return self.output[0] if isinstance(self.output, tuple) else self.output


class _Return(NamedTuple):
    """A tensor that a module returned, and a checksum of the bytes that it had then."""

    path: str
    reference: weakref.ref[torch.Tensor]
    checksum: int | None
    """`None` where nobody asked."""


@dataclass
class Trace:
    """Which module returned which tensor during one call."""

    anatomy: Anatomy
    visits: dict[str, list[Visit]] = field(default_factory=dict)
    returns: list[_Return] = field(default_factory=list)
    """In the order in which the modules returned."""
    _by_id: dict[int, list[_Return]] = field(default_factory=dict)

    def visit(self, path: str | None) -> Visit | None:
        """The last call of the module at `path`, where one was kept."""
        return self.visits[path][-1] if path in self.visits else None

    def remember(self, path: str, output: Any, *, checked: bool) -> None:
        """Note that the module at `path` returned the tensors of `output`."""
        for tensor in _handed_back(output):
            checksum = checksum_of(tensor) if checked else None
            returned = _Return(path, weakref.ref(tensor), checksum)
            self.returns.append(returned)
            self._by_id.setdefault(id(tensor), []).append(returned)

    def returned_by(self, tensor: torch.Tensor) -> tuple[str, ...]:
        """The modules whose `forward` returned this very object, the innermost first."""
        return tuple(dict.fromkeys(returned.path for returned in self._all_of(tensor)))

    def changed(self, tensor: torch.Tensor) -> bool:
        """Whether its bytes are not those that it had when its maker returned it.

        What is written before the outermost module that made it returns is that module's own
        affair; the stages only hand on.
        """
        own = [
            returned
            for returned in self._all_of(tensor)
            if returned.path not in self.anatomy.stages
        ]
        checksum = own[-1].checksum if own else None
        return checksum is not None and checksum != checksum_of(tensor)

    def _all_of(self, tensor: torch.Tensor) -> list[_Return]:
        returns = self._by_id.get(id(tensor), ())
        return [returned for returned in returns if returned.reference() is tensor]

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


def checksum_of(tensor: torch.Tensor) -> int | None:
    """A checksum of the bytes of `tensor` in their order; `None` of one without values."""
    if is_fake(tensor) or tensor.device.type == "meta":
        return None
    whole = tensor.detach().cpu().contiguous().reshape(-1)
    return zlib.crc32(whole.view(torch.uint8).numpy().data)


@dataclass
class Observed:
    """One call and what came back: live tensors, to be dropped once it is annotated."""

    call: CallSpec
    output: Any
    trace: Trace
    error: Failure | None = None
    wrote_problem_type: str | None = None
    edited: tuple[str, ...] = ()
    """The tensors of the input that the call wrote into."""

    @property
    def fields(self) -> tuple[tuple[str | None, Any], ...]:
        """`(key, value)` of each position, in the order in which the container is indexed."""
        return fields_of(self.output)


def _handed_back(output: Any) -> Iterator[torch.Tensor]:
    """The tensors that a module returned as its own: the output, or the elements of its tuple."""
    for _, value in fields_of(output):
        if isinstance(value, torch.Tensor):
            yield value


class Observer:
    """Calls one model again and again, each time under another state of the random generators.

    Args:
        model: what `stand_in` hands out.
        is_twin: whether it is nobody else's, so that what another thread could see may change.
        mode: of a model on fake tensors; inputs are made fake, and the model called, inside it.
    """

    def __init__(self, model: Any, *, is_twin: bool, mode: Any = None) -> None:
        self.model = model
        self.mode = mode
        self.is_twin = is_twin
        self.anatomy = Anatomy.of(model)
        self._calls = 0

    def call(
        self,
        probe: Probe,
        spec: CallSpec,
        *,
        watched: bool = True,
        every_visit: bool = False,
        checked: Set[str] = frozenset(),
    ) -> Observed:
        """Call the model once and watch every module, or none where it is not to be `watched`.

        What modules read and returned is kept of those that the claims ask about, or of all with
        `every_visit`; the bytes of what the modules at `checked` return are remembered. An
        exception of the call is recorded, not raised.
        """
        self._calls += 1
        observed = Observed(call=spec, output=None, trace=Trace(self.anatomy))
        visited = (
            {path for path, _ in self.model.named_modules()} if every_visit else self.anatomy.kept
        )
        keywords = arguments(probe, spec)
        copies = {name: self._copied(value) for name, value in keywords.items()}
        config = self.model.config
        problem_type = config.problem_type
        reseed(self._calls)
        with (
            self.mode or nullcontext(),
            torch.no_grad(),
            _hooked(self.model, visited, checked, observed.trace) if watched else nullcontext(),
        ):
            try:
                observed.output = self.model(**copies)
            except Exception as error:
                if is_out_of_memory(error):
                    raise
                observed.error = failure(error)
        if config.problem_type != problem_type:
            observed.wrote_problem_type = str(config.problem_type)
            config.problem_type = problem_type
        observed.edited = tuple(
            name
            for name, value in keywords.items()
            if isinstance(value, torch.Tensor)
            and not self.mode
            and not same_values(value, copies[name])
        )
        return observed

    @contextmanager
    def editing(
        self, path: str | None, edit: Callable[[torch.Tensor], torch.Tensor]
    ) -> Iterator[None]:
        """The tensor that the module at `path` returns is edited in this thread, for as long as it
        lasts; nothing is where there is no path."""
        thread = threading.get_ident()

        def hook(_: nn.Module, args: tuple[Any, ...], output: torch.Tensor) -> torch.Tensor | None:
            return edit(output) if threading.get_ident() == thread else None

        if path is None:
            yield
            return
        handle = self.model.get_submodule(path).register_forward_hook(hook)
        try:
            yield
        finally:
            handle.remove()

    def _copied(self, value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        return value.clone() if self.mode is None else self.mode.from_tensor(value)

    def parting(self, probe: Probe, spec: CallSpec) -> str | None:
        """The first module that returns other bytes when the same call is made again; `None`
        where all of them return the same."""
        everything = {path for path, _ in self.model.named_modules()}
        first, second = (
            [
                (returned.path, returned.checksum)
                for returned in self.call(probe, spec, checked=everything).trace.returns
            ]
            for _ in range(2)
        )
        for before, after in zip(first, second, strict=False):
            if before != after:
                return before[0]
        return None if len(first) == len(second) else ""


@contextmanager
def observing(model: nn.Module, mode: Any = None) -> Iterator[Observer]:
    """An observer of `model`, which is exactly as before afterwards; `mode` as in `Observer`."""
    with stand_in(model) as called:
        yield Observer(called, is_twin=has_twin(model), mode=mode)


def arguments(probe: Probe, call: CallSpec) -> dict[str, Any]:
    """The keyword arguments of `forward` for this call; a flag that is `None` is not passed."""
    labels = {"labels": probe.labels} if call.labels else {}
    flags = {
        "return_dict": call.return_dict,
        "output_hidden_states": call.output_hidden_states,
        "output_attentions": call.output_attentions,
    }
    passed = {name: value for name, value in flags.items() if value is not None}
    return {**probe.inputs, **labels, **passed}


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
def _hooked(model: nn.Module, visited: Set[str], checked: Set[str], trace: Trace) -> Iterator[None]:
    """Write into `trace` what the modules of `model` read and return, in this thread."""
    thread = threading.get_ident()
    device = getattr(model, "device", torch.device("cpu")).type

    def watch(path: str, module: nn.Module) -> Any:
        # Called without keywords by a thread that looked the hook up while it was being taken off.
        def hook(_: nn.Module, args: tuple[Any, ...], *rest: Any) -> None:
            if threading.get_ident() != thread or len(rest) != 2:
                return
            kwargs, output = rest
            trace.remember(path, output, checked=path in checked)
            if path in visited:
                visit = Visit(args, kwargs, output, Circumstances.now(device))
                trace.visits.setdefault(path, []).append(visit)

        return module.register_forward_hook(hook, with_kwargs=True)

    handles = [watch(path, module) for path, module in model.named_modules()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
