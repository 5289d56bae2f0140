"""The JSON Schemas, and the JSON that they describe."""

from __future__ import annotations

import collections.abc
import json
import re
import types
import typing
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import samples
from hypothesis import given, settings
from hypothesis import strategies as st
from make_schema import FILES, FOLDER, text_of
from small_maps import BASE, made_map

from roberta_inspect import records
from roberta_inspect.api import report
from roberta_inspect.errors import CannotInspectError
from roberta_inspect.records import ModuleTree, Node, OutputMap, Place
from roberta_inspect.records.codec import decoded, encoded
from roberta_inspect.render import rendered
from roberta_inspect.text import safe

TREE = ModuleTree(
    versions=BASE.versions,
    checkpoint=BASE.checkpoint,
    attention="sdpa",
    root=Node(
        name="",
        path="",
        cls="RobertaForSequenceClassification",
        repr="RobertaForSequenceClassification",
        parameters=10,
        bytes=40,
        children=(
            Node(
                name="layer.0",
                path="roberta.encoder.layer.0",
                cls="RobertaLayer",
                repr="RobertaLayer",
                parameters=10,
                bytes=40,
                repeat=2,
                last="layer.1",
                feeds=(Place(slot="hidden_states", item=(1,)),),
                in_checkpoint=True,
            ),
        ),
    ),
)


def schema(name: str) -> dict[str, Any]:
    return dict(json.loads((FOLDER / name).read_text(encoding="utf-8")))


def messages(name: str, value: Any) -> list[str]:
    """The errors of the value by the schema."""
    errors = jsonschema.Draft202012Validator(schema(name)).iter_errors(value)
    return [error.message for error in errors]


SAMPLES = {name: sample for name, sample in vars(samples).items() if isinstance(sample, OutputMap)}


@pytest.mark.parametrize("name", FILES)
def test_the_schema_is_that_of_the_records(name: str, same_as_file: Any) -> None:
    same_as_file(text_of(name), FOLDER / name)


@pytest.mark.parametrize("name", FILES)
def test_the_schema_is_a_schema(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema(name))


@pytest.mark.parametrize(("name", "product"), [("map.json", BASE), ("tree.json", TREE)])
def test_what_is_written_is_valid(name: str, product: OutputMap | ModuleTree) -> None:
    assert messages(name, json.loads(product.to_json())) == []


@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_map_is_valid_and_survives_json(name: str) -> None:
    sample = SAMPLES[name]
    assert messages("map.json", sample.to_dict()) == []
    assert OutputMap.from_json(sample.to_json()) == sample


def test_a_written_comparison_is_valid() -> None:
    written = json.loads(rendered(report(BASE, made_map("logits")), "json"))
    assert len(written["differences"]) > 1
    assert messages("diff.json", written) == []


@pytest.mark.parametrize(
    ("where", "value", "sentence"),
    [
        ((), ("later", 1), "Additional properties are not allowed ('later' was unexpected)"),
        ((), ("schema", 1), "2 was expected"),
        (("setup",), ("mode", "test"), "'test' is not one of ['eval', 'train']"),
        (("calls", 0), ("labels", 1), "1 is not of type 'boolean'"),
        (
            ("calls", 0, "slots", 1),
            ("shape", "3"),
            "'3' is not valid under any of the given schemas",
        ),
    ],
)
def test_what_is_not_a_map_is_not_valid(
    where: tuple[Any, ...], value: tuple[str, Any], sentence: str
) -> None:
    values = BASE.to_dict()
    inside: Any = values
    for step in where:
        inside = inside[step]
    inside[value[0]] = value[1]
    assert messages("map.json", values) == [sentence]


def test_a_missing_field_is_not_valid() -> None:
    values = BASE.to_dict()
    del values["input"]
    assert messages("map.json", values) == ["'input' is a required property"]


def every_record() -> list[Any]:
    named = (getattr(records, name) for name in dir(records))
    return [record for record in named if isinstance(record, type) and is_dataclass(record)]


