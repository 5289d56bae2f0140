"""The commands: each translates its options, makes one call of the library and writes the product.

Nothing heavy is imported before the options are checked.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from roberta_inspect.cli.explained import TypedPlace, call_for, parse_place, slot_at
from roberta_inspect.cli.options import (
    DEFAULT_SIZES,
    Attention,
    AttentionOption,
    CheckpointArgument,
    DtypeOption,
    MissingHead,
    Output,
    Revision,
    RowLabels,
    TextPairs,
    Texts,
    check_device,
    check_rows,
    format_name,
    format_option,
    rows_of,
)
from roberta_inspect.cli.progress import progress_shown
from roberta_inspect.cli.refusals import Commands, failures_reported, status
from roberta_inspect.cli.target import Target
from roberta_inspect.consumer import CONSUMER_IDS, check_onnx, choose_entries
from roberta_inspect.errors import UsageError
from roberta_inspect.version import __version__

if TYPE_CHECKING:
    from roberta_inspect.records import OutputMap

app = typer.Typer(
    name="roberta-inspect",
    cls=Commands,
    help="Shows what every index of a RobertaForSequenceClassification output is, and proves it "
    "on your checkpoint.",
    invoke_without_command=True,
    subcommand_metavar="COMMAND [ARGS]...",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(is_given: bool) -> None:
    if is_given:
        typer.echo(f"roberta-inspect {__version__}")
        raise typer.Exit


@app.callback()
def roberta_inspect(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(UsageError.exit_code)


@app.command(short_help="What each output is, proved on the checkpoint.")
def run(
    checkpoint: CheckpointArgument = None,
    revision: Revision = None,
    text: Texts = None,
    text_pair: TextPairs = None,
    inputs: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A batch of your own: a .safetensors or .json file, by forward's keywords.",
            show_default=False,
        ),
    ] = None,
    label: RowLabels = None,
    batch_size: Annotated[int, typer.Option(help="Rows, where no text is given.")] = DEFAULT_SIZES[
        0
    ],
    sequence_length: Annotated[
        int, typer.Option(help="Tokens per row, where no text is given.")
    ] = DEFAULT_SIZES[1],
    hidden_states: Annotated[
        bool, typer.Option("--hidden-states/--no-hidden-states", help="Ask for hidden states.")
    ] = True,
    attentions: Annotated[
        bool, typer.Option("--attentions/--no-attentions", help="Ask for attentions.")
    ] = True,
    matrix: Annotated[
        bool,
        typer.Option(
            "--matrix", help="Also call with every combination of --hidden-states and --attentions."
        ),
    ] = False,
    attention: AttentionOption = None,
    dtype: DtypeOption = None,
    device: Annotated[str, typer.Option(help="Where to run: cpu, cuda, cuda:1 …")] = "cpu",
    no_weights: Annotated[
        bool,
        typer.Option("--no-weights", help="Shapes and origins alone, from the configuration."),
    ] = False,
    allow_missing_head: MissingHead = False,
    consumers: Annotated[
        bool,
        typer.Option(
            "--consumers", help="Also call pipeline, Trainer and the exports, as consumers does."
        ),
    ] = False,
    explain: Annotated[
        str | None,
        typer.Option(
            metavar="PLACE",
            help="Explain one output alone: 1, -1, outputs[1], logits, cls, hidden_states[-1].",
            show_default=False,
        ),
    ] = None,
    labels: Annotated[
        bool, typer.Option("--labels/--no-labels", help="For --explain: called with labels or not.")
    ] = True,
    plain: Annotated[
        bool,
        typer.Option("--plain", help="For --explain: model(**inputs), with no flag passed."),
    ] = False,
    format: Annotated[str | None, format_option("run")] = None,
    output: Output = None,
) -> None:
    """The annotated map, proved: plain calls and return_dict on/off, with and without labels.

    Exit code 0: every proof holds; 1: a finding of level error; 2: wrong usage; 3: could not
    inspect.
    """
    with failures_reported():
        target = Target(output, (checkpoint, *([str(inputs)] if inputs else [])))
        form = format_name("run", format, output)
        check_device(device, no_weights)
        _check_explained(explain, form, format, labels, plain)
        place = None if explain is None else parse_place(explain)
        check_rows(text, text_pair, inputs, (batch_size, sequence_length))
        _check_located(checkpoint, revision)
        with status("Importing torch and transformers"):
            from roberta_inspect.api import inspect
        with progress_shown("Loading") as progress:
            output_map = inspect(
                checkpoint,
                texts=rows_of(text, text_pair),
                inputs=inputs,
                labels=label or None,
                batch_size=batch_size,
                sequence_length=sequence_length,
                output_hidden_states=hidden_states,
                output_attentions=attentions,
                # Explanations compare with calls that lack the two flags, and a page has a switch
                # for each flag.
                matrix=matrix or place is not None or form == "html",
                revision=revision,
                attention=attention and attention.value,
                device=device,
                dtype=dtype and dtype.value,
                allow_missing_head=allow_missing_head,
                no_weights=no_weights,
                consumers=consumers,
                progress=progress,
            )
        if place is not None:
            _explain(target, output_map, place, labels, plain)
        else:
            target.deliver(output_map, form)
        raise typer.Exit(0 if output_map.ok else 1)


def _check_explained(
    explain: str | None, form: str, typed_format: str | None, labels: bool, plain: bool
) -> None:
    if explain is None and plain:
        raise UsageError(
            "--plain is for --explain alone: a map always holds the plain calls",
            hint="Give --explain PLACE, or leave --plain out.",
        )
    if explain is None and not labels:
        raise UsageError(
            "--no-labels is for --explain alone: a map always holds the calls with labels",
            hint="Give --explain PLACE, or leave --no-labels out.",
        )
    if explain is not None and form != "table":
        raise UsageError(
            f"--explain answers in words, not as {form}",
            hint=f"{'Leave --format out' if typed_format else 'Name a .txt file'}, or leave "
            "--explain out.",
        )


def _explain(
    target: Target, output_map: OutputMap, place: TypedPlace, labels: bool, plain: bool
) -> None:
    from roberta_inspect.render.explain import explanation

    call = call_for(output_map, labels, plain)
    text = explanation(
        output_map,
        call,
        slot_at(place, output_map, call) or place.name or "",
        typed=place.typed,
        items=place.items,
        first=place.first,
    )
    target.deliver_text(text)


@app.command(short_help="Which module makes which output.")
def tree(
    checkpoint: CheckpointArgument = None,
    revision: Revision = None,
    expand: Annotated[
        bool, typer.Option("--expand", help="Show every module, repeated layers unfolded.")
    ] = False,
    depth: Annotated[
        int | None,
        typer.Option(
            help="Show modules down to this depth; 0 is the model alone.", show_default=False
        ),
    ] = None,
    attention: Annotated[
        Attention | None,
        typer.Option(
            "--attention",
            help="Attention implementation; unless given, eager: it hands back attentions.",
            show_default=False,
        ),
    ] = None,
    allow_missing_head: MissingHead = False,
    format: Annotated[str | None, format_option("tree")] = None,
    output: Output = None,
) -> None:
    """The module tree, repeated layers folded, each module with the slots it feeds.

    Works from the configuration and the header of the weight file alone: no weight is read.
    Exit codes as those of run.
    """
    with failures_reported():
        target = Target(output, (checkpoint,))
        form = format_name("tree", format, output)
        _check_whole(form, expand, depth)
        _check_located(checkpoint, revision)
        with status("Importing torch and transformers"):
            from roberta_inspect.api import module_tree
        with status("Observing a forward on fake tensors"):
            product = module_tree(
                checkpoint,
                revision=revision,
                attention=attention and attention.value,
                allow_missing_head=allow_missing_head,
            )
        target.deliver(product, form, expand=expand, depth=depth)
        raise typer.Exit(0 if product.ok else 1)


def _check_whole(form: str, expand: bool, depth: int | None) -> None:
    """Refuse options that would have no effect, because JSON is always the whole tree."""
    if depth is not None and depth < 0:
        raise UsageError(
            f"there is no module at depth {depth}", hint="Give a --depth of at least 0."
        )
    option = "--expand" if expand else "--depth"
    if form == "json" and (expand or depth is not None):
        raise UsageError(
            f"{option} does not fit JSON, which is always the whole tree",
            hint=f"Leave {option} out, or write another format.",
        )


@app.command(short_help="What pipeline, Trainer and exports hand over.")
def consumers(
    checkpoint: CheckpointArgument = None,
    revision: Revision = None,
    text: Texts = None,
    text_pair: TextPairs = None,
    label: RowLabels = None,
    batch_size: Annotated[
        int, typer.Option(help="Rows, where there is no tokenizer.")
    ] = DEFAULT_SIZES[0],
    sequence_length: Annotated[
        int, typer.Option(help="Tokens per row, where there is no tokenizer.")
    ] = DEFAULT_SIZES[1],
    only: Annotated[
        str | None,
        typer.Option(
            metavar="ID,ID",
            help=f"Call these alone, of {', '.join(CONSUMER_IDS)}.",
            show_default=False,
        ),
    ] = None,
    onnx: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A model that you exported: which of its outputs is what. Without --only nothing "
            "else is called.",
            show_default=False,
        ),
    ] = None,
    attention: AttentionOption = None,
    dtype: DtypeOption = None,
    device: Annotated[str, typer.Option(help="Where to run: cpu, cuda, cuda:1 …")] = "cpu",
    allow_missing_head: MissingHead = False,
    format: Annotated[str | None, format_option("consumers")] = None,
    output: Output = None,
) -> None:
    """Who gets what: each consumer is really called, and what it hands over is found by its values.

    Exit code 0: every output is what its name says; 1: a finding of level error; 2: wrong usage;
    3: could not inspect.
    """
    with failures_reported():
        target = Target(output, (checkpoint, *([str(onnx)] if onnx else [])))
        form = format_name("consumers", format, output)
        check_device(device, no_weights=False)
        check_rows(text, text_pair, None, (batch_size, sequence_length))
        names = None if only is None else [name.strip() for name in only.split(",")]
        choose_entries(names)
        if onnx is not None:
            check_onnx(onnx)
        _check_located(checkpoint, revision)
        with status("Importing torch and transformers"):
            from roberta_inspect import api
        with progress_shown("Loading") as progress:
            report = api.consumers(
                checkpoint,
                texts=rows_of(text, text_pair),
                labels=label or None,
                batch_size=batch_size,
                sequence_length=sequence_length,
                only=names,
                onnx=onnx,
                revision=revision,
                attention=attention and attention.value,
                device=device,
                dtype=dtype and dtype.value,
                allow_missing_head=allow_missing_head,
                progress=progress,
            )
        target.deliver(report, form)
        raise typer.Exit(0 if report.ok else 1)


@app.command(short_help="What differs between two maps or checkpoints.")
def diff(
    left: Annotated[
        str, typer.Argument(metavar="LEFT", help="A saved map (JSON) or a checkpoint.")
    ],
    right: Annotated[
        str, typer.Argument(metavar="RIGHT", help="A saved map (JSON) or a checkpoint.")
    ],
    values: Annotated[
        bool, typer.Option("--values", help="Also compare what the tensors hold.")
    ] = False,
    format: Annotated[str | None, format_option("diff")] = None,
    output: Output = None,
) -> None:
    """What differs between two maps; each side is a saved map (JSON) or a checkpoint.

    Exit code 0: nothing differs; 1: something does; 2: wrong usage; 3: could not inspect.
    """
    with failures_reported():
        target = Target(output, (left, right))
        form = format_name("diff", format, output)
        from roberta_inspect.api import report

        comparison = report(left, right, values=values)
        target.deliver(comparison, form)
        raise typer.Exit(0 if comparison.ok else 1)


def _check_located(checkpoint: str | None, revision: str | None) -> None:
    """Refuse a checkpoint that does not exist, before anything heavy is imported."""
    from roberta_inspect.checkpoint.locate import locate

    locate(checkpoint, revision=revision)
