"""Calls a consumer in one way and makes a row of the result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from roberta_inspect.consumer.identify import container
from roberta_inspect.consumer.surroundings import undisturbed
from roberta_inspect.errors import InspectError, is_out_of_memory
from roberta_inspect.live.observe import failure
from roberta_inspect.records import Consumer, Part, Suggested


class HandedOver(NamedTuple):
    """What a consumer returned, and what its parts are."""

    value: Any
    parts: Iterable[Part]
    notes: tuple[str, ...] = ()
    suggested: Suggested | None = None


def row(
    id_: str,
    title: str,
    call: Callable[[], HandedOver],
    *,
    advice: Mapping[str, str] | None = None,
) -> Consumer:
    """Call a consumer. If it raises an exception, that is a row too.

    Args:
        id_: id of the consumer.
        title: how it is called, in words.
        call: makes the call.
        advice: name of an exception → why this call raises it, and what to do.
    """
    try:
        with undisturbed():
            handed = call()
            parts = tuple(handed.parts)
    except Exception as error:
        return raised_row(id_, title, error, advice)
    return Consumer(
        id=id_,
        title=title,
        status="called",
        container=container(handed.value),
        parts=parts,
        suggested=handed.suggested,
        notes=handed.notes,
    )


def raised_row(
    id_: str, title: str, error: Exception, advice: Mapping[str, str] | None = None
) -> Consumer:
    """The row of a call that raised an exception.

    Raises:
        InspectError, MemoryError: `error` itself, if it is not the consumer's fault.
    """
    if isinstance(error, InspectError) or is_out_of_memory(error):
        raise error
    recorded = failure(error)
    note = (advice or {}).get(recorded.type)
    return Consumer(
        id=id_,
        title=title,
        status="raised",
        error=recorded,
        notes=() if note is None else (note,),
    )
