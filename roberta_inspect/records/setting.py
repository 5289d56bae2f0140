"""What was inspected, with what, and how it was run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Verdict = Literal[
    "complete",
    "head-not-in-checkpoint",
    "encoder-not-in-checkpoint",
    "nothing-from-checkpoint",
    "no-weights",
]
ProblemType = Literal["regression", "single_label_classification", "multi_label_classification"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Versions:
    """What the map was made with."""

    roberta_inspect: str
    transformers: str
    torch: str
    python: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Renaming:
    """Names that would make the tensors of a file fit the class."""

    rule: str
    """In words: take off `module.`, put `roberta.` for `bert.` …"""
    fitting: int
    """How many tensors of the class it finds, in shape too."""
    code: str
    """Lines of Python that save the checkpoint right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSources:
    """The places that say how many labels there are; `None` for one that says nothing."""

    num_labels: int | None = None
    id2label: int | None = None
    label2id: int | None = None
    head_rows: int | None = None
    """Rows of the head's last layer in the weight files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Which tensors of the model came from the checkpoint's files, and which are random."""

    verdict: Verdict
    files: tuple[str, ...] = ()
    """The weight files, relative to the checkpoint; empty for a live model."""
    loaded: int = 0
    """How many of the model's tensors came from the files."""
    missing: tuple[str, ...] = ()
    """Tensors of the model that the files lack: they are random."""
    unexpected: tuple[str, ...] = ()
    """Tensors of the files that the class does not use, the harmless ones too."""
    renaming: Renaming | None = None
    """Other names for the tensors of the files that would make them fit; `None` for none."""
    head_from: Literal["adapter", "base", "random"] | None = None
    """Of a PEFT adapter: where the head came from."""
    ties: tuple[str, ...] = ()
    """Names that hold the same tensor as another one."""

    @property
    def harmless(self) -> tuple[str, ...]:
        """Those of `unexpected` that this class never needs: a pooler, position ids, an LM head."""
        return tuple(name for name in self.unexpected if _is_harmless(name))

    @property
    def ignored(self) -> tuple[str, ...]:
        """Those of `unexpected` that are not known to be harmless."""
        return tuple(name for name in self.unexpected if not _is_harmless(name))


def _is_harmless(name: str) -> bool:
    return (
        "pooler." in name
        or name.endswith(("position_ids", "token_type_ids"))
        or name.startswith("lm_head.")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Where the weights come from, and what the configuration says of the classifier."""

    source: str
    architecture: str
    """The class that was inspected."""
    parameters: int
    num_labels: int
    problem_type: str | None
    """As the configuration has it before any call; `None` where it is unset."""
    id2label: Mapping[str, str]
    """Label id (a decimal number) → label name, in the order of the ids."""
    weights: Weights
    model_type: str = "roberta"
    architectures: tuple[str, ...] = ()
    """The classes that the configuration names."""
    label_sources: LabelSources | None = None
    """Where the number of labels could be read; `None` for a live model."""
    ignored_settings: tuple[str, ...] = ()
    """Fields of the configuration that change nothing in this release, as `name: why`."""
    layers_in_file: int | None = None
    """How many layers the weight files have; `None` where they were not read."""

    @property
    def placeholder_labels(self) -> bool:
        """Whether every label has the name that transformers makes up: `LABEL_0` …"""
        return bool(self.id2label) and all(
            name == f"LABEL_{number}" for number, name in self.id2label.items()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """How the model was run."""

    device: str
    dtype: str
    attention: str
    """The attention implementation that was in use: `eager`, `sdpa` …"""
    mode: Literal["eval", "train"]
    no_weights: bool = False
    """Whether the tensors were fake: shapes and origins are right, values do not exist."""
    was_training: bool = False
    """Whether the live model was in training mode; it was called in eval mode all the same."""
    quantised: tuple[str, ...] = ()
    """The kinds of modules that compute with fewer bits than `dtype` says."""
    configured: Mapping[str, str] = field(default_factory=dict)
    """What the configuration says of `return_dict`, `output_hidden_states` and
    `output_attentions`, as JSON text: it decides where nothing is passed."""
