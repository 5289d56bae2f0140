"""The maps of this release of transformers are the kept ones, and nothing right is refuted."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pages
import pytest
import torch
import transformers
from makers import edit_config, make_checkpoint, make_masked_lm, tiny_model
from releases import (
    CROSS,
    PAGE,
    SETUPS,
    behaviour,
    family,
    fresh_map,
    kept_behaviour,
    kept_family,
    kept_map,
    kept_releases,
    layout,
    page,
    write_maps,
)
from transformers import RobertaForSequenceClassification

from roberta_inspect import OutputMap, diff, inspect

RELEASE = transformers.__version__
MATRIX = Path(__file__).with_name("releases.txt").read_text(encoding="utf-8").split()

ATTENTIONS = [None, "eager"]
MULTI_LABEL = {"problem_type": "multi_label_classification"}
FLAGS = {"output_hidden_states": True, "output_attentions": True}

ORDINARY: dict[str, Any] = {
    "regression": lambda folder: make_checkpoint(folder, tiny_model(num_labels=1)),
    "multi-label": lambda folder: make_checkpoint(folder, tiny_model(**MULTI_LABEL)),
    "problem type unset": lambda folder: make_checkpoint(folder, tiny_model()),
    "decoder without a cache": lambda folder: make_checkpoint(
        folder, tiny_model(is_decoder=True, use_cache=False)
    ),
    "return_dict in the config": lambda folder: edit_config(
        make_checkpoint(folder), return_dict=False
    ),
    "flags in the config": lambda folder: edit_config(make_checkpoint(folder), **FLAGS),
    "untrained head": make_masked_lm,
    "sharded": lambda folder: make_checkpoint(folder, form="sharded"),
    "bin": lambda folder: make_checkpoint(folder, form="bin"),
    "sharded bin": lambda folder: make_checkpoint(folder, form="sharded-bin"),
}
"""Checkpoints that differ only in what does not affect the positions of outputs."""

map_of = cache(fresh_map)


@pytest.fixture(scope="module", autouse=True)
def written(update):
    """With `--update` the maps of this release are made anew."""
    if update:
        write_maps()


@pytest.fixture(scope="module")
def release() -> str:
    """This release. Skips if no maps are kept for it."""
    if RELEASE not in kept_releases():
        pytest.skip(
            f"docs/releases holds no maps of transformers {RELEASE}: "
            "make them with pytest tests/test_releases.py --update"
        )
    return RELEASE


def positions(output_map: OutputMap) -> dict[str, list[tuple[Any, ...]]]:
    """The slots of each call, by position."""
    return {
        call.words: [
            (slot.index, slot.name, slot.key, slot.kind, len(slot.items)) for slot in call.slots
        ]
        for call in output_map.calls
    }


def refuted(output_map: OutputMap) -> list[str]:
    return [f"{proof.id}: {proof.detail}" for proof in output_map.proofs_with("refuted")]


@pytest.mark.parametrize("name", SETUPS)
def test_the_map_of_this_release_is_the_kept_one(name, release):
    before, now = kept_map(release, name), layout(map_of(name), name)
    assert [difference.sentence for difference in diff(before, now)] == []
    assert [difference.sentence for difference in diff(now, before)] == []
    assert [stage.container for stage in now.stages] == [stage.container for stage in before.stages]
    assert now.setup == before.setup


def test_the_behaviour_of_this_release_is_the_kept_one(release):
    assert behaviour() == kept_behaviour(release)


@pytest.mark.newest
def test_the_family_of_this_release_is_the_kept_one(release):
    assert family() == kept_family(release)


@pytest.mark.parametrize("name", SETUPS)
def test_nothing_is_refuted_in_a_setup_of_the_page(name):
    assert refuted(map_of(name)) == []
    assert bool(map_of(name).proofs) is not any(call.error for call in map_of(name).calls)


@pytest.mark.parametrize("attention", ATTENTIONS, ids=["default", "eager"])
@pytest.mark.parametrize("name", ORDINARY)
def test_an_ordinary_checkpoint_has_the_positions_of_the_default(name, attention, tmp_path):
    output_map = inspect(ORDINARY[name](tmp_path), attention=attention, allow_missing_head=True)
    assert positions(output_map) == positions(map_of(attention or "default"))
    assert refuted(output_map) == []
    assert output_map.proofs_with("proved")
    assert output_map.findings_of("error") == ()


@pytest.mark.parametrize("attention", ATTENTIONS, ids=["default", "eager"])
def test_flags_in_the_call_win_over_those_in_the_config(attention, tmp_path):
    output_map = inspect(
        edit_config(make_checkpoint(tmp_path), **FLAGS),
        attention=attention,
        output_hidden_states=False,
        output_attentions=False,
    )
    assert [slot.name for slot in output_map.calls[-1].positions] == ["loss", "logits"]
    assert refuted(output_map) == []


@pytest.mark.parametrize("attention", ATTENTIONS, ids=["default", "eager"])
@pytest.mark.parametrize("return_dict", [True, False])
def test_asked_in_the_config_alone_outputs_stand_where_the_map_has_them(
    return_dict, attention, tmp_path
):
    folder = edit_config(make_checkpoint(tmp_path), **FLAGS, return_dict=return_dict)
    how = {} if attention is None else {"attn_implementation": attention}
    model = RobertaForSequenceClassification.from_pretrained(folder, **how).eval()
    with torch.no_grad():
        outputs = model(torch.tensor([[0, 5, 6, 2]]))
    call = map_of(attention or "default").call(return_dict=return_dict, labels=False)
    assert type(outputs).__name__ == call.container
    counts = [len(value) if isinstance(value, tuple) else 0 for value in tuple(outputs[:])]
    assert counts == [len(slot.items) for slot in call.positions]


def test_an_error_of_the_release_itself_is_told_as_its_own():
    output_map = map_of("decoder-with-cross-attention")
    errors = [call.error for call in output_map.calls if call.error]
    if not errors:
        pytest.skip(f"transformers {RELEASE} runs a decoder with cross-attention")
    assert {error.type for error in errors} == {"IndexError"}
    assert {error.raised_in for error in errors} == {
        "transformers/models/roberta/modeling_roberta.py, forward"
    }
    [failed] = [finding for finding in output_map.findings if finding.id == "call-failed"]
    assert f"raised by transformers {RELEASE} itself" in failed.message


def test_calls_beside_one_that_raises_are_made_all_the_same():
    output_map = inspect(tiny_model(**CROSS), matrix=True)
    without = [call for call in output_map.calls if not call.output_attentions]
    assert [call.error for call in without] == [None] * 8
    assert refuted(output_map) == []


def test_what_the_page_tells_to_write_works_on_this_release(tmp_path):
    shown = PAGE.read_text(encoding="utf-8")
    assert "```python\n" in shown
    assert pages.differences(shown, pages.rewritten(shown, tmp_path)) == []


@pytest.mark.newest
def test_the_page_is_made_of_the_kept_maps(same_as_file):
    same_as_file(page(), PAGE)


@pytest.mark.newest
def test_the_maps_of_every_release_of_the_matrix_are_kept():
    assert [release for release in MATRIX if release not in kept_releases()] == []
