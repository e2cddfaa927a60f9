"""Records for tests of the catalog: one function per record type, with defaults that arguments replace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from analysis.files.card_sections import read_card
from db.labels import Labels
from db.records import (
    ArrayLength,
    ArtifactRecord,
    CardRecord,
    CardRequest,
    ConflictRecord,
    EdgeRecord,
    Enrichment,
    EvalRecord,
    FileRecord,
    Header,
    Labelled,
    LabelRecord,
    ListingPosition,
    Page,
    RepoRecord,
    RevisionRecord,
    Skipped,
)

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
VOCABULARY = "v1"


def content(name: str) -> str:
    return sha256(name.encode()).hexdigest()


def repo(number: int, **changes: Any) -> RepoRecord:
    """A plain repo; its number makes its ids."""
    values: dict[str, Any] = {
        "hub_id": f"{number:024x}",
        "repo_id": f"acme/gemma-3-{number}b-it-GGUF",
        "author": "acme",
        "sha": f"{number:040x}",
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
        "last_modified": datetime(2026, 5, 1, tzinfo=UTC),
        "downloads": 100 * number,
        "likes": number,
        "trending_score": 0.5,
        "pipeline_tag": "text-generation",
        "library_name": "gguf",
        "license": "gemma",
        "tags": ("gguf", "conversational", f"tag-{number % 3}"),
        "languages": ("en",),
        "card": {"license": "gemma", "summary": "A model for tests."},
        "edges": (EdgeRecord("google/gemma-3-4b-it", "quantized", "card"),),
        "evaluations": (EvalRecord("text-generation", "MMLU", "accuracy", 61.5, "card"),),
    }
    return RepoRecord(**{**values, **changes})


def labelled(**changes: Any) -> Labelled:
    """Labels of such a repo; evidence for family and quant."""
    vocabulary = changes.pop("vocabulary", VOCABULARY)
    values: dict[str, Any] = {
        "family": "gemma",
        "version": "3",
        "tuning": ("instruct",),
        "format": "gguf",
        "quantized": True,
        "quant": "Q4_0",
        "bits": 4.0,
    }
    labels = Labels(**{**values, **changes})
    evidence = tuple(
        LabelRecord(field, str(getattr(labels, field)), "name", f"{field}-rule", 50, resolved=True)
        for field in ("family", "quant")
        if getattr(labels, field) is not None
    )
    return Labelled(labels, evidence, unclaimed=("frobnitz",), vocabulary=vocabulary)


def page(numbers: Sequence[int], cursor: str | None = None, **changes: Any) -> Page:
    position = None if cursor is None else ListingPosition(cursor)
    return Page(tuple((repo(number, **changes), labelled()) for number in numbers), (), position)


def header(name: str) -> Header:
    return Header(
        format="gguf",
        version=3,
        architecture="gemma3",
        parameters=3_880_099_328,
        active_parameters=None,
        tensor_count=444,
        types={"Q4_0": 3_000_000_000, "F16": 880_099_328},
        quant="Q4_0",
        quant_method="gguf",
        quant_share=0.77,
        bits_per_weight=6.4,
        context=131072,
        size=3_100_000_000,
        size_verified=True,
        content=content(name),
        requests=2,
        bytes_read=65536,
        facts={"geometry": {"layers": 34}},
    )


def enrichment(
    number: int, *, files: Sequence[str] = ("a-Q4_0.gguf",), quant: str = "Q4_0", **changes: Any
) -> Enrichment:
    """A visit that found these files, each an artifact with a header, a conflict and evidence of its own."""
    record = changes.pop("record", None) or repo(number)
    artifacts = tuple(
        (
            ArtifactRecord(path, "weights", "gguf", (path,), 1000 + number, content(path)),
            Labelled(
                Labels(format="gguf", quant=quant, quantized=True, bits_per_weight=6.4),
                (LabelRecord("quant", "Q4_0", "header", "dominant", 90, resolved=True),),
                (ConflictRecord("bits", "4", "file", "6.4", "size"),),
                vocabulary=VOCABULARY,
            ),
        )
        for path in files
    )
    values: dict[str, Any] = {
        "repo": record,
        "depth": "headers",
        "labelled": labelled(quant_measured="Q4_0"),
        "files": tuple(FileRecord(path, 1000 + number, f"{number:040x}", content(path)) for path in files),
        "artifacts": artifacts,
        "headers": tuple(header(path) for path in files),
        "layouts": (ArrayLength("tokenizer.ggml.tokens", 262144, "d1", 4_000_000),),
    }
    return Enrichment(**{**values, **changes})


def skipped(number: int, reason: Any = "gated", detail: str = "ask first") -> Skipped:
    return Skipped(repo(number).repo_id, reason, detail, NOON)


def fill(db: str) -> None:
    """A catalog with rows in every table, all but the lock and the queue of search through the store's own calls."""
    from db.schema.tables import fit_candidates, former_files
    from db.write import lock
    from db.write.store import Store

    moment = NOON
    with Store.open(db, create=True, clock=lambda: moment) as store:
        run = store.start_run("full", "", "https://hub.example")
        store.save_page(run, "", page([1, 2, 3]))
        store.save_enrichments(run, [(enrichment(1), 0)])
        store.claim(1, "headers")
        store.finish_run(replace(run, outcome="complete", finished_at=moment))
        moment += timedelta(days=1)
        second = store.start_run("full", "", "https://hub.example")
        renamed = repo(1, repo_id="acme/renamed", sha="a" * 40, downloads=5)
        listed = ((renamed, labelled(family="gemma3")),)
        store.save_page(second, "", Page(listed, (skipped(9),), ListingPosition("next")))
        store.record_missing("", [repo(3).hub_id])
        with store._writing() as rows:
            lock.acquire_lock(rows, db, moment)
            rows.execute("insert into search_pending (repo) values (2)")
            rows.execute("insert into partial_repos (repo) values (2)")
            rows.execute("insert into fit_sources values (1, 7)")
            rows.execute("insert into fit_uses values ('code', 2)")
            rows.execute("insert into generations values ('gemma', '3', ?)", ("2026-01-01T00:00:00.000Z",))
            rows.execute("insert into result_scales values ('mmlu', 'accuracy', 3, '[1.0, 2.0]')")
            candidate = (120, 9950, 2, 0, 10**9, 0, 1.0, None, False, None, True, "any", "gguf", "Q4_0", 4, "[]")
            rows.insert(fit_candidates, [column.name for column in fit_candidates.columns], [candidate])
            rows.execute("insert into repo_links (repo, target_type, target) values (2, 'model', 'acme/model')")
            rows.insert(former_files, ("repo", "path", "sha256", "until"), [(2, "a.gguf", content("old"), moment)])
            rows.execute("insert into leaderboards values (2, 0, 'acme/model', 1, 61.5, ?, null)", (True,))
            rows.execute(
                "insert into request_quotas values ('a digest', 'api', ?, 5, 500, 300, 1.5e9, ?, 0, 0)", (True, False)
            )
        files = (FileRecord("a.gguf", 5, "b" * 40, content("branch")),)
        card = CardRequest(repo(2).hub_id, repo(2).repo_id, repo(2).sha, 20, has_card=True)
        store.save_cards([CardRecord(card, read_card(b"# Bias\n\nSome.", 20))], keep_text=True)
        store.save_account_kinds({"google": "organization"})
        store.save_revisions(repo(2).hub_id, [RevisionRecord("4.0bpw", "branch", "d" * 40, files)])
        store.save_capabilities("https://hub.example", "{}")
