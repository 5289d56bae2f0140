"""Shows what every index of a `RobertaForSequenceClassification` output is, and proves it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from roberta_inspect.version import __version__

if TYPE_CHECKING:
    from roberta_inspect.api import consumers, diff, inspect, module_tree
    from roberta_inspect.differences import Difference
    from roberta_inspect.errors import CannotInspectError, CheckError, InspectError, UsageError
    from roberta_inspect.records import ConsumerReport, ModuleTree, OutputMap

_HOME = {
    "CannotInspectError": "errors",
    "CheckError": "errors",
    "ConsumerReport": "records",
    "Difference": "differences",
    "InspectError": "errors",
    "ModuleTree": "records",
    "OutputMap": "records",
    "UsageError": "errors",
    "consumers": "api",
    "diff": "api",
    "inspect": "api",
    "module_tree": "api",
}
"""Public name → the module it lives in; imported on first use, so that `--help` needs no torch."""

__all__ = [
    "CannotInspectError",
    "CheckError",
    "ConsumerReport",
    "Difference",
    "InspectError",
    "ModuleTree",
    "OutputMap",
    "UsageError",
    "__version__",
    "consumers",
    "diff",
    "inspect",
    "module_tree",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
