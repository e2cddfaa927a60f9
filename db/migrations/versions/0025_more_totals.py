"""More of what saved queries ask of all models is counted when models are written, and more of it found by indexes.

All totals are counted again when the migrations have run.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0025_more_totals"
down_revision = "0024_filter_indexes"
branch_labels = None
depends_on = None

COUNTED = ("totals", "total_members", "author_totals", "author_schemes")

LATER = ("ix_labels_experts", "ix_labels_size_claims", "ix_labels_licences")
"""Indexes that are made when all migrations have run, as is ix_repos_downloads with more columns."""


def upgrade() -> None:
    number: sa.types.TypeEngine[Any] = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "evidence_totals",
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        *(sa.Column(name, number) for name in ("pieces", "decided", "weight")),
        sa.PrimaryKeyConstraint("field", "source", name="pk_evidence_totals"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.execute("drop index if exists ix_repos_downloads")
    for name in COUNTED:
        op.execute(f"delete from {name}")


def downgrade() -> None:
    for name in (*LATER, "ix_repos_downloads"):
        op.execute(f"drop index if exists {name}")
    op.create_index("ix_repos_downloads", "repos", ["downloads"])
    op.drop_table("evidence_totals")
