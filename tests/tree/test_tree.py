"""`roberta-inspect tree`: modules, parameters, shapes and the slots that each module feeds."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hub_server import Hub, serving
from makers import (
    edit_config,
    make_bert,
    make_checkpoint,
    make_masked_lm,
    tiny_config,
    tiny_model,
)
from rich.cells import cell_len
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import RobertaConfig, RobertaForSequenceClassification

from roberta_inspect import ModuleTree, UsageError, module_tree
from roberta_inspect.records import Node, Returned
from roberta_inspect.records.tree import folded
from roberta_inspect.render import phrases, rendered
from roberta_inspect.tree.twin import SIZES

GOLDENS = Path(__file__).parents[1] / "goldens"
HIDDEN = "(batch_size, sequence_length, hidden_size)"
WEIGHTS = "(batch_size, num_heads, query_length, key_length)"
INNER = "(batch_size, sequence_length, intermediate_size)"
LOGITS = "(batch_size, num_labels)"
BASE = RobertaConfig(
    vocab_size=32_000,
    max_position_embeddings=514,
    type_vocab_size=1,
    num_labels=30,
    architectures=["RobertaForSequenceClassification"],
)


def laid_out(config: Any) -> Any:
    """A model without values, made without this package."""
    with torch.device("meta"):
        return RobertaForSequenceClassification._from_config(config, attn_implementation="eager")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> ModuleTree:
    """The tree of a base-size configuration alone, from a folder called `base`."""
    folder = tmp_path_factory.mktemp("tree") / "base"
    BASE.save_pretrained(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder.parent)
        return module_tree("base")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> ModuleTree:
    """The tree of the tiny checkpoint, two layers and three labels."""
    return module_tree(make_checkpoint(tmp_path_factory.mktemp("tree") / "tiny"))


def at(tree: ModuleTree, path: str) -> Node:
    return next(node for node in tree.root.walk() if node.path == path)


def feeds(node: Node, number: int | None = None) -> list[str]:
    return phrases.fed(node.feeds, number)


def shapes(node: Node) -> list[str]:
    return [words(entry) for entry in node.output]


def words(entry: Returned) -> str:
    shape = f"({', '.join(entry.axes)})"
    return shape if entry.count is None else f"{entry.count} × {shape}"


def by_path(tree: ModuleTree) -> dict[str, Node]:
    return {node.path: node for node in tree.root.walk()}


# Against print(model)


def printed(node: Node) -> Iterator[tuple[str, str]]:
    """The lines of `print(model)` for a folded tree: the name of each module, and the rest."""
    for child in node.children:
        name = f"{child.name}-{child.last}" if child.last else child.name
        times = f"{child.repeat} x " if child.last else ""
        yield f"({name})", times + (f"{child.cls}(" if child.children else child.repr)
        yield from printed(child)


def test_it_is_what_print_shows(base: ModuleTree) -> None:
    lines = re.findall(r"^ +(\([\w-]+\)): (.*)$", str(laid_out(BASE)), re.MULTILINE)
    assert list(printed(folded(base.root))) == lines
    assert len(lines) == 31


def test_expanded_table_holds_every_module_in_order(base: ModuleTree) -> None:
    def modules(module: nn.Module) -> Iterator[str]:
        for name, child in module.named_children():
            shown = type(child).__name__ if list(child.children()) else repr(child)
            yield f"{name}  {shown}"
            yield from modules(child)

    lines = rendered(base, "table", width=300, expand=True).splitlines()
    shown = [line.lstrip("│├└ ") for line in lines if re.match(r"[│ ]*[├└]", line)]
    expected = list(modules(laid_out(BASE)))
    assert len(shown) == len(expected)
    assert [f"{line}  "[: len(start) + 2] for line, start in zip(shown, expected, strict=True)] == [
        f"{start}  " for start in expected
    ]


# What each module feeds


def test_feeds_of_a_folded_tree(base: ModuleTree) -> None:
    layer = "roberta.encoder.layer.0"
    expected = {
        "": ["loss"],
        "roberta": [],
        "roberta.embeddings": ["hidden_states[0]"],
        "roberta.embeddings.word_embeddings": [],
        "roberta.encoder": [],
        "roberta.encoder.layer": [],
        layer: ["hidden_states[i+1]", "attentions[i]"],
        f"{layer}.attention.self": ["attentions[i]"],
        f"{layer}.attention.self.query": [],
        f"{layer}.intermediate": [],
        f"{layer}.output.LayerNorm": ["hidden_states[i+1]"],
        "classifier": ["logits"],
        "classifier.dense": [],
        "classifier.out_proj": ["logits"],
    }
    nodes = {node.path: node for node in folded(base.root).walk()}
    run = nodes[layer].number
    shown = {path: feeds(nodes[path], run if path.startswith(layer) else None) for path in expected}
    assert shown == expected


def test_feeds_have_real_indices_unfolded(base: ModuleTree) -> None:
    assert feeds(at(base, "roberta.encoder.layer.11")) == ["hidden_states[12]", "attentions[11]"]
    fed = {
        words for node in base.root.walk() for place in node.feeds for words in phrases.fed([place])
    }
    states = {f"hidden_states[{index}]" for index in range(13)}
    assert fed == {"loss", "logits", *states, *(f"attentions[{index}]" for index in range(12))}


def test_feeds_are_observed_and_not_named() -> None:
    class Twisted(RobertaForSequenceClassification):
        """Its logits are those of a module that is not called classifier."""

        def __init__(self, config: Any) -> None:
            super().__init__(config)
            self.last = nn.Linear(config.num_labels, config.num_labels)

        def forward(self, *args: Any, **kwargs: Any) -> Any:
            output = super().forward(*args, **kwargs)
            output.logits = self.last(output.logits)
            return output

    tree = module_tree(Twisted(tiny_config()).eval())
    assert feeds(at(tree, "last")) == ["logits"]
    assert feeds(at(tree, "classifier")) == []


# What each module returns


RETURNS = {
    "roberta.embeddings.word_embeddings": [HIDDEN],
    "roberta.encoder.layer": [],
    "roberta.encoder.layer.0.attention.self": [HIDDEN, WEIGHTS],
    "roberta.encoder.layer.0.intermediate": [INNER],
    "roberta.encoder.layer.0.output.dense": [HIDDEN],
    "classifier.dense": ["(batch_size, hidden_size)"],
    "classifier": [LOGITS],
    "": ["()", LOGITS, f"3 × {HIDDEN}", f"2 × {WEIGHTS}"],
}


@pytest.mark.parametrize(
    "sizes",
    [
        {},
        {"hidden_size": 16, "intermediate_size": 16, "num_labels": 16, "num_attention_heads": 16},
        {"hidden_size": 2, "intermediate_size": 2, "num_labels": 2, "num_attention_heads": 2},
        {"hidden_size": 1, "intermediate_size": 1, "num_labels": 1, "num_attention_heads": 1},
        {"problem_type": "multi_label_classification"},
        {"problem_type": "regression", "num_labels": 2},
        {"max_position_embeddings": 3},
    ],
)
def test_shapes_in_axis_words(tmp_path: Path, sizes: dict[str, Any]) -> None:
    tiny_config(**sizes).save_pretrained(tmp_path)
    nodes = by_path(module_tree(tmp_path))
    assert {path: shapes(nodes[path]) for path in RETURNS} == RETURNS


def test_every_axis_of_a_decoder_has_a_word(tmp_path: Path) -> None:
    tiny_config(is_decoder=True).save_pretrained(tmp_path)
    entries = {entry for node in module_tree(tmp_path).root.walk() for entry in node.output}
    axes = {axis for entry in entries for axis in entry.axes}
    assert {HIDDEN, WEIGHTS, LOGITS} <= {words(replace(entry, count=None)) for entry in entries}
    assert axes <= {*SIZES, "query_length", "key_length"}


class Head(nn.Module):
    """A head with a wide layer that reads what `read` selects from the last hidden state."""

    def __init__(self, read: Any) -> None:
        super().__init__()
        self.read = read
        self.wide = nn.Linear(16, 64)
        self.out = nn.Linear(64, 3)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.out(torch.relu(self.wide(self.read(features))))


def with_head(read: Any) -> Any:
    model = tiny_model()
    model.classifier = Head(read)
    return model.eval()


def test_an_axis_that_nothing_names_is_its_number() -> None:
    tree = module_tree(with_head(lambda features: features[:, 1:].mean(dim=1)))
    assert shapes(at(tree, "classifier.wide")) == ["(batch_size, 64)"]
    assert shapes(at(tree, "classifier")) == [LOGITS]


def test_an_axis_that_moves_and_that_nothing_names() -> None:
    tree = module_tree(with_head(lambda features: features.flatten(0, 1)[::16]))
    assert shapes(at(tree, "classifier.wide")) == ["(?, 64)"]


# What the head reads, and that there is no pooler


@pytest.mark.parametrize(
    ("read", "note"),
    [
        (lambda features: features[:, 0], "reads position 0 alone"),
        (lambda features: features[:, 1], "reads position 1 alone"),
        (lambda features: features[:, [0, 15]].sum(dim=1), "reads positions 0 and 15"),
        (lambda features: features.mean(dim=1), "reads every position"),
        (lambda features: torch.zeros_like(features[:, 0]), None),
    ],
    ids=["first", "second", "two", "mean", "none"],
)
def test_which_position_the_head_reads(read: Any, note: str | None) -> None:
    assert at(module_tree(with_head(read)), "classifier").note == note


def test_notes_of_a_checkpoint(tiny: ModuleTree) -> None:
    notes = {node.path: node.note for node in tiny.root.walk() if node.note}
    assert notes == {"roberta": "no pooler", "classifier": "reads position 0 alone"}


def test_a_pooler_that_is_there_is_not_denied() -> None:
    model = tiny_model()
    model.roberta.pooler = nn.Identity()
    assert at(module_tree(model), "roberta").note is None


# Parameters


def own_parameters(node: Node) -> int:
    """The own parameters of a node and of those below it, which must not be negative."""
    own = node.parameters - sum(child.parameters for child in node.children)
    assert own >= 0, node.path
    return own + sum(map(own_parameters, node.children))


def column_sum(table: str) -> int:
    """The sum of the parameter column over the modules that have none below them."""
    lines = [line for line in table.splitlines() if re.match(r"[│ ]*[├└]|Roberta", line)]
    total = 0
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        depth, next_depth = (len(re.match(r"[│├└ ]*", text)[0]) for text in (line, below))  # type: ignore[index]
        counts = re.search(r"  (?:(\d+) × )?([\d,]+)(?:  |$)", line)
        if counts and next_depth <= depth:
            total += int(counts[1] or 1) * int(counts[2].replace(",", ""))
    return total


def test_parameters_add_up(base: ModuleTree) -> None:
    total = sum(parameter.numel() for parameter in laid_out(BASE).parameters())
    assert base.root.parameters == base.checkpoint.parameters == total == 110_641_182
    assert own_parameters(base.root) == own_parameters(folded(base.root)) == total
    assert base.root.bytes == 4 * total


def test_tied_parameters_count_once_at_the_first_place() -> None:
    model = tiny_model()
    first, second = (layer.intermediate.dense for layer in model.roberta.encoder.layer)
    second.weight = first.weight
    model.classifier.dense = model.roberta.encoder.layer[1].attention.output.dense
    tree = module_tree(model)
    dense = "intermediate.dense"
    assert tree.root.parameters == sum(parameter.numel() for parameter in model.parameters())
    assert own_parameters(tree.root) == tree.root.parameters
    assert at(tree, f"roberta.encoder.layer.0.{dense}").parameters == 16 * 32 + 32
    assert at(tree, f"roberta.encoder.layer.1.{dense}").parameters == 32
    assert at(tree, f"roberta.encoder.layer.1.{dense}").note == (
        f"weight is roberta.encoder.layer.0.{dense}.weight"
    )
    assert at(tree, "classifier.dense").parameters == 0
    assert [node.repeat for node in folded(tree.root).walk()] == [1] * len(list(tree.root.walk()))


# Against the file


def rewritten(folder: Path, change: Any) -> Path:
    """The checkpoint with other tensors in its file."""
    file = folder / "model.safetensors"
    save_file(change(load_file(file)), file, metadata={"format": "pt"})
    return folder


def test_bytes_at_the_dtype_of_the_file(tmp_path: Path) -> None:
    folder = rewritten(
        make_checkpoint(tmp_path),
        lambda held: {name: tensor.half() for name, tensor in held.items()},
    )
    root = module_tree(folder).root
    assert (root.bytes, root.dtypes) == (2 * root.parameters, ("float16",))


def test_a_layer_of_another_dtype_is_not_folded(tmp_path: Path) -> None:
    folder = make_checkpoint(tmp_path, tiny_model(num_hidden_layers=4))
    tree = module_tree(
        rewritten(
            folder,
            lambda held: {
                n: tensor.half() if "layer.1." in n else tensor for n, tensor in held.items()
            },
        )
    )
    table = rendered(tree, "table", width=80)
    assert "layer.0  RobertaLayer  float32" in table
    assert "layer.1  RobertaLayer  float16" in table
    assert "layer.2 … layer.3  RobertaLayer × 2  float32" in table
    assert column_sum(table) == tree.root.parameters


def test_a_head_that_is_not_in_the_file(tmp_path: Path) -> None:
    folder = make_masked_lm(tmp_path)
    tree = module_tree(folder)
    marks = {node.path: node.note for node in tree.root.walk() if node.in_checkpoint is False}
    random = "not in the checkpoint: random"
    assert marks == {
        "": f"4 of 41 tensors {random}",
        "classifier": f"reads position 0 alone; {random}",
        "classifier.dense": random,
        "classifier.out_proj": random,
    }
    assert at(tree, "roberta").in_checkpoint is True
    assert at(tree, "classifier.dropout").in_checkpoint is None
    assert tree.checkpoint.weights.verdict == "head-not-in-checkpoint"
    assert [
        finding.level for finding in tree.findings if finding.id == "head-not-in-checkpoint"
    ] == ["error"]
    assert not tree.ok
    assert module_tree(folder, allow_missing_head=True).ok


def test_a_layer_that_lacks_a_tensor_is_not_folded(tmp_path: Path) -> None:
    folder = make_checkpoint(tmp_path, tiny_model(num_hidden_layers=3))
    gone = "roberta.encoder.layer.1.output.dense.bias"
    tree = module_tree(
        rewritten(folder, lambda held: {n: tensor for n, tensor in held.items() if n != gone})
    )
    assert at(tree, "roberta.encoder.layer.1.output.dense").note == (
        "1 of 2 tensors not in the checkpoint: random"
    )
    runs = folded(at(tree, "roberta.encoder.layer")).children
    assert [(run.name, run.in_checkpoint) for run in runs] == [
        ("0", True),
        ("1", False),
        ("2", True),
    ]


def test_tensors_that_the_class_does_not_use_are_listed_below(tmp_path: Path) -> None:
    extra = {"roberta.pooler.dense.bias": torch.zeros(16), "adapter.weight": torch.zeros(2)}
    table = rendered(
        module_tree(rewritten(make_checkpoint(tmp_path), lambda held: held | extra)), "table"
    )
    below = table.partition("out_proj")[2]
    assert "tensors-not-used" in below
    assert "adapter.weight" in below
    harmless = below.partition("harmless-tensors")[2]
    assert "roberta.pooler.dense.bias" in harmless
    assert "adapter.weight" not in harmless


def test_a_foreign_file_has_nothing_of_the_class(tmp_path: Path) -> None:
    tree = module_tree(edit_config(make_bert(tmp_path), model_type="roberta", pad_token_id=1))
    assert tree.root.in_checkpoint is False
    assert tree.checkpoint.weights.verdict == "nothing-from-checkpoint"
    assert all(node.in_checkpoint in (False, None) for node in tree.root.walk())


def test_a_configuration_alone(base: ModuleTree) -> None:
    assert base.checkpoint.weights.verdict == "no-weights"
    assert {node.in_checkpoint for node in base.root.walk()} == {None}
    assert base.ok


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="the system does not count reads")
def test_no_weight_of_a_large_checkpoint_is_read(tmp_path: Path) -> None:
    """A sparse file of 1.4 GB. The system counts how much of it is read."""
    config = tiny_config(hidden_size=64, vocab_size=5_500_000)
    config.save_pretrained(tmp_path)
    header, end = {}, 0
    for name, tensor in laid_out(config).state_dict().items():
        start, end = end, end + 4 * tensor.numel()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [start, end]}
    written = json.dumps(header).encode()
    with (tmp_path / "model.safetensors").open("wb") as file:
        file.write(len(written).to_bytes(8, "little") + written)
        file.truncate(8 + len(written) + end)
    before = read_so_far()
    tree = module_tree(tmp_path)
    assert tree.root.bytes == end > 1_400_000_000
    assert tree.checkpoint.weights.verdict == "complete"
    assert read_so_far() - before < 10_000_000


def read_so_far() -> int:
    """Bytes that this process has read from files."""
    counts = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(counts["rchar"])


def test_of_a_hub_id_the_configuration_and_the_header_travel(tmp_path: Path) -> None:
    folder = make_checkpoint(tmp_path / "large", tiny_model(vocab_size=40_000, hidden_size=32))
    command = [sys.executable, "-m", "roberta_inspect", "tree", "acme/large", "--format", "json"]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    with serving(Hub(models={"acme/large": folder})) as hub:
        environment = {**inherited, "HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path / "home")}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["root"]["in_checkpoint"] is True
    assert set(hub.sent) == {"config.json", "model.safetensors"}
    assert hub.sent["model.safetensors"] <= 100_001 < 5_000_000
    assert (folder / "model.safetensors").stat().st_size > 5_000_000


# Live models, failing calls


def test_a_live_model_has_the_tree_of_its_checkpoint(tiny: ModuleTree) -> None:
    model = tiny_model(attn_implementation="eager").train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state = torch.random.get_rng_state()
    tree = module_tree(model)

    def facts(tree: ModuleTree) -> list[Any]:
        return [
            (node.path, node.repr, node.parameters, node.feeds, node.output, node.note)
            for node in tree.root.walk()
        ]

    assert facts(tree) == facts(tiny)
    assert {node.in_checkpoint for node in tree.root.walk()} == {None}
    assert all(module.training for module in model.modules())
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())


def test_a_live_model_takes_no_attention_implementation() -> None:
    with pytest.raises(UsageError, match="attention= is for a checkpoint"):
        module_tree(tiny_model(), attention="eager")


def test_a_call_that_fails_leaves_the_tree() -> None:
    def refuses(features: torch.Tensor) -> torch.Tensor:
        raise ValueError("no features today")

    tree = module_tree(with_head(refuses))
    assert [(finding.id, finding.level) for finding in tree.findings] == [("call-failed", "error")]
    assert "ValueError: no features today" in tree.findings[0].message
    assert at(tree, "classifier.wide").parameters == 16 * 64 + 64
    assert not any(node.feeds for node in tree.root.walk())
    assert "no features today" in " ".join(rendered(tree, "table").split())


# How it reads


@pytest.mark.newest
def test_golden(base: ModuleTree, same_as_file: Any) -> None:
    table = rendered(base, "table", width=80)
    assert column_sum(table) == sum(parameter.numel() for parameter in laid_out(BASE).parameters())
    same_as_file(table, GOLDENS / "tree-80.txt")


@pytest.mark.parametrize("width", [80, 140])
def test_folded_it_fits_one_screen(base: ModuleTree, width: int) -> None:
    lines = rendered(base, "table", width=width).splitlines()
    assert len(lines) <= 40
    assert max(map(cell_len, lines)) <= width
    assert any("layer.0 … layer.11  RobertaLayer × 12" in line for line in lines)


@pytest.mark.parametrize("expand", [False, True])
@pytest.mark.parametrize("width", [44, 80, 140])
def test_nothing_is_cut_off(base: ModuleTree, width: int, expand: bool) -> None:
    table = rendered(base, "table", width=width, expand=expand)
    assert max(map(cell_len, table.splitlines())) <= width
    assert column_sum(table) == base.root.parameters
    assert "…" not in re.sub(r"layer\.\d+ …|, …", "", table)


@pytest.mark.parametrize(("width", "expand", "linears"), [(140, False, 8), (80, True, 74)])
def test_arguments(base: ModuleTree, width: int, expand: bool, linears: int) -> None:
    table = rendered(base, "table", width=width, expand=expand)
    assert len(re.findall(r"Linear\(in_features=\d+,", table)) == linears


@pytest.mark.parametrize(
    ("depth", "modules"), [(0, [""]), (1, ["", "roberta", "classifier"])], ids=["0", "1"]
)
def test_depth(tiny: ModuleTree, depth: int, modules: list[str]) -> None:
    rows = rendered(tiny, "markdown", depth=depth).splitlines()
    shown = [row.split("|")[1].strip(" `") for row in rows if row.startswith("| ")]
    assert shown == ["module", "---", "the model", *modules[1:]]


def test_markdown_is_a_row_per_module_and_the_column_adds_up(tiny: ModuleTree) -> None:
    text = rendered(tiny, "markdown")
    rows = [row.split(" | ") for row in text.splitlines() if row.startswith(("| `", "| the"))]
    nodes = list(folded(tiny.root).walk())
    assert len(rows) == len(nodes)
    assert {len(row) for row in rows} == {7}
    assert "`roberta.encoder.layer.{0 … 1}.attention.self`" in text
    counts = [row[2].split(" × ") for row in rows]
    leaves = [
        count
        for count, node in zip(counts, nodes, strict=True)
        if not node.children and count != [""]
    ]
    products = [
        (int(count[0]) if len(count) == 2 else 1) * int(count[-1].replace(",", ""))
        for count in leaves
    ]
    assert sum(products) == tiny.root.parameters


def test_json(tiny: ModuleTree) -> None:
    values = json.loads(rendered(tiny, "json"))
    assert list(values)[:3] == ["schema", "versions", "checkpoint"]
    layer = values["root"]["children"][0]["children"][1]["children"][0]["children"][1]
    assert (layer["path"], layer["class"]) == ("roberta.encoder.layer.1", "RobertaLayer")
    assert layer["repeat"] == 1
    assert [(place["slot"], place["item"]) for place in layer["feeds"]] == [
        ("hidden_states", [2]),
        ("attentions", [1]),
    ]
    assert values["root"]["parameters"] == tiny.root.parameters


@pytest.mark.parametrize("form", ["table", "markdown", "svg", "html"])
def test_hostile_names_stay_harmless(form: str) -> None:
    model = tiny_model()
    model.add_module("\x1b[31m[/]|<b>", nn.Linear(1, 1))
    shown = rendered(module_tree(model), form)
    assert "\x1b" not in shown
    assert "x1b" in shown


def test_a_tree_prints_itself_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    tree = module_tree()
    assert f"{tree}\n" == rendered(tree, "table", width=80)
