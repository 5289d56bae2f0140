"""Broken, wrong and hostile checkpoints: a clear sentence, and nothing lost.

The named cases are in `corpus.py`; hypothesis makes 500 more. Each is a process of its own, forked
from one that has imported everything, and every one of them holds the same invariants.
"""

from __future__ import annotations

import hashlib
import html
import json
import os
import re
import shlex
import signal
import stat
import subprocess
import sys
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from corpus import (
    ADVICE,
    BOMBS,
    BROKEN,
    ESCAPES,
    INTERRUPTED,
    MARKER,
    PIPE_CLOSED,
    SECTIONS,
    WEIGHTS,
    WRONG,
    Case,
    joined,
    split,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from makers import make_checkpoint, tiny_model
from warm import Outcome, Warm

from roberta_inspect.checkpoint.config import FIELD_RULES
from roberta_inspect.checkpoint.header import BITS
from roberta_inspect.text import safe

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs fork, /proc and /dev/full")

PAGE = Path(__file__).parent.parent / "docs" / "robustness.md"
NEVER_SHOWN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories that move the cursor, change the writing direction or break a line."""

MOST_MEMORY = 2**30
MOST_LINES = 2
MOST_OUTPUT = 2**18
"""The most characters in a product for people. JSON has no limit."""

HASHED = 2**26
"""Bytes of a file up to which its content is compared, and not its size and time alone."""


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warm]:
    with Warm(tmp_path_factory.mktemp("warm")) as process:
        yield process


def contents(folder: Path) -> dict[str, Any]:
    """Path → what would show a change of it, for everything in a folder."""
    return {str(path.relative_to(folder)): _state(path) for path in sorted(folder.rglob("*"))}


def _state(path: Path) -> tuple[Any, ...]:
    status = path.lstat()
    same = (status.st_mode, status.st_size, status.st_mtime_ns)
    if stat.S_ISLNK(status.st_mode):
        return (*same, path.readlink())
    if stat.S_ISREG(status.st_mode) and status.st_size <= HASHED:
        return (*same, hashlib.sha256(path.read_bytes()).hexdigest())
    return same


def check_invariants(outcome: Outcome, arguments: list[str]) -> None:
    """What must hold for every command line and input."""
    text = outcome.stdout + outcome.stderr
    assert outcome.code in (0, 1, 2, 3), f"ended with {outcome.code}: {text[-2000:]}"
    assert "Traceback" not in text
    assert not outcome.stderr.startswith("Error: unexpected "), outcome.stderr
    assert len(outcome.stderr.splitlines()) <= MOST_LINES, outcome.stderr
    shown = {character for character in text if unicodedata.category(character) in NEVER_SHOWN}
    assert shown <= {"\n"}, f"shown as they are: {sorted(map(ascii, shown))}"
    assert outcome.peak < MOST_MEMORY
    assert "--output" in arguments or outcome.touched == ()
    if outcome.code >= 2:
        assert re.fullmatch(r"Error: .+\nHint: .+\n", outcome.stderr), outcome.stderr
    if "json" not in arguments:
        assert len(outcome.stdout) < MOST_OUTPUT


def named(cases: list[Case]) -> list[Any]:
    """The cases as parameters. What files and configurations alone are refused for says nothing
    of a release."""
    own = [case for case in (*BROKEN, *WRONG, *BOMBS) if case.code == 3] + ADVICE
    return [
        pytest.param(
            case,
            id=ascii(f"{case.situation}: {shown_command(case)}"),
            marks=[pytest.mark.newest] if case in own else [],
        )
        for case in cases
    ]


def shown_command(case: Case) -> str:
    """The command, with a placeholder for the string full of escapes."""
    return case.command.replace(shlex.quote(ESCAPES), "ESCAPES").replace(
        f"./{ESCAPES}", "./ESCAPES"
    )


@pytest.mark.parametrize("case", named([case for cases in SECTIONS.values() for case in cases]))
def test_named_case(case: Case, warm: Warm, tmp_path: Path) -> None:
    case.make(tmp_path)
    before = contents(tmp_path)
    arguments = shlex.split(case.command)
    outcome = warm.run(arguments, tmp_path, stdout=case.stdout, limits=case.limits)
    check_invariants(outcome, arguments)
    assert outcome.code == case.code, outcome.stdout + outcome.stderr
    assert contents(tmp_path) == before
    assert not (tmp_path / MARKER).exists()
    if case.code >= 2:
        sentence = outcome.stderr.splitlines()[0].removeprefix("Error: ")
        assert case.pattern().fullmatch(sentence), sentence
        if case.hint is not None:
            assert outcome.stderr.splitlines()[1] == f"Hint: {case.hint}"
    else:
        assert case.pattern().search(words(outcome.stdout, arguments)), outcome.stdout


def words(product: str, arguments: list[str]) -> str:
    """The product's text on one line, without the tags of SVG and HTML."""
    if {"svg", "terminal"} & set(arguments):
        product = "".join(ElementTree.fromstring(product).itertext())
    elif "html" in arguments:
        product = html.unescape(re.sub(r"<[^>]*>", "", product))
    return " ".join(product.split())


@pytest.mark.newest
def test_what_is_touched_is_seen(warm: Warm, tmp_path: Path) -> None:
    refused = warm.run(["run", "owner/name"], tmp_path)
    assert refused.code == 3
    assert any(event.startswith("socket.getaddrinfo") for event in refused.touched)
    written = warm.run(["run", "--output", "map.txt", "--attention", "eager"], tmp_path)
    assert written.code == 0, written.stderr
    assert [event.split()[0] for event in written.touched] == ["open", "os.rename", "os.remove"]
    assert list(contents(tmp_path)) == ["map.txt"]


# Generated

OFTEN_RUN = ("run checkpoint", "run checkpoint --text abc --format github")
EVERYWHERE = ("run checkpoint --format json", "tree checkpoint --format markdown")
TEXTS = st.one_of(st.text(max_size=5), st.sampled_from((ESCAPES, "../x", "eager", "roberta", "0")))
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 60),
    st.integers(-(2**70), 2**70),
    st.sampled_from((10**5, 10**7, 10**9, 10**12, 2**31, 2**63 - 1)),
    st.floats(),
    TEXTS,
)
VALUES = st.one_of(
    SCALARS,
    SCALARS,
    st.lists(SCALARS, max_size=3),
    st.dictionaries(st.one_of(TEXTS, st.integers(0, 4).map(str)), SCALARS, max_size=4),
    st.just(...),
)
OTHER_FIELDS = (
    *("attn_implementation", "auto_map", "gradient_checkpointing", "is_encoder_decoder"),
    *("layer_types", "max_length", "model_type", "num_key_value_heads", "pruned_heads"),
    *("quantization_config", "rope_scaling", "torchscript", "transformers_version"),
)
"""Fields that the tool does not check, and transformers may read."""

