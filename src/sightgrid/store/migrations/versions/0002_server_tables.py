"""The server's tables: boxes, receipts, keys, consent, the gallery, edits, events.

On MySQL a migration is no transaction, so a step that was done before it broke off is left out when
it runs again.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0002"
down_revision = "0001"
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


def _there() -> sa.Inspector | None:
    """What the database has already; ``None`` where SQL is only written down."""
    context = op.get_context()
    return None if context.as_sql else sa.inspect(op.get_bind())


def _table(name: str, *parts: Any, **options: Any) -> None:
    there = _there()
    if there is None or not there.has_table(name):
        op.create_table(name, *parts, **options)


def _column(table: str, column: sa.Column[Any]) -> None:
    there = _there()
    if there is None or column.name not in {one["name"] for one in there.get_columns(table)}:
        op.add_column(table, column)


def _index(name: str, table: str, columns: list[str], *, unique: bool) -> None:
    there = _there()
    if there is None or name not in {one["name"] for one in there.get_indexes(table)}:
        op.create_index(name, table, columns, unique=unique)


def upgrade() -> None:
    _table(
        "box",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("box_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("instance_id", sa.String(length=36), nullable=False),
        sa.Column("boot_id", sa.String(length=36), nullable=True),
        sa.Column("past_boots", sa.Text(), nullable=False),
        sa.Column("enrolled_at", MOMENT, nullable=False),
        sa.Column("last_contact_at", MOMENT, nullable=True),
        sa.Column("cloned_at", MOMENT, nullable=True),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["site_id"], ["site.site_id"], name="fk_box_site_id"),
        sa.PrimaryKeyConstraint("site_id", "box_id", name="pk_box"),
        sa.UniqueConstraint("site_id", "token_hash", name="uq_box_site_id_token_hash"),
        **EXACT_TEXT,
    )
    _table(
        "box_code",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.Column("box_name", sa.String(length=200), nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("redeemed_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["site_id"], ["site.site_id"], name="fk_box_code_site_id"),
        sa.PrimaryKeyConstraint("site_id", "code_hash", name="pk_box_code"),
        **EXACT_TEXT,
    )
    _table(
        "data_key",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("subject", sa.String(length=240), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(length=100), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.site_id"], name="fk_data_key_site_id"),
        sa.PrimaryKeyConstraint("site_id", "subject", name="pk_data_key"),
        **EXACT_TEXT,
    )
    _table(
        "edit",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("edit_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("made_by", sa.String(length=200), nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("undone_at", MOMENT, nullable=True),
        sa.Column("undone_by", sa.String(length=200), nullable=True),
        sa.ForeignKeyConstraint(["site_id"], ["site.site_id"], name="fk_edit_site_id"),
        sa.PrimaryKeyConstraint("site_id", "edit_id", name="pk_edit"),
        **EXACT_TEXT,
    )
    _index("ix_edit_site_id_made_at", "edit", ["site_id", "made_at"], unique=False)
    _table(
        "erasure",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("subject_hash", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("erased_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.site_id"], name="fk_erasure_site_id"),
        sa.PrimaryKeyConstraint("site_id", "subject_hash", name="pk_erasure"),
        **EXACT_TEXT,
    )
    _table(
        "event",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("event_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("event_id", sa.String(length=36), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.site_id"], name="fk_event_site_id"),
        sa.PrimaryKeyConstraint("site_id", "event_no", name="pk_event"),
        **EXACT_TEXT,
    )
    _index("ix_event_site_id_event_id", "event", ["site_id", "event_id"], unique=False)
    _table(
        "quarantine",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("box_id", sa.String(length=36), nullable=False),
        sa.Column("sighting_id", sa.String(length=36), nullable=False),
        sa.Column("revision", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("code", sa.String(length=32), nullable=False),
        sa.Column("message", sa.String(length=500), nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.site_id"], name="fk_quarantine_site_id"),
        sa.PrimaryKeyConstraint(
            "site_id", "box_id", "sighting_id", "revision", "sha256", name="pk_quarantine"
        ),
        **EXACT_TEXT,
    )
    _index(
        "ix_quarantine_site_id_received_at", "quarantine", ["site_id", "received_at"], unique=False
    )
    _table(
        "received",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("box_id", sa.String(length=36), nullable=False),
        sa.Column("sighting_id", sa.String(length=36), nullable=False),
        sa.Column("revision", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("outcome", sa.String(length=32), nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.site_id"], name="fk_received_site_id"),
        sa.PrimaryKeyConstraint("site_id", "box_id", "sighting_id", "revision", name="pk_received"),
        **EXACT_TEXT,
    )
    _index("ix_received_site_id_sighting_id", "received", ["site_id", "sighting_id"], unique=False)
    _table(
        "unmatched_count",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("camera", sa.String(length=200), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("sightings", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.site_id"], name="fk_unmatched_count_site_id"),
        sa.PrimaryKeyConstraint("site_id", "camera", "day", name="pk_unmatched_count"),
        **EXACT_TEXT,
    )
    _table(
        "consent",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("consent_id", sa.String(length=36), nullable=False),
        sa.Column("person_id", sa.String(length=36), nullable=False),
        sa.Column("purpose", sa.String(length=200), nullable=False),
        sa.Column("text_version", sa.String(length=200), nullable=False),
        sa.Column("text_sha256", sa.String(length=64), nullable=False),
        sa.Column("language", sa.String(length=32), nullable=False),
        sa.Column("channel", sa.String(length=32), nullable=False),
        sa.Column("evidence", sa.LargeBinary(length=65535), nullable=False),
        sa.Column("given_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=True),
        sa.Column("withdrawn_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["site_id", "person_id"],
            ["person.site_id", "person.person_id"],
            name="fk_consent_site_id_person_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("site_id", "consent_id", name="pk_consent"),
        **EXACT_TEXT,
    )
    _index("ix_consent_site_id_person_id", "consent", ["site_id", "person_id"], unique=False)
    _table(
        "enrolled_photo",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("person_id", sa.String(length=36), nullable=False),
        sa.Column("photo_id", sa.String(length=36), nullable=False),
        sa.Column("photo", sa.LargeBinary(length=16777215), nullable=False),
        sa.Column("added_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["site_id", "person_id"],
            ["person.site_id", "person.person_id"],
            name="fk_enrolled_photo_site_id_person_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("site_id", "person_id", "photo_id", name="pk_enrolled_photo"),
        **EXACT_TEXT,
    )
    _table(
        "crop",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sighting_id", sa.String(length=36), nullable=False),
        sa.Column("rank_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("jpeg", sa.LargeBinary(length=16777215), nullable=False),
        sa.ForeignKeyConstraint(
            ["site_id", "sighting_id"],
            ["sighting.site_id", "sighting.sighting_id"],
            name="fk_crop_site_id_sighting_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("site_id", "sighting_id", "rank_no", name="pk_crop"),
        **EXACT_TEXT,
    )
    _table(
        "identity_apart",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("one", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("other", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("edit_id", sa.String(length=36), nullable=True),
        sa.ForeignKeyConstraint(
            ["site_id", "one"],
            ["identity.site_id", "identity.serial"],
            name="fk_identity_apart_site_id_one",
        ),
        sa.ForeignKeyConstraint(
            ["site_id", "other"],
            ["identity.site_id", "identity.serial"],
            name="fk_identity_apart_site_id_other",
        ),
        sa.PrimaryKeyConstraint("site_id", "one", "other", name="pk_identity_apart"),
        **EXACT_TEXT,
    )
    _table(
        "merge_proposal",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("serial", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("into_serial", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("similarity", sa.Double(), nullable=False),
        sa.Column("threshold", sa.Double(), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("proposed_at", MOMENT, nullable=False),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("answered_at", MOMENT, nullable=True),
        sa.Column("answered_by", sa.String(length=200), nullable=True),
        sa.ForeignKeyConstraint(
            ["site_id", "into_serial"],
            ["identity.site_id", "identity.serial"],
            name="fk_merge_proposal_site_id_into_serial",
        ),
        sa.ForeignKeyConstraint(
            ["site_id", "serial"],
            ["identity.site_id", "identity.serial"],
            name="fk_merge_proposal_site_id_serial",
        ),
        sa.PrimaryKeyConstraint("site_id", "serial", "into_serial", name="pk_merge_proposal"),
        **EXACT_TEXT,
    )
    _table(
        "not_identity",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sighting_id", sa.String(length=36), nullable=False),
        sa.Column("serial", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("edit_id", sa.String(length=36), nullable=True),
        sa.ForeignKeyConstraint(
            ["site_id", "serial"],
            ["identity.site_id", "identity.serial"],
            name="fk_not_identity_site_id_serial",
        ),
        sa.ForeignKeyConstraint(
            ["site_id", "sighting_id"],
            ["sighting.site_id", "sighting.sighting_id"],
            name="fk_not_identity_site_id_sighting_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("site_id", "sighting_id", "serial", name="pk_not_identity"),
        **EXACT_TEXT,
    )
    _table(
        "prototype",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("serial", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("contract_id", sa.String(length=64), nullable=False),
        sa.Column("change_no", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.LargeBinary(length=32768), nullable=True),
        sa.Column("worth", sa.Double(), nullable=False),
        sa.Column("best_worth", sa.Double(), nullable=False),
        sa.Column("sightings", sa.Integer(), nullable=False),
        sa.Column("first_seen", MOMENT, nullable=True),
        sa.Column("last_seen", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["site_id", "contract_id"],
            ["contract.site_id", "contract.contract_id"],
            name="fk_prototype_site_id_contract_id",
        ),
        sa.ForeignKeyConstraint(
            ["site_id", "serial"],
            ["identity.site_id", "identity.serial"],
            name="fk_prototype_site_id_serial",
        ),
        sa.PrimaryKeyConstraint("site_id", "serial", "contract_id", name="pk_prototype"),
        **EXACT_TEXT,
    )
    _index("ix_prototype_site_id_change_no", "prototype", ["site_id", "change_no"], unique=False)
    _column("camera", sa.Column("purposes", sa.String(length=200), nullable=True))
    _column("camera", sa.Column("settings", sa.Text(), nullable=True))
    _column("camera", sa.Column("address", sa.LargeBinary(length=65535), nullable=True))
    _column("camera", sa.Column("box_id", sa.String(length=36), nullable=True))
    _column("enrolled_face", sa.Column("crop", sa.LargeBinary(length=16777215), nullable=True))
    _column("enrolled_face", sa.Column("photo_id", sa.String(length=36), nullable=True))
    _column("person", sa.Column("details", sa.LargeBinary(length=65535), nullable=True))
    _column("person", sa.Column("added_at", MOMENT, nullable=True))
    _column(
        "serial_counter",
        sa.Column("next_change", sa.BigInteger(), server_default="1", nullable=False),
    )
    _column(
        "serial_counter",
        sa.Column("next_event", sa.BigInteger(), server_default="1", nullable=False),
    )
    _column("sighting", sa.Column("box_id", sa.String(length=36), nullable=True))
    _column("sighting", sa.Column("template", sa.LargeBinary(length=16384), nullable=True))
    _column("sighting", sa.Column("template_worth", sa.Double(), nullable=True))
    _column("sighting", sa.Column("template_contract", sa.String(length=64), nullable=True))
    _index("ix_sighting_site_id_last_seen", "sighting", ["site_id", "last_seen"], unique=False)
    _column("site", sa.Column("sealed", sa.Boolean(), server_default=sa.false(), nullable=False))
    _index(
        "ix_visit_site_id_serial_last_seen",
        "visit",
        ["site_id", "serial", "last_seen"],
        unique=False,
    )


def downgrade() -> None:
    op.drop_index("ix_sighting_site_id_last_seen", table_name="sighting")
    op.drop_index("ix_visit_site_id_serial_last_seen", table_name="visit")
    op.drop_column("site", "sealed")
    op.drop_column("sighting", "template_contract")
    op.drop_column("sighting", "template_worth")
    op.drop_column("sighting", "template")
    op.drop_column("sighting", "box_id")
    op.drop_column("serial_counter", "next_event")
    op.drop_column("serial_counter", "next_change")
    op.drop_column("person", "added_at")
    op.drop_column("person", "details")
    op.drop_column("enrolled_face", "photo_id")
    op.drop_column("enrolled_face", "crop")
    op.drop_column("camera", "box_id")
    op.drop_column("camera", "address")
    op.drop_column("camera", "settings")
    op.drop_column("camera", "purposes")
    op.drop_table("prototype")
    op.drop_table("not_identity")
    op.drop_table("merge_proposal")
    op.drop_table("identity_apart")
    op.drop_table("crop")
    op.drop_table("enrolled_photo")
    op.drop_table("consent")
    op.drop_table("unmatched_count")
    op.drop_table("received")
    op.drop_table("quarantine")
    op.drop_table("event")
    op.drop_table("erasure")
    op.drop_table("edit")
    op.drop_table("data_key")
    op.drop_table("box_code")
    op.drop_table("box")
