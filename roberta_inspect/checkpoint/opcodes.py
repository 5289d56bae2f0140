"""A pickle read as data: nothing in it is called, and only what a state dict needs is understood.

The form is that of pickle protocol 2, which `torch.save` writes: a program for a stack. Here it
runs on plain values; a tensor becomes a `StoredTensor`, and any other call or class is refused.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, Any, NamedTuple

from roberta_inspect.text import safe


class ForeignPickleError(ValueError):
    """The pickle holds something that no state dict needs; the message names it."""


class Global(NamedTuple):
    """A name that the pickle would import."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(frozen=True, slots=True)
class Storage:
    """Where elements lie: the record `key` of the archive."""

    kind: str
    """The name of its class, such as `FloatStorage`."""
    key: str
    elements: int


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor by its description; `dtype` is given where the storage has no type of its own."""

    storage: Storage
    shape: tuple[int, ...]
    dtype: str | None = None


MARK = object()
"""What the opcode of that name puts on the stack."""

CONSTANTS: Mapping[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
}
LITERALS = frozenset(
    {"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINSTRING"}
)
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def read(opened: IO[bytes]) -> Any:
    """The value that the next pickle in `opened` describes, made of plain containers, numbers,
    strings, `Global`, `Storage` and `StoredTensor`.

    Raises:
        ForeignPickleError: an opcode, a call or a key that no state dict needs.
        ValueError: it is broken.
    """
    machine = _Machine()
    try:
        for opcode, argument, _ in pickletools.genops(opened):
            machine.step(opcode.name, argument)
    except (IndexError, KeyError, TypeError, AttributeError) as error:
        raise ValueError("the pickle is broken") from error
    return machine.stack[-1]


class _Machine:
    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        """One opcode."""
        if name in LITERALS:
            self.stack.append(argument)
        elif name in CONSTANTS:
            self.stack.append(CONSTANTS[name]())
        elif name in TUPLES:
            self._push_tuple(TUPLES[name])
        elif name in ("BINGET", "LONG_BINGET"):
            self.stack.append(self.memo[argument])
        elif name in ("BINPUT", "LONG_BINPUT"):
            self.memo[argument] = self.stack[-1]
        elif name not in ("PROTO", "STOP"):
            method = getattr(self, f"_{name.lower()}", None)
            if method is None:
                raise ForeignPickleError(f"the opcode {name}")
            method(argument)

    def _push_tuple(self, count: int) -> None:
        items = tuple(self.stack[-count:])
        del self.stack[-count:]
        self.stack.append(items)

    def _marked(self) -> list[Any]:
        """Pop what lies above the last mark, and the mark."""
        place = len(self.stack) - 1
        while self.stack[place] is not MARK:
            place -= 1
        items = self.stack[place + 1 :]
        del self.stack[place:]
        return items

    def _mark(self, _: Any) -> None:
        self.stack.append(MARK)

    def _tuple(self, _: Any) -> None:
        self.stack.append(tuple(self._marked()))

    def _append(self, _: Any) -> None:
        item = self.stack.pop()
        _expect(list, self.stack[-1]).append(item)

    def _appends(self, _: Any) -> None:
        items = self._marked()
        _expect(list, self.stack[-1]).extend(items)

    def _setitem(self, _: Any) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        _fill(self.stack[-1], [(key, value)])

    def _setitems(self, _: Any) -> None:
        items = self._marked()
        _fill(self.stack[-1], list(zip(items[::2], items[1::2], strict=True)))

    def _global(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self.stack.append(Global(module, name))

    def _binpersid(self, _: Any) -> None:
        word, kind, key, _, elements, *view = self.stack.pop()
        if word != "storage" or not isinstance(kind, Global) or any(view):
            raise ForeignPickleError("a reference that is no storage")
        self.stack.append(Storage(kind.name, str(key), _size(elements)))

    def _reduce(self, _: Any) -> None:
        arguments = _expect(tuple, self.stack.pop())
        function = self.stack.pop()
        call = CALLS.get(function) if isinstance(function, Global) else None
        if call is None:
            raise ForeignPickleError(f"a call of {safe(function, longest=80)}")
        self.stack.append(call(*arguments))

    def _build(self, _: Any) -> None:
        """Drop the attributes of a state dict (`_metadata`)."""
        _expect(dict, self.stack.pop())
        _expect(dict, self.stack[-1])


def _expect(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise ForeignPickleError(f"a {kind.__name__} that is another object")
    return value


def _fill(target: Any, pairs: list[tuple[Any, Any]]) -> None:
    """Refuse keys of other types: to hash a nested tuple can take forever."""
    for key, value in pairs:
        if type(key) not in (str, int):
            raise ForeignPickleError("a key that is neither a string nor a number")
        _expect(dict, target)[key] = value


def _size(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise ForeignPickleError(f"the size {safe(value, longest=40)}")
    return value


def _ordered(pairs: Any = ()) -> dict[Any, Any]:
    """An `OrderedDict`, empty or, as Python 2 wrote it, with its items."""
    items: dict[Any, Any] = {}
    _fill(items, [(key, value) for key, value in pairs])
    return items


def _tensor(storage: Any, offset: Any, shape: Any, stride: Any, *rest: Any) -> StoredTensor:
    sizes = tuple(_size(size) for size in _expect(tuple, shape))
    strides = [_size(step) for step in _expect(tuple, stride)]
    last = _size(offset) + sum((size - 1) * step for size, step in zip(sizes, strides, strict=True))
    if all(sizes) and last >= _expect(Storage, storage).elements:
        raise ForeignPickleError(f"a tensor of shape {safe(sizes)} beyond the end of its storage")
    return StoredTensor(storage, sizes)


def _typed_tensor(*arguments: Any) -> StoredTensor:
    """`_rebuild_tensor_v3`: as the second version, with the dtype after its hooks."""
    tensor, dtype = _tensor(*arguments), _expect(Global, arguments[6])
    return StoredTensor(tensor.storage, tensor.shape, dtype.name)


def _parameter(tensor: Any, *_: Any) -> StoredTensor:
    stored: StoredTensor = _expect(StoredTensor, tensor)
    return stored


CALLS: Mapping[Global, Callable[..., Any]] = {
    Global("collections", "OrderedDict"): _ordered,
    Global("torch", "Size"): lambda sizes: tuple(_expect(tuple, sizes)),
    Global("torch._utils", "_rebuild_tensor"): _tensor,
    Global("torch._utils", "_rebuild_tensor_v2"): _tensor,
    Global("torch._utils", "_rebuild_tensor_v3"): _typed_tensor,
    Global("torch._utils", "_rebuild_parameter"): _parameter,
}
"""What a state dict calls → what runs here instead."""
