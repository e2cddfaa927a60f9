"""What a reader sends to the database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from analysis.query.reader import CatalogReader

Statement = tuple[str, Mapping[str, Any]]


def record_statements(monkeypatch: pytest.MonkeyPatch) -> list[Statement]:
    """A list that gets each statement of `CatalogReader.all` from now on, with its values."""
    sent: list[Statement] = []
    ask = CatalogReader.all

    def record(self: CatalogReader, sql: str, values: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        sent.append((sql, values or {}))
        return ask(self, sql, values)

    monkeypatch.setattr(CatalogReader, "all", record)
    return sent
