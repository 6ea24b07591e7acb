"""What boxes could not deliver; the ledger's own answers beside those that edits made."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0004"
down_revision = "0003"
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
    op.create_table(
        "gap",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("box_id", sa.String(length=36), nullable=False),
        sa.Column("gap_id", sa.String(length=36), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("camera", sa.String(length=200), nullable=False),
        sa.Column("first_seen", MOMENT, nullable=False),
        sa.Column("last_seen", MOMENT, nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("priority", sa.String(length=32), nullable=False),
        sa.Column("dropped", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.site_id"], name="fk_gap_site_id"),
        sa.PrimaryKeyConstraint("site_id", "box_id", "gap_id", name="pk_gap"),
        **EXACT_TEXT,
    )
    op.create_index("ix_gap_site_id_last_seen", "gap", ["site_id", "last_seen"], unique=False)
    op.add_column("decision", sa.Column("own_band", sa.String(length=16), nullable=True))
    op.add_column("decision", sa.Column("own_serial", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("decision", "own_serial")
    op.drop_column("decision", "own_band")
    op.drop_table("gap")
