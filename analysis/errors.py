"""Errors of analysis.

AnalysisError
├── SavedQueryError       a saved query can't run
│   ├── UnknownSavedQuery no saved query has this name
│   ├── BadParameter      a parameter is missing, unknown or not of its type
│   └── InvalidSavedQuery the file of a saved query is invalid
├── UnknownModel          the catalog holds no model of this id
├── UnknownGroup          the catalog holds no model of this family or publisher
├── UnknownColumn         a list that was given has no column of this name
├── UnknownPreset         no machine has this name
├── UnknownScheme         no quantization scheme has this name
├── UnknownValue          a filter's value that nothing has
├── TooManyMatches    a condition that is watched holds for too much
├── MissingExtra          an optional package is not installed
├── UnknownTable          an export has no table of this name
├── ExportRefused         a folder that an export may not replace, or that is not an export
├── HeaderError           a file's header can't be read: the position, what was expected, what was found
│   ├── NotThisFormat     the file is something else: a pointer, a web page, nothing
│   │   └── OlderPickle   it is a pickle of torch before 1.6
│   ├── HeaderTruncated   the file ends before its header does
│   ├── HeaderMalformed   the header contradicts itself or its format
│   │   └── NoTensors     it is sound and describes no tensors
│   ├── HeaderBeyondLimits  it is larger than the limits for a valid header
│   ├── HeaderTooCostly   reading it takes more time or memory than any valid header
│   └── UnreadableFormat  the file is in a format whose headers are not read
├── SourceError           the bytes of a file can't be read
├── InvalidName           a text can't be a model's name: empty, too long, control characters
└── VocabularyError       a file of the vocabulary is invalid
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from db.extras import install_command


class AnalysisError(Exception):
    """Base of all errors of analysis; `hint` says what to do next."""

    hint: str = ""


def suggest(close: Sequence[str]) -> str:
    """`perhaps A or B` for what is like a mistyped word; empty where nothing is."""
    return f"perhaps {', '.join(close[:-1])}{' or ' * (len(close) > 1)}{close[-1]}" if close else ""


def suggest_after(message: str, close: Sequence[str]) -> str:
    """A message with what its mistyped word may stand for."""
    return f"{message}; {suggest(close)}" if close else message


class SavedQueryError(AnalysisError):
    """A saved query or its parameters are wrong."""

    hint = "list the saved queries with: hf-catalog query --list"


class UnknownSavedQuery(SavedQueryError):
    """No saved query has this name; `close` are similar names."""

    def __init__(self, name: str, close: tuple[str, ...] = ()) -> None:
        super().__init__(suggest_after(f"no saved query is named {name!r}", close))
        self.name, self.close = name, close


class BadParameter(SavedQueryError):
    """A parameter that is missing (`value` None), unknown (`type` None, `known` the others) or not of its type."""

    def __init__(self, name: str, value: str | None, type: str | None, known: tuple[str, ...] = ()) -> None:  # noqa: A002
        if type is not None:
            message = f"parameter {name}: {value!r} is not a valid {type}"
        elif value is None:
            message = f"parameter {name} has no value"
        else:
            message = f"no parameter is named {name!r}" + (f"; its parameters are {', '.join(known)}" if known else "")
        super().__init__(message)
        self.name, self.value, self.type, self.known = name, value, type, known
        self.hint = f"set it with: -p {name} VALUE" if type is None and value is None else SavedQueryError.hint


class InvalidSavedQuery(SavedQueryError):
    """The file of a saved query is invalid; `problem` says why."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"saved query {name}: {problem}")
        self.name, self.problem = name, problem


class UnknownModel(AnalysisError):
    """The catalog holds no model of this id; `close` are similar ids."""

    def __init__(self, repo_id: str, close: tuple[str, ...] = ()) -> None:
        super().__init__(f"the catalog holds no model {repo_id!r}")
        self.repo_id, self.close = repo_id, close
        self.hint = suggest(close) or f"search for it with: hf-catalog search {repo_id!r}"


