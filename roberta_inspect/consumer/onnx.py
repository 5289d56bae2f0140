"""ONNX: what each output of an exported graph is, by its values. Also for a user's own file."""

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
from roberta_inspect.consumer.row import HandedOver, row
from roberta_inspect.consumer.subject import BOTH, BOTH_IN_WORDS, Subject
from roberta_inspect.consumer.surroundings import undisturbed
from roberta_inspect.errors import CannotInspectError
from roberta_inspect.inputs.probe import Probe
from roberta_inspect.inputs.synthetic import synthetic
from roberta_inspect.records import Consumer, Part, Suggested
from roberta_inspect.text import listed, safe

CALL = "torch.onnx.export(model, dynamo=True"

DYNAMIC_AXES = {"0": "batch_size", "1": "sequence_length"}


def rows(subject: Subject) -> Iterator[Consumer]:
    """First with the names that the exporter makes up, then with the right ones, tested on an input
    of other sizes."""
    model = subject.eager_copy(**BOTH)
    probe = subject.probe.on("cpu")
    if probe.batch_size == 1:  # the exporter takes a batch size of 1 for a constant
        twice = {name: torch.cat([tensor, tensor]) for name, tensor in probe.inputs.items()}
        probe = Probe(inputs=twice, labels=probe.labels)
    slots = Slots.of(model, probe)
    notes = (
        ("exported under eager attention: under sdpa there are no attentions in the graph",)
        if "attentions" in subject.slots.empty
        else ()
    )

    def exported(run_probe: Probe, run_slots: Slots, names: Suggested | None) -> HandedOver:
        with tempfile.TemporaryDirectory(prefix="roberta-inspect-") as folder:
            session = _opened(_exported(model, probe, names, Path(folder) / "model.onnx"))
            identified = list(_parts(session, _feed(session, run_probe), run_slots))
        suggested = names or _suggested(probe, identified)
        return HandedOver([part.declared for part in identified], identified, notes, suggested)

    def row_of(options: str, *call: Any) -> Consumer:
        consumer = row("onnx", f"{CALL}{options}), {BOTH_IN_WORDS}", lambda: exported(*call))
        # A session returns a list of arrays, of which only the parts are left here.
        return replace(consumer, container=consumer.container and "list[ndarray]")

    first = row_of("", probe, slots, None)
    yield replace(first, suggested=None)
    if first.suggested is not None:
        resized = _resized(probe)
        named = ", output_names=…, dynamic_shapes=…"
        yield row_of(named, resized, Slots.of(model, resized), first.suggested)


def _exported(model: Any, probe: Probe, names: Suggested | None, path: Path) -> Path:
    options: dict[str, Any] = {}
    if names is not None:
        axes = {int(axis): word for axis, word in DYNAMIC_AXES.items()}
        options["output_names"] = list(names.output_names)
        options["dynamic_shapes"] = dict.fromkeys(probe.inputs, axes)
    with torch.no_grad():
        program = torch.onnx.export(
            model, (), kwargs=dict(probe.inputs), dynamo=True, verbose=False, **options
        )
    program.save(str(path), external_data=True)
    return path


def _suggested(probe: Probe, identified: list[Part]) -> Suggested:
    """Names by value: `logits`, `hidden_states_0` …"""
    return Suggested(
        output_names=tuple(_name(part, number) for number, part in enumerate(identified)),
        dynamic_shapes=dict.fromkeys(probe.inputs, DYNAMIC_AXES),
    )


def _name(part: Part, number: int) -> str:
    if part.name is None or part.function is not None:
        return f"output_{number}"
    return "_".join([part.name, *map(str, part.item)])


def _resized(probe: Probe) -> Probe:
    """The same input with one row less, and one column less if there are more than two."""
    columns = max(2, probe.sequence_length - 1)
    inputs = {name: tensor[:-1, :columns] for name, tensor in probe.inputs.items()}
    return Probe(inputs=inputs, labels=probe.labels[:-1])


def file_row(subject: Subject, path: Path) -> Consumer:
    """What the outputs of a user's own exported model are.

    Raises:
        CannotInspectError: it cannot be read or run, or needs an input that is not there.
    """
    shown = safe(path)
    with undisturbed():
        session = _opened_or_refused(path)
        probe = _probe_for(session, subject)
        model = subject.eager_copy()
        feed = _feed(session, probe, shown)
        try:
            identified = tuple(_parts(session, feed, Slots.of(model, probe)))
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
        parts=identified,
        suggested=_suggested(probe, list(identified))
        if any(p.is_mislabelled for p in identified)
        else None,
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
    return next((opset.version for opset in declared if opset.domain in ("", "ai.onnx")), "unknown")


def _probe_for(session: Any, subject: Subject) -> Probe:
    """The input of the map, or one with the sizes that are fixed in the graph."""
    probe = subject.probe.on("cpu")
    sizes = [probe.batch_size, probe.sequence_length]
    fixed = list(sizes)
    for node in session.get_inputs():
        for axis, size in enumerate(node.shape[:2]):
            fixed[axis] = size if isinstance(size, int) else fixed[axis]
    if fixed == sizes:
        return probe
    return synthetic(subject.model.config, batch_size=fixed[0], sequence_length=fixed[1])


def _feed(session: Any, probe: Probe, shown: str = "the graph") -> dict[str, Any]:
    """Name of an input of the graph → its array, by name if one fits, else by order.

    Raises:
        CannotInspectError: the graph needs more inputs.
    """
    nodes = session.get_inputs()
    arrays = {name: tensor.numpy() for name, tensor in probe.inputs.items()}
    named = {node.name: arrays[node.name] for node in nodes if node.name in arrays}
    unnamed = [array for name, array in arrays.items() if name not in named]
    unmatched = [node for node in nodes if node.name not in named]
    alike = [node for node in unmatched if len(node.shape) == 2 and "int" in node.type]
    if len(unmatched) > len(unnamed) or alike != unmatched:
        raise CannotInspectError(
            f"{shown} asks for {listed([safe(node.name) for node in unmatched])}, and this input "
            f"has {listed(list(arrays))}",
            hint="Export the model with the inputs of its forward under their own names.",
        )
    named |= {node.name: array for node, array in zip(unmatched, unnamed, strict=False)}
    return {node.name: _cast(named[node.name], node.type) for node in nodes}


def _cast(array: Any, kind: str) -> Any:
    """The array in the dtype of the graph, such as `tensor(int64)`."""
    return array.astype(numpy.dtype(kind.removeprefix("tensor(").removesuffix(")")))


def _parts(session: Any, feed: Mapping[str, Any], slots: Slots) -> Iterator[Part]:
    names = [output.name for output in session.get_outputs()]
    for number, array in enumerate(session.run(None, dict(feed))):
        yield from parts(slots, array, f"outputs[{number}]", names[number])
