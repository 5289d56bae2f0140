"""What `run` shows, in every format: goldens at the edges, and what must hold of any of them."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from pkgutil import resolve_name
from typing import Any
from xml.etree import ElementTree

import pytest
from rich.cells import cell_len
from rich.console import Console
from samples import (
    ATTENTIONS,
    DECODER,
    EAGER,
    FAKE,
    HIDDEN_STATES,
    HOSTILE,
    LOGITS,
    LOSS,
    MATRIX,
    PAST_KEY_VALUES,
    REFUTED,
    SDPA,
    call,
    hostile,
)

from roberta_inspect.records import (
    Finding,
    Item,
    Origin,
    OutputMap,
    Place,
    Prediction,
    Score,
    Slot,
    Status,
    Text,
    Weights,
)
from roberta_inspect.render import FORMATS, Format, formats_of, phrases, rendered
from roberta_inspect.render.blocks import LABEL_WIDTH, SENTENCE_WIDTH, SIDE_BY_SIDE
from roberta_inspect.render.explain import explanation
from roberta_inspect.render.github import annotation
from roberta_inspect.render.markdown import code_span, escaped
from roberta_inspect.render.plain import plain_text
from roberta_inspect.render.predictions import predictions
from roberta_inspect.render.runs import Line, folded_lines, numbered

GOLDENS = Path(__file__).parents[1] / "goldens"
MAPS = {
    "eager": EAGER,
    "sdpa": SDPA,
    "matrix": MATRIX,
    "decoder": DECODER,
    "refuted": REFUTED,
    "fake": FAKE,
}


def words(text: str) -> str:
    """The text without line breaks and indentation."""
    return " ".join(text.split())


def visible_words(table: str, width: int) -> str:
    """The words of a table; where remarks have a column of their own, also column by column."""
    lines = table.splitlines()
    start = LABEL_WIDTH + 2
    columns = [[line[start : start + SENTENCE_WIDTH] for line in lines]]
    columns += [[line[start + SENTENCE_WIDTH + 2 :] for line in lines]]
    parts = [lines, *columns] if width - start >= SIDE_BY_SIDE else [lines]
    return "  ".join(words("\n".join(part)) for part in parts)


@pytest.mark.parametrize(
    ("name", "width"), [*((name, 80) for name in MAPS), ("eager", 140)], ids=str
)
def test_golden(name: str, width: int, same_as_file: Any) -> None:
    text = rendered(MAPS[name], "table", width=width)
    assert missing_facts(MAPS[name], visible_words(text, width)) == []
    assert outcomes(text) == outcomes_of(MAPS[name])
    same_as_file(text, GOLDENS / f"{name}-{width}.txt")


def missing_facts(output_map: OutputMap, text: str) -> list[str]:
    """The places, claims, details, findings and hints that a table should show and does not."""
    facts = [
        slot.access.removeprefix("outputs") for call in output_map.main_calls for slot in call.slots
    ]
    facts += [fact for proof in output_map.proofs for fact in (proof.claim, proof.detail)]
    facts += [f"{finding.id}: {finding.message}" for finding in output_map.findings]
    facts += [f"Hint: {finding.hint}" for finding in output_map.findings if finding.hint]
    return [fact for fact in facts if fact not in text]


def outcomes(text: str) -> list[int]:
    """How many proofs a table says are proved, refuted and not tested."""
    counts = re.search(r"(\d+) proofs? holds? · (\d+) refuted · (\d+) not tested", words(text))
    return [] if counts is None else [int(count) for count in counts.groups()]


def outcomes_of(output_map: OutputMap) -> list[int]:
    statuses: tuple[Status, ...] = ("proved", "refuted", "not-tested")
    return [len(output_map.proofs_with(status)) for status in statuses]


@pytest.mark.parametrize("output_map", MAPS.values(), ids=MAPS)
def test_the_headings_of_the_markdown(output_map: OutputMap) -> None:
    headings = re.findall(r"^### (.+)$", rendered(output_map, "markdown"), re.M)
    assert headings == [
        "Where each output is",
        *(["How each index moves with the flags"] if output_map.matrix else []),
        "What each output is",
        "How the tuple is built",
        *(["What the logits say"] if output_map.predictions else []),
        "Findings",
    ]


@pytest.mark.parametrize(
    ("output_map", "lines"),
    [
        (EAGER, ["::notice title=problem-type-written::a call with labels writes", "✓ "]),
        (
            REFUTED,
            [
                "::error title=head-not-in-checkpoint::4 tensors are not in the checkpoint",
                "::error title=call-failed::return_dict=False, labels: IndexError: Target 7",
                "::warning title=attentions-empty::attentions are (): under sdpa attention",
                "✗ roberta-inspect: ./my-roberta: 2 errors: head-not-in-checkpoint and call-failed",
            ],
        ),
    ],
)
def test_github_has_a_line_per_finding_and_the_verdict(
    output_map: OutputMap, lines: list[str]
) -> None:
    shown = rendered(output_map, "github").splitlines()
    assert len(shown) == len(output_map.findings) + 1
    for line, start in zip(shown, lines, strict=True):
        assert line.startswith(start)


@pytest.mark.parametrize("row", FORMATS, ids=lambda row: f"{row.command} {row.name}")
def test_each_format_has_a_maker(row: Format) -> None:
    assert callable(resolve_name(f"roberta_inspect.{row.maker}"))


HEAD = Weights(
    verdict="head-not-in-checkpoint",
    files=("a.safetensors", "b.safetensors"),
    loaded=1,
    missing=("classifier.dense.bias",),
)


@pytest.mark.parametrize(
    ("weights", "mark", "expected"),
    [
        (EAGER.checkpoint.weights, "·", "not read: model.safetensors names all 201 tensors"),
        (
            replace(EAGER.checkpoint.weights, files=("a.safetensors", "b.safetensors")),
            "·",
            "not read: a.safetensors and b.safetensors name all 201 tensors",
        ),
        (
            HEAD,
            "!",
            "not read: the head would be random: 1 tensor not in a.safetensors and "
            "b.safetensors: classifier.dense.bias",
        ),
        (
            Weights(verdict="no-weights"),
            "·",
            "none: fake tensors made from the configuration alone",
        ),
    ],
)
def test_weights_that_were_not_read_have_no_tick(
    weights: Weights, mark: str, expected: str
) -> None:
    output_map = replace(FAKE, checkpoint=replace(FAKE.checkpoint, weights=weights))
    assert f"Weights {mark} {expected} Input" in words(rendered(output_map, "table", width=80))
    assert f"| Weights | {escaped(expected)} |" in rendered(output_map, "markdown")


def failing(*ids: str) -> OutputMap:
    findings = [Finding(id=finding_id, level="error", message="so") for finding_id in ids]
    return replace(EAGER, findings=(*findings, Finding(id="x", level="warning", message="so")))


@pytest.mark.parametrize(
    ("output_map", "line"),
    [
        (SDPA, "6 proofs hold · 0 refuted · 2 not tested · 1 warning"),
        (
            failing("call-failed"),
            "1 error: call-failed · 1 warning · 8 proofs hold · 0 refuted · 0 not tested",
        ),
        (
            failing("claim-refuted", "claim-refuted", "not-finite"),
            "3 errors: claim-refuted and not-finite · 1 warning · 8 proofs hold · 0 refuted · "
            "0 not tested",
        ),
    ],
)
def test_the_last_line_starts_with_what_failed(output_map: OutputMap, line: str) -> None:
    assert phrases.map_verdict(output_map) == line


@pytest.mark.parametrize("width", [60, 80, 100, 140])
@pytest.mark.parametrize("output_map", [*MAPS.values(), hostile(), hostile(MATRIX)])
def test_no_line_is_wider_than_the_page_or_ends_in_spaces(
    output_map: OutputMap, width: int
) -> None:
    for line in rendered(output_map, "table", width=width).splitlines():
        assert cell_len(line) <= width
        assert line == line.rstrip()


@pytest.mark.parametrize("output_map", MAPS.values(), ids=MAPS)
def test_the_wide_table_tells_everything(output_map: OutputMap) -> None:
    text = rendered(output_map, "table", width=140)
    assert missing_facts(output_map, visible_words(text, 140)) == []


@pytest.mark.parametrize("output_map", MAPS.values(), ids=MAPS)
def test_the_table_marks_every_outcome_in_words(output_map: OutputMap) -> None:
    text = rendered(output_map, "table", width=140)
    for status, word in (("refuted", "✗ refuted"), ("proved", "✓ proved")):
        assert (word in text) == bool(output_map.proofs_with(status))
    assert ("· not tested" in text) == bool(output_map.proofs_with("not-tested"))
    assert outcomes(text) == outcomes_of(output_map)
    assert text.splitlines()[-1][0] == ("✓" if output_map.ok else "✗")


@pytest.mark.parametrize("output_map", MAPS.values(), ids=MAPS)
def test_the_markdown_tells_every_access_proof_and_finding(output_map: OutputMap) -> None:
    text = rendered(output_map, "markdown")
    for main_call in output_map.main_calls:
        for slot in main_call.slots:
            assert code_span(slot.access) in text
    for proof in output_map.proofs:
        assert f"| {escaped(proof.claim)} | {escaped(proof.detail)} |" in text
    for finding in output_map.findings:
        assert f"| {code_span(finding.id)} | {escaped(finding.message)} |" in text


@pytest.mark.parametrize("output_map", [*MAPS.values(), hostile()])
def test_the_markdown_tables_have_as_many_cells_in_every_row(output_map: OutputMap) -> None:
    tables = re.findall(r"(?:^\|.*\|$\n)+", rendered(output_map, "markdown"), flags=re.MULTILINE)
    assert len(tables) >= 4
    for table in tables:
        cells = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(cells) == 1, table


@pytest.mark.parametrize("output_map", [EAGER, MATRIX])
def test_the_columns_of_the_places_line_up(output_map: OutputMap) -> None:
    lines = rendered(output_map, "table", width=80).splitlines()
    heads = next(line for line in lines if "by name" in line)
    logits = next(line for line in lines if line.startswith("  logits"))
    starts = [match.start() for match in re.finditer(r"(no )?labels", heads)]
    assert [logits[start : start + 3] for start in starts] == ["[0]", "[1]", "[0]", "[1]"]


PLACES: list[tuple[str, OutputMap, bool, bool, str]] = [
    ("loss", SDPA, True, False, "None"),
    ("loss", SDPA, False, False, "absent"),
    ("loss", SDPA, False, True, "[0]"),
    ("attentions", SDPA, False, True, "[3] ()"),
    ("attentions", EAGER, False, True, "[3]"),
    ("attentions", DECODER, False, True, "[4] 1×None"),
    ("past_key_values", DECODER, True, True, "absent"),
    ("logits", REFUTED, False, True, "raised"),
]


@pytest.mark.parametrize(("name", "output_map", "return_dict", "labels", "expected"), PLACES)
def test_none_absent_empty_and_holes_are_told_apart(
    name: str, output_map: OutputMap, return_dict: bool, labels: bool, expected: str
) -> None:
    shown = output_map.call(return_dict=return_dict, labels=labels)
    assert phrases.where_it_is(shown, name) == expected


def test_a_place_of_the_tuple_that_is_none_has_its_index() -> None:
    slot = Slot(index=1, name="past", key=None, access="outputs[1]", kind="none")
    assert phrases.where_it_is(replace(EAGER.calls[2], slots=(slot,)), "past") == "[1] None"


@pytest.mark.parametrize(
    ("labelled", "expected"),
    [
        (("loss", "logits"), "+1 places further than without labels: the loss comes first"),
        (("extra", "logits"), "+1 places further than without labels absent"),
        (("extra", "logits", "loss"), "+1 places further than without labels absent"),
    ],
)
def test_the_loss_comes_first_only_where_it_does(labelled: tuple[str, ...], expected: str) -> None:
    calls = tuple(
        call(False, labels, dict.fromkeys(names, LOGITS))
        for labels, names in ((False, ("logits",)), (True, labelled))
    )
    assert expected in words(rendered(replace(EAGER, calls=calls), "table", width=80))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Slot(index=0, name="", key=None, access="", **LOSS), "() float32"),
        (
            Slot(index=0, name="", key=None, access="", **HIDDEN_STATES),
            "tuple of 13 × (batch_size 2, sequence_length 7, hidden_size 768) float32",
        ),
        (
            Slot(index=0, name="", key=None, access="", **PAST_KEY_VALUES),
            "tuple of 12 × tuple of 2 × (batch_size 2, num_heads 12, key_length 7, head_size 64) "
            "float32",
        ),
        (Item(index=0, kind="cache"), "an empty cache"),
        (Item(index=0, kind="tensor", shape=(2, 3), dtype="int64"), "(2, 3) int64"),
    ],
)
def test_the_contents_of_a_slot(value: Slot | Item, expected: str) -> None:
    assert phrases.contents_text(value) == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], []),
        ([("a",), ("b",)], ["[0] a", "[1] b"]),
        ([("same",), ("same",)], ["[0] … [1] same"]),
        ([numbered(f"layer.{n}") for n in (0, 1, 2)], ["[0] … [2] layer.0 … 2"]),
        ([numbered(f"layer.{n}.self") for n in (0, 1)], ["[0] … [1] layer.{0 … 1}.self"]),
        (
            [("layer.", n, " (its a)") for n in (0, 1)],
            ["[0] … [1] layer.0 … 1 (its a)"],
        ),
        ([numbered(f"layer.{n}") for n in (1, 0)], ["[0] layer.1", "[1] layer.0"]),
        (
            [("e",), ("layer.", 0), ("layer.", 1), ("x",)],
            ["[0] e", "[1] … [2] layer.0 … 1", "[3] x"],
        ),
        (
            [("layer.", n, " h[", n + 1, "]") for n in (0, 1)],
            ["[0] … [1] layer.0 … 1 h[1 … 2]"],
        ),
        ([("layer.", n) for n in (0, 1, 1)], ["[0] … [1] layer.0 … 1", "[2] layer.1"]),
    ],
)
def test_runs_are_folded(lines: list[Line], expected: list[str]) -> None:
    assert [f"{run.indices} {run.line}" for run in folded_lines(lines)] == expected


def test_runs_within_runs_are_folded() -> None:
    """Keys and values of each layer, as a tuple in a tuple."""
    from_layers = [
        Item(index=0, kind="tensor", origin=Origin(module=f"l.{n}", through=f"l.{n}.key"))
        for n in (0, 1)
    ]
    same = [
        tuple(
            Item(index=part, kind="tensor", same_as=Place(slot="cache", item=(n, part)))
            for part in (0, 1)
        )
        for n in (2, 3)
    ]
    nested = [*((item,) for item in from_layers), *same]
    items = [Item(index=0, kind="tuple", items=parts) for parts in nested]
    assert [f"{run.indices} {run.line}" for run in phrases.item_runs(items, alike=True)] == [
        "[0] … [1] [0]: l.0 … 1 (its key)",
        "[2] … [3] [0] … [1]: the same tensor as cache[2 … 3][0 … 1]",
    ]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (["<s>", "hi", "</s>"], ["0 <s>", "1 hi", "2 </s>"]),
        (["a", "<pad>", "<pad>", "<pad>"], ["0 a", "1 … 3 <pad>"]),
        (
            [f"t{i}" for i in range(500)],
            [*(f"{i} t{i}" for i in range(38)), "… 460 more …", "498 t498", "499 t499"],
        ),
    ],
)
def test_which_token_each_position_is(row: list[str], expected: list[str]) -> None:
    assert [" ".join(token) for token in phrases.tokens(row)] == expected


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (2, "2: N0 and N1"),
        (6, "6: N0, N1, N2, N3, N4 and N5"),
        (7, "7: N0, N1, N2, N3, N4 and 2 more"),
        (100_000, "100,000: N0, N1, N2, N3, N4 and 99,995 more"),
    ],
)
def test_labels_that_are_not_named_are_counted(count: int, expected: str) -> None:
    names = {str(number): f"N{number}" for number in range(count)}
    many = replace(EAGER.checkpoint, num_labels=count, id2label=names)
    assert phrases.labels_line(many).partition(" · ")[0] == expected


@pytest.mark.parametrize("form", formats_of("run"))
@pytest.mark.parametrize("output_map", [hostile(EAGER), hostile(MATRIX)])
def test_nothing_hostile_reaches_the_reader(output_map: OutputMap, form: str) -> None:
    text = rendered(output_map, form)
    shown = text.replace("\n", "")
    controls = [letter for letter in shown if unicodedata.category(letter) in {"Cc", "Cf", "Co"}]
    assert not controls
    assert HOSTILE not in text


def test_a_hostile_name_starts_no_workflow_command() -> None:
    lines = rendered(hostile(), "github").splitlines()
    assert [line.partition(" ")[0] for line in lines] == ["::error", "✗"]
    title, _, message = lines[0].removeprefix("::error title=").partition("::")
    assert not set(title) & set(":,\r\n")
    assert "%0A" in message
    assert "##[" not in lines[1]


@pytest.mark.parametrize(
    ("title", "message", "line"),
    [
        ("a", "b", "::error title=a::b"),
        ("a:b,c", "d:e,f", "::error title=a%3Ab%2Cc::d:e,f"),
        ("10%", "100%\nof\r", "::error title=10%25::100%25%0Aof%0D"),
        ("%0A", "%3A", "::error title=%250A::%253A"),
    ],
)
def test_annotations_are_escaped(title: str, message: str, line: str) -> None:
    assert annotation("error", title=title, message=message) == line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "`plain`"),
        ("a|b", r"`a\|b`"),
        ("a`b", "`` a`b ``"),
        ("``", "``` `` ```"),
        ("", ""),
    ],
)
def test_code_in_markdown(text: str, shown: str) -> None:
    assert code_span(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a|b", r"a\|b"), ("<b>", r"\<b\>"), ("@all", "@<!-- -->all"), ("[x](y)", r"\[x\](y)")],
)
def test_text_in_markdown(text: str, shown: str) -> None:
    assert escaped(text) == shown


def many_labels(count: int) -> OutputMap:
    """A map with so many labels, the first with a name of a megabyte."""
    names = {str(i): f"label {i}" for i in range(count)} | {"0": "x" * 2**20}
    scores = tuple(
        Score(label=name, logit=-float(i), probability=1 / count)
        for i, name in enumerate(names.values())
    )
    prediction = Prediction(text=Text(first="t" * 2**20), function="softmax", scores=scores)
    return replace(
        EAGER,
        checkpoint=replace(EAGER.checkpoint, num_labels=count, id2label=names),
        predictions=(prediction,) * 100,
    )


@pytest.mark.parametrize("form", ["table", "markdown", "html"])
def test_labels_of_one_name_are_told_apart(form: str) -> None:
    assert EAGER.predictions is not None
    (prediction,) = EAGER.predictions
    scores = tuple(replace(score, label="film") for score in prediction.scores)
    twins = replace(EAGER, predictions=(replace(prediction, scores=scores),))
    text = rendered(twins, form)
    section = text[text.index("What the logits say") :]
    missing = [name for name in ("id:0", "id:1", "id:2") if f"film ({name})" not in section]
    assert missing == []


def test_a_long_text_wraps_under_itself() -> None:
    assert EAGER.predictions is not None
    text = Text(first="a really wonderful film " * 6)
    lines = plain_text(
        predictions(replace(EAGER, predictions=(replace(EAGER.predictions[0], text=text),))),
        width=80,
    ).splitlines()
    assert [line for line in lines if line and not line.startswith("  ")] == ["What the logits say"]


@pytest.mark.parametrize("form", ["table", "markdown", "github"])
def test_many_labels_and_texts_are_counted_not_listed(form: str) -> None:
    text = rendered(many_labels(100_000), form)
    assert len(text) < 20_000
    if form != "github":
        assert "100,000: xxxxx" in text
        assert "and 99,995 more labels" in text
        assert "and 92 more texts" in text


@pytest.mark.parametrize(
    ("count", "expected"),
    [(2, ()), (3, ("and 1 more text",)), (5000, ("and 4,998 more texts",))],
)
def test_what_is_left_out_is_counted(count: int, expected: tuple[str, ...]) -> None:
    assert phrases.first(range(count), 2, "text") == (range(2), expected)


def test_layers_that_are_all_different_are_counted_not_listed() -> None:
    items = tuple(
        Item(index=i, kind="tensor", shape=(7 * i % 13, i), dtype="float32") for i in range(1000)
    )
    held = {**ATTENTIONS, "items": items}
    output_map = replace(EAGER, calls=tuple(call(d, False, {"a": held}) for d in (True, False)))
    text = rendered(output_map, "table", width=80)
    assert len(text.splitlines()) < 120
    assert "and 988 more lines" in text


@pytest.mark.parametrize(
    ("function", "score", "expected"),
    [
        ("softmax", Score(label="", logit=1.5, probability=0.25), ("0.250", "logit 1.5")),
        (
            "softmax",
            Score(label="", logit=None, probability=None),
            ("not finite", "logit not finite"),
        ),
        ("none", Score(label="", logit=2.5, probability=None), ("value 2.5",)),
    ],
)
def test_scores(function: str, score: Score, expected: tuple[str, ...]) -> None:
    prediction = Prediction(text=Text(first=""), function=function, scores=(score,))
    assert phrases.score_texts(prediction, score) == expected


def test_the_highest_score_comes_first() -> None:
    lines = rendered(EAGER, "table", width=80).splitlines()
    block = lines[lines.index("What the logits say") :]
    assert [line.split()[0] for line in block[3:6]] == ["positive", "negative", "neutral"]


EXPLAINED: list[tuple[str, OutputMap, bool, int, list[str]]] = [
    (
        "hidden states without labels",
        MATRIX,
        False,
        1,
        [
            "outputs[1] when called with return_dict=False, no labels",
            "is hidden_states: tuple of 13",
            "by name outputs.hidden_states with return_dict=True",
            "labels: [2]",
            "output_hidden_states=False: absent",
            "output_attentions=False: stays [1]",
            "[0] is what the embeddings returned",
        ],
    ),
    (
        "loss",
        EAGER,
        True,
        0,
        ["is loss: () float32", "no labels: absent", "equals CrossEntropyLoss(logits, labels)"],
    ),
    (
        "in the tuple alone",
        DECODER,
        True,
        2,
        ["is past_key_values", "by name not with return_dict=True", "no labels: [1]"],
    ),
]


@pytest.mark.parametrize(
    ("output_map", "labels", "index", "expected"),
    [case[1:] for case in EXPLAINED],
    ids=[case[0] for case in EXPLAINED],
)
def test_one_index_is_explained(
    output_map: OutputMap, labels: bool, index: int, expected: list[str]
) -> None:
    explained = output_map.call(return_dict=False, labels=labels)
    group = explanation(output_map, explained, explained.positions[index])
    text = words(plain_text(group, width=80))
    for part in expected:
        assert part in text


@pytest.mark.parametrize("output_map", [EAGER, hostile()])
def test_the_picture_is_well_formed_and_the_same_every_time(output_map: OutputMap) -> None:
    svg = rendered(output_map, "terminal")
    picture = ElementTree.fromstring(svg)
    assert svg == rendered(output_map, "terminal")
    assert picture.findtext("{http://www.w3.org/2000/svg}title") == "roberta-inspect run"
    assert not re.findall(r"https?://(?!www\.w3\.org/2000/svg)[^<]*\.(css|woff)", svg)
    assert "<script" not in svg


def test_the_picture_shows_what_the_table_shows() -> None:
    picture = ElementTree.fromstring(rendered(EAGER, "terminal"))
    drawn = words(" ".join("".join(picture.itertext()).replace("\xa0", " ").split()))
    for proof in EAGER.proofs:
        assert words(proof.claim)[:40] in drawn


def test_a_map_prints_itself_with_rich() -> None:
    console = Console(width=80, color_system=None, file=None, record=True, quiet=False)
    with console.capture() as captured:
        console.print(EAGER)
    printed = "\n".join(line.rstrip() for line in captured.get().split("\n"))
    assert printed == rendered(EAGER, "table", width=80)


@pytest.mark.parametrize("output_map", MAPS.values(), ids=MAPS)
def test_json_is_the_map_itself(output_map: OutputMap) -> None:
    assert json.loads(rendered(output_map, "json")) == output_map.to_dict()


def test_colour_is_not_the_only_carrier() -> None:
    """With and without colour the same words stand at the same places."""
    ansi: Callable[[str], str] = lambda text: re.sub(r"\x1b\[[0-9;]*m", "", text)  # noqa: E731
    console = Console(width=80, force_terminal=True, color_system="truecolor")
    with console.capture() as captured:
        console.print(EAGER)
    assert captured.get() != ansi(captured.get())
    bare = "\n".join(line.rstrip() for line in ansi(captured.get()).split("\n"))
    assert bare == rendered(EAGER, "table", width=80)


def test_a_map_prints_itself_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert f"{EAGER}\n" == rendered(EAGER, "table", width=80)
