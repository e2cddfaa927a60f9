"""The rows of saved queries: their values lead to pages that there are."""

from __future__ import annotations

from html import escape
from pathlib import Path

import pytest

pytest.importorskip("datasette", reason="datasette is not installed: pip install '.[serve]'")

from analysis.query.reader import CatalogReader
from analysis.query.saved import find_saved_query
from crawler.web.pages.explore import link_of
from tests.crawler.web.site import Site

GEMMA = "google/gemma-3-4b-it"


def test_cells_of_saved_queries_lead_to_pages_that_there_are(demo: Path) -> None:
    site = Site(str(demo))
    paths: set[str] = set()
    for name in ("vanished", "missing-licenses", "new-models", "mislabelled", "publisher-schemes", "formats", "tasks"):
        query = find_saved_query(name)
        with CatalogReader(demo) as reader:
            first = reader.all(query.sql, query.parse_values({}))[0]
        found = {url for column, value in first.items() if (url := link_of(column, value))}
        html = site.get(f"/query/{name}")
        assert not [url for url in found if f'<a href="{escape(url)}">' not in html], name
        paths |= found
    kinds = {path.split("/")[1].partition("=")[0] for path in paths}
    assert kinds >= {"model", "publisher", "quantization", "search?format", "search?task"}
    assert "/model/sample-owner/gemma-3-270m-reused-name" in paths
    for path in paths:
        assert "No model matches" not in site.get(path), path


@pytest.mark.parametrize(
    ("column", "value", "url"),
    [
        ("repo_id", GEMMA, f"/model/{GEMMA}"),
        ("quant_measured", "Q4_K_M", "/quantization/Q4_K_M"),
        ("license_spdx", "Apache-2.0", "/search?license=Apache-2.0"),
        ("base_license", "LicenseRef-gemma", None),
        ("license", "no licence stated", None),
        ("format", "LicenseRef-", "/search?format=LicenseRef-"),
        ("author", "a b/c", "/publisher/a%20b%2Fc"),
        ("quant", None, None),
        ("family", 3, None),
        ("claimed", "Q8_0", None),
    ],
)
def test_values_that_have_a_page(column: str, value: object, url: str | None) -> None:
    assert link_of(column, value) == url
