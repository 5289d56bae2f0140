"""What `model(**inputs)` returns where the configuration decides."""

from __future__ import annotations

from typing import Any

import pytest
from makers import tiny_model

from roberta_inspect import inspect

USUAL = ("SequenceClassifierOutput", ["logits"])


@pytest.mark.parametrize(
    ("config", "container", "names"),
    [
        ({}, *USUAL),
        ({"return_dict": False}, "tuple", ["logits"]),
        ({"output_hidden_states": True}, USUAL[0], ["logits", "hidden_states"]),
        (
            {"output_hidden_states": True, "output_attentions": True, "return_dict": False},
            "tuple",
            ["logits", "hidden_states", "attentions"],
        ),
    ],
    ids=["nothing", "return_dict", "hidden states", "all of them"],
)
def test_the_configuration_decides_what_a_plain_call_returns(
    config: dict[str, Any], container: str, names: list[str]
) -> None:
    output_map = inspect(tiny_model(attn_implementation="eager", **config))
    bare, labelled = output_map.plain
    assert (bare.container, [slot.name for slot in bare.positions]) == (container, names)
    assert [slot.name for slot in labelled.positions] == ["loss", *names]
    decides = [finding for finding in output_map.findings if finding.id == "config-decides-outputs"]
    assert len(decides) == bool(config)
    for field in config:
        assert f"config.{field} is" in decides[0].message
    assert output_map.ok


@pytest.mark.newest
@pytest.mark.parametrize(
    ("asked", "holes"), [([2], (0, 1)), (1, (0, 2)), ([5], (0, 1, 2))], ids=str
)
def test_layers_that_are_selected_leave_holes_and_no_error(asked: Any, holes: Any) -> None:
    output_map = inspect(tiny_model(attn_implementation="eager", output_hidden_states=asked))
    slot = output_map.plain[0].slot("hidden_states")
    assert slot is not None
    assert (slot.index, slot.holes) == (1, holes)
    assert output_map.ok
    assert [proof.id for proof in output_map.proofs_with("refuted")] == []
