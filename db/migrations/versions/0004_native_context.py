"""Repos and artifacts get the label native_context. It is unknown until a crawl or `relabel` finds it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004_native_context"
down_revision = "0003_chat_template_digest"
branch_labels = None
depends_on = None


def upgrade() -> None:
    integer = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # STRICT tables know no BIGINT
    for table in ("repo_labels", "artifacts"):
        op.add_column(table, sa.Column("native_context", integer))


def downgrade() -> None:
    for table in ("repo_labels", "artifacts"):
        op.drop_column(table, "native_context")
