"""What `hf-catalog doctor` finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from crawler.cli.errors import explain

Verdict = Literal["good", "note", "bad"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check, and what to do about it (`fix`; the key of the JSON is `mend`) where it is not good."""

    check: str
    verdict: Verdict
    found: str
    fix: str = ""


def bad_finding(check: str, error: Exception, fix: str = "") -> Finding:
    """The finding of a check that failed; `fix` for an error of which the program knows no remedy."""
    message, hint, _ = explain(error) or (str(error), fix, 0)
    return Finding(check, "bad", message, hint)
