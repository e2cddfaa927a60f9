"""The index of downloads on PostgreSQL has unknown ones last, as lists of models ask for; it is made after all
migrations have run."""

from __future__ import annotations

from alembic import op

revision = "0030_most_downloaded"
down_revision = "0029_state_totals"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("drop index if exists ix_repos_downloads")


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("drop index if exists ix_repos_downloads")
        op.create_index("ix_repos_downloads", "repos", ["downloads", "likes", "status", "type"])
