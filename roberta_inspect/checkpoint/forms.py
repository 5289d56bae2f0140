"""Weights in forms that transformers does not load here, and how to convert them."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatch
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from roberta_inspect.checkpoint import files
from roberta_inspect.text import listed, safe

MOST_ENTRIES = 5000
"""Entries of a directory that are looked through."""


class OtherForm(NamedTuple):
    """One such form: the names of its files, and how to make a checkpoint of them."""

    patterns: tuple[str, ...]
    name: str
    mend: str


_CONVERT = (
    "With transformers 4 and {library}: RobertaForSequenceClassification"
    ".from_pretrained(FOLDER, from_{short}=True).save_pretrained(FOLDER)."
)
_ORIGINAL = "Give the checkpoint that it was made from: this file cannot be turned back."
_STATE = (
    "If it holds a state dict: torch.save(torch.load(FILE, weights_only=True), "
    "'pytorch_model.bin'), with the key that the weights stand under, such as ['state_dict']."
)
_NOT_WEIGHTS = ("optimizer*", "scheduler*", "rng_state*", "scaler*", "training_args*", "adapter_*")
"""What Trainer and PEFT save beside the weights."""

OTHER_FORMS = (
    OtherForm(
        ("*.incomplete",),
        "a download that was interrupted",
        "Download it again: the client goes on where it stopped.",
    ),
    OtherForm(
        ("model-*-of-*.safetensors", "pytorch_model-*-of-*.bin"),
        "shards without their index",
        "Put the .index.json beside them, or save the model again with save_pretrained.",
    ),
    OtherForm(
        ("global_step*", "zero_to_fp32.py", "*_zero_pp_rank_*", "zero_pp_rank_*"),
        "DeepSpeed",
        "Run `python zero_to_fp32.py . pytorch_model.bin` in that directory.",
    ),
    OtherForm(
        ("pytorch_model_fsdp_*", "*.distcp"),
        "FSDP",
        "Run `accelerate merge-weights FOLDER OUTPUT`, and put its file beside config.json.",
    ),
    OtherForm(
        ("tf_model.h5", "*.h5"),
        "TensorFlow",
        _CONVERT.format(library="TensorFlow", short="tf"),
    ),
    OtherForm(("*.msgpack",), "Flax", _CONVERT.format(library="Flax", short="flax")),
    OtherForm(("*.onnx",), "ONNX", _ORIGINAL),
    OtherForm(("*.gguf", "*.ggml"), "GGUF", _ORIGINAL),
    OtherForm(
        ("rust_model.ot", "openvino_model.*", "*.tflite", "*.mlmodel"), "an export", _ORIGINAL
    ),
    OtherForm(("*.ckpt",), "a checkpoint of Lightning", _STATE),
    OtherForm(("*.pt", "*.pth"), "a file of torch.save", _STATE),
    OtherForm(
        ("*.safetensors", "*.bin"),
        "weights under another name",
        f"Call the file {files.SAFETENSORS} or pytorch_model.bin.",
    ),
)


def check_other_forms(directory: Path) -> None:
    """Refuse a directory whose only weights are in another form.

    Raises:
        CannotInspectError: what it holds, and how to convert it.
    """
    entries = _entries(directory)
    for form in OTHER_FORMS:
        matches = [name for name in entries if _fits(name, form.patterns)]
        if matches:
            shown = listed(matches, most=3, show=safe)
            raise files.file_error(
                directory,
                f"has its weights in {shown} ({form.name}), and none of "
                f"{listed(files.WEIGHT_FORMS, last='or')}",
                hint=f"{form.mend} Or use no_weights=True: shapes and origins alone.",
            )
    inner = inner_checkpoint(directory)
    if inner is not None:
        raise files.file_error(directory, "has a config.json and no weights", hint=inner)


def inner_checkpoint(directory: Path) -> str | None:
    """A hint at the checkpoint in a subdirectory: the newest that Trainer saved, or the
    transformer of sentence-transformers; `None` where there is none."""
    folders = [name for name in _entries(directory) if _is_checkpoint(directory / name)]
    numbers = {name: name.removeprefix("checkpoint-") for name in folders}
    saved = [name for name, number in numbers.items() if number.isascii() and number.isdecimal()]
    if saved:
        newest = max(saved, key=lambda name: int(numbers[name]))
        out_of = f" of its {len(saved)} checkpoints" if len(saved) > 1 else ""
        return f"Give the newest{out_of}: {safe(directory / newest)}"
    if folders:
        return f"Give {listed([safe(directory / name) for name in folders], most=3, last='or')}."
    return None


def _is_checkpoint(folder: Path) -> bool:
    return files.present(folder / "config.json") and files.weight_form(folder) is not None


def _fits(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns) and not any(
        fnmatch(name, pattern) for pattern in _NOT_WEIGHTS
    )


def _entries(directory: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in islice(directory.iterdir(), MOST_ENTRIES))
    except OSError:
        return []
