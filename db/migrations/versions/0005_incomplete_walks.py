"""Walks of the listing can continue from its other end, runs say what they wait for, and repos that were listed without
their details are marked to be filled in."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005_incomplete_walks"
down_revision = "0004_native_context"
branch_labels = None
depends_on = None

COLUMNS = {
    "cursors": ("ascending", "created_at", "stop_at"),
    "crawl_runs": ("waiting_for", "waiting_until", "wrong_fields"),
    "enrichments": ("attempts",),
}


def upgrade() -> None:
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    integer = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # STRICT tables know no BIGINT
    boolean = sa.Boolean().with_variant(sa.Integer(), "sqlite")
    moment = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
    text: sa.types.TypeEngine[Any] = sa.Text()
    kinds = {"ascending": boolean, "waiting_for": text, "wrong_fields": text, "attempts": sa.Integer()}
    for table, names in COLUMNS.items():
        for name in names:
            op.add_column(table, sa.Column(name, kinds.get(name, moment)))
    op.create_table(
        "partial_repos",
        sa.Column("repo", integer, sa.ForeignKey("repos.id", name="fk_partial_repos_repo"), nullable=False),
        sa.PrimaryKeyConstraint("repo", name="pk_partial_repos"),
        sqlite_strict=on_sqlite,
    )


def downgrade() -> None:
    op.drop_table("partial_repos")
    for table, names in COLUMNS.items():
        for name in names:
            op.drop_column(table, name)
