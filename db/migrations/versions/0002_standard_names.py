"""Tables get the names that the documentation uses: enrichments, header_layouts, listing_pages, missing_repos.

Columns stay as they are, and every row is carried over. Views are rebuilt by db.schema.migrate in any case.
"""

from __future__ import annotations

from alembic import op

revision = "0002_standard_names"
down_revision = "0001_catalog"
branch_labels = None
depends_on = None

RENAMED = {
    "visits": "enrichments",
    "layouts": "header_layouts",
    "sweep_pages": "listing_pages",
    "absences": "missing_repos",
}
FOREIGN_KEYS = ("visits", "absences")
"""Tables with one foreign key, named fk_TABLE_repo; each has a primary key named pk_TABLE and no other index."""


def upgrade() -> None:
    for old, new in RENAMED.items():
        _rename(old, new, has_foreign_key=old in FOREIGN_KEYS)


def downgrade() -> None:
    for old, new in RENAMED.items():
        _rename(new, old, has_foreign_key=old in FOREIGN_KEYS)


def _rename(old: str, new: str, *, has_foreign_key: bool) -> None:
    if op.get_bind().dialect.name == "sqlite":
        _copy_sqlite(old, new)
        return
    op.rename_table(old, new)
    op.execute(f"alter table {new} rename constraint pk_{old} to pk_{new}")
    if has_foreign_key:
        op.execute(f"alter table {new} rename constraint fk_{old}_repo to fk_{new}_repo")


def _copy_sqlite(old: str, new: str) -> None:
    """SQLite can't rename a constraint, so the table is made again by its own statement, under the new names."""
    find = "select sql from sqlite_master where type = 'table' and name = '{}'"
    statement = str(op.get_bind().exec_driver_sql(find.format(old)).scalar_one())
    op.execute(statement.replace(old, new))
    op.execute(f"insert into {new} select * from {old}")
    op.drop_table(old)
