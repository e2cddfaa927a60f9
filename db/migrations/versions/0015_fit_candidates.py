"""`fits` has tables of its own: bounds of what artifacts need and of their place in the ranking.

They are filled by the next crawl, `relabel` or `db optimize`: every model waits in fit_pending until then.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0015_fit_candidates"
down_revision = "0014_kinds_and_cards"
branch_labels = None
depends_on = None

TABLES = ("fit_candidates", "fit_pending", "fit_sources", "generations", "result_scales")


def upgrade() -> None:
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    big = sa.Integer() if is_sqlite else sa.BigInteger()
    real: sa.types.TypeEngine[Any] = sa.REAL() if is_sqlite else sa.Double()
    flag = sa.Integer() if is_sqlite else sa.Boolean()
    moment = sa.Text() if is_sqlite else sa.DateTime(timezone=True)
    kinds: dict[str, sa.types.TypeEngine[Any]] = {
        "big": big, "real": real, "flag": flag, "moment": moment, "text": sa.Text(), "integer": sa.Integer(),
    }  # fmt: skip

    def make(name: str, key: str, columns: str) -> None:
        """A table whose columns are written `name kind`, with `!` where they must have a value."""
        made = []
        for column in columns.split(", "):
            title, kind = column.split()
            links = [sa.ForeignKey("repos.id", name=f"fk_{name}_repo")] if title == "repo" else []
            made.append(sa.Column(title, kinds[kind.rstrip("!")], *links, nullable=not kind.endswith("!")))
        op.create_table(
            name,
            *made,
            sa.PrimaryKeyConstraint(*key.split(), name=f"pk_{name}"),
            sqlite_strict=True,
            sqlite_with_rowid=False,
        )

    make(
        "fit_candidates",
        "step points repo artifact",
        "step integer!, points integer!, repo big!, artifact big!, weights big!, fixed_bytes big!,"
        " token_elements real!, read_bytes big, mixture flag!, context big, text flag!, platform text!, format text,"
        " quant text, bits integer, uses text!",
    )
    op.create_index("ix_fit_candidates_repo", "fit_candidates", ["repo"])
    make("fit_pending", "repo", "repo big!")
    make("fit_sources", "repo", "repo big!, digest big!")
    make("generations", "family version", "family text!, version text!, created_at moment!")
    make("result_scales", "dataset metric", "dataset text!, metric text!, models big!, quantiles text!")
    op.execute("insert into fit_pending (repo) select id from repos where type = 'model'")


def downgrade() -> None:
    for name in TABLES:
        op.drop_table(name)
