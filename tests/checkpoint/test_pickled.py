"""Pickles: what a state dict holds is read, anything else is refused before torch sees it."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
import tarfile
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from makers import make_checkpoint, tiny_model

from roberta_inspect.checkpoint.pickled import read_pickle, read_pickled_header
from roberta_inspect.errors import CannotInspectError

GIBIBYTE = 2**30
MAGIC = 0x1950A86A20F9469CFC6C


class Calling:
    """Its pickle calls a function when it is read."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


def saved(state: Any, *, legacy: bool = False) -> bytes:
    """What `torch.save` writes."""
    file = io.BytesIO()
    torch.save(state, file, _use_new_zipfile_serialization=not legacy)
    return file.getvalue()


def legacy(state: Any) -> bytes:
    """A file of torch before 1.6 around any pickle."""
    parts = (MAGIC, 1001, {}, state, [])
    return b"".join(pickle.dumps(part, protocol=2) for part in parts)


def archived(content: bytes, **records: bytes) -> bytes:
    """A zip file as torch writes it, around any pickle; `records` by their names in it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, record in {"data.pkl": content, "version": b"3\n", **records}.items():
            archive.writestr(f"archive/{name}", record)
    return file.getvalue()


def stored(kind: str = "FloatStorage", elements: int = 4, size: int = 4) -> bytes:
    """The pickle of one tensor, by hand."""
    return (
        b"\x80\x02}X\x01\x00\x00\x00actorch._utils\n_rebuild_tensor_v2\n"
        b"((X\x07\x00\x00\x00storagectorch\n"
        + kind.encode()
        + b"\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu\x8a\x06"
        + elements.to_bytes(6, "little")
        + b"tQK\x00\x8a\x06"
        + size.to_bytes(6, "little")
        + b"\x85K\x01\x85\x89N}tRs."
    )


def twice(name: str) -> bytes:
    file = io.BytesIO(archived(pickle.dumps({}, 2)))
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(name, pickle.dumps(Calling(bytearray, 5), 2))
    return file.getvalue()


def compressed(name: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({}, 2), zipfile.ZIP_STORED)
        archive.writestr(name, b"\0" * 10**6)
    return file.getvalue()


def tar_of_torch() -> bytes:
    """A tar file whose first name is the first pickle of torch."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        name = pickle.dumps(MAGIC, 2).decode("latin-1")
        for part in (name, "storages"):
            archive.addfile(tarfile.TarInfo(part), io.BytesIO())
    return file.getvalue()


def nested_key_pickle() -> bytes:
    """`{(((), ()), …): 1}`: to hash that key takes 2**100 steps."""
    return b"\x80\x02})" + b"q\x00h\x00\x86" * 100 + b"K\x01s."


STATE = OrderedDict(
    weight=torch.arange(12.0).reshape(3, 4),
    transposed=torch.arange(12.0).reshape(3, 4).t(),
    part=torch.arange(12.0)[3:7],
    parameter=torch.nn.Parameter(torch.ones(2)),
    half=torch.zeros(3, dtype=torch.float16),
    bfloat=torch.zeros(3, dtype=torch.bfloat16),
    ids=torch.arange(40).expand(1, -1),
    flags=torch.tensor([True]),
    complex=torch.zeros(2, dtype=torch.complex64),
    scalar=torch.tensor(1.5),
    empty=torch.zeros(0, 3),
)
NESTED = {"epoch": 3, "lr": 1e-3, "model_state_dict": STATE, "best": None, "names": ["a", ("b",)]}


@pytest.mark.parametrize("form", [False, True])
def test_a_state_dict(tmp_path: Path, form: bool) -> None:
    path = tmp_path / "pytorch_model.bin"
    path.write_bytes(saved(STATE, legacy=form))
    header = read_pickled_header(path)
    assert {name: shape for name, (_, shape) in header.items()} == {
        name: tuple(tensor.shape) for name, tensor in STATE.items()
    }
    assert [dtype for dtype, _ in header.values()] == [
        *("F32", "F32", "F32", "F32", "F16", "BF16", "I64", "BOOL", "C64", "F32", "F32")
    ]


@pytest.mark.parametrize("form", [False, True])
def test_a_nested_one(tmp_path: Path, form: bool) -> None:
    path = tmp_path / "pytorch_model.bin"
    path.write_bytes(saved(NESTED, legacy=form))
    state = read_pickle(path)
    assert list(state["model_state_dict"]) == list(STATE)
    assert (state["epoch"], state["lr"], state["names"]) == (3, 1e-3, ["a", ("b",)])


def test_metadata_and_shared_tensors(tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path / "checkpoint", form="bin")
    header = read_pickled_header(checkpoint / "pytorch_model.bin")
    assert {name: shape for name, (_, shape) in header.items()} == {
        name: tuple(tensor.shape) for name, tensor in tiny_model().state_dict().items()
    }


