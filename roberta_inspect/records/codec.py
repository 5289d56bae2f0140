"""Records to JSON values and back, from the records' own fields and types."""

from __future__ import annotations

import collections.abc
import functools
import json
import sys
import types
import typing
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, TypeVar

from roberta_inspect.text import safe

Record = TypeVar("Record")


class ForeignValueError(ValueError):
    """A JSON value that does not fit the record. The message says where it is."""


def encoded(value: Any) -> Any:
    """A record as dicts, lists, strings, numbers and `None`; tuples become lists."""
    if is_dataclass(value) and not isinstance(value, type):
        pairs = {_json_key(field): encoded(getattr(value, field.name)) for field in fields(value)}
        return {"schema": pairs.pop("schema"), **pairs} if "schema" in pairs else pairs
    if isinstance(value, collections.abc.Mapping):
        return {str(key): encoded(element) for key, element in value.items()}
    if isinstance(value, tuple | list):
        return [encoded(element) for element in value]
    return value


def json_text(record: Any) -> str:
    """A record as JSON text, ending in a newline."""
    return json.dumps(encoded(record), indent=1, ensure_ascii=True, allow_nan=False) + "\n"


def parsed(text: str) -> Any:
    """The JSON value in `text`.

    Raises:
        ValueError: it is not JSON, holds NaN or infinity, or is nested too deeply.
    """
    try:
        return json.loads(text, parse_constant=refuse_constant)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def decoded(cls: type[Record], value: Any, where: str = "map") -> Record:
    """The record of class `cls` that `encoded` turned into `value`.

    Keys that the record does not have are ignored, because a later release may have added them.

    Raises:
        ForeignValueError: a field is missing or of another type.
    """
    return typing.cast(Record, _decoded(cls, value, where))


def _decoded(kind: Any, value: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        return _decoded(next(kind for kind in arguments if kind is not type(None)), value, where)
    if origin is typing.Literal:
        return _expect(value in arguments, value, where, f"one of {', '.join(map(str, arguments))}")
    if origin is tuple:
        _expect(isinstance(value, list), value, where, "a list")
        return tuple(
            _decoded(arguments[0], element, f"{where}[{i}]") for i, element in enumerate(value)
        )
    if origin is collections.abc.Mapping:
        _expect(isinstance(value, dict), value, where, "an object")
        return {
            key: _decoded(arguments[1], element, f"{where}.{key}") for key, element in value.items()
        }
    if is_dataclass(kind):
        _expect(isinstance(value, dict), value, where, "an object")
        return _record(kind, value, where)
    if kind is float:
        number = isinstance(value, float | int) and not isinstance(value, bool)
        # Not every JSON number fits a float: 1e999 is read as infinity, 10**400 as an int.
        finite = number and abs(value) <= sys.float_info.max
        return float(_expect(finite, value, where, "a number"))
    is_right = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    return _expect(is_right, value, where, kind.__name__)


def _record(cls: Any, value: dict[str, Any], where: str) -> Any:
    kinds = _kinds(cls)
    values = {}
    for field in fields(cls):
        key = _json_key(field)
        if key in value:
            values[field.name] = _decoded(kinds[field.name], value[key], f"{where}.{key}")
        elif field.default is MISSING and field.default_factory is MISSING:
            raise ForeignValueError(f"{where}.{key} is missing")
    return cls(**values)


@functools.cache
def _kinds(cls: Any) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _json_key(field: Field[Any]) -> str:
    return str(field.metadata.get("key", field.name))


def _expect(is_right: bool, value: Any, where: str, expected: str) -> Any:
    if not is_right:
        raise ForeignValueError(f"{where} should be {expected}, is {safe(value, longest=40)}")
    return value


def refuse_constant(name: str) -> Any:
    """Refuse NaN and infinity, which Python's `json` reads and JSON does not have."""
    raise ValueError(f"{name} is not a JSON number")
