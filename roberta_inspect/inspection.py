"""The pipeline in reading order: checkpoint → probe → observe → claims → annotate → map."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from roberta_inspect.annotate import checkpoint_record, live_record, versions
from roberta_inspect.calls import Calls
from roberta_inspect.checkpoint import (
    Location,
    has_weights,
    load,
    load_tokenizer,
    locate,
    skeleton,
)
from roberta_inspect.checkpoint.loading import quiet
from roberta_inspect.claims import prove
from roberta_inspect.errors import UsageError
from roberta_inspect.findings import Noticed, findings_of
from roberta_inspect.predictions import predictions_of
from roberta_inspect.probe import Probe
from roberta_inspect.records import Checkpoint, OutputMap, Setup
from roberta_inspect.releases import attention_of
from roberta_inspect.request import Request
from roberta_inspect.text import dtype_word


def inspect(
    checkpoint_or_model: str | Path | nn.Module | None = None,
    *,
    texts: Sequence[str] | None = None,
    labels: Any = None,
    batch_size: int = 2,
    sequence_length: int = 16,
    output_hidden_states: bool = True,
    output_attentions: bool = True,
    matrix: bool = False,
    tokenizer: Any = None,
    revision: str | None = None,
    attention: str | None = None,
    device: str = "cpu",
    dtype: str | None = None,
    allow_missing_head: bool = False,
    no_weights: bool = False,
) -> OutputMap:
    """The annotated, proved map of what a `RobertaForSequenceClassification` returns.

    Args:
        checkpoint_or_model: a directory, a Hub model id, `None` for the bundled demo, or a live
            model, which is exactly as before afterwards.
        texts: inputs, one row each; without them synthetic token ids of shape
            `(batch_size, sequence_length)` with the last row padded.
        labels: one per row, as numbers, label names or a tensor; without them some that fit.
        batch_size: rows of the synthetic input.
        sequence_length: tokens per row of the synthetic input, padding included.
        output_hidden_states: passed to every call.
        output_attentions: passed to every call.
        matrix: also make the calls with every other combination of the two flags.
        tokenizer: for `texts` and a live model; a checkpoint brings its own.
        revision: branch, tag or commit of a Hub model id.
        attention: attention implementation; `None` for what `from_pretrained` picks.
        device: where the checkpoint's model runs.
        dtype: dtype to load in, such as `bfloat16`; `None` for what `from_pretrained` picks.
        allow_missing_head: a head that is not in the checkpoint is a warning, no error.
        no_weights: shapes and origins alone, on fake tensors.

    Raises:
        UsageError: the arguments do not fit together, or do not fit this checkpoint.
        CannotInspectError: no such checkpoint, an unreadable file, an unsupported architecture.
    """
    request = Request(
        texts=_texts(texts),
        labels=labels,
        batch_size=batch_size,
        sequence_length=sequence_length,
        output_hidden_states=output_hidden_states,
        output_attentions=output_attentions,
        matrix=matrix,
        allow_missing_head=allow_missing_head,
    )
    with quiet():
        if isinstance(checkpoint_or_model, nn.Module):
            return _of_model(checkpoint_or_model, request, tokenizer)
        source = None if checkpoint_or_model is None else os.fspath(checkpoint_or_model)
        location = locate(source, revision=revision)
        if no_weights or not has_weights(location):
            return _of_skeleton(location, request, tokenizer, attention=attention, dtype=dtype)
        return _of_checkpoint(
            location, request, tokenizer, attention=attention, dtype=dtype, device=device
        )


def inspect_like(saved: OutputMap, checkpoint: str | Path | nn.Module | None) -> OutputMap:
    """The map of `checkpoint` in the setup of a saved map: calls, input, attention and dtype; its
    labels too, where this checkpoint knows them.

    The device is not taken over: a map made on a GPU is compared on a machine without one.

    Raises:
        UsageError, CannotInspectError: as `inspect`.
    """
    main = saved.calls[0]
    given = saved.input
    live = isinstance(checkpoint, nn.Module)
    return inspect(
        checkpoint,
        texts=given.texts,
        labels=given.labels,
        batch_size=given.batch_size,
        sequence_length=given.sequence_length,
        output_hidden_states=main.output_hidden_states,
        output_attentions=main.output_attentions,
        matrix=len(saved.calls) > len(saved.main_calls),
        attention=None if live else saved.setup.attention,
        dtype=None if live else saved.setup.dtype,
        no_weights=saved.setup.no_weights,
        allow_missing_head=not any(
            finding.id == "head-not-in-checkpoint" and finding.level == "error"
            for finding in saved.findings
        ),
    )


def _texts(texts: Sequence[str] | None) -> tuple[str, ...] | None:
    if isinstance(texts, str):
        raise UsageError("texts is one string", hint="Give a list of strings: texts=[text].")
    if texts is not None and not texts:
        raise UsageError("texts is empty", hint="Give at least one text, or leave texts out.")
    return None if texts is None else tuple(texts)


def _of_checkpoint(location: Location, request: Request, tokenizer: Any, **how: Any) -> OutputMap:
    tokenizer = _tokenizer(location, request, tokenizer)
    loaded = load(location, **how)
    probe = request.probe(loaded.model.config, tokenizer).on(how["device"])
    return map_of(
        loaded.model,
        probe,
        request,
        checkpoint=checkpoint_record(loaded.model, loaded.source, loaded.weights),
        tokenizer=tokenizer,
    )


def _tokenizer(location: Location, request: Request, given: Any) -> Any:
    """The one given, or the checkpoint's own where there are texts."""
    return load_tokenizer(location) if given is None and request.texts is not None else given


