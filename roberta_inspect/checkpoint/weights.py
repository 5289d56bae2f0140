"""The verdict on the weights: which tensors of the class the files hold, by name and shape."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from roberta_inspect.checkpoint import files
from roberta_inspect.checkpoint.header import Header, read_header
from roberta_inspect.checkpoint.index import read_index, shards
from roberta_inspect.errors import CannotInspectError
from roberta_inspect.records import Verdict, Weights
from roberta_inspect.text import counted, listed, safe

Shapes = Mapping[str, tuple[int, ...]]
"""Tensor name → shape, of every tensor that the class saves."""

_ROWS = {
    "word_embeddings": "vocab_size",
    "position_embeddings": "max_position_embeddings",
    "token_type_embeddings": "type_vocab_size",
    "out_proj": "num_labels",
}
"""Module → the field of the configuration that sets its rows."""

_LEGACY = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}
"""Endings in files of the first releases → today's; `from_pretrained` renames them too."""


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


def outline(directory: Path) -> tuple[Header | None, tuple[str, ...]]:
    """Names, dtypes and shapes in the directory's weight files, and the files' names.

    The header is `None` where there is no weight file.

    Raises:
        CannotInspectError: a file is broken, or two shards hold the same tensor.
    """
    found = weight_files(directory)
    if not found:
        return None, ()
    merged: Header = {}
    for path in found:
        header = read_header(path) if path.suffix == ".safetensors" else _pickled(path)
        for name in merged.keys() & header.keys():
            raise files.fault(path, f"holds tensor {safe(name)}, which another shard holds too")
        merged |= header
    form = files.weight_form(directory) or ""
    if form.endswith(".json"):
        _check_index(directory / form, merged)
    return merged, tuple(path.name for path in found)


def named_for_the_class(header: Header, shapes: Shapes, base: str) -> Header:
    """`header` under the names of the class, where the files use others for the same tensors.

    A base model's file lacks the prefix `base`; the first releases named LayerNorms otherwise.
    """
    prefix = "" if any(name.startswith(f"{base}.") for name in header) else f"{base}."
    renamed: Header = {}
    for name, value in header.items():
        ending = ".".join(name.rsplit(".", 2)[-2:])
        modern = name[: len(name) - len(ending)] + _LEGACY[ending] if ending in _LEGACY else name
        wanted = next((each for each in (modern, prefix + modern) if each in shapes), name)
        renamed[wanted if wanted not in renamed else name] = value
    return renamed


def verdict_of(header: Header, shapes: Shapes, base: str, names: Iterable[str]) -> Weights:
    """What the files called `names` hold of a class with `shapes`; `header` has its names."""
    missing = tuple(name for name in shapes if name not in header)
    return Weights(
        verdict=_verdict(missing, shapes, base),
        files=tuple(names),
        loaded=len(shapes) - len(missing),
        missing=missing,
        unexpected=tuple(sorted(name for name in header if name not in shapes)),
    )


def check_shapes(
    directory: Path, header: Header, shapes: Shapes, config: Mapping[str, Any]
) -> None:
    """Refuse a file whose tensors are not of the configured shapes.

    Raises:
        CannotInspectError: the first such tensor, both sizes, and the field that decides.
    """
    wrong = [name for name in shapes if name in header and header[name][1] != shapes[name]]
    if not wrong:
        return
    name, wanted, given = wrong[0], shapes[wrong[0]], header[wrong[0]][1]
    field, other = _field(name, wanted, given, config)
    asks = (
        f"config.json asks for {field} {config[field]:,}, the file has {other:,}"
        if field
        else f"{safe(given)} in the file, {safe(wanted)} by config.json"
    )
    rest = f", like {counted(len(wrong) - 1, 'other')}" if len(wrong) > 1 else ""
    mend = "id2label" if field == "num_labels" else field or "the sizes"
    raise files.fault(
        directory,
        f"holds tensor {name} in another shape than configured{rest}: {asks}",
        hint=f"Correct {mend} in config.json, or take the weights that belong to it.",
    )


def check_agreement(report: Iterable[str], weights: Weights, base: str) -> None:
    """The loading report's missing tensors are those that the file's header lacks.

    Where a file has no name with the prefix `base`, older releases report without it.

    Raises:
        CannotInspectError: they are not: one of the two is wrong, so no verdict is given.
    """
    seen = set(weights.missing)
    told = {f"{base}.{name}" if f"{base}.{name}" in seen else name for name in report}
    if told != seen:
        differing = listed(sorted(told ^ seen), most=4, show=safe)
        named = listed(weights.files, most=3, show=safe)
        raise CannotInspectError(
            f"transformers' loading report and the names in {named} disagree about {differing}",
            hint="Run it with another release of transformers, and report this disagreement.",
        )


def _verdict(missing: tuple[str, ...], shapes: Shapes, base: str) -> Verdict:
    if not missing:
        return "complete"
    if len(missing) == len(shapes):
        return "nothing-from-checkpoint"
    if any(name.startswith(f"{base}.") for name in missing):
        return "encoder-not-in-checkpoint"
    return "head-not-in-checkpoint"


def _field(
    name: str, wanted: tuple[int, ...], given: tuple[int, ...], config: Mapping[str, Any]
) -> tuple[str | None, int]:
    """The field behind the first size that differs, if one is; and the file's size there."""
    if len(wanted) != len(given):
        return None, 0
    axis = next(axis for axis, size in enumerate(wanted) if size != given[axis])
    rows = next((field for module, field in _ROWS.items() if f".{module}." in name), None)
    candidates = [rows] if axis == 0 and rows else ["hidden_size", "intermediate_size"]
    found = (field for field in candidates if config[field] == wanted[axis])
    return next(found, None), given[axis]


def _check_index(path: Path, header: Header) -> None:
    for name, shard in read_index(path).items():
        if name not in header:
            raise files.fault(path, f"puts tensor {safe(name)} into {safe(shard)}, which lacks it")


def _pickled(path: Path) -> Header:
    from roberta_inspect.checkpoint.pickled import read_pickled_header

    return read_pickled_header(path)
