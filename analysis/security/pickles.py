"""What a pickle would import, from its opcodes alone: nothing is imported, nothing is called, nothing is unpickled.

Unpickling imports what GLOBAL, INST and STACK_GLOBAL name and calls it (CPython, Lib/pickletools.py). The opcodes are
followed with a stack that holds texts and nothing else, so that the names of STACK_GLOBAL are found however the stream
puts them together. Time and memory grow with the bytes that are read, of which there is a limit.
"""

from __future__ import annotations

import io
import pickletools
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal, NamedTuple

from analysis.units import MIB

Safety = Literal["innocuous", "suspicious", "dangerous"]
SAFETIES: tuple[Safety, ...] = ("innocuous", "suspicious", "dangerous")
"""Verdicts on an import and on a pickle, as the Hub names them, the worst last."""

MAX_SCANNED_BYTES = 32 * MIB
"""Bytes of one pickle that are followed: the descriptions of the largest checkpoints take 10 MB."""

MAX_OPCODES = 1_000_000
"""Opcodes of one file that are followed, within two seconds: the description of a tensor takes 50."""

IMPORT_OPCODES = 20
"""Opcodes for which an import counts, since it takes as long. A pickle names each class once, by a hundred at most."""

MAX_IMPORTS = 200
"""Different imports of one pickle that are kept."""

MAX_NAME_LENGTH = 200
UNKNOWN_NAME = "?"
"""Stands for a name that the stream computes: only unpickling would tell it."""

UNKNOWN_OPCODE = "is no opcode"

_MARK = object()
_TEXTS = frozenset({"UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "STRING", "BINSTRING",
                    "SHORT_BINSTRING"})  # fmt: skip
_PUTS = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
_GETS = frozenset({"GET", "BINGET", "LONG_BINGET"})
_EXTENSIONS = frozenset({"EXT1", "EXT2", "EXT4"})
"""Opcodes that import by a number registered with copyreg."""


class Import(NamedTuple):
    """A class or function that unpickling imports."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"

    @property
    def safety(self) -> Safety:
        """By the longest entry of pickle_imports.toml that fits; suspicious where none does."""
        entries, path = _entries(), str(self)
        while path:
            if path in entries:
                return entries[path]
            path = path.rpartition(".")[0]
        return "suspicious"


@dataclass(frozen=True, slots=True)
class PickleScan:
    """The imports of a file's pickles, the worst first. `problem`: why they could not be followed to their end."""

    imports: tuple[Import, ...]
    problem: str | None = None

    @property
    def verdict(self) -> Safety:
        """The worst of its imports; what can't be followed to its end is suspicious at least."""
        found = [each.safety for each in self.imports]
        if self.problem is not None:
            found.append("suspicious")
        return max(found, key=SAFETIES.index, default="innocuous")

    def as_facts(self) -> dict[str, object]:
        """As facts of a header keep it: a JSON object."""
        return {
            "verdict": self.verdict,
            "imports": [{"module": each.module, "name": each.name, "safety": each.safety} for each in self.imports],
            **({"problem": self.problem} if self.problem else {}),
        }


def is_unknown_opcode(scan: PickleScan) -> bool:
    """Whether following ended at a byte that is no opcode, so that unpickling ends there too."""
    return scan.problem is not None and scan.problem.endswith(UNKNOWN_OPCODE)


def merge_scans(scans: Iterable[PickleScan]) -> PickleScan:
    """The scan of several pickles as one."""
    held = list(scans)
    imports = dict.fromkeys(each for scan in held for each in scan.imports)
    return PickleScan(_worst_first(imports), next((scan.problem for scan in held if scan.problem), None))


@dataclass(slots=True)
class Budget:
    """Opcodes that may still be followed in the pickles of one file."""

    opcodes: int


def scan_pickles(data: bytes, budget: Budget | None = None) -> PickleScan:
    """The imports of the pickles at the beginning of a file, one behind the other, as older PyTorch writes them.

    Data behind the last pickle are no pickle: nothing loads them as one. `budget`: that of all pickles of a file.
    """
    found: dict[Import, None] = {}
    stream = io.BytesIO(data[:MAX_SCANNED_BYTES])
    budget = Budget(MAX_OPCODES) if budget is None else budget
    first = True
    while first or data[stream.tell() : stream.tell() + 1] == b"\x80":
        try:
            _follow(stream, found, budget)
        except (ValueError, IndexError, KeyError, TypeError, OverflowError, UnicodeError, RecursionError) as error:
            cut = len(data) >= MAX_SCANNED_BYTES and stream.tell() >= MAX_SCANNED_BYTES
            reason = f"at most {MAX_SCANNED_BYTES >> 20} MiB are followed" if cut else str(error)[:100]
            return PickleScan(_worst_first(found), f"opcode near byte {stream.tell()}: {reason}")
        first = False
    return PickleScan(_worst_first(found))


def _worst_first(imports: Iterable[Import]) -> tuple[Import, ...]:
    """At most MAX_IMPORTS of them."""
    return tuple(sorted(imports, key=lambda each: (-SAFETIES.index(each.safety), str(each))))[:MAX_IMPORTS]


class _Opcode(NamedTuple):
    """An opcode: what it does here, how its argument is read, and its effect on the stack."""

    name: str
    action: int
    argument_bytes: int
    """Of fixed length; negative where its reader finds the end."""
    read_argument: Callable[[io.BytesIO], object] | None
    pops: int
    """Values above the mark's for an opcode that collects: those below it."""
    pushes: int


