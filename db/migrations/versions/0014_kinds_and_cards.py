"""Repos get labels of their kind, of all licences of a card and of the emissions of training.

All are unknown until a crawl or `relabel` finds them.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0014_kinds_and_cards"
down_revision = "0013_request_quotas"
branch_labels = None
depends_on = None

REAL: sa.types.TypeEngine[Any] = sa.Double().with_variant(sa.REAL(), "sqlite")
COLUMNS: dict[str, sa.types.TypeEngine[Any]] = {"licenses": sa.Text(), "co2_eq_emissions": REAL, "kind": sa.Text()}


def upgrade() -> None:
    for name, kind in COLUMNS.items():
        op.add_column("repo_labels", sa.Column(name, kind))


def downgrade() -> None:
    for name in COLUMNS:
        op.drop_column("repo_labels", name)
