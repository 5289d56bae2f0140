"""Reports every failure on stderr: one sentence, one hint and an exit code.

Keyword arguments in the library's sentences become options. Errors of Typer become sentences.
"""

from __future__ import annotations

import os
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from roberta_inspect.cli.target import abandon
from roberta_inspect.errors import CannotInspectError, InspectError, UsageError, is_out_of_memory
from roberta_inspect.render import colours
from roberta_inspect.text import listed, safe

PROGRAM = "roberta-inspect"

DEBUG = "ROBERTA_INSPECT_DEBUG"
"""The environment variable that shows tracebacks if it is 1."""

INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 + SIGINT, as a shell reports it."""

PIPE_CLOSED = 141
"""Exit code if a reader such as `head` has closed the pipe: 128 + SIGPIPE."""

LONGEST_ERROR = 2000
"""How many characters of an error message are shown."""

ASKED_FOR = re.compile(r"tried to allocate ([\d.,]+ ?\w+)", re.IGNORECASE)
"""The part of torch's error that says how much memory was requested, on the CPU and on CUDA."""

OPTIONS = {
    "allow_missing_head": "--allow-missing-head",
    "attention": "--attention",
    "batch_size": "--batch-size",
    "device": "--device",
    "dtype": "--dtype",
    "inputs": "--inputs",
    "labels": "--label",
    "no_weights": "--no-weights",
    "only": "--only",
    "onnx": "--onnx",
    "output_attentions": "--attentions",
    "output_hidden_states": "--hidden-states",
    "revision": "--revision",
    "sequence_length": "--sequence-length",
    "texts": "--text",
    "values": "--values",
}
"""Keyword argument of the library → option of the command line."""

KEYWORD = re.compile(
    r"\b(" + "|".join(OPTIONS) + r")=(\"[^\"]*\"|\[[^\]]*\]|[^\s,;:)]*[^\s,;:).])?"
)
"""A keyword argument in a sentence, with its value if one follows."""


class Commands(TyperGroup):
    """The commands. Typer does not export its exceptions, so they are recognised by attributes."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        with failures_reported(), self._reported(None):
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        with failures_reported(), self._reported(ctx):
            return super().invoke(ctx)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] not in self.commands and not ctx.resilient_parsing:
            raise UsageError(f"there is no command {safe(args[0])}", hint=self._meant(args[0]))
        return super().resolve_command(ctx, args)

    @contextmanager
    def _reported(self, ctx: Any) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as error:  # from the help or the version: commands report their own errors
            raise CannotInspectError(
                f"stdout cannot be written: {safe(error.strerror)}", hint="Make room there."
            ) from error
        except Exception as error:
            if not hasattr(error, "format_message"):
                raise
            name = ctx.invoked_subcommand if ctx else None
            raise self._refused(error, name) from error

    def _refused(self, error: Any, name: str | None) -> UsageError:
        """Typer's error about the words after the command `name`, or before any command.

        Uses only what the errors of every release of Typer have: the message, and similar options.
        """
        path = f"{PROGRAM} {name}" if name else PROGRAM
        see = f"See {path} --help."
        if hasattr(error, "possibilities"):
            return UsageError(
                f"{path} has no option {safe(error.option_name)}",
                hint=self._meant_option(error.option_name, error.possibilities, name, see),
            )
        message = error.format_message().rstrip(".")
        if message.startswith("Missing argument"):  # of diff: all others can be left out
            see = f"Give two maps or checkpoints to compare: {PROGRAM} diff LEFT RIGHT."
        return UsageError(safe(message[:1].lower() + message[1:]), hint=see)

    def _meant(self, word: str) -> str:
        """A hint about a word that is not a command."""
        for close in get_close_matches(word, self.commands, n=1):
            return f"Did you mean {PROGRAM} {close}?"
        for owner in self._owners(f"--{word}"):
            return f"Did you mean {PROGRAM} {owner} --{word}?"
        if "/" in word or Path(word).is_dir():
            return f"Did you mean {PROGRAM} run {safe(word)}?"
        return f"The commands are {listed(list(self.commands))}: see {PROGRAM} --help."

    def _meant_option(self, option: str, possibilities: Any, name: str | None, see: str) -> str:
        """A hint about an option that the command does not have."""
        if owners := self._owners(option):
            where = "" if name else ": write it after the command"
            return f"{safe(option)} is an option of {listed(owners)}{where}."
        for close in get_close_matches(option, possibilities or (), n=1, cutoff=0):
            return f"Did you mean {close}?"
        return see

    def _owners(self, option: str) -> list[str]:
        return [
            name
            for name, command in self.commands.items()
            if any(option in _spellings(parameter) for parameter in command.params)
        ]


def _spellings(parameter: Any) -> list[str]:
    return [*parameter.opts, *parameter.secondary_opts]


@contextmanager
def failures_reported() -> Iterator[None]:
    """Turn every failure of a command's body into one sentence, a hint and an exit code.

    Raises:
        typer.Exit: with the exit code, after the sentence is written to stderr.
    """
    try:
        yield
    except (typer.Exit, typer.Abort, typer.BadParameter):
        raise
    except BrokenPipeError:
        abandon(sys.stdout)
        raise typer.Exit(PIPE_CLOSED) from None
    except KeyboardInterrupt:
        _say("Interrupted.")
        raise typer.Exit(INTERRUPTED) from None
    except Exception as error:
        if os.environ.get(DEBUG) == "1":
            traceback.print_exception(error)
        failure = _as_sentence(error)
        _say("Error: ", in_options(failure.message), style=f"bold {colours.BAD}")
        _say("Hint: ", in_options(failure.hint), style=colours.NAME)
        raise typer.Exit(failure.exit_code) from None


def in_options(sentence: str) -> str:
    """A sentence of the library, with options for keyword arguments: `--batch-size 3`."""

    def option(match: re.Match[str]) -> str:
        value = (match[2] or "").strip('"')
        return OPTIONS[match[1]] + (f" {value}" if value and value != "True" else "")

    return KEYWORD.sub(option, sentence)


def _as_sentence(error: Exception) -> InspectError:
    if isinstance(error, InspectError):
        return error
    if is_out_of_memory(error):
        size = ASKED_FOR.search(str(error))
        for_what = f": {size[1]} more were asked for" if size else ""
        return CannotInspectError(
            f"the memory of this machine is not enough{for_what}",
            hint="Ask for less: a smaller batch_size= or sequence_length=, fewer texts, "
            'dtype="bfloat16", or no_weights=True for shapes and origins alone.',
        )
    return CannotInspectError(
        f"unexpected {type(error).__name__}: {safe(str(error) or 'no message')}",
        hint=f"Run it again with {DEBUG}=1 to see where, and report it with that output.",
    )


def _say(word: str, rest: str = "", *, style: str = "") -> None:
    """Write one line to stderr. On a terminal its first word has a colour, and long lines wrap."""
    from rich.console import Console
    from rich.text import Text

    line = Text.assemble((word, style), safe(rest, longest=LONGEST_ERROR))
    console = Console(stderr=True)
    console.print(line, soft_wrap=not console.is_terminal)


@contextmanager
def status(message: str) -> Iterator[None]:
    """Show a message on stderr until the work is done, if stderr is a terminal."""
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True)
    line = console.status(Text(safe(message))) if console.is_terminal else nullcontext()
    with line:
        yield
