"""Checkpoints: what is found, what is loaded, and how each broken one is refused."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import pickle
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from makers import (
    edit_config,
    make_base_model,
    make_bert,
    make_checkpoint,
    make_masked_lm,
    make_tokenizer,
    seeded,
    tiny_config,
    tiny_model,
)
from safetensors.torch import save_file
from small_maps import BASE
from transformers import BertForSequenceClassification, RobertaForSequenceClassification
from transformers.utils import logging as transformers_logging
from typer.testing import CliRunner

from roberta_inspect import releases
from roberta_inspect.checkpoint import memory
from roberta_inspect.checkpoint.fake import skeleton
from roberta_inspect.checkpoint.header import read_header
from roberta_inspect.checkpoint.hub import has_weights
from roberta_inspect.checkpoint.load import load, load_tokenizer
from roberta_inspect.checkpoint.locate import locate
from roberta_inspect.cli.commands import app
from roberta_inspect.errors import CannotInspectError, UsageError
from roberta_inspect.text import safe

FORMS = ("safetensors", "sharded", "bin", "sharded-bin")
HEAD = {f"classifier.{part}" for part in ("dense.weight", "dense.bias")} | {
    f"classifier.{part}" for part in ("out_proj.weight", "out_proj.bias")
}


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole checkpoint; read it, do not write it."""
    return make_checkpoint(tmp_path_factory.mktemp("made") / "whole", tokenizer=True)


@pytest.fixture
def folder(tmp_path: Path, pristine: Path) -> Path:
    """A whole checkpoint to damage."""
    copy = tmp_path / "checkpoint"
    copy.mkdir()
    for path in pristine.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    return copy


def opened(folder: Path) -> Any:
    return load(locate(str(folder)))


def refusal(folder: Path, how: Any = load) -> str:
    """The sentence that a checkpoint is refused with, checked for its form."""
    with pytest.raises(CannotInspectError) as caught:
        how(locate(str(folder)))
    sentence = caught.value.message
    assert not sentence.endswith("."), sentence
    assert not sentence[0].isupper(), sentence
    assert sentence.isprintable(), sentence
    assert len(sentence) < 1000, sentence
    assert caught.value.hint
    assert caught.value.exit_code == 3
    return sentence


# Locating


@pytest.mark.parametrize(
    "source",
    ["./nope", "../nope", "~/nope-nope", "/nope/nope", "a/b/c", "nope", "n pe/x", "a/b.bin"],
)
def test_path_that_does_not_exist(source: str) -> None:
    with pytest.raises(CannotInspectError, match="does not exist") as caught:
        locate(source)
    assert "repo" not in caught.value.message


@pytest.mark.parametrize("source", ["roberta-large-mnli", "owner/name", "owner/name-2.0_b"])
def test_hub_id(source: str) -> None:
    location = locate(source, revision="v1")
    assert (location.repo, location.revision, location.directory) == (source, "v1", None)


def test_demo_and_a_directory_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundled = locate(None).directory
    assert bundled is not None
    assert bundled.name == "demo"
    monkeypatch.chdir(tmp_path)
    assert locate("demo").directory == bundled
    (tmp_path / "demo").mkdir()
    assert locate("demo").directory == Path("demo")


def test_a_file_asks_for_its_directory(pristine: Path) -> None:
    with pytest.raises(CannotInspectError, match="is a file") as caught:
        locate(str(pristine / "config.json"))
    assert str(pristine) in caught.value.hint


