"""The service's configuration: which commands run when, and which hooks run after them.

db = "catalog.db"
[jobs.incremental]            # one table for each job
every = "1h"                  # or cron = "17 3 * * sun", or after = ["another job"]
jitter = "5m"                 # starts up to this much later, so that not all services send requests at once
run = ["crawl", "--depth", "listing"]
[[hooks]]                     # runs after each of these jobs and gets its result as JSON
after = ["incremental"]
webhook = "https://example.org/hook"     # or command = ["./notify.sh"]
[health]                      # an HTTP server on loopback: /health and /metrics
port = 8787
[webhook]                     # listens for the Hub's webhooks: repos that changed are visited at once
port = 8788
secret_file = "webhook.secret"
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cronsim import CronSim, CronSimError

from analysis.units import parse_span
from analysis.untrusted import TOML_ERRORS
from crawler.errors import ConfigError
from db.secret_url import SecretUrl, database_url, webhook_url

JOB_KEYS = frozenset(("every", "cron", "after", "jitter", "run", "max_time"))
HOOK_KEYS = frozenset(("after", "command", "webhook"))
HEALTH_KEYS = frozenset(("port",))
WEBHOOK_KEYS = frozenset(("address", "port", "secret_file", "include_private"))
TOP_KEYS = frozenset(("db", "state", "jobs", "hooks", "health", "webhook"))

VISITS = "webhook"
"""The name of the job that visits the repos which the Hub's webhook reported."""

MAX_PORT = 65_535

WEBHOOK = re.compile(r"(slack\+)?https?://[!-~]+")
"""A URL in printable ASCII without blanks: what an HTTP request can hold; slack+ before it asks for chat messages."""

CRON_EXAMPLE = "17 3 * * sun"


@dataclass(frozen=True, slots=True)
class Job:
    """One command of this program and when it runs. Exactly one of `every`, `cron` and `after` is set."""

    name: str
    run: tuple[str, ...]  # arguments of hf-catalog
    every: timedelta | None = None
    cron: str | None = None  # five fields, by the rules of Debian's cron, in UTC
    after: tuple[str, ...] = ()
    jitter: timedelta = timedelta(0)
    max_time: timedelta | None = None  # the command gets SIGTERM after this

    @property
    def is_crawl(self) -> bool:
        return self.run[0] == "crawl"

    @property
    def command_line(self) -> str:
        """Its arguments as text, without passwords in URLs of databases."""
        return " ".join(database_url(word) if "://" in word else word for word in self.run)

    @property
    def when(self) -> str:
        """When it runs, as text."""
        if self.every is not None:
            return f"every {self.every}"
        return f"cron {self.cron}" if self.cron is not None else f"after {', '.join(self.after)}"


@dataclass(frozen=True, slots=True)
class JobHook:
    """Runs after jobs: a command that reads JSON from stdin, or a URL that gets the JSON by POST."""

    after: tuple[str, ...]
    command: tuple[str, ...] = ()
    webhook: SecretUrl | None = None


@dataclass(frozen=True, slots=True)
class WebhookConfig:
    """Where the Hub's webhooks are listened for. Without `secret_file` the secret is in the environment."""

    address: str
    port: int  # 0 for a free port
    secret_file: Path | None
    include_private: bool  # visit also private repos that the token can read


@dataclass(frozen=True, slots=True)
class ServiceConfig:
    """All jobs and hooks, and the catalog that they work on."""

    db: str  # a SecretUrl if it is a database's URL
    state: Path
    jobs: Mapping[str, Job]
    hooks: tuple[JobHook, ...] = ()
    health_port: int | None = None  # of the health server; None without one, 0 for a free port
    webhook: WebhookConfig | None = None


def read_config(path: Path) -> ServiceConfig:
    """The configuration in a TOML file; paths in it are relative to its folder.

    Raises ConfigError, with the place in the file, for what is missing, unknown or invalid.
    """
    if path.exists() and not path.is_file():  # a pipe would never end
        raise ConfigError(str(path), "", "is no file")
    try:
        with path.open("rb") as file:
            data = tomllib.load(file)
    except OSError as error:
        raise ConfigError(str(path), "", error.strerror or str(error)) from None
    except TOML_ERRORS as error:
        raise ConfigError(str(path), "", str(error)) from None
    return parse_config(data, path)


