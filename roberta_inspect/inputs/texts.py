"""Texts through the checkpoint's own tokenizer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch

from roberta_inspect.errors import CannotInspectError, UsageError
from roberta_inspect.inputs.arguments import is_unicode, shown
from roberta_inspect.inputs.labels import labels_for
from roberta_inspect.inputs.limits import usable_length, usable_words
from roberta_inspect.inputs.probe import TOKEN_TYPE_IDS, Probe
from roberta_inspect.inputs.tokenizer import shown_tokens, tokenizer_record
from roberta_inspect.records import Text
from roberta_inspect.text import counted, safe


def from_texts(config: Any, tokenizer: Any, texts: Iterable[Any], *, labels: Any = None) -> Probe:
    """Texts, or pairs of them, through the checkpoint's own tokenizer, padded to the longest, never
    truncated.

    Raises:
        UsageError: there is no tokenizer, a text is longer than the model can hold, or the labels
            do not fit.
        CannotInspectError: the tokenizer makes ids that the model does not have, or cannot pad.
    """
    if tokenizer is None:
        raise UsageError(
            "texts need a tokenizer, and there is none",
            hint="Put the tokenizer files beside config.json, give one as an argument in Python, "
            "or leave texts= out.",
        )
    texts = texts_of(texts)
    if not callable(tokenizer):
        raise UsageError(
            f"tokenizer= is of type {safe(type(tokenizer).__name__)}, which cannot be called",
            hint="Give the tokenizer object: AutoTokenizer.from_pretrained(…).",
        )
    try:
        encoded = _encoded(tokenizer, texts)
    except CannotInspectError:
        raise
    except Exception as error:  # a tokenizer of any library, with settings of any kind
        raise CannotInspectError(
            f"the tokenizer cannot be run on these texts: {type(error).__name__}: {safe(error)}",
            hint="Check tokenizer_config.json, or call the tokenizer yourself and give inputs=.",
        ) from error
    inputs = {
        name: encoded[name]
        for name in ("input_ids", "attention_mask", "token_type_ids")
        if name in encoded
    }
    inputs.setdefault("attention_mask", torch.ones_like(inputs["input_ids"]))
    rows = inputs["input_ids"].tolist()
    for text, length in zip(texts, inputs["attention_mask"].sum(dim=1).tolist(), strict=True):
        if length > usable_length(config):
            pair = "" if text.second is None else f' with "{safe(text.second, longest=40)}"'
            raise UsageError(
                f'the text "{safe(text.first, longest=40)}"{pair} is {length:,} tokens '
                f"long, more than the {usable_words(config)}",
                hint="Shorten the text, or truncate it in your own code: tokenizer(…, "
                f"truncation=True, max_length={usable_length(config)}).",
            )
    _check_ids(inputs, "input_ids", config.vocab_size, "vocab_size")
    types = inputs.get(TOKEN_TYPE_IDS)
    dropped = types is not None and int(types.max()) >= config.type_vocab_size
    if dropped:
        del inputs[TOKEN_TYPE_IDS]
    return Probe(
        inputs=inputs,
        labels=labels_for(config, len(rows), labels, source="texts"),
        texts=texts,
        dropped=(TOKEN_TYPE_IDS,) if dropped else (),
        source="texts",
        tokenizer=tokenizer_record(tokenizer),
        tokens=shown_tokens(tokenizer, rows),
    )


def texts_of(texts: Any) -> tuple[Text, ...]:
    """Each row of `texts`: a text or a pair.

    Raises:
        UsageError: it is not a list, is empty, or holds something else.
    """
    if isinstance(texts, str):
        raise UsageError("texts is one string", hint="Give a list of strings: [text].")
    if isinstance(texts, Mapping) or not isinstance(texts, Iterable) or isinstance(texts, bytes):
        raise UsageError(
            f"texts is of type {safe(type(texts).__name__)}, not a list of strings",
            hint="Give a batch of tensors as inputs=, and texts as a list of strings."
            if isinstance(texts, Mapping)
            else "Give a list of strings: [text].",
        )
    try:
        rows = tuple(_text(text, number) for number, text in enumerate(texts))
    except TypeError as error:  # such as a tensor without axes
        raise UsageError(
            f"texts cannot be gone through: {safe(error)}", hint="Give a list of strings: [text]."
        ) from error
    for number, text in enumerate(rows):
        if not is_unicode(text.first + (text.second or "")):
            raise UsageError(
                f"texts[{number}] holds an invalid character: bytes that are not UTF-8, or half "
                "of a character",
                hint="Decode the text with its own encoding first.",
            )
    if not rows:
        raise UsageError("texts is empty", hint="Give at least one text, or leave texts= out.")
    return rows


def _text(text: Any, number: int) -> Text:
    if isinstance(text, Text):
        return text
    if isinstance(text, str):
        return Text(first=text)
    if isinstance(text, tuple | list) and [type(part) for part in text] == [str, str]:
        return Text(first=text[0], second=text[1])
    raise UsageError(
        f"texts[{number}] is {shown(text)}, neither a string nor a pair of them",
        hint='Give each row as "text", or as ("text", "its pair").',
    )


def _encoded(tokenizer: Any, texts: Sequence[Text]) -> Any:
    if len(texts) > 1 and tokenizer.pad_token is None:
        raise CannotInspectError(
            "the tokenizer has no padding token, so texts of different length make no batch",
            hint="Give one text in texts=, or set pad_token in tokenizer_config.json.",
        )
    firsts, seconds = [text.first for text in texts], [text.second for text in texts]
    if len(texts) == 1 or len({second is None for second in seconds}) == 1:
        pairs = () if seconds[0] is None else (seconds,)
        return tokenizer(firsts, *pairs, padding=len(texts) > 1, return_tensors="pt")
    rows = [
        dict(tokenizer(first) if second is None else tokenizer(first, second))
        for first, second in zip(firsts, seconds, strict=True)
    ]
    return tokenizer.pad(rows, return_tensors="pt")


def _check_ids(inputs: dict[str, torch.Tensor], name: str, limit: int, field: str) -> None:
    highest = int(inputs[name].max())
    if highest >= limit:
        raise CannotInspectError(
            f"the tokenizer makes {name} up to {highest:,}, and the model has only "
            f"{counted(limit, 'row')} for them ({field}): the two do not belong together",
            hint="Put the tokenizer that the model was trained with beside config.json.",
        )
