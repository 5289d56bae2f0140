"""How the tuple is built: what each stage returned and where these very objects are found again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from roberta_inspect.annotate import kind_of
from roberta_inspect.naming import UNNAMED, equal_name
from roberta_inspect.observe import Anatomy, Observed, declared_fields, fields_of, tensors_in
from roberta_inspect.records import Stage, StageSlot
from roberta_inspect.releases import cache_layers


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
            for index, (key, (_, value)) in enumerate(
                zip(keys, fields_of(visit.output), strict=True)
            )
        ]
        slots += [
            StageSlot(
                index=None, name=name, kind="none", items=None, note=_note(name, None, path, model)
            )
            for name in declared_fields(visit.output)
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
        found = key or equal_name(value, free) if value is not None else key
        free.pop(found, None)
        keys.append(found or (_lost(free, known) if value is None else UNNAMED))
    return keys


def _lost(free: Mapping[Any, Any], known: Any) -> str:
    """The name of a `None` in a tuple: the one field of the reference's container that is `None`
    too, where there is just one."""
    empty = [name for name in declared_fields(known and known.output) if name not in free]
    return empty[0] if len(empty) == 1 else UNNAMED


def _count(value: Any) -> int | None:
    layers = cache_layers(value)
    elements = layers if layers is not None else value
    return len(elements) if isinstance(elements, tuple | list) else None


def _reaches(value: Any, later: Sequence[str], seen: Observed, anatomy: Anatomy) -> tuple[str, ...]:
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