PLAUSIBLE = (
    ("attn_implementation", "eager"),
    ("chunk_size_feed_forward", 4),
    ("classifier_dropout", 1.0),
    ("dtype", "float16"),
    ("hidden_act", "relu"),
    ("id2label", {"0": ESCAPES, "1": "b" * 10**5, "2": ""}),
    ("id2label", ...),
    ("is_decoder", True),
    ("label2id", ...),
    ("layer_norm_eps", 1e30),
    ("max_position_embeddings", 10**9),
    ("num_attention_heads", 16),
    ("num_hidden_layers", 4),
    ("num_hidden_layers", 3000),
    ("num_labels", 3),
    ("num_labels", 10**9),
    ("output_attentions", True),
    ("pad_token_id", 39),
    ("position_embedding_type", "relative_key"),
    ("problem_type", "multi_label_classification"),
    ("problem_type", "regression"),
    ("return_dict", False),
    ("torchscript", True),
    ("vocab_size", 10**9),
)
"""Fields and values that are valid one by one."""

EXAMPLES = pytest.mark.parametrize(
    ("examples", "commands"),
    [
        (25, EVERYWHERE),
        pytest.param(225, OFTEN_RUN, marks=[pytest.mark.newest, pytest.mark.slow]),
    ],
)
"""How many, and of what: 25 on every release, 250 on the newest."""


@st.composite
def changed_configs(draw: st.DrawFn, config: bytes) -> bytes:
    """A `config.json` with other values in some fields, or other bytes in some places."""
    how = draw(st.sampled_from(("any value", "plausible values", "plausible values", "bytes")))
    if how == "bytes":
        return draw(changed_bytes(config, range(len(config))))
    names = st.one_of(st.sampled_from((*FIELD_RULES, *OTHER_FIELDS)), TEXTS)
    pairs = st.tuples(names, VALUES) if how == "any value" else st.sampled_from(PLAUSIBLE)
    changes = dict(draw(st.lists(pairs, min_size=1, max_size=3)))
    values = {**json.loads(config), **changes}
    return json.dumps({name: value for name, value in values.items() if value is not ...}).encode()


