"""Files in LFS and Xet lose git's hash, which is that of a pointer: a text that says their sha256 and size.

It follows from these two; nothing asks for it. A downgrade leaves it unknown, and the next crawl of a changed commit
reads it again.
"""

from __future__ import annotations

from alembic import op

revision = "0028_blobs_of_git_files"
down_revision = "0027_packed_facts"
branch_labels = None
depends_on = None

BATCH = 5000
"""Repos whose files are changed by one statement, which SQLite remembers the keys of."""


def upgrade() -> None:
    for table in ("repo_files", "repo_revision_files"):
        last = op.get_bind().exec_driver_sql(f"select coalesce(max(repo), 0) from {table}").scalar_one()
        for first in range(0, int(last) + 1, BATCH):
            op.execute(
                f"update {table} set blob_id = null where repo between {first} and {first + BATCH - 1}"
                " and sha256 is not null and blob_id is not null"
            )


def downgrade() -> None:
    """What was there is not known any more."""
