"""Compares the tool with the scripts that a user would write, and writes docs/benchmarks.md.

    python tests/tools/benchmark.py --rounds 5 --folder FOLDER [--peers PYTHON] [--only GROUP …]

The checkpoints and scripts are made in FOLDER once; every command runs there. `--peers` is the
interpreter that has torchinfo and torchlens beside the same torch and transformers.

The process that starts the others never imports torch, because Linux counts its memory into their
peak.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmark_page import page

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "benchmarks.md"

SIZES: dict[str, dict[str, int]] = {
    "tiny": {
        "vocab_size": 50,
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 40,
        "num_labels": 3,
    },
    "base": {"vocab_size": 32000, "max_position_embeddings": 514, "num_labels": 30},
    "large": {
        "vocab_size": 50265,
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "intermediate_size": 4096,
        "max_position_embeddings": 514,
        "num_labels": 3,
    },
}
"""How the configurations differ from `RobertaConfig()`, which is of base size."""

LOAD = """\
import sys
import torch
from transformers import RobertaForSequenceClassification

model = RobertaForSequenceClassification.from_pretrained(sys.argv[1], attn_implementation="eager")
ids = torch.arange(5, 37).view(2, 16)
inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
"""

SCRIPTS = {
    "four_calls.py": f"""{LOAD}\
flags = {{"output_hidden_states": True, "output_attentions": True}}
with torch.no_grad():
    for return_dict in (True, False):
        model(**inputs, **flags, return_dict=return_dict)
        model(**inputs, **flags, return_dict=return_dict, labels=torch.tensor([0, 2]))
""",
    "print_model.py": """\
import sys
from transformers import RobertaForSequenceClassification

print(RobertaForSequenceClassification.from_pretrained(sys.argv[1]))
""",
    "with_torchinfo.py": f"""{LOAD}\
import torchinfo

torchinfo.summary(model, input_data=inputs, depth=9, verbose=1)
""",
    "with_debugger.py": f"""{LOAD}\
from transformers import model_addition_debugger_context

with model_addition_debugger_context(model, debug_path="debugger", do_prune_layers=False):
    model(**inputs)
""",
    "with_torchlens.py": f"""{LOAD}\
import torchlens

with torch.no_grad():
    print(torchlens.trace(model, (), input_kwargs=inputs))
