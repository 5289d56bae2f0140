"""The suite on every supported release of transformers: `nox`, or `nox -s 'release(4.40.2)'`.

All share the test tools of the environment that nox runs in, and the releases its torch; each
brings a folder of its own with transformers and what it needs, which is kept between runs. A test
that is skipped is counted with its reason, and one that fails fails the matrix. `minima` is a row
too: the lowest versions that `pyproject.toml` allows, torch included, whose old wheels bring 5 GB
of CUDA.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import nox

RELEASES = Path(__file__).with_name("tests").joinpath("releases.txt").read_text().split()
FOLDERS = Path(
    os.environ.get("ROBERTA_INSPECT_RELEASES", Path.home() / ".cache/roberta-inspect/releases")
)
"""Holds one folder per version of Python and of transformers."""

nox.options.default_venv_backend = "none"

PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"

PROJECT = nox.project.load_toml("pyproject.toml")["project"]
LOWEST = dict(line.split(">=") for line in PROJECT["dependencies"])
"""Name of a dependency → the lowest version that is allowed."""

rows: dict[str, str] = {}


def installed(name: str, requirements: list[str]) -> Path:
    """The folder of that name, with these and their own dependencies."""
    folder = FOLDERS / PYTHON / name
    if not folder.is_dir():
        # An installation that was cut short must not be taken for a whole one.
        unfinished = folder.with_name(f"{name}.unfinished")
        pip = [sys.executable, "-m", "pip", "install", "-qq", "--target", str(unfinished)]
        for last in (False, True):
            shutil.rmtree(unfinished, ignore_errors=True)
            if not subprocess.run([*pip, *requirements], check=last).returncode:
                break
        unfinished.rename(folder)
    return folder


def beside(release: str) -> list[str]:
    """transformers 4 was made for numpy 1, which has no wheels for Python 3.13."""
    return ["numpy<2"] if release.startswith("4.") and sys.version_info < (3, 13) else []


def suite(
    session: nox.Session, row: str, variables: dict[str, str], marks: str = "not slow"
) -> None:
    """The tests with these marks; the closing line goes into the summary."""
    command = [sys.executable, "-m", "pytest", "-q", "-m", marks, *session.posargs]
    environment = {**os.environ, **variables}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    lines = done.stdout.strip().splitlines() or ["no output"]
    rows[row] = lines[-1].strip("= ")
    for reason, count in skipped(lines).most_common():
        session.log(f"skipped {count}: {reason}")
    if done.returncode:
        print(done.stdout, done.stderr, sep="\n")
        session.error(f"{row}: {rows[row]}")


@nox.session
@nox.parametrize("release", RELEASES, ids=RELEASES)
def release(session: nox.Session, release: str) -> None:
    """The suite on one release; on the last one what is slow too."""
    variables = {"TRANSFORMERS_RELEASE": release}
    if release != RELEASES[-1]:
        folder = installed(release, [f"transformers=={release}", *beside(release)])
        variables["PYTHONPATH"] = str(folder)
    marks = "" if release == RELEASES[-1] else "not slow"
    suite(session, f"transformers {release}", variables, marks)


@nox.session
def minima(session: nox.Session) -> None:
    """The suite on the lowest versions that `pyproject.toml` allows."""
    wanted = [f"{name}=={version}" for name, version in LOWEST.items()]
    folder = installed(
        "-".join(["minima", *LOWEST.values()]), wanted + beside(LOWEST["transformers"])
    )
    variables = {"PYTHONPATH": str(folder), "TRANSFORMERS_RELEASE": LOWEST["transformers"]}
    suite(session, "minima", variables)


def skipped(lines: list[str]) -> Counter[str]:
    """The reasons in pytest's summary, with the number of tests that each kept from running."""
    reasons: Counter[str] = Counter()
    for line in lines:
        if told := re.fullmatch(r"SKIPPED \[(\d+)\] \S+: (.+)", line):
            reasons[told[2]] += int(told[1])
    return reasons


@nox.session
def summary(session: nox.Session) -> None:
    """One row per release, and one for the minima: passed, failed, skipped."""
    wanted = [*(f"transformers {release}" for release in RELEASES), "minima"]
    for row in wanted:
        print(f"{row:<21} {rows.get(row, 'not run')}")
    missing = [row for row in wanted if row not in rows]
    if missing:
        session.error(f"not run: {', '.join(missing)}")
