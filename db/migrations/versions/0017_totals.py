"""Counts of models and artifacts by group get tables; the upgrade fills them when all migrations have run."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0017_totals"
down_revision = "0016_imported_history"
branch_labels = None
depends_on = None

TABLES = {
    "totals": (
        ("of", "a", "b"),
        (
            *("repos", "quantized_repos", "gated_repos", "manual_repos", "counted_repos", "measured_repos"),
            *("differing_repos", "artifacts", "quantized_artifacts", "qat_artifacts", "sized_artifacts"),
            *("measured_artifacts", "microbits", "downloads", "quantized_downloads", "gated_downloads", "likes"),
            "total_size",
        ),
    ),
    "total_members": (("of", "a", "b", "member"), ("repos",)),
    "author_totals": (
        ("author",),
        ("repos", "quantized_repos", "counted_repos", "downloads", "likes", "total_size"),
    ),
    "author_schemes": (
        ("author", "quant", "quant_method"),
        ("repos", "artifacts", "imatrix_artifacts", "dynamic_artifacts", "total_size"),
    ),
}


def upgrade() -> None:
    number: sa.types.TypeEngine[Any] = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    real: sa.types.TypeEngine[Any] = sa.Double().with_variant(sa.REAL(), "sqlite")
    time: sa.types.TypeEngine[Any] = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
    extremes = {"least": real, "most": real, "first": time, "last": time}
    for name, (key, counts) in TABLES.items():
        kinds: dict[str, sa.types.TypeEngine[Any]] = dict.fromkeys(counts, number)
        op.create_table(
            name,
            *(sa.Column(column, sa.Text(), nullable=False) for column in key),
            *(
                sa.Column(column, kind, nullable=name != "total_members")
                for column, kind in {**kinds, **(extremes if name == "totals" else {})}.items()
            ),
            sa.PrimaryKeyConstraint(*key, name=f"pk_{name}"),
            sqlite_strict=True,
            sqlite_with_rowid=False,
        )


def downgrade() -> None:
    for name in reversed(TABLES):
        op.drop_table(name)
