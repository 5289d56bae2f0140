"""The verdict on the weights: which tensors of the class the files hold, by name and shape."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from roberta_inspect import releases
from roberta_inspect.checkpoint import files
from roberta_inspect.checkpoint.header import Header, Shapes, read_header
from roberta_inspect.checkpoint.index import read_index, shards
from roberta_inspect.checkpoint.renaming import NESTED, renaming_for
from roberta_inspect.errors import CannotInspectError
from roberta_inspect.findings import label_sources_in_words
from roberta_inspect.records import LabelSources, Renaming, Verdict, Weights
from roberta_inspect.text import counted, listed, safe

_ROWS = {
    "word_embeddings": "vocab_size",
    "position_embeddings": "max_position_embeddings",
    "token_type_embeddings": "type_vocab_size",
    "out_proj": "num_labels",
}
"""Module → the field of the configuration that sets its rows."""

_LEGACY = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}
"""Endings in files of the first releases → current ones; `from_pretrained` renames them too."""


def weight_files(directory: Path) -> tuple[Path, ...]:
    """The files that hold tensors, in the form that `from_pretrained` picks; `()` for none.

    Raises:
        CannotInspectError: an index that cannot be read or names what is not there.
    """
    form = files.weight_form(directory)
    if form is None:
        return ()
    path = directory / form
    return shards(path) if path.suffix == ".json" else (path,)


def read_headers(directory: Path) -> tuple[Header | None, tuple[str, ...]]:
    """Names, dtypes and shapes in the directory's weight files, and the files' names.

    The header is `None` where there is no weight file.

    Raises:
        CannotInspectError: a file is broken, or two shards hold the same tensor.
    """
    paths = weight_files(directory)
    if not paths:
        return None, ()
    header: Header = {}
    for path in paths:
        shard = read_header(path) if path.suffix == ".safetensors" else _pickled(path)
        for name in header.keys() & shard.keys():
            raise files.file_error(
                path, f"holds tensor {safe(name)}, which another shard holds too"
            )
        header |= shard
    form = files.weight_form(directory) or ""
    if form.endswith(".json"):
        _check_index(directory / form, header)
    return header, tuple(path.name for path in paths)


def named_for_the_class(header: Header, shapes: Shapes, base: str) -> Header:
    """`header` under the names of the class, for the other names that transformers accepts.

    A base model's file lacks the prefix `base`, a model saved inside another may have it twice;
    the first releases had other names for LayerNorms.
    """
    one_by_one = releases.renames_every_name()
    adds = one_by_one or not any(name.startswith(f"{base}.") for name in header)
    renamed: Header = {}
    for name, value in header.items():
        ending = ".".join(name.rsplit(".", 2)[-2:])
        modern = name[: len(name) - len(ending)] + _LEGACY[ending] if ending in _LEGACY else name
        candidates = [modern, *([f"{base}.{modern}"] if adds else [])]
        candidates += [modern.removeprefix(f"{base}.")] if one_by_one else []
        new = next((candidate for candidate in candidates if candidate in shapes), name)
        renamed[new if new not in renamed else name] = value
    return renamed


def verdict_of(header: Header, shapes: Shapes, base: str, names: Iterable[str]) -> Weights:
    """What the files called `names` hold of a class with `shapes`; `header` has its names."""
    files = tuple(names)
    missing = tuple(name for name in shapes if name not in header)
    return Weights(
        verdict=_verdict(missing, shapes, base),
        files=files,
        loaded=len(shapes) - len(missing),
        missing=missing,
        unexpected=tuple(sorted(name for name in header if name not in shapes)),
        renaming=renaming_for(header, shapes, files),
    )


def check_shapes(
    directory: Path,
    header: Header,
    shapes: Shapes,
    config: Mapping[str, Any],
    labels: LabelSources,
) -> None:
    """Refuse a file whose tensors are not of the configured shapes.

    Raises:
        CannotInspectError: the first such tensor, both sizes, and the field that decides.
    """
    wrong = [name for name in shapes if name in header and header[name][1] != shapes[name]]
    if not wrong:
        return
    name, expected, actual = wrong[0], shapes[wrong[0]], header[wrong[0]][1]
    field, size = _deciding_field(name, expected, actual, config)
    if field == "num_labels":
        raise _label_count_error(directory, config[field], labels, config["id2label"])
    asks = (
        f"config.json asks for {field} {config[field]:,}, the file has {size:,}"
        if field
        else f"{safe(actual)} in the file, {safe(expected)} by config.json"
    )
    rest = f", like {counted(len(wrong) - 1, 'other')}" if len(wrong) > 1 else ""
    mend = field or "the sizes"
    raise files.file_error(
        directory,
        f"holds tensor {name} in another shape than configured{rest}: {asks}",
        hint=f"Correct {mend} in config.json, or take the weights that belong to it.",
    )


def check_nested(directory: Path, weights: Weights) -> None:
    """Refuse a pickle that holds its tensors in a dictionary in it: transformers reads none.

    Raises:
        CannotInspectError: where they are, and how to save them.
    """
    if weights.renaming is not None and any(NESTED in name for name in weights.unexpected):
        raise names_error(directory, weights, weights.renaming)


def names_error(directory: Path, weights: Weights, renaming: Renaming) -> CannotInspectError:
    """The error for files whose names keep transformers from loading them at all."""
    code = renaming.code.replace("\n", "; ") if len(weights.files) == 1 else renaming.code
    paths = listed([directory / name for name in weights.files], most=3, show=safe)
    return files.file_error(
        paths,
        f"goes by other names: {renaming.rule}, and {renaming.fitting:,} of the "
        f"{len(weights.missing):,} missing tensors fit, in shape too",
        hint=f"Save it right, in its directory: {code}",
    )


def reconcile(
    report: Iterable[str], weights: Weights, names: Collection[str], base: str
) -> Weights:
    """The verdict, given the missing tensors of transformers' loading report: what it loaded under
    names that are unknown here counts as loaded. `names` are those of the class.

    Where a file has no name with the prefix `base`, older releases report without it.

    Raises:
        CannotInspectError: the file's header has a tensor that the report calls missing, or the
            file has nothing that a loaded one could be: one of the two is wrong.
    """
    unnamed = set(weights.missing)
    reported = {f"{base}.{name}" if f"{base}.{name}" in unnamed else name for name in report}
    if reported == unnamed:
        return weights
    loaded = unnamed - reported
    ends = {_last_two(name) for name in weights.unexpected}
    unexplained = (reported - unnamed) | {name for name in loaded if _last_two(name) not in ends}
    if unexplained:
        differing = listed(sorted(unexplained), most=4, show=safe)
        named = listed(weights.files, most=3, show=safe)
        raise CannotInspectError(
            f"transformers' loading report and the names in {named} disagree about {differing}",
            hint="Run it with another release of transformers, and report this disagreement.",
        )
    missing = tuple(name for name in weights.missing if name in reported)
    return replace(
        weights,
        verdict=_verdict(missing, names, base),
        loaded=len(names) - len(missing),
        missing=missing,
        unexpected=tuple(
            name
            for name in weights.unexpected
            if _last_two(name) not in set(map(_last_two, loaded))
        ),
        renaming=None,
    )


def _last_two(name: str) -> str:
    return ".".join(name.split(".")[-2:])


def _verdict(missing: tuple[str, ...], names: Collection[str], base: str) -> Verdict:
    if not missing:
        return "complete"
    if len(missing) == len(names):
        return "nothing-from-checkpoint"
    if any(name.startswith(f"{base}.") for name in missing):
        return "encoder-not-in-checkpoint"
    return "head-not-in-checkpoint"


def _deciding_field(
    name: str, expected: tuple[int, ...], actual: tuple[int, ...], config: Mapping[str, Any]
) -> tuple[str | None, int]:
    """The field behind the first size that differs, if one is; and the file's size there."""
    if len(expected) != len(actual):
        return None, 0
    axis = next(axis for axis, size in enumerate(expected) if size != actual[axis])
    rows = next((field for module, field in _ROWS.items() if f".{module}." in name), None)
    candidates = [rows] if axis == 0 and rows else ["hidden_size", "intermediate_size"]
    fields = (field for field in candidates if config[field] == expected[axis])
    return next(fields, None), actual[axis]