@st.composite
def changed_weights(draw: st.DrawFn, content: bytes) -> bytes:
    """A safetensors file with another header, another length, or other bytes in some places."""
    how = draw(st.sampled_from(("header", "header", "bytes of the header", "any bytes", "length")))
    header, data = split(content)
    if how == "header":
        for _ in range(draw(st.integers(1, 3))):
            header = draw(changed_headers(header))
        return joined(header, data)
    if how == "length":
        return content[: draw(st.integers(0, len(content)))] + draw(st.binary(max_size=4))
    end = len(content) - len(data) if how == "bytes of the header" else len(content)
    return draw(changed_bytes(content, range(end)))


@st.composite
def changed_headers(draw: st.DrawFn, header: dict[str, Any]) -> dict[str, Any]:
    """The header with one tensor taken out, named otherwise, or described otherwise."""
    if not header:
        return header
    name = draw(st.sampled_from(sorted(header)))
    rest = {key: tensor for key, tensor in header.items() if key != name}
    how = draw(st.sampled_from(("gone", "renamed", "replaced", "dtype", "shape", "data_offsets")))
    if how == "gone":
        return rest
    if how == "renamed":
        return {**rest, draw(st.one_of(TEXTS, st.sampled_from(sorted(header)))): header[name]}
    if how == "replaced" or not isinstance(header[name], dict):
        return {**rest, name: draw(SCALARS)}
    sizes = st.lists(st.one_of(st.integers(0, 60), SCALARS), max_size=3)
    value = draw(st.one_of(st.sampled_from(sorted(BITS)), TEXTS) if how == "dtype" else sizes)
    return {**rest, name: {**header[name], how: value}}


@st.composite
def changed_bytes(draw: st.DrawFn, content: bytes, where: range) -> bytes:
    """The content with one to four of the bytes in that range overwritten."""
    changed = bytearray(content)
    places = st.integers(where.start, where.stop - 1)
    for place in draw(st.lists(places, min_size=1, max_size=4)):
        changed[place] = draw(st.one_of(st.sampled_from(b' "0123456789'), st.integers(0, 255)))
    return bytes(changed)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """The checkpoint that is mutated: one layer."""
    return make_checkpoint(tmp_path / "checkpoint", tiny_model(num_hidden_layers=1), tokenizer=True)


@EXAMPLES
@pytest.mark.parametrize(
    ("name", "changed"), [("config.json", changed_configs), (WEIGHTS, changed_weights)]
)
def test_generated(
    name: str, changed: Any, examples: int, commands: tuple[str, ...], warm: Warm, small: Path
) -> None:
    path = small / name
    original = path.read_bytes()

    @settings(max_examples=examples, suppress_health_check=list(HealthCheck))
    @given(content=changed(original), command=st.sampled_from(commands))
    def holds(content: bytes, command: str) -> None:
        path.write_bytes(content)
        before = contents(small.parent)
        arguments = shlex.split(command)
        outcome = warm.run(arguments, small.parent)
        check_invariants(outcome, arguments)
        assert "memory of this machine is not enough" not in outcome.stderr
        assert contents(small.parent) == before

    holds()


# Whole processes


def started(arguments: str, folder: Path, **streams: Any) -> subprocess.Popen[str]:
    """`roberta-inspect` as a process of its own, Ctrl-C not ignored even if it is here."""
    return subprocess.Popen(
        [sys.executable, "-m", "roberta_inspect", *shlex.split(arguments)],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        **streams,
    )


def has_mapped(process: subprocess.Popen[str], name: str) -> bool:
    """Whether the process has mapped a file of that name; it must still be running."""
    assert process.poll() is None, "it ended before it was at work"
    return name in Path(f"/proc/{process.pid}/maps").read_text(encoding="utf-8")


def in_a_shell(code: int) -> int:
    """The exit code as a shell reports it: Python ends some interrupted processes by the signal."""
    return code if code >= 0 else 128 - code


@pytest.mark.newest
def test_interrupted_while_working(tmp_path: Path) -> None:
    case = INTERRUPTED
    case.make(tmp_path)
    before = contents(tmp_path)
    process = started(case.command, tmp_path, stdout=subprocess.PIPE)
    while not has_mapped(process, WEIGHTS):
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert (in_a_shell(process.returncode), stdout, stderr) == (case.code, "", f"{case.shown}\n")
    assert contents(tmp_path) == before


