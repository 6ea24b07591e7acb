"""Accounts, sessions, tokens, the audit chain."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0003"
down_revision = "0002"
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
        "attempt",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("what_hash", sa.String(length=64), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("site_id", "what_hash", name="pk_attempt"),
        **EXACT_TEXT,
    )
    op.create_table(
        "account",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("login", sa.String(length=200), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=True),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("disabled_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["site_id"], ["site.site_id"], name="fk_account_site_id"),
        sa.PrimaryKeyConstraint("site_id", "account_id", name="pk_account"),
        sa.UniqueConstraint("site_id", "login", name="uq_account_site_id_login"),
        **EXACT_TEXT,
    )
    op.create_table(
        "audit_event",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("details", sa.LargeBinary(length=65535), nullable=False),
        sa.Column("previous_hash", sa.String(length=64), nullable=False),
        sa.Column("row_hash", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.site_id"], name="fk_audit_event_site_id"),
        sa.PrimaryKeyConstraint("site_id", "number", name="pk_audit_event"),
        **EXACT_TEXT,
    )
    op.create_index("ix_audit_event_site_id_at", "audit_event", ["site_id", "at"], unique=False)
    op.create_table(
        "audit_head",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("first_number", sa.BigInteger(), nullable=False),
        sa.Column("first_before", sa.String(length=64), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("row_hash", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.site_id"], name="fk_audit_head_site_id"),
        sa.PrimaryKeyConstraint("site_id", name="pk_audit_head"),
        **EXACT_TEXT,
    )
    op.create_table(
        "access_token",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("token_id", sa.String(length=36), nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.String(length=400), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("used_at", MOMENT, nullable=True),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["site_id", "account_id"],
            ["account.site_id", "account.account_id"],
            name="fk_access_token_site_id_account_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("site_id", "token_id", name="pk_access_token"),
        sa.UniqueConstraint("site_id", "token_hash", name="uq_access_token_site_id_token_hash"),
        **EXACT_TEXT,
    )
    op.create_table(
        "account_camera",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("camera", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(
            ["site_id", "account_id"],
            ["account.site_id", "account.account_id"],
            name="fk_account_camera_site_id_account_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("site_id", "account_id", "camera", name="pk_account_camera"),
        **EXACT_TEXT,
    )
    op.create_table(
        "setup_code",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=True),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["site_id", "account_id"],
            ["account.site_id", "account.account_id"],
            name="fk_setup_code_site_id_account_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("site_id", "code_hash", name="pk_setup_code"),
        **EXACT_TEXT,
    )
    op.create_table(
        "web_session",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("csrf_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("used_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["site_id", "account_id"],
            ["account.site_id", "account.account_id"],
            name="fk_web_session_site_id_account_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("site_id", "token_hash", name="pk_web_session"),
        **EXACT_TEXT,
    )
    op.create_index(
        "ix_web_session_site_id_account_id", "web_session", ["site_id", "account_id"], unique=False
    )


def downgrade() -> None:
    op.drop_table("web_session")
    op.drop_table("setup_code")
    op.drop_table("account_camera")
    op.drop_table("access_token")
    op.drop_table("audit_head")
    op.drop_table("audit_event")
    op.drop_table("account")
    op.drop_table("attempt")
