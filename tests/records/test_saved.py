"""Reading saved maps: a file that is not a map is refused with a sentence that names it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_maps import BASE

from roberta_inspect.errors import CannotInspectError
from roberta_inspect.records import saved
from roberta_inspect.records.saved import is_saved_map, read_map

TEXT = BASE.to_json()


def edited(**changes: Any) -> str:
    return json.dumps({**BASE.to_dict(), **changes})


def without(key: str) -> str:
    return json.dumps({name: value for name, value in BASE.to_dict().items() if name != key})


def nested(depth: int) -> str:
    values = BASE.to_dict()
    item = values["calls"][0]["slots"][2]["items"][0]
    for _ in range(depth):
        item["items"] = [{"index": 0, "kind": "tuple"}]
        item = item["items"][0]
    return json.dumps(values)


CASES = {
    "empty": (b"", r"is not JSON: Expecting value"),
    "truncated": (TEXT[:400].encode(), r"is not JSON: "),
    "no JSON": (b"hello", r"is not JSON: Expecting value"),
    "NaN": (b'{"schema": NaN}', r"is not JSON: NaN is not a JSON number"),
    "nested without end": (b"[" * 100_000, r"is not JSON: "),
    "items nested without end": (nested(290).encode(), r"is not a map: it is nested too deeply"),
    "no UTF-8": (b"\xff\xfe\x00", r"cannot be read: 'utf-8' codec can't decode"),
    "a list": (b"[1]", r"is JSON, but not a map of roberta-inspect run"),
    "a config.json": (b'{"model_type": "roberta"}', r"is JSON, but not a map of"),
    "a tree": (b'{"schema": 2, "root": {}}', r"is JSON, but not a map of roberta-inspect run"),
    "another schema": (edited(schema=3).encode(), r"has schema 3; this release reads schema 2"),
    "the schema of an earlier release": (
        edited(schema=1).encode(),
        r"has schema 1, which roberta-inspect 0\.1\.0 wrote; this release reads schema 2",
    ),
    "schema true": (edited(schema=True).encode(), r"has schema True; this release reads schema 2"),
    "no proofs, and no setup": (
        without("setup").encode(),
        r"is not a complete map: map.setup is missing",
    ),
    "calls of another type": (edited(calls=3).encode(), r"map.calls should be a list, is 3"),
    "no calls": (edited(calls=[]).encode(), r"its first four calls are not those of run"),
    "a number beyond floats": (
        edited(proofs=[{**BASE.to_dict()["proofs"][0], "tolerance": 10**400}]).encode(),
        r"map.proofs\[0\].tolerance should be a number, is 1000",
    ),
    "an infinite number": (
        TEXT.replace('"tolerance": null', '"tolerance": 1e999', 1).encode(),
        r"map.proofs\[0\].tolerance should be a number, is inf",
    ),
    "an escape sequence in a value": (
        edited(setup={**BASE.to_dict()["setup"], "mode": "\x1b[2J"}).encode(),
        r"map.setup.mode should be one of eval, train, is \\\\?x1b\[2J",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_no_map_is_refused(case: str, tmp_path: Path) -> None:
    content, sentence = CASES[case]
    path = tmp_path / "contract.json"
    path.write_bytes(content)
    with pytest.raises(CannotInspectError, match=rf"contract\.json .*{sentence}") as caught:
        read_map(path)
    assert caught.value.message.isprintable()
    assert caught.value.hint.startswith(("Make it anew: ", "Give a file that you may read."))


def missing(path: Path) -> None:
    """Leaves the path without a file."""


def looped(path: Path) -> None:
    path.symlink_to(path)


PLACES = {
    "missing": (missing, "does not exist"),
    "a directory": (Path.mkdir, "is a directory, no saved map"),
    "a pipe": (os.mkfifo, "is no regular file, no saved map"),
    "a loop of links": (looped, "cannot be read: Too many levels of symbolic links"),
}


@pytest.mark.parametrize(
    ("name", "content", "hint"),
    [
        ("config.json", b'{"model_type": "roberta"}', "Did you mean the checkpoint my-roberta?"),
        ("model.safetensors", b"\xff" * 9, "Did you mean the checkpoint my-roberta?"),
        ("merges.txt", b"a b", "Did you mean the checkpoint my-roberta?"),
        ("map.json", edited(schema=3).encode(), "Make it anew: "),
        ("gone.json", None, "Check the path, or save a map: roberta-inspect run CHECKPOINT"),
    ],
)
def test_a_file_of_a_checkpoint_is_no_map(
    name: str, content: bytes | None, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path("my-roberta")
    folder.mkdir()
    (folder / "config.json").write_text("{}", encoding="utf-8")
    if content is not None:
        (folder / name).write_bytes(content)
    with pytest.raises(CannotInspectError) as caught:
        read_map(folder / name)
    assert caught.value.hint.startswith(hint)


@pytest.mark.parametrize("case", PLACES)
def test_what_is_no_file_is_refused(case: str, tmp_path: Path) -> None:
    make: Callable[[Path], Any]
    make, sentence = PLACES[case]
    path = tmp_path / "contract.json"
    make(path)
    with pytest.raises(CannotInspectError) as caught:
        read_map(path)
    assert caught.value.message == f"{path} {sentence}"


def test_a_file_that_is_too_large_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saved, "LARGEST_MAP", 100)
    path = tmp_path / "contract.json"
    path.write_text(TEXT, encoding="utf-8")
    with pytest.raises(CannotInspectError, match="a saved map is at most 100 B"):
        read_map(path)


def test_a_forbidden_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: Any, **__: Any) -> str:
        raise PermissionError(13, "Permission denied")

    path = tmp_path / "contract.json"
    path.write_text(TEXT, encoding="utf-8")
    monkeypatch.setattr(Path, "read_text", forbidden)
    with pytest.raises(CannotInspectError, match=r"contract\.json cannot be read: Permission"):
        read_map(path)


def test_a_map_is_read_as_it_was_saved(tmp_path: Path) -> None:
    path = tmp_path / "contract.json"
    path.write_text(TEXT, encoding="utf-8")
    assert read_map(path) == BASE


def test_fields_of_a_later_release_are_left_aside(tmp_path: Path) -> None:
    path = tmp_path / "contract.json"
    path.write_text(edited(later="x"), encoding="utf-8")
    assert read_map(path) == BASE


def test_a_name_with_control_characters_is_shown_harmless() -> None:
    with pytest.raises(CannotInspectError) as caught:
        read_map("\x1b[2J\n.json")
    assert caught.value.message == r"\x1b[2J\n.json does not exist"


@pytest.mark.parametrize(
    ("side", "expected"),
    [
        ("contract.json", True),
        ("a/b/CONTRACT.JSON", True),
        ("roberta-base", False),
        ("demo", False),
        (".", False),
        (__file__, True),
        ("x" * 100_000, False),
        ("\0", False),
    ],
)
def test_which_side_is_a_saved_map(side: str, expected: bool) -> None:
    assert is_saved_map(side) is expected
