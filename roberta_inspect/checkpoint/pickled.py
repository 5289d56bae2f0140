"""The tensors that a `pytorch_model.bin` names, read without torch and without calling anything.

What passes here, `from_pretrained` may read: its records are as large as they say, and its pickle
calls nothing but what rebuilds tensors.
"""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch

from roberta_inspect import releases
from roberta_inspect.checkpoint import files, opcodes
from roberta_inspect.checkpoint.header import BITS, TORCH_NAMES, Header
from roberta_inspect.checkpoint.opcodes import ForeignPickleError, Storage, StoredTensor
from roberta_inspect.checkpoint.renaming import flattened
from roberta_inspect.errors import CannotInspectError
from roberta_inspect.text import safe, storage

LARGEST_PICKLE = 4 * 2**20
"""Bytes of a pickle that are read: room for 25,000 tensors. Each byte can ask for an object."""

LARGEST_RECORD = 2**12
"""Bytes of a record that is neither the pickle nor a tensor, such as `version`."""

MAGIC = 0x1950A86A20F9469CFC6C
"""The first pickle in a file of torch before 1.6."""

STORAGES = {
    "DoubleStorage": "F64",
    "FloatStorage": "F32",
    "HalfStorage": "F16",
    "BFloat16Storage": "BF16",
    "ComplexFloatStorage": "C64",
    "LongStorage": "I64",
    "IntStorage": "I32",
    "ShortStorage": "I16",
    "CharStorage": "I8",
    "ByteStorage": "U8",
    "UntypedStorage": "U8",
    "BoolStorage": "BOOL",
}
"""The storage classes of torch → the dtypes of safetensors."""


def read_pickled_header(path: Path) -> Header:
    """Names, dtypes and shapes in a file that `torch.save` wrote; no tensor is read.

    Raises:
        CannotInspectError: unreadable, not of that form, or holding anything but tensors.
    """
    state = read_pickle(path)
    return {
        name: (_dtype(path, value), value.shape)
        for name, value in flattened(state).items()
        if isinstance(value, StoredTensor)
    }


def read_pickle(path: Path) -> dict[str, Any]:
    """What a file that `torch.save` wrote holds by name: `StoredTensor`, numbers, strings and plain
    containers of these.

    Raises:
        CannotInspectError: unreadable, not of that form, or more than a state dict needs.
    """
    if not releases.unpickles_safely():
        raise files.file_error(
            path,
            f"is a pickle, and torch {torch.__version__} can be made to execute one "
            "(CVE-2025-32434)",
            hint="Update torch to 2.6 or later, or save the checkpoint as safetensors.",
        )
    files.check_pointer(path)
    with files.errors_as(f"{safe(path)} cannot be read as a torch file", hint=files.AGAIN):
        try:
            is_archive = files.head_of(path, 4) == b"PK\x03\x04"  # as torch decides
            state = _from_archive(path) if is_archive else _from_bare_pickles(path)
        except ForeignPickleError as error:
            raise files.file_error(
                path,
                f"holds {error}, which no state dict needs; nothing in it was executed",
                hint="Take a safetensors file of this checkpoint; a pickle can run any code.",
            ) from error
    if not isinstance(state, dict) or not all(isinstance(name, str) for name in state):
        raise files.file_error(path, f"holds {safe(type(state).__name__)}, not tensors by name")
    return state


def _from_archive(path: Path) -> Any:
    """The current form: a zip file with the pickle, and each storage in a record of its own."""
    with zipfile.ZipFile(path) as archive:
        records = {record.filename.lower(): record for record in archive.infolist()}
        folder = archive.infolist()[0].filename.partition("/")[0]
        if len(records) < len(archive.infolist()) or archive.comment:
            raise _unlike_torch(path, "a record twice or a comment")
        for record in records.values():
            _check_record(path, record, folder)
        content = archive.read(f"{folder}/data.pkl")
    state = opcodes.read(io.BytesIO(content))
    for stored in _storages(state):
        holder = records.get(f"{folder}/data/{stored.key}".lower())
        if holder is None or holder.file_size < _bytes(path, stored):
            raise _unlike_torch(path, f"storage {safe(stored.key)} larger than its record")
    return state


def _check_record(path: Path, record: zipfile.ZipInfo, folder: str) -> None:
    """Refuse a record that is compressed, too large, or of another size than it says."""
    name = record.filename.removeprefix(f"{folder}/")
    is_pickle, is_tensor = name == "data.pkl", name.startswith("data/")
    largest = LARGEST_PICKLE if is_pickle else LARGEST_RECORD
    large = not is_tensor and record.file_size > largest
    if large or record.compress_type != zipfile.ZIP_STORED:
        raise files.file_error(
            path,
            f"holds {safe(record.filename)} compressed or too large: it may be made to fill the "
            "memory",
        )
    end = record.header_offset + record.compress_size
    if record.compress_size != record.file_size or end > files.size_of(path):
        raise _unlike_torch(path, f"{safe(record.filename)} of another size than it has")


def _from_bare_pickles(path: Path) -> Any:
    """The form of torch before 1.6: five pickles, then the storages. Torch tries a tar file first,
    which it would unpack."""
    if tarfile.is_tarfile(path):
        raise _unlike_torch(path, "a tar file")
    opened = io.BytesIO(files.head_of(path, LARGEST_PICKLE))
    if opcodes.read(opened) != MAGIC:
        raise ForeignPickleError("another pickle than torch writes")
    opcodes.read(opened)  # the protocol's version
    opcodes.read(opened)  # the machine that wrote it
    state = opcodes.read(opened)
    opcodes.read(opened)  # the order of the storages
    sizes = {stored.key: _bytes(path, stored) for stored in _storages(state)}
    if sum(sizes.values()) > files.size_of(path):
        raise files.file_error(
            path,
            f"is truncated: {storage(sum(sizes.values()))} of tensors should be there, the file "
            f"has {storage(files.size_of(path))}",
        )
    return state


def _storages(state: Any) -> Iterator[Storage]:
    """The storage of every tensor in nested containers; each container is visited once."""
    visited: set[int] = set()
    waiting: list[Any] = [state]
    while waiting:
        value = waiting.pop()
        if isinstance(value, StoredTensor):
            yield value.storage
        elif isinstance(value, dict | list | tuple) and id(value) not in visited:
            visited.add(id(value))
            inner: Iterable[Any] = value.values() if isinstance(value, dict) else value
            waiting.extend(inner)


def _bytes(path: Path, stored: Storage) -> int:
    return stored.elements * BITS[_storage_dtype(path, stored)] // 8


def _storage_dtype(path: Path, stored: Storage) -> str:
    if stored.kind not in STORAGES:
        raise _unlike_torch(path, f"a {safe(stored.kind)}")
    return STORAGES[stored.kind]


def _dtype(path: Path, tensor: StoredTensor) -> str:
    if tensor.dtype is None:
        return _storage_dtype(path, tensor.storage)
    names = {name: short for short, name in TORCH_NAMES.items()}
    return names.get(tensor.dtype, tensor.dtype)


def _unlike_torch(path: Path, content: str) -> CannotInspectError:
    return files.file_error(
        path, f"holds {content}, which torch.save does not write for a state dict"
    )
