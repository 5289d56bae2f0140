"""The pipeline in reading order: checkpoint → probe → observe → claims → annotate → map."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from roberta_inspect.calls import Calls, calls_asked
from roberta_inspect.checkpoint.fake import skeleton
from roberta_inspect.checkpoint.hub import has_weights
from roberta_inspect.checkpoint.loading import Loaded, load, load_tokenizer, quiet
from roberta_inspect.checkpoint.location import locate
from roberta_inspect.claims import prove
from roberta_inspect.errors import UsageError
from roberta_inspect.findings import Noticed, findings_of
from roberta_inspect.predictions import predictions_of
from roberta_inspect.probe import Probe, config_of, from_texts, synthetic
from roberta_inspect.records import CallSpec, OutputMap, Setup
from roberta_inspect.releases import attention_of, versions
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
    device: str | None = None,
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
        device: where the checkpoint's model runs; `None` for the CPU.
        dtype: dtype to load in, such as `bfloat16`; `None` for what `from_pretrained` picks.
        allow_missing_head: a head that is not in the checkpoint is a warning, no error.
        no_weights: shapes and origins alone, on fake tensors.

    Raises:
        UsageError: the arguments do not fit together, or do not fit this checkpoint.
        CannotInspectError: no such checkpoint, an unreadable file, an unsupported architecture.
    """
    given = _texts(texts)
    with quiet():
        if isinstance(checkpoint_or_model, nn.Module):
            made = Loaded.live(
                checkpoint_or_model,
                revision=revision,
                attention=attention,
                device=device,
                dtype=dtype,
                no_weights=no_weights,
            )
        else:
            source = None if checkpoint_or_model is None else os.fspath(checkpoint_or_model)
            location = locate(source, revision=revision)
            if given is not None and tokenizer is None:
                tokenizer = load_tokenizer(location)
            if no_weights or not has_weights(location):
                made = skeleton(location, attention=attention, dtype=dtype)
            else:
                made = load(location, attention=attention, dtype=dtype, device=device or "cpu")
        config = config_of(made.model)
        if given is None:
            probe = synthetic(
                config, batch_size=batch_size, sequence_length=sequence_length, labels=labels
            )
        else:
            probe = from_texts(config, tokenizer, given, labels=labels)
        return map_of(
            made,
            probe,
            calls_asked(output_hidden_states, output_attentions, matrix=matrix),
            allow_missing_head=allow_missing_head,
            padding_side=getattr(tokenizer, "padding_side", None),
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
        matrix=saved.matrix,
        attention=None if live else saved.setup.attention,
        dtype=None if live else saved.setup.dtype,
        no_weights=saved.setup.no_weights and not live,
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


def map_of(
    made: Loaded,
    probe: Probe,
    calls: Sequence[CallSpec],
    *,
    allow_missing_head: bool = False,
    padding_side: str | None = None,
) -> OutputMap:
    """Call, prove and annotate; the tensors of one call at a time, beside the reference call's.

    Args:
        made: the model.
        probe: its input, on any device.
        calls: as `calls_asked` lists them.
        allow_missing_head: as in `inspect`.
        padding_side: the tokenizer's, where there is one.
    """
    model, mode = made.model, made.mode
    seen = Calls(model, probe.beside(model, mode), calls)
    with mode or nullcontext():
        seen.make()
        proofs = () if seen.evidence is None else prove(seen.evidence)
    found = OutputMap(
        versions=versions(),
        checkpoint=made.record,
        setup=Setup(
            device=str(model.device),
            dtype=dtype_word(model.dtype),
            attention=attention_of(model.config),
            mode="eval",
            no_weights=mode is not None,
        ),
        input=probe.record(),
        calls=tuple(seen.in_order()),
        stages=seen.stages,
        proofs=proofs,
        predictions=None if mode else predictions_of(model.config, probe, seen.logits),
    )
    noticed = Noticed(
        allow_missing_head=allow_missing_head,
        padding_side=padding_side,
        first_tokens=probe.padding_first,
        raised=() if seen.evidence is None else tuple(seen.evidence.raised),
        not_finite=() if seen.evidence is None else seen.evidence.not_finite,
    )
    return replace(found, findings=findings_of(found, noticed))