def _label_count_error(
    directory: Path, taken: int, sources: LabelSources, names: Mapping[Any, Any]
) -> CannotInspectError:
    """The error for a head with another number of rows than transformers makes of config.json."""
    rows = sources.head_rows or 0
    unnamed = [number for number in range(rows) if number not in names]
    if len(names) == taken and max(names, default=0) >= taken and unnamed:
        lacks = f"id2label has no name for id {listed(unnamed, most=6)}"
        hint = f"Give id {listed(unnamed, most=6)} a name in id2label of config.json."
    else:
        lacks = None
        hint = f"Give id2label and label2id in config.json {counted(rows, 'name')}, or take the "
        hint += "weights that belong to it."
    taken_words = f"{label_sources_in_words(sources)}: transformers takes {taken:,}"
    return files.file_error(
        directory / "config.json",
        f"does not fit the head: {taken_words}{f'; {lacks}' if lacks else ''}",
        hint=hint,
    )


def _check_index(path: Path, header: Header) -> None:
    for name, shard in read_index(path).items():
        if name not in header:
            raise files.file_error(
                path, f"puts tensor {safe(name)} into {safe(shard)}, which lacks it"
            )


def _pickled(path: Path) -> Header:
    from roberta_inspect.checkpoint.pickled import read_pickled_header

    return read_pickled_header(path)
