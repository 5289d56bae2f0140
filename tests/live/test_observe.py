"""The model is called with hooks on, and is exactly as before afterwards."""

from __future__ import annotations

from random import random
from typing import Any

import pytest
import torch
from makers import seeded, tiny_config, tiny_model
from transformers import RobertaForSequenceClassification

from roberta_inspect import inspect
from roberta_inspect.inputs.synthetic import synthetic
from roberta_inspect.live.anatomy import Anatomy
from roberta_inspect.live.observe import Observed, observing
from roberta_inspect.live.stand_in import has_twin
from roberta_inspect.records import CallSpec

EVERYTHING = CallSpec(
    return_dict=True, labels=True, output_hidden_states=True, output_attentions=True
)

HOOKS = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_pre_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_backward_hooks",
    "_backward_pre_hooks",
)


def state(model: Any) -> dict[str, Any]:
    """Everything about a live model that a call could change."""
    return {
        "attributes": [sorted(module.__dict__) for module in model.modules()],
        "hooks": [
            [list(getattr(module, name).items()) for name in HOOKS] for module in model.modules()
        ],
        "training": [module.training for module in model.modules()],
        "config": model.config.to_dict(),
        "private config": dict(model.config.__dict__),
        "attention": getattr(model.config, "_attn_implementation", None),
        "random state": torch.get_rng_state().tolist(),
        "gradients": [None if p.grad is None else p.grad.tolist() for p in model.parameters()],
        "requires grad": [parameter.requires_grad for parameter in model.parameters()],
        "values": [parameter.tolist() for parameter in model.parameters()],
    }


def observed(model: Any, probe: Any = None) -> Observed:
    with observing(model) as observer:
        return observer.call(probe or synthetic(model.config), EVERYTHING)


def with_a_forward_of_its_own(model: Any) -> Any:
    """A model of which no twin can be made, since its code may hold on to it."""
    forward = model.classifier.forward
    model.classifier.forward = lambda *args, **given: forward(*args, **given)
    assert not has_twin(model)
    return model


def used(model: Any) -> Any:
    """The model with all that a user may have left on it."""
    model.train()
    model.classifier.eval()
    model.roberta.embeddings.register_forward_hook(lambda *_: None)
    model.roberta.encoder.layer[0].register_forward_pre_hook(
        lambda _, args, kwargs: None, with_kwargs=True
    )
    model.roberta.encoder.layer[1].requires_grad_(False)
    model.classifier.out_proj.weight.grad = torch.ones_like(model.classifier.out_proj.weight)
    model.config.user_setting = "kept"
    return model


@pytest.mark.parametrize("make", [tiny_model, lambda: with_a_forward_of_its_own(tiny_model())])
@pytest.mark.parametrize("aspect", list(state(tiny_model())))
def test_a_live_model_is_as_before(aspect: str, make: Any) -> None:
    model = used(make())
    before = state(model)[aspect]
    inspect(model)
    assert state(model)[aspect] == before


@pytest.mark.parametrize("aspect", list(state(tiny_model())))
def test_a_live_model_is_as_before_after_a_call_that_raised(aspect: str) -> None:
    model = used(tiny_model())

    def refuse(*_: Any) -> None:
        raise RuntimeError("no more")

    model.classifier.register_forward_hook(refuse)
    before = state(model)[aspect]
    output_map = inspect(model)
    assert {call.error and call.error.message for call in output_map.calls} == {"no more"}
    assert state(model)[aspect] == before


def doubled(_: Any, __: Any, output: Any) -> Any:
    return (output[0] * 2, *output[1:]) if isinstance(output, tuple) else output * 2


def recorded_is_read(model: Any) -> bool:
    """Whether hidden_states[1] is what layer 1 read, with a hook of the user's on layer 0."""
    model.roberta.encoder.layer[0].register_forward_hook(doubled)
    call = observed(model)
    read = call.trace.visit("roberta.encoder.layer.1")
    assert read is not None
    return torch.equal(call.output.hidden_states[1], read.hidden_states)


