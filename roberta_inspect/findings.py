"""What the user should know, from records alone.

Each function answers one question about a record; its decorator has the id and the level of the
finding.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from roberta_inspect.records import (
    LEVELS,
    UNNAMED,
    Call,
    Checkpoint,
    Consumer,
    Failure,
    Finding,
    Item,
    LabelSources,
    Level,
    ModuleTree,
    OutputMap,
    Part,
    Place,
    Renaming,
    Slot,
    Versions,
    Weights,
)
from roberta_inspect.records.input import IGNORED
from roberta_inspect.text import counted, listed, safe


class Draft(NamedTuple):
    """A finding without its id."""

    message: str
    hint: str | None = None
    level: Level | None = None
    """`None` for the usual level of the id."""
    slots: tuple[str, ...] = ()
    """As in `Finding`."""


Question = Callable[..., Iterator[Draft]]


class Questions(list[tuple[str, Level, Question]]):
    """The questions about one kind of record, in the order of their findings."""

    def register(self, id: str, level: Level) -> Callable[[Question], Question]:  # noqa: A002
        """Register the function below for this finding."""

        def added(question: Question) -> Question:
            self.append((id, level, question))
            return question

        return added

    def about(self, record: Any, **options: Any) -> Iterator[Finding]:
        """The findings about one record."""
        for id_, level, question in self:
            for draft in question(record, **options):
                yield Finding(
                    id=id_,
                    level=draft.level or level,
                    message=draft.message,
                    hint=draft.hint,
                    slots=draft.slots,
                )


CHECKPOINT_QUESTIONS = Questions()
"""Of a `Checkpoint`, whatever was done with it."""
MAP_QUESTIONS = Questions()
"""Of an `OutputMap`."""
TREE_QUESTIONS = Questions()
"""Of a `ModuleTree`."""
CONSUMER_QUESTIONS = Questions()
"""Of the rows of the consumers."""


def findings_of(output_map: OutputMap, *, allow_missing_head: bool = False) -> tuple[Finding, ...]:
    """All findings about a map, by level."""
    return by_level(
        *CHECKPOINT_QUESTIONS.about(output_map.checkpoint, allow_missing_head=allow_missing_head),
        *MAP_QUESTIONS.about(output_map),
    )


def tree_findings(
    tree: ModuleTree, error: Failure | None, *, allow_missing_head: bool = False
) -> tuple[Finding, ...]:
    """All findings about a module tree; `error` is what the call of the model raised."""
    return by_level(
        *CHECKPOINT_QUESTIONS.about(tree.checkpoint, allow_missing_head=allow_missing_head),
        *TREE_QUESTIONS.about(tree, error=error),
    )


def consumer_findings(
    output_map: OutputMap, consumers: tuple[Consumer, ...]
) -> tuple[Finding, ...]:
    """All findings about consumers, and the errors of the map, which names their parts."""
    return by_level(*output_map.findings_of("error"), *CONSUMER_QUESTIONS.about(consumers))


def ids() -> tuple[str, ...]:
    """The ids of all findings."""
    return tuple(
        dict.fromkeys(
            row[0]
            for rows in (CHECKPOINT_QUESTIONS, MAP_QUESTIONS, TREE_QUESTIONS, CONSUMER_QUESTIONS)
            for row in rows
        )
    )


def by_level(*findings: Finding) -> tuple[Finding, ...]:
    """Errors first."""
    return tuple(sorted(findings, key=lambda finding: LEVELS.index(finding.level)))


HEAD_SLOTS = ("loss", "logits")
"""What the head decides."""


@CHECKPOINT_QUESTIONS.register("renamed-tensors", "error")
def _renamed_tensors(checkpoint: Checkpoint, allow_missing_head: bool) -> Iterator[Draft]:
    weights = checkpoint.weights
    if weights.renaming is not None:
        fitting, missing = weights.renaming.fitting, len(weights.missing)
        which = f"all {missing:,}" if fitting == missing else f"{fitting:,} of the {missing:,}"
        yield Draft(
            f"the tensors in {_tensor_names(weights.files)} go by other names: "
            f"{weights.renaming.rule}, and {which} missing ones fit, in shape too",
            renaming_hint(weights.renaming),
        )


def renaming_hint(renaming: Renaming) -> str:
    """How to save a file with the right names; the code is on lines of its own."""
    return f"Save it right, in its directory:\n{renaming.code}"


@CHECKPOINT_QUESTIONS.register("head-not-in-checkpoint", "error")
def _head_missing(checkpoint: Checkpoint, allow_missing_head: bool) -> Iterator[Draft]:
    weights = checkpoint.weights
    if weights.verdict == "head-not-in-checkpoint":
        allowed = (
            "."
            if allow_missing_head
            else "; allow_missing_head=True, or --allow-missing-head, makes this a warning."
        )
        saved = _saved_as(checkpoint)
        without = f" ({saved} has none)" if saved else ""
        yield Draft(
            f"{_random_words(weights)}: predictions of this head mean nothing{without}",
            _names_hint(weights)
            or f"Train the head, or load a checkpoint that was saved after fine-tuning{allowed}",
            "warning" if allow_missing_head else None,
            HEAD_SLOTS,
        )


@CHECKPOINT_QUESTIONS.register("encoder-not-in-checkpoint", "error")
def _encoder_missing(checkpoint: Checkpoint, allow_missing_head: bool) -> Iterator[Draft]:
    if checkpoint.weights.verdict == "encoder-not-in-checkpoint":
        layers, held = checkpoint.layers, checkpoint.layers_in_file
        fewer = held is not None and layers is not None and held < layers
        counts = f"config.json asks for {layers} layers, and the file has {held}"
        yield Draft(
            f"{_random_words(checkpoint.weights)}: a part of the encoder was never trained"
            f"{'; ' + counts if fewer and not checkpoint.weights.renaming else ''}",
            _names_hint(checkpoint.weights)
            or "Compare num_hidden_layers and the other sizes in config.json with the file.",
        )


@CHECKPOINT_QUESTIONS.register("nothing-from-checkpoint", "error")
def _everything_missing(checkpoint: Checkpoint, allow_missing_head: bool) -> Iterator[Draft]:
    weights = checkpoint.weights
    if weights.verdict == "nothing-from-checkpoint":
        reason = "" if weights.renaming else ": the file holds no tensor of this class"
        yield Draft(
            f"{_random_words(weights)}{reason}",
            _names_hint(weights) or "Load it with the class that saved it.",
        )


def _names_hint(weights: Weights) -> str | None:
    """The hint where other names led to the verdict."""
    return "Mend the names: see renamed-tensors." if weights.renaming else None


def _saved_as(checkpoint: Checkpoint) -> str | None:
    """The class that the configuration names, where it is another one."""
    named = checkpoint.architectures
    if not named or checkpoint.architecture in named:
        return None
    return safe(named[0], longest=80)


@CHECKPOINT_QUESTIONS.register("fewer-layers", "warning")
def _fewer_layers(checkpoint: Checkpoint, allow_missing_head: bool) -> Iterator[Draft]:
    layers, held = checkpoint.layers, checkpoint.layers_in_file
    if layers is not None and held is not None and layers < held:
        cut = held - layers
        yield Draft(
            f"config.json asks for fewer layers than the file has: {layers} of {held}, so that "
            f"{counted(cut, 'layer')} {'was' if cut == 1 else 'were'} left out",
            f"Set num_hidden_layers to {held} in config.json, unless the model was cut on purpose.",
        )


@CHECKPOINT_QUESTIONS.register("tensors-not-used", "warning")
def _unused_tensors(checkpoint: Checkpoint, allow_missing_head: bool) -> Iterator[Draft]:
    weights = checkpoint.weights
    ignored = tuple(name for name in weights.ignored if not _of_cut_layer(checkpoint, name))
    if ignored and (weights.renaming is None or len(ignored) > weights.renaming.fitting):
        yield Draft(
            f"{counted(len(ignored), 'tensor')} of the checkpoint {_are(ignored)} not used by "
            f"this class: {_tensor_names(ignored)}",
            "Check that config.json belongs to these weights.",
        )


def _of_cut_layer(checkpoint: Checkpoint, name: str) -> bool:
    """Whether a tensor is of a layer that the configuration leaves out."""
    layer = re.search(r"\.encoder\.layer\.(\d{1,6})\.", f".{name}")
    return layer is not None and int(layer[1]) >= (checkpoint.layers or 0) > 0


@CHECKPOINT_QUESTIONS.register("harmless-tensors", "note")
def _harmless_tensors(checkpoint: Checkpoint, allow_missing_head: bool) -> Iterator[Draft]:
    if harmless := checkpoint.weights.harmless:
        yield Draft(
            f"{_tensor_names(harmless)} in the checkpoint {_are(harmless)} not used, and this "
            "class needs none of it"
        )


@CHECKPOINT_QUESTIONS.register("other-architecture", "note")
def _other_architecture(checkpoint: Checkpoint, allow_missing_head: bool) -> Iterator[Draft]:
    if saved := _saved_as(checkpoint):
        yield Draft(
            f"config.json names {saved}; what is inspected is {safe(checkpoint.architecture)}",
            f"Load it with {saved} for what that class returns.",
        )


@CHECKPOINT_QUESTIONS.register("settings-ignored", "warning")
def _settings_ignored(checkpoint: Checkpoint, allow_missing_head: bool) -> Iterator[Draft]:
    for setting in checkpoint.ignored_settings:
        yield Draft(
            f"config.json sets what this release of transformers leaves aside: {safe(setting)}",
            "Load it with the release that it was saved with: transformers_version in config.json.",
        )


@CHECKPOINT_QUESTIONS.register("labels-disagree", "warning")
def _labels_disagree(checkpoint: Checkpoint, allow_missing_head: bool) -> Iterator[Draft]:
    sources = checkpoint.label_sources
    if sources is None:
        return
    counts = {sources.num_labels, sources.id2label, sources.head_rows} - {None}
    distinct = None if sources.id2label is None else sources.id2label - _repeats(checkpoint)
    ids_differ = None not in (sources.label2id, distinct) and sources.label2id != distinct
    if len(counts) > 1 or ids_differ:
        taken = checkpoint.num_labels
        right = sources.head_rows or taken
        names = _some_names(checkpoint)
        yield Draft(
            f"{label_sources_in_words(sources)}: transformers takes {taken:,} ({names})",
            f"Give num_labels, id2label and label2id in config.json {counted(right, 'label')}.",
        )


def _repeats(checkpoint: Checkpoint) -> int:
    """How many names repeat an earlier one: label2id has one key for them."""
    return len(checkpoint.id2label) - len(set(checkpoint.id2label.values()))


def label_sources_in_words(sources: LabelSources) -> str:
    """`num_labels is 5, id2label has 2 names and the head in the file has 5 rows`."""
    parts = [
        f"num_labels is {sources.num_labels:,}" if sources.num_labels is not None else "",
        f"id2label has {counted(sources.id2label, 'name')}" if sources.id2label else "",
        f"label2id has {counted(sources.label2id, 'name')}" if sources.label2id else "",
        f"the head in the file has {counted(sources.head_rows, 'row')}"
        if sources.head_rows is not None
        else "",
    ]
    return listed([words for words in parts if words])


@CHECKPOINT_QUESTIONS.register("missing-label-names", "warning")
def _missing_names(checkpoint: Checkpoint, allow_missing_head: bool) -> Iterator[Draft]:
    if unnamed := checkpoint.unnamed_labels:
        shown = listed([f"id {label}" for label in unnamed], most=6)
        yield Draft(
            f"{shown} {'has' if len(unnamed) == 1 else 'have'} no label name: pipeline raises a "
            "KeyError or answers with a blank",
            "Name every id from 0 on in id2label of config.json.",
            slots=("logits",),
        )


@CHECKPOINT_QUESTIONS.register("duplicate-label-names", "warning")
def _duplicate_names(checkpoint: Checkpoint, allow_missing_head: bool) -> Iterator[Draft]:
    for name, labels in checkpoint.shared_names.items():
        ids = listed([f"id {label}" for label in labels], most=6)
        yield Draft(
            f"{ids} have the same label name, {safe(name, longest=40)}: a prediction does not "
            "tell which it is",
            "Give every id a name of its own in id2label and label2id of config.json.",
            slots=("logits",),
        )


def _random_words(weights: Weights) -> str:
    missing = weights.missing
    verb = _are(missing)
    return (
        f"{counted(len(missing), 'tensor')} {verb} not in the checkpoint and {verb} random "
        f"({_tensor_names(missing)})"
    )


def _are(names: tuple[str, ...]) -> str:
    return "is" if len(names) == 1 else "are"


def _tensor_names(names: tuple[str, ...]) -> str:
    return listed(names, most=5, show=partial(safe, longest=80))


def _some_names(checkpoint: Checkpoint) -> str:
    return listed(tuple(checkpoint.id2label.values()), most=4, show=partial(safe, longest=40))


@MAP_QUESTIONS.register("no-weights", "note")
def _without_weights(output_map: OutputMap) -> Iterator[Draft]:
    if output_map.setup.no_weights:
        lacks = output_map.checkpoint.weights.verdict == "no-weights"
        why = "the checkpoint has no weights" if lacks else "no weights were read"
        yield Draft(
            f"{why}: shapes and origins come from the configuration alone, and nothing "
            "that needs values was tested"
        )


@MAP_QUESTIONS.register("wrapper-removed", "note")
def _map_wrappers(output_map: OutputMap) -> Iterator[Draft]:
    yield from _wrappers_removed(output_map.wrappers)


def _wrappers_removed(wrappers: Sequence[str]) -> Iterator[Draft]:
    if wrappers:
        names = listed([safe(name, longest=80) for name in wrappers])
        yield Draft(
            f"{names} {'was' if len(wrappers) == 1 else 'were'} taken off: the classifier inside "
            "was inspected"
        )


@MAP_QUESTIONS.register("training-mode", "note")
def _training_mode(output_map: OutputMap) -> Iterator[Draft]:
    if output_map.setup.was_training:
        yield Draft(
            "the model is in training mode, and it was inspected in eval mode: in training mode "
            "dropout changes every output",
            "Call model.eval() before you use its outputs.",
        )


@MAP_QUESTIONS.register("quantised", "note")
def _quantised(output_map: OutputMap) -> Iterator[Draft]:
    if kinds := output_map.setup.quantised:
        yield Draft(
            f"the model is quantised ({listed(kinds, show=safe)}): claims that compute with the "
            "weights are not tested, and rows of one batch can share a scale"
        )


@MAP_QUESTIONS.register("placeholder-label-names", "note")
def _placeholder_labels(output_map: OutputMap) -> Iterator[Draft]:
    checkpoint = output_map.checkpoint
    if checkpoint.placeholder_labels and checkpoint.num_labels > 1:
        yield Draft(
            f"the labels have no names of their own, only {_some_names(checkpoint)}",
            "Set id2label and label2id in config.json.",
        )


@MAP_QUESTIONS.register("padding-left", "warning")
def _padding_left(output_map: OutputMap) -> Iterator[Draft]:
    batch = output_map.input
    padded = [row for row, start in enumerate(batch.row_starts) if start]
    if padded:
        first = "padding" if batch.tokens is None else safe(batch.tokens[padded[0]][0])
        where = f"position 0 of {counted(len(padded), 'row')} is {first}"
    elif batch.tokenizer is not None and batch.tokenizer.padding_side == "left":
        where = "in a batch, position 0 of the shorter rows is padding"
    else:
        return
    head = [proof.status for proof in output_map.proofs if proof.id == "logits-position"]
    read = ", and position 0 is all that the head reads" if head == ["proved"] else ""
    if batch.tokenizer is None:
        padder, hint = "the input is padded", "Pad on the right: the padding after the tokens."
    else:
        padder, hint = "the tokenizer pads", 'Set padding_side to "right" in tokenizer_config.json.'
    yield Draft(f"{padder} on the left: {where}{read}", hint)


@MAP_QUESTIONS.register("tokenizer-empty", "error")
def _tokenizer_empty(output_map: OutputMap) -> Iterator[Draft]:
    batch = output_map.input
    rows = [row for row, content in enumerate(batch.contents) if content == "special"]
    if rows and batch.tokenizer is not None and batch.tokens is not None:
        which = "every text" if len(rows) == len(batch.contents) else _row_words(rows)
        example = " ".join(batch.tokens[rows[0]])
        yield Draft(
            f"{which} became nothing but special tokens ({safe(example, longest=40)}): the "
            f"{safe(batch.tokenizer.cls)} knows {counted(batch.tokenizer.vocabulary, 'token')}",
            "Put the tokenizer's own files, such as tokenizer.json or its vocabulary, beside "
            "tokenizer_config.json.",
            slots=HEAD_SLOTS,
        )


@MAP_QUESTIONS.register("unknown-tokens", "warning")
def _unknown_tokens(output_map: OutputMap) -> Iterator[Draft]:
    batch = output_map.input
    rows = [row for row, content in enumerate(batch.contents) if content == "unknown"]
    if rows and batch.tokenizer is not None:
        which = "every text" if len(rows) == len(batch.contents) else _row_words(rows)
        yield Draft(
            f"{which} became nothing but {safe(batch.tokenizer.unknown_token)}: the "
            f"{safe(batch.tokenizer.cls)} knows none of its words",
            "Put the vocabulary that the model was trained with beside config.json, and name its "
            "class as tokenizer_class in tokenizer_config.json.",
            slots=HEAD_SLOTS,
        )


def _row_words(rows: list[int]) -> str:
    return f"{'row' if len(rows) == 1 else 'rows'} {listed(rows, most=6)}"


@MAP_QUESTIONS.register("pad-ids-differ", "warning")
def _pad_ids(output_map: OutputMap) -> Iterator[Draft]:
    tokenizer, expected = output_map.input.tokenizer, output_map.checkpoint.pad_token_id
    pads = None if tokenizer is None else tokenizer.pad_token_id
    if None not in (pads, expected) and pads != expected:
        yield Draft(
            f"the tokenizer pads with id {pads}, and pad_token_id in config.json is {expected}: "
            f"padding gets positions of its own, and the token with id {expected} gets the "
            "position of padding",
            f"Set pad_token_id to {pads} in config.json if the model was trained with this "
            "tokenizer; else take the tokenizer that it was trained with.",
        )


@MAP_QUESTIONS.register("vocabulary-too-large", "warning")
def _large_vocabulary(output_map: OutputMap) -> Iterator[Draft]:
    tokenizer, rows = output_map.input.tokenizer, output_map.checkpoint.vocab_size
    if tokenizer is not None and rows is not None and tokenizer.vocabulary > rows:
        added = tokenizer.added_tokens
        extra = f", {added:,} of them added" if added else ""
        yield Draft(
            f"the tokenizer knows {counted(tokenizer.vocabulary, 'token')}{extra}, and the table "
            f"of word embeddings has {counted(rows, 'row')} (vocab_size): the ids from {rows:,} on "
            "raise an IndexError",
            "Call model.resize_token_embeddings(len(tokenizer)), train the new rows and save the "
            "model again."
            if added
            else "Put the tokenizer that the model was trained with beside config.json.",
        )


@MAP_QUESTIONS.register("vocabulary-too-small", "warning")
def _small_vocabulary(output_map: OutputMap) -> Iterator[Draft]:
    tokenizer, rows = output_map.input.tokenizer, output_map.checkpoint.vocab_size
    if tokenizer is not None and rows is not None and tokenizer.vocabulary < rows // 2:
        yield Draft(
            f"the tokenizer knows {counted(tokenizer.vocabulary, 'token')}, and the table of word "
            f"embeddings has {counted(rows, 'row')} (vocab_size): most of it is never used",
            "Put the tokenizer that the model was trained with beside config.json, all its files.",
        )


@MAP_QUESTIONS.register("constant-logits", "warning")
def _constant_logits(output_map: OutputMap) -> Iterator[Draft]:
    if output_map.same_logits:
        rows = "text" if output_map.input.texts else "row"
        yield Draft(
            f"every {rows} has the same logits, although the {rows}s differ: the model does not "
            "look at its input",
            "Look for weights of zero, above all in the last LayerNorm, or train again with a "
            "smaller learning rate.",
            slots=HEAD_SLOTS,
        )


@MAP_QUESTIONS.register("labels-all-ignored", "warning")
def _labels_ignored(output_map: OutputMap) -> Iterator[Draft]:
    if _all_ignored(output_map):
        yield Draft(
            f"every label is {IGNORED}, which the loss leaves out: the loss is a mean of nothing",
            f"Give at least one row a label other than {IGNORED}.",
            slots=("loss",),
        )


def _all_ignored(output_map: OutputMap) -> bool:
    values = output_map.input.labels.values
    return isinstance(values, list) and bool(values) and set(map(str, values)) == {str(IGNORED)}


@MAP_QUESTIONS.register("one-label-per-row", "note")
def _one_label(output_map: OutputMap) -> Iterator[Draft]:
    checkpoint, values = output_map.checkpoint, output_map.input.labels.values
    rows = values if isinstance(values, list) else []
    several = checkpoint.problem_type == "multi_label_classification" and checkpoint.num_labels > 1
    if several and rows and all(sorted(row)[-1:] == [1] and sum(row) == 1 for row in rows):
        yield Draft(
            "multi-label: each row of labels is a row of 0 and 1 as floats, and every one here "
            'has a single 1; class ids would be problem_type "single_label_classification"',
            'If each text has one label, set "problem_type": "single_label_classification" in '
            "config.json.",
            slots=("loss",),
        )


@MAP_QUESTIONS.register("logits-per-token", "error")
def _logits_per_token(output_map: OutputMap) -> Iterator[Draft]:
    shape = _logits_shape(output_map)
    if _is_per_token(output_map):
        yield Draft(
            f"the classifier was applied to every position: its logits are of shape {shape}, and "
            "a sequence has one row of them",
            "Let it read position 0 alone: self.out(hidden_states[:, 0]), as "
            "RobertaClassificationHead does.",
            slots=HEAD_SLOTS,
        )


@MAP_QUESTIONS.register("head-width-differs", "error")
def _head_width(output_map: OutputMap) -> Iterator[Draft]:
    shape, labels = _logits_shape(output_map), output_map.checkpoint.num_labels
    if _is_other_width(output_map):
        yield Draft(
            f"the head returns {counted(shape[-1], 'number')} per row, and config.num_labels is "
            f"{labels:,}: no loss can be computed",
            f"Set model.config.num_labels = {shape[-1]} and model.num_labels = {shape[-1]}, or "
            f"give the last layer of the head {labels} rows.",
            slots=HEAD_SLOTS,
        )


def _logits_shape(output_map: OutputMap) -> tuple[int, ...]:
    slots = output_map.fullest_slots("logits")
    return (slots[0].shape or ()) if slots else ()


def _is_per_token(output_map: OutputMap) -> bool:
    shape, batch = _logits_shape(output_map), output_map.input
    return len(shape) == 3 and shape[:2] == (batch.batch_size, batch.sequence_length)


def _is_other_width(output_map: OutputMap) -> bool:
    shape = _logits_shape(output_map)
    return bool(shape) and shape[-1] != output_map.checkpoint.num_labels


@MAP_QUESTIONS.register("keyword-ignored", "warning")
def _ignored_keywords(output_map: OutputMap) -> Iterator[Draft]:
    for name, meant in output_map.input.ignored.items():
        yield Draft(
            f"forward has no keyword {safe(name, longest=80)}, which the batch holds: it was left "
            "out, as the model would ignore it or raise, depending on the release",
            f"Write {safe(meant)}." if meant else "Take it out of the batch.",
        )


@MAP_QUESTIONS.register("token-types-dropped", "warning")
def _dropped_token_types(output_map: OutputMap) -> Iterator[Draft]:
    batch = output_map.input
    if "token_type_ids" in batch.dropped:
        cls = safe(batch.tokenizer.cls) if batch.tokenizer else "the tokenizer"
        yield Draft(
            f"{cls} makes token_type_ids that this model has no rows for (type_vocab_size): it was "
            "called without them, and with them it raises",
            "Call the tokenizer with return_token_type_ids=False.",
        )


@MAP_QUESTIONS.register("call-failed", "error")
def _failed_calls(output_map: OutputMap) -> Iterator[Draft]:
    causes: dict[Failure, list[Call]] = {}
    explained = _is_per_token(output_map) or _is_other_width(output_map)
    for call in output_map.calls:
        if call.error and not (explained and call.labels):
            causes.setdefault(call.error, []).append(call)
    for error, calls in causes.items():
        yield Draft(
            f"{listed([call.words for call in calls])}: {_error_words(error, output_map.versions)}",
            "The other calls were made all the same."
            if len(calls) < len(output_map.calls)
            else "No call returned anything: nothing could be observed.",
        )


def _error_words(error: Failure, made_with: Versions) -> str:
    itself = f"by transformers {safe(made_with.transformers)} itself, in {safe(error.raised_in)}"
    where = itself if error.raised_in else "outside transformers"
    return f"{safe(error.type)}: {safe(error.message)} (raised {where})"


@MAP_QUESTIONS.register("not-deterministic", "error")
def _not_deterministic(output_map: OutputMap) -> Iterator[Draft]:
    if output_map.not_deterministic is not None:
        where = safe(output_map.not_deterministic or output_map.checkpoint.architecture)
        yield Draft(
            f"the same call on the same input gives other bits each time, from {where} on; "
            "nothing that compares calls was tested",
            "Look there for dropout that is left on, a random generator, or a state that drifts"
            + _kernels(output_map.setup.device),
        )


def _kernels(device: str) -> str:
    """The hint for an accelerator, whose kernels need not be deterministic."""
    if device == "cpu":
        return "."
    return (
        f"; the kernels of {safe(device)} may differ by themselves: try "
        "torch.use_deterministic_algorithms(True)."
    )


@MAP_QUESTIONS.register("input-edited", "warning")
def _input_edited(output_map: OutputMap) -> Iterator[Draft]:
    if edited := output_map.input.edited:
        yield Draft(
            f"forward writes into the {listed(edited, show=safe)} that it is given: whoever calls "
            "it has other tensors afterwards. It was given copies here",
            "Change a copy instead: tensor = tensor.clone() before it is written to.",
        )


@MAP_QUESTIONS.register("config-decides-outputs", "warning")
def _config_decides(output_map: OutputMap) -> Iterator[Draft]:
    configured = output_map.setup.configured
    moved = {
        name: value for name, value in configured.items() if value not in (USUAL.get(name), "null")
    }
    plain = next((call for call in output_map.plain if not call.labels and not call.error), None)
    if not moved or plain is None:
        return
    settings = listed([f"config.{name} is {safe(value)}" for name, value in moved.items()])
    names = listed([safe(slot.name) for slot in plain.positions])
    follows = []
    if "return_dict" in moved:
        follows.append("a tuple has no .logits")
    if len(plain.positions) > 1:
        follows.append("Trainer.predict hands over a tuple, and argmax of it raises")
    yield Draft(
        f"{settings}: model(**inputs) returns a {safe(plain.container)} of {names}; "
        + "; ".join(follows),
        "Pass the flags you mean, or take these fields out of config.json.",
    )


USUAL = {"return_dict": "true", "output_hidden_states": "false", "output_attentions": "false"}
"""The default of each flag, as JSON."""


@MAP_QUESTIONS.register("claim-refuted", "error")
def _claims_refuted(output_map: OutputMap) -> Iterator[Draft]:
    for proof in output_map.proofs_with("refuted"):
        yield Draft(
            f"{proof.slot}: not true here ({proof.id}): {proof.claim}; {proof.detail}",
            "The model does not do what its class documents: look at what was changed.",
            slots=(proof.slot,) if proof.slot in output_map.names else (),
        )


@MAP_QUESTIONS.register("claim-raised", "warning")
def _claims_raised(output_map: OutputMap) -> Iterator[Draft]:
    if raised := [proof.id for proof in output_map.proofs if proof.error is not None]:
        own = _is_per_token(output_map) or _is_other_width(output_map)
        yield Draft(
            f"testing {listed(raised)} raised an exception: see the proofs",
            "The head is not that of the class."
            if own
            else "This model is built in another way than the test expects; please report it.",
        )


@MAP_QUESTIONS.register("few-claims-tested", "warning")
def _few_tested(output_map: OutputMap) -> Iterator[Draft]:
    untested = output_map.proofs_with("not-tested")
    tested = len(output_map.proofs) - len(untested)
    if tested < len(untested) and not output_map.setup.no_weights:
        reason, count = Counter(proof.detail for proof in untested).most_common(1)[0]
        yield Draft(
            f"only {tested} of {counted(len(output_map.proofs), 'claim')} could be tested; of the "
            f"others {count:,} because {safe(reason)}",
            "Look at the proofs for the other reasons: this map says little about the model.",
        )


@MAP_QUESTIONS.register("not-finite", "error")
def _not_finite(output_map: OutputMap) -> Iterator[Draft]:
    slots = [slot for call in output_map.main_calls for slot in call.slots]
    if _all_ignored(output_map):
        slots = [slot for slot in slots if slot.name != "loss"]
    slots.sort(key=lambda slot: output_map.names.index(slot.name))
    places = dict.fromkeys(
        place for slot in slots for place in _not_finite_in(Place(slot=slot.name), slot)
    )
    if places:
        words = listed([place_words(place) for place in places], most=5)
        yield Draft(
            f"NaN or infinity in {words}",
            "Look for NaN in the weights and the labels; in float16, try "
            'dtype="float32", or --dtype float32.',
            slots=tuple(dict.fromkeys(place.slot for place in places)),
        )


def _not_finite_in(place: Place, holder: Slot | Item) -> Iterator[Place]:
    if holder.fingerprint is not None and not holder.fingerprint.finite:
        yield place
    for item in holder.items:
        yield from _not_finite_in(Place(slot=place.slot, item=(*place.item, item.index)), item)


def place_words(place: Place) -> str:
    """`hidden_states[2]`."""
    return safe(place.slot) + "".join(f"[{index}]" for index in place.item)


@MAP_QUESTIONS.register("tuple-differs-from-dict", "warning")
def _tuple_and_dict(output_map: OutputMap) -> Iterator[Draft]:
    named: set[str] = set()
    for labels in (False, True):
        as_dict = output_map.call(return_dict=True, labels=labels)
        as_tuple = output_map.call(return_dict=False, labels=labels)
        if as_dict.error or as_tuple.error:
            continue
        has, lacks = _filled_names(as_tuple), _filled_names(as_dict)
        for only, where in ((has - lacks, "tuple"), (lacks - has, "dict")):
            for name in sorted(only - named):
                named.add(name)
                yield Draft(
                    f"{safe(name)} is in the {where} that this release returns, and not "
                    f"in the {'dict' if where == 'tuple' else 'tuple'}",
                    "Reach outputs by name: outputs.logits.",
                )


def _filled_names(call: Call) -> set[str]:
    return {slot.name for slot in call.slots if slot.kind != "none"}


@MAP_QUESTIONS.register("unnamed-output", "warning")
def _unnamed_outputs(output_map: OutputMap) -> Iterator[Draft]:
    places = dict.fromkeys(
        slot.access for call in output_map.calls for slot in call.slots if slot.name == UNNAMED
    )
    if places:
        yield Draft(
            f"nothing explains what {listed(list(places))} of the tuple is",
            "Reach outputs by name, and look at what this model's forward adds.",
        )


@MAP_QUESTIONS.register("attentions-empty", "warning")
def _empty_attentions(output_map: OutputMap) -> Iterator[Draft]:
    calls = [call for call in output_map.calls if call.output_attentions and not call.error]
    empty = [call for call in calls if _holds_nothing(call.slot("attentions"))]
    if empty:
        how = "None" if _is_none(empty[0].slot("attentions")) else "()"
        used = safe(output_map.setup.attention)
        if used == "eager":
            architecture = safe(output_map.checkpoint.architecture)
            why = ", although attention is eager and output_attentions was passed"
            hint = f"Look at what the forward of {architecture} returns."
        else:
            why = f": under {used} attention no layer handed its weights back"
            hint = (
                'Load the model with attn_implementation="eager"; here: attention="eager", or '
                "--attention eager."
            )
        yield Draft(f"attentions are {how}{why}", hint)


def _holds_nothing(slot: Slot | None) -> bool:
    return _is_none(slot) or (slot is not None and slot.is_empty)


def _is_none(slot: Slot | None) -> bool:
    return slot is None or slot.kind == "none"


PIPELINE = {
    "regression": "the raw number",
    "single_label_classification": "softmax",
    "multi_label_classification": "sigmoid",
}
"""Problem type → what `pipeline` makes of the logits."""


@MAP_QUESTIONS.register("problem-type-written", "warning")
def _problem_type(output_map: OutputMap) -> Iterator[Draft]:
    written = [call.wrote_problem_type for call in output_map.calls if call.wrote_problem_type]
    if written:
        after = PIPELINE.get(written[0], "something else")
        before = "sigmoid" if output_map.checkpoint.num_labels == 1 else "softmax"
        change = f"{after}, as before" if before == after else f"{after} in place of {before}"
        yield Draft(
            f'a call with labels writes config.problem_type = "{safe(written[0])}", and it '
            "sticks: save_pretrained keeps it, labels of another kind are refused later, and a "
            f"later pipeline answers by it ({change}). Here it was put back",
            f'Set "problem_type": "{safe(written[0])}" in config.json.',
        )


@TREE_QUESTIONS.register("wrapper-removed", "note")
def _tree_wrappers(tree: ModuleTree, error: Failure | None) -> Iterator[Draft]:
    yield from _wrappers_removed(tree.wrappers)


@TREE_QUESTIONS.register("call-failed", "error")
def _tree_call_failed(tree: ModuleTree, error: Failure | None) -> Iterator[Draft]:
    if error is not None:
        yield Draft(
            "which slots a module feeds and what it returns is not known: the call failed: "
            f"{_error_words(error, tree.versions)}",
            "Make a call of your own that works, and see roberta-inspect run.",
        )


@CONSUMER_QUESTIONS.register("mislabelled-output", "error")
def _mislabelled(consumers: tuple[Consumer, ...]) -> Iterator[Draft]:
    for consumer in consumers:
        if wrong := [_mislabelled_words(part) for part in consumer.mislabelled]:
            names = consumer.suggested and ", ".join(consumer.suggested.output_names)
            yield Draft(
                f"{safe(consumer.title)}: {listed(wrong)}",
                f"Give one name for every output, in this order: output_names: {safe(names)}."
                if names
                else "Reach this output by what it is, not by its name.",
            )


def _mislabelled_words(part: Part) -> str:
    off = "" if part.name or part.difference is None else f" ({part.difference:.1e} away from it)"
    return f"the output called {safe(part.declared)} is {safe(part.identity)}{off}"


@CONSUMER_QUESTIONS.register("consumer-raised", "warning")
def _consumer_raised(consumers: tuple[Consumer, ...]) -> Iterator[Draft]:
    causes: dict[tuple[str, str], list[str]] = {}
    for consumer in consumers:
        if consumer.error is not None:
            cause = consumer.raised, "; ".join(consumer.notes)
            causes.setdefault(cause, []).append(consumer.title)
    for (raised, why), titles in causes.items():
        yield Draft(
            f"{'; '.join(map(safe, titles))} {'raises' if len(titles) == 1 else 'raise'} "
            f"{safe(raised)}",
            f"{why[:1].upper()}{why[1:]}." if why else None,
        )


@CONSUMER_QUESTIONS.register("predictions-are-a-tuple", "warning")
def _predictions_tuple(consumers: tuple[Consumer, ...]) -> Iterator[Draft]:
    tuples = [row for row in consumers if row.id == "trainer" and row.container == "tuple"]
    if tuples:
        slots = dict.fromkeys(part.name for row in tuples for part in row.parts if part.name)
        yield Draft(
            "predictions are a tuple as soon as the configuration asks for hidden states or "
            f"attentions ({', '.join(slots)}), and predictions.argmax(-1) raises",
            'Take predictions[0], or pass ignore_keys=["hidden_states", "attentions"] to '
            "Trainer.predict.",
        )


@CONSUMER_QUESTIONS.register("padding-in-hidden-states", "warning")
def _padding_in_hidden_states(consumers: tuple[Consumer, ...]) -> Iterator[Draft]:
    padded = [part for row in consumers for part in row.parts if part.padding is not None]
    if padded:
        yield Draft(
            f"with rows of unlike length hidden states hold {padded[0].padding} in the places "
            "where a row has no token",
            "Leave these places out before a mean or a norm is taken: use the attention mask.",
        )


@CONSUMER_QUESTIONS.register("empty-attentions-in-predictions", "warning")
def _empty_counts(consumers: tuple[Consumer, ...]) -> Iterator[Draft]:
    places = [
        part.access
        for row in consumers
        for part in row.parts
        if row.id == "trainer" and part.is_empty
    ]
    if places:
        yield Draft(
            f"{places[0]} is an empty tuple: this attention hands no weights back, and the slot "
            "counts all the same",
            'Load the model with attn_implementation="eager".',
        )


@CONSUMER_QUESTIONS.register("score-changes-after-labels", "warning")
def _other_function(consumers: tuple[Consumer, ...]) -> Iterator[Draft]:
    scored = [row for row in consumers if row.id == "pipeline" and row.parts]
    before = [row.parts[0] for row in scored if not row.after_labels][:1]
    after = [row.parts[0] for row in scored if row.after_labels]
    if before and after and before[0].function != after[0].function:
        yield Draft(
            f"the score of the same text is {_function(before[0])}, and after one call with labels "
            f"{_function(after[0])}: that call writes config.problem_type",
            "Set problem_type in config.json.",
        )


def _function(part: Part) -> str:
    words = {"softmax": "softmax of the logits", "sigmoid": "sigmoid of the logit"}
    return words.get(part.function or "", "the logit itself" if part.function else part.identity)


@CONSUMER_QUESTIONS.register("features-are-logits", "warning")
def _features_are_logits(consumers: tuple[Consumer, ...]) -> Iterator[Draft]:
    if any(row.id == "feature-extraction" and _is_logits(row.parts) for row in consumers):
        yield Draft(
            'pipeline("feature-extraction") returns the logits of this class, no features',
            "Load the base model for it: AutoModel.from_pretrained; or take hidden_states[-1].",
        )


def _is_logits(parts: tuple[Part, ...]) -> bool:
    return any(part.name == "logits" and part.function is None for part in parts)


@CONSUMER_QUESTIONS.register("pair-returns-a-dict", "note")
def _pair_returns_a_dict(consumers: tuple[Consumer, ...]) -> Iterator[Draft]:
    if any(row.id == "pipeline" and row.container == "dict" for row in consumers):
        yield Draft(
            'pipeline("text-classification") returns a dict for a pair, not a list of one dict',
            "Give a list with the pair in it.",
        )


@CONSUMER_QUESTIONS.register("exported-values-differ", "warning")
def _exported_values(consumers: tuple[Consumer, ...]) -> Iterator[Draft]:
    for consumer in consumers:
        off = [part for part in consumer.parts if part.is_off]
        if off:
            furthest = max(off, key=lambda part: part.difference or 0.0)
            yield Draft(
                f"{safe(consumer.title)}: {counted(len(off), 'output')} further from the model's "
                f"than rounding explains: {safe(furthest.identity)} by {furthest.difference:.1e}, "
                f"and rounding explains {furthest.tolerance:.1e}",
                "Quantisation does this, and so do other weights: export this checkpoint again.",
            )
