"""Every claim about values catches a mistake that is only just large enough; docs/power.md has them
all."""

from __future__ import annotations

import power
import pytest
import torch
from power import MISTAKES, Mistake

from roberta_inspect.claims import CLAIMS
from roberta_inspect.claims.rounding import limit_of
from roberta_inspect.releases import switch_attention
from roberta_inspect.text import dtype_word

pytestmark = pytest.mark.newest  # some releases capture outputs before a hook can change them

DIMINISHED = {"the weight of one class in the loss", "label smoothing of e"}
"""How much of these reaches the loss depends on the logits."""

NO_VALUES = {
    "loss-kind",
    "hidden-states-count",
    "hidden-states-positions",
    "hidden-states-not-bare",
    "attentions-count",
    "axes",
    "no-pooler",
}
"""Claims about which, how many and of what shape."""

each_mistake = pytest.mark.parametrize(
    "mistake", MISTAKES, ids=lambda mistake: f"{mistake.caught_by}: {mistake.words}"
)


def judged(mistake: Mistake, dtype: torch.dtype, e: float) -> str:
    model = power.tiny(mistake).to(dtype)
    if mistake.caught_by == "attention-implementations" and not switch_attention(model, "eager"):
        pytest.skip("this release cannot switch the attention of a loaded model")
    return mistake.judged(model, e).status


@each_mistake
def test_in_float32_a_mistake_of_a_thousandth_is_refuted(mistake: Mistake) -> None:
    assert judged(mistake, torch.float32, limit_of(torch.float32)) == "refuted"


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=dtype_word)
@each_mistake
def test_in_16_bits_a_mistake_of_a_twentieth_is_not_proved_right(
    mistake: Mistake, dtype: torch.dtype
) -> None:
    if mistake.words in DIMINISHED:
        pytest.skip("what reaches the loss of it is smaller")
    assert judged(mistake, dtype, limit_of(dtype)) != "proved"


@pytest.mark.parametrize("dtype", power.DTYPES, ids=dtype_word)
@pytest.mark.parametrize(
    "claim", ["hidden-states-embeddings", "attentions-rows", "attentions-values", "alone"]
)
def test_twice_the_power_that_is_told_is_caught(claim: str, dtype: torch.dtype) -> None:
    mistake = next(mistake for mistake in MISTAKES if mistake.caught_by == claim)
    model = power.tiny(mistake).to(dtype)
    still = mistake.judged(model, 0.0)
    if still.status == "not-tested":
        assert still.power > limit_of(dtype)
    else:
        assert mistake.judged(model, 2 * still.power).status != "proved"


def test_every_claim_about_values_has_a_mistake() -> None:
    known = {mistake.caught_by for mistake in MISTAKES} - {"not-deterministic"}
    assert known | NO_VALUES == {claim.id for claim in CLAIMS}
    assert not known & NO_VALUES
