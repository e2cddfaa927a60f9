"""The environment of the processes that this program starts and that need no access to the Hub."""

from __future__ import annotations

import os

TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH")
"""Environment variables that hold the Hub's token, or the path to it."""


def without_token() -> dict[str, str]:
    """This process's environment variables except those of the token."""
    return {name: value for name, value in os.environ.items() if name not in TOKENS}
