"""A batch of the user's own, and pairs of texts: read, refused, saved and made again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from makers import make_tokenizer, tiny_config, tiny_model
from safetensors.torch import save_file
from transformers import AutoTokenizer

from roberta_inspect import CannotInspectError, InspectError, OutputMap, UsageError, diff, inspect
from roberta_inspect.inputs.limits import usable_length
from roberta_inspect.inputs.probe import Probe
from roberta_inspect.inputs.tensors import from_inputs
from roberta_inspect.inputs.texts import from_texts
from roberta_inspect.records import Text

IDS = torch.tensor([[0, 5, 6, 7, 2], [0, 8, 2, 1, 1]])
MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
POSITIONS = torch.arange(2, 7)[None]
EMBEDS = torch.linspace(-1, 1, 2 * 5 * 16).reshape(2, 5, 16)
KNOWN = ("input_ids", "inputs_embeds", "attention_mask", "token_type_ids", "position_ids", "labels")

BATCHES: dict[str, dict[str, Any]] = {
    "ids": {"input_ids": IDS},
    "mask": {"input_ids": IDS, "attention_mask": MASK},
    "embeddings": {"inputs_embeds": EMBEDS, "attention_mask": MASK},
    "positions and types": {
        "input_ids": IDS,
        "position_ids": POSITIONS,
        "token_type_ids": torch.zeros_like(IDS),
    },
    "lists": {"input_ids": IDS.tolist(), "attention_mask": MASK.tolist()},
    "arrays": {"input_ids": IDS.numpy(), "attention_mask": MASK.numpy()},
    "labels": {"input_ids": IDS, "labels": [2, 0]},
    "misspelt": {"input_ids": IDS, "attention_masks": MASK, "label": [2, 0]},
    "left out": {"input_ids": IDS, "token_type_ids": None},
    "32 bits": {"input_ids": IDS.int(), "attention_mask": MASK.bool()},
}


def read(batch: Any, **changes: Any) -> Probe:
    return from_inputs(tiny_config(**changes), batch, keywords=KNOWN)


@pytest.mark.parametrize("name", BATCHES)
def test_a_batch_is_made_again_from_its_map(name: str) -> None:
    model, batch = tiny_model(), BATCHES[name]
    output_map = inspect(model, inputs=batch)
    record = output_map.input
    assert (record.source, record.batch_size, record.sequence_length) == ("inputs", 2, 5)
    saved = OutputMap.from_json(output_map.to_json())
    assert saved == output_map
    assert diff(saved, model) == []
    assert inspect(model, inputs=batch).input == record


def test_the_batch_is_what_the_model_reads() -> None:
    model, batch = tiny_model(), {"input_ids": IDS, "attention_mask": MASK}
    with torch.no_grad():
        logits = model(**batch).logits
    output_map = inspect(model, inputs=batch, output_attentions=False)
    slot = output_map.call(return_dict=True, labels=False).slot("logits")
    assert slot is not None
    assert slot.fingerprint is not None
    assert slot.fingerprint.max == float(logits.max())


def test_row_lengths_come_from_the_mask_and_are_whole_without_one() -> None:
    assert read(BATCHES["mask"]).row_lengths == (5, 3)
    assert read(BATCHES["ids"]).row_lengths == (5, 5)
    assert "attention_mask" not in read(BATCHES["ids"]).inputs


@pytest.mark.parametrize("name", ["ids", "embeddings", "positions and types"])
def test_rows_are_picked_and_padded(name: str) -> None:
    picked = read(BATCHES[name]).picked([torch.tensor([0, 1]), torch.tensor([5, 6, 7])], 3)
    padded = picked.padded_with(1, left=True)
    assert picked.row_lengths == padded.row_lengths == (2, 3)
    assert (picked.row_starts, padded.row_starts) == ((0, 0), (1, 0))
    assert read(BATCHES[name]).padded_with(1).sequence_length == 5


def test_keywords_that_forward_does_not_know() -> None:
    batch = {**BATCHES["misspelt"], "offset_mapping": object()}
    assert read(batch).ignored == {
        "attention_masks": "attention_mask",
        "label": "labels",
        "offset_mapping": None,
    }
    findings = [
        f for f in inspect(tiny_model(), inputs=batch).findings if f.id == "keyword-ignored"
    ]
    assert findings[0].message.endswith(
        "as the model would ignore it or raise, depending on the release"
    )
    assert [finding.hint for finding in findings] == [
        "Write attention_mask.",
        "Write labels.",
        "Take it out of the batch.",
    ]


REFUSED: list[tuple[Any, str]] = [
    ([1, 2], "inputs= must be a mapping of forward's keywords, not a list"),
    (IDS, "inputs= must be a mapping of forward's keywords, not a Tensor"),
    ({5: IDS}, "inputs= has the key 5, which is not a keyword"),
    ({"input_ids": IDS, "return_dict": False}, "inputs= holds return_dict, and each call passes"),
    ({"attention_mask": MASK}, "neither input_ids nor inputs_embeds"),
    ({"input_ids": IDS, "inputs_embeds": EMBEDS}, "both input_ids and inputs_embeds"),
    ({"input_ids": [[1, 2], [3]]}, "input_ids in inputs= makes no tensor"),
    ({"input_ids": [["a"]]}, "input_ids in inputs= makes no tensor"),
    ({"input_ids": IDS[0]}, "input_ids has shape (5,), and forward reads (batch_size, sequence"),
    ({"input_ids": IDS[:0]}, "input_ids has shape (0, 5)"),
    (
        {"inputs_embeds": EMBEDS[..., :3]},
        "forward reads (batch_size, sequence_length, hidden_size 16",
    ),
    ({"input_ids": IDS, "attention_mask": MASK[:, :4]}, "attention_mask has shape (2, 4)"),
    ({"input_ids": IDS.float()}, "input_ids is of dtype float32"),
    ({"input_ids": IDS, "attention_mask": MASK * 2}, "attention_mask holds other values than 0"),
    ({"input_ids": IDS + 45}, "input_ids hold 53, and the model has only 50 rows for them"),
    ({"input_ids": IDS - 1}, "input_ids hold -1, and the model has only 50 rows"),
    ({"input_ids": IDS, "token_type_ids": MASK}, "token_type_ids hold 1, and the model has only 1"),
    ({"input_ids": IDS, "position_ids": POSITIONS + 40}, "position_ids hold 46, and the model"),
    ({"input_ids": torch.full((1, 39), 5)}, "a row of inputs= has 39 tokens, more than the 38"),
    ({"input_ids": torch.ones(1, 41).long()}, "the rows of inputs= are 41 long, padding included"),
    ({"input_ids": IDS.to("meta")}, "input_ids in inputs= is a tensor without plain values"),
    ({"input_ids": IDS, "labels": [7, 0]}, "label 7 is out of range"),
    ({"input_ids": IDS, "labels": [1, 0, 1]}, "3 labels for 2 rows of input"),
]


@pytest.mark.parametrize(("batch", "sentence"), REFUSED, ids=[row[1][:50] for row in REFUSED])
def test_a_batch_that_the_model_cannot_read(batch: Any, sentence: str) -> None:
    with pytest.raises(UsageError) as raised:
        read(batch)
    assert sentence in str(raised.value)


def test_labels_in_one_place_alone() -> None:
    with pytest.raises(UsageError, match="labels in inputs= and in labels="):
        inspect(tiny_model(), inputs=BATCHES["labels"], labels=[0, 1])


def test_the_live_tables_decide_and_not_the_configuration() -> None:
    model = tiny_model()
    model.resize_token_embeddings(60)
    model.config.vocab_size = 50
    assert inspect(model, inputs={"input_ids": [[0, 59, 2]]}).ok
    model.config.vocab_size = 70
    with pytest.raises(UsageError, match="only 60 rows"):
        inspect(model, inputs={"input_ids": [[0, 65, 2]]})


def test_padding_beyond_the_usable_length_is_no_token() -> None:
    length = usable_length(tiny_config()) + 1
    ids = torch.tensor([[0, 5, 2] + [1] * (length - 3)])
    assert read({"input_ids": ids}).sequence_length == length


def test_a_large_batch_is_named_as_not_kept() -> None:
    ids = torch.full((300, 30), 5)
    output_map = inspect(tiny_model(), inputs={"input_ids": ids})
    assert output_map.input.values is None
    assert output_map.input.digest is not None
    with pytest.raises(CannotInspectError, match="a batch that it does not hold"):
        diff(output_map, tiny_model())


def test_files_of_a_batch(tmp_path: Path) -> None:
    save_file({"input_ids": IDS, "attention_mask": MASK}, tmp_path / "batch.safetensors")
    lists = {"input_ids": IDS.tolist(), "attention_mask": MASK.tolist()}
    (tmp_path / "batch.json").write_text(json.dumps(lists))
    first, second = (
        inspect(inputs=tmp_path / f"batch.{ending}").input for ending in ("safetensors", "json")
    )
    assert first == second
    assert first.values == lists


@pytest.mark.parametrize(
    ("name", "content", "sentence", "hint"),
    [
        (
            "batch.json",
            b"[1]",
            "holds JSON, but not an object",
            "Save the batch as one JSON object",
        ),
        ("batch.json", b'{"input_ids"', "is not JSON", "Save the batch as one JSON object"),
        ("batch.json", b"version https://git-lfs", "is a git-lfs pointer", "Install git-lfs"),
        ("batch.safetensors", b"1234567", "is not a safetensors file", "Save the batch again"),
        ("batch.pt", b"", "is neither a .safetensors nor a .json file", "Save the batch"),
        ("missing.json", None, "does not exist", "Check the path that inputs= names."),
        ("missing.safetensors", None, "does not exist", "Check the path that inputs= names."),
    ],
)
def test_a_file_that_is_no_batch(
    tmp_path: Path, name: str, content: bytes | None, sentence: str, hint: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InspectError) as raised:
        inspect(inputs=tmp_path / name)
    assert sentence in str(raised.value)
    assert raised.value.hint.startswith(hint)


# Pairs


PAIRED = [("a dull mess", "it is bad"), "a film"]


@pytest.mark.parametrize("texts", [PAIRED, PAIRED[:1], PAIRED[::-1], [PAIRED[0], PAIRED[0]]])
def test_pairs_are_saved_and_made_again(texts: list[Any]) -> None:
    output_map = inspect(texts=texts)
    assert output_map.input.texts == tuple(
        Text(first=text) if isinstance(text, str) else Text(first=text[0], second=text[1])
        for text in texts
    )
    assert output_map.predictions is not None
    assert [prediction.text for prediction in output_map.predictions] == list(
        output_map.input.texts or ()
    )
    saved = OutputMap.from_json(output_map.to_json())
    assert diff(saved, None) == []
    assert inspect(texts=texts).input == output_map.input


def test_a_pair_is_tokenized_as_its_tokenizer_does(tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(make_tokenizer(tmp_path))
    texts = [Text(first="ab", second="cd"), Text(first="e")]
    probe = from_texts(tiny_config(), tokenizer, texts)
    rows = [row[:length] for row, length in zip(probe.tokens or (), probe.row_lengths, strict=True)]
    assert rows == [
        tuple(tokenizer.convert_ids_to_tokens(tokenizer("ab", "cd")["input_ids"])),
        tuple(tokenizer.convert_ids_to_tokens(tokenizer("e")["input_ids"])),
    ]


class Typed:
    """A tokenizer that gives the second text of a pair token type 1, as BertTokenizer does."""

    pad_token = "<pad>"
    pad_token_id = 1

    def __call__(self, firsts: list[str], seconds: list[str], **_: Any) -> dict[str, Any]:
        return {"input_ids": IDS[:1], "attention_mask": MASK[:1], "token_type_ids": MASK[1:]}

    def __len__(self) -> int:
        return 50

    def convert_ids_to_tokens(self, ids: list[int]) -> list[str]:
        return [str(number) for number in ids]


def test_token_types_without_rows_are_left_out_and_told() -> None:
    output_map = inspect(tiny_model(), texts=[("a", "b")], tokenizer=Typed())
    assert [field.name for field in output_map.input.fields] == [
        "input_ids",
        "attention_mask",
        "labels",
    ]
    (finding,) = [f for f in output_map.findings if f.id == "token-types-dropped"]
    assert finding.hint == "Call the tokenizer with return_token_type_ids=False."
    output_map = inspect(tiny_model(type_vocab_size=2), texts=[("a", "b")], tokenizer=Typed())
    assert "token_type_ids" in [field.name for field in output_map.input.fields]
    assert "token-types-dropped" not in [finding.id for finding in output_map.findings]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"texts": "a"}, "texts is one string"),
    ({"texts": {"input_ids": IDS}}, "texts is of type dict, not a list of strings"),
    ({"texts": b"a"}, "texts is of type bytes, not a list of strings"),
    ({"texts": 5}, "texts is of type int, not a list of strings"),
    ({"texts": []}, "texts is empty"),
    ({"texts": ["a", None]}, "texts[1] is None, neither a string nor a pair of them"),
    ({"texts": [("a", "b", "c")]}, "texts[0] is ('a', 'b', 'c'), neither"),
    ({"texts": ["a"], "inputs": {"input_ids": IDS}}, "there are texts= and inputs="),
    (
        {"texts": ["a"], "tokenizer": "roberta-base"},
        "tokenizer= is of type str, which cannot be called",
    ),
    ({"labels": object()}, "labels is of type object, not a list of labels"),
    ({"labels": "positive"}, "labels is of type str, not a list of labels"),
    ({"labels": [[0], [1, 2]]}, "labels make no tensor"),
    ({"labels": [0, None]}, "labels make no tensor"),
    ({"batch_size": "3"}, "batch_size is of type str, not a whole number"),
    ({"sequence_length": True}, "sequence_length is of type bool, not a whole number"),
]


@pytest.mark.parametrize(("arguments", "sentence"), WRONG, ids=[row[1] for row in WRONG])
def test_arguments_that_cannot_be(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError) as raised:
        inspect(**arguments)
    assert sentence in str(raised.value)
