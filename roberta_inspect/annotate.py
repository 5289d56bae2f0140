"""From live tensors to plain data: what stands where, by evidence. No tensor gets past here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields as declared
from dataclasses import is_dataclass
from typing import Any

import torch
from torch._subclasses import FakeTensor
from transformers.modeling_outputs import ModelOutput

from roberta_inspect.axes import axes_of
from roberta_inspect.observe import Anatomy, Observed, Trace, fields_of, tensors_in
from roberta_inspect.probe import dtype_word
from roberta_inspect.records import Call, Fingerprint, Item, Kind, Slot, Stage, StageSlot
from roberta_inspect.releases import cache_layers

UNNAMED = "unnamed"
"""The name of a position that nothing explains."""


def names_of(seen: Observed, reference: Observed, anatomy: Anatomy) -> tuple[str, ...]:
    """What stands at each position of a call's container.

    A key is a name. A position without one has the name under which the reference call, or a
    stage of it, knows the same values, or at least tensors of the same origin and shape;
    failing that the name that the modules it came from give it; failing that `unnamed`.
    """
    known = _known(reference)
    names: list[str] = []
    for key, value in seen.fields:
        free = {name: each for name, each in known.items() if name not in names}
        names.append(
            key
            or _equal(value, free)
            or _alike(value, seen.trace, free, reference.trace)
            or _from_modules(value, seen, anatomy, names)
            or UNNAMED
        )
    return tuple(names)


def _known(reference: Observed) -> dict[str, Any]:
    """Named values of the reference call: its own, then those that its stages gave a key."""
    containers = [reference.output]
    for path in reversed(reference.trace.stages):
        visit = reference.trace.visit(path)
        containers.append(None if visit is None else visit.output)
    known: dict[str, Any] = {}
    for container in containers:
        for key, value in fields_of(container):
            if key is not None:
                known.setdefault(key, value)
    return known


def _equal(value: Any, known: Mapping[str, Any]) -> str | None:
    tensors = list(tensors_in(value))
    if any(isinstance(each, FakeTensor) for each in tensors):
        return None
    for name, other in known.items():
        others = list(tensors_in(other))
        if len(tensors) == len(others) and all(map(same_values, tensors, others)):
            if tensors or type(value) is type(other):
                return name
    return None


def same_values(left: torch.Tensor, right: torch.Tensor) -> bool:
    """Whether two tensors agree in shape, dtype and every value; NaN agrees with NaN."""
    if left is right:
        return True
    if left.shape != right.shape or left.dtype != right.dtype:
        return False
    return bool(torch.allclose(left, right, rtol=0, atol=0, equal_nan=True))


def _alike(value: Any, trace: Trace, known: Mapping[str, Any], other: Trace) -> str | None:
    wanted = _signature(value, trace)
    for name, candidate in known.items():
        if wanted and _signature(candidate, other) == wanted:
            return name
    return None


def _signature(value: Any, trace: Trace) -> list[Any]:
    return [(trace.origin(each), each.shape, each.dtype) for each in tensors_in(value)]


def _from_modules(
    value: Any, seen: Observed, anatomy: Anatomy, taken: Sequence[str]
) -> str | None:
    """The name that the makers of the tensors give: of the classifier, the layers, attention."""
    makers = [seen.trace.returned_by(each) for each in tensors_in(value)]
    if isinstance(value, torch.Tensor):
        name = "logits" if anatomy.classifier in makers[0] else None
        if name is None and value.ndim == 0 and seen.call.labels and not makers[0]:
            name = "loss"
    elif len(makers) == len(anatomy.layers) + 1 and _each_by(makers[1:], anatomy.layers):
        name = "hidden_states"
    else:
        attention = [anatomy.self_attention(layer) for layer in range(len(anatomy.layers))]
        name = "attentions" if attention and _each_by(makers, attention) else None
    return None if name in taken else name


def _each_by(makers: Sequence[tuple[str, ...]], modules: Sequence[str]) -> bool:
    return len(makers) == len(modules) and all(
        module in chain for chain, module in zip(makers, modules, strict=True)
    )


def annotate(seen: Observed, names: Sequence[str], meanings: Mapping[str, str | None]) -> Call:
    """The plain record of one call; `names` as `names_of` found them."""
    walk = _Walk(seen.trace)
    slots = [
        walk.slot(index, name, key, value, meanings.get(name))
        for index, ((key, value), name) in enumerate(zip(seen.fields, names, strict=True))
    ]
    return Call(
        **seen.call._asdict(),
        container=None if seen.error else type(seen.output).__name__,
        error=seen.error,
        slots=tuple(sorted([*slots, *_none_slots(seen.output)], key=_declared_at(seen.output))),
        wrote_problem_type=seen.wrote_problem_type,
    )


def _none_slots(container: Any) -> list[Slot]:
    """The fields of a `ModelOutput` that are `None`: an attribute, but no index and no key."""
    return [
        Slot(index=None, name=name, key=name, access=f"outputs.{name}", kind="none")
        for name in _declared(container)
        if getattr(container, name) is None
    ]


def _declared(container: Any) -> list[str]:
    if isinstance(container, ModelOutput) and is_dataclass(container):
        return [each.name for each in declared(container)]
    return []


def _declared_at(container: Any) -> Any:
    order = _declared(container)

    def place(slot: Slot) -> tuple[int, int]:
        where = order.index(slot.name) if slot.name in order else len(order)
        return (where, slot.index or 0)

    return place


class _Walk:
    """One way through the positions of a container, remembering where each tensor stood first."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.places: dict[int, str] = {}

    def slot(self, index: int, name: str, key: str | None, value: Any, meaning: str | None) -> Slot:
        place = name if name != UNNAMED else f"outputs[{index}]"
        return Slot(
            index=index,
            name=name,
            key=key,
            access=f"outputs[{index}]" if key is None else f"outputs.{key}",
            meaning=meaning,
            **self._facts(name, place, value),
        )

    def _facts(self, name: str, place: str, value: Any) -> dict[str, Any]:
        if isinstance(value, torch.Tensor):
            return self._tensor(name, place, value)
        return {"kind": kind_of(value), "items": self._items(name, place, value)}

    def _tensor(self, name: str, place: str, tensor: torch.Tensor) -> dict[str, Any]:
        first = self.places.setdefault(id(tensor), place)
        return {
            "kind": "tensor",
            "axes": axes_of(name, tensor.ndim),
            "shape": tuple(tensor.shape),
            "dtype": dtype_word(tensor.dtype),
            "origin": self.trace.origin(tensor),
            "same_as": first if first != place else None,
            "fingerprint": fingerprint(tensor),
        }

    def _items(self, name: str, place: str, value: Any) -> tuple[Item, ...]:
        layers = cache_layers(value)
        elements = layers if layers is not None else value
        if not isinstance(elements, tuple | list):
            return ()
        return tuple(
            Item(index=index, **self._facts(name, f"{place}[{index}]", each))
            for index, each in enumerate(elements)
        )


