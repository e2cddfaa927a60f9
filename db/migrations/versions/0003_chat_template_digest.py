"""Repos and artifacts get the label chat_template_digest. It is unknown until a crawl or `relabel` finds it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003_chat_template_digest"
down_revision = "0002_standard_names"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("repo_labels", "artifacts"):
        op.add_column(table, sa.Column("chat_template_digest", sa.Text()))


def downgrade() -> None:
    for table in ("repo_labels", "artifacts"):
        op.drop_column(table, "chat_template_digest")
