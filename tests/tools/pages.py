"""Checks the pages of the documentation: runs their blocks and follows their links.

Each page runs in a folder of its own, where `my-roberta` lies, a copy of the demo. A console block
holds `$ ` lines, each followed by what the command prints (stdout and stderr); `$ echo $?` shows
the exit code. A Python block is executed, its `test_…` functions are called, and what it prints
stands in the text block that follows. `<!-- not run: reason -->` before a block exempts it.
"""

from __future__ import annotations

import contextlib
import difflib
import inspect
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from typer.testing import CliRunner

from roberta_inspect.cli.commands import app
from roberta_inspect.pytest_plugin import OutputContract

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
IMAGES = {"run.svg": "run --attention eager --format svg", "tree.svg": "tree --format svg"}
"""File in docs/images → the arguments of the command that writes it."""

BLOCK = re.compile(
    r"(?P<exempt><!-- not run: .+? -->\n\n?)?^```(?P<language>console|python)\n(?P<text>.*?)^```\n"
    r"(?P<printed>\n```text\n(?P<output>.*?)^```\n)?",
    re.M | re.S,
)
NEEDS_A_SHELL = re.compile(r"[|<>&;$*`~]")


def rewritten(text: str, folder: Path) -> str:
    """The page's text with the outputs that its blocks have when they are run in `folder`."""
    session = Session(folder)

    def again(block: re.Match[str]) -> str:
        if block["exempt"]:
            return block[0]
        if block["language"] == "console":
            return f"```console\n{console(block['text'], session)}```\n{block['printed'] or ''}"
        code = f"```python\n{block['text']}```\n"
        output = session.python(block["text"])
        return f"{code}\n```text\n{output}```\n" if output else code

    with surroundings(folder):
        return BLOCK.sub(again, text)


def console(text: str, session: Session) -> str:
    """A console block with the outputs that its commands have now."""
    commands = [line[2:] for line in text.splitlines() if line.startswith("$ ")]
    return "".join(f"$ {command}\n{session.shell(command)}" for command in commands)


@dataclass
class Session:
    """What the blocks of one page share: a folder, the last exit code, the Python names."""

    folder: Path
    code: int = 0
    names: dict[str, Any] = field(default_factory=lambda: {"__name__": "page"})

    def shell(self, command: str) -> str:
        """What the command prints. The tool itself runs in this process, which is faster."""
        words = [] if NEEDS_A_SHELL.search(command) else shlex.split(command)
        if words[:1] == ["roberta-inspect"]:
            done = CliRunner().invoke(app, words[1:], prog_name="roberta-inspect")
            self.code = done.exit_code
            return ended(done.output)
        if command == "echo $?":
            return f"{self.code}\n"
        ran = subprocess.run(
            ["bash", "-c", command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        self.code = ran.returncode
        return ended(ran.stdout)

    def python(self, code: str) -> str:
        """What the code prints. Exceptions reach the test."""
        before = set(self.names)
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(code, "page", "exec"), self.names)
            for name in [new_name for new_name in self.names if new_name not in before]:
                if name.startswith("test_"):
                    self.test(name)
        return ended(printed.getvalue())

    def test(self, name: str) -> None:
        """Call a test function, with the plugin's fixture if it has a parameter."""
        contract = OutputContract(self.folder / f"{name}.json", update=True)
        parameters = inspect.signature(self.names[name]).parameters
        self.names[name](**({"output_contract": contract} if parameters else {}))


def ended(output: str) -> str:
    """The output with a newline at its end, and without spaces at the ends of lines."""
    lines = [line.rstrip() for line in output.splitlines()]
    return "".join(f"{line}\n" for line in lines)


@contextlib.contextmanager
def surroundings(folder: Path) -> Iterator[None]:
    """The checkpoint of the pages in `folder`, that folder as the current one, the tool's PATH."""
    shutil.copytree(ROOT / "roberta_inspect/demo", folder / "my-roberta")  # as the README copies it
    before, path = Path.cwd(), os.environ["PATH"]
    os.chdir(folder)
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{path}"
    try:
        with one_build_of_torch():
            yield
    finally:
        os.chdir(before)
        os.environ["PATH"] = path


@contextlib.contextmanager
def one_build_of_torch() -> Iterator[None]:
    """Leave the build (`+cpu`) out of the version, because its length moves line breaks."""
    build = torch.__version__
    torch.__version__ = type(build)(build.partition("+")[0])
    try:
        yield
    finally:
        torch.__version__ = build


def comparable(text: str) -> str:
    """The text without what a right output may have otherwise on another machine: rounding errors
    (`3e-08`), the last digits of a number (`2.20312`) and the build of torch."""
    errors_left_out = re.sub(r"\b\d(\.\d+)?e[+-]\d\d\b", "RE", text)
    rounded = re.sub(r"\b\d+\.\d{4,}\b", lambda number: f"{float(number[0]):.4g}", errors_left_out)
    return re.sub(r"(torch \d+\.\d+\.\d+)\+\w+", r"\1", rounded)


def differences(page: str, now: str) -> list[str]:
    """A unified diff between the page and what its blocks print now."""
    lines = difflib.unified_diff(
        comparable(page).splitlines(), comparable(now).splitlines(), "the page", "now", n=1
    )
    return [line.rstrip() for line in lines]


def image(name: str) -> str:
    """The picture as the tool writes it now."""
    with one_build_of_torch():
        done = CliRunner().invoke(app, shlex.split(IMAGES[name]), prog_name="roberta-inspect")
    return done.stdout


def prose(text: str) -> str:
    """The page without its code blocks and code spans."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S))


def anchors(text: str) -> set[str]:
    """The anchors that a code host gives the page's headings."""
    bare = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    titles = re.findall(r"^#+ (.+)$", bare, re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def broken_links(page: Path) -> list[str]:
    """The relative links of the page that lead nowhere."""
    text = page.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)\s]+)\)", prose(text)) + re.findall(r'src="([^"]+)"', text)
    return [
        target for target in targets if "://" not in target and not leads_somewhere(page, target)
    ]


def leads_somewhere(page: Path, target: str) -> bool:
    """Whether the file exists, and has the anchor where one is named."""
    name, _, anchor = target.partition("#")
    file = page.parent / name if name else page
    if not file.exists():
        return False
    return not anchor or anchor in anchors(file.read_text(encoding="utf-8"))
