"""Broken, wrong and hostile checkpoints as data: the situation, the command, how it ends."""

from __future__ import annotations

import json
import os
import pickle
import re
import shlex
import struct
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from makers import (
    edit_config,
    make_bert,
    make_checkpoint,
    make_masked_lm,
    tiny_model,
)
from safetensors.torch import load_file, save_file

from roberta_inspect.checkpoint.family import MODEL_TYPES
from roberta_inspect.text import listed

Make = Callable[[Path], object]
"""Makes what a case needs in an empty folder, above all `checkpoint`."""

WEIGHTS = "model.safetensors"
MARKER = "executed"
"""The file that code inside a checkpoint would write, beside the checkpoint."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One thing that goes wrong, or could."""

    situation: str
    """In words."""
    make: Make
    command: str = "run checkpoint"
    """The arguments, as a shell would read them; the current directory is that of `make`."""
    code: int = 3
    shown: str
    """The whole sentence on stderr where the exit code is 2 or more, else what stdout shows, line
    breaks aside. `…` stands for what another machine or release may say otherwise."""
    hint: str | None = None
    """The hint that follows on stderr, where it is a part of the case."""
    stdout: str | None = None
    """A file to write to in place of stdout."""
    limits: Mapping[str, int] = field(default_factory=dict)
    """Limits of the process, in bytes, by the names of `resource`."""

    def pattern(self) -> re.Pattern[str]:
        """What `shown` allows."""
        return re.compile(re.escape(self.shown).replace("…", ".*").replace(r"\ ", " "))


# Makers


def whole(folder: Path) -> Path:
    """A checkpoint that nothing is wrong with, tokenizer included."""
    return make_checkpoint(folder / "checkpoint", tokenizer=True)


def configured(**changes: Any) -> Make:
    """A whole checkpoint whose `config.json` was changed."""
    return lambda folder: edit_config(whole(folder), **changes)


def labelled(*names: str, **changes: Any) -> Make:
    """A checkpoint whose labels have these names."""
    ids = dict(enumerate(names))
    return lambda folder: make_checkpoint(
        folder / "checkpoint",
        tiny_model(
            id2label=ids, label2id={name: number for number, name in ids.items()}, **changes
        ),
        tokenizer=True,
    )


def holding(name: str, content: bytes) -> Make:
    """A whole checkpoint with this content in one of its files."""
    return lambda folder: (whole(folder) / name).write_bytes(content)


def damaged(damage: Callable[[bytes], bytes], name: str = WEIGHTS) -> Make:
    """A whole checkpoint with one file's bytes changed."""

    def make(folder: Path) -> None:
        path = whole(folder) / name
        path.write_bytes(damage(path.read_bytes()))

    return make


def headed(change: Callable[[dict[str, Any]], object]) -> Make:
    """A whole checkpoint with the header of its weight file changed, its length put right."""

    def damage(content: bytes) -> bytes:
        header, data = split(content)
        change(header)
        return joined(header, data)

    return damaged(damage)


def split(content: bytes) -> tuple[dict[str, Any], bytes]:
    """The header and the data of a safetensors file."""
    length = struct.unpack("<Q", content[:8])[0]
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def joined(header: object, data: bytes) -> bytes:
    """A safetensors file."""
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def without(name: str) -> Make:
    """A whole checkpoint that lacks one file."""
    return lambda folder: (whole(folder) / name).unlink()


def in_place_of(name: str, create: Callable[[Path], object]) -> Make:
    """A whole checkpoint with something else where a file should be."""

    def make(folder: Path) -> None:
        path = whole(folder) / name
        path.unlink()
        create(path)

    return make


def sharded(change: Callable[[dict[str, str], list[str]], object]) -> Make:
    """A sharded checkpoint whose map from tensors to files was changed."""

    def make(folder: Path) -> None:
        path = make_checkpoint(folder / "checkpoint", form="sharded") / f"{WEIGHTS}.index.json"
        index = json.loads(path.read_text(encoding="utf-8"))
        change(index["weight_map"], sorted(set(index["weight_map"].values())))
        path.write_text(json.dumps(index), encoding="utf-8")

    return make


class Code:
    """An object whose pickle calls a function when it is read."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return (open, (str(self.marker), "w"))


def pickled(write: Callable[[Any, Path], object]) -> Make:
    """A checkpoint with a pickle that runs code in place of its weights."""

    def make(folder: Path) -> None:
        checkpoint = make_checkpoint(folder / "checkpoint", form="bin")
        write({"classifier.dense.bias": Code(folder / MARKER)}, checkpoint / "pytorch_model.bin")

    return make


class Large:
    """An object whose pickle asks for 3 GiB when it is read."""

    def __reduce__(self) -> Any:
        return (bytearray, (3 * 2**30,))


def multiplying(tokenizer: dict[str, Any]) -> None:
    """Thirty normalizers, each of which makes ten letters of one."""
    step = {"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 10}
    tokenizer["normalizer"] = {"type": "Sequence", "normalizers": [step] * 30}


def long_template(tokenizer: dict[str, Any]) -> None:
    """A template that adds 100,000 ids."""
    special, sequence = (
        {"SpecialToken": {"id": "<s>", "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}},
    )
    tokenizer["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [special, sequence],
        "pair": [sequence, {"Sequence": {"id": "B", "type_id": 0}}],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [0] * 10**5, "tokens": ["<s>"] * 10**5}},
    }


def backtracking(tokenizer: dict[str, Any]) -> None:
    """A pattern that goes back exponentially often."""
    tokenizer["pre_tokenizer"] = {
        "type": "Split",
        "pattern": {"Regex": "(?:(a+)+)+$"},
        "behavior": "Isolated",
        "invert": False,
    }


def zipped_zeros(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\0" * 10**6)


def remote_code(folder: Path) -> None:
    checkpoint = whole(folder)
    code = f"open({str(folder / MARKER)!r}, 'w')\n"
    (checkpoint / "evil.py").write_text(code, encoding="utf-8")
    classes = ("AutoConfig", "AutoModel", "AutoModelForSequenceClassification")
    auto_map = {**dict.fromkeys(classes, "evil.Evil"), "AutoTokenizer": ["evil.Evil", "evil.Evil"]}
    edit_config(checkpoint, auto_map=auto_map)
    path = checkpoint / "tokenizer_config.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**settings, "auto_map": auto_map}), encoding="utf-8")


def sparse(folder: Path) -> None:
    """A weight file of 4 TiB on paper, which takes a few kilobytes on the disk."""
    rows = 2**36
    checkpoint = edit_config(whole(folder), vocab_size=rows)
    path = checkpoint / WEIGHTS
    header = split(path.read_bytes())[0]
    entries = {name: entry for name, entry in header.items() if "word_embeddings" not in name}
    entries.pop("__metadata__", None)
    end = 0
    for entry in entries.values():
        start, stop = entry["data_offsets"]
        entry["data_offsets"] = [end, end := end + stop - start]
    size = rows * 16 * 4
    entries["roberta.embeddings.word_embeddings.weight"] = {
        "dtype": "F32",
        "shape": [rows, 16],
        "data_offsets": [end, end + size],
    }
    content = joined(entries, b"")
    path.write_bytes(content)
    os.truncate(path, len(content) + end + size)


def tokenizing(change: Callable[[dict[str, Any]], object], **settings: Any) -> Make:
    """A whole checkpoint with its `tokenizer.json` and `tokenizer_config.json` changed."""

    def make(folder: Path) -> None:
        checkpoint = whole(folder)
        for name, edit in (
            ("tokenizer.json", change),
            ("tokenizer_config.json", lambda values: values.update(settings)),
        ):
            path = checkpoint / name
            values = json.loads(path.read_text(encoding="utf-8"))
            edit(values)
            path.write_text(json.dumps(values), encoding="utf-8")

    return make


PLAIN = "PreTrainedTokenizerFast"
"""The tokenizer class that takes everything from `tokenizer.json`."""


def as_it_is(_: object) -> None:
    """No change."""


def another_id(tokenizer: dict[str, Any]) -> None:
    """`z` gets a token id that the model has no row for."""
    tokenizer["model"]["vocab"]["z"] = 1000


def segments(tokenizer: dict[str, Any]) -> None:
    """Every token but `<s>` gets the token type 1."""
    tokenizer["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [
            {"SpecialToken": {"id": "<s>", "type_id": 0}},
            {"Sequence": {"id": "A", "type_id": 1}},
        ],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}},
    }


ESCAPES = "[/red][bold]x[/]\x1b[31m\x1b]0;t\x07\r\u202e\u2028\n::error::y<b>&\x9b2J"
"""Rich markup, ANSI and OSC escapes, a carriage return, a right-to-left mark, line breaks, a GitHub
annotation and markup of HTML."""


def hostile_names(folder: Path) -> None:
    """Label names, tokens, a class name, a tensor's name and a path with escapes."""
    names = [f"{number}\0{ESCAPES}" for number in range(3)]
    checkpoint = make_checkpoint(
        folder / ESCAPES,
        tiny_model(id2label=dict(enumerate(names)), label2id=dict.fromkeys(names, 0)),
        tokenizer=True,
    )
    (folder / "checkpoint").symlink_to(checkpoint)
    edit_config(checkpoint, architectures=[ESCAPES])
    path = checkpoint / "tokenizer.json"
    tokenizer = json.loads(path.read_text(encoding="utf-8"))
    token = {**tokenizer["added_tokens"][-1], "id": len(tokenizer["model"]["vocab"])}
    tokenizer["added_tokens"].append({**token, "content": ESCAPES})
    path.write_text(json.dumps(tokenizer), encoding="utf-8")
    header, data = split((checkpoint / WEIGHTS).read_bytes())
    header[f"roberta.{ESCAPES}"] = header.pop("classifier.dense.bias")
    (checkpoint / WEIGHTS).write_bytes(joined(header, data))


