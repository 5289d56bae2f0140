"""docs/benchmarks.md, from the results of `benchmark.py`."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmark import Inside, Ratio, Results

UNITS = {"wall": "wall time", "memory": "peak memory"}

INTRODUCTION = """\
# Benchmarks

<!-- written by tests/tools/benchmark.py -->

What `roberta-inspect` costs, beside the shortest scripts that do the same work and beside other
tools that look at models. A target is a limit that this project sets itself."""

HOW = """\
## How it is measured

Each command runs as a process of its own, from start to exit. After one warm-up of each, all
commands run one after the other, in rounds, and the page shows medians and ratios of medians. The
checkpoints have random weights and stand in the cache of the file system; base size means 12 layers
of 768, a vocabulary of 32000 and 30 labels.

The numbers hold for one machine, and whatever else ran on it moved them: a ratio that is close to
its target may fall on either side the next time, and a load average far above 1 before or after
makes all of them doubtful. For a cold start the installed packages and the checkpoints are dropped
from the cache of the file system before each command. Peak memory counts the pages of the weight
file that were read.

The other tools do other work, so their ratios have no target. torchinfo, the debugger of
transformers and TorchLens call the model once and prove nothing, where `run` makes six calls and
tests every meaning; TorchLens records every operation, which `run` does not."""

WITHIN = """\
Everything is imported and loaded before. Processor time is compared, which is the time of all
threads; the largest input is measured in half the rounds."""


def page(results: Results) -> str:
    """docs/benchmarks.md."""
    machine = f"{os.cpu_count()} cores ({processor()}), {memory() / 2**30:.0f} GiB of memory"
    before, after = results.loads
    packages = ", ".join(f"{name} {number}" for name, number in results.versions.items())
    scripts = "\n\n".join(
        f"`{name}`:\n\n<!-- not run: loads a checkpoint of the benchmark -->\n```python\n{code}```"
        for name, code in results.scripts.items()
    )
    ratios = [ratio_row(results, ratio) for ratio in results.ratios]
    within = inside_rows(results.inside, results.targets)
    sections = [
        f"{INTRODUCTION} {summary([*ratios, *within])}".strip(),
        f"Measured on {machine}, {platform.system()}, Python {platform.python_version()}, "
        f"{packages}; rounds: {results.rounds}; load average {before:.1f} before and "
        f"{after:.1f} after. The command:\n\n```sh\n{results.command}\n```",
        table(
            "Ratios",
            ("command", "beside", "of", "ratio", "target", ""),
            ratios,
        ),
        table(
            "Within one process, base size, processor time",
            ("batch_size × sequence_length", "what", "beside", "ratio", "target", ""),
            within,
            WITHIN,
        ),
        table(
            "Each process",
            ("command", "wall seconds, median (range)", "processor seconds", "peak memory, MB"),
            [process_row(command, results) for command in results.samples],
        ),
        table(
            "Cold start",
            ("command", "wall seconds, files not in the cache", "in the cache"),
            [cold_row(command, results) for command in results.cold],
        ),
        HOW,
        f"## The scripts\n\n{scripts}" if scripts else "",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def summary(rows: Sequence[Sequence[str]]) -> str:
    """How many of the targets are met."""
    verdicts = [row[-1] for row in rows if row[-2]]
    return f"{verdicts.count('met')} of {len(verdicts)} targets are met." if verdicts else ""


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]], before: str = "") -> str:
    """A section with one Markdown table, after a text; nothing where there are no rows."""
    lines = [head, ["---"] * len(head), *rows]
    drawn = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    return "\n\n".join(filter(None, (f"## {title}", before, drawn))) if rows else ""


def verdict(ratio: float, target: float | None) -> tuple[str, str, str]:
    """Three cells: the ratio, the target, and whether it is met."""
    if target is None:
        return (f"{ratio:.3f}", "", "")
    return (f"{ratio:.3f}", f"≤ {target}", "met" if ratio <= target else "**not met**")


def ratio_row(results: Results, ratio: Ratio) -> tuple[str, ...]:
    """One comparison of two processes."""
    first = (f"`{ratio.command}`", f"`{ratio.baseline}`", UNITS[ratio.unit])
    if ratio.baseline in results.lacking:
        return (*first, "", "", f"{results.lacking[ratio.baseline]} is not installed")
    ours, baseline = (
        results.middle(command, ratio.unit) for command in (ratio.command, ratio.baseline)
    )
    return (*first, *verdict(ours / baseline, ratio.target))


def inside_rows(
    inside: Mapping[tuple[int, int], Inside], targets: Mapping[tuple[int, int], float]
) -> list[tuple[str, ...]]:
    """What `inspect` costs beside bare forwards, and what it adds to those that a map is about."""
    rows = []
    for size, taken in inside.items():
        words = " × ".join(map(str, size))
        four, six = (
            f"{count} bare forwards, {seconds:.3f} s"
            for count, seconds in (("four", taken.four), ("six", taken.six))
        )
        whole, added = taken.inspected, taken.inspected - taken.six
        rows += [
            (words, f"`inspect`, {whole:.3f} s", four, *verdict(whole / taken.four, None)),
            (words, "six observed forwards", six, *verdict(taken.observed / taken.six, None)),
            (
                words,
                f"what `inspect` adds to six forwards, {added:.3f} s",
                six,
                *verdict(added / taken.six, targets[size]),
            ),
        ]
    return rows


def cold_row(command: str, results: Results) -> tuple[str, ...]:
    """The medians of a command with its files out of the cache, and in it."""
    cold = median(sample.wall for sample in results.cold[command])
    warm = results.samples.get(command)
    beside = f"{median(sample.wall for sample in warm):.2f}" if warm else ""
    return (f"`{command}`", f"{cold:.2f}", beside)


def process_row(command: str, results: Results) -> tuple[str, ...]:
    """The medians of one process."""
    walls = [sample.wall for sample in results.samples[command]]
    wall, cpu, peak = (results.middle(command, unit) for unit in ("wall", "processor", "memory"))
    return (
        f"`{command}`",
        f"{wall:.2f} ({min(walls):.2f} – {max(walls):.2f})",
        f"{cpu:.2f}",
        f"{peak:.0f}",
    )


def processor() -> str:
    """The name of the processor."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def memory() -> int:
    """The memory of this machine, in bytes."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
