"""Former contents of files have an index, filled from the recorded changes; headers have digests of their tensors."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0010_former_files"
down_revision = "0009_lease_holders"
branch_labels = None
depends_on = None

DIGESTS = ("tensor_layout", "tensor_shapes")
COLUMNS = ("repo", "path", "sha256", "size", "until")
BATCH = 1000


def upgrade() -> None:
    big, moment = (
        (sa.Integer(), sa.Text())
        if op.get_bind().dialect.name == "sqlite"
        else (sa.BigInteger(), sa.DateTime(timezone=True))
    )
    op.create_table(
        "former_files",
        sa.Column("repo", big, sa.ForeignKey("repos.id", name="fk_former_files_repo"), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("size", big),
        sa.Column("sha", sa.Text()),
        sa.Column("until", moment, nullable=False),
        sa.PrimaryKeyConstraint("repo", "path", "sha256", name="pk_former_files"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("ix_former_files_sha256", "former_files", ["sha256"])
    op.create_index("ix_former_files_size", "former_files", ["size"])
    op.create_index("ix_artifacts_total_size", "artifacts", ["total_size"])
    for name in DIGESTS:
        op.add_column("headers", sa.Column(name, big))
        op.create_index(f"ix_headers_{name}", "headers", [name])
    fill_from_events()


def fill_from_events() -> None:
    """The content before each recorded change of a file; of several with one content the last change counts."""
    bind = op.get_bind()
    mark = "?" if bind.dialect.name == "sqlite" else "%s"
    sql = (
        f"insert into former_files ({', '.join(COLUMNS)}) values ({', '.join([mark] * len(COLUMNS))})"
        " on conflict (repo, path, sha256) do update set until = excluded.until"
    )
    last = 0
    while rows := bind.exec_driver_sql(
        "select id, repo, subject, before, after, at from events"
        f" where id > {last} and kind in ('changed file', 'removed file') order by id limit {BATCH}"
    ).all():
        last = rows[-1].id
        found = [row for event in rows if (row := former_file(event)) is not None]
        if found:
            bind.exec_driver_sql(sql, found)


def former_file(event: Any) -> tuple[Any, ...] | None:
    """The row of an event; None where the file's sha256 was not known, or only its git blob changed."""
    try:
        before = json.loads(event.before)
        after = json.loads(event.after or "{}")
        digest = bytes.fromhex(before["sha256"])
    except (TypeError, ValueError, KeyError):
        return None
    if len(digest) != 32 or after.get("sha256") == before["sha256"]:
        return None
    return (event.repo, event.subject, digest, before.get("size"), event.at)


def downgrade() -> None:
    for name in DIGESTS:
        op.drop_index(f"ix_headers_{name}", "headers")
        op.drop_column("headers", name)
    op.drop_index("ix_artifacts_total_size", "artifacts")
    op.drop_table("former_files")
