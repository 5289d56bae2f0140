"""What the records say of a tokenizer, and its tokens as they are shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from roberta_inspect.records import Tokenizer

SPACE = "␣"
"""What is shown for the space that begins a token."""

PARTIAL = "\N{REPLACEMENT CHARACTER}"
"""What a tokenizer makes of bytes that are no whole character."""


def tokenizer_record(tokenizer: Any) -> Tokenizer:
    """The plain record of a tokenizer."""
    unknown = tokenizer.unk_token
    special = [str(token) for token in tokenizer.all_special_tokens]
    return Tokenizer(
        cls=type(tokenizer).__name__,
        vocabulary=len(tokenizer),
        pad_token_id=tokenizer.pad_token_id,
        padding_side=getattr(tokenizer, "padding_side", None),
        special_tokens=tuple(token for token in special if token != unknown),
        unknown_token=None if unknown is None else str(unknown),
        added_tokens=len(set(tokenizer.get_added_vocab()) - set(special)),
    )


def shown_tokens(tokenizer: Any, rows: Iterable[Sequence[int]]) -> tuple[tuple[str, ...], ...]:
    """The tokens of each row of ids; those of a byte-level vocabulary as the text that they are.

    A token that holds a part of a character only stays as the vocabulary has it.
    """
    tokens = [[str(token) for token in tokenizer.convert_ids_to_tokens(row)] for row in rows]
    if tokenizer.convert_tokens_to_string(["Ġ"]) != " ":
        return tuple(map(tuple, tokens))
    texts = {token: _text_of(tokenizer, token) for row in tokens for token in row}
    return tuple(tuple(texts[token] for token in row) for row in tokens)


def _text_of(tokenizer: Any, token: str) -> str:
    text = str(tokenizer.convert_tokens_to_string([token]))
    if not text or PARTIAL in text:
        return token
    return SPACE + text[1:] if text.startswith(" ") else text
