"""The environment in which tests run the program as a user."""

from __future__ import annotations

import os
import tempfile

CACHE = tempfile.TemporaryDirectory(prefix="hf-catalog-tests-")
"""The cache folder of programs that tests run, which are not to write to the account's own."""

PRIVATE_PREFIXES = ("HF_", "HUGGING", "COVERAGE_")
"""Variables of this account and of a coverage run: measuring makes the demo three times as slow."""


def user_environment() -> dict[str, str]:
    """This process's environment without the account's settings and caches, and without measuring coverage."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(PRIVATE_PREFIXES)}
    return {**kept, "HF_CATALOG_CACHE": CACHE.name}
