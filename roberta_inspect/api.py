"""The verbs of the library, each readable from top to bottom.

Nothing heavy is imported before a verb is called: comparing two saved maps needs no torch.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from roberta_inspect.errors import CannotInspectError, UsageError
from roberta_inspect.inputs.arguments import (
    check_flags,
    check_names,
    check_progress,
    check_sizes,
    check_words,
    path_of,
)
from roberta_inspect.progress import Progress, silent
from roberta_inspect.records import ConsumerReport, Input, ModuleTree, OutputMap
from roberta_inspect.text import safe

if TYPE_CHECKING:
    from torch import nn

    from roberta_inspect.checkpoint.load import Loaded
    from roberta_inspect.consumer import Entry
    from roberta_inspect.differences import Difference, Report
    from roberta_inspect.inputs.probe import Probe
    from roberta_inspect.records import CallSpec, Consumer, Proof, Text

Inspected: TypeAlias = "str | os.PathLike[str] | nn.Module | Any | None"
"""What is inspected: a directory, a Hub model id, a live model, something around one, or `None` for
the bundled demo."""

ComparedSide: TypeAlias = "OutputMap | Inspected"
"""One side of a comparison: a map, the path of a saved one, or what is inspected for it."""


def inspect(
    checkpoint_or_model: Inspected = None,
    *,
    texts: Sequence[str | tuple[str, str]] | None = None,
    inputs: Mapping[str, Any] | str | os.PathLike[str] | None = None,
    labels: Any = None,
    batch_size: int = 2,
    sequence_length: int = 16,
    output_hidden_states: bool = True,
    output_attentions: bool = True,
    matrix: bool = False,
    tokenizer: Any = None,
    revision: str | None = None,
    attention: str | None = None,
    device: str | None = None,
    dtype: str | None = None,
    allow_missing_head: bool = False,
    no_weights: bool = False,
    consumers: bool = False,
    progress: Progress = silent,
) -> OutputMap:
    """The annotated, proved map of what a `RobertaForSequenceClassification` returns.

    Args:
        checkpoint_or_model: a directory, a Hub model id, `None` for the bundled demo, or a live
            model, which is exactly as before afterwards. What is around it is taken off: a
            compiled or parallel module, an adapter, a pipeline, a Trainer.
        texts: inputs, one row each: a text, or a pair that is judged together; without them
            synthetic token ids of shape
            `(batch_size, sequence_length)` with the last row padded.
        inputs: a batch of your own instead: tensors, arrays or lists by the keywords of `forward`
            (`input_ids` or `inputs_embeds`, `attention_mask`, `token_type_ids`, `position_ids`,
            `labels`), on any device; or the path of a `.safetensors` or `.json` file of them.
        labels: one per row, as numbers, label names or a tensor; without them some that fit.
        batch_size: rows of the synthetic input.
        sequence_length: tokens per row of the synthetic input, padding included.
        output_hidden_states: passed to every call.
        output_attentions: passed to every call.
        matrix: also make the calls with every other combination of the two flags.
        tokenizer: for `texts` and a live model; a checkpoint brings its own.
        revision: branch, tag or commit of a Hub model id.
        attention: attention implementation; `None` for what `from_pretrained` picks.
        device: where the checkpoint's model runs; `None` for the CPU.
        dtype: dtype to load in, such as `bfloat16`; `None` for what `from_pretrained` picks.
        allow_missing_head: a head that is not in the checkpoint is a warning, not an error.
        no_weights: shapes and origins alone, on fake tensors.
        consumers: also call what `consumers()` calls, and keep its rows in the map.
        progress: called before each call and claim with its name, how many are done, and of how
            many.

    Raises:
        UsageError: the arguments do not fit together, or do not fit this checkpoint.
        CannotInspectError: no such checkpoint, an unreadable file, an unsupported architecture.
    """
    check_sizes(batch_size=batch_size, sequence_length=sequence_length)
    check_words(revision=revision, attention=attention, device=device, dtype=dtype)
    check_flags(
        output_hidden_states=output_hidden_states,
        output_attentions=output_attentions,
        matrix=matrix,
        allow_missing_head=allow_missing_head,
        no_weights=no_weights,
        consumers=consumers,
    )
    check_progress(progress)
    _check_imports()

    from roberta_inspect.checkpoint.load import quiet
    from roberta_inspect.checkpoint.open import open  # noqa: A004
    from roberta_inspect.checkpoint.wrappers import eager
    from roberta_inspect.inputs.texts import texts_of
    from roberta_inspect.live.calls import calls_asked

    text_rows = None if texts is None else texts_of(texts)
    if text_rows is not None and inputs is not None:
        raise UsageError("there are texts= and inputs=", hint="Give one of the two.")
    batch = _batch(inputs)
    with quiet(), eager():
        opened = open(
            checkpoint_or_model,
            revision=revision,
            attention=attention,
            dtype=dtype,
            device=device,
            no_weights=no_weights,
        )
        sizes = {"batch_size": batch_size, "sequence_length": sequence_length}
        probe = _probe(opened, text_rows, batch, tokenizer=tokenizer, labels=labels, **sizes)
        calls = calls_asked(output_hidden_states, output_attentions, matrix=matrix)
        output_map = map_of(
            opened, probe, calls, allow_missing_head=allow_missing_head, progress=progress
        )
    if not consumers:
        return output_map
    return _with_consumers(output_map, opened, probe, tokenizer, progress)


def _batch(inputs: Any) -> Any:
    """A batch that is given, or the one in the file that is named."""
    if not isinstance(inputs, str | os.PathLike):
        return inputs
    from roberta_inspect.checkpoint.batch import read_batch

    return read_batch(path_of("inputs", inputs))


def _probe(
    opened: Loaded,
    texts: Sequence[Text] | None,
    inputs: Any,
    *,
    tokenizer: Any,
    labels: Any,
    batch_size: int,
    sequence_length: int,
) -> Probe:
    """The input: of texts, of the user's batch, or made up."""
    from roberta_inspect.checkpoint.load import load_tokenizer
    from roberta_inspect.inputs.synthetic import synthetic
    from roberta_inspect.inputs.tensors import from_inputs
    from roberta_inspect.inputs.texts import from_texts
    from roberta_inspect.live.anatomy import forward_keywords, input_config
    from roberta_inspect.live.work import check_work

    config = input_config(opened.model)
    fits = partial(check_work, opened.model, has_values=opened.mode is None)
    if texts is not None:
        if tokenizer is None:
            tokenizer = load_tokenizer(opened.location, texts)
        probe = from_texts(config, tokenizer, texts, labels=labels)
    elif inputs is not None:
        keywords = forward_keywords(opened.model)
        probe = from_inputs(config, inputs, keywords=keywords, dtype=opened.dtype, labels=labels)
    else:
        fits(batch_size=batch_size, sequence_length=sequence_length)
        sizes = {"batch_size": batch_size, "sequence_length": sequence_length}
        return synthetic(config, **sizes, labels=labels)
    fits(batch_size=probe.batch_size, sequence_length=probe.sequence_length)
    return probe


