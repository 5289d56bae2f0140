"""A directory with a PEFT adapter: its base is found, and both files decide on the weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from makers import make_checkpoint, make_masked_lm
from transformers import RobertaForSequenceClassification

from roberta_inspect import CannotInspectError, diff, inspect, module_tree
from roberta_inspect.checkpoint import adapter

peft = pytest.importorskip("peft", exc_type=ImportError)


def make_adapter(folder: Path, base: Path, *, task: str | None = "SEQ_CLS") -> Path:
    """A LoRA adapter that changes what its base returns, saved beside it."""
    model = RobertaForSequenceClassification.from_pretrained(base, num_labels=3)
    config = peft.LoraConfig(task_type=task, target_modules=["query", "value"], r=2)
    adapted = peft.get_peft_model(model, config)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        for name, parameter in adapted.named_parameters():
            if "lora_" in name or "modules_to_save" in name:
                parameter.normal_()
    adapted.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("adapters")
    base, headless = make_checkpoint(root / "base"), make_masked_lm(root / "lm", num_labels=2)
    return {
        "base": base,
        "adapter": make_adapter(root / "adapter", base),
        "adapter on a headless base": make_adapter(root / "headless", headless),
        "base with a head": make_adapter(root / "without", base, task=None),
        "no head at all": make_adapter(root / "none", headless, task=None),
    }


@pytest.mark.parametrize(
    ("name", "head_from", "verdict", "num_labels"),
    [
        ("adapter", "adapter", "complete", 3),
        ("adapter on a headless base", "adapter", "complete", 3),
        ("base with a head", "base", "complete", 3),
        ("no head at all", "random", "head-not-in-checkpoint", 2),
    ],
)
def test_where_the_head_came_from(
    folders: dict[str, Path], name: str, head_from: str, verdict: str, num_labels: int
) -> None:
    for output_map in (inspect(folders[name]), inspect(folders[name], no_weights=True)):
        checkpoint = output_map.checkpoint
        assert (checkpoint.weights.head_from, checkpoint.weights.verdict) == (head_from, verdict)
        assert checkpoint.num_labels == num_labels
        assert checkpoint.weights.files == ("model.safetensors", "adapter_model.safetensors")


def test_the_adapter_is_in_what_is_returned(folders: dict[str, Path]) -> None:
    model = RobertaForSequenceClassification.from_pretrained(folders["base"], num_labels=3)
    adapted = peft.PeftModel.from_pretrained(model, folders["adapter"])
    assert diff(inspect(adapted), inspect(folders["adapter"]), values=True) == []
    assert diff(inspect(folders["base"]), inspect(folders["adapter"]), values=True) != []
    assert not inspect(folders["adapter"]).proofs_with("refuted")


def test_the_tree_of_an_adapter(folders: dict[str, Path]) -> None:
    nodes = {node.path: node for node in module_tree(folders["adapter"]).root.walk()}
    query = nodes["roberta.encoder.layer.0.attention.self.query"]
    assert query.note == "adapted: default"
    assert query.in_checkpoint
    assert nodes["classifier"].note is not None
    assert "adapted: default" in nodes["classifier"].note


def edited(folder: Path, copy: Path, **changes: Any) -> Path:
    copy.mkdir()
    for path in folder.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    settings = {**json.loads((copy / "adapter_config.json").read_text()), **changes}
    (copy / "adapter_config.json").write_text(json.dumps(settings))
    return copy


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"base_model_name_or_path": None}, "names no base_model_name_or_path"),
        ({"base_model_name_or_path": "./gone/away/base"}, "is missing: ./gone/away/base does not"),
        ({"megatron_config": {"x": 1}}, "asks for Megatron"),
        ({"peft_type": "NONSENSE"}, "peft cannot load the adapter"),
    ],
)
def test_an_adapter_that_cannot_be_loaded(
    folders: dict[str, Path], tmp_path: Path, changes: dict[str, Any], sentence: str
) -> None:
    folder = edited(folders["adapter"], tmp_path / "edited", **changes)
    with pytest.raises(CannotInspectError) as raised:
        inspect(folder)
    assert sentence in str(raised.value)


def test_an_adapter_without_its_file(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = edited(folders["adapter"], tmp_path / "edited")
    (folder / "adapter_model.safetensors").unlink()
    with pytest.raises(CannotInspectError, match="neither adapter_model"):
        inspect(folder)


def test_without_peft_the_sentence_says_what_to_install(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "find_spec", lambda name: None)
    with pytest.raises(CannotInspectError) as raised:
        inspect(folders["adapter"])
    assert "peft is not installed" in str(raised.value)
    assert raised.value.hint == 'Install it: pip install "roberta-inspect[peft]".'
