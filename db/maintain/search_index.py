"""The search index on PostgreSQL, which needs the extension pg_trgm: a server may have lacked it at first."""

from __future__ import annotations

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

HAS_INDEX = "select to_regclass('search_index') is not null as has_index"

NO_INDEX = "search has no index: pg_trgm is missing, or the role may not add it"

NO_INDEX_REMEDY = "have a superuser run create extension pg_trgm, then: hf-catalog db optimize"


def has_index(connection: Connection) -> bool:
    """Whether a search need not read every document. On SQLite the index is a table of its own."""
    return connection.dialect.name == "sqlite" or bool(connection.exec_driver_sql(HAS_INDEX).scalar())


def make_index(connection: Connection) -> None:
    """Makes the index where it is missing, if the server and the role allow it."""
    if has_index(connection):
        return
    try:
        with connection.begin_nested():
            connection.exec_driver_sql("create extension if not exists pg_trgm")
            connection.exec_driver_sql("create index search_index on search_documents using gin (text gin_trgm_ops)")
    except DBAPIError:
        pass  # `db check` and `doctor` say so