@pytest.mark.parametrize("record", every_record(), ids=lambda record: record.__name__)
def test_every_record_is_in_a_schema_with_all_its_fields(record: Any) -> None:
    definitions: dict[str, Any] = {}
    for name in FILES:
        definitions |= schema(name)["$defs"]
    keys = [str(field.metadata.get("key", field.name)) for field in fields(record)]
    assert definitions[record.__name__]["required"] == keys


@pytest.mark.parametrize("product", [BASE, TREE], ids=["map", "tree"])
def test_records_survive_json(product: OutputMap | ModuleTree) -> None:
    assert decoded(type(product), json.loads(product.to_json())) == product


def test_the_number_of_the_schema_comes_first() -> None:
    assert [next(iter(product.to_dict())) for product in (BASE, TREE)] == ["schema", "schema"]


PLAIN = {
    str: st.text(max_size=5),
    int: st.integers(),
    bool: st.booleans(),
    float: st.floats(allow_nan=False, allow_infinity=False),
    type(None): st.none(),
    Any: st.lists(st.integers() | st.lists(st.integers(), max_size=2), max_size=2),
}


@st.composite
def drawn_record(draw: st.DrawFn, record: Any, depth: int = 0) -> Any:
    """A record with every field drawn by its type. Records are nested up to four deep."""
    kinds = typing.get_type_hints(record)
    return record(
        **{field.name: draw(of_kind(kinds[field.name], depth)) for field in fields(record)}
    )


def of_kind(kind: Any, depth: int) -> st.SearchStrategy[Any]:
    """Values of one field's type."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return st.one_of([of_kind(argument, depth) for argument in arguments])
    if origin is typing.Literal:
        return st.sampled_from(arguments)
    if origin is tuple:
        most = 2 if depth < 4 else 0
        return st.lists(of_kind(arguments[0], depth + 1), max_size=most).map(tuple)
    if origin is collections.abc.Mapping:
        return st.dictionaries(st.text(max_size=3), of_kind(arguments[1], depth), max_size=2)
    if is_dataclass(kind):
        return st.deferred(lambda: drawn_record(kind, depth + 1))
    return PLAIN[kind]


@settings(max_examples=40)
@pytest.mark.parametrize("record", every_record(), ids=lambda record: record.__name__)
@given(data=st.data())
def test_any_record_survives_json(record: Any, data: st.DataObject) -> None:
    drawn = data.draw(drawn_record(record))
    text = json.dumps(encoded(drawn), allow_nan=False)
    assert decoded(record, json.loads(text)) == drawn


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inside: (
        st.lists(inside, max_size=2) | st.dictionaries(st.text(max_size=3), inside, max_size=2)
    ),
    max_leaves=4,
)


@settings(max_examples=200)
@given(data=st.data())
def test_a_map_with_anything_in_one_place_is_a_map_or_refused(data: st.DataObject) -> None:
    whole = BASE.to_dict()
    inside: Any = whole
    while True:
        key = data.draw(
            st.sampled_from(sorted(inside) if isinstance(inside, dict) else range(len(inside)))
        )
        if not isinstance(inside[key], dict | list) or not inside[key] or data.draw(st.booleans()):
            break
        inside = inside[key]
    inside[key] = data.draw(JSON)
    outcome = map_or_refusal(json.dumps(whole))
    if isinstance(outcome, CannotInspectError):
        assert outcome.message == safe(outcome.message, longest=len(outcome.message))
    else:
        assert OutputMap.from_json(outcome.to_json()) == outcome


def map_or_refusal(text: str) -> OutputMap | CannotInspectError:
    try:
        return OutputMap.from_json(text)
    except CannotInspectError as error:
        return error


def properties(name: str) -> set[str]:
    return {
        key for definition in schema(name)["$defs"].values() for key in definition["properties"]
    }


@pytest.mark.parametrize("name", FILES)
def test_the_page_names_every_field(name: str) -> None:
    page = Path(__file__).parents[2] / "docs" / "json.md"
    assert properties(name) - set(re.findall(r"`(\w+)`", page.read_text(encoding="utf-8"))) == set()
