"""`doctor` calls a Hub good if, and only if, a crawl of it works."""

from __future__ import annotations

from pathlib import Path

import pytest

from crawler.cli.check_hub import check_hub
from crawler.cli.findings import Verdict
from crawler.errors import CrawlError
from crawler.sources.huggingface.source import HuggingFaceSource
from samplehub import Catalog, Dialect, Fault, Kind, SampleHub
from tests.crawler.cli.test_crawl import ran
from tests.crawler.hubs import make_client, run_crawl, small_catalog


def changing_catalog(count: int) -> Catalog:
    """Repos of which some old ones were changed last: their order shows by what a listing is sorted."""
    catalog = small_catalog(count)
    for repo_id in sorted(repo.id for repo in catalog)[::7]:
        catalog.change_files(repo_id, {"README.md": b"# Changed\n"})
    return catalog


def verdicts_of(sample: SampleHub) -> dict[str, Verdict]:
    source = HuggingFaceSource(make_client(sample, tries=2))
    return {finding.check: finding.verdict for finding in check_hub(source)}


GOOD: dict[str, Verdict] = {"listing": "good", "changes": "good", "repos": "good", "files": "good"}

WORKING: list[tuple[Dialect, tuple[Fault, ...], dict[str, Verdict]]] = [
    (Dialect.HUGGING_FACE, (), GOOD),
    (Dialect.KOHAKU, (), GOOD | {"listing": "note"}),
    (Dialect.MATRIX, (), GOOD | {"listing": "note", "changes": "note"}),
    (Dialect.HUGGING_FACE, (Fault(Kind.IGNORED_PARAMETER, on="listing", name="sort", times=None),), {
        "listing": "note", "changes": "note", "repos": "good", "files": "good",
    }),
    (Dialect.HUGGING_FACE, (Fault(Kind.SERVER_ERROR, on="info", match="8B", times=None),), GOOD),
    (Dialect.HUGGING_FACE, (Fault(Kind.IGNORED_RANGE, on="any", times=None),), GOOD),
]  # fmt: skip


@pytest.mark.parametrize(("dialect", "faults", "expected"), WORKING)
def test_a_hub_that_can_be_crawled_is_good(
    dialect: Dialect, faults: tuple[Fault, ...], expected: dict[str, Verdict], tmp_path: Path
) -> None:
    with SampleHub(catalog=changing_catalog(120), dialect=dialect, faults=faults) as sample:
        assert verdicts_of(sample) == expected
        assert run_crawl(tmp_path / "catalog.db", sample, depth="listing").outcome == "complete"


BROKEN = [
    (Fault(Kind.SERVER_ERROR, on="info", times=None), "crawl"),
    (Fault(Kind.HTML, on="listing", times=None), "crawl"),
    (Fault(Kind.NO_LINK, on="listing", times=None), "crawl"),
]


@pytest.mark.parametrize(("fault", "check"), BROKEN)
def test_a_hub_that_can_not_be_crawled_is_bad(fault: Fault, check: str, tmp_path: Path) -> None:
    with SampleHub(catalog=small_catalog(1100), faults=[fault]) as sample:
        found = verdicts_of(sample)
        assert [each for each, verdict in found.items() if verdict == "bad"] == [check]
        with pytest.raises(CrawlError):
            run = run_crawl(tmp_path / "catalog.db", sample, depth="files", hub=make_client(sample, tries=2), page=100)
            raise CrawlError(run.detail) if run.outcome == "incomplete" else AssertionError(run)


def test_an_empty_hub_is_bad() -> None:
    with SampleHub(catalog=Catalog()) as sample:
        assert verdicts_of(sample) == {"crawl": "bad"}


def test_a_proxy_without_a_listing_is_named_with_the_way_to_use_it(tmp_path: Path) -> None:
    with SampleHub(catalog=small_catalog(1), dialect=Dialect.NO_LISTING) as sample:
        done = ran("doctor", "--db", tmp_path / "catalog.db", "--endpoint", sample.endpoint)
    assert done.returncode == 1
    assert "crawl --repo OWNER/NAME" in " ".join(done.stdout.split())


def test_the_password_of_an_endpoint_is_not_printed(tmp_path: Path) -> None:
    with SampleHub(catalog=small_catalog(3), basic=("ann", "secret")) as sample:
        host = sample.endpoint.removeprefix("http://")
        done = ran("doctor", "--db", tmp_path / "catalog.db", HF_ENDPOINT=f"http://ann:secret@{host}")
        assert done.returncode == 0, done.stdout
        assert "secret" not in done.stdout + done.stderr
        without = ran("doctor", "--db", tmp_path / "catalog.db", HF_ENDPOINT=sample.endpoint)
        assert (without.returncode, "asks for a user and password" in " ".join(without.stdout.split())) == (1, True)
