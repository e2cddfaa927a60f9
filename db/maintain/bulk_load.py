"""Filling an empty catalog on PostgreSQL: foreign keys and indexes are made once all rows are there.

As the manual advises (https://www.postgresql.org/docs/current/populate.html): a key that is checked for each row, and
an index that grows row by row, cost several times what they cost for all rows at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from db.schema.tables import metadata
from db.session_settings import quote_name

FOREIGN_KEYS = """
    select c.relname, k.conname, pg_get_constraintdef(k.oid)
    from pg_constraint k join pg_class c on c.oid = k.conrelid
    where k.contype = 'f' and c.relnamespace = quote_ident(current_schema())::regnamespace and c.relname = any(%s)
    order by c.relname, k.conname
"""

INDEXES = """
    select i.relname, pg_get_indexdef(i.oid)
    from pg_index x join pg_class i on i.oid = x.indexrelid join pg_class t on t.oid = x.indrelid
    where t.relnamespace = quote_ident(current_schema())::regnamespace and t.relname = any(%s)
      and not exists (select 1 from pg_constraint k where k.conindid = i.oid)
    order by i.relname
"""
"""Indexes that are not those of a primary key or a unique constraint."""


@contextmanager
def without_keys_and_indexes(connection: Connection) -> Iterator[None]:
    """Drops the foreign keys and indexes of the catalog's tables, and makes them again at the end of the block.

    All of it belongs to the transaction of the connection. Nothing is done on SQLite, which checks foreign keys at low
    cost and has no faster way to build an index.
    """
    if connection.dialect.name != "postgresql":
        yield
        return
    tables = (list(metadata.tables),)
    keys = connection.exec_driver_sql(FOREIGN_KEYS, tables).all()
    indexes = connection.exec_driver_sql(INDEXES, tables).all()
    for table, name, _ in keys:
        _execute(connection, f"alter table {quote_name(table)} drop constraint {quote_name(name)}")
    for name, _ in indexes:
        _execute(connection, f"drop index {quote_name(name)}")
    yield
    for _, definition in indexes:
        _execute(connection, definition)
    for table, name, definition in keys:
        _execute(connection, f"alter table {quote_name(table)} add constraint {quote_name(name)} {definition}")


def _execute(connection: Connection, statement: str) -> None:
    connection.exec_driver_sql(statement.replace("%", "%%"))  # psycopg takes % as a placeholder
