"""The claims room by itself: tolerances, comparisons, and what cannot be tested."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from makers import tiny_model
from mutations import edited, right, set_logits, set_loss, weighted
from roberta_inspect.claims.claim import Claim, NotTestedError
from roberta_inspect.claims.comparison import Estimate, furthest, judged, rounding, same
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional
from transformers import RobertaForSequenceClassification

from roberta_inspect import claims
from roberta_inspect.api import inspect
from roberta_inspect.inputs.probe import Probe
from roberta_inspect.inputs.synthetic import synthetic
from roberta_inspect.live.calls import Calls, calls_asked
from roberta_inspect.live.containers import keyed
from roberta_inspect.live.observe import observe
from roberta_inspect.records import CallSpec

LABELLED = CallSpec(True, True, True, True)
NAN = math.nan


def evidence_of(model, call: CallSpec = LABELLED, probe: Probe | None = None, **sizes):
    probe = synthetic(model.config, **sizes) if probe is None else probe
    seen = observe(model, probe, call)
    return claims.Evidence(model, probe, seen, keyed(seen.output))


def proofs_of(evidence):
    return {proof.id: proof for proof in claims.prove(evidence)}


def made_calls(model) -> Calls:
    """The four calls of `run`, and what they showed beside the reference call."""
    calls = Calls(model, synthetic(model.config), calls_asked(True, True))
    calls.make()
    return calls


def not_finite(model, **how) -> list[str]:
    """What the finding about values that are not finite says."""
    findings = inspect(model, **how).findings
    return [each.message for each in findings if each.id == "not-finite"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("terms", [10, 1000])
def test_rounding_covers_a_sum_and_little_more(dtype, terms) -> None:
    generator = torch.Generator().manual_seed(0)
    values = torch.rand(200, terms, generator=generator).to(dtype)
    ones = torch.ones(terms, 1, dtype=dtype)
    off = ((values @ ones).double() - values.double() @ ones.double()).abs().amax()
    allowed = rounding(dtype, operations=2, summed=terms) * float(values.double().sum(-1).max())
    assert off <= allowed
    assert allowed < 0.1 * float(values.double().sum(-1).max())


@pytest.mark.parametrize(
    ("got", "expected", "error", "status"),
    [
        ([1.0, 2.0], [1.0, 2.0], 1e-6, "proved"),
        ([1.0, 2.0], [1.0, 2.0 + 5e-7], 1e-6, "proved"),
        ([1.0, 2.0], [1.0, 2.1], 1e-6, "refuted"),
        ([1.0, 2.0], [1.0, 2.0, 3.0], 1e-6, "refuted"),
        ([0.0, 0.0], [0.0, 0.0], 0.0, "proved"),
        ([1.0, 2.0], [1.0, 2.1], 5.0, "not-tested"),
        ([1.0, NAN], [1.0, 2.0], 1e-6, "not-tested"),
        ([1.0, 2.0], [1.0, NAN], 1e-6, "not-tested"),
        ([1.0, 2.0], [1.0, 2.0], NAN, "not-tested"),
        ([1.0, math.inf], [1.0, 2.0], 1e-6, "not-tested"),
    ],
)
def test_judged(got, expected, error, status) -> None:
    exact = torch.tensor(expected, dtype=torch.float64)
    estimate = Estimate(exact, torch.full_like(exact, error))
    assert judged(torch.tensor(got), estimate, place="here").status == status


def test_a_refuted_comparison_says_expected_got_and_where() -> None:
    exact = torch.tensor([[1.0, 2.0]], dtype=torch.float64)
    outcome = judged(torch.tensor([[1.0, 2.5]]), Estimate(exact, exact * 0), place="logits")
    assert outcome.detail.startswith("expected 2, got 2.5 at logits[0, 1]: 5.0e-01 apart")
    assert outcome.difference == 0.5


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


def test_a_claim_that_raises_is_not_tested_and_says_what_was_raised() -> None:
    def test(evidence):
        raise ZeroDivisionError("of course")

    proof = Claim("id", "loss", "it holds", test).proof(evidence_of(tiny_model()))
    assert (proof.status, proof.claim) == ("not-tested", "it holds")
    assert proof.detail == "testing it raised ZeroDivisionError: of course"


def test_claims_have_names_of_their_own() -> None:
    ids = [claim.id for claim in claims.CLAIMS]
    assert len(set(ids)) == len(ids)


def test_every_claim_is_proved_on_a_right_model() -> None:
    model = right()
    calls = made_calls(model)
    evidence = claims.Evidence(model, calls.probe, calls.reference, calls.fields, calls.comparisons)
    proofs = proofs_of(evidence)
    not_here = {"cross-attentions", "cache-projections"}
    assert set(proofs) == {claim.id for claim in claims.CLAIMS} - not_here
    open_ones = {proof.id for proof in proofs.values() if proof.status != "proved"}
    assert open_ones <= {"attention-implementations"}, "only a release that cannot switch"


@pytest.mark.parametrize(
    ("overrides", "labels", "said"),
    [
        ({}, None, "num_labels is 3 and the labels are int64; mean over 2 rows"),
        ({}, [-100, 1], "1 of 2 rows is ignored (-100)"),
        ({"num_labels": 1}, None, "config.problem_type is unset and num_labels is 1"),
        ({"problem_type": "regression"}, None, 'config.problem_type is "regression"'),
        ({}, [[0.0, 1.0, 1.0], [1.0, 0.0, 1.0]], "the labels are float32, not int64 or int32"),
    ],
)
def test_the_loss_says_what_decided(overrides, labels, said) -> None:
    proof = proofs_of(evidence_of(right(**overrides), labels=labels))["loss-value"]
    assert proof.status == "proved"
    assert said in proof.detail


@pytest.mark.parametrize(
    ("overrides", "batch_size", "over"),
    [
        ({}, 2, "mean over 2 rows, then over 3 rows with every label"),
        ({}, 3, "mean over 3 rows, then over 4 rows with every label"),
        ({"num_labels": 2}, 1, "mean over 1 row, then over 2 rows with every label"),
        ({"num_labels": 70}, 2, "mean over 2 rows, then over 63 rows with 63 of 70 labels"),
        ({"num_labels": 5000}, 2, "mean over 2 rows, then over 26 rows with 26 of 5,000 labels"),
        ({"num_labels": 1}, 1, "mean over 1 row, then over 2 rows"),
        ({"problem_type": "regression"}, 2, "mean over 2 rows × 3 labels, then over 3 rows"),
        ({"problem_type": "multi_label_classification"}, 1, "mean over 1 row × 3 labels, then"),
    ],
)
def test_a_call_with_other_labels_tells_what_the_mean_goes_over(
    overrides, batch_size, over
) -> None:
    evidence = evidence_of(right(**overrides), batch_size=batch_size)
    proof = proofs_of(evidence)["loss-value"]
    assert proof.status == "proved"
    assert over in proof.detail
    end = "over the batch and the labels" if "× 3 labels" in over else "over the batch"
    assert proof.claim.endswith(end)
    assert claims.meaning("loss", evidence).endswith(end)


@pytest.mark.parametrize(("batch_size", "status"), [(1, "not-tested"), (2, "proved")])
def test_a_mean_over_one_row_is_not_tested_where_no_other_call_succeeds(batch_size, status) -> None:
    class Fixed(RobertaForSequenceClassification):
        def forward(self, input_ids, **given):
            if len(input_ids) != batch_size:
                raise RuntimeError
            return super().forward(input_ids, **given)

    proof = proofs_of(evidence_of(right(cls=Fixed), batch_size=batch_size))["loss-value"]
    assert proof.status == status
    assert "a call for this claim raised RuntimeError" in proof.detail


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize(
    ("compute", "status"),
    [
        (lambda x, y: functional.cross_entropy(x.float(), y), "proved"),
        (lambda x, y: functional.cross_entropy(x.float(), y).to(x.dtype), "proved"),
        (lambda x, y: functional.cross_entropy(x, y).float(), "proved"),
        (lambda x, y: functional.cross_entropy(x.float(), y) * 1.001, "not-tested"),
        (lambda x, y: functional.cross_entropy(x.float(), y) * 1.1, "refuted"),
    ],
    ids=["upcast", "upcast and back", "upcast afterwards", "a little larger", "larger"],
)
def test_a_loss_of_16_bit_logits(dtype, compute, status) -> None:
    proof = proofs_of(evidence_of(edited(set_loss(compute))().to(dtype)))["loss-value"]
    assert proof.status == status, proof.detail


def test_class_weights_are_not_proved_away_in_bfloat16() -> None:
    model = edited(set_loss(weighted(1.0, 5.0, 1.0)))().bfloat16()
    proof = proofs_of(evidence_of(model))["loss-value"]
    assert proof.status == "not-tested"
    assert "CrossEntropyLoss itself rounds to" in proof.detail


@pytest.mark.parametrize("problem_type", ["regression", "multi_label_classification", None])
def test_the_loss_of_a_float64_model_is_proved(problem_type) -> None:
    proofs = proofs_of(evidence_of(right(problem_type=problem_type).double()))
    assert {proofs[key].status for key in ("loss-value", "loss-kind")} == {"proved"}


def test_a_loss_per_row_is_refuted_and_its_kind_not_tested() -> None:
    compute = set_loss(lambda x, y: functional.cross_entropy(x, y, reduction="none"))
    proofs = proofs_of(evidence_of(edited(compute)()))
    assert proofs["loss-value"].status == "refuted"
    assert proofs["loss-kind"].detail == "the loss is of shape (2,), no single number"


@pytest.mark.parametrize(
    "model",
    [
        edited(set_loss(lambda x, y: y.sum())),
        edited(set_logits(lambda x: x.round().long())),
        edited(set_logits(lambda x: x.sum())),
        edited(set_logits(lambda x: x[..., None])),
    ],
    ids=["whole loss", "whole logits", "one logit", "logits of three axes"],
)
def test_what_no_loss_is_made_of_has_words_and_no_proof(model) -> None:
    evidence = evidence_of(model())
    assert "none of the losses" in claims.meaning("loss", evidence)
    assert claims.meaning("logits", evidence).startswith("one unnormalised score")
    proofs = proofs_of(evidence)
    assert proofs["loss-value"].status == "not-tested"
    assert {proof.error for proof in proofs.values() if proof.slot == "loss"} == {None}


def test_a_loss_that_is_not_finite_has_neutral_words() -> None:
    words = "what forward computed from the labels: NaN here, so no formula can be tested"
    assert claims.meaning("loss", evidence_of(right(), labels=[-100, -100])) == words


def test_two_losses_that_coincide_are_told_and_neither_proved_nor_refuted() -> None:
    model = right(num_labels=2)
    with torch.no_grad():
        model.classifier.out_proj.weight.zero_()
        model.classifier.out_proj.bias.zero_()
    proofs = proofs_of(evidence_of(model))
    assert proofs["loss-value"].status == "proved"
    assert proofs["loss-kind"].status == "not-tested"
    assert "CrossEntropyLoss and BCEWithLogitsLoss" in proofs["loss-kind"].detail


def test_a_loss_of_ignored_rows_alone_is_nan_and_not_tested() -> None:
    evidence = evidence_of(right(), labels=[-100, -100])
    proof = proofs_of(evidence)["loss-value"]
    assert proof.status == "not-tested"
    assert not_finite(right(), labels=[-100, -100]) == ["NaN or infinity in loss"]
    assert proof.detail == "the loss is NaN: 2 of 2 rows are ignored (-100)"


def test_without_a_labelled_call_the_loss_is_not_tested() -> None:
    proofs = proofs_of(evidence_of(right(), LABELLED._replace(labels=False)))
    assert proofs["loss-value"].detail == "no call with labels returned anything"
    assert "loss-kind" not in proofs


def test_flags_that_are_off_leave_their_claims_out() -> None:
    off = CallSpec(True, True, output_hidden_states=False, output_attentions=False)
    proofs = proofs_of(evidence_of(right(), off))
    slots = {proof.slot for proof in proofs.values()}
    assert slots == {"loss", "logits", "outputs"}
    assert proofs["logits-head"].detail == "the call was made without output_hidden_states"


def test_on_fake_tensors_only_what_needs_no_values_is_tested() -> None:
    with FakeTensorMode() as mode:
        model = right()
        evidence = evidence_of(model, probe=synthetic(model.config).fake(mode))
        proofs = proofs_of(evidence)
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


def test_padding_says_what_happens_without_the_mask() -> None:
    proof = proofs_of(evidence_of(right()))["padding"]
    without = float(proof.detail.rpartition(" ")[2])
    assert "without the mask" in proof.detail
    assert without > 1000 * proof.tolerance


def test_nan_in_the_weights_is_found_and_nothing_is_proved_of_it() -> None:
    model = right()
    with torch.no_grad():
        model.classifier.out_proj.bias[0] = NAN
    assert not_finite(model) == ["NaN or infinity in loss and logits"]
    proofs = proofs_of(evidence_of(model))
    about_values = {"logits-head", "logits-position", "padding", "attention-implementations"}
    assert {proofs[each].status for each in about_values} == {"not-tested"}


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
    evidence = evidence_of(right(**overrides), labels=labels)
    assert claims.meaning("loss", evidence).startswith(loss)
    assert logits in claims.meaning("logits", evidence)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x: x.softmax(-1), "look like probabilities already"),
        (lambda x: x.softmax(-1) * 1.1, "unnormalised"),
        (lambda x: x - (x.sum(-1, keepdim=True) - 1) / 3 + torch.tensor([2, -1, -1]), "unnorm"),
    ],
)
def test_logits_that_are_probabilities_already_are_not_called_unnormalised(
    change, words, dtype
) -> None:
    model = edited(set_logits(change))().to(dtype)
    assert words in claims.meaning("logits", evidence_of(model))


def test_what_nothing_is_known_about_has_no_meaning() -> None:
    assert claims.meaning("unnamed", evidence_of(right())) is None


def test_a_comparison_holds_no_tensor_and_finds_nothing_in_itself() -> None:
    plain = CallSpec(False, False, True, True)
    [found] = [each for each in made_calls(right()).comparisons if each.call == plain]
    assert found.names == ("logits", "hidden_states", "attentions")
    assert (found.differences, found.missing, found.moved) == ((0.0, 0.0, 0.0), (), ())


def test_proving_leaves_the_model_as_it_was() -> None:
    model = right()
    model.train()
    before = (
        dict(model.config.__dict__),
        [len(module._forward_hooks) for module in model.modules()],
        [module.training for module in model.modules()],
        torch.get_rng_state(),
    )
    evidence = evidence_of(model)
    proofs_of(evidence)
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
    flipped = {name: each.flip(1) for name, each in probe.inputs.items()}
    proof = proofs_of(evidence_of(model, probe=replace(probe, inputs=flipped)))["padding"]
    assert proof.status == "not-tested"
    assert proof.detail.startswith("row 1 is padded on the left")


@pytest.mark.parametrize("precision", ["high", "medium"])
def test_nothing_is_refuted_where_torch_may_round_factors(precision) -> None:
    found = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        proofs = proofs_of(evidence_of(right(hidden_size=64, intermediate_size=64)))
    finally:
        torch.set_float32_matmul_precision(found)
    assert [proof for proof in proofs.values() if proof.status == "refuted"] == []
    assert proofs["logits-head"].tolerance > 1e-4


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_nothing_is_refuted_on_cuda(dtype, attention) -> None:
    model = right(attn_implementation=attention).to("cuda", dtype)
    assert [proof for proof in inspect(model).proofs if proof.status == "refuted"] == []


def test_a_claim_that_raises_is_told_in_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def raising(_: claims.Evidence) -> None:
        raise ZeroDivisionError("no way")

    monkeypatch.setattr(claims, "CLAIMS", (Claim("new-claim", "loss", "is new", raising),))
    found = inspect(tiny_model())
    assert [(proof.status, proof.detail) for proof in found.proofs] == [
        ("not-tested", "testing it raised ZeroDivisionError: no way")
    ]
    (finding,) = [each for each in found.findings if each.id == "claim-raised"]
    assert (finding.level, "new-claim" in finding.message) == ("warning", True)


def test_running_out_of_memory_in_a_claim_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(_: claims.Evidence) -> None:
        raise MemoryError

    monkeypatch.setattr(claims, "CLAIMS", (Claim("new-claim", "loss", "is new", exhausted),))
    with pytest.raises(MemoryError):
        inspect(tiny_model())
