"""Orders and counts that visitors ask for get indexes; these are made after all migrations have run."""

from __future__ import annotations

from alembic import op

revision = "0022_browse_indexes"
down_revision = "0021_fit_uses"
branch_labels = None
depends_on = None

LATER = (
    *("ix_repos_total_size", "ix_repos_trending_score", "ix_repo_labels_depth"),
    *("ix_artifacts_compared", "ix_labels_sizes", "ix_labels_contexts"),
)
"""Indexes that are made when all migrations have run."""


def upgrade() -> None:
    """The indexes are declared by the schema."""


def downgrade() -> None:
    for name in LATER:
        op.execute(f"drop index if exists {name}")
