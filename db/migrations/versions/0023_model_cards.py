"""What model cards document, their text where it is kept, and what kind of account owns models.

All are empty until a crawl asks for them.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0023_model_cards"
down_revision = "0022_browse_indexes"
branch_labels = None
depends_on = None

SECTIONS = ("intended_use", "limits", "bias", "training_data", "evaluation", "environment")


def upgrade() -> None:
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    big: sa.types.TypeEngine[Any] = sa.Integer() if is_sqlite else sa.BigInteger()
    flag: sa.types.TypeEngine[Any] = sa.Integer() if is_sqlite else sa.Boolean()
    moment: sa.types.TypeEngine[Any] = sa.Text() if is_sqlite else sa.DateTime(timezone=True)
    kept: dict[str, Any] = {"sqlite_strict": True, "sqlite_with_rowid": False}
    op.create_table(
        "model_cards",
        sa.Column("repo", big, sa.ForeignKey("repos.id", name="fk_model_cards_repo"), nullable=False),
        sa.Column("sha", sa.Text()),
        sa.Column("blob_id", sa.LargeBinary()),
        sa.Column("bytes", big),
        sa.Column("fields", sa.Text()),
        sa.Column("fields_filled", big),
        sa.Column("placeholders", big),
        *(sa.Column(name, flag) for name in SECTIONS),
        sa.Column("read_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("repo", name="pk_model_cards"),
        **kept,
    )
    op.create_table(
        "card_texts",
        sa.Column("repo", big, sa.ForeignKey("repos.id", name="fk_card_texts_repo"), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("repo", name="pk_card_texts"),
        **kept,
    )
    op.create_table(
        "account_kinds",
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text()),
        sa.Column("seen_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("author", name="pk_account_kinds"),
        **kept,
    )


def downgrade() -> None:
    for name in ("account_kinds", "card_texts", "model_cards"):
        op.drop_table(name)
