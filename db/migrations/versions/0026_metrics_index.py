"""The history of models with a hundred downloads or more gets an index; it is made after all migrations have run."""

from __future__ import annotations

from alembic import op

revision = "0026_metrics_index"
down_revision = "0025_more_totals"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The index is declared by the schema."""


def downgrade() -> None:
    op.execute("drop index if exists ix_metrics_much")