@pytest.mark.newest
def test_interrupted_before_the_command_has_started() -> None:
    code = (
        "from roberta_inspect import __main__\n"
        "from roberta_inspect.cli import commands\n"
        "def app():\n    raise KeyboardInterrupt\n"
        "commands.app = app\n"
        "__main__.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "Interrupted.\n")


@pytest.mark.newest
def test_a_reader_that_goes_away(tmp_path: Path) -> None:
    case = PIPE_CLOSED
    case.make(tmp_path)
    read, write = os.pipe()
    os.close(read)
    process = started(case.command, tmp_path, stdout=write)
    os.close(write)
    stderr = process.communicate(timeout=60)[1]
    assert (in_a_shell(process.returncode), stderr) == (case.code, case.shown)


# The page

INTRODUCTION = """# Broken, wrong and hostile checkpoints

People point this tool at files that they did not make. Nothing in a checkpoint may crash it, run
code, fill the memory or write to the terminal. Each row below is a test: what is given, the command
to run, how it ends and what it says. Where the exit code is 2 or more, the sentence is the line
that follows `Error:` on stderr, and one line with a hint follows it. Otherwise it is what the
product shows. An ellipsis stands for what another machine or another release may say otherwise.
`ESCAPES` is a string of Rich markup, ANSI and OSC escape sequences, a carriage return, a
right-to-left mark, line breaks, a GitHub annotation and HTML.

Beside these, the tests change configurations and weight files at random: 250 times each on the
newest release, 25 times on the others. The following holds of every case, named or generated;
Ctrl-C and a reader that goes away have the exit codes that a shell gives them:

- The exit code is 0, 1, 2 or 3, and there is no traceback.
- No more than two lines are on stderr, and no control character but the newline is in any output.
- Less than 1 GiB of memory is in use at any time, and it ends within 60 seconds.
- The files are the same afterwards, none was added, and nothing but `--output` was opened to write.
- No process is started but the one that tries a tokenizer, and no network address is asked for.
- A pickle is read as data before torch sees it: its opcodes, calls and storages are checked, and
  its records are as large as they say. Only what rebuilds tensors passes.
- A tokenizer is loaded and run in a child process first, within 768 MiB and 30 seconds.
- `--output` replaces a file that is empty or begins as an output of this tool does, and no other;
  never one that the command reads, whatever it is called. `--output -` is stdout.
- Of a file on the Hub the size, the ETag and the commit are checked before it is fetched. The Hub
  is asked again three times where it is busy, each wait is said on stderr, and a download ends that
  is slower than 10,000 bytes a second. A server that answers the same question in two ways can
  still deceive.
- After Ctrl-C and SIGTERM the exit codes are 130 and 143, and nothing half-written is left.

A fuzz by itself passes a thousand values that nobody means to the functions, and as many to saved
maps, `config.json` and `tokenizer_config.json`. `ROBERTA_INSPECT_FUZZ_CASES=1000 pytest -rP
tests/fuzz` says how each ended; `ROBERTA_INSPECT_FUZZ_SEED` is where it starts.

Permissions do not bind the administrator, whom tests often run as. What cannot be read or written
is therefore tested with files under `/proc`, which bind everybody.
"""


def page() -> str:
    """The page, from the cases."""
    return "\n".join([INTRODUCTION, *(section(*item) for item in _sections().items())])


def _sections() -> dict[str, list[Case]]:
    *first_sections, last = SECTIONS.items()
    return {**dict(first_sections), last[0]: [*last[1], INTERRUPTED, PIPE_CLOSED]}


def section(title: str, cases: list[Case]) -> str:
    """One heading and the table of its cases."""
    rows = [
        f"| {safe(case.situation)} | {code(shown_command(case))} "
        f"| {case.code} | {code(case.shown)} |"
        for case in cases
    ]
    head = ["| given | command | exit code | sentence |", "|---|---|---|---|"]
    return "\n".join([f"## {title}", "", *head, *rows, ""])


def code(text: str) -> str:
    """A code span in a table."""
    shown = safe(text, longest=300).replace("|", "\\|")
    return f"`{shown}`" if shown else ""


def test_the_page_is_that_of_the_cases(same_as_file: Any) -> None:
    same_as_file(page(), PAGE)
