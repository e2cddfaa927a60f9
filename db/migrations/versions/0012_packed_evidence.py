"""The evidence of a repo, and of its artifacts, is a row each instead of a row a piece.

The view `label_evidence`, which is made after the migrations, has the rows of the table of that name.
"""

from __future__ import annotations

import json
from collections import defaultdict
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0012_packed_evidence"
down_revision = "0011_security_and_licences"
branch_labels = None
depends_on = None

BATCH = 500
"""Repos that are packed at once: some have a thousand artifacts."""


def upgrade() -> None:
    big = integer_type()
    op.create_table(
        "repo_evidence",
        sa.Column("repo", big, sa.ForeignKey("repos.id", name="fk_repo_evidence_repo"), nullable=False),
        sa.Column("first_artifact", big, nullable=False),
        sa.Column("pieces", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("repo", "first_artifact", name="pk_repo_evidence"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    insert = f"insert into repo_evidence (repo, first_artifact, pieces) values ({marks(3)})"
    for first, last in ranges("label_evidence"):
        rows = op.get_bind().exec_driver_sql(
            "select repo, artifact, evidence, resolved from label_evidence"
            f" where repo between {first} and {last} order by repo, artifact, evidence"
        )
        packed = [(repo, *pack(list(own))) for (repo, _), own in groupby(rows, lambda row: (row[0], row[1] != 0))]
        if packed:
            op.get_bind().exec_driver_sql(insert, packed)
    op.drop_table("label_evidence")


def pack(rows: list[Any]) -> tuple[int, str]:
    """The lowest number among the artifacts and the JSON list of their pieces, as db/derive/evidence_document.py."""
    first = rows[0][1]
    members: dict[int, list[int]] = defaultdict(list)
    for _, artifact, evidence, resolved in rows:
        members[2 * evidence + bool(resolved)].append(artifact - first)
    groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for code in sorted(members):
        groups[tuple(members[code])].append(code)
    return first, json.dumps([[those, pieces] for those, pieces in groups.items()], separators=(",", ":"))


def downgrade() -> None:
    big = integer_type()
    boolean = sa.Boolean().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "label_evidence",
        sa.Column("repo", big, nullable=False),
        sa.Column("artifact", big, nullable=False),
        sa.Column("evidence", big, nullable=False),
        sa.Column("resolved", boolean, nullable=False),
        sa.ForeignKeyConstraint(["evidence"], ["evidence.id"], name="fk_label_evidence_evidence"),
        sa.ForeignKeyConstraint(["repo"], ["repos.id"], name="fk_label_evidence_repo"),
        sa.PrimaryKeyConstraint("repo", "artifact", "evidence", name="pk_label_evidence"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    insert = f"insert into label_evidence (repo, artifact, evidence, resolved) values ({marks(4)})"
    for first, last in ranges("repo_evidence"):
        rows = op.get_bind().exec_driver_sql(
            f"select repo, first_artifact, pieces from repo_evidence where repo between {first} and {last}"
        )
        links = [
            (repo, lowest + artifact, code // 2, code % 2 == 1)
            for repo, lowest, pieces in rows
            for artifacts, codes in json.loads(pieces)
            for artifact in artifacts
            for code in codes
        ]
        if links:
            op.get_bind().exec_driver_sql(insert, sorted(links))
    op.drop_table("repo_evidence")


def integer_type() -> sa.types.TypeEngine[Any]:
    return sa.Integer() if op.get_bind().dialect.name == "sqlite" else sa.BigInteger()


def marks(count: int) -> str:
    return ", ".join(["?" if op.get_bind().dialect.name == "sqlite" else "%s"] * count)


def ranges(table: str) -> list[tuple[int, int]]:
    """Ranges of repo numbers that hold all rows of a table."""
    last = op.get_bind().exec_driver_sql(f"select coalesce(max(repo), 0) from {table}").scalar_one()
    return [(first, first + BATCH - 1) for first in range(0, int(last) + 1, BATCH)]
