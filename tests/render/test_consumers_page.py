"""How who gets what is shown, in every format."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
import small_consumers as rows
from small_maps import BASE

import roberta_inspect
from roberta_inspect.records import Consumer, ConsumerReport, Failure, Part
from roberta_inspect.render import formats_of, rendered

SCHEMA = Path(roberta_inspect.__file__).parent / "records" / "schema" / "consumers.json"

REPORT = rows.report(
    rows.PIPELINE, rows.TUPLE, replace(rows.MISSING, title="x"), rows.RAISED, rows.GRAPH
)

PAGE = """\
pipeline
  pipeline("text-classification")(text)
    returns list[dict]
    [0]["score"]  is softmax(logits)[good]

trainer
  Trainer.predict with everything
    returns tuple
    predictions[0]         is logits                (2, 3)
    predictions[1][0 … 2]  is hidden_states[0 … 2]  (2, 16, 8)
    predictions[2]         is ()                    holds nothing, and takes an
                                                    index
  x
    not called
    accelerate is missing

jit-trace
  torch.jit.trace(model)
    raises RuntimeError: no dict
    a trace cannot hold a dict

onnx
  model.onnx
    returns list[ndarray]
    outputs[0] "logits"         is logits            (2, 3)
    outputs[1] "hidden_states"  is hidden_states[0]  (2, 16, 8)
    outputs[2] "attentions"     is hidden_states[1]  (2, 16, 8), not what its
                                                     name says
    outputs[3] "x"              is hidden_states[2]  (2, 16, 8)
    output_names=["logits", "hidden_states_0", "hidden_states_1",
    "hidden_states_2"]
    dynamic_shapes={"input_ids": {0: "batch_size", 1: "sequence_length"}}
"""


def test_the_page_is_one_block_for_each_consumer() -> None:
    assert PAGE in rendered(REPORT, "table", width=80)


def test_the_last_line_counts_and_names_the_errors() -> None:
    last = rendered(REPORT, "table", width=100).splitlines()[-1]
    counts = "3 called · 1 raised · 1 not installed · 3 warnings"
    assert last == f"✗ 1 error: mislabelled-output · {counts}"


@pytest.mark.parametrize("name", formats_of("consumers"))
def test_every_format_tells_the_sentence_that_matters(name: str) -> None:
    text = rendered(REPORT, name).replace("&#160;", " ").replace("\\_", "_").replace("\\[", "[")
    assert "mislabelled-output" in text
    assert "hidden_states[1]" in text.replace("\\]", "]")


def test_what_is_written_is_valid() -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    written = json.loads(rendered(REPORT, "json"))
    assert list(jsonschema.Draft202012Validator(schema).iter_errors(written)) == []
    assert next(iter(written)) == "schema"
    assert written["consumers"][0]["parts"][0]["is"] == "softmax(logits)[good]"


@pytest.mark.parametrize(
    ("consumers", "sign"),
    [
        ([rows.MISSING], "!"),
        ([rows.MISSING, rows.RAISED], "!"),
        ([rows.MISSING, rows.PREDICT], "✓"),
        ([rows.MISSING, rows.GRAPH], "✗"),
    ],
)
def test_a_tick_needs_a_consumer_that_returned_something(
    consumers: list[Consumer], sign: str
) -> None:
    report = rows.report(*consumers)
    assert rendered(report, "table").splitlines()[-1].startswith(f"{sign} ")
    assert rendered(report, "github").splitlines()[-1].startswith(f"{sign} ")
    assert rendered(report, "markdown").startswith(f"## {sign} ")
    assert f"<b>{sign} </b>" in rendered(report, "html")


def test_a_map_shows_its_rows_too() -> None:
    output_map = replace(BASE, consumers=(rows.TUPLE,))
    for name in ("table", "markdown"):
        assert "Trainer.predict with everything" in rendered(output_map, name)
        assert "Trainer.predict with everything" not in rendered(BASE, name)


def test_what_a_checkpoint_brings_is_harmless() -> None:
    evil = "\x1b[2J[/]<script>|`"
    part = Part(access=evil, declared=evil, name=evil, identity=evil, label=evil, shape=(1,))
    row = Consumer(
        id="onnx",
        title=evil,
        status="called",
        container=evil,
        parts=(part, replace(part, access="numbers[1]")),
        suggested=rows.GRAPH.suggested and replace(rows.GRAPH.suggested, output_names=(evil,)),
        notes=(evil,),
    )
    broken = Consumer(
        id="x", title=evil, status="raised", error=Failure(type=evil, message=evil), notes=(evil,)
    )
    report: ConsumerReport = rows.report(row, broken)
    for name in formats_of("consumers"):
        text = rendered(report, name)
        assert "\x1b[2J" not in text
        if name == "markdown":  # what stands between backticks is code
            text = re.sub(r"(`+) .+? \1", "", text)
        if name in ("html", "svg", "markdown"):
            assert "<script>" not in text


def test_parts_beyond_a_screen_are_counted() -> None:
    parts = tuple(
        Part(access=f"a{index}", name="logits", identity="logits", shape=(index,))
        for index in range(30)
    )
    assert "and 18 more lines" in rendered(rows.report(replace(rows.PREDICT, parts=parts)), "table")


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("no", "E: no"),
        ("no\nand more", "E: no"),
        ("failed:\nno module\nand more", "E: failed: no module"),
        ("of Output(logits=tensor([[1.5]]))", "E: of Output(logits=…"),
        ("", "E: "),
    ],
)
def test_what_was_raised_is_one_line(message: str, shown: str) -> None:
    assert replace(rows.RAISED, error=Failure(type="E", message=message)).raised == shown