""",
}

PEERS = {"with_torchinfo.py": "torchinfo", "with_torchlens.py": "torchlens"}
"""Script → the package it needs beside those of the tool."""

RUN = "roberta-inspect run base --attention eager"
RUN_TINY = "roberta-inspect run tiny --attention eager"
FOUR_CALLS = "python four_calls.py base"
CONSUMERS = "roberta-inspect consumers tiny --attention eager"
IMPORT_TORCH = "python -c 'import torch'"
USAGE_ERROR = "roberta-inspect run --no-such-option"
DIFF = "roberta-inspect diff eager.json sdpa.json"

MAPS = {
    "eager.json": f"{RUN} --format json --output eager.json",
    "sdpa.json": "roberta-inspect run base --attention sdpa --format json --output sdpa.json",
}
EXIT_CODES = {USAGE_ERROR: 2, DIFF: 1}
"""The exit codes of commands that do not end with 0."""


@dataclass(frozen=True)
class Ratio:
    """A command compared with a baseline, by wall time (`wall`) or by peak memory (`memory`)."""

    group: str
    unit: str
    command: str
    baseline: str
    target: float | None = None
    """The largest ratio that meets the target; `None` where there is none."""


RATIOS = (
    Ratio("help", "wall", "roberta-inspect --help", IMPORT_TORCH, 0.15),
    Ratio("help", "wall", USAGE_ERROR, IMPORT_TORCH, 0.15),
    Ratio("diff", "wall", DIFF, IMPORT_TORCH, 0.15),
    Ratio("run", "wall", RUN, FOUR_CALLS, 0.9),
    Ratio("run", "memory", RUN, FOUR_CALLS, 1.1),
    *(
        Ratio("tree", "wall", f"roberta-inspect tree {size}", f"python print_model.py {size}", 0.85)
        for size in SIZES
    ),
    Ratio("sizes", "wall", "roberta-inspect tree large", "roberta-inspect tree tiny", 1.15),
    Ratio("sizes", "memory", "roberta-inspect tree large", "roberta-inspect tree tiny", 1.1),
    Ratio("matrix", "memory", f"{RUN} --matrix", RUN, 1.05),
    Ratio("consumers", "wall", CONSUMERS, RUN_TINY),
    Ratio("consumers", "memory", CONSUMERS, RUN_TINY),
    *(
        Ratio("peers", unit, f"roberta-inspect {command}", f"python {script} {size}")
        for size in ("tiny", "base")
        for command, script in (
            (f"tree {size}", "with_torchinfo.py"),
            (f"run {size} --attention eager", "with_debugger.py"),
            (f"run {size} --attention eager", "with_torchlens.py"),
        )
        for unit in ("wall", "memory")
    ),
)
INSIDE = "inside"
"""The group that is measured within one process, in which everything is imported and loaded."""

INPUTS = {(2, 16): 0.8, (4, 256): 0.5, (8, 512): 0.5}
"""Rows and tokens per row of the group `inside` → the largest part of the six bare forwards that
`inspect` may add to them."""

COLD = "cold"
"""The group of commands whose files are not in the cache of the file system."""

COLD_STARTS = (IMPORT_TORCH, "roberta-inspect --help", FOUR_CALLS, RUN)

GROUPS = [*dict.fromkeys(ratio.group for ratio in RATIOS), COLD, INSIDE]
PACKAGES = ["roberta-inspect", "torch", "transformers", "torchinfo", "torchlens"]


@dataclass(frozen=True)
class Sample:
    """What one whole process took."""

    wall: float
    """Seconds."""
    processor: float
    """Seconds, in user mode and in the kernel, of all threads."""
    memory: float
    """The largest resident set, in MB."""


@dataclass(frozen=True)
class Bench:
    """Where the commands run, and with which interpreters."""

    folder: Path
    peers: str

    def lacks(self, command: str, versions: Mapping[str, str]) -> str | None:
        """The package that this command needs and that is not installed."""
        needed = PEERS.get(shlex.split(command)[1])
        return needed if needed and needed not in versions else None

    def arguments(self, command: str) -> list[str]:
        """The command with its interpreter, or with the installed console script."""
        first, *rest = shlex.split(command)
        if first == "roberta-inspect":
            return [str(Path(sys.executable).parent / first), *rest]
        return [self.peers if rest[0] in PEERS else sys.executable, *rest]

    def sample(self, command: str) -> Sample:
        """Run the command once as a process of its own."""
        with tempfile.TemporaryFile() as printed:
            start = time.perf_counter()
            process = subprocess.Popen(
                self.arguments(command),
                cwd=self.folder,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=printed,
            )
            _, status, usage = os.wait4(process.pid, 0)
            wall = time.perf_counter() - start
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode != EXIT_CODES.get(command, 0):
                printed.seek(0)
                output = printed.read().decode(errors="replace")
                raise SystemExit(f"{command} ended with {process.returncode}:\n{output}")
        in_bytes = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        return Sample(wall, usage.ru_utime + usage.ru_stime, in_bytes / 1e6)

    def samples(
        self, commands: Sequence[str], rounds: int, *, cold: bool = False
    ) -> dict[str, list[Sample]]:
        """One warm-up of each command, then `rounds` rounds of all commands in turn. With `cold`,
        the files of a command are dropped from the cache before it runs."""
        for command in commands:
            self.sample(command)
        taken: dict[str, list[Sample]] = {command: [] for command in commands}
        for number in range(1, rounds + 1):
            print(f"{'cold ' if cold else ''}round {number} of {rounds}", file=sys.stderr)
            for command in commands:
                if cold:
                    self.cool()
                taken[command].append(self.sample(command))
        return taken

    def cool(self) -> None:
        """Drop the installed packages and the checkpoints from the cache of the file system."""
        for folder in (Path(sysconfig.get_path("purelib")), self.folder):
            for path in folder.rglob("*"):
                if path.is_file():
                    with path.open("rb") as file:
                        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def prepare(self, commands: Iterable[str]) -> None:
        """Make the scripts, and the checkpoints and maps that the commands name."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for name, code in SCRIPTS.items():
            (self.folder / name).write_text(code, encoding="utf-8")
        words = {word for command in commands for word in shlex.split(command)}
        maps = [name for name in MAPS if name in words]
        for size in SIZES:
            needed = size in words or (maps and size == "base")
            if needed and not (self.folder / size / "model.safetensors").exists():
                inside("checkpoint", self.folder / size, json.dumps(SIZES[size]))
        for name in maps:
            self.sample(MAPS[name])


