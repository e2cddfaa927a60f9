"""What a pickle would import, from its opcodes alone: nothing is imported, nothing is called, nothing is unpickled.

Unpickling imports what GLOBAL, INST and STACK_GLOBAL name and calls it (CPython, Lib/pickletools.py). The opcodes are
followed with a stack that holds texts and nothing else, so that the names of STACK_GLOBAL are found however the stream
puts them together. Time and memory grow with the bytes that are read, of which there is a limit.
"""

from __future__ import annotations

import io
import pickletools
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

from analysis.units import MIB

Safety = Literal["innocuous", "suspicious", "dangerous"]
SAFETIES: tuple[Safety, ...] = ("innocuous", "suspicious", "dangerous")
"""Verdicts on an import and on a pickle, as the Hub names them, the worst last."""

MAX_SCANNED_BYTES = 32 * MIB
"""Bytes of one pickle that are followed: the descriptions of the largest checkpoints take 10 MB."""

MAX_OPCODES = 2_000_000
"""Opcodes of one file that are followed, a few seconds: the description of a tensor takes 50."""

MAX_IMPORTS = 200
"""Different imports of one pickle that are kept."""

MAX_NAME_LENGTH = 200
UNKNOWN_NAME = "?"
"""Stands for a name that the stream computes: only unpickling would tell it."""

_MARK = object()
_TEXTS = frozenset({"UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "STRING", "BINSTRING",
                    "SHORT_BINSTRING"})  # fmt: skip
_PUTS = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
_GETS = frozenset({"GET", "BINGET", "LONG_BINGET"})
_EXTENSIONS = frozenset({"EXT1", "EXT2", "EXT4"})
"""Opcodes that import by a number registered with copyreg."""


@dataclass(frozen=True, slots=True)
class Import:
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


def merge_scans(scans: Iterable[PickleScan]) -> PickleScan:
    """The scan of several pickles as one."""
    held = list(scans)
    imports = dict.fromkeys(each for scan in held for each in scan.imports)
    return PickleScan(_worst_first(imports), next((scan.problem for scan in held if scan.problem), None))


def scan_pickles(data: bytes) -> PickleScan:
    """The imports of the pickles at the beginning of a file, one behind the other, as older PyTorch writes them.

    Data behind the last pickle are no pickle: nothing loads them as one.
    """
    found: dict[Import, None] = {}
    stream = io.BytesIO(data[:MAX_SCANNED_BYTES])
    left = MAX_OPCODES
    first = True
    while first or data[stream.tell() : stream.tell() + 1] == b"\x80":
        try:
            left = _follow(stream, found, left)
        except (ValueError, IndexError, KeyError, TypeError, OverflowError, UnicodeError, RecursionError) as error:
            cut = len(data) >= MAX_SCANNED_BYTES and stream.tell() >= MAX_SCANNED_BYTES
            reason = f"at most {MAX_SCANNED_BYTES >> 20} MiB are followed" if cut else str(error)[:100]
            return PickleScan(_worst_first(found), f"opcode near byte {stream.tell()}: {reason}")
        first = False
    return PickleScan(_worst_first(found))


def _worst_first(imports: Iterable[Import]) -> tuple[Import, ...]:
    """At most MAX_IMPORTS of them."""
    return tuple(sorted(imports, key=lambda each: (-SAFETIES.index(each.safety), str(each))))[:MAX_IMPORTS]


def _follow(stream: io.BytesIO, found: dict[Import, None], left: int) -> int:
    """One pickle up to its STOP. Returns how many opcodes are left. Raises what pickletools raises."""
    stack: list[object] = []
    memo: dict[int, object] = {}
    for opcode, argument, _ in pickletools.genops(stream):
        left -= 1
        if left <= 0:
            raise ValueError(f"more than {MAX_OPCODES:,} opcodes")
        name = opcode.name
        if name in ("GLOBAL", "INST"):
            module, _, attribute = str(argument).partition(" ")
            _add(found, module, attribute)
        elif name in _EXTENSIONS:
            _add(found, "copyreg", f"extension {argument}")
        elif name == "STACK_GLOBAL":
            attribute_, module_ = stack[-1] if stack else None, stack[-2] if len(stack) > 1 else None
            _add(found, _text(module_), _text(attribute_))
        if name in _PUTS or name == "MEMOIZE":
            memo[len(memo) if name == "MEMOIZE" else int(argument or 0)] = stack[-1] if stack else None
            continue
        if name == "STOP":
            break
        _apply(opcode, argument, stack, memo)
    return left


def _apply(opcode: pickletools.OpcodeInfo, argument: object, stack: list[object], memo: Mapping[int, object]) -> None:
    """The effect of an opcode on the stack, whose values but texts are None."""
    name = opcode.name
    top = stack[-1] if stack else None
    if pickletools.markobject in opcode.stack_before:
        while stack and stack.pop() is not _MARK:
            pass
        below = opcode.stack_before.index(pickletools.markobject)
        del stack[max(0, len(stack) - below) :]
    else:
        del stack[max(0, len(stack) - len(opcode.stack_before)) :]
    if name == "MARK":
        stack.append(_MARK)
    elif name in _TEXTS and isinstance(argument, str):
        stack.append(argument)
    elif name in _GETS:
        stack.append(memo.get(int(str(argument))))
    elif name == "DUP":
        stack += [top, top]
    else:
        stack += [None] * len(opcode.stack_after)


def _text(value: object) -> str:
    return value if isinstance(value, str) and value else UNKNOWN_NAME


def _add(found: dict[Import, None], module: str, name: str) -> None:
    kept = [
        "".join(letter if letter.isprintable() else UNKNOWN_NAME for letter in text[:MAX_NAME_LENGTH]) or UNKNOWN_NAME
        for text in (module, name)
    ]
    each = Import(*kept)
    if each in found or len(found) < MAX_IMPORTS or each.safety == "dangerous":
        found[each] = None


@cache
def _entries() -> Mapping[str, Safety]:
    table = tomllib.loads((files("analysis.security") / "pickle_imports.toml").read_text("utf-8"))
    return {entry: safety for safety in ("innocuous", "dangerous") for entry in table[safety]}
