"""What Typer refuses, in the words of every other failure: one sentence and one hint."""

from __future__ import annotations

import re
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

_LEFT_OVER = re.compile(r"unexpected extra argument.* \((.*)\)", re.DOTALL)
"""How Typer tells which arguments are too many."""

_VALUES = {"int": "a whole number", "integer": "a whole number"}
"""Typer's name for a type → what to give."""

_INT = re.compile(r"is not a valid int\w*")


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
        """What is wrong with the words after the command `name`, or before any command."""
        command: Any = self.commands[name] if name else self
        path = f"{PROGRAM} {name}" if name else PROGRAM
        see = f"see {path} --help."
        if hasattr(error, "possibilities"):
            return UsageError(
                f"{path} has no option {safe(error.option_name)}",
                hint=self._meant_option(error.option_name, error.possibilities, name, see),
            )
        if hasattr(error, "option_name"):
            option = error.option_name
            given = next((each for each in command.params if option in _spellings(each)), None)
            if given is None or given.is_flag:  # --help is in no list of parameters
                return UsageError(f"{safe(option)} takes no value", hint=f"Give {option} alone.")
            return UsageError(f"{safe(option)} needs a value", hint=_how(option, given, see))
        given = getattr(error, "param", None)
        if hasattr(error, "param_type") and given is not None:
            arguments = " ".join(_arguments(command))
            return UsageError(f"{_word(given)} is missing", hint=f"Write {path} {arguments}; {see}")
        if given is not None:
            said = _INT.sub("is no whole number", safe(error.message)).rstrip(".")
            return UsageError(f"{_word(given)}: {said}", hint=_how(_word(given), given, see))
        said = safe(error.format_message()).rstrip(".")
        left_over = _LEFT_OVER.search(said)
        if left_over:
            takes = listed(_arguments(command))
            return UsageError(
                f"{path} takes {takes} and nothing more: {left_over[1]} is left over",
                hint=f"Quote a text or a path that holds spaces; {see}",
            )
        return UsageError(said, hint=f"S{see[1:]}")

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
        return f"S{see[1:]}"

    def _owners(self, option: str) -> list[str]:
        return [
            name
            for name, command in self.commands.items()
            if any(option in _spellings(each) for each in command.params)
        ]


def _spellings(parameter: Any) -> list[str]:
    return [*parameter.opts, *parameter.secondary_opts]


def _word(parameter: Any) -> str:
    """`LEFT`, `--format`: how the parameter is called in the help."""
    if parameter.param_type_name == "argument":
        return str(parameter.human_readable_name).strip("[]")
    return max(parameter.opts, key=len)  # type: ignore[no-any-return]


def _arguments(command: Any) -> list[str]:
    return [_word(each) for each in command.params if each.param_type_name == "argument"]


def _how(option: str, parameter: Any, see: str) -> str:
    """How to give the option a value."""
    if choices := getattr(parameter.type, "choices", None):
        return f"Give {option} {listed([str(each) for each in choices], most=20, last='or')}."
    value = parameter.metavar or _VALUES.get(parameter.type.name, "a value")
    return f"Give {option} {value}; {see}"