class UnknownGroup(AnalysisError):
    """No model of the catalog is of this family or by this publisher (`kind`); `close` are similar names."""

    hint = "list the families with: hf-catalog query top-families; the publishers with: hf-catalog query publishers"

    def __init__(self, kind: str, name: str, close: tuple[str, ...] = ()) -> None:
        super().__init__(f"the catalog holds no model of the {kind} {name!r}")
        self.kind, self.name, self.close = kind, name, close


class InvalidPolicy(AnalysisError):
    """`key` of the policy in the file `file` is invalid; `reason` says why."""

    hint = "the keys of a policy are described in docs/audit.md"

    def __init__(self, file: str, key: str, reason: str) -> None:
        super().__init__(f"{file}{f', {key}' if key else ''}: {reason}")
        self.file, self.key, self.reason = file, key, reason


class UnknownColumn(AnalysisError):
    """A table that was given has no column of this name; `known` are its columns."""

    def __init__(self, column: str, known: tuple[str, ...]) -> None:
        super().__init__(f"the list has no column {column!r}")
        self.hint = f"its columns are: {', '.join(known)}"


class UnknownPreset(AnalysisError):
    """No machine has this name; `close` are similar names, `known` all names."""

    def __init__(self, name: str, close: tuple[str, ...], known: tuple[str, ...]) -> None:
        super().__init__(f"no machine is named {name!r}")
        self.name, self.close, self.known = name, close, known
        self.hint = suggest(close) or f"known machines: {', '.join(known)}"


class UnknownScheme(AnalysisError):
    """No quantization scheme has this name; `close` are similar ones."""

    hint = "list the schemes with: hf-catalog vocabulary ls --label scheme"

    def __init__(self, name: str, close: tuple[str, ...] = ()) -> None:
        super().__init__(suggest_after(f"unknown scheme {name!r}", close))
        self.name, self.close = name, close


class UnknownValue(AnalysisError):
    """Nothing has this value of a filter (`kind`: family, quantization, format, task); `close` are similar ones."""

    def __init__(self, kind: str, value: str, close: tuple[str, ...] = ()) -> None:
        super().__init__(f"no {kind} is named {value!r}")
        self.kind, self.value, self.close = kind, value, close
        self.hint = f"did you mean {' or '.join(close)}?" if close else "hf-catalog vocabulary ls lists the known names"


class TooManyMatches(AnalysisError):
    """A condition that is watched finds more than `most` models or rows, which would have to be remembered."""

    hint = "add filters, or watch changes, of which there may be any number of models: watch add NAME --change new"

    def __init__(self, most: int) -> None:
        super().__init__(f"it finds more than {most:,}")


class UnknownTable(AnalysisError):
    """An export has no table of this name; `close` are similar names."""

    hint = "list the tables with: hf-catalog export --list"

    def __init__(self, name: str, close: tuple[str, ...] = ()) -> None:
        super().__init__(suggest_after(f"no table, summary or saved query is named {name!r}", close))
        self.name, self.close = name, close


class ExportRefused(AnalysisError):
    """An export may not replace `folder`, or it is not an export to compare with; `reason` says why."""

    hint = "use a folder that does not exist yet, or one that holds an earlier export and nothing else"

    def __init__(self, folder: str, reason: str) -> None:
        super().__init__(f"{folder}: {reason}")
        self.folder, self.reason = folder, reason


class MissingExtra(AnalysisError):
    """`package` is not installed; the optional extra `extra` installs it."""

    def __init__(self, extra: str, package: str) -> None:
        super().__init__(f"this needs the package {package}, which is not installed")
        self.extra, self.package = extra, package
        self.hint = f"install it with: {install_command(extra)}"


