"""What the records say of a tokenizer, and its tokens as they are shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from roberta_inspect.records import Tokenizer

SPACE = "␣"
"""What is shown for the space that begins a token."""

_AS_THEY_ARE = (*range(33, 127), *range(161, 173), *range(174, 256))
"""Bytes that a byte-level vocabulary writes as the character of that number; the others, in order,
as those from 256 on (`bytes_to_unicode` of GPT-2)."""

_BYTES = {chr(byte): byte for byte in _AS_THEY_ARE} | {
    chr(256 + number): byte
    for number, byte in enumerate(byte for byte in range(256) if byte not in _AS_THEY_ARE)
}


def tokenizer_record(tokenizer: Any) -> Tokenizer:
    """The plain record of a tokenizer; one of the user's own need not name its special tokens."""
    unknown = getattr(tokenizer, "unk_token", None)
    special = [str(token) for token in getattr(tokenizer, "all_special_tokens", ())]
    added = tokenizer.get_added_vocab() if hasattr(tokenizer, "get_added_vocab") else ()
    return Tokenizer(
        cls=type(tokenizer).__name__,
        vocabulary=len(tokenizer),
        pad_token_id=tokenizer.pad_token_id,
        padding_side=getattr(tokenizer, "padding_side", None),
        special_tokens=tuple(token for token in special if token != unknown),
        unknown_token=None if unknown is None else str(unknown),
        added_tokens=len(set(added) - set(special)),
    )


def shown_tokens(tokenizer: Any, rows: Iterable[Sequence[int]]) -> tuple[tuple[str, ...], ...]:
    """The tokens of each row of ids; those of a byte-level vocabulary as the text that they are.

    A token that holds a part of a character only stays as the vocabulary has it.
    """
    tokens = [[str(token) for token in tokenizer.convert_ids_to_tokens(row)] for row in rows]
    if not _is_byte_level(tokenizer):
        return tuple(map(tuple, tokens))
    return tuple(tuple(map(_text_of, row)) for row in tokens)


def _is_byte_level(tokenizer: Any) -> bool:
    """Whether more of its tokens begin with the byte of a space than with the sign of WordPiece,
    whose vocabularies may hold that character too."""
    if not hasattr(tokenizer, "get_vocab"):
        return False
    vocabulary = list(map(str, tokenizer.get_vocab()))
    spaces, continued = (
        sum(token.startswith(sign) for token in vocabulary) for sign in ("Ġ", "##")
    )
    return spaces > continued


def _text_of(token: str) -> str:
    try:
        text = bytes(_BYTES[character] for character in token).decode()
    except (KeyError, UnicodeDecodeError):
        return token
    return SPACE + text[1:] if text.startswith(" ") else text
