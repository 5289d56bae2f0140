"""The whole suite on every supported release of transformers: `nox`, or `nox -s 'release(4.40.2)'`.

All releases share the torch and the test tools of the environment that nox runs in; each brings a
folder of its own with transformers and what it needs, which is kept between runs.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import nox

RELEASES = Path(__file__).with_name("tests").joinpath("releases.txt").read_text().split()
FOLDERS = Path(
    os.environ.get("ROBERTA_INSPECT_RELEASES", Path.home() / ".cache/roberta-inspect/releases")
)
"""Holds one folder per version of Python and of transformers."""

nox.options.default_venv_backend = "none"
nox.options.error_on_missing_interpreters = True

rows: dict[str, str] = {}


def installed(release: str) -> Path:
    """The folder with that release, its own dependencies and no torch."""
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    folder = FOLDERS / python / release
    if not (folder / "transformers").is_dir():
        beside = ["numpy<2"] if release.startswith("4.") else []
        wanted = [f"transformers=={release}", *beside]
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder)]
        subprocess.run([*command, *wanted], check=True)
    return folder


@nox.session
@nox.parametrize("release", RELEASES)
def release(session: nox.Session, release: str) -> None:
    """The suite on one release; its closing line goes into the summary."""
    newest = release == RELEASES[-1]
    environment = {**os.environ, "TRANSFORMERS_RELEASE": release, "COLUMNS": "80"}
    if not newest:
        environment["PYTHONPATH"] = str(installed(release))
    chosen = [] if newest else ["-m", "not newest"]
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", *chosen, *session.posargs]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    lines = done.stdout.strip().splitlines() or [done.stderr.strip() or "no output"]
    rows[release] = re.sub(r" in [\d.]+s.*$", "", lines[-1].strip("= "))
    if done.returncode:
        print(done.stdout, done.stderr, sep="\n")
        session.error(f"transformers {release}: {rows[release]}")
    session.log("\n".join(line for line in lines if line.startswith("SKIPPED")))


@nox.session
def summary(session: nox.Session) -> None:
    """One row per release: passed, failed, skipped."""
    for each in RELEASES:
        print(f"transformers {each:<8} {rows.get(each, 'not run')}")
    missing = [each for each in RELEASES if each not in rows]
    if missing:
        session.error(f"not run: {', '.join(missing)}")
