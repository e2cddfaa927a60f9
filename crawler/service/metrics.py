"""Metrics of the service and its catalog in Prometheus' text format.

The format: https://prometheus.io/docs/instrumenting/exposition_formats/. Names end in their unit, counters in `_total`:
https://prometheus.io/docs/practices/naming/. Times are seconds since 1970.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from analysis.catalog.catalog_status import parse_time
from crawler.service.state import State

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

PREFIX = "hf_catalog_"

OUTCOMES = ("complete", "incomplete", "stopped", "failed")
"""Outcomes of a crawl; each has a sample, also without such a crawl."""

Samples = Iterable[tuple[Mapping[str, str], float | int | None]]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric with its samples: labels and value. A value of None has no sample."""

    name: str
    kind: Literal["counter", "gauge"]
    help: str
    samples: Samples

    def lines(self) -> list[str]:
        name = PREFIX + self.name
        found = [f"{name}{format_labels(labels)} {value}" for labels, value in self.samples if value is not None]
        return [f"# HELP {name} {self.help}", f"# TYPE {name} {self.kind}", *found] if found else []


def gauge(name: str, help_text: str, samples: Samples) -> Metric:
    """A value that goes up and down."""
    return Metric(name, "gauge", help_text, samples)


def counter(name: str, help_text: str, samples: Samples) -> Metric:
    """A value that only grows."""
    return Metric(name, "counter", help_text, samples)


def format_metrics(metrics: Iterable[Metric]) -> str:
    return "".join(f"{line}\n" for metric in metrics for line in metric.lines())


def format_labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{escape_label(value)}"' for name, value in labels.items()) + "}"


def escape_label(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def timestamp(value: Any) -> float | None:
    """Seconds since 1970 of a time as the catalog or the health file has it."""
    at = parse_time(value)
    return None if at is None else at.timestamp()


def service_metrics(state: State) -> list[Metric]:
    """What is known of the service and its jobs."""
    jobs = {name: ({"name": name}, job) for name, job in state.jobs.items()}.values()
    one: Mapping[str, str] = {}
    quotas = {bucket: row for job in state.jobs.values() for bucket, row in (job.quota or {}).items()}
    buckets = [({"bucket": name}, row) for name, row in quotas.items() if isinstance(row, dict)]
    return [
        gauge("service_start_timestamp_seconds", "When the service was started.", [(one, timestamp(state.started_at))]),
        gauge("service_alive_timestamp_seconds", "The last sign of life.", [(one, timestamp(state.alive_at))]),
        gauge("job_running", "Whether the job runs now.", [(at, int(job.running)) for at, job in jobs]),
        counter("job_runs_total", "Runs of the job.", [(at, job.runs) for at, job in jobs]),
        counter("job_errors_total", "Failed runs of the job.", [(at, job.failures) for at, job in jobs]),
        gauge("job_consecutive_errors", "Failed runs since the last success.", [(at, job.errors) for at, job in jobs]),
        gauge("job_last_exit_status", "Exit status of the last run.", [(at, job.last_status) for at, job in jobs]),
        gauge(
            "job_last_start_timestamp_seconds",
            "When the last run began.",
            [(at, timestamp(job.last_start)) for at, job in jobs],
        ),
        gauge(
            "job_last_end_timestamp_seconds",
            "When the last run ended.",
            [(at, timestamp(job.last_end)) for at, job in jobs],
        ),
        gauge(
            "job_last_success_timestamp_seconds",
            "When the last successful run began.",
            [(at, timestamp(job.last_success)) for at, job in jobs],
        ),
        gauge(
            "job_next_run_timestamp_seconds",
            "When the job runs next.",
            [(at, timestamp(job.next_run)) for at, job in jobs],
        ),
        gauge(
            "quota_left_requests",
            "Requests that the Hub allowed in the window of the last crawl.",
            [(at, as_number(row.get("left"))) for at, row in buckets],
        ),
        gauge(
            "quota_limit_requests",
            "Requests that the Hub allows in a window.",
            [(at, as_number(row.get("of"))) for at, row in buckets],
        ),
    ]


def readable_metric(is_readable: bool) -> Metric:
    """Whether the metrics of the catalog are there."""
    return gauge("catalog_readable", "Whether the catalog can be read.", [({}, int(is_readable))])


def catalog_metrics(facts: Mapping[str, Any]) -> list[Metric]:
    """What `read_catalog_status` found in the catalog."""
    requests, last = facts["requests"], facts["last_crawl"] or {}
    one: Mapping[str, str] = {}

    def by(label: str, counts: Mapping[str, Any]) -> Samples:
        return [({label: str(name)}, count) for name, count in counts.items()]

    outcomes = {name: facts["outcomes"].get(name, 0) for name in OUTCOMES}
    is_last = {name: int(last.get("outcome") == name) for name in OUTCOMES} if last else {}
    waits = bool(last) and last["finished_at"] is None and last["waiting_for"] is not None
    kinds = {"api": requests["api"], "resolver": requests["resolvers"]}
    return [
        counter("requests_total", "Requests to the Hub that count against a quota.", by("kind", kinds)),
        counter("received_bytes_total", "Bytes received from the Hub.", [(one, requests["bytes"])]),
        counter("wait_seconds_total", "Time spent waiting for the quota.", [(one, requests["seconds_waited"])]),
        counter("repos_processed_total", "Repos that crawls handled.", by("result", facts["processed"])),
        counter("crawls_total", "Crawls that ended.", by("outcome", outcomes)),
        gauge("repos", "Repos in the catalog.", by("status", facts["by_status"])),
        gauge("backlog_repos", "Repos still to be read to this depth.", by("depth", facts["backlog"])),
        gauge("skips", "Skipped repos and files.", by("reason", facts["skips"])),
        gauge("missing_repos", "Repos that a full crawl did not see.", [(one, facts["absent"])]),
        gauge("partial_repos", "Repos that were listed without their details.", [(one, facts["partial"])]),
        gauge("last_crawl_outcome", "1 for the outcome of the last crawl.", by("outcome", is_last)),
        gauge(
            "last_crawl_start_timestamp_seconds",
            "When the last crawl began.",
            [(one, timestamp(last.get("started_at")))],
        ),
        gauge(
            "last_crawl_end_timestamp_seconds",
            "When the last crawl ended.",
            [(one, timestamp(last.get("finished_at")))],
        ),
        gauge("crawl_waiting", "Whether the crawl under way waits.", [(one, int(waits))]),
        gauge(
            "crawl_waiting_until_timestamp_seconds",
            "When the crawl under way sends its next request.",
            [(one, timestamp(last["waiting_until"]) if waits else None)],
        ),
    ]


def as_number(value: Any) -> int | None:
    return value if type(value) is int else None
