"""How much of the catalog an answer could use: repos that are known, whose files and whose headers were read."""

from __future__ import annotations

import shlex
from dataclasses import asdict, dataclass
from typing import Any

from analysis.query.reader import CatalogReader

MAX_COUNTED = 100_000
"""Rows up to which is counted; counting millions would take longer than the answer itself."""

COMPLETE_SHARE = 0.8
"""Share of repos with their files read from which on a catalog counts as complete: gated repos stay unread."""

HEADERS_SHARE = 0.5
"""Share of these repos with their headers read from which on they count as read: many have no file with a header."""

COUNTS = {
    "repos": "select 1 from repo_labels",
    "files": "select 1 from repo_labels where depth in ('files', 'headers')",
    "headers": "select 1 from repo_labels where depth = 'headers'",
}
"""Only models have a row of labels, of the depth of their data; its index answers all three."""

HUGGING_FACE = "https://huggingface.co"


@dataclass(frozen=True, slots=True)
class Coverage:
    """Numbers of repos: known, with their files read, with their headers read; each at most MAX_COUNTED + 1.

    `endpoint`: the Hub that was crawled last; None for the usual one.
    """

    repos: int
    files: int
    headers: int
    endpoint: str | None = None

    @property
    def is_complete(self) -> bool:
        """Whether little is missing that the answers use: the files of some repos can't be read."""
        return self.files >= COMPLETE_SHARE * min(self.repos, MAX_COUNTED)

    @property
    def lacks_headers(self) -> bool:
        """Whether the headers of many repos whose files are known were not read: `fits` then estimates."""
        return self.repos > 0 and self.headers < HEADERS_SHARE * min(self.files, MAX_COUNTED)

    @property
    def text(self) -> str:
        """`2,000 repos known; files read for 0 and headers for 0 of them`."""
        return (
            f"{counted(self.repos)} repos known; files read for {counted(self.files)} and headers for"
            f" {counted(self.headers)} of them"
        )

    def command(self, db: str) -> str:
        """The command that would read what is missing, into the catalog `db`."""
        parts = ["hf-catalog crawl --depth headers"]
        parts += [f"--limit {self.repos}"] if 0 < self.repos <= MAX_COUNTED else []
        return f"{' '.join(parts)} {self.source(db)}"

    def command_of(self, repo_id: str, db: str) -> str:
        """The command that would read one repo."""
        return f"hf-catalog crawl --repo {shlex.quote(repo_id)} {self.source(db)}"

    def source(self, db: str) -> str:
        """The options that name the Hub and the catalog, as a shell reads them."""
        endpoint = f"--endpoint {shlex.quote(self.endpoint)} " if self.endpoint else ""
        return f"{endpoint}--db {shlex.quote(db)}"

    def row(self, db: str, *, uses_headers: bool = False) -> dict[str, Any]:
        """As a JSON object; `command` is None where nothing is missing."""
        is_enough = self.is_complete and not (uses_headers and self.lacks_headers)
        return {**asdict(self), "text": self.text, "command": None if is_enough else self.command(db)}


UNMEASURED = Coverage(0, 0, 0)
"""Stands for the coverage where it is not shown."""


def counted(number: int) -> str:
    return f"over {MAX_COUNTED:,}" if number > MAX_COUNTED else f"{number:,}"


def measure_coverage(reader: CatalogReader) -> Coverage:
    """The coverage of the catalog's models."""
    columns = ", ".join(
        f"(select count(*) from ({select} limit {MAX_COUNTED + 1}) as {name}_rows) as {name}"
        for name, select in COUNTS.items()
    )
    (counts,) = reader.all(f"select {columns}")
    runs = reader.all("select endpoint from crawl_runs order by id desc limit 1")
    endpoint = runs[0]["endpoint"] if runs else None
    return Coverage(**counts, endpoint=None if endpoint in (None, HUGGING_FACE) else endpoint)
