"""Lists without a value and flags that nothing set are unknown: NULL, no longer '[]' and false."""

from __future__ import annotations

from alembic import op

revision = "0008_unknown_is_null"
down_revision = "0007_repo_types"
branch_labels = None
depends_on = None

LISTS = ("tuning", "specialty", "languages")
FLAGS = {"repo_labels": ("approximate", "qat", "imatrix", "dynamic"), "artifacts": ("qat", "imatrix", "dynamic")}


def upgrade() -> None:
    for name in LISTS:
        op.execute(f"update repo_labels set {name} = null where {name} = '[]'")
    for table, names in FLAGS.items():
        for name in names:
            op.execute(f"update {table} set {name} = null where not {name}")


def downgrade() -> None:
    for name in LISTS:
        op.execute(f"update repo_labels set {name} = '[]' where {name} is null")
    for table, names in FLAGS.items():
        for name in names:
            op.execute(f"update {table} set {name} = false where {name} is null")
