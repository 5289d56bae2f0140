"""An array is identified by its values, and arrays with other values are not."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from makers import tiny_model

from roberta_inspect.consumer.identify import Slots, container, parts
from roberta_inspect.inputs.probe import Probe
from roberta_inspect.inputs.synthetic import synthetic
from roberta_inspect.records import Part


@pytest.fixture(scope="module")
def outputs() -> Any:
    model = tiny_model(attn_implementation="eager")
    probe = synthetic(model.config)
    with torch.no_grad():
        return (
            model,
            probe,
            model(
                **probe.inputs,
                labels=probe.labels,
                output_hidden_states=True,
                output_attentions=True,
            ),
        )


@pytest.fixture(scope="module")
def slots(outputs: Any) -> Slots:
    model, probe, _ = outputs
    return Slots.of(model, probe, labels=True)


@pytest.mark.parametrize(
    ("take", "identity"),
    [
        (lambda outputs: outputs.loss, "loss"),
        (lambda outputs: outputs.logits, "logits"),
        (lambda outputs: outputs.logits.softmax(-1), "softmax(logits)"),
        (lambda outputs: outputs.logits.sigmoid(), "sigmoid(logits)"),
        (lambda outputs: outputs.hidden_states[1], "hidden_states[1]"),
        (lambda outputs: outputs.hidden_states[1] * (1 + 1e-6), "hidden_states[1]"),
        (lambda outputs: outputs.attentions[0].numpy(), "attentions[0]"),
        (lambda outputs: outputs.hidden_states[1][:, :4], "nothing known"),
        (lambda outputs: outputs.logits.log_softmax(-1), "nothing known"),
        (lambda outputs: torch.zeros_like(outputs.hidden_states[1]), "nothing known"),
        (lambda outputs: outputs.logits * float("nan"), "nothing known"),
    ],
)
def test_an_array_is_what_has_its_values(
    take: Any, identity: str, outputs: Any, slots: Slots
) -> None:
    part = slots.part("it", take(outputs[2]))
    assert part.identity == identity
    assert not part.is_off


def test_one_that_is_near_is_named_with_how_far_it_is_off(outputs: Any, slots: Slots) -> None:
    part = slots.part("it", outputs[2].hidden_states[2] + 0.01)
    assert (part.identity, part.is_off) == ("hidden_states[2]", True)
    assert part.difference == pytest.approx(0.01, rel=1e-4)


def test_what_may_be_either_is_called_both(slots: Slots) -> None:
    model = tiny_model(num_labels=2)
    torch.nn.init.zeros_(model.classifier.out_proj.weight)
    torch.nn.init.zeros_(model.classifier.out_proj.bias)
    slots_of_zeros = Slots.of(model, synthetic(model.config))
    score = slots_of_zeros.score('["score"]', 0.5, 0, {1: "yes"})
    assert score.identity == "softmax(logits)[yes] or sigmoid(logits)[yes]"


@pytest.mark.parametrize(
    ("function", "identity"),
    [
        (lambda logits: logits.softmax(-1), "softmax(logits)[yes]"),
        (lambda logits: logits.sigmoid(), "sigmoid(logits)[yes]"),
        (lambda logits: logits, "logits[yes]"),
        (lambda logits: logits.tanh(), "nothing known"),
        (lambda logits: logits.roll(1, -1).softmax(-1), "nothing known"),
    ],
)
def test_a_score_is_a_function_of_the_logit_of_its_own_label(
    function: Any, identity: str, outputs: Any, slots: Slots
) -> None:
    score = float(function(outputs[2].logits)[0, 2])
    assert slots.score('["score"]', score, 0, {2: "yes"}).identity == identity


@pytest.mark.parametrize("left", [False, True])
def test_rows_of_unlike_length_are_found_below_their_padding(left: bool, outputs: Any) -> None:
    model, probe, _ = outputs
    with torch.no_grad():
        states = [
            model(ids[:length][None], output_hidden_states=True).hidden_states[1][0]
            for ids, length in zip(probe.inputs["input_ids"], probe.row_lengths, strict=True)
        ]
    joined = torch.nn.utils.rnn.pad_sequence(states, batch_first=True, padding_value=-100.0)
    if left:
        inputs = {name: tensor.clone() for name, tensor in probe.inputs.items()}
        padding = probe.sequence_length - probe.row_lengths[-1]
        inputs = {
            name: torch.stack([*tensor[:-1], tensor[-1].roll(padding)])
            for name, tensor in inputs.items()
        }
        probe = Probe(inputs=inputs, labels=probe.labels)
    part = Slots.of(model, probe).filled(probe.attention_mask, -100.0).part("it", joined)
    assert (part.identity, part.padding) == ("hidden_states[1], padded with -100", -100.0)
    assert part.tolerance is not None
    assert part.tolerance < 1e-3, "the padding must not widen it"


def test_nested_containers_are_taken_apart(outputs: Any, slots: Slots) -> None:
    nested = {"logits": outputs[2].logits, "hidden_states": outputs[2].hidden_states, "none": None}
    parts_at = {part.access: (part.declared, part.identity) for part in parts(slots, nested, "out")}
    assert parts_at == {
        'out["logits"]': ("logits", "logits"),
        'out["hidden_states"][0]': ("hidden_states[0]", "hidden_states[0]"),
        'out["hidden_states"][1]': ("hidden_states[1]", "hidden_states[1]"),
        'out["hidden_states"][2]': ("hidden_states[2]", "hidden_states[2]"),
    }


@pytest.mark.parametrize(
    ("value", "words"),
    [([{"a": 1}], "list[dict]"), ([[0.5]], "list[list[float]]"), ([], "list"), ((1,), "tuple")],
)
def test_a_container_is_told_with_what_a_list_holds(value: Any, words: str) -> None:
    assert container(value) == words


@pytest.mark.parametrize(
    ("declared", "name", "item", "wrong"),
    [
        ("logits", "logits", (), False),
        ("logits", "hidden_states", (0,), True),
        ("logits", None, (), True),
        ("attentions", "hidden_states", (1,), True),
        ("hidden_states", "hidden_states", (0,), False),
        ("hidden_states_1", "hidden_states", (1,), False),
        ("hidden_states.1", "hidden_states", (2,), True),
        ("hidden_states[2]", "hidden_states", (1,), True),
        ("last_hidden_state", "hidden_states", (2,), False),
        ("last_hidden_state", "hidden_states", (1,), True),
        ("linear_13", "hidden_states", (1,), False),
        ("output_0", None, (), False),
        (None, None, (), False),
    ],
)
def test_a_name_that_says_which_slot_it_is_is_held_against_the_values(
    declared: str | None, name: str | None, item: tuple[int, ...], wrong: bool
) -> None:
    part = Part(access="it", declared=declared, name=name, item=item, items_in_slot=3)
    assert part.is_mislabelled is wrong


def test_logits_that_went_through_softmax_are_not_logits() -> None:
    part = Part(access="it", declared="logits", name="logits", function="softmax")
    assert part.is_mislabelled
