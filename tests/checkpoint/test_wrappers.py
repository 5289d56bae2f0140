"""Wrappers are taken off; the classifier inside has the same proofs as alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from makers import make_tokenizer, tiny_config, tiny_model
from small_maps import BASE
from torch import nn
from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification, pipeline

from roberta_inspect import CannotInspectError, InspectError, UsageError, inspect, module_tree
from roberta_inspect.findings import findings_of
from roberta_inspect.records import OutputMap, Proof


class Lit(nn.Module):
    """Keeps a classifier in an attribute, as a LightningModule does, beside other things."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.metric = nn.Linear(2, 2)
        self.net = net
        self.config = tiny_config()


def proofs(output_map: OutputMap) -> list[tuple[str, str]]:
    return [(proof.id, proof.status) for proof in output_map.proofs]


@pytest.fixture(scope="module")
def alone() -> OutputMap:
    return inspect(tiny_model())


def compiled_layers() -> nn.Module:
    model = tiny_model()
    layers = model.roberta.encoder.layer
    for index, layer in enumerate(layers):
        layers[index] = torch.compile(layer)
    model.classifier = torch.compile(model.classifier)
    return model


def compiled_in_place() -> nn.Module:
    model = tiny_model()
    model.compile()
    return model


def compiled_forward() -> nn.Module:
    model = tiny_model()
    model.forward = torch.compile(model.forward)
    return model


def adapted(net: Any = None) -> Any:
    peft = pytest.importorskip("peft", exc_type=ImportError)
    settings = {"task_type": "SEQ_CLS", "target_modules": ["query", "value"], "r": 2}
    return peft.get_peft_model(net or tiny_model(), peft.LoraConfig(**settings))


def offloaded() -> nn.Module:
    accelerate = pytest.importorskip("accelerate", exc_type=ImportError)
    model = tiny_model()
    accelerate.cpu_offload(model, execution_device="cpu")
    return model


def prepared() -> Any:
    accelerate = pytest.importorskip("accelerate", exc_type=ImportError)
    return accelerate.Accelerator(cpu=True).prepare(tiny_model())


PEFT = "PeftModelForSequenceClassification"


@pytest.mark.parametrize(
    ("make", "wrappers"),
    [
        (lambda: torch.compile(tiny_model()), ("OptimizedModule",)),
        (compiled_in_place, ()),
        (compiled_layers, ("OptimizedModule",)),
        (compiled_forward, ()),
        (lambda: nn.DataParallel(tiny_model()), ("DataParallel",)),
        (lambda: torch.compile(nn.DataParallel(tiny_model())), ("OptimizedModule", "DataParallel")),
        (adapted, (PEFT,)),
        (offloaded, ("AlignDevicesHook",)),
        (prepared, ()),
        (lambda: Lit(tiny_model()), ("Lit",)),
        (lambda: Lit(adapted()), ("Lit", PEFT)),
    ],
)
def test_the_same_proofs_as_the_model_inside(
    make: Callable[[], Any], wrappers: tuple[str, ...], alone: OutputMap
) -> None:
    model = make()
    compiled = torch._dynamo.utils.counters["stats"].copy()
    output_map = inspect(model)
    assert proofs(output_map) == proofs(alone)
    assert output_map.wrappers == wrappers
    assert ("wrapper-removed" in [f.id for f in output_map.findings]) == bool(wrappers)
    assert module_tree(model).wrappers == wrappers
    if hasattr(torch.compiler, "set_stance"):
        assert torch._dynamo.utils.counters["stats"] == compiled, "something was compiled"


@pytest.mark.parametrize("make", [offloaded, compiled_layers, compiled_in_place, adapted])
def test_the_model_is_as_before_afterwards(make: Callable[[], Any]) -> None:
    model = make().eval()
    held = [(name, id(value), value.device) for name, value in model.named_parameters()]
    modules = [(path, id(module), set(vars(module))) for path, module in model.named_modules()]
    inspect(model)
    assert held == [(name, id(value), value.device) for name, value in model.named_parameters()]
    assert modules == [
        (path, id(module), set(vars(module))) for path, module in model.named_modules()
    ]


def test_an_offloaded_model_returns_the_same_afterwards() -> None:
    model = offloaded()
    inputs = {"input_ids": torch.tensor([[0, 5, 2]])}
    with torch.no_grad():
        before = model(**inputs).logits
        inspect(model)
        after = model(**inputs).logits
    assert torch.equal(before, after)