def parse_config(data: Mapping[str, Any], path: Path) -> ServiceConfig:
    """The configuration in the data of a TOML file. Raises ConfigError."""
    _check_keys(data, TOP_KEYS, path, "")
    rows = data.get("jobs")
    if not isinstance(rows, dict) or not rows:
        raise ConfigError(str(path), "jobs", "there must be at least one table like [jobs.incremental]")
    jobs = {name: _parse_job(name, row, path) for name, row in rows.items()}
    for job in jobs.values():
        _check_names(job.after, jobs, path, f"jobs.{job.name}")
    folder = path.absolute().parent
    webhook = _parse_webhook(data["webhook"], path) if "webhook" in data else None
    if webhook is not None and VISITS in jobs:
        raise ConfigError(str(path), f"jobs.{VISITS}", "the visits of [webhook] have this name; choose another one")
    hooks = tuple(_parse_hook(number, row, path) for number, row in enumerate(data.get("hooks", [])))
    for number, hook in enumerate(hooks):
        _check_names(hook.after, (*jobs, *([VISITS] if webhook else [])), path, f"hooks[{number}]")
    _refuse_cycles(jobs, path)
    db = data.get("db", os.environ.get("HF_CATALOG_DB") or "catalog.db")
    if not isinstance(db, str) or not db:
        raise ConfigError(str(path), "db", "must be a path or a URL")
    state = folder / str(data.get("state", f"{path.stem}.state.json"))
    port = _parse_health_port(data, path)
    return ServiceConfig(database_url(db) if "://" in db else str(folder / db), state, jobs, hooks, port, webhook)


def parse_cron(expression: str) -> str:
    """A checked cron expression of five fields. Raises ValueError, naming the field, for what is invalid or never due.

    By the rules of Debian's cron, which cronsim follows: https://manpages.debian.org/bookworm/cron/crontab.5.en.html.
    A range of weekdays may also end on Sunday by name (`sat-sun`), which Debian's cron refuses.
    """
    if len(expression.split()) != 5:
        raise ValueError(f"needs five fields like {CRON_EXAMPLE!r}")
    expression = re.sub(r"-sun\b", "-7", expression.strip(), flags=re.IGNORECASE)
    try:
        next(CronSim(expression, datetime(2026, 1, 1, tzinfo=UTC)))
    except CronSimError as error:
        field = str(error).removeprefix("Bad ")
        raise ValueError(f"its {field} field is invalid, or a day that never occurs") from None
    except StopIteration:
        raise ValueError("it is never due") from None
    return expression


def _parse_job(name: str, row: Any, path: Path) -> Job:
    place = f"jobs.{name}"
    _check_keys(row, JOB_KEYS, path, place)
    if sum(key in row for key in ("every", "cron", "after")) != 1:
        raise ConfigError(str(path), place, "needs one of every, cron and after")
    run = _parse_words(row.get("run"), path, f"{place}.run")
    every = _parse_span(row, "every", path, place)
    if every is not None and every < timedelta(seconds=1):
        raise ConfigError(str(path), f"{place}.every", "must be at least a second")
    after = _parse_words(row["after"], path, f"{place}.after") if "after" in row else ()
    jitter = _parse_span(row, "jitter", path, place) or timedelta(0)
    max_time = _parse_span(row, "max_time", path, place)
    return Job(name, run, every, _parse_cron(row, path, place), after, jitter, max_time)


def _parse_cron(row: Mapping[str, Any], path: Path, place: str) -> str | None:
    if "cron" not in row:
        return None
    if not isinstance(row["cron"], str):
        raise ConfigError(str(path), f"{place}.cron", f"must be a text like {CRON_EXAMPLE!r}")
    try:
        return parse_cron(row["cron"])
    except ValueError as error:
        raise ConfigError(str(path), f"{place}.cron", f"{row['cron']!r}: {error}") from None


