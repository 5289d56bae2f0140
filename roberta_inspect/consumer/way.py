"""One way of calling a consumer, and the row that comes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from roberta_inspect.consumer.identify import container
from roberta_inspect.consumer.surroundings import undisturbed
from roberta_inspect.errors import InspectError, is_out_of_memory
from roberta_inspect.live.observe import failure
from roberta_inspect.records import Consumer, Part, Suggested


class Handed(NamedTuple):
    """What a consumer handed over."""

    value: Any
    parts: Iterable[Part]
    notes: tuple[str, ...] = ()
    suggested: Suggested | None = None


def row(
    id_: str, title: str, call: Callable[[], Handed], *, why: Mapping[str, str] | None = None
) -> Consumer:
    """Call a consumer; what it raises is a row as well.

    Args:
        id_: of the consumer.
        title: how it is called.
        call: the call.
        why: name of an exception → why this way raises it, and what to do.
    """
    try:
        with undisturbed():
            handed = call()
            parts = tuple(handed.parts)
    except Exception as error:
        return raised(id_, title, error, why)
    return Consumer(
        id=id_,
        title=title,
        status="called",
        container=container(handed.value),
        parts=parts,
        suggested=handed.suggested,
        notes=handed.notes,
    )


def raised(
    id_: str, title: str, error: Exception, why: Mapping[str, str] | None = None
) -> Consumer:
    """The row of a call that raised.

    Raises:
        InspectError, MemoryError: what is no fault of the consumer's goes on.
    """
    if isinstance(error, InspectError) or is_out_of_memory(error):
        raise error
    recorded = failure(error)
    note = (why or {}).get(recorded.type)
    return Consumer(
        id=id_,
        title=title,
        status="raised",
        error=recorded,
        notes=() if note is None else (note,),
    )
