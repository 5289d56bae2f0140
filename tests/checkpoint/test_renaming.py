"""Names that transformers does not know: the rule that makes them fit, and code that saves them
right."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from makers import make_checkpoint, tiny_model
from safetensors.torch import load_file, save_file

from roberta_inspect import inspect
from roberta_inspect.checkpoint.renaming import flattened, renaming_for
from roberta_inspect.errors import CannotInspectError

SHAPES = {name: tuple(tensor.shape) for name, tensor in tiny_model().state_dict().items()}
HEADER = {name: ("F32", shape) for name, shape in SHAPES.items()}


def header(change: Callable[[str], str]) -> dict[str, Any]:
    return {change(name): value for name, value in HEADER.items()}


def user_class(name: str) -> str:
    return name.replace("roberta.", "encoder.").replace("classifier.", "head.")


def adapted(name: str) -> str:
    wrapped = name.replace(".query.", ".query.base_layer.")
    return "base_model.model." + wrapped.replace(
        "classifier.", "classifier.modules_to_save.default."
    )


def distilled(name: str) -> str:
    """The names of another architecture, of which some end alike."""
    changed = name.replace("roberta.encoder.layer", "distilbert.transformer.layer")
    for part, new in (("attention.self.query", "attention.q_lin"), ("intermediate", "ffn")):
        changed = changed.replace(part, new)
    return changed


@pytest.mark.parametrize(
    ("change", "rule", "fitting"),
    [
        ("module.{}".format, "take off `module.`", 41),
        ("_orig_mod.{}".format, "take off `_orig_mod.`", 41),
        ("model.{}".format, "take off `model.`", 41),
        ("base_model.model.{}".format, "take off `base_model.model.`", 41),
        ("roberta.roberta.{}".format, "take off `roberta.roberta.`", 41),
        ("state/{}".format, "read what the file holds under `state`", 41),
        (
            "state/module.{}".format,
            "read what the file holds under `state` and take off `module.`",
            41,
        ),
        (lambda name: name.replace("roberta.", "bert."), "put `roberta.` for `bert.`", 37),
        (user_class, "put `roberta.` for `encoder.` and put `classifier.` for `head.`", 41),
        (lambda name: name.replace(".layer.", ".layers."), "put `layer` for `layers`", 32),
        (lambda name: name.replace(".query.", ".q."), "put `query` for `q`", 4),
        (lambda name: name.replace("out_proj", "out"), "put `out_proj` for `out`", 2),
        (
            lambda name: name.replace(".attention.", "._orig_mod.attention."),
            "take out `_orig_mod`",
            20,
        ),
        (
            adapted,
            "take off `base_model.model.`, take out `base_layer` and take out "
            "`modules_to_save.default`: PEFT wrote them",
            41,
        ),
    ],
)
def test_rule(change: Callable[[str], str], rule: str, fitting: int) -> None:
    renaming = renaming_for(header(change), SHAPES)
    assert renaming is not None
    assert (renaming.rule, renaming.fitting) == (rule, fitting)


@pytest.mark.parametrize(
    "names",
    [
        HEADER,
        {},
        header(distilled),
        {name: value for name, value in HEADER.items() if "classifier" not in name},
        {f"module.{name}": ("F32", (1, *shape)) for name, (_, shape) in HEADER.items()},
        {f"a{number}.weight": ("F32", (16,)) for number in range(30_000)},
    ],
    ids=["complete", "empty", "another architecture", "no head", "other shapes", "far too many"],
)
def test_no_rule(names: dict[str, Any]) -> None:
    assert renaming_for(names, SHAPES) is None


@pytest.mark.parametrize(
    "change",
    [
        "module.{}".format,
        lambda name: name.replace("roberta.", "bert."),
        user_class,
        lambda name: name.replace(".query.", ".q."),
        lambda name: name.replace(".attention.", "._orig_mod.attention."),
    ],
    ids=["module", "bert", "user class", "part", "inserted"],
)
@pytest.mark.parametrize("form", ["safetensors", "sharded", "bin"])
def test_the_code_saves_it_right(
    change: Callable[[str], str], form: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_checkpoint(tmp_path, form=form)
    rename(folder, change)
    before = inspect(folder, no_weights=True)
    renaming = before.checkpoint.weights.renaming
    assert renaming is not None
    assert "renamed-tensors" in [finding.id for finding in before.findings_of("error")]
    monkeypatch.chdir(folder)
    exec(renaming.code, {})
    after = inspect(folder).checkpoint.weights
    assert (after.verdict, after.renaming) == ("complete", None)


def rename(folder: Path, change: Callable[[str], str]) -> None:
    """Other names in every weight file of a checkpoint."""
    for path in folder.iterdir():
        if path.suffix == ".safetensors":
            state = {change(name): tensor for name, tensor in load_file(str(path)).items()}
            save_file(state, str(path), metadata={"format": "pt"})
        elif path.suffix == ".bin":
            loaded = torch.load(path, weights_only=True)
            torch.save({change(name): tensor for name, tensor in loaded.items()}, path)
        elif path.name.endswith("index.json"):
            index = json.loads(path.read_text(encoding="utf-8"))
            index["weight_map"] = {change(key): file for key, file in index["weight_map"].items()}
            path.write_text(json.dumps(index), encoding="utf-8")


def test_the_code_reads_a_dictionary_in_a_pickle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_checkpoint(tmp_path, form="bin")
    path = folder / "pytorch_model.bin"
    state = torch.load(path, weights_only=True)
    torch.save(
        {"epoch": 1, "model": {f"module.{name}": tensor for name, tensor in state.items()}}, path
    )
    with pytest.raises(
        CannotInspectError, match=r"under `model` and take off `module\.`"
    ) as caught:
        inspect(folder)
    monkeypatch.chdir(folder)
    exec(caught.value.hint.partition(": ")[2], {})
    assert inspect(folder).checkpoint.weights.verdict == "complete"


def test_what_loads_nothing_is_refused_by_its_names(tmp_path: Path) -> None:
    """Releases before 5 load nothing where only the head has a name of the class."""
    folder = make_checkpoint(tmp_path)
    rename(folder, lambda name: name.replace("roberta.", "bert."))
    try:
        message = inspect(folder).findings_of("error")[0].message
    except CannotInspectError as error:
        message = error.message
    assert "by other names: put `roberta.` for `bert.`" in message


def test_dictionaries_in_a_pickle_are_looked_into() -> None:
    assert flattened({"a": 1, "b": {"c": 2, "d": {"e": 3}}}) == {"a": 1, "b/c": 2, "b/d/e": 3}
    assert flattened({"a": {1: 2}}) == {"a": {1: 2}}


def test_what_transformers_loads_is_complete(tmp_path: Path) -> None:
    """Whatever it makes of a doubled prefix: a verdict, and never a disagreement."""
    folder = make_checkpoint(tmp_path)
    rename(folder, "roberta.{}".format)
    weights = inspect(folder).checkpoint.weights
    without = inspect(folder, no_weights=True).checkpoint.weights
    assert weights.verdict == without.verdict
    if weights.verdict != "complete":
        assert weights.renaming is not None
        assert weights.renaming.rule == "take off `roberta.`"