_PLAIN, _COLLECT, _TEXT, _PUT, _GET, _DUP, _START, _IMPORT, _STOP = range(9)


def _describe_opcode(opcode: pickletools.OpcodeInfo) -> _Opcode:
    name, before = opcode.name, opcode.stack_before
    collects = pickletools.markobject in before
    pops = before.index(pickletools.markobject) if collects else len(before)
    action = _COLLECT if collects else _PLAIN
    if name in ("GLOBAL", "INST", "STACK_GLOBAL") or name in _EXTENSIONS:
        action = _IMPORT
    elif name in _PUTS or name == "MEMOIZE":
        action = _PUT
    else:
        single = {"MARK": _START, "STOP": _STOP, "DUP": _DUP}
        action = _TEXT if name in _TEXTS else _GET if name in _GETS else single.get(name, action)
    size = 0 if opcode.arg is None else opcode.arg.n
    reader = None if opcode.arg is None else opcode.arg.reader
    return _Opcode(name, action, size, reader, pops, len(opcode.stack_after))


_OPCODES: Mapping[int, _Opcode] = {ord(opcode.code): _describe_opcode(opcode) for opcode in pickletools.opcodes}


def _follow(stream: io.BytesIO, found: dict[Import, None], budget: Budget) -> None:
    """One pickle up to its STOP. Raises what pickletools' readers raise.

    In a third of the time of pickletools.genops, which reads each argument: a file may hold a million opcodes.
    """
    stack: list[object] = []
    memo: dict[int, object] = {}
    data = stream.getbuffer()
    at, end, left = stream.tell(), len(data), budget.opcodes
    try:
        while True:
            left -= 1
            if left <= 0:
                raise ValueError(f"more than {MAX_OPCODES:,} opcodes")
            if at >= end:
                raise ValueError("the file ends before STOP")
            opcode = _OPCODES.get(data[at])
            if opcode is None:
                raise ValueError(f"{bytes(data[at : at + 1])!r} {UNKNOWN_OPCODE}")
            _, action, size, read_argument, pops, pushes = opcode
            at += 1
            argument: object = None
            if size > 0 and action == _PLAIN:
                at += size
            elif read_argument is not None:
                stream.seek(at)
                argument = read_argument(stream)
                at = stream.tell()
            if action == _PLAIN:
                if pops:
                    del stack[-pops:]
                if pushes:
                    stack += _NOTHING[:pushes]
            elif action == _STOP:
                return
            else:
                if action == _IMPORT:
                    left -= IMPORT_OPCODES
                _apply(opcode, argument, stack, memo, found)
    finally:
        budget.opcodes = left
        data.release()
        stream.seek(at)


_NOTHING = (None,) * 8


def _apply(
    opcode: _Opcode, argument: object, stack: list[object], memo: dict[int, object], found: dict[Import, None]
) -> None:
    """The effect of an opcode on the stack, whose values but texts are None, on the memo and on what was found."""
    action = opcode.action
    if action == _START:
        stack.append(_MARK)
    elif action == _TEXT:
        stack.append(argument if isinstance(argument, str) else None)
    elif action == _PUT:
        memo[len(memo) if opcode.name == "MEMOIZE" else int(str(argument))] = stack[-1] if stack else None
    elif action == _GET:
        stack.append(memo.get(int(str(argument))))
    elif action == _DUP:
        stack.append(stack[-1] if stack else None)
    elif action == _COLLECT or opcode.name == "INST":
        if opcode.name == "INST":
            _add(found, *_names(argument))
        while stack and stack.pop() is not _MARK:
            pass
        if opcode.pops:
            del stack[-opcode.pops :]
        stack += _NOTHING[: opcode.pushes]
    else:
        if opcode.name == "STACK_GLOBAL":
            names = (_text(stack[-2]) if len(stack) > 1 else UNKNOWN_NAME, _text(stack[-1]) if stack else UNKNOWN_NAME)
            del stack[-2:]
        else:
            names = _names(argument) if opcode.name == "GLOBAL" else ("copyreg", f"extension {argument}")
        _add(found, *names)
        stack.append(None)


def _names(argument: object) -> tuple[str, str]:
    """Module and name of GLOBAL and INST."""
    module, _, name = str(argument).partition(" ")
    return module, name


def _text(value: object) -> str:
    return value if isinstance(value, str) and value else UNKNOWN_NAME


def _add(found: dict[Import, None], module: str, name: str) -> None:
    each = Import(module, name)
    if each in found:
        return
    each = Import(_printable(module), _printable(name))
    if each in found or len(found) < MAX_IMPORTS or each.safety == "dangerous":
        found[each] = None


def _printable(text: str) -> str:
    kept = text[:MAX_NAME_LENGTH]
    if not kept.isprintable():
        kept = "".join(letter if letter.isprintable() else UNKNOWN_NAME for letter in kept)
    return kept or UNKNOWN_NAME


@cache
def _entries() -> Mapping[str, Safety]:
    table = tomllib.loads((files("analysis.security") / "pickle_imports.toml").read_text("utf-8"))
    return {entry: safety for safety in ("innocuous", "dangerous") for entry in table[safety]}
