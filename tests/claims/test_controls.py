"""On stock models every claim is proved, by a test that could have failed on that very model."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from makers import tiny_member, tiny_model

from roberta_inspect.api import inspect
from roberta_inspect.checkpoint.family import MODEL_TYPES, members
from roberta_inspect.claims.rounding import limit_of
from roberta_inspect.records import Proof
from roberta_inspect.text import dtype_word

MODELS: dict[str, Any] = {
    **{model_type: lambda kind=model_type: tiny_member(kind) for model_type in MODEL_TYPES},
    "regression": lambda: tiny_model(attn_implementation="eager", num_labels=1),
    "multi-label": lambda: tiny_model(
        attn_implementation="eager", problem_type="multi_label_classification"
    ),
    "many labels": lambda: tiny_model(attn_implementation="eager", num_labels=77),
}
DEPENDS_ON_THE_RELEASE = {"attention-implementations"}
"""Not every release can switch the attention of a loaded model."""

MOST_NOT_TESTED = 3

pytestmark = pytest.mark.parametrize("name", MODELS)


def stock(name: str) -> Any:
    if name in MODEL_TYPES and name not in members():
        pytest.skip(f"this release has no {name}")
    return MODELS[name]()


def proofs_of(model: Any) -> tuple[Proof, ...]:
    output_map = inspect(model)
    assert output_map.not_deterministic is None
    return output_map.proofs


def test_every_claim_is_proved_in_float32(name: str) -> None:
    others = {
        proof.id: proof.detail for proof in proofs_of(stock(name)) if proof.status != "proved"
    }
    assert set(others) <= DEPENDS_ON_THE_RELEASE, others


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=dtype_word)
def test_every_proof_could_have_failed(name: str, dtype: torch.dtype) -> None:
    proved = [proof for proof in proofs_of(stock(name).to(dtype)) if proof.status == "proved"]
    assert {proof.method for proof in proved} == {"exact", "rounding", "structure"}
    for proof in proved:
        if proof.method == "exact":
            assert (proof.difference, proof.tolerance) == (0.0, 0.0), proof.id
        if proof.method == "rounding":
            assert proof.power is not None, proof.id
            assert proof.power <= limit_of(dtype), proof.id
        if proof.method != "structure":
            assert proof.control, proof.id


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=dtype_word)
def test_in_16_bits_few_claims_are_not_tested_and_each_says_why(
    name: str, dtype: torch.dtype
) -> None:
    proofs = [
        proof
        for proof in proofs_of(stock(name).to(dtype))
        if proof.status != "proved" and proof.id not in DEPENDS_ON_THE_RELEASE
    ]
    details = {proof.id: proof.detail for proof in proofs}
    assert len(proofs) <= MOST_NOT_TESTED, details
    assert all(proof.status == "not-tested" for proof in proofs), details
    assert all(re.search(r"\d( %|e-\d+)", detail) for detail in details.values()), details
