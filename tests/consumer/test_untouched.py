"""Consumers change nothing that the user could see."""

from __future__ import annotations

import logging
import os
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from makers import make_tokenizer, tiny_model

import roberta_inspect
from roberta_inspect import UsageError
from roberta_inspect.consumer import ONNX, TABLE, Entry, consume
from roberta_inspect.consumer.subject import Subject
from roberta_inspect.inputs.synthetic import synthetic

CHEAP = ["pipeline", "feature-extraction", "trainer", "jit-trace", "export", "compile"]


@pytest.fixture
def tokenizer(tmp_path: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(str(make_tokenizer(tmp_path)))


def hooks(model: Any) -> list[int]:
    return [
        len(module._forward_hooks) + len(module._forward_pre_hooks) + len(module._backward_hooks)
        for module in model.modules()
    ]


def test_the_model_is_as_before(tokenizer: Any) -> None:
    model = tiny_model().train()
    called: list[int] = []
    model.roberta.register_forward_hook(lambda *_: called.append(1))
    config = model.config.to_dict()
    attributes = [set(module.__dict__) for module in model.modules()]
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    pointers = [tensor.data_ptr() for tensor in model.parameters()]
    before = hooks(model)
    roberta_inspect.consumers(model, texts=["abc", "hello"], tokenizer=tokenizer, only=CHEAP)
    assert model.config.to_dict() == config
    assert [set(module.__dict__) for module in model.modules()] == attributes
    assert hooks(model) == before
    assert [tensor.data_ptr() for tensor in model.parameters()] == pointers
    assert all(torch.equal(tensor, weights[name]) for name, tensor in model.state_dict().items())
    assert all(module.training for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())


def surroundings() -> dict[str, Any]:
    accelerate = sys.modules.get("accelerate.state")
    return {
        "python": random.random(),
        "numpy": numpy.random.rand(),
        "torch": torch.rand(1).item(),
        "environment": dict(os.environ),
        "logging": logging.root.manager.disable,
        "accelerate": None if accelerate is None else accelerate.PartialState._shared_state,
        "files": sorted(
            path
            for path in Path(tempfile.gettempdir()).iterdir()
            if not path.name.startswith("torchinductor_")  # the cache of torch for every process
        ),
        "grad": torch.is_grad_enabled(),
    }


@pytest.mark.parametrize("name", CHEAP)
def test_so_is_everything_around_it(
    name: str, tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    import accelerate.state

    accelerate.state.PartialState._shared_state.clear()

    def run() -> dict[str, Any]:
        for generator in (random.seed, numpy.random.seed, torch.manual_seed):
            generator(7)
        return surroundings()

    before = run()
    random.seed(7), numpy.random.seed(7), torch.manual_seed(7)
    roberta_inspect.consumers(
        tiny_model(), texts=["abc", "hello"], tokenizer=tokenizer, only=[name]
    )
    assert surroundings() == before
    assert capfd.readouterr().out == ""


def test_a_consumer_that_cannot_even_be_imported_is_a_row_beside_the_others() -> None:
    model = tiny_model()
    subject = Subject(model, synthetic(model.config))
    entries = [Entry("export", "broken", "nowhere:rows"), TABLE[3]]
    first, *rest = consume(subject, entries)
    assert (first.status, first.error and first.error.type) == ("raised", "ModuleNotFoundError")
    assert {row.id for row in rest} == {"jit-trace"}


def test_what_is_not_installed_is_said_in_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("roberta_inspect.consumer.find_spec", lambda name: None)
    report = roberta_inspect.consumers(only=["trainer", "onnx", "feature-extraction"])
    rows = {row.id: row for row in report.consumers}
    install = "pip install 'roberta-inspect[consumers]'"
    assert rows["trainer"].notes == (f"accelerate is not installed: {install}",)
    assert rows["onnx"].notes == (f"onnx, onnxscript and onnxruntime are not installed: {install}",)
    assert [row.status for row in rows.values()] == ["called", "not-installed", "not-installed"]
    assert report.ok


def test_without_a_tokenizer_the_pipeline_raises_and_the_row_says_why() -> None:
    report = roberta_inspect.consumers(tiny_model(), only=["pipeline", "jit-trace"])
    pipelines = [row for row in report.consumers if row.id == "pipeline"]
    assert {row.status for row in pipelines} == {"raised"}
    assert all("no tokenizer" in note for row in pipelines for note in row.notes)
    assert all(row.notes for row in pipelines)
    traced = [row for row in report.consumers if row.id == "jit-trace"]
    assert traced
    assert not any("no tokenizer" in note for row in traced for note in row.notes)


def test_a_model_without_weights_has_nothing_to_hand_over(tmp_path: Path) -> None:
    tiny_model().config.save_pretrained(tmp_path)
    with pytest.raises(roberta_inspect.CannotInspectError, match="without weights has none"):
        roberta_inspect.consumers(tmp_path, only=["trainer"])


def test_an_id_that_there_is_not_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(UsageError, match='there is no consumer "pipe"') as raised:
        roberta_inspect.consumers(only=["pipe"])
    assert "pipeline, feature-extraction, trainer" in raised.value.hint


def test_the_table_names_only_packages_of_the_extra() -> None:
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    needed = {name for entry in TABLE for name in entry.needs}
    assert ONNX in TABLE
    line = next(line for line in text.splitlines() if line.startswith("consumers = "))
    assert all(f'"{name}"' in line for name in needed)


@pytest.mark.newest
@pytest.mark.slow
def test_graphs_of_the_user_are_kept_and_those_of_the_tool_are_not() -> None:
    from torch._dynamo.convert_frame import input_codes
    from torch._dynamo.testing import CompileCounter

    torch._dynamo.reset()
    for _ in range(4):  # each makes several graphs, and torch keeps only a few per function
        report = roberta_inspect.consumers(tiny_model(), only=["compile"])
        errors = [row.error and row.error.type for row in report.consumers]
        assert errors == [None, None, "Unsupported"]
        assert not input_codes.seen
    counter, model = CompileCounter(), tiny_model()
    compiled = torch.compile(model, backend=counter)
    ids = torch.tensor([[0, 5, 6, 2]])
    with torch.no_grad():
        compiled(ids)
        count = counter.frame_count
        roberta_inspect.consumers(tiny_model(), only=["compile"])
        compiled(ids)
    assert counter.frame_count == count > 0
    torch._dynamo.reset()
