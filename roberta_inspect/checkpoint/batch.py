"""A batch in a file: the tensors of a `.safetensors`, or the lists of a `.json`."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from roberta_inspect.checkpoint import files
from roberta_inspect.checkpoint.header import read_header
from roberta_inspect.errors import CannotInspectError, UsageError
from roberta_inspect.text import safe

SAVED_BY = {
    ".safetensors": "Save the batch again with safetensors.torch.save_file.",
    ".json": 'Save the batch as one JSON object, such as {"input_ids": [[0, 31, 2]]}.',
}
"""Ending of a batch's file → how to make one that can be read."""


def read_batch(path: Path) -> dict[str, Any]:
    """Keyword of `forward` → tensor or lists.

    Raises:
        UsageError: the name has another ending.
        CannotInspectError: no such file, unreadable, or not what its ending says.
    """
    ending = path.suffix.lower()
    if ending not in SAVED_BY:
        raise UsageError(
            f"inputs={safe(path)} is neither a .safetensors nor a .json file",
            hint="Save the batch with safetensors.torch.save_file, or as JSON lists.",
        )
    if not files.present(path):
        raise files.file_error(path, "does not exist", hint="Check the path that inputs= names.")
    try:
        return files.json_object(path) if ending == ".json" else _tensors(path)
    except CannotInspectError as error:
        hint = SAVED_BY[ending] if error.hint == files.AGAIN else error.hint
        raise CannotInspectError(error.message, hint=hint) from error


def _tensors(path: Path) -> dict[str, Any]:
    read_header(path)
    from safetensors.torch import load_file

    with files.errors_as(f"{safe(path)} cannot be read", hint=files.AGAIN):
        return dict(load_file(path))


def is_batch(path: Path) -> bool:
    """Whether a file looks like a batch: it can be read, and has ids or embeddings."""
    with suppress(CannotInspectError):
        is_json = path.suffix.lower() == ".json"
        names = files.json_object(path) if is_json else read_header(path)
        return not names.keys().isdisjoint({"input_ids", "inputs_embeds"})
    return False
