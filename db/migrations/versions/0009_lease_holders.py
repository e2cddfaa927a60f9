"""A lease names the crawler that holds it, so that the leases of one that died are freed at once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009_lease_holders"
down_revision = "0008_unknown_is_null"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("enrichments", sa.Column("holder", sa.Text()))


def downgrade() -> None:
    op.drop_column("enrichments", "holder")
