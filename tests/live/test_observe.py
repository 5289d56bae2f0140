"""The model is called with hooks on, and is exactly as before afterwards."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from makers import tiny_model

from roberta_inspect import inspect
from roberta_inspect.inputs.synthetic import synthetic
from roberta_inspect.live.anatomy import Anatomy
from roberta_inspect.live.observe import observe
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
            [list(getattr(each, name).items()) for name in HOOKS] for each in model.modules()
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


@pytest.mark.parametrize("aspect", list(state(tiny_model())))
def test_a_live_model_is_as_before(aspect: str) -> None:
    model = used(tiny_model())
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
    found = inspect(model)
    assert {call.error and call.error.message for call in found.calls} == {"no more"}
    assert state(model)[aspect] == before


def doubled(_: Any, __: Any, output: Any) -> Any:
    return (output[0] * 2, *output[1:]) if isinstance(output, tuple) else output * 2


def recorded_is_read(model: Any) -> bool:
    """Whether hidden_states[1] is what layer 1 read, with a hook of the user's on layer 0."""
    model.roberta.encoder.layer[0].register_forward_hook(doubled)
    seen = observe(model, synthetic(model.config), EVERYTHING)
    read = seen.trace.visit("roberta.encoder.layer.1")
    assert read is not None
    return torch.equal(seen.output.hidden_states[1], read.hidden_states)


def test_a_hook_added_afterwards_is_recorded_as_on_a_new_model() -> None:
    """Capture hooks that transformers left behind would record what a later hook replaces."""
    inspected = tiny_model(num_hidden_layers=3)
    inspect(inspected)
    assert recorded_is_read(inspected) == recorded_is_read(tiny_model(num_hidden_layers=3))


def test_the_call_that_raises_is_recorded_with_where() -> None:
    model = tiny_model()
    probe = synthetic(model.config)
    probe.inputs["input_ids"][0, 3] = model.config.vocab_size + 1
    seen = observe(model, probe, EVERYTHING)
    assert seen.error is not None
    assert (seen.error.type, seen.error.raised_in is None) == ("IndexError", False)


def test_running_out_of_memory_is_no_result_of_a_call() -> None:
    model = tiny_model()

    def exhausted(*_: Any) -> None:
        raise MemoryError

    model.classifier.register_forward_hook(exhausted)
    with pytest.raises(MemoryError):
        observe(model, synthetic(model.config), EVERYTHING)


def test_origins_are_the_outermost_module_and_the_innermost() -> None:
    model = tiny_model()
    seen = observe(model, synthetic(model.config), EVERYTHING)
    origins = [seen.trace.origin(each) for each in (seen.output.logits, seen.output.loss)]
    assert origins[0] is not None
    assert (origins[0].module, origins[0].through) == ("classifier", "classifier.out_proj")
    assert origins[1] is None


def test_anatomy_of_a_model_without_a_classifier() -> None:
    model = tiny_model()
    del model.classifier
    anatomy = Anatomy.of(model)
    assert (anatomy.classifier, anatomy.base, len(anatomy.layers)) == (None, "roberta", 2)