def kind_of(value: Any) -> Kind:
    """What a position holds."""
    if value is None:
        return "none"
    if isinstance(value, torch.Tensor):
        return "tensor"
    return "cache" if cache_layers(value) is not None else "tuple"


def fingerprint(tensor: torch.Tensor) -> Fingerprint | None:
    """Four numbers of the values; `None` where there are no values (fake, or no element)."""
    if isinstance(tensor, FakeTensor) or not tensor.numel():
        return None
    values = tensor.detach().float()
    std, mean = torch.std_mean(values, correction=0)
    low, high = torch.aminmax(values)
    return Fingerprint(mean=finite(mean), std=finite(std), min=finite(low), max=finite(high))


def finite(number: torch.Tensor | float) -> float | None:
    """The number, or `None` where it is NaN or infinite: JSON has no word for those."""
    value = float(number)
    return value if math.isfinite(value) else None


def stages_of(
    seen: Observed, names: Sequence[str], reference: Observed, anatomy: Anatomy, model: Any
) -> tuple[Stage, ...]:
    """What the encoder, the base model and the model itself returned in one call, and where each
    object is found again: in what the next module read or returned, by identity."""
    stages = []
    for place, path in enumerate(anatomy.stages):
        visit = seen.trace.visit(path)
        if visit is None:
            continue
        keys = _stage_keys(visit.output, path, reference) if path else list(names)
        later = [each for each in anatomy.stages[place + 1 :] if seen.trace.visit(each)]
        slots = [
            StageSlot(
                index=index,
                name=key,
                kind=kind_of(value),
                items=_count(value),
                reaches=_reaches(value, later, seen, anatomy),
                note=_note(key, value, path, model),
            )
            for index, (key, (_, value)) in enumerate(zip(keys, fields_of(visit.output), strict=True))
        ]
        slots += [
            StageSlot(
                index=None, name=name, kind="none", items=None, note=_note(name, None, path, model)
            )
            for name in _declared(visit.output)
            if getattr(visit.output, name) is None
        ]
        container = type(visit.output).__name__
        stages.append(Stage(module=path, container=container, slots=tuple(slots)))
    return tuple(stages)


def _stage_keys(container: Any, path: str, reference: Observed) -> list[str]:
    """The keys of a stage's container, or those that the reference call has for these values."""
    known = reference.trace.visit(path)
    free = dict(fields_of(None if known is None else known.output))
    keys = []
    for key, value in fields_of(container):
        found = key or _equal(value, free) if value is not None else key
        free.pop(found, None)
        keys.append(found or (_lost(free, known) if value is None else UNNAMED))
    return keys


def _lost(free: Mapping[Any, Any], known: Any) -> str:
    """The name of a `None` in a tuple: the one field of the reference's container that is `None`
    too, where there is just one."""
    empty = [name for name in _declared(known and known.output) if name not in free]
    return empty[0] if len(empty) == 1 else UNNAMED


def _count(value: Any) -> int | None:
    layers = cache_layers(value)
    elements = layers if layers is not None else value
    return len(elements) if isinstance(elements, tuple | list) else None


def _reaches(
    value: Any, later: Sequence[str], seen: Observed, anatomy: Anatomy
) -> tuple[str, ...]:
    found = []
    classifier = seen.trace.visit(anatomy.classifier)
    if classifier is not None and isinstance(value, torch.Tensor):
        if any(each is value for each in tensors_in(list(classifier.args))):
            found.append(f"{anatomy.classifier} reads it")
    for path in later:
        visit = seen.trace.visit(path)
        for index, (key, other) in enumerate(fields_of(visit.output if visit else None)):
            if _same_objects(value, other):
                whose = path or "outputs"
                found.append(f"{whose}.{key}" if key else f"{whose}[{index}]")
    return tuple(found)


def _same_objects(left: Any, right: Any) -> bool:
    mine, yours = list(tensors_in(left)), list(tensors_in(right))
    if not mine:
        return left is not None and left is right
    return len(mine) == len(yours) and all(a is b for a, b in zip(mine, yours, strict=True))


def _note(name: str, value: Any, path: str, model: Any) -> str | None:
    module = model.get_submodule(path)
    if name == "pooler_output" and value is None and getattr(module, "pooler", 0) is None:
        return f"{path}.pooler is None: this class has no pooler"
    return None
