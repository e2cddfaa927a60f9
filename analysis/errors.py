"""What can go wrong in thinking.

AnalysisError
└── QuestionError          a question can't be asked
    ├── UnknownQuestion   no question has this name
    ├── BadParameter      a parameter is missing, unknown or not of its type
    └── BadQuestion       a question's file is not whole
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
