"""A batch in a file: the tensors of a `.safetensors`, or the lists of a `.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from roberta_inspect.checkpoint import files
from roberta_inspect.checkpoint.header import read_header
from roberta_inspect.errors import UsageError
from roberta_inspect.text import safe

ENDINGS = (".safetensors", ".json")


def read_batch(path: Path) -> dict[str, Any]:
    """Keyword of `forward` → tensor or lists.

    Raises:
        UsageError: the name has another ending.
        CannotInspectError: no such file, unreadable, or not what its ending says.
    """
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise UsageError(
            f"inputs={safe(path)} is neither a .safetensors nor a .json file",
            hint="Save the batch with safetensors.torch.save_file, or as JSON lists.",
        )
    if ending == ".json":
        return files.json_object(path)
    read_header(path)
    from safetensors.torch import load_file

    with files.errors_as(f"{safe(path)} cannot be read", hint="Save the batch again."):
        return dict(load_file(path))
