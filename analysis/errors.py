"""What can go wrong in thinking.

AnalysisError
├── QuestionError         a question can't be asked
│   ├── UnknownQuestion   no question has this name
│   ├── BadParameter      a parameter is missing, unknown or not of its type
│   └── BadQuestion       a question's file is not whole
├── UnknownModel          the catalog holds no model of this id
├── UnknownPreset         no machine has this name
├── MissingExtra          an optional package is not installed
├── NotAName              a text can't be a model's name: empty, too long, control characters
└── VocabularyError       a file of the vocabulary is not as it must be
"""

from __future__ import annotations


class AnalysisError(Exception):
    """Something of the catalog's reckoning went wrong; `hint` says what to do."""

    hint: str = ""


class QuestionError(AnalysisError):
    """A question can't be asked as it was."""

    hint = "see the questions with: hf-catalog query --list"


class UnknownQuestion(QuestionError):
    """No question has this name; `close` are names like it."""

    def __init__(self, name: str, close: tuple[str, ...] = ()) -> None:
        perhaps = f"; perhaps {', '.join(close)}" if close else ""
        super().__init__(f"no question is named {name!r}{perhaps}")
        self.name, self.close = name, close


class BadParameter(QuestionError):
    """A parameter that is missing (`value` None), unknown (`type` None, `known` those there are) or not of its type."""

    def __init__(self, name: str, value: str | None, type: str | None, known: tuple[str, ...] = ()) -> None:  # noqa: A002
        if type is not None:
            message = f"parameter {name}: {value!r} is no {type}"
        elif value is None:
            message = f"parameter {name} has no value"
        else:
            message = f"no parameter is named {name!r}" + (f"; there are {', '.join(known)}" if known else "")
        super().__init__(message)
        self.name, self.value, self.type, self.known = name, value, type, known
        self.hint = f"give it with: -p {name} VALUE" if type is None and value is None else QuestionError.hint


class BadQuestion(QuestionError):
    """A question's file lacks something."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"question {name}: {problem}")
        self.name, self.problem = name, problem


class UnknownModel(AnalysisError):
    """The catalog holds no model of this id; `close` are ids like it."""

    def __init__(self, repo_id: str, close: tuple[str, ...] = ()) -> None:
        super().__init__(f"the catalog holds no model {repo_id!r}")
        self.repo_id, self.close = repo_id, close
        self.hint = f"perhaps {' or '.join(close)}" if close else f"look for it with: hf-catalog search {repo_id!r}"


class UnknownPreset(AnalysisError):
    """No machine has this name; `close` are names like it, `known` all of them."""

    def __init__(self, name: str, close: tuple[str, ...], known: tuple[str, ...]) -> None:
        super().__init__(f"no machine is named {name!r}")
        self.name, self.close, self.known = name, close, known
        self.hint = f"perhaps {', '.join(close)}" if close else f"there are {', '.join(known)}"


class MissingExtra(AnalysisError):
    """`package` is not installed; the optional extra `extra` brings it."""

    def __init__(self, extra: str, package: str) -> None:
        super().__init__(f"this needs the package {package}, which is not installed")
        self.extra, self.package = extra, package
        self.hint = f"install it with: pip install 'hf-catalog[{extra}]'"


class NotAName(AnalysisError, ValueError):
    """`name` can't be a repo id or a file name; `reason` says why."""

    hint = "a name is a repo id (owner/name) or a file name, at most 512 bytes, without control characters"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"not a name: {reason}")
        self.name, self.reason = name, reason

    def __reduce__(self) -> tuple[type[NotAName], tuple[str, str]]:
        return type(self), (self.name, self.reason)


class VocabularyError(AnalysisError):
    """`entry` of the vocabulary's file `file` is not as it must be."""

    hint = "the vocabulary is described in docs/vocabulary.md; check it with: hf-catalog vocabulary check"

    def __init__(self, file: str, entry: str, reason: str) -> None:
        super().__init__(f"{file}{f', entry {entry}' if entry else ''}: {reason}")
        self.file, self.entry, self.reason = file, entry, reason

    def __reduce__(self) -> tuple[type[VocabularyError], tuple[str, str, str]]:
        return type(self), (self.file, self.entry, self.reason)