def test_a_hook_added_afterwards_is_recorded_as_on_a_new_model() -> None:
    """Capture hooks that transformers left behind would record what a later hook replaces."""
    inspected = tiny_model(num_hidden_layers=3)
    inspect(inspected)
    assert recorded_is_read(inspected) == recorded_is_read(tiny_model(num_hidden_layers=3))


def test_the_call_that_raises_is_recorded_with_where() -> None:
    model = tiny_model()
    probe = synthetic(model.config)
    probe.inputs["input_ids"][0, 3] = model.config.vocab_size + 1
    call = observed(model, probe)
    assert call.error is not None
    assert (call.error.type, call.error.raised_in is None) == ("IndexError", False)


def test_running_out_of_memory_is_no_result_of_a_call() -> None:
    model = tiny_model()

    def exhausted(*_: Any) -> None:
        raise MemoryError

    model.classifier.register_forward_hook(exhausted)
    with pytest.raises(MemoryError):
        observed(model)


def test_origins_are_the_outermost_module_and_the_innermost() -> None:
    model = tiny_model()
    call = observed(model)
    origins = [call.trace.origin(tensor) for tensor in (call.output.logits, call.output.loss)]
    assert origins[0] is not None
    assert (origins[0].module, origins[0].through) == ("classifier", "classifier.out_proj")
    assert origins[1] is None


def test_anatomy_of_a_model_without_a_classifier() -> None:
    model = tiny_model()
    del model.classifier
    anatomy = Anatomy.of(model)
    assert (anatomy.classifier, anatomy.base, len(anatomy.layers)) == (None, "roberta", 2)


def test_a_hook_can_be_taken_off_after_an_inspection() -> None:
    """Whoever registered a hook holds on to the table that it stands in."""
    model = with_a_forward_of_its_own(tiny_model())
    handle = model.classifier.register_forward_hook(lambda *_: None)
    inspect(model)
    handle.remove()
    assert not model.classifier._forward_hooks


class Counting(RobertaForSequenceClassification):
    """A state that drifts: every call adds to a buffer, which moves the logits."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.register_buffer("calls", torch.zeros(()), persistent=False)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        outputs = super().forward(*args, **kwargs)
        logits = outputs["logits"] if isinstance(outputs, dict) else outputs[-3]
        logits += 0.01 * self.calls
        return outputs


def random_in(path: str) -> Any:
    """A model whose module at `path` draws a number at each call."""
    model = tiny_model(attn_implementation="eager")
    model.get_submodule(path).register_forward_hook(
        lambda _, __, output: (
            (output[0] + 0.01 * random(), *output[1:])
            if isinstance(output, tuple)
            else output + 0.01 * random()
        )
    )
    return model


@pytest.mark.parametrize(
    ("path", "first"),
    [
        ("roberta.encoder.layer.1.output", "roberta.encoder.layer.1.output"),
        ("classifier", "classifier"),
    ],
)
def test_what_differs_between_two_calls_is_named(path: str, first: str) -> None:
    output_map = inspect(random_in(path))
    assert output_map.not_deterministic == first
    assert [finding.id for finding in output_map.findings_of("error")] == ["not-deterministic"]
    compared = {"tuple-and-dict", "padding", "rows-beside", "alone", "logits-classifier"}
    statuses = {proof.id: proof.status for proof in output_map.proofs}
    assert {statuses[claim] for claim in compared} == {"not-tested"}


def test_a_state_that_drifts_is_seen_and_put_back() -> None:
    model = seeded(Counting, tiny_config(attn_implementation="eager"))
    output_map = inspect(model)
    assert output_map.not_deterministic == ""
    assert float(model.calls) == 0


def test_what_forward_writes_into_is_told_and_not_the_callers() -> None:
    class Editing(RobertaForSequenceClassification):
        def forward(self, input_ids: Any, labels: Any = None, **given: Any) -> Any:
            if labels is not None:
                labels.fill_(0)
            return super().forward(input_ids, labels=labels, **given)

    labels = torch.tensor([2, 1])
    output_map = inspect(seeded(Editing, tiny_config()), labels=labels)
    assert labels.tolist() == [2, 1]
    assert output_map.input.edited == ("labels",)
    assert output_map.input.labels.values == [2, 1]
    assert "input-edited" in [finding.id for finding in output_map.findings]
