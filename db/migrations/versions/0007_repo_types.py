"""Datasets and spaces beside models: repos have a type, links to the repos that they use, and leaderboards."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007_repo_types"
down_revision = "0006_endpoints"
branch_labels = None
depends_on = None

LINKED = {"sqlite_strict": True, "sqlite_with_rowid": False}  # stored in the order of its key


def upgrade() -> None:
    integer = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # STRICT tables know no BIGINT
    boolean = sa.Boolean().with_variant(sa.Integer(), "sqlite")
    real: sa.Double[float] = sa.Double().with_variant(sa.REAL(), "sqlite")
    op.add_column("repos", sa.Column("type", sa.Text(), nullable=False, server_default="model"))
    op.create_table(
        "repo_links",
        sa.Column("repo", integer, sa.ForeignKey("repos.id", name="fk_repo_links_repo"), nullable=False),
        sa.Column("target_type", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("repo", "target_type", "target", name="pk_repo_links"),
        **LINKED,
    )
    op.create_index("ix_repo_links_target", "repo_links", [sa.text("lower(target)")])
    op.create_table(
        "leaderboards",
        sa.Column("repo", integer, sa.ForeignKey("repos.id", name="fk_leaderboards_repo"), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("rank", sa.Integer()),
        sa.Column("value", real),
        sa.Column("verified", boolean, nullable=False),
        sa.Column("source", sa.Text()),
        sa.PrimaryKeyConstraint("repo", "position", name="pk_leaderboards"),
        **LINKED,
    )


def downgrade() -> None:
    """Rows of datasets and spaces are deleted: an earlier version would take them for models."""
    op.drop_table("leaderboards")
    op.drop_table("repo_links")
    tables = "aliases edges enrichments evaluations events metrics missing_repos partial_repos repo_facts repo_files"
    for table in (*tables.split(), "repo_tags", "search_documents", "search_pending"):
        op.execute(f"delete from {table} where repo in (select id from repos where type <> 'model')")
    op.execute("delete from repos where type <> 'model'")
    op.drop_column("repos", "type")
