"""The tensors that a pickle of PyTorch describes, read without unpickling: nothing is imported and nothing is called.

A small machine follows the opcodes (CPython, Lib/pickletools.py) and knows the few functions by which torch rebuilds
tensors (torch/_utils.py); every other call gives a value that is nothing. Its time grows with the opcodes alone.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from analysis.errors import HeaderBeyondLimits
from analysis.formats import limits
from analysis.formats.cursor import Cursor

STORAGE_TYPES: Mapping[str, str] = {
    "FloatStorage": "F32", "HalfStorage": "F16", "BFloat16Storage": "BF16", "DoubleStorage": "F64",
    "LongStorage": "I64", "IntStorage": "I32", "ShortStorage": "I16", "CharStorage": "I8", "ByteStorage": "U8",
    "BoolStorage": "BOOL",
    "QInt8Storage": "I8", "QUInt8Storage": "U8", "QInt32Storage": "I32",
}  # fmt: skip
"""torch's classes of storages -> the type of their elements."""

DTYPES: Mapping[str, str] = {
    "float32": "F32", "float16": "F16", "bfloat16": "BF16", "float64": "F64", "int64": "I64", "int32": "I32",
    "int16": "I16", "int8": "I8", "uint8": "U8", "bool": "BOOL", "float8_e4m3fn": "F8_E4M3", "float8_e5m2": "F8_E5M2",
    "float8_e8m0fnu": "F8_E8M0", "uint16": "U16", "uint32": "U32", "uint64": "U64",
}  # fmt: skip
"""torch's dtypes, which `_rebuild_tensor_v3` is given."""

REBUILD_TENSOR = frozenset({"_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_qtensor"})
REBUILD_PARAMETER = frozenset({"_rebuild_parameter", "_rebuild_parameter_with_state"})
EMPTY_DICTS = frozenset({"OrderedDict", "dict", "defaultdict"})
MAX_TREE_DEPTH = 16
"""Dictionaries and lists within each other that are searched for tensors."""

TRAINING_STATE = (
    "optimizer",
    "optimizer_states",
    "optimizer_state_dict",
    "optim",
    "lr_schedulers",
    "callbacks",
    "loops",
)
"""Keys of a checkpoint that hold no weights (PyTorch Lightning, transformers' Trainer)."""


class Global(NamedTuple):
    """A class or function by its name; never imported."""

    module: str
    name: str


@dataclass(slots=True)
class Storage:
    """A block of elements that tensors view, by its key in the archive."""

    type: str | None
    key: str


class TensorView(NamedTuple):
    """A tensor as the pickle describes it: a shape over a storage."""

    type: str
    shape: tuple[int, ...]
    storage: str
    offset: int


class Nothing:
    """The result of a call that is not followed. It takes whatever is put into it."""


@dataclass(slots=True)
class Pickle:
    """The machine: a stack with marks, and a memo."""

    cursor: Cursor
    stack: list[Any] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)

    def run(self, data: bytes) -> tuple[Any, int]:
        """The value that a pickle describes, and the bytes that it took. Raises HeaderError."""
        stream = io.BytesIO(data)
        try:
            for opcode, argument, _ in pickletools.genops(stream):
                self.cursor.step()
                if opcode.name == "STOP":
                    return self.stack[-1], stream.tell()
                self.follow(opcode.name, argument)
        except HeaderBeyondLimits:
            raise
        except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError, UnicodeError) as error:
            raise self.cursor.malformed(stream.tell(), "a pickle's opcode", str(error)[:80]) from None
        raise self.cursor.malformed(stream.tell(), "the end of a pickle", "none")

    def follow(self, name: str, argument: Any) -> None:
        """One opcode."""
        stack = self.stack
        if name == "MARK":
            self.marks.append(len(stack))
        elif name in ("MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT"):
            self.memo[len(self.memo) if name == "MEMOIZE" else argument] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(self.memo[argument])
        elif name in COLLECTORS:
            COLLECTORS[name](self)
        elif name == "GLOBAL":
            stack.append(Global(*argument.split(" ", 1)))
        elif name == "STACK_GLOBAL":
            called, module = stack.pop(), stack.pop()
            stack.append(Global(str(module)[:200], str(called)[:200]))
        elif name in ("NONE", "NEWTRUE", "NEWFALSE"):
            stack.append({"NONE": None, "NEWTRUE": True, "NEWFALSE": False}[name])
        elif name not in ("PROTO", "FRAME"):
            stack.append(argument)

    def pop_marked(self) -> list[Any]:
        at = self.marks.pop()
        items = self.stack[at:]
        del self.stack[at:]
        return items

    # ---- opcodes that build ----

    def push_tuple(self, count: int | None) -> None:
        items = self.pop_marked() if count is None else self.stack[len(self.stack) - count :]
        if count:
            del self.stack[-count:]
        self.stack.append(tuple(items) if count != 0 else ())

    def append_items(self, items: list[Any]) -> None:
        if isinstance(self.stack[-1], list):
            self.stack[-1].extend(items)

    def set_items(self, items: list[Any]) -> None:
        held = self.stack[-1]
        if isinstance(held, dict):
            for key, value in zip(items[::2], items[1::2], strict=False):
                if is_key(key):
                    held[key] = value

    def pop_items(self, count: int) -> list[Any]:
        items = self.stack[-count:]
        del self.stack[-count:]
        return items

    def push_persistent(self) -> None:
        """A storage: ("storage", class, key, location, elements)."""
        told = self.stack.pop()
        kind = told[1] if isinstance(told, tuple) and len(told) >= 3 and told[0] == "storage" else None
        key = str(told[2])[:100] if kind is not None else ""
        self.stack.append(Storage(STORAGE_TYPES.get(kind.name) if isinstance(kind, Global) else None, key))

    def call(self) -> None:
        arguments, called = self.stack.pop(), self.stack.pop()
        self.stack.append(rebuild(called, arguments))