def map_of(
    opened: Loaded,
    probe: Probe,
    specs: Sequence[CallSpec],
    *,
    allow_missing_head: bool = False,
    progress: Progress = silent,
) -> OutputMap:
    """Call, annotate and prove; the tensors of one call at a time, beside the reference call's.

    Args:
        opened: the model.
        probe: its input, on any device.
        specs: as `calls_asked` lists them.
        allow_missing_head: as in `inspect`.
        progress: as in `inspect`.
    """
    from roberta_inspect.claims import Evidence, meanings_of, prove
    from roberta_inspect.findings import findings_of
    from roberta_inspect.live.calls import PLAIN, Calls
    from roberta_inspect.live.observe import observing
    from roberta_inspect.live.predictions import predictions_of, same_logits
    from roberta_inspect.records import Setup, Versions
    from roberta_inspect.releases import attention_of, configured_flags, versions
    from roberta_inspect.text import dtype_word

    model, mode = opened.model, opened.mode
    proofs: tuple[Proof, ...] = ()
    meanings: dict[str, str] = {}
    with observing(model, mode) as observer:
        calls = Calls(observer, probe.placed_like(model, mode), specs, progress)
        calls.make()
        records = tuple(calls.records((*PLAIN, *specs)))
        if calls.reference is not None:
            evidence = Evidence(calls, calls.reference)
            proofs = prove(evidence, progress)
            names = {slot.name for call in records for slot in call.slots}
            meanings = meanings_of(names, evidence, proofs)
    records = tuple(call.with_meanings(meanings) for call in records)
    output_map = OutputMap(
        versions=Versions(**versions()),
        checkpoint=opened.record,
        setup=Setup(
            device=str(opened.device),
            dtype=dtype_word(opened.dtype),
            attention=attention_of(model.config),
            mode="eval",
            no_weights=mode is not None,
            was_training=model.training,
            configured=configured_flags(model.config),
            quantised=opened.quantised,
        ),
        wrappers=opened.wrappers,
        input=replace(probe.record(), edited=tuple(calls.edited)),
        plain=tuple(call for call in records if call.spec.is_plain),
        calls=tuple(call for call in records if not call.spec.is_plain),
        stages=calls.stages,
        proofs=proofs,
        not_deterministic=calls.parted,
        predictions=None if mode else predictions_of(model.config, probe, calls.logits),
        same_logits=same_logits(probe, calls.logits),
    )
    return replace(
        output_map, findings=findings_of(output_map, allow_missing_head=allow_missing_head)
    )


