"""People: other methods, removal, changes that can be undone; answers to proposals are edits."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0009"
down_revision = "0011"
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
    op.add_column("person", sa.Column("method", sa.String(length=32), nullable=True))
    op.add_column("person", sa.Column("removed_at", MOMENT, nullable=True))
    op.add_column("merge_proposal", sa.Column("edit_id", sa.String(length=36), nullable=True))
    op.create_table(
        "person_change",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("change_id", sa.String(length=36), nullable=False),
        sa.Column("person_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("fields", sa.LargeBinary(length=65535), nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("made_by", sa.String(length=200), nullable=False),
        sa.Column("undone_at", MOMENT, nullable=True),
        sa.Column("undone_by", sa.String(length=200), nullable=True),
        sa.ForeignKeyConstraint(
            ["site_id", "person_id"],
            ["person.site_id", "person.person_id"],
            name="fk_person_change_site_id_person_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("site_id", "change_id", name="pk_person_change"),
        **EXACT_TEXT,
    )
    op.create_index("ix_person_change_site_id_person_id", "person_change", ["site_id", "person_id"])
    op.create_index("ix_identity_site_id_alias_of", "identity", ["site_id", "alias_of"])
    op.create_index("ix_identity_site_id_person_id", "identity", ["site_id", "person_id"])


def downgrade() -> None:
    if op.get_bind().dialect.name in ("mysql", "mariadb"):
        # made by itself for each foreign key, given up when ours came, and still needed
        for column in ("person_id", "alias_of"):
            op.create_index(f"fk_identity_site_id_{column}", "identity", ["site_id", column])
    op.drop_index("ix_identity_site_id_person_id", "identity")
    op.drop_index("ix_identity_site_id_alias_of", "identity")
    op.drop_table("person_change")
    op.drop_column("merge_proposal", "edit_id")
    op.drop_column("person", "removed_at")
    op.drop_column("person", "method")
