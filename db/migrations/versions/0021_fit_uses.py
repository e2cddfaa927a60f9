"""`fits --task` finds models by what they are for without reading all candidates.

The table is filled by the next crawl, `relabel` or `db optimize`: every model waits in fit_pending until then.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021_fit_uses"
down_revision = "0020_row_digest"
branch_labels = None
depends_on = None


def upgrade() -> None:
    big = sa.Integer() if op.get_bind().dialect.name == "sqlite" else sa.BigInteger()
    op.create_table(
        "fit_uses",
        sa.Column("use", sa.Text(), nullable=False),
        sa.Column("repo", big, sa.ForeignKey("repos.id", name="fk_fit_uses_repo"), nullable=False),
        sa.PrimaryKeyConstraint("use", "repo", name="pk_fit_uses"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("ix_fit_uses_repo", "fit_uses", ["repo"])
    op.execute("insert into fit_pending (repo) select id from repos where type = 'model' on conflict do nothing")


def downgrade() -> None:
    op.drop_table("fit_uses")
