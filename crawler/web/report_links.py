"""Where the numbers and the charts of the served report come from: the rows that they count, by their names there."""

from __future__ import annotations

from collections.abc import Mapping

from crawler.web.tables import table_url

REPORT_LINKS: Mapping[str, str] = {
    "repos": table_url("models"),
    "quantized_repos": table_url("models", quantized="1"),
    "families": table_url("families"),
    "publishers": table_url("authors"),
    "artifacts": table_url("artifacts_wide"),
    "bytes": table_url("repos", _sort_desc="total_size"),
    "conflicts": table_url("label_conflicts"),
    "listed": table_url("models", depth="listing"),
    "files": table_url("models", depth="files"),
    "headers": table_url("models", depth="headers"),
    "gone": table_url("models", status="gone"),
    "stale": table_url("stale_labels", reason__in="unlabelled,vocabulary"),
    "families-over-time": table_url("models", family__notblank="1", _sort_desc="created_at"),
    "schemes": table_url("repo_schemes", quantized="1", _sort_desc="downloads"),
    "sizes-and-bits": table_url("artifacts_wide", role="weights", parameters_measured__gt="0"),
    "quantizers": "/query/publishers",
    "size-classes": "/query/size-classes",
    "formats": "/query/formats",
}
