"""The catalog knows a row of the listing again by a digest, without parsing and labelling it.

Unknown until the next crawl lists the repo.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020_row_digest"
down_revision = "0019_revisions"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("repos", sa.Column("row_digest", sa.BigInteger().with_variant(sa.Integer(), "sqlite")))


def downgrade() -> None:
    op.drop_column("repos", "row_digest")