def build_state(machine: Pickle) -> None:
    """BUILD: an object takes its state; of nothing, the state is what remains to be searched."""
    state, held = machine.stack.pop(), machine.stack.pop()
    machine.stack.append(state if isinstance(held, Nothing) else held)


COLLECTORS: Mapping[str, Any] = {
    "EMPTY_DICT": lambda m: m.stack.append({}),
    "EMPTY_LIST": lambda m: m.stack.append([]),
    "EMPTY_SET": lambda m: m.stack.append(Nothing()),
    "EMPTY_TUPLE": lambda m: m.push_tuple(0),
    "TUPLE": lambda m: m.push_tuple(None),
    "TUPLE1": lambda m: m.push_tuple(1),
    "TUPLE2": lambda m: m.push_tuple(2),
    "TUPLE3": lambda m: m.push_tuple(3),
    "LIST": lambda m: m.stack.append(m.pop_marked()),
    "DICT": lambda m: m.stack.append(make_dict(m.pop_marked())),
    "FROZENSET": lambda m: m.stack.append(Nothing() if m.pop_marked() is not None else None),
    "ADDITEMS": lambda m: m.pop_marked(),
    "APPEND": lambda m: m.append_items(m.pop_items(1)),
    "APPENDS": lambda m: m.append_items(m.pop_marked()),
    "SETITEM": lambda m: m.set_items(m.pop_items(2)),
    "SETITEMS": lambda m: m.set_items(m.pop_marked()),
    "POP": lambda m: m.stack.pop(),
    "POP_MARK": lambda m: m.pop_marked(),
    "DUP": lambda m: m.stack.append(m.stack[-1]),
    "BINPERSID": lambda m: m.push_persistent(),
    "REDUCE": lambda m: m.call(),
    "NEWOBJ": lambda m: m.call(),
    "NEWOBJ_EX": lambda m: (m.stack.pop(), m.call()),
    "BUILD": build_state,
    "OBJ": lambda m: m.stack.append(Nothing() if m.pop_marked() is not None else None),
    "INST": lambda m: m.stack.append(Nothing() if m.pop_marked() is not None else None),
}
"""Opcodes that change the stack -> what they do; the others push their argument."""


def make_dict(items: list[Any]) -> dict[Any, Any]:
    return {key: value for key, value in zip(items[::2], items[1::2], strict=False) if is_key(key)}


def is_key(key: Any) -> bool:
    """Whether a key can be part of a tensor's name: a text, or a number of no absurd length."""
    return isinstance(key, str) or (isinstance(key, int) and abs(key) < 2**63)


def rebuild(called: Any, arguments: Any) -> Any:
    """What a call makes, as far as it concerns tensors."""
    name = called.name if isinstance(called, Global) else ""
    arguments = arguments if isinstance(arguments, tuple) else ()
    if name in EMPTY_DICTS:
        return {}
    if name in REBUILD_PARAMETER and arguments:
        return arguments[0]
    if name in REBUILD_TENSOR and len(arguments) >= 3 and isinstance(arguments[0], Storage):
        storage, offset, shape = arguments[:3]
        last = arguments[6] if name == "_rebuild_tensor_v3" and len(arguments) > 6 else None
        kind = DTYPES.get(last.name) if isinstance(last, Global) else storage.type
        if kind and isinstance(shape, tuple) and all(is_length(length) for length in shape):
            return TensorView(
                kind, shape[: limits.MAX_DIMENSIONS + 1], storage.key, offset if type(offset) is int else 0
            )
    return Nothing()


def is_length(value: Any) -> bool:
    return type(value) is int and 0 <= value <= limits.MAX_TENSOR_ELEMENTS


def collect_tensors(value: Any, cursor: Cursor) -> dict[str, TensorView]:
    """The tensors of a value by their names, those of a training's state left out. Nothing is followed twice."""
    found: dict[str, TensorView] = {}
    waiting: list[tuple[str, Any, int]] = [("", value, 0)]
    seen: set[int] = set()
    while waiting:
        prefix, held, depth = waiting.pop()
        cursor.step()
        if isinstance(held, TensorView):
            found.setdefault(prefix, held)
        elif isinstance(held, dict | list) and depth < MAX_TREE_DEPTH and id(held) not in seen:
            seen.add(id(held))
            items = held.items() if isinstance(held, dict) else enumerate(held)
            lead = f"{prefix}." if prefix and prefix not in WRAPPERS else ""
            waiting += [
                (f"{lead}{key}"[: limits.MAX_TENSOR_NAME_BYTES], each, depth + 1)
                for key, each in items
                if not (isinstance(key, str) and not depth and key.lower() in TRAINING_STATE)
            ]
    return found


WRAPPERS = frozenset({"state_dict", "model", "model_state_dict", "module", "params", "weights", "generator", "net"})
"""Keys under which a checkpoint keeps its weights; they are no part of the tensors' names."""
