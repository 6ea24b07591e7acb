"""Who is told of events: subscribers and webhooks."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0005"
down_revision = "0004"
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
        "subscriber",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("event_no", sa.BigInteger(), nullable=False),
        sa.Column("told_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.site_id"], name="fk_subscriber_site_id"),
        sa.PrimaryKeyConstraint("site_id", "name", name="pk_subscriber"),
        **EXACT_TEXT,
    )
    op.create_table(
        "webhook",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("webhook_id", sa.String(length=36), nullable=False),
        sa.Column("url", sa.LargeBinary(length=65535), nullable=False),
        sa.Column("secret", sa.LargeBinary(length=65535), nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.site_id"], name="fk_webhook_site_id"),
        sa.PrimaryKeyConstraint("site_id", "webhook_id", name="pk_webhook"),
        **EXACT_TEXT,
    )


def downgrade() -> None:
    op.drop_table("webhook")
    op.drop_table("subscriber")
