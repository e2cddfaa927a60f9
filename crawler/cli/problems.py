"""What is wrong with a catalog, its crawls and its service, each with its remedy: for `status` and `doctor`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from analysis.catalog.catalog_status import parse_time
from crawler.cli.options import db_argument

MAX_CLOCK_DIFFERENCE = timedelta(minutes=5)
"""A time that is further in the future is from a clock that was ahead."""

JOB_TIMES = ("last_start", "last_end", "last_success", "last_failure")
"""Times of what a job has done; its next run is in the future anyway."""

SKIPS_COMMAND = "hf-catalog query skipped"
"""What shows which entries were skipped."""

RESUME = "run the crawl again: it resumes"

FAILURE_REMEDIES = (
    ("only with a token", "log in with: hf auth login; or set HF_TOKEN"),
    ("refuses the token", "set HF_TOKEN to a token that still works, or unset it: hf auth whoami"),
    ("quota", "run it again later: it resumes; with HF_TOKEN the quota is larger"),
    ("can't be reached", "hf-catalog doctor checks the network and the Hub; then run the crawl again: it resumes"),
    ("internal error", "run it again with -v and report its output"),
)
"""Parts of the message of a failed crawl, and what to do."""

SKIP_REMEDIES: Mapping[str, str] = {
    "gated": "accept the terms on the repo's page and set HF_TOKEN",
    "private": "set HF_TOKEN to a token that may read them and crawl with --include-private",
    "gone": "nothing to do: the Hub has them no more",
    "renamed": "nothing to do: the next crawl finds their new names",
    "disabled": "nothing to do: the Hub has disabled them",
    "malformed": "nothing to do: later crawls try again; the detail names what is malformed",
    "too large": "nothing to do: they are beyond the limits in docs/headers.md",
    "unreadable": "nothing to do: the files are not what their names say",
    "failed": "later crawls try again, less and less often; at once: hf-catalog crawl --repo OWNER/NAME",
}
"""What to do about skipped repos and files, by reason."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong (`subject` is a word for it), and what to do about it."""

    subject: str
    what: str
    remedy: str


def find_problems(facts: Mapping[str, Any], now: datetime | None = None) -> list[Problem]:
    """The problems in what `read_catalog_status` found, with the service's state as `service`."""
    now = now or datetime.now(UTC)
    service = facts.get("service") or {}
    return [
        *find_crawl_problems(facts),
        *find_repo_problems(facts),
        *find_clock_problems(facts, service, now),
        *find_service_problems(service),
    ]


def find_crawl_problems(facts: Mapping[str, Any]) -> Iterator[Problem]:
    last = facts["last_crawl"] or {}
    detail = last.get("detail") or "without a message"
    if last.get("outcome") == "failed":
        remedy = next((remedy for part, remedy in FAILURE_REMEDIES if part in detail), RESUME)
        yield Problem("last crawl", f"the last crawl failed: {detail}", remedy)
    elif last.get("outcome") == "incomplete":
        remedy = "run the crawl again: it resumes where the listing ended; another Hub or mirror: --endpoint"
        yield Problem("last crawl", f"the last crawl is incomplete: {detail}", remedy)
    if facts["interrupted"] and not facts["held_by"]:
        yield Problem("crawls", f"{facts['interrupted']:,} were interrupted", "the next crawl continues them")
    if facts["held_by"] and last.get("waiting_for"):
        remedy = "nothing to do: the crawl continues by itself"
        if "quota" in last["waiting_for"]:
            remedy += "; with HF_TOKEN the quota is larger"
        what = f"the crawl waits for {last['waiting_for']} until {time_of_day(last['waiting_until'])}"
        yield Problem("waiting", what, remedy)
    for name, count in (json.loads(last["wrong_fields"]) if last.get("wrong_fields") else {}).items():
        what = f"{count:,} repos with a {name} of a wrong type, stored as unknown"
        yield Problem("fields", what, "if the Hub corrects it: hf-catalog crawl --full")


def find_repo_problems(facts: Mapping[str, Any]) -> Iterator[Problem]:
    for reason, count in facts["skips"].items():
        remedy = SKIP_REMEDIES.get(reason, "later crawls try again")
        shown_by = f"{SKIPS_COMMAND}{db_argument(facts['db'])}"
        yield Problem("skipped", f"{count:,} skipped as {reason} ({shown_by})", remedy)
    if facts["absent"]:
        what = f"{facts['absent']:,} repos that a full crawl did not see"
        yield Problem("missing", what, "later crawls request them and decide whether they are gone")
    if facts["partial"]:
        what = f"{facts['partial']:,} repos were listed without their details (card, config, base models)"
        yield Problem("partial", what, "hf-catalog crawl --full reads them")


def find_clock_problems(facts: Mapping[str, Any], service: Mapping[str, Any], now: datetime) -> Iterator[Problem]:
    times = {"a crawl began": facts.get("latest_start"), "the service gave a sign of life": service.get("alive_at")}
    for name, job in service.get("jobs", {}).items():
        ran = [at for key in JOB_TIMES if (at := parse_time(job.get(key))) is not None]
        times[f"the job {name} ran"] = max(ran, default=None)
    for event, value in times.items():
        at = parse_time(value)
        if at is not None and at - now > MAX_CLOCK_DIFFERENCE:
            what = f"{event} at {at:%Y-%m-%d %H:%M} UTC, in the future: the clock was ahead then, or is behind now"
            yield Problem("clock", what, "check the clock (timedatectl); jobs and crawls ignore such times")


def find_service_problems(service: Mapping[str, Any]) -> Iterator[Problem]:
    if not service:
        return
    if service.get("problem"):
        yield Problem("service", service["problem"], service["remedy"])
    elif not service["alive"] and not service.get("once"):
        yield Problem("service", "the service is not running", "hf-catalog schedule --config catalog.toml")
    for name, job in service["jobs"].items():
        if job["errors"]:
            what = f"the job {name} failed {job['errors']:,} times in a row: {job['detail'] or 'without a message'}"
            yield Problem("job", what, "run its command by hand, or see the service's log; it runs again when due")
    for bucket, row in (service.get("quota") or {}).items():
        if isinstance(row, dict) and row.get("left") == 0:
            what = f"the quota of {bucket} requests was spent when the last crawl ended"
            yield Problem("quota", what, "nothing to do: it is renewed within minutes; with HF_TOKEN it is larger")


def time_of_day(value: Any) -> str:
    at = parse_time(value)
    return "an unknown time" if at is None else f"{at:%Y-%m-%d %H:%M:%S} UTC"
