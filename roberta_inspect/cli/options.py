"""The options that several commands share, and checks that need no heavy import."""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from roberta_inspect.checkpoint.dtype import Dtype
from roberta_inspect.errors import UsageError
from roberta_inspect.render import formats_of
from roberta_inspect.text import listed, safe


class Attention(str, Enum):
    """The attention implementations that RoBERTa knows."""

    eager = "eager"
    sdpa = "sdpa"
    flash_attention_2 = "flash_attention_2"
    flex_attention = "flex_attention"


DEFAULT_SIZES = (2, 16)
"""Rows and tokens per row, if no text is given."""

CheckpointArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[CHECKPOINT]",
        help="A directory, a Hub model id, or nothing for the bundled demo.",
        show_default=False,
    ),
]
Revision = Annotated[
    str | None,
    typer.Option(help="Branch, tag or commit of a Hub model id.", show_default=False),
]
Texts = Annotated[
    list[str] | None,
    typer.Option(help="A text to run; repeat it for more rows.", show_default=False),
]
TextPairs = Annotated[
    list[str] | None,
    typer.Option(
        help="The second text of a pair, one for each --text, in their order.", show_default=False
    ),
]
RowLabels = Annotated[
    list[str] | None,
    typer.Option(
        help="The label of a row, by id or name (several joined by commas); repeat it.",
        show_default=False,
    ),
]
AttentionOption = Annotated[
    Attention | None,
    typer.Option(
        "--attention",
        help="Attention implementation; unless given, what from_pretrained picks.",
        show_default=False,
    ),
]
MissingHead = Annotated[
    bool,
    typer.Option("--allow-missing-head", help="A head that is not in the checkpoint is no error."),
]


def format_option(command: str) -> Any:
    """The option `--format` of one command, with the command's formats."""
    names = list(formats_of(command))
    return typer.Option(
        "--format",
        metavar=f"<{'|'.join(names)}>",
        help=f"How to write it; {names[0]} unless given.",
        autocompletion=lambda: names,
        show_default=False,
    )


Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        help="Write to this file, whole or not at all, instead of stdout (-); unless --format is "
        "given, its ending, such as .json or .md, says how.",
        show_default=False,
    ),
]
DtypeOption = Annotated[
    Dtype | None,
    typer.Option("--dtype", help="Load in this dtype; else the checkpoint's.", show_default=False),
]


def format_name(command: str, typed: str | None, output: Path | None) -> str:
    """The format that the user typed, else the one of the file's ending, else the first.

    Raises:
        UsageError: this command does not write that format.
    """
    names = list(formats_of(command))
    formats = listed(names, last="or")
    if typed is not None:
        if typed not in names:
            raise UsageError(
                f"{command} writes no format {safe(typed)}", hint=f"Give --format {formats}."
            )
        return typed
    if output is None or not output.suffix:
        return names[0]
    endings = {row.ending: row.name for row in formats_of(command).values() if row.ending}
    if output.suffix.lower() not in endings:
        raise UsageError(
            f"--output {safe(output)}: {command} writes no {safe(output.suffix)} file",
            hint=f"End the name in {listed(list(endings), last='or')}, or give --format {formats}.",
        )
    return endings[output.suffix.lower()]


def check_device(device: str, no_weights: bool) -> None:
    if not re.fullmatch(r"cpu|mps|cuda(:\d+)?", device):
        raise UsageError(
            f'"{safe(device)}" is no device to run on',
            hint="Give --device cpu, cuda, cuda:1 or mps.",
        )
    if no_weights and device != "cpu":
        raise UsageError(
            f"--no-weights computes nothing that --device {device} could do",
            hint="Leave --device out, or leave --no-weights out.",
        )


def check_rows(
    text: list[str] | None,
    text_pair: list[str] | None,
    inputs: Path | None,
    sizes: tuple[int, int],
) -> None:
    if len(text_pair or ()) not in (0, len(text or ())):
        raise UsageError(
            f"--text-pair is given {_times(text_pair)} and --text {_times(text)}",
            hint=f"{'Give' if text else 'Give --text too:'} one --text-pair for each --text.",
        )
    brings = "--text" if text else "--inputs" if inputs else None
    if text and inputs:
        raise UsageError("there are --text and --inputs", hint="Give one of the two.")
    if brings and sizes != DEFAULT_SIZES:
        raise UsageError(
            f"{brings} brings its own rows and tokens",
            hint=f"Leave --batch-size and --sequence-length out, or leave {brings} out.",
        )
    if min(sizes) < 1:
        raise UsageError(
            f"a batch of {sizes[0]} × {sizes[1]} tokens holds nothing",
            hint="Give a --batch-size and a --sequence-length of at least 1.",
        )


def _times(values: list[str] | None) -> str:
    number = len(values or ())
    return {0: "not at all", 1: "once"}.get(number, f"{number:,} times")


def rows_of(text: list[str] | None, text_pair: list[str] | None) -> list[Any] | None:
    """The texts, or the pairs of texts, in the form that the library takes."""
    return list(zip(text, text_pair, strict=True)) if text and text_pair else text or None
