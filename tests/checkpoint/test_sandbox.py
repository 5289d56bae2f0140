"""Tokenizers that crash, take all memory or run for ever do so in a child process."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from makers import make_checkpoint

import roberta_inspect
from roberta_inspect.checkpoint.load import load_tokenizer
from roberta_inspect.checkpoint.locate import Location
from roberta_inspect.errors import CannotInspectError
from roberta_inspect.records import Text

PLAIN = "PreTrainedTokenizerFast"
"""The class that takes everything from `tokenizer.json`."""

WORD = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"

Edit = Callable[[dict[str, Any]], object]


def backtracking(tokenizer: dict[str, Any]) -> None:
    tokenizer["pre_tokenizer"] = {
        "type": "Split",
        "pattern": {"Regex": "(?:(a+)+)+$"},
        "behavior": "Isolated",
        "invert": False,
    }


def multiplying(tokenizer: dict[str, Any]) -> None:
    """Thirty normalizers, each of which makes ten letters of one."""
    step = {"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 10}
    tokenizer["normalizer"] = {"type": "Sequence", "normalizers": [step] * 30}


def long_template(tokenizer: dict[str, Any]) -> None:
    """A template that adds 100,000 ids to a text."""
    special = {"SpecialToken": {"id": "<s>", "type_id": 0}}
    sequence = {"Sequence": {"id": "A", "type_id": 0}}
    tokenizer["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [special, sequence],
        "pair": [sequence, {"Sequence": {"id": "B", "type_id": 0}}],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [0] * 10**5, "tokens": ["<s>"] * 10**5}},
    }


def plain(settings: dict[str, Any]) -> None:
    settings["tokenizer_class"] = PLAIN


def another_model(tokenizer: dict[str, Any]) -> None:
    tokenizer["model"] = {"type": "Nothing"}


HOSTILE: dict[str, tuple[Edit, str]] = {
    "backtracking": (backtracking, "cannot be run on these texts: "),
    "multiplying": (multiplying, "it crashed, or wanted more than 768.0 MiB or 30 seconds"),
    "template": (long_template, "makes 100,031 ids of at most 31 bytes of text"),
    "model": (another_model, "cannot be loaded: "),
}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return make_checkpoint(tmp_path / "checkpoint", tokenizer=True)


def edit(folder: Path, name: str, change: Edit) -> None:
    path = folder / name
    values = json.loads(path.read_text(encoding="utf-8"))
    change(values)
    path.write_text(json.dumps(values), encoding="utf-8")


def located(folder: Path) -> Location:
    return Location(source="checkpoint", directory=folder)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_tokenizer(checkpoint: Path, name: str) -> None:
    change, words = HOSTILE[name]
    edit(checkpoint, "tokenizer.json", change)
    edit(
        checkpoint, "tokenizer_config.json", lambda settings: settings.update(tokenizer_class=PLAIN)
    )
    with pytest.raises(CannotInspectError) as refused:
        load_tokenizer(located(checkpoint), [Text(first=WORD)])
    assert words in refused.value.message
    assert refused.value.message.startswith("the tokenizer of checkpoint ")
    # The child's memory is bounded by its limit; this process has taken none of it.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 < 2 * 2**30


def test_the_ids_are_those_of_this_process(checkpoint: Path) -> None:
    tokenizer = load_tokenizer(
        located(checkpoint), [Text(first="hello"), Text(first="a", second="b")]
    )
    assert tokenizer("hello").input_ids == [0, 13, 10, 17, 17, 20, 2]


def test_more_ids_than_rows_can_hold(checkpoint: Path) -> None:
    with pytest.raises(CannotInspectError, match="more than 1,048,576 ids"):
        load_tokenizer(located(checkpoint), [Text(first="a" * 2000)] * 600)


def test_without_a_fast_one_nothing_is_run(checkpoint: Path) -> None:
    (checkpoint / "tokenizer.json").unlink()
    tokenizer = load_tokenizer(located(checkpoint), [Text(first="hello")])
    assert tokenizer("hello").input_ids == [0, 13, 10, 17, 17, 20, 2]


def test_settings_that_name_another_file(checkpoint: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.json"
    elsewhere.write_text("{}")
    edit(
        checkpoint,
        "tokenizer_config.json",
        lambda settings: settings.update(tokenizer_file=str(elsewhere)),
    )
    with pytest.raises(CannotInspectError, match="names another file"):
        load_tokenizer(located(checkpoint), [Text(first="a")])


def test_files_that_are_too_large(checkpoint: Path) -> None:
    with (checkpoint / "merges.txt").open("r+") as opened:
        opened.truncate(2**30)
    with pytest.raises(CannotInspectError, match=r"merges.txt is 1.0 GiB large"):
        load_tokenizer(located(checkpoint), [Text(first="a")])


def test_no_child_is_left(checkpoint: Path) -> None:
    load_tokenizer(located(checkpoint), [Text(first="hello")])
    children = subprocess.run(
        ["ps", "--ppid", str(os.getpid()), "-o", "args="],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "trial.py" not in children.stdout


@pytest.mark.newest
def test_texts_that_are_no_text(checkpoint: Path) -> None:
    with pytest.raises(CannotInspectError, match="cannot be run on these texts"):
        load_tokenizer(located(checkpoint), [Text(first="a\udcff")])


def test_the_child_imports_nothing_of_ours() -> None:
    script = Path(roberta_inspect.__file__).parent / "checkpoint" / "trial.py"
    code = (
        "import runpy, sys; sys.argv = ['trial', sys.path[-1]]; sys.stdin = open('/dev/null');"
        f"runpy.run_path({str(script)!r}, run_name='__main__');"
        "print([name for name in sys.modules if name.split('.')[0] in"
        " ('torch', 'transformers', 'roberta_inspect')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