GENERAL = "Give a directory with a config.json, a Hub model id such as owner/name, or nothing"


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("my-robrta", "Did you mean my-roberta?"),
        ("./models/my-robrta/", "Did you mean models/my-roberta?"),
        ("mapp", GENERAL),
        ("gone/my-robrta/x", GENERAL),
        ("map.json", "map.json is a saved map: roberta-inspect diff map.json CHECKPOINT"),
        ("f.json", "f.json is a batch: roberta-inspect run CHECKPOINT --inputs f.json"),
        ("f.safetensors", "f.safetensors is a batch: roberta-inspect run CHECKPOINT --inputs f."),
        ("notes.txt", GENERAL),
        ("other.json", GENERAL),
        ("my-roberta/config.json", "Give the directory that holds it and its config.json: my-"),
    ],
)
def test_what_was_meant_is_told(
    source: str, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("my-roberta", "models/my-roberta"):
        Path(folder).mkdir(parents=True)
    for name, content in {
        "my-roberta/config.json": "{}",
        "my-robertas": "a file",
        "map": "a file",
        "map.json": BASE.to_json(),
        "f.json": '{"input_ids": [[0, 31, 2]]}',
        "other.json": "{}",
        "notes.txt": "",
    }.items():
        Path(name).write_text(content, encoding="utf-8")
    save_file({"inputs_embeds": torch.zeros(1, 1, 8)}, "f.safetensors")
    with pytest.raises(CannotInspectError) as caught:
        locate(source)
    assert caught.value.hint.startswith(hint)


@pytest.mark.parametrize("source", ["", "  ", "a\0b"])
def test_no_name_at_all(source: str) -> None:
    with pytest.raises(UsageError):
        locate(source)


def test_a_directory_has_no_revision(pristine: Path) -> None:
    with pytest.raises(UsageError, match="revision="):
        locate(str(pristine), revision="main")
    with pytest.raises(UsageError, match="revision="):
        locate(None, revision="main")


def test_links_that_loop_or_lead_nowhere(tmp_path: Path) -> None:
    loop, nowhere = tmp_path / "loop", tmp_path / "nowhere"
    loop.symlink_to(loop)
    nowhere.symlink_to(tmp_path / "gone")
    for link in (loop, nowhere):
        with pytest.raises(CannotInspectError):
            locate(str(link))


def test_locating_and_looking_needs_no_torch(pristine: Path) -> None:
    code = (
        "import sys\n"
        "from roberta_inspect.checkpoint.hub import has_weights\n"
        "from roberta_inspect.checkpoint.locate import locate\n"
        f"assert has_weights(locate({str(pristine)!r}))\n"
        "assert not {'torch', 'transformers', 'huggingface_hub'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# Loading


@pytest.mark.parametrize("form", FORMS)
def test_every_form_loads_the_same_tensors(tmp_path: Path, form: Any) -> None:
    model = tiny_model(seed=3)
    loaded = opened(make_checkpoint(tmp_path, model, form=form))
    assert loaded.weights.verdict == "complete"
    assert loaded.weights.loaded == len(model.state_dict())
    assert all((tmp_path / name).is_file() for name in loaded.weights.files)
    assert not loaded.model.training
    for name, value in model.state_dict().items():
        assert torch.equal(loaded.model.state_dict()[name], value), name


@pytest.mark.parametrize("form", FORMS)
def test_skeleton_agrees_with_the_loaded_model(tmp_path: Path, form: Any) -> None:
    location = locate(str(make_checkpoint(tmp_path, form=form)))
    loaded, bones = load(location), skeleton(location)
    assert bones.weights == loaded.weights
    real, fake = loaded.model.state_dict(), bones.model.state_dict()
    assert {name: (tensor.shape, tensor.dtype) for name, tensor in real.items()} == {
        name: (tensor.shape, tensor.dtype) for name, tensor in fake.items()
    }
    assert bones.header == {name: ("F32", tuple(tensor.shape)) for name, tensor in real.items()}
    attention = bones.model.config._attn_implementation
    assert attention == loaded.model.config._attn_implementation
    assert not bones.model.training


@pytest.mark.parametrize("stored", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("dtype", [None, "float16", "float64"])
def test_skeleton_has_the_dtype_that_loading_gives(
    tmp_path: Path, stored: torch.dtype, dtype: str | None
) -> None:
    location = locate(str(make_checkpoint(tmp_path, tiny_model().to(stored))))
    expected = load(location, dtype=dtype).model.dtype
    assert skeleton(location, dtype=dtype).model.dtype == expected
    if dtype:
        assert expected == getattr(torch, dtype)


def test_the_dtype_of_a_config_that_names_none(tmp_path: Path) -> None:
    folder = make_checkpoint(tmp_path, tiny_model().to(torch.float16))
    edit_config(folder, dtype=..., torch_dtype=...)
    location = locate(str(folder))
    assert skeleton(location).model.dtype == load(location).model.dtype


@pytest.mark.parametrize("attention", [None, "eager"])
def test_skeleton_calls_forward(pristine: Path, attention: str | None) -> None:
    bones = skeleton(locate(str(pristine)), attention=attention)
    with bones.mode, torch.no_grad():
        ids = torch.ones(2, 7, dtype=torch.long)
        outputs = bones.model(input_ids=ids, attention_mask=ids, return_dict=True)
    assert tuple(outputs.logits.shape) == (2, 3)


def test_skeleton_of_a_config_alone(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    location = locate(str(folder))
    assert not has_weights(location)
    bones = skeleton(location)
    assert (bones.weights.verdict, bones.header) == ("no-weights", None)
    assert "has a config.json and no weights" in refusal(folder)


def test_skeleton_reads_the_header_only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from roberta_inspect.checkpoint import files

    config = tiny_config(vocab_size=200_000, hidden_size=1024, num_attention_heads=16)
    config.save_pretrained(folder)
    sparse = folder / "model.safetensors"
    write_header(sparse, layout({"roberta.embeddings.word_embeddings.weight": (200_000, 1024)}))
    read: list[int] = []
    whole = files.head_of

    def counting(path: Path, length: int, *, start: int = 0) -> bytes:
        content = whole(path, length, start=start)
        read.append(len(content))
        return content

    monkeypatch.setattr(files, "head_of", counting)
    bones = skeleton(locate(str(folder)))
    assert sparse.stat().st_size > 800_000_000
    assert sum(read) < 10_000
    assert bones.weights.verdict == "encoder-not-in-checkpoint"


def test_options_that_cannot_be(pristine: Path) -> None:
    location = locate(str(pristine))
    for how in (load, skeleton):
        with pytest.raises(UsageError, match="dtype int7"):
            how(location, dtype="int7")
        with pytest.raises(UsageError, match="code on the Hub"):
            how(location, attention="somebody/kernels")
        with pytest.raises(UsageError, match="nonsense cannot be used"):
            how(location, attention="nonsense")
    with pytest.raises(UsageError, match="device warp"):
        load(location, device="warp")


def test_loading_is_quiet_and_restores_what_it_silenced(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    location = locate(str(make_masked_lm(tmp_path)))
    before = noise()
    capfd.readouterr()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        load(location)
        skeleton(location)
    assert capfd.readouterr() == ("", "")
    assert not warned
    assert noise() == before


def noise() -> tuple[Any, ...]:
    from huggingface_hub.utils import are_progress_bars_disabled

    return (
        transformers_logging.get_verbosity(),
        transformers_logging.is_progress_bar_enabled(),
        are_progress_bars_disabled(),
        logging.getLogger("huggingface_hub").level,
        len(warnings.filters),
    )


def test_no_file_is_written_or_changed(pristine: Path) -> None:
    def contents() -> dict[str, tuple[str, int]]:
        return {
            path.name: (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
            for path in pristine.iterdir()
        }

    before = contents()
    location = locate(str(pristine))
    load(location)
    skeleton(location)
    load_tokenizer(location)
    assert contents() == before


def test_custom_code_is_never_followed(folder: Path) -> None:
    witness = folder / "executed"
    (folder / "evil.py").write_text(f"open({str(witness)!r}, 'w')\n")
    targets = dict.fromkeys(("AutoConfig", "AutoModelForSequenceClassification"), "evil.Evil")
    edit_config(folder, auto_map={**targets, "AutoTokenizer": ["evil.Evil", "evil.Evil"]})
    location = locate(str(folder))
    assert type(load(location).model) is RobertaForSequenceClassification
    skeleton(location)
    load_tokenizer(location)
    assert not witness.exists()


def test_tokenizer(pristine: Path, folder: Path) -> None:
    tokenizer = load_tokenizer(locate(str(pristine)))
    assert tokenizer.convert_ids_to_tokens(tokenizer("a b")["input_ids"]) == [
        *("<s>", "a", "Ġ", "b", "</s>")
    ]
    for path in folder.iterdir():
        if path.name not in ("config.json", "model.safetensors"):
            path.unlink()
    assert load_tokenizer(locate(str(folder))) is None
    make_tokenizer(folder)
    (folder / "tokenizer.json").write_text("{}")
    assert "tokenizer" in refusal(folder, load_tokenizer)


# The verdict


def test_masked_lm_lacks_the_head_alone(tmp_path: Path) -> None:
    weights = opened(make_masked_lm(tmp_path)).weights
    assert weights.verdict == "head-not-in-checkpoint"
    assert set(weights.missing) == HEAD
    assert set(weights.harmless) == set(weights.unexpected) != set()


def test_a_base_models_names_lack_the_prefix(tmp_path: Path) -> None:
    location = locate(str(make_base_model(tmp_path)))
    weights = load(location).weights
    assert weights.verdict == "head-not-in-checkpoint"
    assert set(weights.missing) == HEAD
    bones = skeleton(location)
    assert bones.weights == weights
    assert bones.header is not None
    assert "roberta.embeddings.word_embeddings.weight" in bones.header


def test_more_layers_in_the_config_than_in_the_file(tmp_path: Path) -> None:
    folder = edit_config(make_checkpoint(tmp_path), num_hidden_layers=3)
    weights = opened(folder).weights
    assert weights.verdict == "encoder-not-in-checkpoint"
    assert all(name.startswith("roberta.encoder.layer.2.") for name in weights.missing)


def test_a_bert_file_under_a_roberta_config(tmp_path: Path) -> None:
    folder = make_bert(tmp_path)
    tiny_config().save_pretrained(folder)
    weights = opened(folder).weights
    assert (weights.verdict, weights.loaded) == ("nothing-from-checkpoint", 0)


def test_names_of_the_first_releases(tmp_path: Path) -> None:
    model = tiny_model()
    old = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ): value
        for name, value in model.state_dict().items()
    }
    folder = make_checkpoint(tmp_path, model, form="bin")
    torch.save(old, folder / "pytorch_model.bin")
    assert opened(folder).weights.verdict == "complete"


def test_a_report_that_disagrees_with_the_header_is_told(
    pristine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = RobertaForSequenceClassification.from_pretrained

    def lying(*args: Any, **kwargs: Any) -> Any:
        model, report = whole(*args, **kwargs)
        return model, {**report, "missing_keys": ["classifier.dense.bias"]}

    monkeypatch.setattr(RobertaForSequenceClassification, "from_pretrained", lying)
    assert "disagree about classifier.dense.bias" in refusal(pristine)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"id2label": {str(i): f"L{i}" for i in range(8)}, "label2id": None},
            "id2label has 8 names and the head in the file has 3 rows: transformers takes 8",
        ),
        (
            {"num_labels": 4, "id2label": {"0": "a", "1": "b"}},
            "config.json does not fit the head: num_labels is 4, id2label has 2 names",
        ),
        ({"id2label": {"0": "a", "2": "b"}}, "id2label has no name for id 1"),
        ({"vocab_size": 60}, "asks for vocab_size 60, the file has 50"),
        ({"hidden_size": 20}, "asks for hidden_size 20, the file has 16"),
        ({"intermediate_size": 40}, "asks for intermediate_size 40, the file has 32"),
        ({"max_position_embeddings": 41}, "asks for max_position_embeddings 41, the file has 40"),
        ({"type_vocab_size": 2}, "asks for type_vocab_size 2, the file has 1"),
    ],
)
def test_sizes_of_config_and_file_that_differ(
    folder: Path, changes: dict[str, Any], sentence: str
) -> None:
    edit_config(folder, **changes)
    for how in (load, skeleton):
        assert sentence in refusal(folder, how)


# The configuration


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "config.json is empty"),
        (b"  \n", "config.json is empty"),
        (b"{", "is not JSON"),
        (b"[]", "not an object (list)"),
        (b'"text"', "not an object (str)"),
        (b"null", "not an object (NoneType)"),
        (b'{"layer_norm_eps": NaN}', "NaN is not a JSON number"),
        (b'{"hidden_size": 1' + b"0" * 5000 + b"}", "is not JSON"),
        (b'{"a": 1, "a": 2}', "'a' stands there twice"),
        (b"\xff\xfe{}", "is not UTF-8"),
        (b"[" * 200_000, "nested too deeply"),
        (b" " * (2**24 + 1), "is 16.0 MiB large"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_broken_config_file(folder: Path, content: bytes, sentence: str) -> None:
    (folder / "config.json").write_bytes(content)
    for how in (load, skeleton):
        assert sentence in refusal(folder, how)


LABELS = "an object from the label ids 0, 1, …"
WRONG_FIELDS: list[tuple[dict[str, Any], str]] = [
    *[
        ({field: value}, f"{field} is {shown}, it must be a whole number from 1 to")
        for field in ("vocab_size", "hidden_size", "num_hidden_layers", "max_position_embeddings")
        for value, shown in ((0, "0"), (-1, "-1"), ("12", "12"), (True, "True"), (None, "null"))
    ],
    ({"vocab_size": 10**4000}, "vocab_size is 1000"),
    ({"type_vocab_size": 0}, "type_vocab_size is 0"),
    ({"intermediate_size": 1.5}, "intermediate_size is 1.5"),
    ({"num_attention_heads": 3}, "must be a divisor of hidden_size 16"),
    ({"pad_token_id": 50}, "must be below vocab_size 50"),
    ({"pad_token_id": None}, "pad_token_id is null"),
    ({"max_position_embeddings": 2}, "must be more than 2"),
    ({"hidden_act": "gelato"}, "hidden_act is gelato, it must be one of"),
    ({"hidden_act": ["gelu"]}, "the name of an activation"),
    ({"hidden_dropout_prob": 1.1}, "a number from 0 to 1"),
    ({"classifier_dropout": "much"}, "a number from 0 to 1, or null"),
    ({"layer_norm_eps": -1e-5}, "a number from 0 on"),
    ({"problem_type": "ranking"}, "problem_type is ranking, it must be one of regression"),
    ({"id2label": {}}, LABELS),
    ({"id2label": ["a", "b"]}, LABELS),
    ({"id2label": {"0": "a", "x": "b"}}, LABELS),
    ({"id2label": {"x": "a"}}, LABELS),
    ({"is_decoder": "yes"}, "true or false"),
    ({"torch_dtype": "os"}, "one of float32"),
    ({"dtype": "int8"}, "one of float32"),
    ({"model_type": "bert"}, "and model type bert, and not a sequence classifier of model type"),
    ({"model_type": 3}, "and model type 3, and not"),
    ({"model_type": ..., "architectures": ["BertModel"]}, "is of class BertModel, and not"),
    ({"architectures": 1}, "a list of class names"),
    ({"quantization_config": {"load_in_8bit": True}}, "quantised"),
    ({"transformers_weights": "../other.safetensors"}, "another weight file"),
    ({"attn_implementation": "somebody/kernel"}, "without a slash"),
    ({"position_embedding_type": "relative"}, "one of absolute"),
]


@pytest.mark.parametrize(
    ("changes", "sentence"), WRONG_FIELDS, ids=[str(changes)[:60] for changes, _ in WRONG_FIELDS]
)
def test_wrong_config_field(folder: Path, changes: dict[str, Any], sentence: str) -> None:
    edit_config(folder, **changes)
    for how in (load, skeleton):
        message = refusal(folder, how)
        assert sentence in message
        assert "config.json" in message


def test_fields_left_out_have_transformers_defaults(folder: Path) -> None:
    names = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "id2label")
    names += ("intermediate_size", "max_position_embeddings", "type_vocab_size")
    values = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({name: values[name] for name in names}))
    assert opened(folder).weights.verdict == "complete"