def _with_consumers(
    output_map: OutputMap, opened: Loaded, probe: Probe, tokenizer: Any, progress: Progress
) -> OutputMap:
    """The map with a row for each way of calling a consumer, and what is surprising about them."""
    from roberta_inspect.checkpoint.load import load_tokenizer, quiet
    from roberta_inspect.consumer.subject import TEXTS
    from roberta_inspect.findings import CONSUMER_QUESTIONS, by_level

    with quiet():
        if tokenizer is None:
            tokenizer = load_tokenizer(opened.location, probe.texts or TEXTS)
        rows = consumer_rows(opened, probe, tokenizer, progress=progress)
    findings = by_level(*output_map.findings, *CONSUMER_QUESTIONS.about(rows))
    return replace(output_map, consumers=rows, findings=findings)


def module_tree(
    checkpoint_or_model: Inspected = None,
    *,
    revision: str | None = None,
    attention: str | None = None,
    allow_missing_head: bool = False,
) -> ModuleTree:
    """The modules of a `RobertaForSequenceClassification`, each with the slots it feeds.

    A checkpoint's model is laid out on fake tensors, from its configuration and the header of its
    weight file: no weight is read, and none is needed. A live model is called on a tiny input and
    is as before afterwards.

    Args:
        checkpoint_or_model: a directory, a Hub model id, `None` for the bundled demo, or a model.
        revision: branch, tag or commit of a Hub model id.
        attention: attention implementation; `None` for `eager`, which is the one that hands the
            attention weights back. A live model keeps its own.
        allow_missing_head: a head that is not in the checkpoint is a warning, not an error.

    Raises:
        UsageError: the arguments do not fit together, or do not fit this checkpoint.
        CannotInspectError: no such checkpoint, an unreadable file, an unsupported architecture.
    """
    check_words(revision=revision, attention=attention)
    check_flags(allow_missing_head=allow_missing_head)
    _check_imports()

    from roberta_inspect.checkpoint.load import quiet
    from roberta_inspect.checkpoint.open import is_live, open  # noqa: A004
    from roberta_inspect.checkpoint.wrappers import eager
    from roberta_inspect.findings import tree_findings
    from roberta_inspect.records import Versions
    from roberta_inspect.releases import attention_of, versions
    from roberta_inspect.tree.nodes import Nodes
    from roberta_inspect.tree.observation import TreeObservation

    with quiet(), eager():
        live = is_live(checkpoint_or_model)
        opened = open(
            checkpoint_or_model,
            revision=revision,
            attention=attention if live else attention or "eager",
            no_weights=not live,
            needs_values=False,
        )
        observation = TreeObservation.of(opened)
        tree = ModuleTree(
            versions=Versions(**versions()),
            checkpoint=opened.record,
            root=Nodes(observation).node(opened.model),
            attention=attention_of(opened.model.config),
            wrappers=opened.wrappers,
        )
        error = observation.observed.error
        findings = tree_findings(tree, error, allow_missing_head=allow_missing_head)
        return replace(tree, findings=findings)