def many_labels(folder: Path) -> None:
    labelled(*(f"label number {number}" for number in range(100_000)))(folder)


def renamed(change: Callable[[str], str], *, drop: str = " ") -> Make:
    """A whole checkpoint whose tensors have other names, without those that begin with `drop`."""

    def make(folder: Path) -> None:
        path = whole(folder) / WEIGHTS
        tensors = {
            change(name): tensor
            for name, tensor in load_file(str(path)).items()
            if not name.startswith(drop)
        }
        save_file(tensors, str(path), metadata={"format": "pt"})

    return make


def nested(*keys: str) -> Make:
    """A pickle that holds the state dict under these keys."""

    def make(folder: Path) -> None:
        checkpoint = make_checkpoint(folder / "checkpoint", form="bin")
        path = checkpoint / "pytorch_model.bin"
        state: Any = torch.load(path, weights_only=True)
        for key in reversed(keys):
            state = {"epoch": 3, key: state}
        torch.save(state, path)

    return make


def in_form(*names: str) -> Make:
    """A checkpoint whose weights lie in these files alone; a name with a slash at its end is a
    directory."""

    def make(folder: Path) -> None:
        checkpoint = whole(folder)
        (checkpoint / WEIGHTS).unlink()
        for name in names:
            if name.endswith("/"):
                (checkpoint / name).mkdir()
            else:
                (checkpoint / name).write_bytes(b"x")

    return make


def inside(*folders: str) -> Make:
    """A directory that holds checkpoints, and none itself."""

    def make(folder: Path) -> None:
        for name in folders:
            make_checkpoint(folder / "checkpoint" / name)

    return make


def headed_by(rows: int, **changes: Any) -> Make:
    """A checkpoint whose head has so many rows, and whose `config.json` says something else."""
    return lambda folder: edit_config(
        make_checkpoint(folder / "checkpoint", tiny_model(num_labels=rows), tokenizer=True),
        **{"num_labels": ..., "id2label": ..., "label2id": ..., **changes},
    )


def constant(folder: Path) -> None:
    """A checkpoint whose last LayerNorm forgets what it reads."""
    model = tiny_model()
    with torch.no_grad():
        model.roberta.encoder.layer[-1].output.LayerNorm.weight.zero_()
    make_checkpoint(folder / "checkpoint", model, tokenizer=True)


def settings_alone(folder: Path) -> None:
    """A checkpoint with the settings of a tokenizer and no vocabulary."""
    checkpoint = whole(folder)
    for name in ("tokenizer.json", "vocab.json", "merges.txt"):
        (checkpoint / name).unlink()


def padding_elsewhere(tokenizer: dict[str, Any]) -> None:
    """`<pad>` and `<unk>` change places."""
    tokenizer["model"]["vocab"] |= {"<pad>": 3, "<unk>": 1}
    for token in tokenizer["added_tokens"]:
        token["id"] = {1: 3, 3: 1}.get(token["id"], token["id"])


def knows_one_letter(tokenizer: dict[str, Any]) -> None:
    """No letter but `a` is in the vocabulary."""
    model = tokenizer["model"]
    model["vocab"] = {
        name: number for name, number in model["vocab"].items() if number < 5 or name == "a"
    }


def more_tokens(tokenizer: dict[str, Any]) -> None:
    """Twenty tokens that were added without `resize_token_embeddings`."""
    token = {**tokenizer["added_tokens"][-1], "special": False}
    tokenizer["added_tokens"] += [
        {**token, "id": 37 + number, "content": f"[new {number}]"} for number in range(20)
    ]


# Cases

