"""The header of a safetensors file, read and checked by hand: names, dtypes, shapes, offsets.

The format: https://huggingface.co/docs/safetensors (8 bytes with the header's length, little
endian; the header as JSON; the tensors' bytes without gaps).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from roberta_inspect.checkpoint import files
from roberta_inspect.errors import CannotInspectError
from roberta_inspect.text import safe, storage

Header = dict[str, tuple[str, tuple[int, ...]]]
"""Tensor name → its dtype as the format writes it (`F32`), and its shape."""

Shapes = Mapping[str, tuple[int, ...]]
"""Tensor name → shape, of every tensor that the class saves."""

BITS = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 64),
    **dict.fromkeys(("F32", "I32", "U32"), 32),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 16),
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0"), 8),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    "F4": 4,
}
"""Bits of one element, by the format's dtype names."""

TORCH_NAMES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
    "BOOL": "bool",
}
"""The format's dtype names → torch's."""

_MOST_AXES = 64
"""A torch tensor has no more."""


def read_header(path: Path) -> Header:
    """Names, dtypes and shapes in a safetensors file; no tensor is read.

    Raises:
        CannotInspectError: unreadable, truncated, overwritten, or not what the format allows.
    """
    size = files.size_of(path)
    files.check_pointer(path)
    if size < 8:
        raise _broken(path, f"it has {size} bytes and is not a safetensors file")
    length, rest = int.from_bytes(files.head_of(path, 8), "little"), size - 8
    if length > files.LARGEST_READ:
        raise _broken(
            path, f"its header claims to be {length:,} bytes long: it is not a safetensors file"
        )
    if length > rest:
        raise _broken(path, f"its header should be {length:,} bytes long, {rest:,} are there")
    tensors = files.parsed_object(files.head_of(path, length, start=8), f"the header of {path}")
    if not isinstance(tensors.pop("__metadata__", {}), dict):
        raise _broken(path, "its __metadata__ is not an object")
    for name, entry in tensors.items():
        _check_tensor(path, name, entry)
    _check_offsets(path, tensors, rest - length)
    return {name: (entry["dtype"], tuple(entry["shape"])) for name, entry in tensors.items()}


def _check_offsets(path: Path, tensors: dict[str, Any], size: int) -> None:
    """Together the tensors fill the file: no gap, no overlap, no rest."""
    end = 0
    for name, entry in sorted(tensors.items(), key=lambda pair: tuple(pair[1]["data_offsets"])):
        start, stop = entry["data_offsets"]
        if start != end:
            where = "overlaps the one before it" if start < end else "leaves a gap before it"
            raise _broken(path, f"tensor {safe(name)} {where}: it starts at {start}, not {end}")
        end = stop
    if end > size:
        raise _broken(path, f"it is truncated: {storage(size)} of {storage(end)} tensors are there")
    if end < size:
        raise _broken(path, f"{size - end:,} bytes at its end belong to no tensor")


def _check_tensor(path: Path, name: str, entry: Any) -> None:
    tensor = f"tensor {safe(name)}"
    if not isinstance(entry, dict) or not entry.keys() >= {"dtype", "shape", "data_offsets"}:
        raise _broken(path, f"{tensor} lacks its dtype, shape or data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in BITS:
        dtypes = ", ".join(sorted(BITS))
        raise _broken(path, f"{tensor} has dtype {safe(dtype)}, which is none of {dtypes}")
    if not _is_sizes(shape) or len(shape) > _MOST_AXES:
        raise _broken(path, f"{tensor} has shape {safe(shape)}")
    if not _is_sizes(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise _broken(path, f"{tensor} has data_offsets {safe(offsets)}")
    bits, held = math.prod(shape) * BITS[dtype], offsets[1] - offsets[0]
    if bits != held * 8:
        needs = f"of {dtype} {safe(tuple(shape))} takes {safe(bits // 8)} bytes"
        raise _broken(path, f"{tensor} {needs}, its data_offsets hold {held:,}")


def _is_sizes(value: Any) -> bool:
    whole = isinstance(value, list) and all(type(size) is int for size in value)
    return whole and all(0 <= size < 2**63 for size in value)


def _broken(path: Path, problem: str) -> CannotInspectError:
    return files.file_error(path, f"is broken: {problem}")
