"""Edits in the order they were made; identities hidden and labelled."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

MOMENT = (
    sa.DateTime()
    .with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
    .with_variant(sa.DateTime(timezone=True), "postgresql")
)
EXACT_TEXT: dict[str, Any] = {
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "mariadb_charset": "utf8mb4",
    "mariadb_collate": "utf8mb4_bin",
}


def upgrade() -> None:
    op.add_column("edit", sa.Column("edit_no", sa.BigInteger(), nullable=True))
    op.add_column("identity", sa.Column("hidden", sa.Boolean(), nullable=True))
    op.add_column("identity", sa.Column("label", sa.LargeBinary(length=65535), nullable=True))


def downgrade() -> None:
    op.drop_column("identity", "label")
    op.drop_column("identity", "hidden")
    op.drop_column("edit", "edit_no")
