"""Checks of a model before it is used: format, scans, pickles, code, template, licence, provenance, age, newer version.

Each check passes, warns, fails or is unknown, and says why and who says so. A policy (analysis/catalog/policy.py) turns
results into those that an organisation wants.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from analysis.catalog.catalog_status import parse_time
from analysis.catalog.licence_chain import LicenceChain, load_licence_chain
from analysis.catalog.models import find_model
from analysis.licences.verdict import NOT_LEGAL_ADVICE
from analysis.query.reader import CatalogReader

Result = Literal["pass", "warn", "fail", "unknown"]
RESULTS: tuple[Result, ...] = ("pass", "unknown", "warn", "fail")
"""From the best to the worst."""

NEW_DAYS = 7
"""A repo that is younger has hardly been looked at by anyone."""

STALE_DAYS = 730
"""A repo that has not changed for longer is hardly maintained."""

MAX_NAMED = 3
"""Files or models that a detail names."""


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check of one repo, or of one local file."""

    repo_id: str
    check: str
    result: Result
    detail: str
    source: str

    def row(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Audited:
    """What the catalog holds of a model, as far as checks need it."""

    model: Mapping[str, Any]
    artifacts: Sequence[Mapping[str, Any]]
    findings: Sequence[Mapping[str, Any]]  # rows of the view security_findings
    chain: LicenceChain
    base_template: str | None
    newer: Sequence[str]
    now: datetime

    @property
    def knows_files(self) -> bool:
        return bool(self.model["depth"] != "listing")

    def of_kind(self, kind: str) -> list[Mapping[str, Any]]:
        return [each for each in self.findings if each["kind"] == kind]


Judged = tuple[Result, str, str]
"""Result, detail and source of a check."""


def audit_model(reader: CatalogReader, repo_id: str, now: datetime | None = None) -> tuple[Check, ...]:
    """All checks of a model of the catalog. Raises UnknownModel."""
    audited = load_audited(reader, repo_id, now or datetime.now(UTC))
    own = str(audited.model["repo_id"])
    return tuple(Check(own, name, *judged(audited)) for name, judged in CHECKS.items())


def load_audited(reader: CatalogReader, repo_id: str, now: datetime) -> Audited:
    model = find_model(reader, repo_id)
    values = {"id": model["repo_id"]}
    base = model["base_model"] if model["base_model_relation"] == "quantized" else None
    templates = reader.all(
        "select chat_template_digest from models where lower(repo_id) = lower(:base)", {"base": base or ""}
    )
    return Audited(
        model,
        reader.all("select * from artifacts_wide where repo_id = :id order by artifact", values),
        reader.all(
            "select * from security_findings where repo_id = :id order by kind, subject nulls first, value", values
        ),
        load_licence_chain(reader, str(model["repo_id"])),
        templates[0]["chat_template_digest"] if templates else None,
        find_newer(reader, model),
        now,
    )


def find_newer(reader: CatalogReader, model: Mapping[str, Any]) -> list[str]:
    """Repos of the same publisher, family, size, tuning and scheme with a later version, the latest first."""
    if model["family"] is None or model["version"] is None or model["author"] is None:
        return []
    rows = reader.all(
        "select repo_id, version, tuning, specialty, quant, format, size from models"
        " where lower(author) = lower(:author) and family = :family and status <> 'gone'"
        " and version is not null and repo_id <> :id",
        {"author": model["author"], "family": model["family"], "id": model["repo_id"]},
    )
    same = ("tuning", "specialty", "quant", "format", "size")
    later = [
        (version_key(row["version"]), str(row["repo_id"]))
        for row in rows
        if all(row[name] == model[name] for name in same) and is_later(row["version"], model["version"])
    ]
    return [repo_id for _, repo_id in sorted(later, reverse=True)]


def version_key(version: str) -> tuple[int, ...]:
    """A version of numbers as numbers; empty for others, which have no order."""
    parts = version.split(".")
    return tuple(map(int, parts)) if all(part.isdecimal() and len(part) < 9 for part in parts) else ()


def is_later(one: str, other: str) -> bool:
    a, b = version_key(one), version_key(other)
    return bool(a and b) and a > b


# ---- the checks ------------------------------------------------------------------------------------------------------


def check_format(audited: Audited) -> Judged:
    """Whether the weights can be had in a format that runs no code."""
    if not audited.knows_files:
        return "unknown", "its files are not known: crawl it with --depth files", "catalog"
    weights = [each for each in audited.artifacts if each["role"] == "weights"]
    unsafe = [each for each in weights if each["unsafe_format"]]
    safe = sorted({str(each["format"]) for each in weights if not each["unsafe_format"] and each["format"]})
    if not weights:
        return "unknown", "it has no weights", "files"
    if not unsafe:
        return "pass", ", ".join(safe) or "formats that run no code", "files"
    names = first_names(str(each["artifact"]) for each in unsafe)
    if safe:
        return "pass", f"{', '.join(safe)}; leave {names} alone", "files"
    return "warn", f"only in a format that can run code: {names}", "files"


def check_scan(audited: Audited) -> Judged:
    """What the scanners of the Hub report."""
    status, source = audited.model["scan_status"], "the Hub's scanners"
    found = audited.of_kind("scan")
    if found:
        is_bad = any(each["value"] in ("unsafe", "suspicious") for each in found)
        named = first_names(f"{each['subject']} is {each['value']}" for each in found)
        return ("fail" if is_bad else "warn"), named, source
    if status == "safe":
        return "pass", "no issues found, which is no proof", source
    if status is None and not audited.knows_files:
        return "unknown", "its files are not known", "catalog"  # the listing does not say whether they were scanned
    return "unknown", "not scanned" if status is None else f"scans are {status}", source


def check_pickle(audited: Audited) -> Judged:
    """What its pickles would import."""
    found = audited.of_kind("pickle")
    if found:
        dangerous = any(each["value"] == "dangerous" for each in found)
        return ("fail" if dangerous else "warn"), describe(found), "opcodes"
    unsafe = [each for each in audited.artifacts if each["unsafe_format"]]
    if not audited.knows_files:
        return "unknown", "its files are not known", "catalog"
    if not unsafe:
        return "pass", "it has no pickles", "files"
    unread = [str(each["artifact"]) for each in unsafe if each["pickle_verdict"] is None]
    if unread:
        return "unknown", f"not read: {first_names(unread)}; read them with --online", "files"
    return "pass", "they import what tensors need", "opcodes"


def check_code(audited: Audited) -> Judged:
    """Whether loading it runs code of the repo."""
    found = audited.of_kind("custom code")
    if found:
        return "warn", describe(found), "configuration, tags and files"
    if not audited.knows_files:
        return "unknown", "its files are not known", "catalog"
    return "pass", "no code of its own", "configuration, tags and files"


def check_template(audited: Audited) -> Judged:
    """Whether its chat templates are what those of its siblings and its base model are."""
    found = audited.of_kind("template")
    suspicious = [each for each in found if not str(each["value"]).startswith("differs")]
    if suspicious:
        return "fail", describe(suspicious), "header or configuration"
    if found:
        return "warn", f"templates differ: {first_names(str(each['subject']) for each in found)}", "header"
    own = audited.model["chat_template_digest"]
    if own is None:
        return "unknown", "no template is known", "catalog"
    if audited.base_template not in (None, own):
        return "warn", f"it differs from that of {audited.model['base_model']}", "header or configuration"
    return "pass", "one template" + (", that of its base model" if audited.base_template else ""), "header"


def check_licence(audited: Audited) -> Judged:
    """Whether its licence is stated and can follow from those it was made under."""
    chain = audited.chain
    verdict, source = chain.verdict, f"cards; {NOT_LEGAL_ADVICE}"
    decisive = verdict.decisive
    reason = decisive.reason if decisive else chain.lines()[0]
    detail = f"{verdict.verdict}: {reason}" + (f" ({decisive.clause})" if decisive and decisive.clause else "")
    if verdict.verdict == "contradiction":
        return "fail", detail, source
    if chain.model.licence is None:
        return "warn", f"it states no licence; {detail}", source
    if chain.naming is not None:
        return (
            "warn",
            f"{detail}; {chain.naming.name} asks for names that begin with {chain.naming.name_begins}",
            source,
        )
    if verdict.verdict == "can't be told":
        return "unknown", detail, source
    return "pass", detail, source


def check_provenance(audited: Audited) -> Judged:
    """Whether the repo is still the one that had this name, and what it was made from."""
    model = audited.model
    reused = audited.of_kind("reused name")
    if reused:
        return "fail", f"another repo had this name before (_id {reused[0]['value']})", "the Hub's _id"
    if model["status"] in ("gone", "disabled", "private"):
        return "warn", f"it is {model['status']}", "the Hub"
    changed = audited.of_kind("changed licence")
    if changed:
        last = changed[-1]
        return "warn", f"its licence changed from {last['subject']} to {last['value']}", "earlier crawls"
    base = model["base_model"]
    return "pass", f"made from {base}" if base else "no base model is stated", "card and tags"


def judge_owner(
    check: Check, owner: str, created: datetime, repo_created: datetime | None, seen: datetime | None, *, moved: bool
) -> Check:
    """The check of provenance with the age of the owner's account, which the Hub states.

    An account that is younger than its repo took the name of one that was deleted, or was given the repo by another.
    `seen`: when the catalog first saw the repo; `moved`: whether it then had another name.
    """
    since = f"the account {owner} was created on {created:%Y-%m-%d}"
    if seen is not None and created > seen and not moved:
        return replace(check, result="fail", detail=f"{since}, after its repo was first seen ({seen:%Y-%m-%d})")
    if repo_created is not None and created > repo_created and check.result == "pass":
        detail = f"{since}, after the repo ({repo_created:%Y-%m-%d}): it moved here, or the name was taken again"
        return replace(check, result="warn", detail=detail)
    return replace(check, detail=f"{check.detail}; {since}")


def check_age(audited: Audited) -> Judged:
    """Whether it is neither new nor abandoned."""
    created, modified = (parse_time(audited.model[name]) for name in ("created_at", "last_modified"))
    if modified is None:
        return "unknown", "no date is known", "the Hub"
    if created is not None and audited.now - created < timedelta(days=NEW_DAYS):
        return "warn", f"created {created:%Y-%m-%d}, less than {NEW_DAYS} days ago", "the Hub"
    if audited.now - modified > timedelta(days=STALE_DAYS):
        return "warn", f"last changed {modified:%Y-%m-%d}, more than two years ago", "the Hub"
    return "pass", f"last changed {modified:%Y-%m-%d}", "the Hub"


def check_newer(audited: Audited) -> Judged:
    """Whether the publisher has a later version of the same model."""
    if audited.newer:
        return "warn", f"later: {first_names(audited.newer)}", "names"
    return "pass", "no later version of it is known", "names"


CHECKS: Mapping[str, Callable[[Audited], Judged]] = {
    "format": check_format,
    "scan": check_scan,
    "pickle": check_pickle,
    "custom code": check_code,
    "chat template": check_template,
    "licence": check_licence,
    "provenance": check_provenance,
    "age": check_age,
    "newer version": check_newer,
}
"""Name of a check -> what judges it, in the order in which they are shown."""


def describe(found: Sequence[Mapping[str, Any]]) -> str:
    """Findings in one line: the subject and what was found."""
    return first_names(
        f"{each['subject']}: {each['value']}" if each["subject"] else str(each["value"]) for each in found
    )


def first_names(names: Iterable[str]) -> str:
    """At most MAX_NAMED of them in one phrase."""
    held = list(dict.fromkeys(names))
    more = len(held) - MAX_NAMED
    return ", ".join(held[:MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
