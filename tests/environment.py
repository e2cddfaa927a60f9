"""The environment in which tests run the program as a user."""

from __future__ import annotations

import os

PRIVATE_PREFIXES = ("HF_", "HUGGING", "COVERAGE_")
"""Variables of this account and of a coverage run: measuring makes the demo three times as slow."""


def user_environment() -> dict[str, str]:
    """This process's environment without the account's settings and without measuring coverage."""
    return {key: value for key, value in os.environ.items() if not key.startswith(PRIVATE_PREFIXES)}