def test_values_that_differ_from_the_usual_and_are_right(folder: Path) -> None:
    edit_config(
        folder, num_labels=3, bos_token_id=None, eos_token_id=[2, 3], unknown_field=[1], layer=None
    )
    assert opened(folder).weights.verdict == "complete"


def test_no_config(folder: Path) -> None:
    (folder / "config.json").unlink()
    assert "holds no config.json" in refusal(folder)
    assert "holds no config.json" in refusal(folder, skeleton)


def test_an_adapter_is_not_followed(folder: Path) -> None:
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "somebody/else"}')
    assert "adapter_config.json" in refusal(folder)
    (folder / "config.json").unlink()
    assert "adapter_config.json" in refusal(folder)


# Memory


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"hidden_size": 10**7}, "are free"),
        ({"vocab_size": 10**12}, "are free"),
        ({"intermediate_size": 10**15}, "are free"),
        ({"num_hidden_layers": 10**6}, "asks for 1,000,000 layers, more than the 400"),
        ({"max_position_embeddings": 10**18}, "overflowed"),
        ({"vocab_size": 2**63 - 1, "hidden_size": 2**63 - 2}, "overflowed"),
    ],
    ids=str,
)
def test_memory_bombs_are_refused_before_they_have_values(
    folder: Path, changes: dict[str, Any], sentence: str
) -> None:
    edit_config(folder, **changes)
    assert sentence in refusal(folder)