def _parse_hook(number: int, row: Any, path: Path) -> JobHook:
    place = f"hooks[{number}]"
    _check_keys(row, HOOK_KEYS, path, place)
    if ("command" in row) == ("webhook" in row):
        raise ConfigError(str(path), place, "needs one of command and webhook")
    webhook = row.get("webhook")
    if webhook is not None and not (isinstance(webhook, str) and WEBHOOK.fullmatch(webhook)):
        raise ConfigError(
            str(path), f"{place}.webhook", "is not an http or https URL without blanks (slack+https:// for chats)"
        )
    command = _parse_words(row["command"], path, f"{place}.command") if "command" in row else ()
    url = None if webhook is None else webhook_url(webhook)
    return JobHook(_parse_words(row.get("after"), path, f"{place}.after"), command, url)


def _parse_health_port(data: Mapping[str, Any], path: Path) -> int | None:
    if "health" not in data:
        return None
    _check_keys(data["health"], HEALTH_KEYS, path, "health")
    return _parse_port(data["health"], path, "health")


def _parse_webhook(row: Any, path: Path) -> WebhookConfig:
    _check_keys(row, WEBHOOK_KEYS, path, "webhook")
    address = row.get("address", "127.0.0.1")
    try:
        ip_address(address)
    except ValueError:
        why = "must be an IP address of this machine like 127.0.0.1, or 0.0.0.0 for all"
        raise ConfigError(str(path), "webhook.address", why) from None
    file = row.get("secret_file")
    if file is not None and not (isinstance(file, str) and file):
        raise ConfigError(str(path), "webhook.secret_file", "must be the path of a file")
    include_private = row.get("include_private", False)
    if type(include_private) is not bool:
        raise ConfigError(str(path), "webhook.include_private", "must be true or false")
    secret_file = path.absolute().parent / file if file else None
    return WebhookConfig(address, _parse_port(row, path, "webhook"), secret_file, include_private)


def _parse_port(row: Mapping[str, Any], path: Path, section: str) -> int:
    port = row.get("port")
    if type(port) is not int or not 0 <= port <= MAX_PORT:
        why = f"must be a whole number from 0 to {MAX_PORT}; 0 takes a free port"
        raise ConfigError(str(path), f"{section}.port", why)
    return port


def _check_keys(row: Any, known: frozenset[str], path: Path, place: str) -> None:
    if not isinstance(row, dict):
        raise ConfigError(str(path), place, "must be a table")
    unknown = sorted(set(row) - known)
    if unknown:
        raise ConfigError(str(path), place, f"{unknown[0]!r} is unknown; possible are {', '.join(sorted(known))}")


def _parse_words(value: Any, path: Path, place: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(word, str) and word for word in value):
        raise ConfigError(str(path), place, 'must be a list of words like ["crawl", "--full"]')
    return tuple(value)


def _parse_span(row: Mapping[str, Any], key: str, path: Path, place: str) -> timedelta | None:
    if key not in row:
        return None
    try:
        return parse_span(row[key])
    except (ValueError, AttributeError, OverflowError):
        raise ConfigError(str(path), f"{place}.{key}", f"{row[key]!r} is not a duration like 30m, 2h or 7d") from None


def _check_names(names: tuple[str, ...], jobs: Collection[str], path: Path, place: str) -> None:
    for name in names:
        if name not in jobs:
            raise ConfigError(str(path), f"{place}.after", f"no job is named {name!r}; there are {', '.join(jobs)}")


def _refuse_cycles(jobs: Mapping[str, Job], path: Path) -> None:
    """Raises ConfigError for a job that follows itself, directly or through other jobs."""
    for start in jobs:
        seen, to_visit = set[str](), list(jobs[start].after)
        while to_visit:
            name = to_visit.pop()
            if name == start:
                raise ConfigError(str(path), f"jobs.{start}.after", "the job would follow itself forever")
            if name not in seen:
                seen.add(name)
                to_visit += jobs[name].after
