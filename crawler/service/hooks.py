"""Hooks: commands and webhooks that get the result of a job as JSON after it has run."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from http.client import HTTPException, InvalidURL
from typing import Any
from urllib.parse import urlsplit

from crawler.child_process import without_token
from crawler.service.bounded_post import open_within
from crawler.service.chat import chat_message, chat_url, is_chat
from crawler.service.config import JobHook
from crawler.service.logging import log
from crawler.service.state import Outcome
from db.secret_url import reveal, split_credentials

HOOK_TIMEOUT_SECONDS = 60.0
"""How long a hook may take."""

NO_HEADERS: Mapping[str, str] = {}

MAX_OUTPUT_CHARS = 2000
"""How much of the output of a job or a hook is kept."""


@dataclass(frozen=True, slots=True)
class JobResult:
    """How one run of a job ended. `answer` is the JSON object or list that it printed, if it did."""

    job: str
    outcome: Outcome
    status: int  # exit status
    started_at: str
    finished_at: str
    answer: Mapping[str, Any] | Sequence[Any] = field(default_factory=dict)
    detail: str | None = None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def run_hook(hook: JobHook, result: JobResult) -> None:
    """Passes a result to a hook. An error is logged and stops nothing; a hook never gets the Hub's token."""
    text = json.dumps(result.as_dict())
    try:
        if hook.webhook is not None:
            url = reveal(hook.webhook)
            post(chat_url(url), chat_message(*result_lines(result)) if is_chat(url) else text)
        else:
            env = {**without_token(), "HF_CATALOG_JOB": result.job, "HF_CATALOG_OUTCOME": result.outcome}
            run = subprocess.run(
                hook.command, input=text, text=True, env=env, timeout=HOOK_TIMEOUT_SECONDS, capture_output=True
            )
            if run.returncode:
                raise OSError(f"exit status {run.returncode}: {last_error_lines(run.stderr)}")
    except (OSError, ValueError, HTTPException, subprocess.SubprocessError) as error:
        message = str(error) if hook.webhook is None else describe_post_error(error)
        facts = {"hook": hook.webhook or hook.command[0], "job": result.job, "error": message[:MAX_OUTPUT_CHARS]}
        log.error("hook failed", extra={"facts": facts})


def describe_post_error(error: Exception) -> str:
    """An error of `post` in words without any part of the URL, which may be a secret, or of what the server sent.

    The standard library's own messages repeat both: "nonnumeric port: 'the-password@host'".
    """
    code, reason = getattr(error, "code", None), getattr(error, "reason", error)
    if code is not None:
        return f"status {code}"
    if isinstance(reason, OSError):
        return reason.strerror or ("timed out" if isinstance(reason, TimeoutError) else type(reason).__name__)
    return "the address is malformed" if isinstance(reason, ValueError | InvalidURL | str) else "the answer is no HTTP"


def post(url: str, text: str, headers: Mapping[str, str] = NO_HEADERS) -> None:
    """Posts JSON to a URL; a user and password in it are sent as Basic authentication.

    Ends after HOOK_TIMEOUT_SECONDS, whatever the server does. Raises OSError, ValueError and HTTPException; a redirect
    is an error, since it would carry the password and the result to another host."""
    target, authorization = split_credentials(url)
    if urlsplit(target).scheme not in ("http", "https"):
        raise ValueError("the URL is none of a web server")
    all_headers = {"Content-Type": "application/json", "User-Agent": "hf-catalog", **headers}
    all_headers |= {} if authorization is None else {"Authorization": authorization}
    request = urllib.request.Request(target, text.encode(), all_headers, method="POST")
    with open_within(HOOK_TIMEOUT_SECONDS, request) as response:
        response.read(MAX_OUTPUT_CHARS)


def result_lines(result: JobResult) -> tuple[str, list[str]]:
    """A heading and lines that say how a job ended and what it printed."""
    heading = f"{result.job}: {result.outcome}"
    if result.detail:
        return heading, [result.detail]
    rows = result.answer
    if isinstance(rows, Mapping):
        rows = rows["rows"] if isinstance(rows.get("rows"), list) else [rows] if rows else []
    return heading, [row_text(row) for row in rows]


def row_text(row: object) -> str:
    """A row that a job printed, as one line of its values, without what is empty or nested."""
    if not isinstance(row, Mapping):
        return str(row)
    texts = {key: ", ".join(map(str, value)) if isinstance(value, list) else value for key, value in row.items()}
    nested = {key for key, value in row.items() if "{" in repr(value)[:2]}
    shown = {key: text for key, text in texts.items() if text not in (None, "") and key not in nested}
    return ", ".join(f"{key} {text}" for key, text in shown.items())


def last_error_lines(stderr: str) -> str:
    """The error of a command of this program and its hint, or else the last two lines that it printed."""
    lines = [line for line in stderr[-MAX_OUTPUT_CHARS:].splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("Error:", "Hint:"))]
    return " ".join(errors or lines[-2:]) or "it printed no error"
