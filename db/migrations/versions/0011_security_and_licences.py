"""Repos and artifacts get labels of their security and licence, files what the Hub's scanners say of them.

All are unknown until a crawl or `relabel` finds them.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0011_security_and_licences"
down_revision = "0010_former_files"
branch_labels = None
depends_on = None

COLUMNS = {
    "repo_labels": {
        "license_spdx": "text",
        "license_kind": "text",
        "custom_code": "boolean",
        "unsafe_format": "boolean",
        "scan_status": "text",
        "pickle_verdict": "text",
        "suspicious_template": "text",
    },
    "artifacts": {"unsafe_format": "boolean", "pickle_verdict": "text", "suspicious_template": "text"},
    "repo_files": {"scan_status": "text", "scans": "text"},
}


def upgrade() -> None:
    boolean = sa.Boolean().with_variant(sa.Integer(), "sqlite")  # STRICT tables know no BOOLEAN
    kinds: dict[str, sa.types.TypeEngine[Any]] = {"text": sa.Text(), "boolean": boolean}
    for table, columns in COLUMNS.items():
        for name, kind in columns.items():
            op.add_column(table, sa.Column(name, kinds[kind]))


def downgrade() -> None:
    for table, columns in COLUMNS.items():
        for name in columns:
            op.drop_column(table, name)
