"""`--output` replaces nothing except an earlier output of the tool."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from makers import make_checkpoint
from typer.testing import CliRunner

import roberta_inspect
from roberta_inspect.cli.commands import app
from roberta_inspect.cli.overwrite import BEGINNING, LOOKED_AT
from roberta_inspect.cli.target import Target
from roberta_inspect.errors import UsageError
from roberta_inspect.render import FORMATS, rendered
from roberta_inspect.render.explain import explanation
from roberta_inspect.render.plain import plain_text

DEMO = Path(roberta_inspect.__file__).parent / "demo"


@pytest.fixture(scope="module")
def maps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two saved maps."""
    folder = tmp_path_factory.mktemp("maps")
    for name, attentions in (("left.json", True), ("right.json", False)):
        output_map = roberta_inspect.inspect(attention="eager", output_attentions=attentions)
        (folder / name).write_text(output_map.to_json(), encoding="utf-8")
    return folder


@pytest.fixture
def place(tmp_path: Path, maps: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a checkpoint `ck`, two maps, and a file of the user's."""
    make_checkpoint(tmp_path / "ck", tokenizer=True)
    (tmp_path / "ck" / "README.md").write_text("# My model\n")
    for name in ("left.json", "right.json"):
        shutil.copy(maps / name, tmp_path / name)
    (tmp_path / "notes.txt").write_text("mine\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def link(name: str, target: str) -> Callable[[], None]:
    return lambda: Path(name).symlink_to(target)


def hard_link(name: str, target: str) -> Callable[[], None]:
    return lambda: os.link(target, name)


def nothing() -> None:
    """A case that needs no files."""


REFUSED = [
    ("ck/config.json", ("ck",), nothing, "a file of ck"),
    ("ck/../ck/./model.safetensors", ("ck",), nothing, "a file of ck"),
    ("ck/README.md", ("ck",), nothing, "a file of ck"),
    ("ck/added_tokens.json", ("ck",), nothing, "a file of ck"),
    ("linked/config.json", ("ck",), link("linked", "ck"), "a file of ck"),
    ("ck/config.json", ("linked",), link("linked", "ck"), "a file of linked"),
    ("out.json", ("ck",), link("out.json", "ck/config.json"), "a file of ck"),
    ("out.json", ("ck",), hard_link("out.json", "ck/tokenizer.json"), "a file of ck"),
    (str(DEMO / "config.json"), (None,), nothing, "a file of the demo"),
    (str(DEMO / "merges.txt"), ("demo",), nothing, "a file of demo"),
    ("left.json", ("left.json", "ck"), nothing, "a file of left.json"),
    ("./right.json", ("left.json", "right.json"), nothing, "a file of right.json"),
    ("out.json", ("ck", "left.json"), hard_link("out.json", "left.json"), "a file of left.json"),
    ("ck/config.json", ("owner/name",), nothing, "no earlier output"),
    ("notes.txt", (None,), nothing, "no earlier output"),
]


@pytest.mark.parametrize(("output", "inputs", "first", "words"), REFUSED)
def test_refused(
    place: Path, output: str, inputs: tuple[str | None, ...], first: Callable[[], None], words: str
) -> None:
    first()
    with pytest.raises(UsageError, match=re.escape(words)):
        Target(Path(output), inputs)


@pytest.mark.parametrize("output", ["ck/map.json", "new.json", "left.json", "empty.txt", "-"])
def test_allowed(place: Path, output: str) -> None:
    Path("empty.txt").touch()
    Target(Path(output), ("ck",))


def test_one_name_in_another_spelling(place: Path) -> None:
    if not Path("CK").exists():
        Path("CK").symlink_to("ck")  # as on a file system that ignores case
    with pytest.raises(UsageError, match="a file of CK"):
        Target(Path("ck/config.json"), ("CK",))


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", ".", "-o", "config.json"],
        ["tree", ".", "-o", "model.safetensors"],
        ["diff", ".", "demo", "-o", "config.json"],
        ["diff", "../left.json", "demo", "-o", "../left.json"],
    ],
)
def test_each_command_refuses(place: Path, arguments: list[str]) -> None:
    os.chdir("ck")
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 2, done.output
    assert "which is read" in done.stderr
    assert {path: path.read_bytes() for path in place.rglob("*") if path.is_file()} == before


def test_a_dash_is_stdout(place: Path) -> None:
    done = CliRunner().invoke(app, ["diff", "left.json", "left.json", "-o", "-"])
    assert "Nothing differs" in done.stdout
    assert not Path("-").exists()


def test_every_output_is_recognised(maps: Path) -> None:
    from roberta_inspect.api import report

    output_map = roberta_inspect.inspect()
    same, changed = (
        report(maps / "left.json", maps / name) for name in ("left.json", "right.json")
    )
    products = {
        "run": [output_map],
        "tree": [roberta_inspect.module_tree()],
        "consumers": [roberta_inspect.consumers(only=["pipeline"])],
        "diff": [same, changed],
    }
    for row in FORMATS:
        for product in products[row.command]:
            beginning = rendered(product, row.name).encode()[:LOOKED_AT]
            assert BEGINNING.match(beginning), (row, beginning)
    call = output_map.main_calls[0]
    for index in (0, -1):
        words = plain_text(explanation(output_map, call, call.positions[index], typed=str(index)))
        assert BEGINNING.match(words.encode()), words


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_no_file_of_a_checkpoint_is_taken_for_an_output(name: str) -> None:
    assert not BEGINNING.match((DEMO / name).read_bytes()[:LOOKED_AT])
