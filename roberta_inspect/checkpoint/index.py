"""The index of a sharded checkpoint: which file holds which tensor."""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath

from roberta_inspect.checkpoint import files
from roberta_inspect.errors import CannotInspectError
from roberta_inspect.text import safe


def read_index(path: Path) -> dict[str, str]:
    """Tensor name → the name of its shard, a file beside the index.

    Raises:
        CannotInspectError: unreadable, no `weight_map`, or a shard outside the directory.
    """
    weight_map = files.json_object(path).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise CannotInspectError(
            f"{safe(path)} has no weight_map of tensor names and files.", hint=files.ANOTHER
        )
    for name, shard in weight_map.items():
        if not isinstance(shard, str) or not _is_plain(shard):
            raise CannotInspectError(
                f"{safe(path)} puts tensor {safe(name)} into {safe(shard)}, "
                "which is no file of this directory.",
                hint=files.ANOTHER,
            )
    return weight_map


def shards(path: Path) -> list[Path]:
    """The shards that an index names, sorted; every one is there.

    Raises:
        CannotInspectError: as `read_index`, or a shard is missing.
    """
    found = [path.parent / name for name in sorted(set(read_index(path).values()))]
    for shard in found:
        if not files.present(shard):
            raise CannotInspectError(
                f"{safe(path)} names the shard {safe(shard.name)}, which is not there.",
                hint="Download the missing shard, or save the checkpoint again.",
            )
    return found


def _is_plain(name: str) -> bool:
    return (
        name not in ("", ".", "..")
        and "\0" not in name
        and PurePosixPath(name).name == name
        and PureWindowsPath(name).name == name
    )
