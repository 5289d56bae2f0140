"""Finds out what an array is, by comparing its values with what the model returned."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy
import torch
from transformers.modeling_outputs import ModelOutput

from roberta_inspect.inputs.probe import Probe
from roberta_inspect.live.containers import elements, keyed, places_in
from roberta_inspect.live.observe import observing
from roberta_inspect.live.values import largest_difference
from roberta_inspect.records import CallSpec, Function, Part, finite
from roberta_inspect.records.consumers import EMPTY, SLOT_NAME
from roberta_inspect.text import dtype_word

ROUNDING = {"float64": 1e-9, "float32": 1e-4, "float16": 2e-2, "bfloat16": 5e-2}
"""Dtype → the largest difference that rounding explains, relative to the largest magnitude. The
same operations in another order differ by much less."""

NEAR = 0.1
"""The same for the nearest candidate, which is reported with its difference. Neighbouring hidden
states of a trained model differ by more."""

SMALLEST = 1e-2
"""The least magnitude that a tensor is taken to have, so that tolerances do not shrink to 0."""


class Candidate(NamedTuple):
    """One thing that an array may be."""

    name: str
    values: torch.Tensor
    """On the CPU, in float64."""
    magnitude: float
    """The largest absolute value in the tensor that it is taken from."""
    item: tuple[int, ...] = ()
    function: Function | None = None
    label: str | None = None

    @property
    def words(self) -> str:
        """`hidden_states[1]`, `softmax(logits)[positive]`."""
        slot = self.name + "".join(f"[{index}]" for index in self.item)
        computed = slot if self.function in (None, "none") else f"{self.function}({slot})"
        return computed if self.label is None else f"{computed}[{self.label}]"


class Match(NamedTuple):
    """How far an array is from a candidate."""

    candidate: Candidate
    difference: float
    tolerance: float

    @property
    def is_rounding(self) -> bool:
        """Whether rounding explains the difference."""
        return self.difference <= self.tolerance


@dataclass(frozen=True)
class Slots:
    """What one call of the model returned: everything that a consumer may return."""

    candidates: tuple[Candidate, ...]
    empty: tuple[str, ...]
    """The slots that hold nothing."""
    dtype: str
    padding: float | None = None
    """The number at the positions of the hidden states where a row has no token. `None` if the
    model's own values are there."""

    @classmethod
    def of(cls, model: Any, probe: Probe, *, labels: bool = False) -> Slots:
        """The slots of `model` for `probe`, or none if the call raises."""
        with observing(model) as observer:
            values = keyed(observer.call(probe, CallSpec(True, labels, True, True)).output)
        return cls(
            candidates=tuple(_candidates(values)),
            empty=tuple(name for name, value in values.items() if elements(value) == ()),
            dtype=dtype_word(model.dtype),
        )

    def count(self, name: str) -> int:
        """How many items a slot has, or 0 if it is absent, empty or a tensor."""
        return sum(1 for candidate in self.candidates if candidate.name == name and candidate.item)

    def filled(self, mask: torch.Tensor, padding: float) -> Slots:
        """The same slots, each row of the hidden states without its padding and filled up with
        `padding`. `mask` is of shape `(batch_size, sequence_length)`."""
        candidates = tuple(
            candidate._replace(values=_filled(candidate.values, mask.cpu().bool(), padding))
            if candidate.name == "hidden_states"
            else candidate
            for candidate in self.candidates
        )
        return replace(self, candidates=candidates, padding=padding)

    def part(self, access: str, value: Any, *, declared: str | None = None) -> Part:
        """What a tensor, an array or a number is."""
        part = self._part(access, torch.as_tensor(value), self.candidates, declared)
        if self.padding is None or part.name != "hidden_states":
            return part
        words = f"{part.identity}, padded with {self.padding:g}"
        return replace(part, padding=self.padding, identity=words)

    def score(self, access: str, score: float, row: int, columns: Mapping[int, str]) -> Part:
        """What the score of a label is: softmax, sigmoid or no function of the logits of `row`.

        `columns` are those that it may be of, each with the name that its label is shown by.
        """
        candidates = [
            candidate._replace(
                values=candidate.values[row, column],
                label=label,
                function=candidate.function or "none",
            )
            for candidate in self.candidates
            if candidate.name == "logits" and candidate.values.ndim == 2
            for column, label in columns.items()
        ]
        part = self._part(access, torch.tensor(score, dtype=torch.float64), candidates)
        return replace(part if not part.is_off else _unidentified(part), dtype=None)

    def nothing(self, access: str, declared: str | None = None) -> Part:
        """An empty tuple, which is a slot that holds nothing where there is just one."""
        name = declared if declared in self.empty else None
        only = self.empty[0] if len(self.empty) == 1 else None
        return Part(access=access, declared=declared, name=name or only, identity=EMPTY)

    def _part(
        self,
        access: str,
        tensor: torch.Tensor,
        candidates: Iterable[Candidate],
        declared: str | None = None,
    ) -> Part:
        values = tensor.detach().to(device="cpu", dtype=torch.float64)
        matches = [
            self._compared(values, candidate, tensor.dtype)
            for candidate in candidates
            if candidate.values.shape == values.shape
        ]
        part = Part(
            access=access,
            declared=declared,
            shape=tuple(tensor.shape),
            dtype=dtype_word(tensor.dtype),
        )
        best = _best(matches)
        if not best:
            return replace(part, difference=_from_declared(matches, declared))
        first = best[0].candidate
        return replace(
            part,
            name=first.name,
            identity=" or ".join(dict.fromkeys(match.candidate.words for match in best)),
            difference=best[0].difference,
            tolerance=best[0].tolerance,
            item=first.item,
            items_in_slot=self.count(first.name) or None,
            function=first.function,
        )

    def _compared(self, values: torch.Tensor, candidate: Candidate, dtype: torch.dtype) -> Match:
        difference = largest_difference(values, candidate.values)
        rounding = max(ROUNDING.get(name, 0.0) for name in (self.dtype, dtype_word(dtype)))
        return Match(
            candidate,
            math.inf if difference is None else difference,
            rounding * candidate.magnitude,
        )


