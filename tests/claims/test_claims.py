"""The claims room by itself: tolerances, comparisons, and what cannot be tested."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import pytest
import torch
from makers import tiny_model
from mutations import edited, right, set_items, set_logits, set_loss, weighted
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional
from transformers import RobertaForSequenceClassification

from roberta_inspect import claims
from roberta_inspect.api import inspect
from roberta_inspect.checkpoint.fake import ShapesOnly
from roberta_inspect.claims.outcome import Claim, NotTestedError
from roberta_inspect.claims.rounding import Expected, furthest, judge, same, summing
from roberta_inspect.inputs.probe import Probe
from roberta_inspect.inputs.synthetic import synthetic
from roberta_inspect.live.calls import Calls, Comparison, calls_asked
from roberta_inspect.live.observe import observing
from roberta_inspect.records import CallSpec, Proof

NAN = math.nan


class Results(NamedTuple):
    """What calling a model and testing the claims on it showed."""

    proofs: dict[str, Proof]
    meanings: dict[str, str]
    comparisons: list[Comparison]


def results_of(model, *specs: CallSpec, probe: Probe | None = None, mode=None, **sizes) -> Results:
    """The claims tested on a model; without `specs` it is called in the four ways of `run`."""
    probe = synthetic(model.config, **sizes) if probe is None else probe
    with observing(model, mode) as observer:
        calls = Calls(observer, probe, specs or calls_asked(True, True))
        calls.make()
        evidence = claims.Evidence(calls, calls.reference)
        proofs = claims.prove(evidence)
        meanings = claims.meanings_of(evidence.fields, evidence, proofs)
    return Results({proof.id: proof for proof in proofs}, meanings, calls.comparisons)


def proofs_of(model, *specs: CallSpec, **how) -> dict[str, Proof]:
    return results_of(model, *specs, **how).proofs


def not_finite(model, **how) -> list[str]:
    """What the finding about values that are not finite says."""
    findings = inspect(model, **how).findings
    return [finding.message for finding in findings if finding.id == "not-finite"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("terms", [10, 1000])
def test_rounding_covers_a_sum_and_little_more(dtype, terms) -> None:
    generator = torch.Generator().manual_seed(0)
    values = torch.rand(200, terms, generator=generator).to(dtype)
    ones = torch.ones(terms, 1, dtype=dtype)
    off = ((values @ ones).double() - values.double() @ ones.double()).abs().amax()
    allowed = summing(dtype, terms) * float(values.double().sum(-1).max())
    assert off <= allowed
    assert allowed < 0.1 * float(values.double().sum(-1).max())


def expected(values: list[float], allowed: float, without: list[float] | None = None) -> Expected:
    exact = torch.tensor(values, dtype=torch.float64)
    parts = {} if without is None else {"the bias": torch.tensor(without, dtype=torch.float64)}
    return Expected(exact, torch.full_like(exact, allowed), parts)


@pytest.mark.parametrize(
    ("got", "expected_values", "status"),
    [
        ([1.0, 2.0], expected([1.0, 2.0], 1e-6), "proved"),
        ([1.0, 2.0], expected([1.0, 2.0 + 5e-7], 1e-6), "proved"),
        ([1.0, 2.0], expected([1.0, 2.0], 1e-6, [1.5, 2.5]), "proved"),
        ([1.0, 2.0], expected([1.0, 2.0], 1e-6, [1.0, 2.0]), "not-tested"),
        ([1.0, 2.0], expected([1.0, 2.1], 1e-6), "refuted"),
        ([1.0, 2.0], expected([1.0, 2.0, 3.0], 1e-6), "refuted"),
        ([1.0, 2.0], expected([1.0, 2.0], 0.01), "not-tested"),
        ([1.0, 2.0], expected([1.0, 2.1], 5.0), "not-tested"),
        ([1.0, NAN], expected([1.0, 2.0], 1e-6), "not-tested"),
        ([1.0, 2.0], expected([1.0, NAN], 1e-6), "not-tested"),
        ([1.0, math.inf], expected([1.0, 2.0], 1e-6), "not-tested"),
        ([], expected([], 1e-6), "not-tested"),
    ],
)
def test_judge(got, expected_values, status) -> None:
    outcome = judge(torch.tensor(got), expected_values, place="here", dtype=torch.float32)
    assert outcome.status == status, outcome.detail


def test_a_refuted_comparison_says_expected_got_and_where() -> None:
    exact = torch.tensor([[1.0, 2.0]], dtype=torch.float64)
    wanted = Expected(exact, exact * 0, {})
    got = torch.tensor([[1.0, 2.5]])
    outcome = judge(got, wanted, place="logits", dtype=torch.float32)
    assert outcome.detail.startswith("expected 2, got 2.5 at logits[0, 1]: 5.0e-01 apart")
    assert outcome.difference == 0.5


def test_a_tolerance_tells_what_it_would_have_caught() -> None:
    outcome = judge(
        torch.tensor([1.0, 2.0]),
        expected([1.0, 2.0], 1e-4, [1.0, 2.5]),
        place="here",
        dtype=torch.float32,
    )
    assert outcome.power == pytest.approx(5e-5)
    assert "would have caught 0.005 %" in outcome.detail
    assert outcome.control == "without the bias 5.0e-01 away"


@pytest.mark.parametrize(
    ("left", "right", "apart"),
    [
        ([1.0, 2.0], [1.0, 2.0], 0.0),
        ([1.0, 2.0], [1.0, 2.5], 0.5),
        ([1.0, NAN], [1.0, NAN], 0.0),
        ([1.0, NAN], [1.0, 2.0], math.inf),
        ([math.inf], [math.inf], 0.0),
        ([1.0], [1.0, 2.0], math.inf),
        ([], [], 0.0),
    ],
)
def test_furthest_and_same_agree(left, right, apart) -> None:
    left, right = torch.tensor(left), torch.tensor(right)
    assert furthest(left, right) == apart
    assert same(left, right) == (apart == 0.0)


def test_fake_tensors_have_no_values_to_compare() -> None:
    with FakeTensorMode():
        one, other = torch.ones(2), torch.ones(2)
    assert same(one, one)
    with pytest.raises(NotTestedError, match="shapes, no values"):
        same(one, other)


def claim_of(test) -> Claim:
    return Claim("new-claim", "loss", "is new", test, asks=None, compares_calls=False)


def test_a_claim_that_raises_is_not_tested_and_says_what_was_raised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def test(evidence):
        raise ZeroDivisionError("of course")

    monkeypatch.setattr(claims, "CLAIMS", (claim_of(test),))
    proof = proofs_of(tiny_model())["new-claim"]
    assert (proof.status, proof.claim) == ("not-tested", "is new")
    assert proof.detail == "testing it raised ZeroDivisionError: of course"


def test_claims_have_names_of_their_own() -> None:
    ids = [claim.id for claim in claims.CLAIMS]
    assert len(set(ids)) == len(ids)


def test_every_claim_is_proved_on_a_right_model() -> None:
    proofs = results_of(right()).proofs
    not_here = {"cross-attentions", "cache-projections"}
    assert set(proofs) == {claim.id for claim in claims.CLAIMS} - not_here
    open_ones = {proof.id for proof in proofs.values() if proof.status != "proved"}
    assert open_ones <= {"attention-implementations"}, "only a release that cannot switch"


@pytest.mark.parametrize(
    ("overrides", "labels", "words"),
    [
        ({}, None, "num_labels is 3 and the labels are int64; mean over 2 rows"),
        ({}, [-100, 1], "1 of 2 rows is ignored (-100)"),
        ({"num_labels": 1}, None, "config.problem_type is unset and num_labels is 1"),
        ({"problem_type": "regression"}, None, 'config.problem_type is "regression"'),
        ({}, [[0.0, 1.0, 1.0], [1.0, 0.0, 1.0]], "the labels are float32, not int64 or int32"),
    ],
)
def test_the_loss_says_what_decided(overrides, labels, words) -> None:
    proof = proofs_of(right(**overrides), labels=labels)["loss-value"]
    assert proof.status == "proved"
    assert words in proof.detail


@pytest.mark.parametrize(
    ("overrides", "batch_size", "over"),
    [
        ({}, 2, "mean over 2 rows, then over 3 rows with every label"),
        ({}, 3, "mean over 3 rows, then over 4 rows with every label"),
        ({"num_labels": 2}, 1, "mean over 1 row, then over 3 rows with every label"),
        ({"num_labels": 70}, 2, "mean over 2 rows, then over 70 rows with every label"),
        ({"num_labels": 5000}, 2, "mean over 2 rows, then over 209 rows with 209 of 5,000 labels"),
        ({"num_labels": 1}, 1, "mean over 1 row, then over 4 rows"),
        ({"problem_type": "regression"}, 2, "mean over 2 rows × 3 labels, then over 4 rows"),
        ({"problem_type": "multi_label_classification"}, 1, "mean over 1 row × 3 labels, then"),
    ],
)
def test_a_call_with_other_labels_tells_what_the_mean_goes_over(
    overrides, batch_size, over
) -> None:
    proofs, meanings, _ = results_of(right(**overrides), batch_size=batch_size)
    proof = proofs["loss-value"]
    assert proof.status == "proved"
    assert over in proof.detail
    end = "over the batch and the labels" if "× 3 labels" in over else "over the batch"
    assert proof.claim.endswith(end)
    assert meanings["loss"].endswith(end)


@pytest.mark.parametrize("batch_size", [1, 2])
def test_a_mean_is_not_tested_where_no_call_with_other_labels_succeeds(batch_size) -> None:
    class Fixed(RobertaForSequenceClassification):
        def forward(self, input_ids, **given):
            if len(input_ids) != batch_size:
                raise RuntimeError
            return super().forward(input_ids, **given)

    proof = proofs_of(right(cls=Fixed), batch_size=batch_size)["loss-value"]
    assert proof.status == "not-tested"
    assert "a call for this claim raised RuntimeError" in proof.detail


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize(
    ("compute", "mistake"),
    [
        (lambda x, y: functional.cross_entropy(x.float(), y), 0.0),
        (lambda x, y: functional.cross_entropy(x.float(), y).to(x.dtype), 0.0),
        (lambda x, y: functional.cross_entropy(x, y).float(), 0.0),
        (lambda x, y: functional.cross_entropy(x.float(), y) * 1.001, 0.001),
        (lambda x, y: functional.cross_entropy(x.float(), y) * 1.1, 0.1),
    ],
    ids=["upcast", "upcast and back", "upcast afterwards", "a little larger", "larger"],
)
def test_a_loss_of_16_bit_logits(dtype, compute, mistake) -> None:
    """A mistake that is proved away is smaller than the one that the proof says it would catch."""
    proof = proofs_of(edited(set_loss(compute))().to(dtype))["loss-value"]
    assert proof.status == ("refuted" if mistake == 0.1 else "proved"), proof.detail
    assert proof.status == "refuted" or mistake <= (proof.power or 0.0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_class_weights_are_not_proved_away(dtype) -> None:
    model = edited(set_loss(weighted(1.0, 5.0, 1.0)))()
    with torch.no_grad():
        model.classifier.out_proj.weight.mul_(8)
    assert proofs_of(model.to(dtype))["loss-value"].status == "refuted"


@pytest.mark.parametrize("problem_type", ["regression", "multi_label_classification", None])
def test_the_loss_of_a_float64_model_is_proved(problem_type) -> None:
    proofs = proofs_of(right(problem_type=problem_type).double())
    assert {proofs[key].status for key in ("loss-value", "loss-kind")} == {"proved"}


def test_a_loss_per_row_is_refuted_and_its_kind_not_tested() -> None:
    compute = set_loss(lambda x, y: functional.cross_entropy(x, y, reduction="none"))
    proofs = proofs_of(edited(compute)())
    assert proofs["loss-value"].status == "refuted"
    assert proofs["loss-kind"].detail == "the loss is of shape (2,), not a single number"


@pytest.mark.parametrize(
    ("model", "status"),
    [
        (edited(set_loss(lambda x, y: y.sum())), "refuted"),
        (edited(set_logits(lambda x: x.round().long())), "not-tested"),
        (edited(set_logits(lambda x: x.sum())), "not-tested"),
        (edited(set_logits(lambda x: x[..., None])), "not-tested"),
    ],
    ids=["whole loss", "whole logits", "one logit", "logits of three axes"],
)
def test_what_no_loss_is_made_of_has_words_and_no_proof(model, status) -> None:
    proofs, meanings, _ = results_of(model())
    assert "none of the losses" in meanings["loss"]
    assert meanings["logits"].startswith("one ")
    assert proofs["loss-value"].status == status
    assert {proof.error for proof in proofs.values() if proof.slot == "loss"} == {None}


def test_a_loss_that_is_not_finite_has_neutral_words() -> None:
    words = "what forward computed from the labels: NaN here, so no formula can be tested"
    assert results_of(right(), labels=[-100, -100]).meanings["loss"] == words


def test_two_losses_that_coincide_are_told_and_neither_proved_nor_refuted() -> None:
    model = right(num_labels=2)
    with torch.no_grad():
        model.classifier.out_proj.weight.zero_()
        model.classifier.out_proj.bias.zero_()
    proofs = proofs_of(model)
    assert proofs["loss-value"].status == "not-tested"
    assert proofs["loss-value"].detail.startswith("the loss of other labels would be 0.0e+00")
    assert proofs["loss-kind"].status == "not-tested"
    assert "CrossEntropyLoss and BCEWithLogitsLoss" in proofs["loss-kind"].detail


def test_a_loss_of_ignored_rows_alone_is_nan_and_not_tested() -> None:
    proof = proofs_of(right(), labels=[-100, -100])["loss-value"]
    assert proof.status == "not-tested"
    assert not_finite(right(), labels=[-100, -100]) == []  # labels-all-ignored says it
    assert proof.detail == "the loss is NaN: 2 of 2 rows are ignored (-100)"


def test_without_a_labelled_call_the_loss_is_not_tested() -> None:
    proofs = proofs_of(right(), CallSpec(True, False, True, True))
    assert proofs["loss-value"].detail == "the call that the proofs rest on has no labels"
    assert "loss-kind" not in proofs


def test_flags_that_are_off_leave_their_claims_out() -> None:
    off = CallSpec(True, True, output_hidden_states=False, output_attentions=False)
    proofs = proofs_of(right(), off)
    slots = {proof.slot for proof in proofs.values()}
    assert slots == {"loss", "logits", "outputs"}
    assert not {"logits-head", "logits-classifier"} & set(proofs)


def test_on_fake_tensors_only_what_needs_no_values_is_tested() -> None:
    with ShapesOnly() as mode:
        model = right()
    proofs = proofs_of(model, probe=synthetic(model.config), mode=mode)
    held = {proof.id for proof in proofs.values() if proof.status == "proved"}
    assert held == {
        "logits-origin",
        "hidden-states-count",
        "hidden-states-chain",
        "hidden-states-last",
        "attentions-count",
        "attentions-origin",
        "axes",
        "no-pooler",
    }
    assert proofs["loss-value"].detail == "the tensors have shapes, no values"


def test_the_rows_of_more_weights_than_layers_are_summed() -> None:
    model = edited(set_items("attentions", lambda items: [*items, items[0]]))()
    proofs = proofs_of(model)
    assert proofs["attentions-count"].status == "refuted"
    assert proofs["attentions-rows"].status == "proved", proofs["attentions-rows"].detail


class Stubborn(RobertaForSequenceClassification):
    """Runs eager attention, whatever its configuration says."""

    def forward(self, *args, **kwargs):
        self.config._attn_implementation = "eager"
        return super().forward(*args, **kwargs)


def test_an_implementation_that_is_not_used_proves_nothing() -> None:
    proof = proofs_of(right(cls=Stubborn))["attention-implementations"]
    assert proof.status == "not-tested", proof.detail


def test_padding_says_what_happens_without_the_mask() -> None:
    proof = proofs_of(right())["padding"]
    assert (proof.status, proof.method) == ("proved", "exact")
    assert proof.control.startswith("leaving out the mask moves the logits by ")
    assert float(proof.control.rpartition(" ")[2]) > 1e-3


def test_nan_in_the_weights_is_found_and_nothing_is_proved_of_it() -> None:
    model = right()
    with torch.no_grad():
        model.classifier.out_proj.bias[0] = NAN
    assert not_finite(model) == ["NaN or infinity in loss and logits"]
    proofs = proofs_of(model)
    about_values = {"logits-head", "logits-position", "padding", "attention-implementations"}
    assert {proofs[name].status for name in about_values} == {"not-tested"}


def test_places_of_nan_are_named_by_item() -> None:
    model = right()
    with torch.no_grad():
        model.roberta.encoder.layer[1].output.LayerNorm.bias[0] = math.inf
    [message] = not_finite(model)
    assert "hidden_states[2]" in message
    assert "hidden_states[1]" not in message


@pytest.mark.parametrize(
    ("overrides", "labels", "loss", "logits"),
    [
        ({}, None, "cross-entropy", "softmax"),
        ({"num_labels": 1}, None, "mean squared error", "the predicted number"),
        ({"problem_type": "multi_label_classification"}, None, "binary cross-entropy", "sigmoid"),
    ],
)
def test_meanings_follow_what_fits(overrides, labels, loss, logits) -> None:
    meanings = results_of(right(**overrides), labels=labels).meanings
    assert meanings["loss"].startswith(loss)
    assert logits in meanings["logits"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x: x.softmax(-1), "look like probabilities already"),
        (lambda x: x.softmax(-1) * 1.1, "what scale it is on is not known"),
        (lambda x: x - (x.sum(-1, keepdim=True) - 1) / 3 + torch.tensor([2, -1, -1]), "unnorm"),
    ],
)
def test_logits_that_are_probabilities_already_are_not_called_unnormalised(
    change, words, dtype
) -> None:
    model = edited(set_logits(change))().to(dtype)
    assert words in results_of(model).meanings["logits"]


def test_what_nothing_is_known_about_has_no_meaning() -> None:
    assert set(results_of(right()).meanings) == {"loss", "logits", "hidden_states", "attentions"}


def test_a_comparison_holds_no_tensor_and_finds_nothing_in_itself() -> None:
    plain = CallSpec(False, False, True, True)
    [comparison] = [
        comparison for comparison in results_of(right()).comparisons if comparison.call == plain
    ]
    assert comparison.names == ("logits", "hidden_states", "attentions")
    assert (comparison.differences, comparison.missing, comparison.moved) == (
        (0.0, 0.0, 0.0),
        (),
        (),
    )


def test_proving_leaves_the_model_as_it_was() -> None:
    model = right()
    model.train()
    before = (
        dict(model.config.__dict__),
        [len(module._forward_hooks) for module in model.modules()],
        [module.training for module in model.modules()],
        torch.get_rng_state(),
    )
    results_of(model)
    after = (
        dict(model.config.__dict__),
        [len(module._forward_hooks) for module in model.modules()],
        [module.training for module in model.modules()],
        torch.get_rng_state(),
    )
    assert before[:3] == after[:3]
    assert torch.equal(before[3], after[3])


def test_padding_on_the_left_is_told_and_blamed_on_no_model() -> None:
    model = right()
    probe = synthetic(model.config)
    flipped = {name: tensor.flip(1) for name, tensor in probe.inputs.items()}
    proof = proofs_of(model, probe=replace(probe, inputs=flipped))["padding"]
    assert proof.status == "proved"
    assert "padding on the left" in proof.claim
    assert proof.claim.endswith("its logits change, because the head reads position 0")


@pytest.mark.parametrize("precision", ["high", "medium"])
def test_nothing_is_refuted_where_torch_may_round_factors(precision) -> None:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        proofs = proofs_of(right(hidden_size=64, intermediate_size=64))
    finally:
        torch.set_float32_matmul_precision(before)
    assert [proof for proof in proofs.values() if proof.status == "refuted"] == []
    assert proofs["alone"].tolerance > 1e-4


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_nothing_is_refuted_on_cuda(dtype, attention) -> None:
    model = right(attn_implementation=attention).to("cuda", dtype)
    assert [proof for proof in inspect(model).proofs if proof.status == "refuted"] == []


def test_a_claim_that_raises_is_told_in_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def raising(_: claims.Evidence) -> None:
        raise ZeroDivisionError("no way")

    monkeypatch.setattr(claims, "CLAIMS", (claim_of(raising),))
    output_map = inspect(tiny_model())
    assert [(proof.status, proof.detail) for proof in output_map.proofs] == [
        ("not-tested", "testing it raised ZeroDivisionError: no way")
    ]
    (finding,) = [finding for finding in output_map.findings if finding.id == "claim-raised"]
    assert (finding.level, "new-claim" in finding.message) == ("warning", True)


def test_running_out_of_memory_in_a_claim_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(_: claims.Evidence) -> None:
        raise MemoryError

    monkeypatch.setattr(claims, "CLAIMS", (claim_of(exhausted),))
    with pytest.raises(MemoryError):
        inspect(tiny_model())