def make_pipeline(folder: Path) -> Any:
    tokenizer = AutoTokenizer.from_pretrained(make_tokenizer(folder))
    return pipeline("text-classification", model=tiny_model(), tokenizer=tokenizer, device="cpu")


def make_trainer(folder: Path) -> Any:
    try:
        from transformers import Trainer, TrainingArguments

        arguments = TrainingArguments(output_dir=str(folder), report_to=[], use_cpu=True)
    except (ImportError, RuntimeError) as error:  # where an installed accelerate or peft is too new
        pytest.skip(f"no Trainer here: {error}")
    return Trainer(model=tiny_model(), args=arguments)


@pytest.mark.parametrize("make", [make_pipeline, make_trainer])
def test_a_pipeline_and_a_trainer(
    make: Callable[[Path], Any], tmp_path: Path, alone: OutputMap
) -> None:
    wrapper = make(tmp_path)
    output_map = inspect(wrapper)
    assert proofs(output_map) == proofs(alone)
    assert output_map.wrappers == (type(wrapper).__name__,)


class Distilled(nn.Module):
    """Holds two classifiers."""

    def __init__(self) -> None:
        super().__init__()
        self.student, self.teacher = tiny_model(), tiny_model()


def prompted() -> Any:
    peft = pytest.importorskip("peft", exc_type=ImportError)
    config = peft.PrefixTuningConfig(task_type="SEQ_CLS", num_virtual_tokens=2)
    try:
        return peft.get_peft_model(tiny_model(), config)
    except TypeError as error:
        pytest.skip(f"this release is too old for peft: {error}")


SIZES = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "vocab_size": 9}


@pytest.mark.parametrize(
    ("make", "error", "sentence"),
    [
        (Distilled, UsageError, "holds more than one classifier: student and teacher"),
        (
            lambda: nn.DataParallel(BertForSequenceClassification(BertConfig(**SIZES))),
            CannotInspectError,
            "the model is of class BertForSequenceClassification and model type bert",
        ),
        (lambda: tiny_model().to("meta"), CannotInspectError, "the model is on the meta device"),
        (prompted, CannotInspectError, "puts learned vectors before the tokens"),
    ],
)
def test_what_cannot_be_taken_off(
    make: Callable[[], Any], error: type[InspectError], sentence: str
) -> None:
    model = make()
    with pytest.raises(error) as raised:
        inspect(model)
    assert sentence in str(raised.value)


def test_a_model_in_training_mode_is_told_and_left_in_it() -> None:
    model = tiny_model().train()
    output_map = inspect(model)
    assert "training-mode" in [finding.id for finding in output_map.findings]
    assert model.training
    assert "training-mode" not in [f.id for f in inspect(model.eval()).findings]


@pytest.mark.filterwarnings("ignore")
def test_a_quantised_model_is_told() -> None:
    if not torch.backends.quantized.supported_engines:
        pytest.skip("this build of torch quantises nothing")
    model = torch.ao.quantization.quantize_dynamic(tiny_model(), {nn.Linear})
    output_map = inspect(model)
    assert output_map.setup.quantised == ("DynamicQuantizedLinear",)
    assert "quantised" in [finding.id for finding in output_map.findings]


def proof(number: int, status: Any) -> Proof:
    return Proof(id=str(number), slot="logits", claim="x", status=status, detail=f"as {status}")


@pytest.mark.parametrize(
    ("tested", "untested", "reported"), [(2, 3, True), (2, 2, False), (0, 0, False)]
)
def test_few_claims_tested(tested: int, untested: int, reported: bool) -> None:
    statuses = ["proved", "refuted"][:tested] + ["not-tested"] * untested
    output_map = replace(BASE, proofs=tuple(proof(n, status) for n, status in enumerate(statuses)))
    findings = [f for f in findings_of(output_map) if f.id == "few-claims-tested"]
    assert bool(findings) == reported
    if reported:
        assert (
            "only 2 of 5 claims could be tested; of the others 3 because as not"
            in findings[0].message
        )


def test_the_tree_marks_adapted_modules() -> None:
    notes = {node.path: node.note for node in module_tree(adapted()).root.walk()}
    marked = [path for path, note in notes.items() if note and "adapted: default" in note]
    layers = [f"roberta.encoder.layer.{layer}.attention.self" for layer in (0, 1)]
    queries = [f"{layer}.{part}" for layer in layers for part in ("query", "value")]
    assert sorted(marked) == sorted([*queries, "classifier"])
