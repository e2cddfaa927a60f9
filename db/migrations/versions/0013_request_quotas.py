"""Crawlers that share an account on the Hub share its quotas."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0013_request_quotas"
down_revision = "0012_packed_evidence"
branch_labels = None
depends_on = None


def upgrade() -> None:
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    kinds: tuple[sa.types.TypeEngine[Any], ...] = (sa.BigInteger(), sa.Double(), sa.Boolean())
    big, real, boolean = (sa.Integer(), sa.REAL(), sa.Integer()) if is_sqlite else kinds
    op.create_table(
        "request_quotas",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("bucket", sa.Text(), nullable=False),
        sa.Column("known", boolean, nullable=False),
        sa.Column("remaining", big),
        sa.Column("quota", big),
        sa.Column("window_seconds", real),
        sa.Column("window_ends", real),
        sa.Column("assumed", boolean, nullable=False),
        sa.Column("closed_until", real, nullable=False),
        sa.Column("probed_until", real, nullable=False),
        sa.PrimaryKeyConstraint("account", "bucket", name="pk_request_quotas"),
        sqlite_strict=True,
    )


def downgrade() -> None:
    op.drop_table("request_quotas")
