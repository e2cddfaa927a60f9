"""Repos are counted by type, status and depth, and artifacts as a whole, when they are written: `status` read all
repos for it.

All totals are counted again when the migrations have run.
"""

from __future__ import annotations

from alembic import op

revision = "0029_state_totals"
down_revision = "0028_blobs_of_git_files"
branch_labels = None
depends_on = None

COUNTED = ("totals", "total_members", "author_totals", "author_schemes", "evidence_totals")


def upgrade() -> None:
    for name in COUNTED:
        op.execute(f"delete from {name}")


def downgrade() -> None:
    """An earlier version takes the counts of states for no others."""
    op.execute("delete from totals where \"of\" = 'all'")
    op.execute("delete from total_members where \"of\" = 'state'")
