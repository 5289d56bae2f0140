"""The input of the model, and what its logits predict for the texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Source = Literal["texts", "inputs", "synthetic"]
Function = Literal["softmax", "sigmoid", "none"]

Content = Literal["tokens", "unknown", "special"]
"""Which tokens a text became: ordinary ones, only the unknown token, or only special tokens."""

IGNORED = -100
"""The class id that `CrossEntropyLoss` ignores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """The labels of the labelled calls."""

    dtype: str
    values: Any
    """A list of one class id, one number or one list of 0/1 per row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """One text, or a pair of texts that are classified together."""

    first: str
    second: str | None = None

    @property
    def parts(self) -> str | tuple[str, str]:
        """As `inspect` takes it: the text alone, or both as a tuple."""
        return self.first if self.second is None else (self.first, self.second)


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One tensor of the input, under the keyword of `forward`."""

    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokenizer:
    """What turned texts into token ids."""

    cls: str = field(metadata={"key": "class"})
    vocabulary: int
    """How many tokens it knows, added ones included."""
    pad_token_id: int | None = None
    padding_side: str | None = None
    special_tokens: tuple[str, ...] = ()
    """Tokens that begin, end, separate or pad texts: `<s>`, `</s>`, `<pad>` …; not the unknown
    one."""
    unknown_token: str | None = None
    """The token for everything that it does not know; `None` where it has no such token."""
    added_tokens: int = 0
    """How many of its tokens were added after its vocabulary was made, special ones aside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """The input of the model, with enough to make the same input again."""

    source: Source
    batch_size: int
    sequence_length: int
    """Tokens per row, padding included."""
    tokens: tuple[tuple[str, ...], ...] | None
    """The tokens of each row, padding included; `None` where no text was given."""
    labels: Labels
    texts: tuple[Text, ...] | None = None
    fields: tuple[Field, ...] = ()
    digest: str | None = None
    """Of the names, dtypes, shapes and bytes of all tensors; `None` for fake ones."""
    row_lengths: tuple[int, ...] = ()
    """Tokens of each row that are not padding."""
    row_starts: tuple[int, ...] = ()
    """Where the first token of each row stands: 0, unless it is padded on the left."""
    tokenizer: Tokenizer | None = None
    values: Mapping[str, Any] | None = None
    """The numbers of the tensors, as nested lists, of an input that was given as tensors and is
    small; `None` otherwise."""
    ignored: Mapping[str, str | None] = field(default_factory=dict)
    """Keywords that `forward` does not know → the one that was meant, where there is one."""
    dropped: tuple[str, ...] = ()
    """Tensors that the tokenizer made but the model was called without, because its tables have no
    rows for their ids."""
    edited: tuple[str, ...] = ()
    """Tensors of the input that `forward` wrote into; the model was given copies."""

    @property
    def contents(self) -> tuple[Content, ...]:
        """Which tokens each text became; empty without texts."""
        return contents(self.texts, self.tokens, self.tokenizer)


def contents(
    texts: Sequence[Text] | None,
    tokens: Sequence[Sequence[str]] | None,
    tokenizer: Tokenizer | None,
) -> tuple[Content, ...]:
    """Which tokens each text became; empty where that is not known."""
    if texts is None or tokens is None or tokenizer is None or not tokenizer.special_tokens:
        return ()
    return tuple(_content(text, row, tokenizer) for text, row in zip(texts, tokens, strict=True))


def _content(text: Text, row: Sequence[str], tokenizer: Tokenizer) -> Content:
    ordinary = {token for token in row if token not in tokenizer.special_tokens}
    if ordinary - {tokenizer.unknown_token} or not f"{text.first}{text.second or ''}".strip():
        return "tokens"
    return "unknown" if ordinary else "special"


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One label of one prediction."""

    label: str
    logit: float | None
    """The raw score; `None` where it is not finite."""
    probability: float | None
    """Softmax or sigmoid of the logits; `None` for a regression, and where it is not finite."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What the logits of one text predict."""

    text: Text
    function: Function
    """What turns the logits into probabilities, by problem type; `none` for a regression."""
    scores: tuple[Score, ...]

    @property
    def ranked(self) -> tuple[Score, ...]:
        """The scores, highest logit first, equal ones in the order of their ids."""
        return tuple(
            sorted(
                self.scores,
                key=lambda score: float("inf") if score.logit is None else -score.logit,
            )
        )
