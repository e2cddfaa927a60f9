"""What filters and orders of results name gets indexes; these are made after all migrations have run."""

from __future__ import annotations

from alembic import op

revision = "0024_filter_indexes"
down_revision = "0023_model_cards"
branch_labels = None
depends_on = None

LATER = (
    *("ix_repos_license", "ix_repos_pipeline_tag", "ix_repo_labels_format", "ix_repo_labels_parameters"),
    "ix_artifacts_held",
)
"""Indexes that are made when all migrations have run."""


def upgrade() -> None:
    """The indexes are declared by the schema."""


def downgrade() -> None:
    for name in LATER:
        op.execute(f"drop index if exists {name}")