def consumers(
    checkpoint_or_model: Inspected = None,
    *,
    texts: Sequence[str | tuple[str, str]] | None = None,
    labels: Any = None,
    batch_size: int = 2,
    sequence_length: int = 16,
    only: Sequence[str] | None = None,
    onnx: str | os.PathLike[str] | None = None,
    tokenizer: Any = None,
    revision: str | None = None,
    attention: str | None = None,
    device: str | None = None,
    dtype: str | None = None,
    allow_missing_head: bool = False,
    progress: Progress = silent,
) -> ConsumerReport:
    """Who gets what: what pipeline, Trainer and the exports make of a model's outputs.

    Each of them is really called, on a copy; what it hands over is identified by its values.

    Args:
        checkpoint_or_model: a directory, a Hub model id, `None` for the bundled demo, or a live
            model, which is exactly as before afterwards.
        texts: inputs, one row each: a text, or a pair that is judged together; without them some,
            or synthetic token ids of shape `(batch_size, sequence_length)` where there is no
            tokenizer.
        labels: as in `inspect`.
        batch_size: rows of the synthetic input.
        sequence_length: tokens per row of the synthetic input, padding included.
        only: ids of the consumers to call: `pipeline`, `feature-extraction`, `trainer`,
            `jit-trace`, `export`, `onnx`, `compile`; `None` for all of them, and for none but the
            file where `onnx` is given.
        onnx: a model that you exported: which of its outputs is what.
        tokenizer, revision, attention, device, dtype, allow_missing_head: as in `inspect`.
        progress: as in `inspect`; called before each consumer, too.

    Raises:
        UsageError: the arguments do not fit together, or do not fit this checkpoint.
        CannotInspectError: as `inspect`; or a model without weights, or one that cannot be copied.
    """
    check_sizes(batch_size=batch_size, sequence_length=sequence_length)
    check_words(revision=revision, attention=attention, device=device, dtype=dtype)
    check_flags(allow_missing_head=allow_missing_head)
    check_names("only", only)
    check_progress(progress)
    file = None if onnx is None else path_of("onnx", onnx)
    _check_imports()

    from roberta_inspect.checkpoint.load import load_tokenizer, quiet
    from roberta_inspect.checkpoint.open import open  # noqa: A004
    from roberta_inspect.checkpoint.wrappers import eager
    from roberta_inspect.consumer import check_onnx, choose_entries
    from roberta_inspect.consumer.subject import TEXTS
    from roberta_inspect.findings import consumer_findings
    from roberta_inspect.inputs.texts import texts_of
    from roberta_inspect.live.calls import calls_asked

    if file is not None:
        check_onnx(file)
    entries = choose_entries(() if file is not None and only is None else only)
    text_rows = None if texts is None else texts_of(texts)
    with quiet(), eager():
        opened = open(
            checkpoint_or_model, revision=revision, attention=attention, dtype=dtype, device=device
        )
        if tokenizer is None:
            tokenizer = load_tokenizer(opened.location, text_rows or TEXTS)
        if text_rows is None and tokenizer is not None:
            text_rows = TEXTS
        sizes = {"batch_size": batch_size, "sequence_length": sequence_length}
        probe = _probe(opened, text_rows, None, tokenizer=tokenizer, labels=labels, **sizes)
        calls = calls_asked(True, True)
        output_map = map_of(
            opened, probe, calls, allow_missing_head=allow_missing_head, progress=progress
        )
    with quiet():
        reports = consumer_rows(opened, probe, tokenizer, entries, onnx=file, progress=progress)
    return ConsumerReport(
        versions=output_map.versions,
        checkpoint=output_map.checkpoint,
        setup=output_map.setup,
        input=output_map.input,
        consumers=reports,
        findings=consumer_findings(output_map, reports),
    )


def consumer_rows(
    opened: Loaded,
    probe: Probe,
    tokenizer: Any,
    entries: Sequence[Entry] | None = None,
    *,
    onnx: Path | None = None,
    progress: Progress = silent,
) -> tuple[Consumer, ...]:
    """Call these consumers, all of them for `None`, and a user's own exported model.

    Raises:
        CannotInspectError: as `consumers`.
    """
    from roberta_inspect.consumer import choose_entries, consume, onnx_row
    from roberta_inspect.consumer.subject import Subject

    if opened.mode is not None:
        raise CannotInspectError(
            "consumers hand over values, and a model without weights has none",
            hint="Put the weights beside config.json, and leave no_weights= out.",
        )
    subject = Subject(opened.model, probe.placed_like(opened.model), tokenizer)
    called = choose_entries(None) if entries is None else entries
    rows = list(consume(subject, called, progress=progress))
    if onnx is not None:
        progress(str(onnx), 0, 1)
        rows.append(onnx_row(subject, onnx))
    return tuple(rows)


