"""What crawls found of the API of each Hub is kept."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006_endpoints"
down_revision = "0005_incomplete_walks"
branch_labels = None
depends_on = None


def upgrade() -> None:
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    moment = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
    op.create_table(
        "endpoints",
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("capabilities", sa.Text(), nullable=False),
        sa.Column("found_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("endpoint", name="pk_endpoints"),
        sqlite_strict=on_sqlite,
    )


def downgrade() -> None:
    op.drop_table("endpoints")
