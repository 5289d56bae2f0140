"""ONNX: what each output of an exported graph is, by its values; a user's own file too."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import onnxruntime
import torch

from roberta_inspect.consumer.identify import Slots, parts
from roberta_inspect.consumer.subject import BOTH, Subject
from roberta_inspect.consumer.surroundings import undisturbed
from roberta_inspect.consumer.way import Handed, row
from roberta_inspect.errors import CannotInspectError
from roberta_inspect.inputs.probe import Probe
from roberta_inspect.inputs.synthetic import synthetic
from roberta_inspect.records import Consumer, Part, Suggested
from roberta_inspect.text import listed, safe

CALL = "torch.onnx.export(model, dynamo=True"
ASKED = "config.output_hidden_states=True, config.output_attentions=True"

AXES = {"0": "batch_size", "1": "sequence_length"}


def rows(subject: Subject) -> Iterator[Consumer]:
    """With the names that the exporter makes up, then with those that are right, which are tried on
    an input of other sizes."""
    model = subject.eager_copy(**BOTH)
    probe = subject.probe.on("cpu")
    if probe.batch_size == 1:  # a batch of one is taken for a constant
        twice = {name: torch.cat([tensor, tensor]) for name, tensor in probe.inputs.items()}
        probe = Probe(inputs=twice, labels=probe.labels)
    slots = Slots.of(model, probe)
    notes = (
        ("exported under eager attention: under sdpa there are no attentions in the graph",)
        if "attentions" in subject.slots.empty
        else ()
    )

    def exported(tried: Probe, known: Slots, names: Suggested | None) -> Handed:
        with tempfile.TemporaryDirectory(prefix="roberta-inspect-") as folder:
            session = _opened(_exported(model, probe, names, Path(folder) / "model.onnx"))
            found = list(_parts(session, _feed(session, tried), known))
        suggested = names or _suggested(probe, found)
        return Handed([part.declared for part in found], found, notes, suggested)

    def row_of(options: str, *call: Any) -> Consumer:
        made = row("onnx", f"{CALL}{options}), {ASKED}", lambda: exported(*call))
        # What a session returns is a list; the values are gone by now.
        return replace(made, container=made.container and "list[ndarray]")

    first = row_of("", probe, slots, None)
    yield replace(first, suggested=None)
    if first.suggested is not None:
        other = _resized(probe)
        named = ", output_names=…, dynamic_shapes=…"
        yield row_of(named, other, Slots.of(model, other), first.suggested)


def _exported(model: Any, probe: Probe, names: Suggested | None, path: Path) -> Path:
    options: dict[str, Any] = {}
    if names is not None:
        axes = {int(axis): word for axis, word in AXES.items()}
        options["output_names"] = list(names.output_names)
        options["dynamic_shapes"] = dict.fromkeys(probe.inputs, axes)
    with torch.no_grad():
        program = torch.onnx.export(
            model, (), kwargs=dict(probe.inputs), dynamo=True, verbose=False, **options
        )
    program.save(str(path), external_data=True)
    return path


def _suggested(probe: Probe, found: list[Part]) -> Suggested:
    """Names by value: `logits`, `hidden_states_0` …"""
    return Suggested(
        output_names=tuple(_name(part, number) for number, part in enumerate(found)),
        dynamic_shapes=dict.fromkeys(probe.inputs, AXES),
    )


def _name(part: Part, number: int) -> str:
    if part.name is None or part.function is not None:
        return f"output_{number}"
    return "_".join([part.name, *map(str, part.item)])


def _resized(probe: Probe) -> Probe:
    """The same with a row less, and a column less where there are more than two."""
    columns = max(2, probe.sequence_length - 1)
    inputs = {name: each[:-1, :columns] for name, each in probe.inputs.items()}
    return Probe(inputs=inputs, labels=probe.labels[:-1])


def file_row(subject: Subject, path: Path) -> Consumer:
    """What the outputs of a user's own exported model are.

    Raises:
        CannotInspectError: it cannot be read or run, or asks for an input that is not there.
    """
    shown = safe(path)
    with undisturbed():
        session = _opened_or_refused(path)
        probe = _probe_for(session, subject)
        model = subject.eager_copy()
        feed = _feed(session, probe, shown)
        try:
            found = tuple(_parts(session, feed, Slots.of(model, probe)))
        except Exception as error:
            raise CannotInspectError(
                f"{shown} cannot be run: {safe(error)}",
                hint="Give texts or sizes that the graph was exported for.",
            ) from error
    return Consumer(
        id="onnx",
        title=str(path),
        status="called",
        container="list[ndarray]",
        parts=found,
        suggested=_suggested(probe, list(found)) if any(p.is_mislabelled for p in found) else None,
        notes=(f"opset {_opset(path)}, run by onnxruntime {onnxruntime.__version__}",),
    )


def _opened(path: Path) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(
        str(path), sess_options=options, providers=["CPUExecutionProvider"]
    )


def _opened_or_refused(path: Path) -> Any:
    try:
        return _opened(path)
    except Exception as error:  # onnxruntime has a class for each of its codes
        raise CannotInspectError(
            f"{safe(path)} is not an ONNX model that onnxruntime runs: {safe(error)}",
            hint="Export the model again with torch.onnx.export.",
        ) from error


def _opset(path: Path) -> int | str:
    import onnx

    declared = onnx.load(str(path), load_external_data=False).opset_import
    return next((each.version for each in declared if each.domain in ("", "ai.onnx")), "unknown")


def _probe_for(session: Any, subject: Subject) -> Probe:
    """The input of the map, or one of the sizes that the graph was fixed to."""
    probe = subject.probe.on("cpu")
    sizes = [probe.batch_size, probe.sequence_length]
    fixed = list(sizes)
    for each in session.get_inputs():
        for axis, size in enumerate(each.shape[:2]):
            fixed[axis] = size if isinstance(size, int) else fixed[axis]
    if fixed == sizes:
        return probe
    return synthetic(subject.model.config, batch_size=fixed[0], sequence_length=fixed[1])


def _feed(session: Any, probe: Probe, shown: str = "the graph") -> dict[str, Any]:
    """Name of an input of the graph → its array: by name, then in the order of those that are left.

    Raises:
        CannotInspectError: the graph asks for more.
    """
    asked = session.get_inputs()
    given = {name: tensor.numpy() for name, tensor in probe.inputs.items()}
    named = {each.name: given[each.name] for each in asked if each.name in given}
    left = [array for name, array in given.items() if name not in named]
    others = [each for each in asked if each.name not in named]
    alike = [each for each in others if len(each.shape) == 2 and "int" in each.type]
    if len(others) > len(left) or alike != others:
        raise CannotInspectError(
            f"{shown} asks for {listed([safe(each.name) for each in others])}, and this input has "
            f"{listed(list(given))}",
            hint="Export the model with the inputs of its forward under their own names.",
        )
    named |= {each.name: array for each, array in zip(others, left, strict=False)}
    return {each.name: _cast(named[each.name], each.type) for each in asked}


def _cast(array: Any, kind: str) -> Any:
    """As the graph has it: `tensor(int64)`."""
    return array.astype(numpy.dtype(kind.removeprefix("tensor(").removesuffix(")")))


def _parts(session: Any, feed: Mapping[str, Any], slots: Slots) -> Iterator[Part]:
    names = [each.name for each in session.get_outputs()]
    for number, array in enumerate(session.run(None, dict(feed))):
        yield from parts(slots, array, f"outputs[{number}]", names[number])
