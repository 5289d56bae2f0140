"""Which name belongs to each position of a container: from evidence, never from the position."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from roberta_inspect.live.containers import elements, is_fake, keyed, tensors_in
from roberta_inspect.live.observe import Observed, Trace
from roberta_inspect.live.values import same_values
from roberta_inspect.records import UNNAMED


def names_of(observed: Observed, reference: Observed, empty: Sequence[str] = ()) -> tuple[str, ...]:
    """What stands at each position of a call's container.

    A key is a name. A position without one has the name under which the reference call, or a
    stage of it, knows the same values, or at least tensors of the same origin and shape;
    failing that the name that the modules it came from give it; failing that `unnamed`.
    `empty` are the names under which a dict of the same flags holds `()`.
    """
    fields = {**dict.fromkeys(empty, ()), **_known(reference)}
    names: list[str] = []
    for key, value in observed.fields:
        free = {name: field for name, field in fields.items() if name not in names}
        names.append(
            key
            or equal_name(value, free)
            or _alike(value, observed.trace, free, reference.trace)
            or _from_modules(value, observed, names)
            or UNNAMED
        )
    return tuple(names)


def _known(reference: Observed) -> dict[str, Any]:
    """Named values of the reference call: its own, then those that its stages gave a key."""
    containers = [reference.output]
    for path in reversed(reference.trace.anatomy.stages):
        visit = reference.trace.visit(path)
        containers.append(None if visit is None else visit.output)
    known: dict[str, Any] = {}
    for container in containers:
        for key, value in keyed(container).items():
            known.setdefault(key, value)
    return known


def equal_name(value: Any, known: Mapping[str, Any]) -> str | None:
    """The name under which `known` has the same values, but for items that are `None` here; `None`
    without one, and for fake tensors, which have no values."""
    if any(map(is_fake, tensors_in(value))):
        return None
    return next((name for name, candidate in known.items() if _agree(value, candidate)), None)


def _agree(value: Any, other: Any) -> bool:
    if isinstance(value, torch.Tensor):
        return isinstance(other, torch.Tensor) and same_values(value, other)
    items, other_items = elements(value), elements(other)
    if items is None or other_items is None:
        return value is None and other is None
    if not items or not other_items or all(item is None for item in items):
        return type(value) is type(other) and len(items) == len(other_items)
    return len(items) == len(other_items) and all(
        item is None or _agree(item, beside)
        for item, beside in zip(items, other_items, strict=True)
    )


def _alike(
    value: Any, trace: Trace, known: Mapping[str, Any], reference_trace: Trace
) -> str | None:
    signature = _signature(value, trace)
    for name, candidate in known.items():
        if signature and _signature(candidate, reference_trace) == signature:
            return name
    return None


def _signature(value: Any, trace: Trace) -> list[Any]:
    return [(trace.origin(tensor), tensor.shape, tensor.dtype) for tensor in tensors_in(value)]


def _from_modules(value: Any, observed: Observed, taken: Sequence[str]) -> str | None:
    """The name that the makers of the tensors give: of the classifier, the layers, attention."""
    anatomy = observed.trace.anatomy
    makers = [observed.trace.returned_by(tensor) for tensor in tensors_in(value)]
    if isinstance(value, torch.Tensor):
        name = "logits" if anatomy.classifier in makers[0] else None
        if name is None and value.ndim == 0 and observed.call.labels and not any(makers[0]):
            name = "loss"
    elif len(makers) == len(anatomy.layers) + 1 and _each_by(makers[1:], anatomy.layers):
        name = "hidden_states"
    else:
        attention = anatomy.self_attentions
        name = "attentions" if attention and _each_by(makers, attention) else None
    return None if name in taken else name


def _each_by(makers: Sequence[tuple[str, ...]], modules: Sequence[str]) -> bool:
    return len(makers) == len(modules) and all(
        module in chain for chain, module in zip(makers, modules, strict=True)
    )
