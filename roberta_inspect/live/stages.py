"""How the tuple is built: what each stage returned and where these very objects are found again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from roberta_inspect.live.containers import (
    declared_fields,
    elements,
    fields_of,
    keyed,
    kind_of,
    tensors_in,
)
from roberta_inspect.live.naming import equal_name
from roberta_inspect.live.observe import Observed, Trace
from roberta_inspect.records import UNNAMED, Place, Stage, StageSlot


def stages_of(
    observed: Observed, names: Sequence[str], reference: Observed, model: Any
) -> tuple[Stage, ...]:
    """What the encoder, the base model and the model itself returned in one call, and where each
    object is found again: in what the next module read or returned, by identity."""
    returned = _named(observed, names, reference)
    stages = []
    later = dict(returned)
    for path, fields in returned.items():
        del later[path]
        container = _output(observed, path)
        slots = [
            StageSlot(
                index=index,
                name=field.name,
                kind=kind_of(field.value),
                items=_count(field.value),
                reaches=(*_readers(field, observed.trace), *_reaches(field, later)),
                note=_note(field.name, field.value, path, model),
            )
            for index, field in enumerate(fields)
        ]
        slots += [
            StageSlot(
                index=None, name=name, kind="none", items=None, note=_note(name, None, path, model)
            )
            for name in declared_fields(container)
            if getattr(container, name) is None
        ]
        stages.append(Stage(module=path, container=type(container).__name__, slots=tuple(slots)))
    return tuple(stages)


class _Field(NamedTuple):
    """One position of what a stage returned."""

    name: str
    key: str | None
    value: Any


def _named(
    observed: Observed, names: Sequence[str], reference: Observed
) -> dict[str, list[_Field]]:
    """The positions of each stage's container, in the order in which the stages return."""
    named: dict[str, list[_Field]] = {}
    before: Any = None
    for path in observed.trace.anatomy.stages:
        if observed.trace.visit(path) is None:
            continue
        container, known = _output(observed, path), _output(reference, path)
        own = set(declared_fields(known)) - set(declared_fields(before))
        words = _names_of(container, known, own) if path else names
        named[path] = [
            _Field(name, key, value)
            for name, (key, value) in zip(words, fields_of(container), strict=True)
        ]
        before = known
    return named


def _output(observed: Observed, path: str) -> Any:
    visit = observed.trace.visit(path)
    return None if visit is None else visit.output


def _names_of(container: Any, known: Any, own: set[str]) -> list[str]:
    """The keys of a stage's container, or those under which the reference call has these values.

    A `None` in a tuple is the field that is `None` there too and that no earlier stage declares
    (`own`), where there is just one: stages leave out the `None`s of what they hand on.
    """
    free = keyed(known)
    empty = [name for name in declared_fields(known) if name in own and name not in free]
    names = []
    for key, value in fields_of(container):
        name = key or (equal_name(value, free) if value is not None else None)
        if name is None and value is None and len(empty) == 1:
            name = empty[0]
        free.pop(name or "", None)
        names.append(name or UNNAMED)
    return names


def _count(value: Any) -> int | None:
    held = elements(value)
    return None if held is None else len(held)


def _readers(field: _Field, trace: Trace) -> tuple[Place, ...]:
    path = trace.anatomy.classifier
    classifier = trace.visit(path)
    read = [] if classifier is None else list(tensors_in(list(classifier.args)))
    reads = any(each is field.value for each in read)
    return (Place(slot=field.name, module=path, read=True),) if reads else ()


def _reaches(field: _Field, later: Mapping[str, Sequence[_Field]]) -> tuple[Place, ...]:
    return tuple(
        Place(slot=other.name, module=path, index=index, key=other.key)
        for path, fields in later.items()
        for index, other in enumerate(fields)
        if _same_objects(field, other)
    )


def _same_objects(left: _Field, right: _Field) -> bool:
    mine, yours = list(tensors_in(left.value)), list(tensors_in(right.value))
    if not mine and not yours:
        # There is but one empty tuple, so that its identity says nothing.
        return left.name == right.name and left.value is right.value is not None
    return len(mine) == len(yours) and all(a is b for a, b in zip(mine, yours, strict=True))


def _note(name: str, value: Any, path: str, model: Any) -> str | None:
    module = model.get_submodule(path)
    if name == "pooler_output" and value is None and getattr(module, "pooler", 0) is None:
        return f"{path}.pooler is None: this class has no pooler"
    return None
