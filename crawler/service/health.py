"""What the health server answers: `/health` for monitors, `/metrics` for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from analysis.catalog.catalog_status import parse_time, read_catalog_status, read_wait
from analysis.units import iso
from crawler.service.health_server import Route
from crawler.service.http_server import Answer, json_answer
from crawler.service.metrics import CONTENT_TYPE, catalog_metrics, format_metrics, readable_metric, service_metrics
from crawler.service.state import JobState, State
from db.errors import CatalogError

HEALTH_MAX_AGE_SECONDS = 1.0
METRICS_MAX_AGE_SECONDS = 15.0
"""How old an answer may be; metrics count all repos, which takes seconds in a catalog of millions."""


def health_routes(read_state: Callable[[], State], db: str) -> dict[str, Route]:
    """The paths of the health server. `read_state` gives the state of the service, `db` names its catalog."""
    return {
        "/health": Route(lambda: answer_health(read_state(), db), HEALTH_MAX_AGE_SECONDS),
        "/metrics": Route(lambda: answer_metrics(read_state(), db), METRICS_MAX_AGE_SECONDS),
    }


def answer_health(state: State, db: str) -> Answer:
    """Status 200 if all is well, else 503."""
    try:
        wait = read_wait(db)
    except CatalogError:
        wait = None  # the first crawl makes the catalog; a job that can't use it fails
    health = describe_health(state, wait)
    return json_answer(HTTPStatus.OK if health["status"] == "ok" else HTTPStatus.SERVICE_UNAVAILABLE, health)


def answer_metrics(state: State, db: str) -> Answer:
    """The metrics of the service, and of the catalog if it can be read."""
    metrics = service_metrics(state)
    try:
        metrics += [readable_metric(True), *catalog_metrics(read_catalog_status(db))]
    except CatalogError:
        metrics.append(readable_metric(False))
    return Answer(HTTPStatus.OK, CONTENT_TYPE, format_metrics(metrics).encode())


def describe_health(state: State, wait: Mapping[str, Any] | None, now: datetime | None = None) -> dict[str, Any]:
    """The health of a service: `status` is ok, failing (the last run of a job failed) or stalled (no sign of life).

    `wait` is what the crawl under way waits for, as `read_wait` finds it.
    """
    alive = state.is_alive(now or datetime.now(UTC))
    failing = [name for name, job in state.jobs.items() if job.errors]
    return {
        "status": "stalled" if not alive else "failing" if failing else "ok",
        "alive": alive,
        "alive_at": state.alive_at,
        "started_at": state.started_at,
        "failing_jobs": failing,
        "waiting": None if wait is None else describe_wait(wait),
        "jobs": {name: describe_job(job) for name, job in state.jobs.items()},
    }


def describe_wait(wait: Mapping[str, Any]) -> dict[str, Any]:
    until = parse_time(wait["waiting_until"])
    return {"for": wait["waiting_for"], "until": None if until is None else iso(until)}


def describe_job(job: JobState) -> dict[str, Any]:
    return {
        "running": job.running,
        "last_start": job.last_start,
        "last_end": job.last_end,
        "last_outcome": job.last_outcome,
        "last_success": job.last_success,
        "last_failure": job.last_failure,
        "next_run": job.next_run,
        "runs": job.runs,
        "errors": job.errors,
        "failures": job.failures,
        "detail": job.detail,
    }