def _of_skeleton(location: Location, request: Request, tokenizer: Any, **how: Any) -> OutputMap:
    tokenizer = _tokenizer(location, request, tokenizer)
    bones = skeleton(location, **how)
    return map_of(
        bones.model,
        request.probe(bones.model.config, tokenizer),
        request,
        checkpoint=checkpoint_record(bones.model, bones.source, bones.weights),
        tokenizer=tokenizer,
        mode=bones.mode,
    )


def _of_model(model: nn.Module, request: Request, tokenizer: Any) -> OutputMap:
    checkpoint = live_record(model)
    here = next(iter(model.parameters())).device
    probe = request.probe(model.config, tokenizer).on(here)
    return map_of(model, probe, request, checkpoint=checkpoint, tokenizer=tokenizer)


def map_of(
    model: Any,
    probe: Probe,
    request: Request,
    *,
    checkpoint: Checkpoint,
    tokenizer: Any = None,
    mode: Any = None,
) -> OutputMap:
    """Call, prove and annotate; the tensors of one call at a time, beside the reference call's.

    `mode` is the fake tensor mode that the model was made in, `None` for a real model.
    """
    setup = Setup(
        device=str(model.device),
        dtype=dtype_word(model.dtype),
        attention=attention_of(model.config),
        mode="eval",
        no_weights=mode is not None,
    )
    made = Calls(model, probe if mode is None else probe.fake(mode))
    with mode or nullcontext():
        made.make(request)
        proofs = () if made.evidence is None else prove(made.evidence)
    found = OutputMap(
        versions=versions(),
        checkpoint=checkpoint,
        setup=setup,
        input=probe.record(),
        calls=tuple(made.in_order(request)),
        stages=made.stages,
        proofs=proofs,
        predictions=None if mode else predictions_of(model.config, probe, made.logits),
    )
    noticed = Noticed(
        allow_missing_head=request.allow_missing_head,
        padding_side=getattr(tokenizer, "padding_side", None),
        first_tokens=probe.padding_first,
        raised=() if made.evidence is None else tuple(made.evidence.raised),
        not_finite=() if made.evidence is None else made.evidence.not_finite,
    )
    return replace(found, findings=findings_of(found, noticed))