BOMB = Calling(bytearray, 3 * GIBIBYTE)
HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "a bytearray": (lambda: saved({"a": BOMB}), "a call of __builtin__.bytearray"),
    "a bytearray, before 1.6": (lambda: legacy({"a": BOMB}), "a call of __builtin__.bytearray"),
    "a storage": (
        lambda: archived(b"\x80\x02ctorch.storage\nUntypedStorage\n\x8a\x05\0\0\0\xc0\0\x85R."),
        "a call of torch.storage.UntypedStorage",
    ),
    "an object": (
        lambda: archived(b"\x80\x02ctorch.storage\nUntypedStorage\nK\x05\x85\x81."),
        "the opcode NEWOBJ",
    ),
    "code": (lambda: saved({"a": Calling(open, "executed", "w")}), "a call of "),
    "a sparse tensor": (
        lambda: saved({"a": torch.eye(2).to_sparse()}),
        "a call of torch.serialization._get_layout",
    ),
    "a key that takes for ever": (lambda: archived(nested_key_pickle()), "a key that is neither"),
    "a storage beyond its record": (
        lambda: archived(stored(elements=2**40), **{"data/0": bytes(16)}),
        "storage 0 larger than its record",
    ),
    "a storage without a record": (lambda: archived(stored()), "storage 0 larger than its record"),
    "a tensor beyond its storage": (
        lambda: archived(stored(size=2**40), **{"data/0": bytes(16)}),
        "a tensor of shape (1099511627776,) beyond the end of its storage",
    ),
    "an unknown storage": (
        lambda: archived(stored("QInt8Storage"), **{"data/0": bytes(16)}),
        "a QInt8Storage",
    ),
    "a large version": (
        lambda: archived(pickle.dumps({}, 2), version=bytes(5000)),
        "holds archive/version compressed or too large",
    ),
    "a large byteorder": (
        lambda: archived(pickle.dumps({}, 2), byteorder=bytes(5000)),
        "holds archive/byteorder compressed or too large",
    ),
    "a compressed byteorder": (
        lambda: compressed("archive/byteorder"),
        "holds archive/byteorder compressed or too large",
    ),
    "a large pickle": (
        lambda: archived(b"\x80\x02" + b"}" * (2**22) + b"."),
        "holds archive/data.pkl compressed or too large",
    ),
    "a record twice, in another case": (lambda: twice("archive/DATA.PKL"), "a record twice"),
    "a comment": (lambda: archived(pickle.dumps({}, 2))[:-2] + b"\x01\x00x", "a comment"),
    "storages beyond the file's size": (
        lambda: (
            b"".join(pickle.dumps(part, 2) for part in (MAGIC, 1001, {}))
            + stored(elements=2**40)
            + pickle.dumps(["0"], 2)
        ),
        "is truncated: 4.0 TiB of tensors should be there",
    ),
    "a tar file": (tar_of_torch, "holds a tar file"),
    "another pickle": (lambda: pickle.dumps({}, 2), "another pickle than torch writes"),
    "no pickle": (lambda: b"hello", "cannot be read as a torch file"),
    "nothing": (lambda: b"", "cannot be read as a torch file"),
    "half of an archive": (lambda: saved(STATE)[:1000], "cannot be read as a torch file"),
    "half of a pickle": (lambda: saved(STATE, legacy=True)[:300], "cannot be read as a torch"),
    "a list": (lambda: saved([1]), "holds list, not tensors by name"),
    "numbers as names": (lambda: saved({1: torch.ones(1)}), "holds dict, not tensors by name"),
    "an endless list": (lambda: archived(b"\x80\x02]q\0h\0a."), "holds list"),
    "a stack that is empty": (lambda: archived(b"\x80\x02R."), "the pickle is broken"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_one(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make, words = HOSTILE[name]
    path = tmp_path / "pytorch_model.bin"
    path.write_bytes(make())
    with pytest.raises(CannotInspectError) as refused:
        read_pickled_header(path)
    assert words in refused.value.message
    assert not (tmp_path / "executed").exists()


PEAK = """
import resource, sys
from roberta_inspect.checkpoint.pickled import read_pickled_header
from roberta_inspect.errors import CannotInspectError
from pathlib import Path
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sys.argv[1:]:
    try:
        read_pickled_header(Path(path))
    except CannotInspectError:
        pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.slow
def test_what_they_take(tmp_path: Path) -> None:
    """No limit is set, so that a bomb would be seen; four pickles of nothing but objects go in."""
    paths = []
    for number, (make, _) in enumerate(HOSTILE.values()):
        paths.append(tmp_path / f"{number}.bin")
        paths[-1].write_bytes(make())
    room = 2**22 - 3
    for number, filling in enumerate((b"}", b"]", b"K\x01", b"]q\x01")):
        content = b"\x80\x02" + filling * (room // len(filling)) + b"."
        paths.append(tmp_path / f"full-{number}.bin")
        paths[-1].write_bytes(archived(content))
    done = subprocess.run(
        [sys.executable, "-c", PEAK, *paths], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) * 1024 < GIBIBYTE // 2
