"""Proofs that no longer hold, and new findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from roberta_inspect.differences.change import Change
from roberta_inspect.records import OutputMap, Proof
from roberta_inspect.text import safe


def proof_changes(left: OutputMap, right: OutputMap) -> Iterator[Change]:
    """Claims that are newly refuted, and claims that were proved and are no longer tested.

    The claims of one slot share a line, and so do claims that are not tested for the same reason.
    A slot that is gone is left out, because that is a difference of its own.
    """
    before = {(proof.slot, proof.id): proof for proof in left.proofs}
    after = {(proof.slot, proof.id): proof for proof in right.proofs}
    lost: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for slot, claim in dict.fromkeys([*before, *after]):
        was, now = _status_words(before.get((slot, claim))), _status_words(after.get((slot, claim)))
        is_about_nothing = (slot, claim) not in after and slot not in right.names
        if now != was and (was == "proved" or now == "refuted") and not is_about_nothing:
            lost.setdefault((slot, now), []).append((claim, was))
    for (slot, now), claims in lost.items():
        reasons = dict.fromkeys(
            after[slot, claim].detail for claim, _ in claims if (slot, claim) in after
        )
        cause = (slot if now == "refuted" else None, now, tuple(reasons))
        for claim, was in claims:
            yield Change(
                "proof",
                cause,
                "proofs",
                safe(claim, longest=60),
                was,
                f"{now} ({safe(next(iter(reasons)))})" if reasons else now,
                "what the map says of it is not true of this model"
                if now == "refuted"
                else "what held is no longer known to hold",
            )


def _status_words(proof: Proof | None) -> str:
    return "not made" if proof is None else proof.status.replace("-", " ")


def finding_changes(left: OutputMap, right: OutputMap, said: frozenset[str]) -> Iterator[Change]:
    """New findings. `said` are the ids of findings that repeat another difference."""
    before = Counter(finding.id for finding in left.findings)
    for finding in right.findings:
        before[finding.id] -= 1
        if before[finding.id] < 0 and finding.id not in said:
            article = "an" if finding.level == "error" else "a"
            yield Change(
                "finding",
                finding.id,
                "findings",
                safe(finding.id, longest=60),
                "absent",
                f'{article} {finding.level} ("{safe(finding.message)}")',
                (finding.hint or "Nothing need be done").rstrip("."),
            )