def environment() -> dict[str, str]:
    """The environment of a user: byte code is cached, and torch chooses the number of threads."""
    left_out = ("PYTHONDONTWRITEBYTECODE", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    inherited = {name: value for name, value in os.environ.items() if name not in left_out}
    return {**inherited, "HF_HUB_OFFLINE": "1"}


def inside(*arguments: Any) -> str:
    """What `benchmark_inside.py`, in a process of its own, prints."""
    command = [sys.executable, str(HERE / "benchmark_inside.py"), *map(str, arguments)]
    done = subprocess.run(command, env=environment(), stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


@dataclass(frozen=True)
class Inside:
    """What the forwards of one map take in one process: medians, in seconds of processor time."""

    four: float
    """Bare forwards, with flags."""
    six: float
    """Those and the two without flags."""
    observed: float
    """The six with hooks on every module."""
    inspected: float
    """All that `inspect` does: the six observed, claims, records and findings."""

    @classmethod
    def of(cls, folder: Path, size: tuple[int, int], rounds: int) -> Inside:
        """Measured on the base-size checkpoint with this many rows and tokens per row.

        The largest input takes minutes, so it gets half the rounds.
        """
        times = rounds if size != max(INPUTS) else max(1, rounds // 2)
        taken = json.loads(inside("parts", folder / "base", *size, times))
        return cls(**{part: median(sample[part] for sample in taken) for part in taken[0]})


@dataclass(frozen=True)
class Results:
    """Everything that the page shows."""

    command: str
    versions: Mapping[str, str]
    loads: tuple[float, float]
    """The load average over a minute, before and after all measurements."""
    rounds: int
    ratios: Sequence[Ratio]
    lacking: Mapping[str, str]
    """Command → the package it needs, which is not installed."""
    samples: Mapping[str, Sequence[Sample]]
    scripts: Mapping[str, str]
    cold: Mapping[str, Sequence[Sample]]
    """Of the commands whose files were dropped from the cache before."""
    inside: Mapping[tuple[int, int], Inside]
    """By rows and tokens per row."""
    targets: Mapping[tuple[int, int], float]
    """By the same, as in `INPUTS`."""

    def middle(self, command: str, unit: str) -> float:
        """The median of what a command took."""
        return median(getattr(sample, unit) for sample in self.samples[command])


def versions_of(python: str) -> dict[str, str]:
    """Package → version, of those that the page names and this interpreter has."""
    code = f"""
import importlib.metadata, json
packages = importlib.metadata.distributions()
print(json.dumps({{p.name: p.version for p in packages if p.name in {PACKAGES}}}))
"""
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    versions = json.loads(done.stdout)
    return {name: versions[name] for name in PACKAGES if name in versions}


def all_versions(peers: str) -> dict[str, str]:
    """The versions of this interpreter, and those of the peers, which must agree."""
    own, of_peers = versions_of(sys.executable), versions_of(peers)
    for name in ("torch", "transformers"):
        if own.get(name) != of_peers.get(name):
            raise SystemExit(f"--peers has {name} {of_peers.get(name)}, this has {own.get(name)}")
    return {**of_peers, **own}


def chosen_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Measures, and writes docs/benchmarks.md.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, required=True, help="for checkpoints and scripts")
    parser.add_argument("--peers", default=sys.executable, help="Python of torchinfo, torchlens")
    parser.add_argument("--only", nargs="+", choices=GROUPS, default=GROUPS, metavar="GROUP")
    parser.add_argument("--page", type=Path, default=PAGE, help="the file to write")
    return parser.parse_args()


def command_of(chosen: argparse.Namespace) -> str:
    """The command line as a reader would type it, without this machine's paths."""
    peers = [] if chosen.peers == sys.executable else ["--peers PYTHON"]
    only = [] if chosen.only == GROUPS else ["--only", *chosen.only]
    words = ["python tests/tools/benchmark.py --rounds", str(chosen.rounds), "--folder FOLDER"]
    return " ".join([*words, *peers, *only])


def main() -> None:
    """Measure, and write the page."""
    chosen = chosen_options()
    bench = Bench(chosen.folder.resolve(), chosen.peers)
    versions = all_versions(bench.peers)
    ratios = [ratio for ratio in RATIOS if ratio.group in chosen.only]
    named = dict.fromkeys(
        command for ratio in ratios for command in (ratio.baseline, ratio.command)
    )
    lacking = {command: name for command in named if (name := bench.lacks(command, versions))}
    commands = [command for command in named if command not in lacking]
    sizes = INPUTS if INSIDE in chosen.only else {}
    cold = COLD_STARTS if COLD in chosen.only else ()
    bench.prepare([*commands, *cold, *(["base"] if sizes else [])])
    before = os.getloadavg()[0]
    samples = bench.samples(commands, chosen.rounds)
    cold_samples = bench.samples(cold, chosen.rounds, cold=True)
    parts = {size: Inside.of(bench.folder, size, chosen.rounds) for size in sizes}
    results = Results(
        command=command_of(chosen),
        versions=versions,
        loads=(before, os.getloadavg()[0]),
        rounds=chosen.rounds,
        ratios=ratios,
        lacking=lacking,
        samples=samples,
        scripts={
            name: code for name, code in SCRIPTS.items() if name in " ".join([*commands, *cold])
        },
        cold=cold_samples,
        inside=parts,
        targets=INPUTS,
    )
    chosen.page.write_text(page(results), encoding="utf-8")


if __name__ == "__main__":
    main()
