"""The same environment for every test: 80 columns, no colour settings, no network, one thread."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from functools import partialmethod
from importlib.metadata import version
from inspect import signature
from pathlib import Path

import pytest
from hypothesis import settings

ENVIRONMENT = {
    "COLUMNS": "80",
    "HF_HUB_OFFLINE": "1",
    # The libraries read these when they are imported: later imports and processes have them too.
    "OMP_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
UNSET = (
    "CLICOLOR_FORCE",
    "FORCE_COLOR",
    "GITHUB_ACTIONS",
    "HF_ENDPOINT",
    "HF_TOKEN",
    "LINES",
    "NO_COLOR",
    "PY_COLORS",
    "ROBERTA_INSPECT_DEBUG",
    "TTY_COMPATIBLE",
    "TTY_INTERACTIVE",
)

# A process in the background ignores Ctrl-C, and so would the processes of the tests.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Generated examples are the same every time, and none takes too long: machines differ.
settings.register_profile("repeatable", derandomize=True, database=None, deadline=None)
settings.load_profile("repeatable")

os.environ.update(ENVIRONMENT)
for name in UNSET:
    os.environ.pop(name, None)


def pytest_configure() -> None:
    """Make click before 8.2 return stderr apart and within `output`, as later releases do."""
    from typer.testing import CliRunner, Result

    if "mix_stderr" in signature(CliRunner.__init__).parameters:
        CliRunner.__init__ = partialmethod(CliRunner.__init__, mix_stderr=False)
        Result.output = property(lambda result: result.stdout + result.stderr)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update",
        action="store_true",
        help="Write anew what tests compare with a file: goldens, schemas, the documentation with "
        "its pictures, and the maps of the release that is imported.",
    )


@pytest.fixture(scope="session")
def update(request: pytest.FixtureRequest) -> bool:
    """Whether files are rewritten instead of compared."""
    return bool(request.config.getoption("--update"))


@pytest.fixture(scope="session")
def same_as_file(update: bool) -> Callable[[str, Path], None]:
    """Assert that a file holds a text; with `--update` the file is written first."""

    def compare(text: str, path: Path) -> None:
        if update:
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8"), f"--update would change {path.name}"

    return compare


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked `newest` hold on the release in constraints.txt alone: say so elsewhere.

    TRANSFORMERS_RELEASE names the release to be tested; any other one is refused.
    """
    pins = (Path(__file__).parent / "constraints.txt").read_text(encoding="utf-8").splitlines()
    newest = next(pin.partition("==")[2] for pin in pins if pin.startswith("transformers=="))
    imported = version("transformers")
    release = os.environ.get("TRANSFORMERS_RELEASE", imported)
    if release != imported:
        raise pytest.UsageError(f"transformers {release} was to be tested, {imported} is imported")
    if imported != newest:
        reason = f"holds on transformers {newest} only, this is {imported}"
        for item in items:
            if item.get_closest_marker("newest"):
                item.add_marker(pytest.mark.skip(reason=reason))
