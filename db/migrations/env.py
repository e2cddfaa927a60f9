"""Alembic's way in: runs the migrations on the connection that db.schema.migrate hands over, or on HF_CATALOG_DB."""

from __future__ import annotations

import os

from alembic import context
from sqlalchemy import Connection

from db.engine import open_engine
from db.schema.tables import metadata


def is_ours(name: str | None, kind: str, parent_names: object) -> bool:
    """Autogenerate looks at the tables of db.schema.tables alone: the search index keeps shadow tables of its own."""
    return name != "search_index" and (kind != "table" or name in metadata.tables)


def run(connection: Connection) -> None:
    is_sqlite = connection.dialect.name == "sqlite"
    # Named, because a schema further along the search path may hold a catalog of its own.
    schema = None if is_sqlite else connection.exec_driver_sql("select current_schema()").scalar_one()
    context.configure(
        connection=connection,
        target_metadata=metadata,
        include_name=is_ours,
        render_as_batch=is_sqlite,
        version_table_schema=schema,
        transaction_per_migration=False,
    )
    with context.begin_transaction():
        context.run_migrations()


handed = context.config.attributes.get("connection")
if handed is not None:
    run(handed)
else:
    engine = open_engine(os.environ.get("HF_CATALOG_DB", "catalog.db"), read_only=False, create=True, check=False)
    with engine.begin() as connection:
        run(connection)
