"""The whole suite on every supported release of transformers: `nox`, or `nox -s 'release(4.40.2)'`.

All releases share the torch and the test tools of the environment that nox runs in; each brings a
folder of its own with transformers and what it needs, which is kept between runs. A test that is
skipped is counted with its reason, and one that fails fails the matrix.
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

rows: dict[str, str] = {}


def installed(release: str) -> Path:
    """The folder with that release and its own dependencies, which torch is none of."""
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    folder = FOLDERS / python / release
    if not folder.is_dir():
        # An installation that was cut short must not be taken for a whole one.
        unfinished = folder.with_name(f"{release}.unfinished")
        pip = [sys.executable, "-m", "pip", "install", "-qq", "--target", str(unfinished)]
        wanted = [f"transformers=={release}", *beside(release)]
        for last in (False, True):
            shutil.rmtree(unfinished, ignore_errors=True)
            if not subprocess.run([*pip, *wanted], check=last).returncode:
                break
        unfinished.rename(folder)
    return folder


def beside(release: str) -> list[str]:
    """transformers 4 was made for numpy 1, which has no wheels for Python 3.13."""
    return ["numpy<2"] if release.startswith("4.") and sys.version_info < (3, 13) else []


@nox.session
@nox.parametrize("release", RELEASES, ids=RELEASES)
def release(session: nox.Session, release: str) -> None:
    """The suite on one release; its closing line goes into the summary."""
    environment = {**os.environ, "TRANSFORMERS_RELEASE": release}
    if release != RELEASES[-1]:
        environment["PYTHONPATH"] = str(installed(release))
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "-m", "", *session.posargs]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    lines = done.stdout.strip().splitlines() or ["no output"]
    rows[release] = lines[-1].strip("= ")
    for reason, count in skipped(lines).most_common():
        session.log(f"skipped {count}: {reason}")
    if done.returncode:
        print(done.stdout, done.stderr, sep="\n")
        session.error(f"transformers {release}: {rows[release]}")


def skipped(lines: list[str]) -> Counter[str]:
    """The reasons in pytest's summary, with the number of tests that each kept from running."""
    reasons: Counter[str] = Counter()
    for line in lines:
        if told := re.fullmatch(r"SKIPPED \[(\d+)\] \S+: (.+)", line):
            reasons[told[2]] += int(told[1])
    return reasons


@nox.session
def summary(session: nox.Session) -> None:
    """One row per release: passed, failed, skipped."""
    for each in RELEASES:
        print(f"transformers {each:<8} {rows.get(each, 'not run')}")
    missing = [each for each in RELEASES if each not in rows]
    if missing:
        session.error(f"not run: {', '.join(missing)}")
