"""The model and the tokenizer of a checkpoint, loaded quietly after every check has passed."""

from __future__ import annotations

import contextlib
import copy
import logging
import os
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from transformers.activations import ACT2FN
from transformers.utils import logging as transformers_logging

from roberta_inspect import releases
from roberta_inspect.checkpoint import config as configs
from roberta_inspect.checkpoint import family, files, hub, weights
from roberta_inspect.checkpoint.description import checkpoint_fields, read_label_sources
from roberta_inspect.checkpoint.dtype import DTYPES
from roberta_inspect.checkpoint.files import errors_as, reason_of
from roberta_inspect.checkpoint.header import TORCH_NAMES, Header
from roberta_inspect.checkpoint.locate import Location
from roberta_inspect.checkpoint.memory import check_layers, check_memory
from roberta_inspect.checkpoint.sandbox import TOKENIZER_HINT, Sandbox
from roberta_inspect.checkpoint.vocabulary import SETTINGS_ALONE
from roberta_inspect.errors import CannotInspectError, UsageError, is_out_of_memory
from roberta_inspect.records import Checkpoint, Text, Weights
from roberta_inspect.text import listed, safe

TOKENIZER_CONFIG = "tokenizer_config.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A loaded model, and what its files held."""

    model: Any
    weights: Weights
    source: str
    """The checkpoint as it is shown to the user."""
    mode: FakeTensorMode | None = None
    """The mode of fake tensors, which have shapes and dtypes but no values: inputs are made, and
    `forward` is called, inside it."""
    location: Location | None = None
    """Where it was loaded from; `None` for a live model."""
    header: Header | None = None
    """Name → dtype (`F32`) and shape in the files, under the class's names; `None` where there is
    no file."""
    values: Mapping[str, Any] | None = None
    """The fields of config.json; `None` for a live model."""
    wrappers: tuple[str, ...] = ()
    """The classes of the wrappers that were taken off a live model, outermost first."""

    @property
    def quantised(self) -> tuple[str, ...]:
        """The names of its modules that compute with fewer bits than its dtype says."""
        modules = (module for module in self.model.modules() if _is_quantised(type(module)))
        return tuple(sorted({module._get_name() for module in modules}))

    @property
    def record(self) -> Checkpoint:
        """What a map or a tree says of it."""
        config = self.model.config
        return Checkpoint(
            source=self.source,
            architecture=type(self.model).__name__,
            parameters=sum(parameter.numel() for parameter in self.model.parameters()),
            num_labels=config.num_labels,
            problem_type=config.problem_type,
            id2label={
                str(key): "" if name is None else str(name)
                for key, name in sorted(config.id2label.items())
            },
            weights=self.weights,
            model_type=str(config.model_type),
            **checkpoint_fields(self.model, self.values, self.header),
        )

    @property
    def device(self) -> torch.device:
        """The device for its input."""
        return next(self.model.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of its first floating-point parameter."""
        floating = (
            tensor.dtype for tensor in self.model.parameters() if tensor.is_floating_point()
        )
        return next(floating, torch.get_default_dtype())


def _is_quantised(kind: type) -> bool:
    libraries = ("bitsandbytes.", "torch.ao.nn.quantized", "torchao.")
    return kind.__module__.startswith(libraries) and not kind.__name__.endswith("PackedParams")


def load(
    location: Location,
    *,
    attention: str | None = None,
    dtype: str | None = None,
    device: str = "cpu",
    num_labels: int | None = None,
) -> Loaded:
    """The checkpoint's sequence classifier, as `from_pretrained` makes it, in eval mode.

    `attention` and `dtype` left out are what `from_pretrained` picks. A missing head is
    random, and the verdict says so. `num_labels` overrides the configuration's.

    Raises:
        UsageError: no such dtype, device or attention implementation.
        CannotInspectError: no weights, a broken or foreign checkpoint, or no memory for it.
    """
    check_options(attention, dtype)
    target = _device(device)
    directory = hub.fetched(location)
    values = configs.with_labels(configs.read_config(directory), num_labels)
    with quiet():
        header, names = weights.read_headers(directory)
        if header is None:
            raise CannotInspectError(
                f"{safe(location.source)} has a config.json and no weights "
                f"({listed(files.WEIGHT_FORMS, last='or')})",
                hint="Use no_weights=True: shapes and origins come from the configuration alone.",
            )
        config = configuration(directory, values)
        name = chosen_dtype(values, header, dtype)
        check_layers(directory, config)
        with torch.device("meta"):
            layout = build_model(config, attention, name)
        check_memory(directory, layout, element_bytes=getattr(torch, name).itemsize)
        weights_record, header = judge_weights(directory, layout, header, names, values)
        weights.check_nested(directory, weights_record)
        try:
            model, missing = _from_pretrained(directory, config, attention, dtype)
        except CannotInspectError as error:
            if weights_record.renaming is None:
                raise
            # Some releases load nothing at all where no name has the prefix of the base model.
            raise weights.names_error(directory, weights_record, weights_record.renaming) from error
    shapes = tuple(layout.state_dict(keep_vars=True))
    weights_record = weights.reconcile(missing, weights_record, shapes, model.base_model_prefix)
    return Loaded(
        model=_move(model.eval(), target),
        weights=weights_record,
        source=location.source,
        location=location,
        header=header,
        values=values,
    )


def load_tokenizer(location: Location | None, texts: Sequence[Text] = ()) -> Any:
    """The checkpoint's tokenizer, or `None` where it has no tokenizer files, or is a live model.

    Its files steer native code and are untrusted: a child process loads it, and runs it on `texts`,
    first.

    Raises:
        CannotInspectError: tokenizer files that cannot be read, or cannot be run on the texts.
    """
    if location is None:
        return None
    directory, names = hub.fetched_tokenizer(location)
    configs.read_config(directory)
    if not names:
        return None
    for name in names:
        _check_tokenizer_file(directory / name)
    with Sandbox(location.source) as sandbox:
        for path in sorted(directory.glob("tokenizer*.json")):
            if path.name != TOKENIZER_CONFIG:
                sandbox.load(path)
        tokenizer = _tokenizer(location, directory, names)
        if texts and getattr(tokenizer, "is_fast", False):
            sandbox.run(tokenizer, texts)
    return tokenizer


def _tokenizer(location: Location, directory: Path, names: Sequence[str]) -> Any:
    from transformers import AutoTokenizer

    failed = f"the tokenizer of {safe(location.source)} cannot be loaded"
    hint = TOKENIZER_HINT
    if not set(names) - set(SETTINGS_ALONE):
        hint = "Its vocabulary is missing: put tokenizer.json, or its own files, beside it."
    with quiet(), errors_as(failed, hint=hint):
        try:
            return AutoTokenizer.from_pretrained(
                str(directory), trust_remote_code=False, local_files_only=True
            )
        except ImportError as error:
            raise CannotInspectError(
                f"{failed}: {reason_of(error)}",
                hint="Install the library that it asks for: pip install sentencepiece protobuf.",
            ) from error


def _check_tokenizer_file(path: Path) -> None:
    """Refuse a file that is too large, broken JSON, and settings that name another file."""
    if path.suffix != ".json":
        files.check_pointer(path)
        files.check_size(path)
        return
    values = files.json_object(path)
    for name, value in values.items() if path.name == TOKENIZER_CONFIG else ():
        # Path.is_file raises for a name that is too long.
        is_name = name.endswith("_file") and isinstance(value, str)
        if is_name and os.path.isfile(value):  # noqa: PTH113
            raise files.file_error(
                f"{path}: {name}", f"names another file: {safe(value)}", hint=TOKENIZER_HINT
            )


_ONE_AT_A_TIME = threading.RLock()
"""Held by the thread that inspects: the switches below and the random generators are those of the
whole process, and two threads must not observe the same model."""


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """One inspection at a time, with no log line, warning or progress bar of transformers; the
    settings are restored afterwards."""
    with _ONE_AT_A_TIME, hub.progress_bars_restored(), warnings.catch_warnings():
        verbosity = transformers_logging.get_verbosity()
        bars = transformers_logging.is_progress_bar_enabled()
        transformers_logging.set_verbosity(logging.CRITICAL)
        transformers_logging.disable_progress_bar()
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            transformers_logging.set_verbosity(verbosity)
            if bars:
                transformers_logging.enable_progress_bar()


def configuration(directory: Path, values: Mapping[str, Any]) -> Any:
    """The configuration object of checked `values`, of the class of its model type.

    Raises:
        CannotInspectError: values that do not fit together, or that transformers refuses.
    """
    member = family.member_in(directory / "config.json", values)
    defaults = member.config().to_dict()
    configs.check_together(directory, values, defaults)
    activation = values.get("hidden_act", defaults["hidden_act"])
    if activation not in ACT2FN:
        allowed = f"one of {', '.join(sorted(ACT2FN))}"
        raise configs.field_error(directory / "config.json", "hidden_act", activation, allowed)
    refused = f"transformers refuses {safe(directory / 'config.json')}"
    # Which fields are checked, and what is raised, depends on the release.
    with errors_as(refused, hint=configs.mend(values)):
        return member.config.from_dict(dict(values))


def chosen_dtype(values: Mapping[str, Any], header: Header | None, dtype: str | None) -> str:
    """The name of the dtype that `from_pretrained` gives the model's parameters."""
    if dtype is not None:
        return dtype
    if not releases.loads_in_the_files_dtype():
        return "float32"
    configured = values.get("dtype") or values.get("torch_dtype")
    stored = (TORCH_NAMES.get(kind) for kind, _ in (header or {}).values())
    floating = (name for name in stored if name in DTYPES)
    return configured or next(floating, "float32")


def build_model(config: Any, attention: str | None, dtype: str) -> Any:
    """The model of `config`, in the active tensor mode or on the active device.

    Raises:
        UsageError: this release has no such attention implementation for the class.
    """
    options = {} if attention is None else {"attn_implementation": attention}
    try:
        return (
            family.member_of(config)
            .cls._from_config(
                copy.deepcopy(config),
                **{releases.dtype_argument(): getattr(torch, dtype)},
                **options,
            )
            .eval()
        )
    except Exception as error:  # the fields that are read depend on the release
        if is_out_of_memory(error):
            raise
        if attention is None or not isinstance(error, ValueError | ImportError):
            raise CannotInspectError(
                f"transformers cannot build the configured model: {reason_of(error)}",
                hint="Correct config.json.",
            ) from error
        raise UsageError(
            f"attention implementation {safe(attention)} cannot be used here: {reason_of(error)}",
            hint='Use attention="eager", or leave it out.',
        ) from error


def judge_weights(
    directory: Path, model: Any, header: Header, names: Sequence[str], values: Mapping[str, Any]
) -> tuple[Weights, Header]:
    """The verdict on the files `names` with `header` for a laid-out `model`, from names and
    shapes alone, and the header under the class's names.

    Raises:
        CannotInspectError: a tensor of another shape than the configuration asks for.
    """
    shapes = {name: tuple(value.shape) for name, value in model.state_dict(keep_vars=True).items()}
    base = model.base_model_prefix
    named = weights.named_for_the_class(header, shapes, base)
    sizes = {**model.config.to_dict(), "num_labels": model.config.num_labels}
    weights.check_shapes(directory, named, shapes, sizes, read_label_sources(values, named))
    return weights.verdict_of(named, shapes, base, names), named


def check_options(attention: str | None, dtype: str | None) -> None:
    """Refuse names that no release knows, and those that would fetch code.

    Raises:
        UsageError: which one, and what is allowed.
    """
    if dtype is not None and dtype not in DTYPES:
        raise UsageError(
            f"no model is loaded in dtype {safe(dtype)}",
            hint=f"Use one of {', '.join(DTYPES)}.",
        )
    if attention is not None and "/" in attention:
        raise UsageError(
            f"attention implementation {safe(attention)} names code on the Hub, "
            "which is never loaded",
            hint="Use eager, sdpa or another one that is installed.",
        )


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UsageError(
            f"device {safe(name)} cannot be used here: {reason_of(error)}",
            hint="Use cpu, or a device that this machine and this build of torch have.",
        ) from error
    return device


def _move(model: Any, device: torch.device) -> Any:
    with errors_as(f"the model cannot be moved to {device}", hint='Use device="cpu".'):
        return model.to(device)


def _from_pretrained(
    directory: Path, config: Any, attention: str | None, dtype: str | None
) -> tuple[Any, list[str]]:
    """The loaded model, and the tensors that the loading report calls missing."""
    options: dict[str, Any] = {} if attention is None else {"attn_implementation": attention}
    if dtype is not None:
        options[releases.dtype_argument()] = getattr(torch, dtype)
    form = files.weight_form(directory) or ""
    # For damage that the checks above do not know.
    with errors_as(f"transformers cannot load {safe(directory / form)}", hint=files.AGAIN):
        model, report = family.member_of(config).cls.from_pretrained(
            str(directory),
            config=copy.deepcopy(config),
            output_loading_info=True,
            local_files_only=True,
            use_safetensors="safetensors" in form,
            **options,
        )
    return model, [str(name) for name in report["missing_keys"]]
