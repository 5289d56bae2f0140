"""Every consumer is called, and its row in the table says what it returned."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest
import torch
from makers import make_checkpoint, seeded, tiny_config, tiny_model
from transformers import XLMRobertaConfig, XLMRobertaForSequenceClassification

import roberta_inspect
from roberta_inspect import ConsumerReport
from roberta_inspect.consumer import CONSUMER_IDS
from roberta_inspect.records import Consumer

H = "config.output_hidden_states=True"
A = "config.output_attentions=True"
CLASSIFY = 'pipeline("text-classification")'

LOGITS = [("predictions", "logits")]
STATES = [("predictions[0]", "logits")] + [
    (f"predictions[1][{index}]", f"hidden_states[{index}]") for index in range(3)
]
PADDED = [STATES[0], *((access, f"{words}, padded with -100") for access, words in STATES[1:])]
NO_ATTENTIONS = [("predictions[2]", "()")]
ATTENTIONS = [(f"predictions[2][{index}]", f"attentions[{index}]") for index in range(2)]


@functools.cache
def rows(name: str, attention: str | None = None) -> dict[str, Consumer]:
    """Title → row of one consumer on the demo. `None` means the default attention."""
    report = roberta_inspect.consumers(only=[name], attention=attention)
    return {row.title: row for row in report.consumers}


def held(row: Consumer) -> list[tuple[str, str]]:
    return [(part.access, part.identity) for part in row.parts]


@pytest.mark.newest
@pytest.mark.parametrize(
    ("title", "container", "parts"),
    [
        ("(text)", "list[dict]", [('[0]["score"]', "softmax(logits)[positive]")]),
        (
            "([text, …])",
            "list[dict]",
            [
                ('[0]["score"]', "softmax(logits)[positive]"),
                ('[1]["score"]', "softmax(logits)[negative]"),
            ],
        ),
        ("(text, top_k=1)", "list[dict]", [('[0]["score"]', "softmax(logits)[positive]")]),
        (
            "(text, top_k=None)",
            "list[dict]",
            [
                ('[0]["score"]', "softmax(logits)[positive]"),
                ('[1]["score"]', "softmax(logits)[negative]"),
                ('[2]["score"]', "softmax(logits)[neutral]"),
            ],
        ),
        (
            "([text, …], top_k=1)",
            "list[list[dict]]",
            [
                ('[0][0]["score"]', "softmax(logits)[positive]"),
                ('[1][0]["score"]', "softmax(logits)[negative]"),
            ],
        ),
        ('({"text": …, "text_pair": …})', "dict", [('["score"]', "softmax(logits)[negative]")]),
    ],
)
def test_the_pipeline_gives_a_list_a_list_of_lists_or_a_dict(
    title: str, container: str, parts: list[tuple[str, str]]
) -> None:
    row = rows("pipeline")[f"{CLASSIFY}{title}"]
    assert (row.container, held(row)) == (container, parts)


@pytest.mark.newest  # earlier releases raise too, some of them another exception
def test_the_pipeline_raises_where_the_model_returns_a_tuple() -> None:
    row = rows("pipeline")[f"{CLASSIFY}(text), config.return_dict=False"]
    assert (row.status, row.error and row.error.type) == ("raised", "TypeError")
    assert row.notes[0].startswith('the pipeline asks for outputs["logits"]')


@pytest.mark.newest
def test_two_labels_of_one_name_are_told_apart(tmp_path: Path) -> None:
    model = tiny_model(id2label={0: "x", 1: "x", 2: "good"}, label2id={"x": 1, "good": 2})
    folder = make_checkpoint(tmp_path, model, tokenizer=True)
    report = roberta_inspect.consumers(folder, texts=["abc"], only=["pipeline"])
    row = next(row for row in report.consumers if "top_k=None" in row.title)
    assert sorted((part.identity, part.label) for part in row.parts) == [
        ("softmax(logits)[good]", "good"),
        ("softmax(logits)[x (id:0)]", "x"),
        ("softmax(logits)[x (id:1)]", "x"),
    ]


def test_without_a_tokenizer_one_warning_says_so(tmp_path: Path) -> None:
    report = roberta_inspect.consumers(
        make_checkpoint(tmp_path), only=["pipeline", "feature-extraction"]
    )
    assert {row.status for row in report.consumers} == {"raised"}
    (finding,) = report.findings
    assert finding.hint == (
        "There is no tokenizer beside this model; save one with it, or give one as an argument in "
        "Python."
    )
    assert (report.ok, report.verdict) == (True, None)


@pytest.mark.parametrize(
    ("settings", "labels", "before", "after"),
    [
        ({}, None, "softmax", "softmax"),
        ({}, [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]], "softmax", "sigmoid"),
        ({"problem_type": "multi_label_classification"}, None, "sigmoid", None),
        # Earlier releases do not support regression.
        pytest.param({"num_labels": 1}, None, "sigmoid", "none", marks=pytest.mark.newest),
        pytest.param(
            {"num_labels": 1, "problem_type": "regression"},
            None,
            "none",
            None,
            marks=pytest.mark.newest,
        ),
        pytest.param({"problem_type": "regression"}, None, "none", None, marks=pytest.mark.newest),
    ],
    ids=str,
)
def test_the_problem_type_decides_the_score_and_one_call_with_labels_the_problem_type(
    settings: dict[str, Any], labels: Any, before: str, after: str | None, tmp_path: Path
) -> None:
    folder = make_checkpoint(tmp_path, tiny_model(**settings), tokenizer=True)
    report = roberta_inspect.consumers(
        folder, texts=["abc", "hello"], labels=labels, only=["pipeline"]
    )
    scores = {row.title: row.parts[0].function for row in report.consumers if row.parts}
    assert scores[f"{CLASSIFY}(text)"] == before
    assert scores.get(f"{CLASSIFY}(text), after one call with labels") == after
    changes = [
        finding.id for finding in report.findings if finding.id == "score-changes-after-labels"
    ]
    assert changes == (["score-changes-after-labels"] if after not in (None, before) else [])


def test_features_are_the_logits() -> None:
    (row,) = rows("feature-extraction").values()
    assert (row.container, held(row)) == ("list[list[float]]", [("features", "logits")])


@pytest.mark.newest
@pytest.mark.parametrize(
    ("attention", "title", "container", "parts"),
    [
        ("sdpa", "", "ndarray", LOGITS),
        ("sdpa", f", {H}", "tuple", STATES),
        ("sdpa", f", {H}, {A}", "tuple", STATES + NO_ATTENTIONS),
        ("sdpa", ", rows of unlike length", "ndarray", LOGITS),
        ("sdpa", f", rows of unlike length, {H}", "tuple", PADDED),
        ("sdpa", f", rows of unlike length, {H}, {A}", "tuple", PADDED + NO_ATTENTIONS),
        ("eager", f", {H}, {A}", "tuple", STATES + ATTENTIONS),
        ("eager", f", rows of unlike length, {H}, {A}", None, []),
    ],
)
def test_predictions_are_a_tuple_with_what_the_configuration_asks_for(
    attention: str, title: str, container: str | None, parts: list[tuple[str, str]]
) -> None:
    row = rows("trainer", attention)[f"Trainer.predict{title}"]
    assert (row.container, held(row)) == (container, parts)
    assert (row.error and row.error.type) == (None if parts else "RuntimeError")


@pytest.mark.newest
@pytest.mark.parametrize(
    ("title", "container", "parts"),
    [
        ("torch.jit.trace(model)", None, []),
        ("torch.jit.trace(model, strict=False)", "dict", [('outputs["logits"]', "logits")]),
        (f"torch.jit.trace(model, strict=False), {H}", None, []),
        (
            f"torch.jit.trace(model), config.return_dict=False, {H}, {A}",
            "tuple",
            [(access.replace("predictions", "outputs"), name) for access, name in STATES]
            + [("outputs[2]", "()")],
        ),
    ],
)
def test_a_trace_takes_no_model_output(
    title: str, container: str | None, parts: list[tuple[str, str]]
) -> None:
    row = rows("jit-trace", "sdpa")[title]
    assert (row.container, held(row)) == (container, parts)
    assert (row.error and row.error.type) == (None if parts else "RuntimeError")


@pytest.mark.newest
def test_an_exported_program_keeps_the_class_and_its_graph_has_other_names() -> None:
    row = rows("export", "sdpa")[f"torch.export.export(model), {H}, {A}"]
    assert row.container == "SequenceClassifierOutput"
    assert held(row)[:2] == [
        ("outputs.logits", "logits"),
        ("outputs.hidden_states[0]", "hidden_states[0]"),
    ]
    assert row.parts[0].declared == "linear_13"


@pytest.mark.newest
def test_exporting_with_labels_writes_the_problem_type() -> None:
    row = rows("export", "sdpa")["torch.export.export(model), with labels"]
    assert held(row) == [("outputs.loss", "loss"), ("outputs.logits", "logits")]
    assert row.notes == ('exporting wrote config.problem_type = "single_label_classification"',)


@pytest.mark.newest
@pytest.mark.parametrize(
    ("title", "returned"),
    [
        (")", "SequenceClassifierOutput"),
        (f"), {H}", "SequenceClassifierOutput"),
        (f", fullgraph=True), {H}", "Unsupported"),
    ],
)
def test_a_compiled_model_keeps_the_class_and_one_graph_with_hidden_states_is_refused(
    title: str, returned: str
) -> None:
    row = rows("compile", "sdpa")[f'torch.compile(model, backend="eager"{title}']
    assert returned in (row.container, row.error and row.error.type)


@pytest.mark.newest
def test_the_way_out_that_the_refusal_names_works(demo_model: Any) -> None:
    inputs = {"input_ids": torch.tensor([[0, 5, 6, 2]])}
    with torch.no_grad():
        demo_model(**inputs, output_hidden_states=True)
        compiled = torch.compile(demo_model, backend="eager", fullgraph=True)
        assert len(compiled(**inputs, output_hidden_states=True).hidden_states) == 3


def test_data_parallel_without_a_gpu_hands_on_what_the_model_returns(demo_model: Any) -> None:
    inputs = {"input_ids": torch.tensor([[0, 5, 6, 2]])}
    outputs = torch.nn.DataParallel(demo_model)(**inputs)
    assert type(outputs).__name__ == "SequenceClassifierOutput"


@pytest.fixture
def demo_model() -> Any:
    return tiny_model()


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"num_labels": 1, "problem_type": "regression"},
        {"problem_type": "multi_label_classification"},
    ],
    ids=str,
)
@pytest.mark.slow
def test_all_are_called_on_a_checkpoint_and_nothing_is_called_by_a_wrong_name(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    folder = make_checkpoint(tmp_path, tiny_model(**settings), tokenizer=True)
    report = roberta_inspect.consumers(folder, texts=["abc", "hello there"])
    assert list(dict.fromkeys(row.id for row in report.consumers)) == list(CONSUMER_IDS)
    assert report.ok
    assert unknown(report) == []


def unknown(report: ConsumerReport) -> list[tuple[str, str]]:
    """The parts that match no slot."""
    return [
        (row.title, part.access)
        for row in report.consumers
        for part in row.parts
        if part.name is None and not part.is_empty
    ]


@pytest.mark.slow
def test_so_they_are_on_a_checkpoint_of_the_family(tmp_path: Path) -> None:
    config = XLMRobertaConfig(**tiny_config().to_diff_dict())
    folder = make_checkpoint(
        tmp_path, seeded(XLMRobertaForSequenceClassification, config), tokenizer=True
    )
    report = roberta_inspect.consumers(folder, texts=[("abc", "no"), ("hello", "there you are")])
    assert report.checkpoint.architecture == "XLMRobertaForSequenceClassification"
    assert {row.id for row in report.consumers if row.status == "called"} == set(CONSUMER_IDS)
    assert report.ok
    assert unknown(report) == []


@pytest.mark.slow
def test_a_map_keeps_the_rows_on_request() -> None:
    assert roberta_inspect.inspect().consumers is None
    output_map = roberta_inspect.inspect(texts=["a film", "no"], consumers=True)
    assert {row.id for row in output_map.consumers or ()} == set(CONSUMER_IDS)
    assert "features-are-logits" in [finding.id for finding in output_map.findings]
    again = roberta_inspect.OutputMap.from_json(output_map.to_json())
    assert again == output_map
    assert roberta_inspect.diff(output_map, None) == []
