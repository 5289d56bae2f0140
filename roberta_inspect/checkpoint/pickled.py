"""The tensors that a `pytorch_model.bin` names: unpickled without executing anything in it."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import torch

from roberta_inspect import releases
from roberta_inspect.checkpoint import files
from roberta_inspect.checkpoint.header import TORCH_NAMES, Header
from roberta_inspect.checkpoint.renaming import flattened
from roberta_inspect.text import safe


def read_pickled_header(path: Path) -> Header:
    """Names, dtypes and shapes in a file that `torch.save` wrote; no tensor is read.

    `weights_only` allows tensors and plain containers; any other object is refused unexecuted.

    Raises:
        CannotInspectError: unreadable, not of that form, or holding anything but tensors.
    """
    if not releases.unpickles_safely():
        raise files.fault(
            path,
            f"is a pickle, and torch {torch.__version__} can be made to execute one "
            "(CVE-2025-32434)",
            hint="Update torch to 2.6 or later, or save the checkpoint as safetensors.",
        )
    files.check_pointer(path)
    with files.told(f"{safe(path)} cannot be read as a torch file", hint=files.AGAIN):
        mapped = _is_archive(path)
        try:
            state = torch.load(path, map_location="meta", weights_only=True, mmap=mapped)
        except pickle.UnpicklingError as error:
            raise files.fault(
                path,
                "holds more than tensors, or is broken; nothing in it was executed",
                hint="Take a safetensors file of this checkpoint; a pickle can run any code.",
            ) from error
    if not isinstance(state, dict) or not all(isinstance(name, str) for name in state):
        raise files.fault(path, f"holds {safe(type(state).__name__)}, not tensors by name")
    names = {getattr(torch, name): short for short, name in TORCH_NAMES.items()}
    return {
        name: (names.get(value.dtype, str(value.dtype)), tuple(value.shape))
        for name, value in flattened(state).items()
        if isinstance(value, torch.Tensor)
    }


def _is_archive(path: Path) -> bool:
    """Whether it is today's form, a zip file, and not that of torch before 1.6, a bare pickle."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        for record in archive.infolist():
            large = record.filename.endswith(".pkl") and record.file_size > files.LARGEST
            if large or record.compress_type != zipfile.ZIP_STORED:
                name = safe(record.filename)
                raise files.fault(
                    path, f"holds {name} compressed or too large: it may be made to fill the memory"
                )
    return True
