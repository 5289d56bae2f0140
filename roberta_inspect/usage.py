"""What Typer refuses, in the words of every other failure: one sentence and one hint."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from typer.core import TyperGroup

from roberta_inspect.console import failures_reported
from roberta_inspect.errors import CannotInspectError, UsageError
from roberta_inspect.text import listed, safe

PROGRAM = "roberta-inspect"


class Commands(TyperGroup):
    """The commands. What Typer raises is known by its attributes: its classes are not exported."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        with failures_reported(), self._in_words(None):
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        with failures_reported(), self._in_words(ctx):
            return super().invoke(ctx)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] not in self.commands and not ctx.resilient_parsing:
            raise UsageError(f"there is no command {safe(args[0])}", hint=self._meant(args[0]))
        return super().resolve_command(ctx, args)

    @contextmanager
    def _in_words(self, ctx: Any) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as error:  # a command's body tells its own: this was the help or the version
            raise CannotInspectError(
                f"stdout cannot be written: {safe(error.strerror)}", hint="Make room there."
            ) from error
        except Exception as error:
            if not hasattr(error, "format_message"):
                raise
            name = ctx.invoked_subcommand if ctx else None
            raise self._refused(error, name) from error

    def _refused(self, error: Any, name: str | None) -> UsageError:
        """What is wrong with the words after the command `name`, or before any command.

        Of an error only what every release of Typer gives it is used: its message, and the options
        that are spelt alike.
        """
        path = f"{PROGRAM} {name}" if name else PROGRAM
        see = f"See {path} --help."
        if hasattr(error, "possibilities"):
            return UsageError(
                f"{path} has no option {safe(error.option_name)}",
                hint=self._meant_option(error.option_name, error.possibilities, name, see),
            )
        said = error.format_message().rstrip(".")
        return UsageError(safe(said[:1].lower() + said[1:]), hint=see)

    def _meant(self, word: str) -> str:
        """What may have been meant by a word that is no command."""
        for close in get_close_matches(word, self.commands, n=1):
            return f"Did you mean {PROGRAM} {close}?"
        for owner in self._owners(f"--{word}"):
            return f"Did you mean {PROGRAM} {owner} --{word}?"
        if "/" in word or Path(word).is_dir():
            return f"Did you mean {PROGRAM} run {safe(word)}?"
        return f"The commands are {listed(list(self.commands))}: see {PROGRAM} --help."

    def _meant_option(self, option: str, possibilities: Any, name: str | None, see: str) -> str:
        """What may have been meant by an option that the command lacks."""
        if owners := self._owners(option):
            where = "" if name else ": write it after the command"
            return f"{safe(option)} is an option of {listed(owners)}{where}."
        if possibilities:
            return f"Did you mean {listed(sorted(possibilities), last='or')}?"
        return see

    def _owners(self, option: str) -> list[str]:
        return [
            name
            for name, command in self.commands.items()
            if any(option in _spellings(each) for each in command.params)
        ]


def _spellings(parameter: Any) -> list[str]:
    return [*parameter.opts, *parameter.secondary_opts]