def test_what_is_free_decides(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available", lambda: 2 * memory.LAYER_OVERHEAD + 4 * 6259 - 1)
    assert "6,259 parameters in 2 layers" in refusal(folder)
    monkeypatch.setattr(memory, "available", lambda: 2 * memory.LAYER_OVERHEAD + 4 * 6259)
    assert opened(folder).weights.verdict == "complete"
    monkeypatch.setattr(memory, "available", lambda: None)
    assert opened(folder).weights.verdict == "complete"
    edit_config(folder, num_hidden_layers=10**6)
    assert "more than the 400 that can be laid out" in refusal(folder, skeleton)


@pytest.mark.parametrize(
    ("limit", "free"), [("max\n", None), ("1000\n", 1000 - 700 + 200), ("400\n", 0)]
)
def test_the_limit_of_a_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, free: int | None
) -> None:
    (tmp_path / "memory.max").write_text(limit)
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("anon 500\ninactive_file 200\n")
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    monkeypatch.setattr(memory, "_of_machine", lambda: None)
    assert memory.available() == free


# Weight files


def layout(shapes: dict[str, tuple[int, ...]]) -> dict[str, Any]:
    """A header whose F32 tensors lie one after the other."""
    header, end = {}, 0
    for name, shape in shapes.items():
        size = 4 * int(torch.Size(shape).numel())
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
    return header


