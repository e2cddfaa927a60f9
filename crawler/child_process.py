"""Processes of this program that need no access to the Hub: how they are started, and what they get to know.

A process is started by `subprocess` and not as a `multiprocessing.Process`, because only `subprocess` can give it
another environment (without the Hub's token) and Python's safe path (nothing is imported from the current directory),
and because a spawned Process first runs the main module again, which in a script without `if __name__ == "__main__"`
would be a second crawl.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH")
"""Environment variables that hold the Hub's token, or the path to it."""

WEBHOOK_SECRET = "HF_CATALOG_HUB_SECRET"
"""The environment variable that may hold the secret of the Hub's webhook."""


def without_token() -> dict[str, str]:
    """This process's environment variables except those of the token and the webhook's secret."""
    return {name: value for name, value in os.environ.items() if name not in (*TOKENS, WEBHOOK_SECRET)}


def start_python(arguments: Sequence[str]) -> tuple[subprocess.Popen[bytes], Connection[Any, Any]]:
    """Starts Python with these arguments, followed by the number of its end of a pipe and the id of this process.

    Returns the process and this end of the pipe. Raises OSError, and ValueError on Windows, which can't pass the pipe
    on.
    """
    ours, theirs = Pipe()
    try:
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-P", *arguments, str(theirs.fileno()), str(os.getpid())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for this process, which ends the other one itself
                env=without_token(),
            )
    except BaseException:
        ours.close()
        raise
    return process, ours
