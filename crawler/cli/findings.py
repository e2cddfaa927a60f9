"""What `hf-catalog doctor` finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["good", "note", "bad"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check, and what to do about it (`fix`; the key of the JSON is `mend`) where it is not good."""

    check: str
    verdict: Verdict
    found: str
    fix: str = ""
