"""The service's configuration is checked before anything runs, and an error names its place in the file."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import pytest
from cronsim import CronSim

from crawler.errors import ConfigError
from crawler.service.config import parse_cron, read_config

EXAMPLE = Path(__file__).resolve().parents[3] / "catalog.example.toml"


def write(folder: Path, text: str) -> Path:
    path = folder / "catalog.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_example_is_valid() -> None:
    found = read_config(EXAMPLE)
    assert set(found.jobs) == {"incremental", "full_crawl", "enrich", "export", "prune", "optimize"}
    assert found.jobs["incremental"].every == timedelta(hours=1)
    assert found.jobs["export"].after == ("full_crawl",)
    assert all(job.max_time is not None for job in found.jobs.values())
    assert found.jobs["enrich"].max_time == timedelta(minutes=14)
    assert found.db == str(EXAMPLE.parent / "catalog.db")


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ("", "jobs", "at least one"),
        ("jobs = 3", "jobs", "at least one"),
        ("colour = 1", "", "'colour' is unknown"),
        ("[jobs.a]\nrun = ['crawl']", "jobs.a", "one of every, cron and after"),
        ("[jobs.a]\nevery = '1h'\ncron = '1 1 * * *'\nrun = ['crawl']", "jobs.a", "one of every, cron and after"),
        ("[jobs.a]\nevery = 'soon'\nrun = ['crawl']", "jobs.a.every", "'soon' is not a duration"),
        ("[jobs.a]\nevery = '0s'\nrun = ['crawl']", "jobs.a.every", "at least a second"),
        ("[jobs.a]\nevery = '1h'", "jobs.a.run", "a list of words"),
        ("[jobs.a]\nevery = '1h'\nrun = []", "jobs.a.run", "a list of words"),
        ("[jobs.a]\ncron = 'daily'\nrun = ['crawl']", "jobs.a.cron", "five fields"),
        ("[jobs.a]\ncron = 5\nrun = ['crawl']", "jobs.a.cron", "must be a text"),
        ("[jobs.a]\nafter = ['b']\nrun = ['crawl']", "jobs.a.after", "no job is named 'b'"),
        ("[jobs.a]\nafter = ['a']\nrun = ['crawl']", "jobs.a.after", "follow itself"),
        ("[jobs.a]\nevery = '1h'\nrun = ['crawl']\n[[hooks]]\nafter = ['a']", "hooks[0]", "one of command and webhook"),
        (
            "[jobs.a]\nevery = '1h'\nrun = ['crawl']\n[[hooks]]\nafter = ['a']\nwebhook = 'file:///etc/passwd'",
            "hooks[0].webhook",
            "not an http or https URL",
        ),
        ("[jobs.a\n", "", "line 1"),
        ("[jobs.a]\nevery = '1h'\nrun = ['crawl']\n[health]", "health.port", "a whole number from 0 to 65535"),
        ("[jobs.a]\nevery = '1h'\nrun = ['crawl']\n[health]\nport = 65536", "health.port", "a whole number"),
        ("[jobs.a]\nevery = '1h'\nrun = ['crawl']\n[health]\nport = true", "health.port", "a whole number"),
        ("[jobs.a]\nevery = '1h'\nrun = ['crawl']\n[health]\nhost = '0.0.0.0'", "health", "'host' is unknown"),
        ("[jobs.a]\nevery = '1h'\nrun = ['crawl']\n[webhook]", "webhook.port", "a whole number"),
        (
            "[jobs.a]\nevery = '1h'\nrun = ['crawl']\n[webhook]\nport = 1\naddress = 'example.org'",
            "webhook.address",
            "an IP address",
        ),
        (
            "[jobs.a]\nevery = '1h'\nrun = ['crawl']\n[webhook]\nport = 1\nsecret = 'x'",
            "webhook",
            "'secret' is unknown",
        ),
        (
            "[jobs.a]\nevery = '1h'\nrun = ['crawl']\n[webhook]\nport = 1\nsecret_file = 3",
            "webhook.secret_file",
            "the path of a file",
        ),
        (
            "[jobs.a]\nevery = '1h'\nrun = ['crawl']\n[webhook]\nport = 1\ninclude_private = 'yes'",
            "webhook.include_private",
            "true or false",
        ),
        ("[jobs.webhook]\nevery = '1h'\nrun = ['crawl']\n[webhook]\nport = 1", "jobs.webhook", "have this name"),
        ("health = 8787\n[jobs.a]\nevery = '1h'\nrun = ['crawl']", "health", "must be a table"),
    ],
)
def test_an_error_names_its_place(tmp_path: Path, text: str, place: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason.replace("[", r"\[")) as caught:
        read_config(write(tmp_path, text))
    assert caught.value.place == place


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        read_config(tmp_path / "none.toml")


# ---- cron expressions -----------------------------------------------------------------------------------------------


def due_days(expression: str, count: int) -> list[str]:
    """Weekday and day of month of the first times after 2026-06-03, a Wednesday."""
    times = CronSim(parse_cron(expression), datetime(2026, 6, 3, 12, 0, tzinfo=UTC))
    return [f"{at:%a %d}" for at in islice(times, count)]


@pytest.mark.parametrize(
    ("expression", "days"),
    [
        ("0 3 * * 0", ["Sun 07", "Sun 14"]),
        ("0 3 * * 7", ["Sun 07", "Sun 14"]),
        ("0 3 * * sun", ["Sun 07", "Sun 14"]),
        ("0 3 * * SUN", ["Sun 07", "Sun 14"]),
        ("0 3 * * 1-5", ["Thu 04", "Fri 05", "Mon 08"]),
        ("0 3 * * mon-fri", ["Thu 04", "Fri 05", "Mon 08"]),
        ("0 3 * * 0-6", ["Thu 04", "Fri 05", "Sat 06", "Sun 07", "Mon 08"]),
        ("0 3 * * 5-7", ["Fri 05", "Sat 06", "Sun 07", "Fri 12"]),
        ("0 3 * * sat-sun", ["Sat 06", "Sun 07", "Sat 13"]),
        ("0 3 * * 1-5/2", ["Fri 05", "Mon 08", "Wed 10", "Fri 12"]),
        ("0 3 * * */2", ["Thu 04", "Sat 06", "Sun 07", "Tue 09", "Thu 11"]),
        ("0 3 13 * 5", ["Fri 05", "Fri 12", "Sat 13", "Fri 19"]),
        ("0 3 13 * *", ["Sat 13", "Mon 13"]),
        ("0 3 */2 * 1", ["Mon 15", "Mon 29", "Mon 13"]),
        ("*/15 12 * * *", ["Wed 03", "Wed 03", "Wed 03", "Thu 04"]),
    ],
)
def test_cron_expressions_follow_debians_cron(expression: str, days: list[str]) -> None:
    """Sunday is 0 and 7, and day of month and day of week are alternatives unless one of them begins with a star."""
    assert due_days(expression, len(days)) == days


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("every day", "five fields"),
        ("0 0 3 * * *", "five fields"),
        ("@daily", "five fields"),
        ("99 * * * *", "its minute field"),
        ("0 24 * * *", "its hour field"),
        ("0 0 0 * *", "its day-of-month field"),
        ("0 0 31 2 *", "its day-of-month field is invalid, or a day that never occurs"),
        ("0 0 1 13 *", "its month field"),
        ("0 0 * * 8", "its day-of-week field"),
        ("0 0 * * fri-mon", "its day-of-week field"),
        ("*/0 * * * *", "its minute field"),
    ],
)
def test_an_invalid_cron_expression_is_refused_with_its_job_and_field(
    tmp_path: Path, expression: str, reason: str
) -> None:
    text = f"[jobs.nightly]\ncron = '{expression}'\nrun = ['crawl']"
    with pytest.raises(ConfigError, match=re.escape(f"jobs.nightly.cron: '{expression}': ") + f".*{reason}"):
        read_config(write(tmp_path, text))


@pytest.mark.parametrize("port", [0, 8787, 65535])
def test_the_port_of_the_health_server_is_read(tmp_path: Path, port: int) -> None:
    job = "[jobs.a]\nevery = '1h'\nrun = ['crawl']\n"
    assert read_config(write(tmp_path, f"{job}[health]\nport = {port}\n")).health_port == port
    assert read_config(write(tmp_path, job)).health_port is None
