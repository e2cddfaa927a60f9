"""The environment of programs that are started here and have no business with the Hub: all but the token."""

from __future__ import annotations

import os

TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH")


def without_token() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in TOKENS}
