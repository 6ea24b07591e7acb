"""The first tables: cameras, people, identities, sightings, decisions, visits."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None
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
        "site",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("site_id", name="pk_site"),
        **EXACT_TEXT,
    )
    op.create_table(
        "camera",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("position_x", sa.Double(), nullable=True),
        sa.Column("position_y", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["site_id"], ["site.site_id"], name="fk_camera_site_id"),
        sa.PrimaryKeyConstraint("site_id", "name", name="pk_camera"),
        **EXACT_TEXT,
    )
    op.create_table(
        "contract",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("contract_id", sa.String(length=64), nullable=False),
        sa.Column("pack", sa.String(length=200), nullable=False),
        sa.Column("dimension", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.site_id"], name="fk_contract_site_id"),
        sa.PrimaryKeyConstraint("site_id", "contract_id", name="pk_contract"),
        **EXACT_TEXT,
    )
    op.create_table(
        "person",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("person_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.site_id"], name="fk_person_site_id"),
        sa.PrimaryKeyConstraint("site_id", "person_id", name="pk_person"),
        sa.UniqueConstraint("site_id", "name", name="uq_person_site_id_name"),
        **EXACT_TEXT,
    )
    op.create_table(
        "serial_counter",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("next_serial", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.site_id"], name="fk_serial_counter_site_id"),
        sa.PrimaryKeyConstraint("site_id", name="pk_serial_counter"),
        **EXACT_TEXT,
    )
    op.create_table(
        "camera_apart",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("one", sa.String(length=200), nullable=False),
        sa.Column("other", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(
            ["site_id", "one"],
            ["camera.site_id", "camera.name"],
            name="fk_camera_apart_site_id_one",
        ),
        sa.ForeignKeyConstraint(
            ["site_id", "other"],
            ["camera.site_id", "camera.name"],
            name="fk_camera_apart_site_id_other",
        ),
        sa.PrimaryKeyConstraint("site_id", "one", "other", name="pk_camera_apart"),
        **EXACT_TEXT,
    )
    op.create_table(
        "camera_link",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("ordinal", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("origin", sa.String(length=200), nullable=False),
        sa.Column("target", sa.String(length=200), nullable=False),
        sa.Column("min_secs", sa.Double(), nullable=False),
        sa.Column("max_secs", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["site_id", "origin"],
            ["camera.site_id", "camera.name"],
            name="fk_camera_link_site_id_origin",
        ),
        sa.ForeignKeyConstraint(
            ["site_id", "target"],
            ["camera.site_id", "camera.name"],
            name="fk_camera_link_site_id_target",
        ),
        sa.PrimaryKeyConstraint("site_id", "ordinal", name="pk_camera_link"),
        **EXACT_TEXT,
    )
    op.create_table(
        "enrolled_face",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("person_id", sa.String(length=36), nullable=False),
        sa.Column("ordinal", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("contract_id", sa.String(length=64), nullable=False),
        sa.Column("vector", sa.LargeBinary(length=16384), nullable=False),
        sa.Column("strength", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["site_id", "contract_id"],
            ["contract.site_id", "contract.contract_id"],
            name="fk_enrolled_face_site_id_contract_id",
        ),
        sa.ForeignKeyConstraint(
            ["site_id", "person_id"],
            ["person.site_id", "person.person_id"],
            name="fk_enrolled_face_site_id_person_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("site_id", "person_id", "ordinal", name="pk_enrolled_face"),
        **EXACT_TEXT,
    )
    op.create_table(
        "identity",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("serial", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("person_id", sa.String(length=36), nullable=True),
        sa.Column("alias_of", sa.Integer(), nullable=True),
        sa.Column("minted_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["site_id", "alias_of"],
            ["identity.site_id", "identity.serial"],
            name="fk_identity_site_id_alias_of",
        ),
        sa.ForeignKeyConstraint(
            ["site_id", "person_id"],
            ["person.site_id", "person.person_id"],
            name="fk_identity_site_id_person_id",
        ),
        sa.ForeignKeyConstraint(["site_id"], ["site.site_id"], name="fk_identity_site_id"),
        sa.PrimaryKeyConstraint("site_id", "serial", name="pk_identity"),
        **EXACT_TEXT,
    )
    op.create_table(
        "sighting",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sighting_id", sa.String(length=36), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("closed", sa.Boolean(), nullable=False),
        sa.Column("camera", sa.String(length=200), nullable=False),
        sa.Column("group_no", sa.BigInteger(), nullable=False),
        sa.Column("first_seen", MOMENT, nullable=False),
        sa.Column("last_seen", MOMENT, nullable=False),
        sa.Column("first_frame", sa.BigInteger(), nullable=False),
        sa.Column("last_frame", sa.BigInteger(), nullable=False),
        sa.Column("faces", sa.Integer(), nullable=False),
        sa.Column("quality", sa.Double(), nullable=False),
        sa.Column("crop_path", sa.String(length=400), nullable=True),
        sa.Column("path", sa.LargeBinary(length=16777215), nullable=False),
        sa.ForeignKeyConstraint(
            ["site_id", "camera"],
            ["camera.site_id", "camera.name"],
            name="fk_sighting_site_id_camera",
        ),
        sa.PrimaryKeyConstraint("site_id", "sighting_id", name="pk_sighting"),
        **EXACT_TEXT,
    )
    op.create_index(
        "ix_sighting_site_id_camera_first_seen",
        "sighting",
        ["site_id", "camera", "first_seen"],
        unique=False,
    )
    op.create_table(
        "decision",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sighting_id", sa.String(length=36), nullable=False),
        sa.Column("revision", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("band", sa.String(length=16), nullable=False),
        sa.Column("serial", sa.Integer(), nullable=True),
        sa.Column("score", sa.Double(), nullable=True),
        sa.Column("margin", sa.Double(), nullable=True),
        sa.Column("runner_up_serial", sa.Integer(), nullable=True),
        sa.Column("runner_up_person_id", sa.String(length=36), nullable=True),
        sa.Column("runner_up_score", sa.Double(), nullable=True),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("decided_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["site_id", "runner_up_person_id"],
            ["person.site_id", "person.person_id"],
            name="fk_decision_site_id_runner_up_person_id",
        ),
        sa.ForeignKeyConstraint(
            ["site_id", "runner_up_serial"],
            ["identity.site_id", "identity.serial"],
            name="fk_decision_site_id_runner_up_serial",
        ),
        sa.ForeignKeyConstraint(
            ["site_id", "serial"],
            ["identity.site_id", "identity.serial"],
            name="fk_decision_site_id_serial",
        ),
        sa.ForeignKeyConstraint(
            ["site_id", "sighting_id"],
            ["sighting.site_id", "sighting.sighting_id"],
            name="fk_decision_site_id_sighting_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("site_id", "sighting_id", "revision", name="pk_decision"),
        **EXACT_TEXT,
    )
    op.create_index("ix_decision_site_id_serial", "decision", ["site_id", "serial"], unique=False)
    op.create_table(
        "look",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sighting_id", sa.String(length=36), nullable=False),
        sa.Column("rank_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("counter", sa.Integer(), nullable=False),
        sa.Column("captured_at", MOMENT, nullable=False),
        sa.Column("frame_index", sa.BigInteger(), nullable=False),
        sa.Column("box_left", sa.Double(), nullable=False),
        sa.Column("box_top", sa.Double(), nullable=False),
        sa.Column("box_right", sa.Double(), nullable=False),
        sa.Column("box_bottom", sa.Double(), nullable=False),
        sa.Column("landmarks", sa.LargeBinary(length=40), nullable=False),
        sa.Column("detection_score", sa.Double(), nullable=False),
        sa.Column("face_width_px", sa.Double(), nullable=False),
        sa.Column("quality_size", sa.Double(), nullable=False),
        sa.Column("quality_sharpness", sa.Double(), nullable=False),
        sa.Column("quality_light", sa.Double(), nullable=False),
        sa.Column("quality_pose", sa.Double(), nullable=False),
        sa.Column("quality_visible", sa.Double(), nullable=False),
        sa.Column("quality_certainty", sa.Double(), nullable=False),
        sa.Column("yaw", sa.Double(), nullable=False),
        sa.Column("pitch", sa.Double(), nullable=False),
        sa.Column("quality_overall", sa.Double(), nullable=False),
        sa.Column("worth", sa.Double(), nullable=False),
        sa.Column("contract_id", sa.String(length=64), nullable=True),
        sa.Column("vector", sa.LargeBinary(length=16384), nullable=True),
        sa.Column("strength", sa.Double(), nullable=True),
        sa.Column("crop_path", sa.String(length=400), nullable=True),
        sa.ForeignKeyConstraint(
            ["site_id", "contract_id"],
            ["contract.site_id", "contract.contract_id"],
            name="fk_look_site_id_contract_id",
        ),
        sa.ForeignKeyConstraint(
            ["site_id", "sighting_id"],
            ["sighting.site_id", "sighting.sighting_id"],
            name="fk_look_site_id_sighting_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("site_id", "sighting_id", "rank_no", name="pk_look"),
        **EXACT_TEXT,
    )
    op.create_table(
        "visit",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("serial", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("ordinal", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("camera", sa.String(length=200), nullable=False),
        sa.Column("first_seen", MOMENT, nullable=False),
        sa.Column("last_seen", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["site_id", "camera"], ["camera.site_id", "camera.name"], name="fk_visit_site_id_camera"
        ),
        sa.ForeignKeyConstraint(
            ["site_id", "serial"],
            ["identity.site_id", "identity.serial"],
            name="fk_visit_site_id_serial",
        ),
        sa.PrimaryKeyConstraint("site_id", "serial", "ordinal", name="pk_visit"),
        **EXACT_TEXT,
    )
    op.create_index(
        "ix_visit_site_id_camera_first_seen",
        "visit",
        ["site_id", "camera", "first_seen"],
        unique=False,
    )
    op.create_table(
        "visit_sighting",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sighting_id", sa.String(length=36), nullable=False),
        sa.Column("serial", sa.Integer(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["site_id", "serial", "ordinal"],
            ["visit.site_id", "visit.serial", "visit.ordinal"],
            name="fk_visit_sighting_site_id_serial_ordinal",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["site_id", "sighting_id"],
            ["sighting.site_id", "sighting.sighting_id"],
            name="fk_visit_sighting_site_id_sighting_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("site_id", "sighting_id", name="pk_visit_sighting"),
        **EXACT_TEXT,
    )
    op.create_index(
        "ix_visit_sighting_site_id_serial_ordinal",
        "visit_sighting",
        ["site_id", "serial", "ordinal"],
        unique=False,
    )


def downgrade() -> None:
    op.drop_table("visit_sighting")
    op.drop_table("visit")
    op.drop_table("look")
    op.drop_table("decision")
    op.drop_table("sighting")
    op.drop_table("identity")
    op.drop_table("enrolled_face")
    op.drop_table("camera_link")
    op.drop_table("camera_apart")
    op.drop_table("serial_counter")
    op.drop_table("person")
    op.drop_table("contract")
    op.drop_table("camera")
    op.drop_table("site")
