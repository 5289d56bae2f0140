"""What must be true of the outputs, tested on the tensors that came back."""

from __future__ import annotations

from collections.abc import Callable, Mapping

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
from roberta_inspect.claims.claim import Claim
from roberta_inspect.claims.evidence import Evidence
from roberta_inspect.live.observe import as_found
from roberta_inspect.records import Proof

__all__ = ["CLAIMS", "Evidence", "meaning", "prove"]

CLAIMS: tuple[Claim, ...] = tuple(
    each
    for module in (loss, logits, model, hidden_states, attentions, decoder, container)
    for each in module.CLAIMS
)
"""Every claim, in the order in which the proofs are told."""

_MEANINGS: Mapping[str, Callable[[Evidence], str]] = {
    "loss": loss.meaning,
    "logits": logits.meaning,
    "hidden_states": hidden_states.meaning,
    "attentions": lambda _: attentions.MEANING,
    "past_key_values": lambda _: decoder.MEANING,
    "cross_attentions": decoder.cross_meaning,
}


def prove(evidence: Evidence) -> tuple[Proof, ...]:
    """Every claim that speaks of this model, with its outcome; the model is left as it was."""
    with as_found(evidence.model), torch.no_grad():
        evidence.model.eval()
        proofs = [each.proof(evidence) for each in CLAIMS]
    return tuple(proof for proof in proofs if proof is not None)


def meaning(name: str, evidence: Evidence) -> str | None:
    """What a slot of that name is; `None` for a name that nothing is known about."""
    return _MEANINGS[name](evidence) if name in _MEANINGS else None