BROKEN = [
    Case(
        situation="a checkpoint that does not exist",
        make=lambda folder: None,
        shown="checkpoint does not exist",
    ),
    Case(
        situation="a file in place of a directory",
        make=whole,
        command="run checkpoint/config.json",
        shown="checkpoint/config.json is a file, not a checkpoint directory",
    ),
    Case(
        situation="an empty directory",
        make=lambda folder: (folder / "checkpoint").mkdir(),
        shown="checkpoint holds no config.json",
    ),
    Case(
        situation="no `config.json`",
        make=without("config.json"),
        shown="checkpoint holds no config.json",
    ),
    Case(
        situation="an empty `config.json`",
        make=holding("config.json", b""),
        shown="checkpoint/config.json is empty",
    ),
    Case(
        situation="a `config.json` that is not JSON",
        make=holding("config.json", b"model_type: roberta"),
        shown="checkpoint/config.json is not JSON: …",
    ),
    Case(
        situation="a `config.json` cut in the middle",
        make=damaged(lambda content: content[:200], "config.json"),
        shown="checkpoint/config.json is not JSON: …",
    ),
    Case(
        situation="a `config.json` that holds a list",
        make=holding("config.json", b"[]"),
        shown="checkpoint/config.json holds JSON, but not an object (list)",
    ),
    Case(
        situation="a `config.json` that holds `null`",
        make=holding("config.json", b"null"),
        shown="checkpoint/config.json holds JSON, but not an object (NoneType)",
    ),
    Case(
        situation="a `config.json` with NaN",
        make=holding("config.json", b'{"layer_norm_eps": NaN}'),
        shown="checkpoint/config.json is not JSON: NaN is not a JSON number",
    ),
    Case(
        situation="a `config.json` with an infinite number",
        make=holding("config.json", b'{"layer_norm_eps": 1e999}'),
        shown="checkpoint/config.json: layer_norm_eps is inf, it must be a number from 0 on",
    ),
    Case(
        situation="a `config.json` with a key twice",
        make=holding("config.json", b'{"vocab_size": 5, "vocab_size": 6}'),
        shown="checkpoint/config.json is not JSON: 'vocab_size' stands there twice",
    ),
    Case(
        situation="a `config.json` that is not UTF-8",
        make=holding("config.json", b'{"model_type": "\xff"}'),
        shown="checkpoint/config.json is not UTF-8 text: invalid start byte at byte 16",
    ),
    Case(
        situation="a `config.json` with 5,000 digits",
        make=holding("config.json", b'{"vocab_size": ' + b"9" * 5000 + b"}"),
        shown=(
            "checkpoint/config.json is not JSON: Exceeds the limit … for integer string "
            "conversion: value has 5000 digits…"
        ),
    ),
    Case(
        situation="a `config.json` nested 200,000 deep",
        make=holding("config.json", b"[" * 200_000),
        shown="checkpoint/config.json is nested too deeply to be read",
    ),
    Case(
        situation="a `config.json` of 200 MB",
        make=lambda folder: os.truncate(whole(folder) / "config.json", 200_000_000),
        shown="checkpoint/config.json is 190.7 MiB large; at most 16.0 MiB are read",
    ),
    Case(
        situation="a directory in place of `config.json`",
        make=in_place_of("config.json", Path.mkdir),
        shown="checkpoint/config.json is a directory, not a file",
    ),
    Case(
        situation="a named pipe in place of `config.json`",
        make=in_place_of("config.json", os.mkfifo),
        shown="checkpoint/config.json is not a regular file",
    ),
    Case(
        situation="no weight file",
        make=without(WEIGHTS),
        command="run checkpoint --attention eager",
        code=0,
        shown="the checkpoint has no weights: shapes and origins come from the configuration alone",
    ),
    Case(
        situation="an empty weight file",
        make=holding(WEIGHTS, b""),
        shown="checkpoint/model.safetensors is broken: it has 0 bytes and is not a safetensors "
        "file",
    ),
    Case(
        situation="a weight file of 7 bytes",
        make=damaged(lambda content: content[:7]),
        shown="checkpoint/model.safetensors is broken: it has 7 bytes and is not a safetensors "
        "file",
    ),
    Case(
        situation="a weight file cut in its header",
        make=damaged(lambda content: content[:1000]),
        shown=(
            "checkpoint/model.safetensors is broken: its header should be 4,408 bytes long, 992 "
            "are there"
        ),
    ),
    Case(
        situation="a weight file cut in a tensor",
        make=damaged(lambda content: content[:-1000]),
        shown=(
            "checkpoint/model.safetensors is broken: it is truncated: 23.5 KiB of 24.4 KiB tensors "
            "are there"
        ),
    ),
    Case(
        situation="a weight file cut by one byte",
        make=damaged(lambda content: content[:-1]),
        shown=(
            "checkpoint/model.safetensors is broken: it is truncated: 24.4 KiB of 24.4 KiB tensors "
            "are there"
        ),
    ),
    Case(
        situation="a weight file with bytes after its end",
        make=damaged(lambda content: content + b"more"),
        shown="checkpoint/model.safetensors is broken: 4 bytes at its end belong to no tensor",
    ),
    Case(
        situation="a weight file overwritten with zeros",
        make=damaged(lambda content: bytes(len(content))),
        shown="the header of checkpoint/model.safetensors is empty",
    ),
    Case(
        situation="a weight file overwritten with text",
        make=holding(WEIGHTS, b"<!DOCTYPE html><html>not found</html>"),
        shown=(
            "checkpoint/model.safetensors is broken: its header claims to be "
            "5,789,751,444,030,890,300 bytes long: it is not a safetensors file"
        ),
    ),
    Case(
        situation="a git-lfs pointer",
        make=holding(WEIGHTS, b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
        shown="checkpoint/model.safetensors is a git-lfs pointer, not the file itself",
    ),
    Case(
        situation="a header longer than the file",
        make=damaged(lambda content: struct.pack("<Q", len(content)) + content[8:]),
        shown=(
            "checkpoint/model.safetensors is broken: its header should be 29,452 bytes long, "
            "29,444 are there"
        ),
    ),
    Case(
        situation="a header that says to be 2**63 bytes",
        make=damaged(lambda content: struct.pack("<Q", 2**63) + content[8:]),
        shown=(
            "checkpoint/model.safetensors is broken: its header claims to be "
            "9,223,372,036,854,775,808 bytes long: it is not a safetensors file"
        ),
    ),
    Case(
        situation="a header that is a list",
        make=damaged(lambda content: joined([], b"")),
        shown="the header of checkpoint/model.safetensors holds JSON, but not an object (list)",
    ),
    Case(
        situation="tensors that overlap",
        make=headed(
            lambda header: header["classifier.out_proj.weight"].update(
                data_offsets=header["classifier.dense.weight"]["data_offsets"]
            )
        ),
        shown=(
            "checkpoint/model.safetensors is broken: tensor classifier.out_proj.weight of F32 (3, "
            "16) takes 192 bytes, its data_offsets hold 1,024"
        ),
    ),
    Case(
        situation="a gap between tensors",
        make=headed(lambda header: header.pop("classifier.dense.bias")),
        shown=(
            "checkpoint/model.safetensors is broken: tensor classifier.dense.weight leaves a gap "
            "before it: it starts at 64, not 0"
        ),
    ),
    Case(
        situation="offsets that run backwards",
        make=headed(lambda header: header["classifier.dense.bias"]["data_offsets"].reverse()),
        shown=(
            "checkpoint/model.safetensors is broken: tensor classifier.dense.bias has data_offsets "
            "[64, 0]"
        ),
    ),
    Case(
        situation="a dtype that does not exist",
        make=headed(lambda header: header["classifier.dense.bias"].update(dtype="F33")),
        shown=(
            "checkpoint/model.safetensors is broken: tensor classifier.dense.bias has dtype F33, "
            "which is none of BF16, BOOL, …"
        ),
    ),
    Case(
        situation="a negative shape",
        make=headed(lambda header: header["classifier.dense.bias"].update(shape=[-16])),
        shown=(
            "checkpoint/model.safetensors is broken: tensor classifier.dense.bias has shape [-16]"
        ),
    ),
    Case(
        situation="a shape that does not fit the offsets",
        make=headed(lambda header: header["classifier.dense.bias"].update(shape=[2**40])),
        shown=(
            "checkpoint/model.safetensors is broken: tensor classifier.dense.bias of F32 "
            "(1099511627776,) takes 4398046511104 bytes, its data_offsets hold 64"
        ),
    ),
    Case(
        situation="an index that is not JSON",
        make=lambda folder: (
            make_checkpoint(folder / "checkpoint", form="sharded") / f"{WEIGHTS}.index.json"
        ).write_text("{"),
        shown="checkpoint/model.safetensors.index.json is not JSON: …",
    ),
    Case(
        situation="an index without entries",
        make=sharded(lambda weight_map, shards: weight_map.clear()),
        shown="checkpoint/model.safetensors.index.json has no weight_map of tensor names and files",
    ),
    Case(
        situation="an index that names a missing shard",
        make=sharded(
            lambda weight_map, shards: weight_map.update(
                {"classifier.dense.bias": "gone.safetensors"}
            )
        ),
        shown=(
            "checkpoint/model.safetensors.index.json names the shard gone.safetensors, which is "
            "not there"
        ),
    ),
    Case(
        situation="an index that points outside",
        make=sharded(
            lambda weight_map, shards: weight_map.update(
                {"classifier.dense.bias": "../outside.safetensors"}
            )
        ),
        shown=(
            "checkpoint/model.safetensors.index.json puts tensor classifier.dense.bias into "
            "../outside.safetensors, which is not a file of this directory"
        ),
    ),
    Case(
        situation="an index that points to an absolute path",
        make=sharded(
            lambda weight_map, shards: weight_map.update({"classifier.dense.bias": "/etc/passwd"})
        ),
        shown=(
            "checkpoint/model.safetensors.index.json puts tensor classifier.dense.bias into "
            "/etc/passwd, which is not a file of this directory"
        ),
    ),
    Case(
        situation="an index that puts a tensor into the wrong shard",
        make=sharded(
            lambda weight_map, shards: weight_map.update(
                {
                    "classifier.dense.bias": next(
                        shard for shard in shards if shard != weight_map["classifier.dense.bias"]
                    )
                }
            )
        ),
        code=0,
        shown="✓ complete: all 41 tensors come from …",
    ),
    Case(
        situation="an index that names itself as a shard",
        make=sharded(
            lambda weight_map, shards: weight_map.update(
                {"classifier.dense.bias": f"{WEIGHTS}.index.json"}
            )
        ),
        shown="checkpoint/model.safetensors.index.json cannot be read as a torch file: …",
    ),
    Case(
        situation="a weight file that links to itself",
        make=in_place_of(WEIGHTS, lambda path: path.symlink_to(path)),
        shown="checkpoint/model.safetensors cannot be read: Too many levels of symbolic links",
    ),
    Case(
        situation="a weight file that links to nothing",
        make=in_place_of(WEIGHTS, lambda path: path.symlink_to("gone")),
        shown="checkpoint/model.safetensors cannot be read: a link that leads nowhere",
    ),
    Case(
        situation="a directory in place of the weight file",
        make=in_place_of(WEIGHTS, Path.mkdir),
        shown="checkpoint/model.safetensors is a directory, not a file",
    ),
    Case(
        situation="a directory that links to itself",
        make=lambda folder: (folder / "checkpoint").symlink_to("checkpoint"),
        shown="checkpoint is a symbolic link that leads nowhere",
    ),
    Case(
        situation="a weight file that cannot be read",
        make=in_place_of(WEIGHTS, lambda path: path.symlink_to("/proc/self/mem")),
        shown="checkpoint/model.safetensors cannot be read: Input/output error",
    ),
    Case(
        situation="a pickle cut in the middle",
        make=lambda folder: os.truncate(
            make_checkpoint(folder / "checkpoint", form="bin") / "pytorch_model.bin", 3000
        ),
        shown="checkpoint/pytorch_model.bin cannot be read as a torch file: …",
    ),
    Case(
        situation="a pickle that is text",
        make=lambda folder: (
            make_checkpoint(folder / "checkpoint", form="bin") / "pytorch_model.bin"
        ).write_text("not found"),
        shown="checkpoint/pytorch_model.bin cannot be read as a torch file: …",
    ),
    Case(
        situation="a saved map cut in the middle",
        make=lambda folder: (folder / "map.json").write_text('{"schema": 1, "versions": {'),
        command="diff map.json map.json",
        shown="map.json is not JSON: …",
    ),
    Case(
        situation="a saved map of another schema",
        make=lambda folder: (folder / "map.json").write_text('{"schema": 99, "calls": []}'),
        command="diff map.json map.json",
        shown="map.json has schema 99; this release reads schema 2",
    ),
]

KNOWN = f"a sequence classifier of model type {listed(MODEL_TYPES, last='or')}"

WRONG = [
    Case(
        situation="a BERT checkpoint",
        make=lambda folder: make_bert(folder / "checkpoint"),
        shown=(
            "checkpoint/config.json is of class BertForSequenceClassification and model type bert, "
            f"and not {KNOWN}"
        ),
    ),
    Case(
        situation="an adapter that names no base model",
        make=holding("adapter_config.json", b"{}"),
        shown="checkpoint/adapter_config.json names no base_model_name_or_path",
    ),
    Case(
        situation="quantised weights",
        make=configured(quantization_config={"load_in_8bit": True}),
        shown=(
            "checkpoint/config.json: quantization_config asks for quantised weights, which change "
            "what a tensor means"
        ),
    ),
    *(
        Case(
            situation=f"`{name}` {'left out' if value is ... else f'of {json.dumps(value)}'}",
            make=configured(**{name: value}),
            shown=shown,
        )
        for name, value, shown in (
            (
                "model_type",
                "gpt2",
                "checkpoint/config.json is of class RobertaForSequenceClassification and model "
                f"type gpt2, and not {KNOWN}",
            ),
            (
                "vocab_size",
                ...,
                "checkpoint holds tensor roberta.embeddings.word_embeddings.weight in another "
                "shape than configured: config.json asks for vocab_size 50,265, the file has "
                "50",
            ),
            (
                "vocab_size",
                "50",
                "checkpoint/config.json: vocab_size is 50, it must be a whole number from 1 to "
                "2**63 - 1",
            ),
            (
                "vocab_size",
                0,
                "checkpoint/config.json: vocab_size is 0, it must be a whole number from 1 to "
                "2**63 - 1",
            ),
            (
                "vocab_size",
                2**63,
                "checkpoint/config.json: vocab_size is 9223372036854775808, it must be a whole "
                "number from 1 to 2**63 - 1",
            ),
            (
                "hidden_size",
                ...,
                "checkpoint holds tensor roberta.embeddings.word_embeddings.weight in another "
                "shape than configured, like 37 others: config.json asks for hidden_size 768, "
                "the file has 16",
            ),
            (
                "hidden_size",
                -16,
                "checkpoint/config.json: hidden_size is -16, it must be a whole number from 1 "
                "to 2**63 - 1",
            ),
            (
                "hidden_size",
                17,
                "checkpoint/config.json: num_attention_heads is 2, it must be a divisor of "
                "hidden_size 17",
            ),
            (
                "hidden_size",
                24,
                "checkpoint holds tensor roberta.embeddings.word_embeddings.weight in another "
                "shape than configured, like 37 others: config.json asks for hidden_size 24, "
                "the file has 16",
            ),
            (
                "num_attention_heads",
                3,
                "checkpoint/config.json: num_attention_heads is 3, it must be a divisor of "
                "hidden_size 16",
            ),
            (
                "num_attention_heads",
                None,
                "checkpoint/config.json: num_attention_heads is null, it must be a whole "
                "number from 1 to 2**63 - 1",
            ),
            (
                "num_hidden_layers",
                1.5,
                "checkpoint/config.json: num_hidden_layers is 1.5, it must be a whole number "
                "from 1 to 2**63 - 1",
            ),
            (
                "num_hidden_layers",
                True,
                "checkpoint/config.json: num_hidden_layers is True, it must be a whole number "
                "from 1 to 2**63 - 1",
            ),
            (
                "intermediate_size",
                [32],
                "checkpoint/config.json: intermediate_size is [32], it must be a whole number "
                "from 1 to 2**63 - 1",
            ),
            (
                "max_position_embeddings",
                2,
                "checkpoint/config.json: max_position_embeddings is 2, it must be more than 2: "
                "positions start at pad_token_id + 1",
            ),
            (
                "max_position_embeddings",
                41,
                "checkpoint holds tensor roberta.embeddings.position_embeddings.weight in "
                "another shape than configured: config.json asks for max_position_embeddings "
                "41, the file has 40",
            ),
            (
                "type_vocab_size",
                0,
                "checkpoint/config.json: type_vocab_size is 0, it must be a whole number from "
                "1 to 2**63 - 1",
            ),
            (
                "pad_token_id",
                None,
                "checkpoint/config.json: pad_token_id is null, it must be a whole number from 0 on",
            ),
            (
                "pad_token_id",
                50,
                "checkpoint/config.json: pad_token_id is 50, it must be below vocab_size 50",
            ),
            (
                "pad_token_id",
                -1,
                "checkpoint/config.json: pad_token_id is -1, it must be a whole number from 0 on",
            ),
            (
                "hidden_act",
                "gelato",
                "checkpoint/config.json: hidden_act is gelato, it must be one of gelu, …",
            ),
            (
                "hidden_dropout_prob",
                1.5,
                "checkpoint/config.json: hidden_dropout_prob is 1.5, it must be a number from "
                "0 to 1",
            ),
            (
                "layer_norm_eps",
                "small",
                "checkpoint/config.json: layer_norm_eps is small, it must be a number from 0 on",
            ),
            (
                "problem_type",
                "ranking",
                "checkpoint/config.json: problem_type is ranking, it must be one of "
                "regression, single_label_classification, multi_label_classification, or null",
            ),
            (
                "num_labels",
                4,
                "checkpoint/config.json does not fit the head: "
                "num_labels is 4, id2label has 3 names, label2id has "
                "3 names and the head in the file has 3 rows: transformers takes 4",
            ),
            (
                "num_labels",
                0,
                "checkpoint/config.json: num_labels is 0, it must be a whole number from 1 to "
                "131,072, or null",
            ),
            (
                "id2label",
                {},
                "checkpoint/config.json: id2label is {}, it must be an object from the label "
                "ids 0, 1, … to at most 131,072 label names, or null",
            ),
            (
                "id2label",
                ["a", "b"],
                "checkpoint/config.json: id2label is ['a', 'b'], it must be an object from the "
                "label ids 0, 1, … to at most 131,072 label names, or null",
            ),
            (
                "id2label",
                {"0": "a", "2": "b"},
                "checkpoint/config.json does not fit the head: "
                "id2label has 2 names, label2id has 3 names and the "
                "head in the file has 3 rows: transformers takes 2; "
                "id2label has no name for id 1",
            ),
            (
                "id2label",
                {"0": "a", "1": "b"},
                "checkpoint/config.json does not fit the head: "
                "id2label has 2 names, label2id has 3 names and the "
                "head in the file has 3 rows: transformers takes 2",
            ),
            (
                "is_decoder",
                "yes",
                "checkpoint/config.json: is_decoder is yes, it must be true or false",
            ),
            (
                "torch_dtype",
                "int8",
                "checkpoint/config.json: torch_dtype is int8, it must be one of float32, "
                "float16, bfloat16, float64, or null",
            ),
            (
                "architectures",
                1,
                "checkpoint/config.json: architectures is 1, it must be a list of class names, "
                "or null",
            ),
        )
    ),
    Case(
        situation="more layers configured than in the file",
        make=configured(num_hidden_layers=3),
        code=1,
        shown=(
            "16 tensors are not in the checkpoint and are random …: a part of the encoder was "
            "never trained"
        ),
    ),
    Case(
        situation="a masked language model",
        make=lambda folder: make_masked_lm(folder / "checkpoint"),
        code=1,
        shown=(
            "4 tensors are not in the checkpoint and are random (…): predictions of this head mean "
            "nothing"
        ),
    ),
]

BOMBS = [
    Case(
        situation="more rows than memory holds",
        make=whole,
        command="run checkpoint --batch-size 1000000000000",
        code=2,
        shown="1,000,000,000,000 rows of 16 tokens through 2 layers need at least … TiB of memory, "
        "and … are free",
    ),
    Case(
        situation="a pickle that asks for 3 GiB",
        make=pickled(lambda state, path: torch.save({"a": Large()}, path)),
        shown=(
            "checkpoint/pytorch_model.bin holds a call of __builtin__.bytearray, which no state "
            "dict needs; nothing in it was executed"
        ),
    ),
    Case(
        situation="a tokenizer that makes 10**30 letters of one",
        make=tokenizing(multiplying, tokenizer_class=PLAIN),
        command="run checkpoint --text aaa",
        shown="the tokenizer of checkpoint cannot be run on these texts: it crashed, or wanted "
        "more than 768.0 MiB or 30 seconds",
    ),
    Case(
        situation="a tokenizer that adds 100,000 ids",
        make=tokenizing(long_template, tokenizer_class=PLAIN),
        command="run checkpoint --text aaa",
        shown="the tokenizer of checkpoint makes 100,003 ids of at most 3 bytes of text",
    ),
    Case(
        situation="a tokenizer whose pattern tries for ever",
        make=tokenizing(backtracking, tokenizer_class=PLAIN),
        command="run checkpoint --text aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!",
        shown="the tokenizer of checkpoint cannot be run on these texts: …",
    ),
    *(
        Case(
            situation=f"`{name}` of {value:,}",
            command=command,
            make=configured(**{name: value, **more}),
            shown=shown,
        )
        for name, value, command, more, shown in (
            (
                "hidden_size",
                10**7,
                "run checkpoint",
                {},
                "checkpoint/config.json asks for 3,274.2 TiB of memory (900,002,430,000,067 "
                "parameters in 2 layers), and … are free",
            ),
            (
                "num_hidden_layers",
                10**6,
                "run checkpoint",
                {},
                "checkpoint/config.json asks for 1,000,000 layers, more than the 400 that can be "
                "laid out",
            ),
            (
                "num_hidden_layers",
                10**6,
                "run checkpoint --no-weights",
                {},
                "checkpoint/config.json asks for 1,000,000 layers, more than the 400 that can be "
                "laid out",
            ),
            (
                "num_hidden_layers",
                10**6,
                "tree checkpoint",
                {},
                "checkpoint/config.json asks for 1,000,000 layers, more than the 400 that can be "
                "laid out",
            ),
            (
                "vocab_size",
                10**12,
                "run checkpoint",
                {},
                "checkpoint/config.json asks for 58.2 TiB of memory (16,000,000,005,459 "
                "parameters in 2 layers), and … are free",
            ),
            (
                "intermediate_size",
                10**15,
                "run checkpoint",
                {},
                "checkpoint/config.json asks for 240,106.6 TiB of memory "
                "(66,000,000,000,004,147 parameters in 2 layers), and … are free",
            ),
            (
                "max_position_embeddings",
                10**18,
                "tree checkpoint",
                {},
                "transformers cannot build the configured model: RuntimeError: …",
            ),
            (
                "num_labels",
                10**9,
                "run checkpoint",
                {"id2label": ..., "label2id": ...},
                "checkpoint/config.json: num_labels is 1000000000, it must be a whole number "
                "from 1 to 131,072, or null",
            ),
            (
                "num_labels",
                10**9,
                "run checkpoint --text a",
                {"id2label": ..., "label2id": ...},
                "checkpoint/config.json: num_labels is 1000000000, it must be a whole number "
                "from 1 to 131,072, or null",
            ),
        )
    ),
    Case(
        situation="131,073 labels",
        make=configured(id2label={str(number): "" for number in range(2**17 + 1)}),
        shown=(
            "checkpoint/config.json: id2label is …, it must be an object from the label ids 0, 1, "
            "… to at most 131,072 label names, or null"
        ),
    ),
    Case(
        situation="a weight file of 4 TiB, sparse on the disk",
        make=sparse,
        shown=(
            "checkpoint/config.json asks for 4.0 TiB of memory (1,099,511,633,235 parameters in 2 "
            "layers), and … are free"
        ),
    ),
    Case(
        situation="a tensor that says to take 4 EiB",
        make=headed(
            lambda header: header["classifier.dense.bias"].update(
                shape=[2**60], data_offsets=[0, 2**62]
            )
        ),
        shown=(
            "checkpoint/model.safetensors is broken: tensor classifier.dense.weight overlaps the "
            "one before it: it starts at 64, not 4611686018427387904"
        ),
    ),
    Case(
        situation="a pickle in a compressed archive",
        make=lambda folder: zipped_zeros(
            make_checkpoint(folder / "checkpoint", form="bin") / "pytorch_model.bin"
        ),
        shown=(
            "checkpoint/pytorch_model.bin holds archive/data.pkl compressed or too large: it may "
            "be made to fill the memory"
        ),
    ),
    Case(
        situation="a `tokenizer.json` of 1 GB",
        make=lambda folder: os.truncate(whole(folder) / "tokenizer.json", 10**9),
        command="run checkpoint --text a",
        shown="checkpoint/tokenizer.json is 953.7 MiB large; at most 16.0 MiB are read",
    ),
]

FORMATS = ("table", "json", "markdown", "terminal", "html", "github")


def harmless(form: str) -> str:
    """How a format shows the first of `ESCAPES`."""
    if form == "json":
        return r"[/red][bold]x[/]\u001b[31m"
    if form == "markdown":
        return r"\[/red\]\[bold\]x\[/\]\\x1b\["
    return r"[/red][bold]x[/]\x1b["


HOSTILE = [
    Case(
        situation="a pickle that runs code",
        make=pickled(torch.save),
        shown=(
            "checkpoint/pytorch_model.bin holds a call of io.open, which no state dict needs; "
            "nothing in it was executed"
        ),
    ),
    Case(
        situation="a pickle that runs code, in the form of torch before 1.6",
        make=pickled(
            lambda state, path: torch.save(state, path, _use_new_zipfile_serialization=False)
        ),
        shown=(
            "checkpoint/pytorch_model.bin holds a call of io.open, which no state dict needs; "
            "nothing in it was executed"
        ),
    ),
    Case(
        situation="a bare pickle that runs code",
        make=pickled(lambda state, path: path.write_bytes(pickle.dumps(state))),
        shown=(
            "checkpoint/pytorch_model.bin holds the opcode …, which no state dict needs; "
            "nothing in it was executed"
        ),
    ),
    Case(
        situation="a pickle that runs code",
        make=pickled(torch.save),
        command="tree checkpoint",
        shown=(
            "checkpoint/pytorch_model.bin holds a call of io.open, which no state dict needs; "
            "nothing in it was executed"
        ),
    ),
    Case(
        situation="remote code under `auto_map`",
        make=remote_code,
        command="run checkpoint --text a --attention eager",
        code=0,
        shown="✓ complete: all 41 tensors come from model.safetensors",
    ),
    Case(
        situation="a `config.json` that names a kernel on the Hub",
        make=configured(attn_implementation="somebody/kernel"),
        shown=(
            "checkpoint/config.json: attn_implementation is somebody/kernel, it must be eager, "
            "sdpa or another name without a slash, or null"
        ),
    ),
    Case(
        situation="a `config.json` that names another weight file",
        make=configured(transformers_weights="../other.safetensors"),
        shown=(
            "checkpoint/config.json: transformers_weights names another weight file than the "
            "checkpoint's own"
        ),
    ),
    *(
        Case(
            situation="names with escapes",
            make=hostile_names,
            command=shlex.join(["run", "checkpoint", "--text", ESCAPES, "--format", form]),
            code=1,
            shown=harmless(form),
        )
        for form in FORMATS
    ),
    Case(
        situation="names with escapes",
        make=hostile_names,
        command=shlex.join(["run", "checkpoint", "--text", ESCAPES, "--format", "svg"]),
        code=1,
        shown="What checkpoint returns, and which module returned it",
    ),
    Case(
        situation="names with escapes",
        make=hostile_names,
        command=shlex.join(["run", "checkpoint", "--text", ESCAPES, "--explain", "0"]),
        code=1,
        shown="outputs[0] when called with return_dict=False, labels",
    ),
    *(
        Case(
            situation="names with escapes",
            make=hostile_names,
            command=f"tree checkpoint --format {form}",
            code=1,
            shown=harmless(form),
        )
        for form in ("table", "json", "markdown", "svg", "html")
    ),
    *(
        Case(
            situation="names with escapes",
            make=hostile_names,
            command=f"diff checkpoint demo --format {form}",
            code=1,
            shown=r"\\x00[/red][bold]x[/]\\x1b[" if form == "json" else harmless(form),
        )
        for form in ("table", "json", "markdown", "github")
    ),
    Case(
        situation="a path with escapes",
        make=hostile_names,
        command=shlex.join(["run", ESCAPES]),
        code=1,
        shown=r"Checkpoint [/red][bold]x[/]\x1b[31m\x1b]0;t\x07\r\u202e\u2028\n::error::…",
    ),
    Case(
        situation="a path with escapes that does not exist",
        make=lambda folder: None,
        command=shlex.join(["run", f"./{ESCAPES}"]),
        shown=(
            "./[/red][bold]x[/]\\x1b[31m\\x1b]0;t\\x07\\r\\u202e\\u2028\\n::error::y<b>&\\x9b2J "
            "does not exist"
        ),
    ),
    Case(
        situation="escapes in a field",
        make=configured(problem_type=ESCAPES),
        shown=(
            "checkpoint/config.json: problem_type is "
            "[/red][bold]x[/]\\x1b[31m\\x1b]0;t\\x07\\r\\u202e\\u2028\\n::error::y<b>&\\x9b2J, it "
            "must be one of regression, single_label_classification, multi_label_classification, "
            "or null"
        ),
    ),
    Case(
        situation="escapes in `--label`",
        make=whole,
        command=shlex.join(["run", "checkpoint", "--label", ESCAPES]),
        code=2,
        shown=(
            "label "
            '"[/red][bold]x[/]\\x1b[31m\\x1b]0;t\\x07\\r\\u202e\\u2028\\n::error::y<b>&\\x9b2J" is '
            "neither a label id nor a label name of this checkpoint"
        ),
    ),
    *(
        Case(
            situation="label names of a megabyte",
            make=labelled(*(letter * 10**6 for letter in "abc")),
            command=f"run checkpoint --text a --format {form}",
            code=0,
            shown="aaaa… 999,960 more characters …aaaa",
        )
        for form in ("table", "markdown", "terminal", "html")
    ),
    Case(
        situation="100,000 labels",
        make=many_labels,
        command="run checkpoint --text a",
        code=0,
        shown="Labels 100,000: label number 0, …",
    ),
]

RENAMED = (
    ("all names begin with `module.`", "module.{}", "take off `module.`, and all 41"),
    ("all names begin with `_orig_mod.`", "_orig_mod.{}", "take off `_orig_mod.`, and all 41"),
    ("all names begin with `model.`", "model.{}", "take off `model.`, and all 41"),
    (
        "all names begin with `base_model.model.`",
        "base_model.model.{}",
        "take off `base_model.model.`, and all 41",
    ),
)

ADVICE = [
    *(
        Case(
            situation=situation,
            make=renamed(pattern.format),
            code=1,
            shown=(
                f"renamed-tensors: the tensors in model.safetensors go by other names: {rule} "
                "missing ones fit, in shape too"
            ),
        )
        for situation, pattern, rule in RENAMED
    ),
    Case(
        situation="names that begin with `bert.` where the class has `roberta.`",
        make=renamed(lambda name: name.replace("roberta.", "bert.")),
        code=1,
        shown=(
            "renamed-tensors: the tensors in model.safetensors go by other names: put `roberta.` "
            "for `bert.`, and all 37 missing ones fit, in shape too"
        ),
    ),
    Case(
        situation="every name under one more `roberta.`, which transformers 5 takes off",
        make=renamed("roberta.{}".format),
        command="run checkpoint --attention eager",
        code=0,
        shown="complete: all 41 tensors come from model.safetensors",
    ),
    Case(
        situation="`query` called `q` in every layer",
        make=renamed(lambda name: name.replace(".query.", ".q.")),
        code=1,
        shown="put `query` for `q`, and all 4 missing ones fit, in shape too",
    ),
    Case(
        situation="the names that PEFT gives",
        make=renamed(
            lambda name: (
                "base_model.model."
                + name.replace("query.", "query.base_layer.").replace(
                    "classifier.", "classifier.modules_to_save.default."
                )
            )
        ),
        code=1,
        shown="model = model.merge_and_unload()",
    ),
    Case(
        situation="a pickle with the state dict under `model_state_dict`",
        make=nested("model_state_dict"),
        shown=(
            "checkpoint/pytorch_model.bin goes by other names: read what the file holds under "
            "`model_state_dict`, and 41 of the 41 missing tensors fit, in shape too"
        ),
        hint=(
            "Save it right, in its directory: import torch; state = torch.load("
            "'pytorch_model.bin', weights_only=True)['model_state_dict']; torch.save(state, "
            "'pytorch_model.bin')"
        ),
    ),
    Case(
        situation="a pickle with the state dict under `checkpoint` and there under `state_dict`",
        make=nested("checkpoint", "state_dict"),
        command="run checkpoint --no-weights",
        code=1,
        shown="weights_only=True)['checkpoint']['state_dict']",
    ),
    Case(
        situation="one layer asked for, two in the file",
        make=configured(num_hidden_layers=1),
        command="run checkpoint --attention eager",
        code=0,
        shown=(
            "fewer-layers: config.json asks for fewer layers than the file has: 1 of 2, so that 1 "
            "layer was left out"
        ),
    ),
    *(
        Case(
            situation=situation,
            make=in_form(*names),
            shown=(
                f"checkpoint has its weights in {named} ({kind}), and none of model.safetensors, "
                "model.safetensors.index.json, pytorch_model.bin or pytorch_model.bin.index.json"
            ),
        )
        for situation, names, named, kind in (
            ("weights of TensorFlow alone", ["tf_model.h5"], "tf_model.h5", "TensorFlow"),
            ("weights of Flax alone", ["flax_model.msgpack"], "flax_model.msgpack", "Flax"),
            ("an ONNX export alone", ["model.onnx"], "model.onnx", "ONNX"),
            ("a GGUF file alone", ["model.gguf"], "model.gguf", "GGUF"),
            ("a `.pt` file alone", ["best.pt"], "best.pt", "a file of torch.save"),
            ("a `.ckpt` file alone", ["last.ckpt"], "last.ckpt", "a checkpoint of Lightning"),
            (
                "a folder of DeepSpeed",
                ["global_step10/", "zero_to_fp32.py"],
                "global_step10 and zero_to_fp32.py",
                "DeepSpeed",
            ),
            ("a folder of FSDP", ["pytorch_model_fsdp_0/"], "pytorch_model_fsdp_0", "FSDP"),
            (
                "a download that was interrupted",
                ["model.safetensors.incomplete"],
                "model.safetensors.incomplete",
                "a download that was interrupted",
            ),
            (
                "shards without their index",
                ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"],
                "model-00001-of-00002.safetensors and model-00002-of-00002.safetensors",
                "shards without their index",
            ),
        )
    ),
    Case(
        situation="weights of TensorFlow alone, and `--no-weights`",
        make=in_form("tf_model.h5"),
        command="run checkpoint --no-weights",
        code=0,
        shown="no-weights: the checkpoint has no weights",
    ),
    Case(
        situation="a folder of Trainer with `checkpoint-500` and `checkpoint-1000`",
        make=inside("checkpoint-500", "checkpoint-1000"),
        shown="checkpoint holds no config.json",
        hint="Give the newest of its 2 checkpoints: checkpoint/checkpoint-1000",
    ),
    Case(
        situation="a folder of sentence-transformers",
        make=inside("0_Transformer"),
        shown="checkpoint holds no config.json",
        hint="Give checkpoint/0_Transformer.",
    ),
    Case(
        situation="a `config.json` that is a git-lfs pointer",
        make=holding("config.json", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
        shown="checkpoint/config.json is a git-lfs pointer, not the file itself",
    ),
    Case(
        situation="a `config.json` with a byte order mark",
        make=damaged(lambda content: b"\xef\xbb\xbf" + content, "config.json"),
        command="run checkpoint --attention eager",
        code=0,
        shown="complete: all 41 tensors come from model.safetensors",
    ),
    Case(
        situation="a `config.json` of something else",
        make=holding("config.json", b'{"stocks": ["A", "B"], "interval": 5}'),
        shown=(
            "checkpoint/config.json is not the configuration of a model: it has stocks and interval"
        ),
    ),
    Case(
        situation="a class of the user's own under `architectures`, as a string",
        make=configured(architectures="RobertaForMyOwnLabels"),
        command="run checkpoint --attention eager",
        code=0,
        shown="other-architecture: config.json names RobertaForMyOwnLabels",
    ),
    Case(
        situation="`position_embedding_type` `relative_key`, which transformers 5 leaves aside",
        make=configured(position_embedding_type="relative_key"),
        command="run checkpoint --attention eager",
        code=0,
        shown="leaves aside: position_embedding_type relative_key",
    ),
    Case(
        situation="`pruned_heads`, which transformers 5 leaves aside",
        make=configured(pruned_heads={"0": [1]}),
        command="run checkpoint --attention eager",
        code=0,
        shown="leaves aside: pruned_heads",
    ),
    Case(
        situation="one label and `single_label_classification`, with a text",
        make=headed_by(1, id2label={"0": "x"}, problem_type="single_label_classification"),
        command="run checkpoint --text a",
        shown="transformers refuses checkpoint/config.json: ValueError: …",
        hint='One label is a regression: set problem_type to "regression" in config.json; a head '
        "that decides between two classes has two labels.",
    ),
    Case(
        situation="`num_labels` 5, two names, a head of five rows",
        make=headed_by(5, num_labels=5, id2label={"0": "a", "1": "b"}, label2id={"a": 0, "b": 1}),
        command="run checkpoint --attention eager",
        code=0,
        shown=(
            "labels-disagree: num_labels is 5, id2label has 2 names, label2id has 2 names and the "
            "head in the file has 5 rows: transformers takes 5 (LABEL_0, LABEL_1, LABEL_2 and 2 "
            "more)"
        ),
    ),
    Case(
        situation="28 labels, the name of id 17 missing",
        make=headed_by(
            28, id2label={str(number): f"n{number}" for number in range(28) if number != 17}
        ),
        shown=(
            "checkpoint/config.json does not fit the head: "
            "id2label has 27 names and the head in the file has 28 "
            "rows: transformers takes 27; id2label has no name for id 17"
        ),
        hint="Give id 17 a name in id2label of config.json.",
    ),
    Case(
        situation="names for the ids 1, 2, 3",
        make=headed_by(3, id2label={"1": "a", "2": "b", "3": "c"}),
        command="run checkpoint --attention eager",
        code=0,
        shown="missing-label-names: id 0 has no label name",
    ),
    Case(
        situation="names in the order 2, 0, 1",
        make=headed_by(3, id2label={"2": "good", "0": "bad", "1": "fair"}),
        command="run checkpoint --label x --label y",
        code=2,
        shown='label "x" is neither a label id nor a label name of this checkpoint',
        hint="Its labels are bad, fair and good.",
    ),
    Case(
        situation="two labels called `yes` and two without a name",
        make=headed_by(4, id2label={"0": "yes", "1": "yes", "2": "", "3": "   "}),
        command="run checkpoint --attention eager",
        code=0,
        shown="4: yes (id:0), yes (id:1), (id:2) and (id:3)",
    ),
    Case(
        situation="two labels called `yes`",
        make=headed_by(4, id2label={"0": "yes", "1": "yes", "2": "", "3": "   "}),
        command="run checkpoint --label yes --label 0",
        code=2,
        shown='label "yes" is ambiguous: it is the name of id 0 and id 1',
        hint="Give id:0 or id:1.",
    ),
    Case(
        situation="a label with a comma in its name, by its id",
        make=labelled("a, b", "1", "c"),
        command="run checkpoint --attention eager --label id:1 --label 'a, b'",
        code=0,
        shown="labels [1, 0] int64",
    ),
    Case(
        situation="class ids where the configuration says multi-label",
        make=configured(problem_type="multi_label_classification"),
        command="run checkpoint --attention eager --label 1 --label 0",
        code=0,
        shown=(
            "one-label-per-row: multi-label: each row of labels is a row of 0 and 1 as floats, and "
            "every one here has a single 1; class ids would be problem_type "
            '"single_label_classification"'
        ),
    ),
    Case(
        situation="a tokenizer that pads with another id than the configuration says",
        make=tokenizing(padding_elsewhere),
        command="run checkpoint --attention eager --text a --text abc",
        code=0,
        shown="pad-ids-differ: the tokenizer pads with id 3, and pad_token_id in config.json is 1",
    ),
    Case(
        situation="the settings of a tokenizer, and no vocabulary",
        make=settings_alone,
        command="run checkpoint --text abc",
        code=1,
        shown="tokenizer-empty: every text became nothing but special tokens",
    ),
    Case(
        situation="a tokenizer that does not know the words",
        make=tokenizing(knows_one_letter, tokenizer_class=PLAIN),
        command="run checkpoint --attention eager --text xyz",
        code=0,
        shown="unknown-tokens: every text became nothing but <unk>",
    ),
    Case(
        situation="tokens that were added without `resize_token_embeddings`",
        make=tokenizing(more_tokens),
        command="run checkpoint --attention eager --text abc",
        code=0,
        shown=(
            "vocabulary-too-large: the tokenizer knows 57 tokens, 20 of them added, and the table "
            "of word embeddings has 50 rows (vocab_size)"
        ),
    ),
    Case(
        situation="a model that does not look at its input",
        make=constant,
        command="run checkpoint --attention eager --text abc --text xyz",
        code=0,
        shown="constant-logits: every text has the same logits, although the texts differ",
    ),
    Case(
        situation="labels that are all left out",
        make=whole,
        command="run checkpoint --attention eager --label=-100 --label=-100",
        code=0,
        shown="labels-all-ignored: every label is -100, which the loss leaves out",
    ),
    Case(
        situation="no head in the file, one slot explained",
        make=renamed(str, drop="classifier."),
        command="run checkpoint --explain 0 --no-labels",
        code=1,
        shown="head-not-in-checkpoint: 4 tensors are not in the checkpoint",
    ),
    Case(
        situation="no head in the file, a text",
        make=renamed(str, drop="classifier."),
        command="run checkpoint --text abc",
        code=1,
        shown="What the logits say the head is random: these predictions mean nothing",
    ),
    Case(
        situation="a slot by a name that no call has",
        make=whole,
        command="run checkpoint --explain logit",
        code=2,
        shown="no call of this class returns logit",
    ),
    Case(
        situation="an empty slot",
        make=whole,
        command="run checkpoint --explain attentions --attention sdpa",
        code=0,
        shown='how to fill it load the model with attn_implementation="eager" (here: --attention '
        "eager) and pass output_attentions=True",
    ),
]

PREFLIGHT = [
    Case(
        situation="a text that is too long",
        make=whole,
        command=f"run checkpoint --text {'a' * 40}",
        code=2,
        shown=(
            'the text "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" is 42 tokens long, more than the '
            "38 tokens that this model can hold: its table has max_position_embeddings 40 rows, "
            "and position ids start at pad_token_id + 1 = 2"
        ),
    ),
    Case(
        situation="a sequence length that is too long",
        make=whole,
        command="run checkpoint --sequence-length 39",
        code=2,
        shown=(
            "a sequence length of 39 is more than the 38 tokens that this model can hold: its "
            "table has max_position_embeddings 40 rows, and position ids start at pad_token_id + 1 "
            "= 2"
        ),
    ),
    Case(
        situation="the longest sequence there may be",
        make=whole,
        command="run checkpoint --sequence-length 38 --attention eager",
        code=0,
        shown="sequence_length 38",
    ),
    Case(
        situation="a tokenizer with ids beyond the vocabulary",
        make=tokenizing(another_id),
        command="run checkpoint --text z",
        shown=(
            "the tokenizer makes input_ids up to 1,000, and the model has only 50 rows for them "
            "(vocab_size): the two do not belong together"
        ),
    ),
    Case(
        situation="a tokenizer with token types that the model lacks",
        make=tokenizing(
            segments,
            tokenizer_class=PLAIN,
            model_input_names=["input_ids", "token_type_ids", "attention_mask"],
        ),
        command="run checkpoint --text ab",
        code=0,
        shown="token-types-dropped: … makes token_type_ids that this model has no rows for",
    ),
    Case(
        situation="tokenizer settings of another type",
        make=tokenizing(as_it_is, model_max_length="x"),
        command="run checkpoint --text a",
        shown="the tokenizer cannot be run on these texts: TypeError: …",
    ),
    Case(
        situation="an empty list of end tokens",
        make=configured(eos_token_id=[]),
        command="run checkpoint --attention eager",
        code=0,
        shown="✓ complete: all 41 tensors come from model.safetensors",
    ),
    Case(
        situation="no tokenizer",
        make=lambda folder: make_checkpoint(folder / "checkpoint"),
        command="run checkpoint --text a",
        code=2,
        shown="texts need a tokenizer, and there is none",
    ),
    Case(
        situation="a broken `tokenizer.json`",
        make=holding("tokenizer.json", b"{}"),
        command="run checkpoint --text a",
        shown="the tokenizer of checkpoint cannot be loaded: …",
    ),
    Case(
        situation="a tokenizer without a padding token",
        make=tokenizing(as_it_is, tokenizer_class=PLAIN, pad_token=None),
        command="run checkpoint --text a --text abc",
        shown="the tokenizer has no padding token, so texts of different length make no batch",
    ),
    Case(
        situation="a tokenizer that pads on the left, texts of two lengths",
        make=tokenizing(as_it_is, padding_side="left"),
        command="run checkpoint --text a --text abc",
        code=0,
        shown=(
            "padding-left: the tokenizer pads on the left: position 0 of 1 row is <pad>, and "
            "position 0 is all that the head reads"
        ),
    ),
    Case(
        situation="a tokenizer that pads on the left, one text",
        make=tokenizing(as_it_is, padding_side="left"),
        command="run checkpoint --text abc",
        code=0,
        shown=(
            "padding-left: the tokenizer pads on the left: in a batch, position 0 of the shorter "
            "rows is padding, and position 0 is all that the head reads"
        ),
    ),
    Case(
        situation="a label out of range",
        make=whole,
        command="run checkpoint --label 3 --label 0",
        code=2,
        shown="label 3 is out of range: this checkpoint has num_labels 3, so ids run from 0 to 2",
    ),
    Case(
        situation="a negative label",
        make=whole,
        command="run checkpoint --label=-1 --label 0",
        code=2,
        shown="label -1 is out of range: this checkpoint has num_labels 3, so ids run from 0 to 2",
    ),
    Case(
        situation="a label name that does not exist",
        make=whole,
        command="run checkpoint --label good --label bad",
        code=2,
        shown='label "good" is neither a label id nor a label name of this checkpoint',
    ),
    Case(
        situation="fewer labels than rows",
        make=whole,
        command="run checkpoint --label 0",
        code=2,
        shown="1 label for 2 rows of input",
    ),
    Case(
        situation="several labels where the loss takes one",
        make=configured(problem_type="single_label_classification"),
        command="run checkpoint --label 0,1 --label 2",
        code=2,
        shown=(
            "labels of shape (2, 3) for CrossEntropyLoss (config.problem_type is "
            '"single_label_classification"), which needs one class id per row: (2,)'
        ),
    ),
    Case(
        situation="words for a regression",
        make=configured(problem_type="regression"),
        command="run checkpoint --label good --label bad",
        code=2,
        shown='label "good" is not a number, and this checkpoint is a regression',
    ),
    Case(
        situation="one number for a regression with three outputs",
        make=configured(problem_type="regression"),
        command="run checkpoint --label 0.5 --label 1",
        code=2,
        shown="labels of shape (2, 1) for a regression with 3 outputs per row",
    ),
    Case(
        situation="rows and a text together",
        make=whole,
        command="run checkpoint --text a --batch-size 3",
        code=2,
        shown="--text brings its own rows and tokens",
    ),
    Case(
        situation="a device that this machine lacks",
        make=whole,
        command="run checkpoint --device cuda:7",
        code=2,
        shown="device cuda:7 cannot be used here: …",
    ),
    Case(
        situation="an attention that is not installed",
        make=whole,
        command="run checkpoint --attention flash_attention_2",
        code=2,
        shown="attention implementation flash_attention_2 cannot be used here: …",
    ),
    Case(
        situation="an index that the tuple lacks",
        make=whole,
        command="run checkpoint --explain 9",
        code=2,
        shown="this call returns a tuple of … elements: it has no outputs[9]",
    ),
]

WORKING = [
    Case(
        situation="`--output` onto a file of the checkpoint",
        make=whole,
        command="run checkpoint --output checkpoint/config.json",
        code=2,
        shown="--output checkpoint/config.json is a file of checkpoint, which is read",
    ),
    Case(
        situation="`--output` onto a file of somebody else",
        make=lambda folder: (whole(folder), (folder / "notes.txt").write_text("mine")),
        command="run checkpoint --output notes.txt",
        code=2,
        shown="--output notes.txt exists, and it is no earlier output of roberta-inspect",
    ),
    Case(
        situation="`--output` into a missing directory",
        make=whole,
        command="run checkpoint --output none/map.txt",
        code=2,
        shown="--output none/map.txt: there is no directory …/none",
    ),
    Case(
        situation="`--output` onto a directory",
        make=whole,
        command="run checkpoint --output checkpoint",
        code=2,
        shown="--output checkpoint is a directory",
    ),
    Case(
        situation="`--output` into a directory that nobody may write to",
        make=whole,
        command="run checkpoint --output /proc/self/map.txt",
        shown="--output /proc/self/map.txt cannot be written: /proc/… is not writable",
    ),
    Case(
        situation="a full disk behind stdout",
        make=whole,
        stdout="/dev/full",
        shown="stdout cannot be written: No space left on device",
    ),
    Case(
        situation="a full disk behind `--output`",
        make=whole,
        command="run checkpoint --output /dev/full",
        shown="--output /dev/full cannot be written: No space left on device",
    ),
    Case(
        situation="a file that may not grow beyond 1,000 bytes",
        make=whole,
        command="run checkpoint --output map.txt",
        limits={"FSIZE": 1000},
        shown="--output map.txt cannot be written: File too large",
    ),
    Case(
        situation="memory that runs out while working",
        make=labelled("a", "b", max_position_embeddings=40_000),
        command="run checkpoint --sequence-length 3000 --attention eager",
        limits={"AS": 2**28},
        shown="the memory of this machine is not enough: … bytes more were asked for",
    ),
]

INTERRUPTED = Case(
    situation="Ctrl-C while working",
    make=whole,
    command="run checkpoint --matrix --batch-size 64 --sequence-length 38 --output map.txt",
    code=130,
    shown="Interrupted.",
)
PIPE_CLOSED = Case(
    situation="a reader that goes away, such as `head -1`",
    make=whole,
    command="run checkpoint --format json",
    code=141,
    shown="",
)

SECTIONS: dict[str, list[Case]] = {
    "Broken files": BROKEN,
    "Wrong configurations": WRONG,
    "Memory bombs": BOMBS,
    "Hostile checkpoints": HOSTILE,
    "Checkpoints that load and mislead, or nearly load": ADVICE,
    "What would make `forward` fail": PREFLIGHT,
    "While working": WORKING,
}
"""Heading → its cases. The two that need a process of their own are apart."""
