"""Constructs of a chat template that an honest one has no use for. The text is searched, never rendered.

A template is a Jinja program: a runtime that renders it without a sandbox runs what it reaches (CVE-2024-34359), and
one that a sandbox holds can still change what a model is told when a word occurs (MITRE ATLAS AML.CS0064).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from analysis.units import MIB

MAX_TEMPLATE_CHARACTERS = 1 * MIB
"""Characters of a template that are searched; the longest in use have 30,000."""

CONSTRUCTS: Mapping[str, re.Pattern[str]] = {
    "python internals": re.compile(
        r"__(?:class|mro|bases|base|subclasses|globals|builtins|import|init|reduce|getattribute|dict|code)__"
        r"|\\x5f\\x5f|\|\s{0,20}attr\s{0,20}\("
    ),
    "code execution": re.compile(
        r"\b(?:os\s{0,9}\.\s{0,9}(?:system|popen|environ)|popen|subprocess|eval|exec|importlib|check_output)\s{0,9}[(.\[]"
    ),
    "escape from the sandbox": re.compile(
        r"\b(?:lipsum|cycler|joiner|self|request|config)\s{0,9}(?:\.|\[)\s{0,9}['\"]?_"
    ),
    "another template": re.compile(r"\{%-?\s{0,20}(?:import|include|extends|from)\b"),
    "trigger word": re.compile(
        r"['\"][A-Za-z][A-Za-z ]{2,60}['\"]\s{1,9}in\s{1,9}\(?\s{0,9}"
        r"\w{1,40}(?:\[-?\w{1,20}\])?(?:\.content\b|\[\s{0,9}['\"]content['\"]\s{0,9}\])"
    ),
}
"""Name of a construct -> what it looks like, the most serious first. Repetitions are bounded: a search is linear."""


def find_construct(template: str) -> str | None:
    """The most serious suspicious construct of a template; None where it has none."""
    text = template[:MAX_TEMPLATE_CHARACTERS]
    return next((name for name, pattern in CONSTRUCTS.items() if pattern.search(text)), None)
