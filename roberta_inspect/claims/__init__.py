"""What must be true of the outputs, tested on the tensors that came back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import torch

from roberta_inspect.claims import (
    attentions,
    container,
    decoder,
    hidden_states,
    logits,
    loss,
    model,
)
from roberta_inspect.claims.evidence import Evidence
from roberta_inspect.claims.outcome import Claim
from roberta_inspect.progress import Progress, silent
from roberta_inspect.records import Proof

__all__ = ["CLAIMS", "Evidence", "meanings_of", "prove"]

CLAIMS: tuple[Claim, ...] = (
    *loss.CLAIMS,
    *logits.CLAIMS,
    *model.CLAIMS,
    *hidden_states.CLAIMS,
    *attentions.CLAIMS,
    *decoder.CACHE,
    *decoder.CROSS,
    *container.CLAIMS,
)
"""Every claim, in the order in which the proofs are told."""

_MEANINGS: Mapping[str, tuple[str, Callable[[Evidence, str | None], str]]] = {
    "loss": ("loss-value", loss.meaning),
    "logits": ("logits-head", logits.meaning),
    "hidden_states": ("hidden-states-chain", hidden_states.meaning),
    "attentions": ("attentions-values", attentions.meaning),
    "past_key_values": ("cache-projections", decoder.cache_meaning),
    "cross_attentions": ("cross-attentions", decoder.cross_meaning),
}
"""Name of a slot → the claim that its meaning rests on, and what says it by that claim's status."""


def prove(evidence: Evidence, progress: Progress = silent) -> tuple[Proof, ...]:
    """Every claim that speaks of this model, with its outcome."""
    proofs = []
    with torch.no_grad():
        for number, claim in enumerate(CLAIMS):
            progress(f"Testing {claim.id}", number, len(CLAIMS))
            proofs.append(claim.proof(evidence))
    return tuple(proof for proof in proofs if proof is not None)


def meanings_of(
    names: Iterable[str], evidence: Evidence, proofs: Iterable[Proof]
) -> dict[str, str]:
    """Name of a slot → what it is, in a sentence that says no more than the proofs show."""
    statuses = {proof.id: proof.status for proof in proofs}
    with torch.no_grad():
        return {
            name: says(evidence, statuses.get(claim))
            for name, (claim, says) in _MEANINGS.items()
            if name in set(names)
        }
