"""Daily downloads and likes say where they come from, if not from this catalog's crawls: NULL in all that there are."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016_imported_history"
down_revision = "0015_fit_candidates"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("metrics", sa.Column("source", sa.Text()))


def downgrade() -> None:
    op.drop_column("metrics", "source")
