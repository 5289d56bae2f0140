"""Every claim is seen failing, on a model that is wrong in what the claim is about."""

from __future__ import annotations

import pytest
from mutations import MUTATIONS, SWITCHING, Mutation, right

from roberta_inspect.api import inspect
from roberta_inspect.claims import CLAIMS


def statuses(model, **how):
    return {proof.id: proof.status for proof in inspect(model, **how).proofs}


@pytest.mark.parametrize("mutation", MUTATIONS.values(), ids=MUTATIONS)
def test_a_wrong_model_is_refuted_by_the_claim_that_owns_it(mutation: Mutation) -> None:
    output_map = inspect(mutation.make(), **mutation.how)
    proof = next(proof for proof in output_map.proofs if proof.id == mutation.owner)
    assert proof.status == "refuted", proof.detail
    assert not output_map.ok


@pytest.mark.parametrize("mutation", SWITCHING.values(), ids=SWITCHING)
def test_a_wrong_model_is_refuted_where_the_release_can_switch(mutation: Mutation) -> None:
    model = mutation.make()
    if statuses(right())["attention-implementations"] == "not-tested":
        pytest.skip("this release cannot switch the attention implementation of a loaded model")
    assert statuses(model, **mutation.how)[mutation.owner] == "refuted"


def test_every_claim_owns_a_mutant() -> None:
    owners = {mutation.owner for mutation in [*MUTATIONS.values(), *SWITCHING.values()]}
    assert owners == {claim.id for claim in CLAIMS}


def test_what_is_mutated_is_right_before() -> None:
    refuted = [key for key, status in statuses(right()).items() if status == "refuted"]
    assert refuted == []