class HeaderError(AnalysisError):
    """The header of the file `name` can't be read: at byte `offset`, `expected` was expected and `got` was found."""

    hint = "the file is not what its name says, or its upload is incomplete"

    def __init__(self, name: str, offset: int, expected: str, got: str) -> None:
        super().__init__(f"{name}: byte {offset:,}: expected {expected}, got {got}")
        self.name, self.offset, self.expected, self.got = name, offset, expected, got

    def __reduce__(self) -> tuple[type[HeaderError], tuple[str, int, str, str]]:
        return type(self), (self.name, self.offset, self.expected, self.got)


class NotThisFormat(HeaderError):
    """The file is of another kind than its name says: a Git LFS pointer, a web page, an older format, nothing."""


class OlderPickle(NotThisFormat):
    """The file is a pickle as torch wrote it before 1.6, which describes its tensors only to who unpickles it."""

    hint = "convert it to safetensors, or save it again with a current torch"


class HeaderTruncated(HeaderError):
    """The file ends before its header does."""


class HeaderMalformed(HeaderError):
    """The header contradicts itself, its format or the size of its file."""


class NoTensors(HeaderMalformed):
    """The file is what its name says, but describes no tensors."""

    hint = "the file holds no weights; name one that does"


class HeaderBeyondLimits(HeaderError):
    """The header exceeds the limits of analysis/formats/limits.py."""

    hint = "the limits are listed in docs/headers.md"


class HeaderTooCostly(HeaderError):
    """Reading the header of `name` was ended; `cost` says why: it takes longer, or more memory, than is allowed."""

    hint = "the file is not what its name says; the limits are listed in docs/headers.md"

    def __init__(self, name: str, cost: str) -> None:
        super().__init__(name, 0, "a header that can be read within limits", f"one that {cost}")
        self.cost = cost

    def __str__(self) -> str:
        return f"{self.name}: reading its header {self.cost}"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.name, self.cost)


class UnreadableFormat(HeaderError):
    """The file `name` is in a `format` (None: an unknown one) without a header reader; `known` are those with one."""

    hint = "a copy of the model in one of these formats has a header that can be read"

    def __init__(self, name: str, format: str | None, known: tuple[str, ...]) -> None:  # noqa: A002
        super().__init__(name, 0, f"a {' or '.join(known)} file", f"a {format} file" if format else "an unknown format")
        self.format, self.known = format, known

    def __str__(self) -> str:
        known = f"{', '.join(self.known[:-1])} and {self.known[-1]}" if self.known else "no"
        return f"{self.name}: its format is {self.format or 'unknown'}; headers are read of {known} files"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.name, self.format, self.known)


class SourceError(AnalysisError):
    """The bytes of the file `name` can't be read; `reason` says why."""

    hint = "check that the file exists and may be read"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name, self.reason = name, reason

    def __reduce__(self) -> tuple[type[SourceError], tuple[str, str]]:
        return type(self), (self.name, self.reason)


class InvalidName(AnalysisError, ValueError):
    """`name` can't be a repo id or a file name; `reason` says why."""

    hint = "a name is a repo id (owner/name) or a file name, at most 512 bytes, without control characters"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"not a name: {reason}")
        self.name, self.reason = name, reason

    def __reduce__(self) -> tuple[type[InvalidName], tuple[str, str]]:
        return type(self), (self.name, self.reason)


class VocabularyError(AnalysisError):
    """`entry` of the vocabulary's file `file` is invalid; `reason` says why."""

    hint = "the vocabulary is described in docs/vocabulary.md; check it with: hf-catalog vocabulary check"

    def __init__(self, file: str, entry: str, reason: str) -> None:
        super().__init__(f"{file}{f', entry {entry}' if entry else ''}: {reason}")
        self.file, self.entry, self.reason = file, entry, reason

    def __reduce__(self) -> tuple[type[VocabularyError], tuple[str, str, str]]:
        return type(self), (self.file, self.entry, self.reason)
