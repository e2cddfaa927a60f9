"""The index of contents holds the repo and the role too; further indexes are made after all migrations have run."""

from __future__ import annotations

from alembic import op

revision = "0018_query_indexes"
down_revision = "0017_totals"
branch_labels = None
depends_on = None

LATER = (
    *("ix_repos_not_available", "ix_repo_files_scanned", "ix_repo_files_python", "ix_repo_labels_quantized"),
    *("ix_repo_labels_custom_code", "ix_repo_labels_suspicious", "ix_headers_unverified", "ix_artifacts_sidecars"),
    *("ix_artifacts_mislabelled", "ix_artifacts_pickles", "ix_artifacts_unsafe", "ix_artifacts_suspicious"),
    *("ix_artifacts_templates", "ix_artifacts_contents", "ix_events_kind"),
)
"""Indexes that are made when all migrations have run."""


def upgrade() -> None:
    op.execute("drop index if exists ix_artifacts_content")


def downgrade() -> None:
    for name in LATER:
        op.execute(f"drop index if exists {name}")
    op.create_index("ix_artifacts_content", "artifacts", ["content"])
