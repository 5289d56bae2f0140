"""The index of a sharded checkpoint: which file holds which tensor."""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath

from roberta_inspect.checkpoint.files import file_error, json_object, present
from roberta_inspect.text import safe


def read_index(path: Path) -> dict[str, str]:
    """Tensor name → the name of its shard, a file beside the index.

    Raises:
        CannotInspectError: unreadable, no `weight_map`, or a shard outside the directory.
    """
    weight_map = json_object(path).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise file_error(path, "has no weight_map of tensor names and files")
    for name, shard in weight_map.items():
        if not isinstance(shard, str) or not _is_plain(shard):
            where = f"puts tensor {safe(name)} into {safe(shard)}"
            raise file_error(path, f"{where}, which is not a file of this directory")
    return weight_map


def shards(path: Path) -> tuple[Path, ...]:
    """The shards that an index names, sorted; every one is there.

    Raises:
        CannotInspectError: as `read_index`, or a shard is missing.
    """
    paths = tuple(path.parent / name for name in sorted(set(read_index(path).values())))
    for shard in paths:
        if not present(shard):
            raise file_error(path, f"names the shard {safe(shard.name)}, which is not there")
    return paths


def _is_plain(name: str) -> bool:
    is_name = PurePosixPath(name).name == PureWindowsPath(name).name == name
    return is_name and name not in ("", ".", "..") and "\0" not in name
