"""`diff` of two maps: one sentence per cause, and none if nothing differs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import samples
from small_maps import BASE, made_map

from roberta_inspect.api import diff, report
from roberta_inspect.differences import Difference
from roberta_inspect.errors import CannotInspectError, UsageError
from roberta_inspect.records import (
    Failure,
    Finding,
    Fingerprint,
    Item,
    Origin,
    OutputMap,
    Slot,
    Weights,
)
from roberta_inspect.render import rendered


def with_slots(change: Callable[[Slot], Slot], base: OutputMap = BASE) -> OutputMap:
    calls = (replace(call, slots=tuple(map(change, call.slots))) for call in base.calls)
    return replace(base, calls=tuple(calls))


def with_items(name: str, **changes: Any) -> OutputMap:
    """The base map with every item of one slot changed."""

    def change(slot: Slot) -> Slot:
        if slot.name != name:
            return slot
        return replace(slot, items=tuple(replace(item, **changes) for item in slot.items))

    return with_slots(change)


def with_slot(name: str, **changes: Any) -> OutputMap:
    """The base map with one slot changed in every call that has it."""
    return with_slots(
        lambda slot: replace(slot, **changes) if slot.name == name and slot.items else slot
    )


def with_logits(**changes: Any) -> OutputMap:
    return with_slots(lambda slot: replace(slot, **changes) if slot.name == "logits" else slot)


def with_checkpoint(**changes: Any) -> OutputMap:
    return replace(BASE, checkpoint=replace(BASE.checkpoint, **changes))


def with_call(number: int, **changes: Any) -> OutputMap:
    calls = list(BASE.calls)
    calls[number] = replace(calls[number], **changes)
    return replace(BASE, calls=tuple(calls))


def in_tuples(names: str) -> OutputMap:
    """The base map with other names in its two calls that return a tuple."""
    tuple_calls = made_map(names).calls
    flags = {"output_hidden_states": True, "output_attentions": True}
    changed = [replace(call, **flags) for call in tuple_calls[2:]]
    return replace(BASE, calls=(*BASE.calls[:2], *changed))


def with_proofs(*statuses: tuple[str, str]) -> OutputMap:
    """The base map with these claims of these statuses."""
    status_of = dict(statuses)
    return replace(
        BASE,
        proofs=tuple(
            replace(proof, status=status_of[proof.id], detail="no item")
            if proof.id in status_of
            else proof
            for proof in BASE.proofs
        ),
    )


def with_finding(name: str, base: OutputMap = BASE, hint: str | None = None) -> OutputMap:
    finding = Finding(id=name, level="warning", message="it is so", hint=hint)
    return replace(base, findings=(*base.findings, finding))


BFLOAT16 = with_slots(
    lambda slot: replace(
        slot,
        dtype=slot.dtype and "bfloat16",
        items=tuple(replace(item, dtype="bfloat16") for item in slot.items),
    )
)
RENAMED = with_slots(
    lambda slot: replace(
        slot,
        items=tuple(
            replace(item, origin=Origin(module=item.origin.module.replace("layer", "layers")))
            for item in slot.items
            if item.origin is not None
        ),
    )
)
ALIKE = replace(
    BASE,
    versions=replace(BASE.versions, transformers="4.40.2"),
    checkpoint=replace(BASE.checkpoint, source="./b", parameters=7),
    input=replace(BASE.input, batch_size=3, sequence_length=9),
    calls=made_map(
        sizes={"batch_size": 3, "sequence_length": 9, "query_length": 9, "key_length": 9}
    ).calls,
)

CASES = {
    "the example of the page on CI": (
        made_map("logits attentions"),
        made_map("logits hidden_states attentions"),
        [
            "calls: output_hidden_states was False, is True: the two maps do not ask for the same "
            "outputs.",
            "labels: outputs[2] was attentions (2 items), is hidden_states (3 items): code that "
            "reads outputs[2] now gets another thing. Likewise: no labels.",
        ],
    ),
    "two positions of the tuple swapped": (
        BASE,
        in_tuples("logits attentions hidden_states"),
        [
            "return_dict=False, labels: outputs[2] was hidden_states (3 items), is attentions "
            "(2 items): code that reads outputs[2] or outputs[3] now gets another thing. "
            "Likewise: return_dict=False, no labels."
        ],
    ),
    "a position of the tuple is gone": (
        in_tuples("logits past_key_values hidden_states attentions"),
        BASE,
        [
            "return_dict=False, labels: outputs[2] was past_key_values (2 items), is "
            "hidden_states (3 items): code that reads outputs[2] or outputs[3] now gets another "
            "thing; code that reads outputs[4] now raises IndexError. "
            "Likewise: return_dict=False, no labels."
        ],
    ),
    "a position came at the end": (
        in_tuples("logits hidden_states"),
        BASE,
        [
            "return_dict=False, labels: outputs[3] was absent, is attentions (2 items): code that "
            "unpacks outputs, or counts from its end, now gets another thing. "
            "Likewise: return_dict=False, no labels."
        ],
    ),
    "attentions became empty": (
        BASE,
        with_slot("attentions", items=()),
        [
            "every call: attentions was a tuple of 2 items, is (): code that reads an item of "
            "attentions now raises IndexError."
        ],
    ),
    "a slot became None": (
        BASE,
        with_slot("attentions", kind="none", items=()),
        [
            "every call: attentions was a tuple of 2 items, is None: code that uses attentions "
            "now gets None."
        ],
    ),
    "a tuple got a hole": (
        BASE,
        with_slot("attentions", items=(Item(index=0, kind="none"), Item(index=1, kind="none"))),
        [
            "every call: attentions was a tuple of 2 items, is a tuple of 2 items, None at [0] "
            "and [1]: code that uses attentions now gets another thing."
        ],
    ),
    "more layers": (
        BASE,
        made_map(layers=3),
        [
            "every call: hidden_states was a tuple of 3 items, is a tuple of 4 items: code that "
            "counts the items or reads the last ones is affected. Likewise: attentions."
        ],
    ),
    "another hidden size": (
        BASE,
        made_map(sizes={"hidden_size": 16}),
        [
            "every call: hidden_size was 8, is 16: code and weights made for that hidden_size do "
            "not fit."
        ],
    ),
    "other axes": (
        BASE,
        with_logits(axes=("batch_size", "sequence_length", "num_labels"), shape=(2, 16, 3)),
        [
            "every call: logits was (batch_size, num_labels), is (batch_size, sequence_length, "
            "num_labels): code that indexes or reshapes it breaks."
        ],
    ),
    "another dtype": (
        BASE,
        BFLOAT16,
        [
            "every call: loss, logits, hidden_states[0] … [2] and attentions[0] … [1] were "
            "float32, are bfloat16: code that mixes it with other tensors may fail."
        ],
    ),
    "modules renamed": (
        BASE,
        RENAMED,
        [
            "every call: hidden_states[1] was returned by roberta.encoder.layer.0, is returned by "
            "roberta.encoder.layers.0: a hook on the module that it came from no longer sees it. "
            "Likewise: hidden_states[2].",
            "every call: attentions[0] was returned by roberta.encoder.layer.0.attention.self, is "
            "returned by roberta.encoder.layers.0.attention.self: a hook on the module that it "
            "came from no longer sees it. Likewise: attentions[1].",
        ],
    ),
    "logits of no submodule": (
        BASE,
        with_logits(origin=None),
        [
            "every call: logits was returned by classifier, is returned by no submodule: a hook "
            "on the module that it came from no longer sees it."
        ],
    ),
    "another key": (
        BASE,
        with_call(
            0,
            slots=(
                *BASE.calls[0].slots[:1],
                replace(BASE.calls[0].slots[1], key="scores"),
                *BASE.calls[0].slots[2:],
            ),
        ),
        [
            "return_dict=True, no labels: logits was outputs.logits, is outputs.scores: code that "
            "reads it by its key no longer finds it."
        ],
    ),
    "another container": (
        BASE,
        with_call(0, container="TokenClassifierOutput"),
        [
            "return_dict=True, no labels: outputs was a SequenceClassifierOutput, is a "
            "TokenClassifierOutput: code that tests the type of outputs, or reads it by key, gets "
            "another thing."
        ],
    ),
    "a call that raises": (
        BASE,
        with_call(3, container=None, slots=(), error=Failure(type="ValueError", message="no")),
        [
            "return_dict=False, labels: outputs was a tuple, is nothing, as the call raises "
            "ValueError: no: code that calls the model this way now fails."
        ],
    ),
    "a call that raised": (
        with_call(3, container=None, slots=(), error=Failure(type="ValueError", message="no")),
        BASE,
        [
            "return_dict=False, labels: outputs was nothing, as the call raises ValueError: no, "
            "is a tuple: code that expects the error now gets an output."
        ],
    ),
    "a call on one side only": (
        BASE,
        replace(BASE, calls=BASE.calls[:3]),
        [
            "calls: return_dict=False, labels was called, is not called: nothing can be said about "
            "what is not on both sides."
        ],
    ),
    "num_labels": (
        BASE,
        with_finding(
            "placeholder-label-names",
            replace(
                made_map(sizes={"num_labels": 2}),
                checkpoint=replace(
                    BASE.checkpoint, num_labels=2, id2label={"0": "LABEL_0", "1": "LABEL_1"}
                ),
            ),
        ),
        [
            "checkpoint: num_labels was 3 (bad, fair and good), is 2 (LABEL_0 and LABEL_1): "
            "logits has another number of columns, and labels mean other things."
        ],
    ),
    "label names": (
        BASE,
        with_checkpoint(id2label={"0": "good", "1": "fair", "2": "bad"}),
        [
            "checkpoint: label 0 was bad, is good: the same column of the logits now goes by "
            "another name. Likewise: label 2."
        ],
    ),
    "problem_type": (
        BASE,
        with_checkpoint(problem_type="multi_label_classification"),
        [
            "checkpoint: problem_type was unset, is multi_label_classification: the loss may be of "
            "another kind, and labels may need another dtype and shape."
        ],
    ),
    "weights verdict": (
        BASE,
        with_finding(
            "head-not-in-checkpoint",
            with_checkpoint(weights=Weights(verdict="head-not-in-checkpoint")),
        ),
        [
            "checkpoint: the weights verdict was complete, is head-not-in-checkpoint: tensors that "
            "the checkpoint does not give are random, and so are predictions."
        ],
    ),
    "a refuted proof": (
        BASE,
        with_finding("claim-refuted", with_proofs(("logits-classifier", "refuted"))),
        [
            "proofs: logits-classifier was proved, is refuted (no item): what the map says "
            "of it is not true of this model."
        ],
    ),
    "proofs that are no longer tested": (
        BASE,
        with_proofs(("attentions-softmax", "not-tested"), ("attentions-rows", "not-tested")),
        [
            "proofs: attentions-softmax and attentions-rows were proved, are not tested (no item): "
            "what held is no longer known to hold."
        ],
    ),
    "a proof that holds now": (with_proofs(("logits-classifier", "refuted")), BASE, []),
    "a finding that came": (
        BASE,
        with_finding("padding-left", hint="Pad on the right."),
        [
            'findings: padding-left was absent, is a warning ("it is so"): Pad on the right.',
        ],
    ),
    "a finding without a hint that came": (
        BASE,
        with_finding("padding-left"),
        [
            'findings: padding-left was absent, is a warning ("it is so"): Nothing need be done.',
        ],
    ),
    "a finding that went": (with_finding("padding-left"), BASE, []),
    "other versions, source and input sizes": (BASE, ALIKE, []),
}


@pytest.mark.parametrize("case", CASES)
def test_sentences(case: str) -> None:
    left, right, sentences = CASES[case]
    assert [difference.sentence for difference in diff(left, right)] == sentences


@pytest.mark.parametrize("case", CASES)
def test_nothing_differs_from_itself(case: str) -> None:
    left, right, _ = CASES[case]
    assert (diff(left, left, values=True), diff(right, right, values=True)) == ([], [])


def with_values(shift: float, dtype: str = "float32") -> OutputMap:
    """The base map in this dtype, the mean of its logits shifted."""
    values = Fingerprint(mean=shift, std=1.0, min=-2.0, max=2.0)
    return with_logits(fingerprint=values, dtype=dtype)


@pytest.mark.parametrize(
    ("dtype", "close", "apart"),
    [
        ("float64", 2e-8, 4e-8),
        ("float32", 6e-4, 8e-4),
        ("float16", 0.06, 0.07),
        ("bfloat16", 0.17, 0.18),
    ],
)
def test_values_agree_to_half_of_the_bits_of_the_dtype(
    dtype: str, close: float, apart: float
) -> None:
    base = with_values(0.0, dtype)
    assert [
        bool(diff(base, with_values(shift, dtype), values=True)) for shift in (close, apart)
    ] == [False, True]


def test_other_values_are_one_difference() -> None:
    differences = diff(BASE, with_values(0.5), values=True)
    assert [difference.sentence for difference in differences] == [
        "every call: logits was mean 0, std 1, min -2, max 2, is mean 0.5, std 1, min -2, max 2: "
        "the structure is the same, the numbers are not: other weights or another computation."
    ]


def test_values_that_are_not_finite_differ_from_numbers() -> None:
    broken = with_logits(fingerprint=Fingerprint(mean=None, std=None, min=None, max=None))
    assert [difference.id for difference in diff(BASE, broken, values=True)] == ["values"]


def test_values_are_compared_only_when_asked_for() -> None:
    assert diff(BASE, with_values(0.5)) == []


@pytest.mark.parametrize(
    ("right", "sentence"),
    [
        (
            ALIKE,
            "the values of two maps compare only on one input: left has batch_size 2 × "
            "sequence_length 16, right has batch_size 3 × sequence_length 9",
        ),
        (
            replace(BASE, input=replace(BASE.input, tokens=(("<s>",), ("<s>",)))),
            "the values of two maps compare only on one input: left has batch_size 2 × "
            "sequence_length 16, right has batch_size 2 × sequence_length 16, other tokens",
        ),
        (
            replace(BASE, setup=replace(BASE.setup, no_weights=True)),
            "the right map holds no values: it was made without weights",
        ),
    ],
)
def test_values_that_cannot_be_compared(right: OutputMap, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        diff(BASE, right, values=True)
    assert caught.value.message == sentence


def test_matrix_calls_are_named_by_the_flags_that_vary() -> None:
    hidden = [replace(call, output_hidden_states=False) for call in BASE.calls]
    matrix = replace(BASE, calls=(*BASE.calls, *hidden))
    calls = list(matrix.calls)
    calls[7] = replace(calls[7], container="list")
    differences = diff(matrix, replace(matrix, calls=tuple(calls)))
    assert [difference.where for difference in differences] == [
        "return_dict=False, labels, output_hidden_states=False"
    ]


def test_calls_of_a_matrix_that_the_other_side_lacks_are_one_difference() -> None:
    hidden = [replace(call, output_hidden_states=False) for call in BASE.calls]
    differences = diff(replace(BASE, calls=(*BASE.calls, *hidden)), BASE)
    assert [difference.message for difference in differences] == [
        "output_hidden_states=False was called, is not called"
    ]


HOSTILE = "\x1b]0;x\x07[/red]\r\n::error::\u202e"


@pytest.mark.parametrize(
    "hostile",
    [
        samples.hostile(BASE),
        with_checkpoint(id2label={"0": HOSTILE, HOSTILE: "fair", "2": "good"}),
        with_checkpoint(num_labels=4, id2label={"0": HOSTILE}),
        with_slots(lambda slot: replace(slot, name=HOSTILE)),
        with_logits(axes=(HOSTILE, HOSTILE)),
        with_logits(dtype=HOSTILE),
        with_logits(origin=Origin(module=HOSTILE, through=HOSTILE)),
        with_call(0, container=HOSTILE),
        with_call(0, error=Failure(type=HOSTILE, message=HOSTILE)),
        with_finding(HOSTILE),
        replace(BASE, proofs=(replace(BASE.proofs[0], status="refuted", detail=HOSTILE),)),
    ],
)
def test_hostile_names_are_harmless(hostile: OutputMap) -> None:
    shown = "".join(f"{difference.sentence}{difference.id}" for difference in diff(BASE, hostile))
    assert [character for character in shown if not character.isprintable()] == []
    assert "x1b" in shown


def test_a_flood_of_labels_stays_one_short_line() -> None:
    flood = {str(number): "x" * 1_000_000 for number in range(100)}
    differences = diff(BASE, with_checkpoint(num_labels=100, id2label=flood))
    assert len(differences) == 1
    assert len(differences[0].sentence) < 1000


def test_sides_may_be_saved_maps(tmp_path: Any) -> None:
    saved = tmp_path / "contract.json"
    saved.write_text(BASE.to_json(), encoding="utf-8")
    comparison = report(saved, str(saved))
    assert comparison.ok
    assert (comparison.left.file, comparison.right.source) == (str(saved), "./a")


def test_a_file_that_is_no_map_is_refused(tmp_path: Any) -> None:
    foreign = tmp_path / "foreign.json"
    foreign.write_text("{}", encoding="utf-8")
    with pytest.raises(CannotInspectError, match=r"foreign\.json is JSON, but not a map"):
        diff(BASE, foreign)


def test_a_difference_reads_as_its_sentence() -> None:
    difference = Difference(id="x", where="here", message="a was b, is c", consequence="mind it")
    assert str(difference) == "here: a was b, is c: mind it."


def test_the_page_on_json_lists_every_kind_of_difference() -> None:
    page = Path(__file__).parents[2] / "docs" / "json.md"
    table = page.read_text(encoding="utf-8").split("| Difference | What differs |\n")[1]
    ids = {difference.id for left, right, _ in CASES.values() for difference in diff(left, right)}
    assert set(re.findall(r"^\| `([\w-]+)` \|", table, re.M)) == {*ids, "values"}


EMPTIED = report(BASE, replace(with_slot("attentions", items=()), versions=ALIKE.versions))


def test_table() -> None:
    assert rendered(EMPTIED, "table", width=72) == (
        "Left   ./a · transformers 5.23.0 · torch 2.13.0 · attention eager ·\n"
        "       float32\n"
        "Right  ./a · transformers 4.40.2 · torch 2.13.0 · attention eager ·\n"
        "       float32\n"
        "\n"
        "1 difference.\n"
        "\n"
        "kind  every call: attentions was a tuple of 2 items, is ()\n"
        "      → code that reads an item of attentions now raises IndexError\n"
    )


def test_table_of_nothing() -> None:
    assert rendered(report(BASE, BASE), "table", width=80).endswith("\n\n✓ Nothing differs.\n")


@pytest.mark.parametrize("case", CASES)
def test_every_format_tells_every_difference(case: str) -> None:
    left, right, sentences = CASES[case]
    comparison = report(left, right)
    table = " ".join(rendered(comparison, "table", width=80).split())
    annotations = rendered(comparison, "github").splitlines()
    assert all(difference.consequence in table for difference in comparison.differences)
    assert len(annotations) == max(1, len(sentences))
    assert len(json.loads(rendered(comparison, "json"))["differences"]) == len(sentences)
    rows = [
        line for line in rendered(comparison, "markdown").splitlines() if line.startswith("| `")
    ]
    assert len(rows) == len(sentences)


def test_github() -> None:
    assert rendered(EMPTIED, "github") == (
        "::error title=roberta-inspect diff%3A kind::every call: attentions was a tuple of 2 "
        "items, is (): code that reads an item of attentions now raises IndexError.\n"
    )


def test_github_of_nothing() -> None:
    assert rendered(report(BASE, BASE), "github") == (
        "::notice title=roberta-inspect diff::Nothing differs.\n"
    )


def test_json() -> None:
    values = json.loads(rendered(EMPTIED, "json"))
    assert list(values) == ["schema", "left", "right", "differences"]
    assert values["differences"] == [
        {
            "id": "kind",
            "where": "every call",
            "message": "attentions was a tuple of 2 items, is ()",
            "consequence": "code that reads an item of attentions now raises IndexError",
            "also": [],
        }
    ]


@pytest.mark.parametrize("form", ["table", "markdown", "github", "json"])
def test_hostile_text_is_harmless_in_every_format(form: str) -> None:
    text = rendered(report(with_call(0, container=HOSTILE), with_finding(HOSTILE)), form)
    assert text.replace("\n", "").isprintable()
    assert [line for line in text.splitlines() if line.startswith("::error::")] == []


def test_a_percent_sign_and_a_comma_are_escaped_for_github() -> None:
    text = rendered(report(BASE, with_logits(dtype="100%0A")), "github")
    assert "100%250A" in text


def plain(output_map: OutputMap, **changes: Any) -> OutputMap:
    """The map with plain calls that return what its calls with return_dict do."""
    calls = [
        replace(
            call, return_dict=None, output_hidden_states=None, output_attentions=None, **changes
        )
        for call in output_map.calls
        if call.return_dict
    ]
    return replace(output_map, plain=tuple(calls))


@pytest.mark.parametrize(
    ("right", "where", "message"),
    [
        (plain(BASE), None, None),
        (
            plain(BASE, container="tuple"),
            "plain calls",
            "outputs was a SequenceClassifierOutput, is a tuple",
        ),
        (
            replace(plain(BASE), calls=with_slot("attentions", items=()).calls),
            "every call with flags",
            "attentions was a tuple of 2 items, is ()",
        ),
    ],
    ids=["alike", "a configuration that makes it a tuple", "all but the plain calls"],
)
def test_what_a_plain_call_returns_is_compared(right: OutputMap, where: Any, message: Any) -> None:
    differences = [
        (difference.where, difference.message) for difference in diff(plain(BASE), right)
    ]
    assert differences == ([] if where is None else [(where, message)])
