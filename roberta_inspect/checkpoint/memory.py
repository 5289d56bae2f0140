"""Whether a model fits into memory, from its layout alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from torch import nn

from roberta_inspect.checkpoint.files import file_error
from roberta_inspect.text import storage

MOST_LAYERS = 400
"""Layers that are tried: a whole run takes some 90 milliseconds for each. RoBERTa-large has 24."""

LAYER_OVERHEAD = 100_000
"""Bytes of Python objects per layer; 50,000 were measured, the same on several releases."""

CGROUP = Path("/sys/fs/cgroup")


def check_layers(directory: Path, config: Any) -> None:
    """Refuse more layers than can be laid out, even without values.

    Raises:
        CannotInspectError: how many there are, and how many are tried.
    """
    layers = config.num_hidden_layers
    if layers > MOST_LAYERS:
        raise file_error(
            directory / "config.json",
            f"asks for {layers:,} layers, more than the {MOST_LAYERS} that can be laid out",
            hint="Check num_hidden_layers in config.json.",
        )


def check_memory(directory: Path, laid_out: nn.Module, *, element_bytes: int) -> None:
    """Refuse a model that cannot fit; `element_bytes` is 0 for a model without values.

    Raises:
        CannotInspectError: what it needs, and what there is.
    """
    count = sum(parameter.numel() for parameter in laid_out.parameters())
    layers = laid_out.config.num_hidden_layers
    needed, free = count * element_bytes + layers * LAYER_OVERHEAD, available()
    sizes = f"{count:,} parameters in {layers:,} layers"
    path, hint = directory / "config.json", "Check the sizes in config.json"
    if free is not None and needed > free:
        raise file_error(
            path,
            f"asks for {storage(needed)} of memory ({sizes}), and {storage(free)} are free",
            hint=f"{hint}; if they are right, use no_weights=True or a machine with more memory.",
        )
    if count >= 2**60:
        raise file_error(path, f"asks for {sizes}, more than can be laid out", hint=f"{hint}.")


def available() -> int | None:
    """Bytes that a process may still take; `None` where the system does not say."""
    sizes = [size for size in (_of_machine(), _of_container()) if size is not None]
    return min(sizes, default=None)


def _of_machine() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return _physical()
    kilobytes = {line.partition(":")[0]: line.split()[1] for line in lines if len(line.split()) > 1}
    return int(kilobytes["MemAvailable"]) * 1024 if "MemAvailable" in kilobytes else _physical()


def _physical() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def _of_container() -> int | None:
    """What a control group leaves of its limit; its page cache can be given back."""
    for folder, limit_name, used_name, cache in (
        (CGROUP, "memory.max", "memory.current", "inactive_file"),
        (
            CGROUP / "memory",
            *("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ),
    ):
        try:
            limit = (folder / limit_name).read_text(encoding="ascii").strip()
            taken = int((folder / used_name).read_text(encoding="ascii"))
            words = (folder / "memory.stat").read_text(encoding="ascii").split()
        except OSError:
            continue
        idle = int(dict(zip(words[::2], words[1::2], strict=True)).get(cache, "0"))
        return None if limit == "max" else max(0, int(limit) - taken + idle)
    return None