def _unidentified(part: Part) -> Part:
    """The part without a guess: some function of a logit is near every number."""
    return Part(access=part.access, shape=part.shape)


def _candidates(values: Mapping[str, Any]) -> Iterator[Candidate]:
    for name, value in values.items():
        for place, tensor in places_in(name, value):
            yield _candidate(name, tensor.detach().to("cpu", torch.float64), item=place.item)
    logits = values.get("logits")
    if isinstance(logits, torch.Tensor) and logits.ndim == 2:
        raw = logits.detach().to("cpu", torch.float64)
        yield _candidate("logits", raw.softmax(dim=-1), function="softmax")
        yield _candidate("logits", raw.sigmoid(), function="sigmoid")


def _candidate(name: str, values: torch.Tensor, **more: Any) -> Candidate:
    magnitude = float(values.abs().nan_to_num().max()) if values.numel() else 0.0
    return Candidate(name, values, max(SMALLEST, magnitude), **more)


def _filled(values: torch.Tensor, mask: torch.Tensor, padding: float) -> torch.Tensor:
    filled = torch.full_like(values, padding)
    for row, places in enumerate(mask):
        filled[row, : int(places.sum())] = values[row, places]
    return filled


def _best(matches: Iterable[Match]) -> list[Match]:
    """What an array may be: the candidates with the same bits, else those within rounding, else the
    nearest one if it is near."""
    ranked = sorted(matches, key=lambda match: match.difference)
    exact = [match for match in ranked if match.difference == 0]
    rounded = exact or [match for match in ranked if match.is_rounding]
    near = [match for match in ranked[:1] if match.difference <= NEAR * match.candidate.magnitude]
    return rounded or near


def _from_declared(matches: Iterable[Match], declared: str | None) -> float | None:
    """How far an array without a match is from the slot that its name says."""
    name = SLOT_NAME.fullmatch(declared or "")
    named = [m.difference for m in matches if name and m.candidate.name.startswith(name["slot"])]
    return finite(min(named, default=None))


def parts(slots: Slots, value: Any, access: str, declared: str | None = None) -> Iterator[Part]:
    """Every tensor and array in nested containers. An empty tuple is a part too, `None` is not."""
    if isinstance(value, torch.Tensor | numpy.ndarray):
        yield slots.part(access, value, declared=declared)
    elif isinstance(value, Mapping):
        for key, element in value.items():
            reached = f"{access}.{key}" if isinstance(value, ModelOutput) else f'{access}["{key}"]'
            yield from parts(slots, element, reached, str(key))
    elif value is not None:
        items = elements(value)
        if items == ():
            yield slots.nothing(access, declared)
        for index, element in enumerate(items or ()):
            name = None if declared is None else f"{declared}[{index}]"
            yield from parts(slots, element, f"{access}[{index}]", name)


def container(value: Any) -> str:
    """The class of a value, with the class of a list's elements: `list[dict]`."""
    name = type(value).__name__
    return f"{name}[{container(value[0])}]" if isinstance(value, list) and value else name
