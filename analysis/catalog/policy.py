"""A policy: which models an organisation allows, as a TOML file; it turns the results of an audit into its own.

[licences]     allow, deny: SPDX ids, LicenseRef-ids or kinds (permissive, share-alike ...)
[formats]      allow: formats of which a model must have weights
[publishers]   allow, deny: owners
[signals]      min_downloads, min_likes
[age]          min_days since it was created, max_days since it was last changed
[checks]       name of a check = "pass", "warn" or "fail": what a warning or an unknown result of it counts as
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any

from analysis.catalog.audit import CHECKS, RESULTS, Check, Result
from analysis.catalog.catalog_status import parse_time
from analysis.errors import InvalidPolicy
from analysis.untrusted import TOML_ERRORS

SOURCE = "policy"


@dataclass(frozen=True, slots=True)
class Limits:
    """What is allowed and denied; empty means that nothing is said."""

    allow: frozenset[str] = frozenset()
    deny: frozenset[str] = frozenset()

    def admits(self, *names: str | None) -> bool:
        """Whether something that has these names is allowed; one that has none is not, where some are required."""
        known = {name.lower() for name in names if name}
        return not known & self.deny and (not self.allow or bool(known & self.allow))


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy that was read and checked. Ages are days."""

    licences: Limits = Limits()
    formats: Limits = Limits()
    publishers: Limits = Limits()
    min_downloads: int | None = None
    min_likes: int | None = None
    min_days: int | None = None
    max_days: int | None = None
    checks: Mapping[str, Result] = field(default_factory=dict)


_NUMBERS = {"signals": ("min_downloads", "min_likes"), "age": ("min_days", "max_days")}
_LIMITS = ("licences", "formats", "publishers")


def read_policy(data: bytes, name: str) -> Policy:
    """The policy of a file. Raises InvalidPolicy, naming the file and the key."""
    try:
        tables = tomllib.loads(data.decode("utf-8"))
    except TOML_ERRORS as error:
        raise InvalidPolicy(name, "", str(error)) from error
    values: dict[str, Any] = {}
    for table, content in tables.items():
        if not isinstance(content, dict):
            raise InvalidPolicy(name, table, "is no table")
        if table in _LIMITS:
            values[table] = _read_limits(name, table, content)
        elif table in _NUMBERS:
            values |= _read_numbers(name, table, content)
        elif table == "checks":
            values["checks"] = _read_checks(name, content)
        else:
            raise InvalidPolicy(name, table, f"is not one of {', '.join((*_LIMITS, *_NUMBERS, 'checks'))}")
    return Policy(**values)


def _read_limits(name: str, table: str, content: Mapping[str, Any]) -> Limits:
    known = [each.name for each in fields(Limits)]
    for key, value in content.items():
        if key not in known or not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise InvalidPolicy(name, f"{table}.{key}", f"is no list of texts named {' or '.join(known)}")
    return Limits(**{key: frozenset(each.lower() for each in value) for key, value in content.items()})


def _read_numbers(name: str, table: str, content: Mapping[str, Any]) -> dict[str, int]:
    for key, value in content.items():
        if key not in _NUMBERS[table] or type(value) is not int or value < 0:
            raise InvalidPolicy(name, f"{table}.{key}", f"is no number named {' or '.join(_NUMBERS[table])}")
    return dict(content)


def _read_checks(name: str, content: Mapping[str, Any]) -> dict[str, Result]:
    for key, value in content.items():
        if key not in CHECKS or value not in RESULTS:
            raise InvalidPolicy(
                name, f"checks.{key}", f"is no check of {', '.join(CHECKS)} with one of {', '.join(RESULTS)}"
            )
    return dict(content)


def apply_policy(
    policy: Policy, checks: Iterable[Check], model: Mapping[str, Any], formats: Iterable[str], now: datetime
) -> tuple[Check, ...]:
    """The checks of a model as the policy counts them, and one more for each of its own demands.

    `model` is a row of the view `models`, `formats` those of its weights.
    """
    counted = [
        replace(each, result=policy.checks[each.check], source=f"{SOURCE}; {each.source}")
        if each.check in policy.checks and each.result in ("warn", "unknown")
        else each
        for each in checks
    ]
    repo_id = str(model["repo_id"])
    return (*counted, *(Check(repo_id, name, *judged, SOURCE) for name, judged in demands(policy, model, formats, now)))


def demands(
    policy: Policy, model: Mapping[str, Any], formats: Iterable[str], now: datetime
) -> Iterable[tuple[str, tuple[Result, str]]]:
    """(name, (result, detail)) of each demand that the policy makes of a model."""
    licence, author = model["license_spdx"], model["author"]
    if policy.licences != Limits():
        allowed = policy.licences.admits(licence, model["license"], model["license_kind"])
        yield "allowed licence", passed(allowed, f"{licence or 'no licence'} ({model['license_kind'] or 'unknown'})")
    if policy.formats != Limits():
        held = sorted(set(formats))
        yield "allowed format", passed(policy.formats.admits(*held), ", ".join(held) or "no known format")
    if policy.publishers != Limits():
        yield "allowed publisher", passed(policy.publishers.admits(author), author or "no publisher")
    for name, least in (("downloads", policy.min_downloads), ("likes", policy.min_likes)):
        if least is not None:
            count = model[name] or 0
            yield f"enough {name}", passed(count >= least, f"{count:,}; at least {least:,}")
    for name, field_, days, is_least in (
        ("old enough", "created_at", policy.min_days, True),
        ("recent enough", "last_modified", policy.max_days, False),
    ):
        if days is not None:
            moment = parse_time(model[field_])
            if moment is None:
                yield name, ("unknown", "no date is known")
                continue
            passed_days = (now - moment).days
            kept = passed_days >= days if is_least else passed_days <= days
            yield name, passed(kept, f"{passed_days:,} days; {'at least' if is_least else 'at most'} {days:,}")


def passed(kept: bool, detail: str) -> tuple[Result, str]:
    return ("pass" if kept else "fail"), detail