def write_header(path: Path, header: Any, *, data: int | None = None) -> Path:
    """A safetensors file with that header and a sparse rest, as long as the header says."""
    content = json.dumps(header).encode()
    if data is None:
        data = max(tensor["data_offsets"][1] for tensor in header.values())
    path.unlink(missing_ok=True)
    path.write_bytes(len(content).to_bytes(8, "little") + content)
    os.truncate(path, 8 + len(content) + data)
    return path


def tensor(dtype: Any = "F32", shape: Any = (2,), offsets: Any = (0, 8)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


@pytest.mark.parametrize(
    ("header", "data", "sentence"),
    [
        ([], 0, "not an object"),
        ({"a": 1}, 0, "lacks its dtype"),
        ({"a": {"dtype": "F32", "shape": [2]}}, 8, "lacks its dtype"),
        ({"a": tensor(dtype="F33")}, 8, "has dtype F33, which is none of"),
        ({"a": tensor(dtype=["F32"])}, 8, "has dtype ['F32']"),
        ({"a": tensor(shape=[-2])}, 8, "has shape [-2]"),
        ({"a": tensor(shape=[2.0])}, 8, "has shape [2.0]"),
        ({"a": tensor(shape=[10**30])}, 8, "has shape"),
        ({"a": tensor(shape=[2**62] * 64)}, 8, "takes"),
        ({"a": tensor(shape=[1] * 65)}, 8, "has shape"),
        ({"a": tensor(offsets=[8, 0])}, 8, "has data_offsets [8, 0]"),
        ({"a": tensor(offsets=[0])}, 8, "has data_offsets [0]"),
        ({"a": tensor(shape=[3])}, 8, "takes 12 bytes, its data_offsets hold 8"),
        ({"a": tensor(offsets=[4, 12])}, 12, "leaves a gap"),
        ({"a": tensor(), "b": tensor(offsets=[4, 12])}, 12, "overlaps the one before it"),
        ({"a": tensor(), "b": tensor()}, 8, "overlaps the one before it"),
        ({"a": tensor()}, 7, "truncated"),
        ({"a": tensor()}, 9, "1 bytes at its end belong to no tensor"),
        ({"__metadata__": 3, "a": tensor()}, 8, "__metadata__ is not an object"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_broken_header(folder: Path, header: Any, data: int, sentence: str) -> None:
    write_header(folder / "model.safetensors", header, data=data)
    for how in (load, skeleton):
        message = refusal(folder, how)
        assert sentence in message
        assert "model.safetensors" in message


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "it has 0 bytes"),
        (b"1234567", "it has 7 bytes"),
        (b"\xff" * 64, "not a safetensors file"),
        ((100).to_bytes(8, "little") + b"{}", "should be 100 bytes long, 2 are there"),
        ((2).to_bytes(8, "little") + b"{]", "is not JSON"),
        ((2).to_bytes(8, "little") + b"\xff\xff", "is not UTF-8"),
        ((0).to_bytes(8, "little"), "is empty"),
        ((9).to_bytes(8, "little") + b'{"a":1,"a":2}'[:9], "is not JSON"),
        ((13).to_bytes(8, "little") + b'{"a":1,"a":2}', "'a' stands there twice"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git-lfs pointer"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_broken_safetensors_file(folder: Path, content: bytes, sentence: str) -> None:
    (folder / "model.safetensors").write_bytes(content)
    for how in (load, skeleton):
        assert sentence in refusal(folder, how)


@settings(
    max_examples=60,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_file_cut_at_any_byte_is_refused(pristine: Path, tmp_path: Path, share: float) -> None:
    content = (pristine / "model.safetensors").read_bytes()
    cut = tmp_path / "model.safetensors"
    cut.write_bytes(content[: int(share * len(content))])
    with pytest.raises(CannotInspectError):
        read_header(cut)


def test_a_sparse_file_larger_than_memory(folder: Path) -> None:
    tall = (2**34, 16)
    write_header(
        folder / "model.safetensors", layout({"roberta.embeddings.word_embeddings.weight": tall})
    )
    edit_config(folder, vocab_size=tall[0])
    assert "are free" in refusal(folder)


SHARD = "model-00001-of-00002.safetensors"


def test_broken_index(tmp_path: Path) -> None:
    folder = make_checkpoint(tmp_path / "sharded", form="sharded")
    path = folder / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    first = sorted(set(index["weight_map"].values()))[0]
    for shard in ("../outside.safetensors", "/etc/passwd", "..", "a\\b", "", 3, None):
        changed = {**index["weight_map"], "classifier.dense.bias": shard}
        path.write_text(json.dumps({"weight_map": changed}))
        assert "which is not a file of this directory" in refusal(folder), shard
    for content in ({}, {"weight_map": []}, {"weight_map": {}}):
        path.write_text(json.dumps(content))
        assert "has no weight_map" in refusal(folder)
    path.write_text(json.dumps({"weight_map": {**index["weight_map"], "more": first}}))
    assert "puts tensor more into" in refusal(folder)
    path.write_text(json.dumps(index))
    (folder / first).unlink()
    assert f"names the shard {first}, which is not there" in refusal(folder)


def test_two_shards_with_the_same_tensor(tmp_path: Path) -> None:
    folder = make_checkpoint(tmp_path, form="sharded-bin")
    path = folder / "pytorch_model.bin.index.json"
    shards = sorted(set(json.loads(path.read_text())["weight_map"].values()))
    state = {**torch.load(folder / shards[0]), **torch.load(folder / shards[1])}
    torch.save(state, folder / shards[1])
    assert "which another shard holds too" in refusal(folder)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_what_stands_in_place_of_a_file(folder: Path, name: str) -> None:
    (folder / name).unlink()
    (folder / name).mkdir()
    assert f"{name} is a directory" in refusal(folder)
    (folder / name).rmdir()
    (folder / name).symlink_to(folder / name)
    assert f"{name} cannot be read" in refusal(folder)
    (folder / name).unlink()
    (folder / name).symlink_to(folder / "gone")
    assert f"{name} cannot be read: a link that leads nowhere" in refusal(folder)
    (folder / name).unlink()
    os.mkfifo(folder / name)
    assert f"{name} is not a regular file" in refusal(folder)


def test_a_file_that_may_not_be_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Path.open

    def forbidden(path: Path, *args: Any, **kwargs: Any) -> Any:
        if path.name == "model.safetensors":
            raise PermissionError(13, "Permission denied")
        return whole(path, *args, **kwargs)

    monkeypatch.setattr(Path, "open", forbidden)
    assert "model.safetensors cannot be read: Permission denied" in refusal(folder)


# Pickles


class Evil:
    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> Any:
        return (open, (str(self.witness), "w"))


@pytest.fixture
def pickled(tmp_path: Path) -> Path:
    return make_checkpoint(tmp_path / "pickled", form="bin")


@pytest.mark.parametrize("legacy", [False, True])
def test_code_in_a_pickle_is_never_executed(pickled: Path, legacy: bool) -> None:
    witness = pickled / "executed"
    torch.save(
        {"classifier.dense.bias": Evil(witness)},
        pickled / "pytorch_model.bin",
        _use_new_zipfile_serialization=not legacy,
    )
    for how in (load, skeleton):
        assert "nothing in it was executed" in refusal(pickled, how)
    (pickled / "pytorch_model.bin").write_bytes(pickle.dumps(Evil(witness)))
    for how in (load, skeleton):
        assert "pytorch_model.bin" in refusal(pickled, how)
    assert not witness.exists()


def test_pickles_are_refused_where_torch_cannot_read_them_safely(
    pickled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(releases, "unpickles_safely", lambda: False)
    assert "CVE-2025-32434" in refusal(pickled)


def test_the_form_of_torch_before_1_6(pickled: Path) -> None:
    path = pickled / "pytorch_model.bin"
    torch.save(torch.load(path), path, _use_new_zipfile_serialization=False)
    assert opened(pickled).weights.verdict == "complete"


def test_broken_pickles(pickled: Path) -> None:
    path = pickled / "pytorch_model.bin"
    whole = path.read_bytes()
    for content in (b"", b"text", whole[: len(whole) // 2], whole[:100], b"\0" * 1000):
        path.write_bytes(content)
        assert "pytorch_model.bin" in refusal(pickled)
    torch.save([torch.ones(2)], path)
    assert "holds list, not tensors by name" in refusal(pickled)
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    assert "git-lfs pointer" in refusal(pickled)


def test_a_compressed_pickle_may_be_a_bomb(pickled: Path) -> None:
    import zipfile

    path = pickled / "pytorch_model.bin"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\0" * 10**6)
    assert "may be made to fill the memory" in refusal(pickled)


# Whatever else


def test_names_with_escapes_are_shown_harmless(tmp_path: Path) -> None:
    folder = make_checkpoint(tmp_path / "\x1b[31m[bold]red\n")
    (folder / "config.json").write_text('{"model_type": "\\u001b]0;title\\u0007\\u202e"}')
    assert "\\x1b" in refusal(folder)


_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.integers(-3, 100),
    st.floats(allow_nan=False),
    st.text(max_size=5),
    st.lists(st.integers(0, 3), max_size=3),
    st.dictionaries(st.text(max_size=2), st.integers(0, 3), max_size=2),
)


@settings(
    max_examples=80,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_a_changed_config_is_loaded_or_refused(
    pristine: Path, tmp_path: Path, data: st.DataObject
) -> None:
    target = tmp_path / "model.safetensors"
    if not target.exists():
        target.write_bytes((pristine / "model.safetensors").read_bytes())
    values = json.loads((pristine / "config.json").read_text())
    changes = data.draw(st.dictionaries(st.sampled_from(sorted(values)), _LEAVES, min_size=1))
    (tmp_path / "config.json").write_text(json.dumps({**values, **changes}))
    try:
        assert opened(tmp_path).weights.loaded >= 0
    except CannotInspectError as error:
        message = error.message
    else:
        message = ""
    assert message == safe(message, longest=len(message))


@settings(
    max_examples=80,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_changed_bytes_are_loaded_or_refused(
    pristine: Path, tmp_path: Path, data: st.DataObject
) -> None:
    content = bytearray((pristine / "model.safetensors").read_bytes())
    length = int.from_bytes(content[:8], "little")
    places = st.integers(0, 8 + length - 1)
    for place in data.draw(st.lists(places, min_size=1, max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    (tmp_path / "config.json").write_bytes((pristine / "config.json").read_bytes())
    (tmp_path / "model.safetensors").write_bytes(content)
    try:
        assert opened(tmp_path).weights.loaded >= 0
    except CannotInspectError as error:
        message = error.message
    else:
        message = ""
    assert message == safe(message, longest=len(message))


def test_a_bert_checkpoint_is_refused(tmp_path: Path) -> None:
    assert "and model type bert, and not" in refusal(make_bert(tmp_path))
    assert seeded(BertForSequenceClassification, tiny_bert()).config.model_type == "bert"


def tiny_bert() -> Any:
    from transformers import BertConfig

    return BertConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, vocab_size=50)


# Memory


NO_ROOM = (
    "can't allocate memory: you tried to allocate 4096 bytes",
    "unable to mmap 4096 bytes from file <f>: Cannot allocate memory (12)",
)
"""How torch says on the CPU that memory ran out: in a plain `RuntimeError`."""


@pytest.mark.parametrize("message", NO_ROOM)
@pytest.mark.parametrize(
    ("place", "arguments"),
    [
        ("transformers.RobertaConfig.from_dict", []),
        ("transformers.RobertaForSequenceClassification.from_pretrained", []),
        ("transformers.RobertaForSequenceClassification._from_config", []),
        ("transformers.RobertaForSequenceClassification.to", []),
        ("transformers.AutoTokenizer.from_pretrained", ["--text", "a"]),
        ("torch.load", []),
        ("huggingface_hub.hf_hub_download", []),
    ],
)
def test_memory_that_runs_out_is_not_the_checkpoints_fault(
    place: str,
    arguments: list[str],
    message: str,
    folder: Path,
    pickled: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_room(*_: Any, **__: Any) -> Any:
        raise RuntimeError(message)

    monkeypatch.setattr(place, no_room)
    checkpoints = {"torch.load": pickled, "huggingface_hub.hf_hub_download": "owner/name"}
    done = CliRunner().invoke(app, ["run", str(checkpoints.get(place, folder)), *arguments])
    assert done.exit_code == 3
    request = ": 4096 bytes more were asked for" if "tried" in message else ""
    error = f"the memory of this machine is not enough{request}"
    assert done.stderr.startswith(f"Error: {error}\nHint: Ask for less"), done.stderr
