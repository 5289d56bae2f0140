"""The tensors that a `pytorch_model.bin` names: unpickled without executing anything in it."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import torch

from roberta_inspect import releases
from roberta_inspect.checkpoint import files
from roberta_inspect.checkpoint.header import Header
from roberta_inspect.errors import CannotInspectError
from roberta_inspect.text import safe

DTYPE_NAMES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
"""torch's dtypes → the names that safetensors has for them."""


def read_pickled_header(path: Path) -> Header:
    """Names, dtypes and shapes in a file that `torch.save` wrote; no tensor is read.

    `weights_only` allows tensors and plain containers; any other object is refused unexecuted.

    Raises:
        CannotInspectError: unreadable, not of that form, or holding anything but tensors.
    """
    if not releases.unpickles_safely():
        raise CannotInspectError(
            f"{safe(path)} is a pickle, and torch {torch.__version__} can be made to execute one "
            "(CVE-2025-32434).",
            hint="Update torch to 2.6 or later, or save the checkpoint as safetensors.",
        )
    size = files.size_of(path)
    files.check_pointer(path)
    try:
        mapped = _is_archive(path)
        state = torch.load(path, map_location="meta", weights_only=True, mmap=mapped)
    except CannotInspectError:
        raise
    except pickle.UnpicklingError as error:
        raise CannotInspectError(
            f"{safe(path)} holds more than tensors, or is broken; nothing in it was executed.",
            hint="Take a safetensors file of this checkpoint; a pickle can run any code.",
        ) from error
    # What damaged bytes make the reader raise is open-ended.
    except Exception as error:
        raise CannotInspectError(
            f"{safe(path)} ({size:,} bytes) cannot be read as a torch file: {safe(error)}.",
            hint=files.ANOTHER,
        ) from error
    if not isinstance(state, dict) or not all(isinstance(name, str) for name in state):
        raise CannotInspectError(
            f"{safe(path)} holds {safe(type(state).__name__)}, not tensors by name.",
            hint="Save model.state_dict(), or use save_pretrained.",
        )
    return {
        name: (DTYPE_NAMES.get(value.dtype, str(value.dtype)), tuple(value.shape))
        for name, value in state.items()
        if isinstance(value, torch.Tensor)
    }


def _is_archive(path: Path) -> bool:
    """Whether it is today's form, a zip file, and not that of torch before 1.6, a bare pickle."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        for record in archive.infolist():
            packed = record.compress_type != zipfile.ZIP_STORED
            if packed or (record.filename.endswith(".pkl") and record.file_size > files.LARGEST):
                raise CannotInspectError(
                    f"{safe(path)} holds {safe(record.filename)} compressed or larger than a "
                    "state dict's names are: it may be made to fill the memory.",
                    hint=files.ANOTHER,
                )
    return True
