"""Branches, tags and pinned commits of models, and the files of those that were asked for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019_revisions"
down_revision = "0018_query_indexes"
branch_labels = None
depends_on = None


def upgrade() -> None:
    big, moment = (
        (sa.Integer(), sa.Text())
        if op.get_bind().dialect.name == "sqlite"
        else (sa.BigInteger(), sa.DateTime(timezone=True))
    )
    op.create_table(
        "repo_revisions",
        sa.Column("repo", big, sa.ForeignKey("repos.id", name="fk_repo_revisions_repo"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("sha", sa.Text()),
        sa.Column("seen_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("repo", "name", name="pk_repo_revisions"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "repo_revision_files",
        sa.Column("repo", big, sa.ForeignKey("repos.id", name="fk_repo_revision_files_repo"), nullable=False),
        sa.Column("sha", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("size", big),
        sa.Column("blob_id", sa.LargeBinary()),
        sa.Column("sha256", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("repo", "sha", "path", name="pk_repo_revision_files"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("repo_revision_files")
    op.drop_table("repo_revisions")