def diff(left: ComparedSide, right: ComparedSide, *, values: bool = False) -> list[Difference]:
    """What differs between two maps, one entry per cause; `[]` where nothing does.

    Each side is an `OutputMap`, the path of a saved one, or a checkpoint or model, which is
    inspected: in the setup of the other side where that is a map. `values` also compares the
    fingerprint of each tensor.

    Raises:
        UsageError: `values` of maps whose inputs differ or that hold no values.
        CannotInspectError: a side cannot be read or inspected.
    """
    return list(report(left, right, values=values).differences)


def report(left: ComparedSide, right: ComparedSide, *, values: bool = False) -> Report:
    """As `diff`, with the headings of both sides."""
    check_flags(values=values)

    from roberta_inspect.differences import compared

    before, after = _saved(left), _saved(right)
    if before is None:
        before = inspect(left) if after is None else inspect_like(after, left)
        after = inspect(right) if after is None else after
    elif after is None:
        after = inspect_like(before, right)
    return compared(before, after, values=values, files=(_file(left), _file(right)))


def inspect_like(saved: OutputMap, checkpoint_or_model: Any, **arguments: Any) -> OutputMap:
    """The map of a checkpoint or model in the setup of a saved map: calls, input, attention and
    dtype; its labels too, where this checkpoint knows them.

    The device is not taken over: a map made on a GPU is compared on a machine without one.
    `arguments` of `inspect` go before those of the saved map; another input takes the place of all
    that it says of its own.

    Raises:
        UsageError, CannotInspectError: as `inspect`.
    """
    from roberta_inspect.checkpoint.open import is_live

    main, live = saved.main_calls[0], is_live(checkpoint_or_model)
    same: dict[str, Any] = {
        "output_hidden_states": bool(main.output_hidden_states),
        "output_attentions": bool(main.output_attentions),
        "matrix": saved.matrix,
        "attention": None if live else saved.setup.attention,
        "dtype": None if live else saved.setup.dtype,
        "no_weights": saved.setup.no_weights and not live,
        "consumers": saved.consumers is not None,
        "allow_missing_head": not any(
            finding.id == "head-not-in-checkpoint" and finding.level == "error"
            for finding in saved.findings
        ),
    }
    if not arguments.keys() & {"texts", "inputs"}:
        same |= _same_input(saved.input)
    return inspect(checkpoint_or_model, **{**same, **arguments})


def _same_input(model_input: Input) -> dict[str, Any]:
    """The arguments of `inspect` that make the input of a saved map again."""
    from roberta_inspect.inputs.tensors import saved_inputs

    texts = None if model_input.texts is None else [text.parts for text in model_input.texts]
    return {
        "texts": texts,
        "inputs": saved_inputs(model_input) if model_input.source == "inputs" else None,
        "labels": model_input.labels,
        "batch_size": model_input.batch_size,
        "sequence_length": model_input.sequence_length,
    }


def _saved(side: ComparedSide) -> OutputMap | None:
    from roberta_inspect.records.saved import read_map

    if isinstance(side, OutputMap):
        return side
    path = _file(side)
    return None if path is None else read_map(path)


def _file(side: ComparedSide) -> str | None:
    from roberta_inspect.records.saved import is_saved_map

    path = os.fsdecode(side) if isinstance(side, str | os.PathLike) else None
    return path if path is not None and is_saved_map(path) else None


def _check_imports() -> None:
    """Import what is heavy, and say so where that fails: an installation is the user's to mend."""
    try:
        from roberta_inspect.checkpoint import family

        _ = family.members()[family.DEFAULT].cls
    except Exception as error:
        stripped = sys.flags.optimize > 1
        raise CannotInspectError(
            f"torch and transformers cannot be imported: {type(error).__name__}: {safe(error)}",
            hint="Run Python without -OO: transformers reads its own docstrings."
            if stripped
            else "Install torch and transformers again, in releases that fit together.",
        ) from error
