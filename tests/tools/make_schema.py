"""The JSON Schemas of the package, made from the records."""

from __future__ import annotations

import ast
import collections.abc
import inspect
import json
import textwrap
import types
import typing
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import roberta_inspect
from roberta_inspect.differences import Report
from roberta_inspect.records import SCHEMA, ConsumerReport, ModuleTree, OutputMap

FOLDER = Path(roberta_inspect.__file__).parent / "records" / "schema"
FILES = {
    "map.json": OutputMap,
    "tree.json": ModuleTree,
    "diff.json": Report,
    "consumers.json": ConsumerReport,
}
TITLES = {
    "map.json": "What roberta-inspect run --format json writes",
    "tree.json": "What roberta-inspect tree --format json writes",
    "diff.json": "What roberta-inspect diff --format json writes",
    "consumers.json": "What roberta-inspect consumers --format json writes",
}
PLAIN = {str: "string", int: "integer", bool: "boolean", float: "number"}
ROW = {"anyOf": [{"type": "number"}, {"type": "array", "items": {"type": "number"}}]}
LABELS = {"anyOf": [{"type": "number"}, {"type": "array", "items": ROW}]}
NUMBERS = {"type": "array"}
"""Fields of the records whose types say nothing: `Labels.values`, and each of `Input.values`."""


def schema_of(name: str) -> dict[str, Any]:
    """The JSON Schema of one file: every field of the records required, no other allowed."""
    definitions: dict[str, Any] = {}
    reference = _schema(FILES[name], definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": TITLES[name],
        **reference,
        "$defs": dict(sorted(definitions.items())),
    }


def _schema(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        kinds = [_schema(argument, definitions) for argument in arguments]
        if all(list(argument) == ["type"] for argument in kinds):
            return {"type": [argument["type"] for argument in kinds]}
        return {"anyOf": kinds}
    if kind is type(None):
        return {"type": "null"}
    if origin is typing.Literal:
        return {"enum": list(arguments)}
    if origin is tuple:
        return {"type": "array", "items": _schema(arguments[0], definitions)}
    if origin is collections.abc.Mapping:
        return {"type": "object", "additionalProperties": _schema(arguments[1], definitions)}
    if is_dataclass(kind):
        if kind.__name__ not in definitions:
            definitions[kind.__name__] = {}
            definitions[kind.__name__] = _object(kind, definitions)
        return {"$ref": f"#/$defs/{kind.__name__}"}
    return NUMBERS if kind is Any else {"type": PLAIN[kind]}


def _object(record: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    kinds = typing.get_type_hints(record)
    docs = _field_docs(record)
    properties = {}
    for field in fields(record):
        key = str(field.metadata.get("key", field.name))
        properties[key] = _field(record, field.name, kinds[field.name], definitions)
        if field.name in docs:
            properties[key] = {"description": docs[field.name], **properties[key]}
    return {
        "description": inspect.cleandoc(record.__doc__ or "").split("\n\n")[0],
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _field(record: Any, name: str, kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    if name == "schema":
        return {"const": SCHEMA}
    if kind is Any:
        assert (record.__name__, name) == ("Labels", "values"), f"{record.__name__}.{name} is Any"
        return LABELS
    return _schema(kind, definitions)


def _field_docs(record: Any) -> dict[str, str]:
    """The sentence below each field in the source."""
    body = ast.parse(textwrap.dedent(inspect.getsource(record))).body[0]
    assert isinstance(body, ast.ClassDef)
    return {
        above.target.id: _in_json_words(str(below.value.value))
        for above, below in zip(body.body, body.body[1:], strict=False)
        if isinstance(above, ast.AnnAssign)
        and isinstance(above.target, ast.Name)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
    }


def _in_json_words(text: str) -> str:
    return inspect.cleandoc(text).replace("\n", " ").replace("`None`", "`null`")


def text_of(name: str) -> str:
    """The file's text."""
    return json.dumps(schema_of(name), indent=1, ensure_ascii=True) + "\n"
