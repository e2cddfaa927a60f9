"""The quotas of an account on a real server: one row, held by one crawler at a time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from crawler.sources.rate_limit import RateLimit
from crawler.sources.shared_quota import SharedQuota
from db.write.store import Store
from tests.servers import PostgreSQL


def test_crawlers_at_once_are_granted_no_more_than_is_left(postgresql: PostgreSQL) -> None:
    url = postgresql.create("catalog_template")
    with Store.open(url) as one, Store.open(url) as two:
        quotas = [SharedQuota(rows) for store in (one, two) if (rows := store.account_quotas("a digest"))]
        assert len(quotas) == 2
        assert quotas[0].take("api", None, 0.0).is_probe
        assert quotas[1].take("api", None, 0.0).count == 0
        quotas[0].observe("api", RateLimit("api", 60, 200.0, 500, 300.0))

        def take_all(quota: SharedQuota) -> int:
            taken = 0
            while count := quota.take("api", None, 0.0).count:
                taken += count
            return taken

        with ThreadPoolExecutor() as threads:
            assert sum(threads.map(take_all, quotas)) == 60
        others = one.account_quotas("another digest")
        assert others is not None and SharedQuota(others).take("api", None, 0.0).is_probe


def test_a_file_has_one_crawler_and_needs_none(tmp_path: Path) -> None:
    with Store.open(tmp_path / "catalog.db", create=True) as store:
        assert store.account_quotas("a digest") is None


def test_a_server_that_is_away_grants_without_counting(postgresql: PostgreSQL) -> None:
    url = postgresql.create("catalog_template")
    with Store.open(url) as store:
        rows = store.account_quotas("a digest")
        assert rows is not None
        postgresql.execute("drop table request_quotas", url.partition("@/")[2].partition("?")[0])
        assert SharedQuota(rows).take("api", None, 0.0).count is None
