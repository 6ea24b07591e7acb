"""Legal holds, and what boxes are to forget."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0010"
down_revision = "0009"
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
        "legal_hold",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("hold_id", sa.String(length=36), nullable=False),
        sa.Column("body", sa.LargeBinary(length=65535), nullable=False),
        sa.Column("made_by", sa.String(length=200), nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("ends_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.Column("ended_by", sa.String(length=200), nullable=True),
        sa.ForeignKeyConstraint(["site_id"], ["site.site_id"], name="fk_legal_hold_site_id"),
        sa.PrimaryKeyConstraint("site_id", "hold_id", name="pk_legal_hold"),
        **EXACT_TEXT,
    )
    op.create_table(
        "box_erasure",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("box_id", sa.String(length=36), nullable=False),
        sa.Column("sighting_id", sa.String(length=36), nullable=False),
        sa.Column("asked_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.site_id"], name="fk_box_erasure_site_id"),
        sa.PrimaryKeyConstraint("site_id", "box_id", "sighting_id", name="pk_box_erasure"),
        **EXACT_TEXT,
    )


def downgrade() -> None:
    op.drop_table("box_erasure")
    op.drop_table("legal_hold")
