"""The search index over search_documents: a table of FTS5 on SQLite, an index of pg_trgm on PostgreSQL.

A PostgreSQL server may lack that extension at first: search then reads every document.
"""

from __future__ import annotations

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

HAS_INDEX = (
    "select exists (select from pg_indexes where schemaname = current_schema() and indexname = 'search_index')"
    " as has_index"
)

NO_INDEX = "search has no index: pg_trgm is missing, or the role may not add it"

NO_INDEX_REMEDY = "have a superuser run create extension pg_trgm, then: hf-catalog db optimize"

FTS5_TABLE = (
    "create virtual table if not exists search_index using fts5("
    "text, content='search_documents', content_rowid='repo', tokenize='trigram', detail='none', columnsize=0)"
)

TRIGRAM_INDEX = "create index search_index on search_documents using gin (text gin_trgm_ops)"


def has_search_index(connection: Connection) -> bool:
    """Whether a search need not read every document. On SQLite the index is a table of its own."""
    return connection.dialect.name == "sqlite" or bool(connection.exec_driver_sql(HAS_INDEX).scalar())


def create_search_index(connection: Connection) -> None:
    """Creates the index where it is missing; on PostgreSQL only if the server and the role allow it."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(FTS5_TABLE)
        return
    if has_search_index(connection):
        return
    try:
        with connection.begin_nested():
            connection.exec_driver_sql("create extension if not exists pg_trgm")
            connection.exec_driver_sql(TRIGRAM_INDEX)
    except DBAPIError:
        pass  # `db check` and `doctor` say so
