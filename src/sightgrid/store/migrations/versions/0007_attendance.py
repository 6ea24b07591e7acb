"""Attendance: courses, sessions, signs by hand, registers, disputes, mail."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0007"
down_revision = "0006"
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
        "course",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("course_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("mail", sa.LargeBinary(length=65535), nullable=True),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["site_id"], ["site.site_id"], name="fk_course_site_id"),
        sa.PrimaryKeyConstraint("site_id", "course_id", name="pk_course"),
        sa.UniqueConstraint("site_id", "name", name="uq_course_site_id_name"),
        **EXACT_TEXT,
    )
    op.create_table(
        "course_person",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("course_id", sa.String(length=36), nullable=False),
        sa.Column("person_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ["site_id", "course_id"],
            ["course.site_id", "course.course_id"],
            name="fk_course_person_site_id_course_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["site_id", "person_id"],
            ["person.site_id", "person.person_id"],
            name="fk_course_person_site_id_person_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("site_id", "course_id", "person_id", name="pk_course_person"),
        **EXACT_TEXT,
    )
    op.create_index(
        "ix_course_person_site_id_person_id",
        "course_person",
        ["site_id", "person_id"],
        unique=False,
    )
    op.create_table(
        "course_camera",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("course_id", sa.String(length=36), nullable=False),
        sa.Column("camera", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(
            ["site_id", "course_id"],
            ["course.site_id", "course.course_id"],
            name="fk_course_camera_site_id_course_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("site_id", "course_id", "camera", name="pk_course_camera"),
        **EXACT_TEXT,
    )
    op.create_table(
        "attendance_session",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("session_id", sa.String(length=36), nullable=False),
        sa.Column("course_id", sa.String(length=36), nullable=False),
        sa.Column("starts_at", MOMENT, nullable=False),
        sa.Column("ends_at", MOMENT, nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("origin", sa.String(length=32), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("opened_at", MOMENT, nullable=True),
        sa.Column("closed_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["site_id", "course_id"],
            ["course.site_id", "course.course_id"],
            name="fk_attendance_session_site_id_course_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("site_id", "session_id", name="pk_attendance_session"),
        sa.UniqueConstraint(
            "site_id",
            "course_id",
            "starts_at",
            name="uq_attendance_session_site_id_course_id_starts_at",
        ),
        **EXACT_TEXT,
    )
    op.create_index(
        "ix_attendance_session_site_id_state_starts_at",
        "attendance_session",
        ["site_id", "state", "starts_at"],
        unique=False,
    )
    op.create_table(
        "hand_mark",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("session_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("person_id", sa.String(length=36), nullable=False),
        sa.Column("method", sa.String(length=32), nullable=False),
        sa.Column("status", sa.String(length=32), nullable=True),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("made_by", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.LargeBinary(length=65535), nullable=True),
        sa.ForeignKeyConstraint(
            ["site_id", "session_id"],
            ["attendance_session.site_id", "attendance_session.session_id"],
            name="fk_hand_mark_site_id_session_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("site_id", "session_id", "number", name="pk_hand_mark"),
        **EXACT_TEXT,
    )
    op.create_index(
        "ix_hand_mark_site_id_person_id", "hand_mark", ["site_id", "person_id"], unique=False
    )
    op.create_table(
        "register_version",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("session_id", sa.String(length=36), nullable=False),
        sa.Column("version_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("made_by", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("course_name", sa.String(length=200), nullable=False),
        sa.Column("starts_at", MOMENT, nullable=False),
        sa.Column("ends_at", MOMENT, nullable=False),
        sa.Column("rules", sa.Text(), nullable=False),
        sa.Column("rule_version", sa.String(length=64), nullable=False),
        sa.Column("previous_hash", sa.String(length=64), nullable=False),
        sa.Column("row_hash", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.site_id"], name="fk_register_version_site_id"),
        sa.PrimaryKeyConstraint("site_id", "session_id", "version_no", name="pk_register_version"),
        **EXACT_TEXT,
    )
    op.create_index(
        "ix_register_version_site_id_ends_at",
        "register_version",
        ["site_id", "ends_at"],
        unique=False,
    )
    op.create_table(
        "register_mark",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("session_id", sa.String(length=36), nullable=False),
        sa.Column("version_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("person_id", sa.String(length=36), nullable=False),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("method", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("came_at", MOMENT, nullable=True),
        sa.Column("left_at", MOMENT, nullable=True),
        sa.Column("camera", sa.String(length=200), nullable=True),
        sa.Column("sighting_id", sa.String(length=36), nullable=True),
        sa.Column("band", sa.String(length=16), nullable=True),
        sa.Column("score", sa.Double(), nullable=True),
        sa.Column("margin", sa.Double(), nullable=True),
        sa.Column("review", sa.Boolean(), nullable=False),
        sa.Column("person", sa.LargeBinary(length=65535), nullable=False),
        sa.ForeignKeyConstraint(
            ["site_id", "session_id", "version_no"],
            [
                "register_version.site_id",
                "register_version.session_id",
                "register_version.version_no",
            ],
            name="fk_register_mark_site_id_session_id_version_no",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "site_id", "session_id", "version_no", "person_id", name="pk_register_mark"
        ),
        **EXACT_TEXT,
    )
    op.create_index(
        "ix_register_mark_site_id_person_id",
        "register_mark",
        ["site_id", "person_id"],
        unique=False,
    )
    op.create_table(
        "register_sighting",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("session_id", sa.String(length=36), nullable=False),
        sa.Column("version_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sighting_id", sa.String(length=36), nullable=False),
        sa.Column("person_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ["site_id", "session_id", "version_no"],
            [
                "register_version.site_id",
                "register_version.session_id",
                "register_version.version_no",
            ],
            name="fk_register_sighting_site_id_session_id_version_no",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "site_id", "session_id", "version_no", "sighting_id", name="pk_register_sighting"
        ),
        **EXACT_TEXT,
    )
    op.create_index(
        "ix_register_sighting_site_id_sighting_id",
        "register_sighting",
        ["site_id", "sighting_id"],
        unique=False,
    )
    op.create_table(
        "register_evidence",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("session_id", sa.String(length=36), nullable=False),
        sa.Column("version_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("person_id", sa.String(length=36), nullable=False),
        sa.Column("jpeg", sa.LargeBinary(length=16777215), nullable=False),
        sa.Column("kept_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["site_id", "session_id", "version_no"],
            [
                "register_version.site_id",
                "register_version.session_id",
                "register_version.version_no",
            ],
            name="fk_register_evidence_site_id_session_id_version_no",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "site_id", "session_id", "version_no", "person_id", name="pk_register_evidence"
        ),
        **EXACT_TEXT,
    )
    op.create_index(
        "ix_register_evidence_site_id_kept_at",
        "register_evidence",
        ["site_id", "kept_at"],
        unique=False,
    )
    op.create_table(
        "dispute",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("dispute_id", sa.String(length=36), nullable=False),
        sa.Column("session_id", sa.String(length=36), nullable=False),
        sa.Column("person_id", sa.String(length=36), nullable=False),
        sa.Column("version_no", sa.Integer(), nullable=False),
        sa.Column("decided_version", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("decided_at", MOMENT, nullable=True),
        sa.Column("decided_by", sa.String(length=200), nullable=True),
        sa.Column("words", sa.LargeBinary(length=65535), nullable=False),
        sa.Column("answer", sa.LargeBinary(length=65535), nullable=True),
        sa.ForeignKeyConstraint(["site_id"], ["site.site_id"], name="fk_dispute_site_id"),
        sa.PrimaryKeyConstraint("site_id", "dispute_id", name="pk_dispute"),
        **EXACT_TEXT,
    )
    op.create_index(
        "ix_dispute_site_id_person_id", "dispute", ["site_id", "person_id"], unique=False
    )
    op.create_index(
        "ix_dispute_site_id_session_id", "dispute", ["site_id", "session_id"], unique=False
    )
    op.create_table(
        "person_pin",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("person_id", sa.String(length=36), nullable=False),
        sa.Column("pin_hash", sa.String(length=64), nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["site_id", "person_id"],
            ["person.site_id", "person.person_id"],
            name="fk_person_pin_site_id_person_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("site_id", "person_id", name="pk_person_pin"),
        **EXACT_TEXT,
    )
    op.create_table(
        "personal_link",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("person_id", sa.String(length=36), nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["site_id", "person_id"],
            ["person.site_id", "person.person_id"],
            name="fk_personal_link_site_id_person_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("site_id", "token_hash", name="pk_personal_link"),
        **EXACT_TEXT,
    )
    op.create_index(
        "ix_personal_link_site_id_person_id",
        "personal_link",
        ["site_id", "person_id"],
        unique=False,
    )
    op.create_table(
        "mail_task",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("mail_id", sa.String(length=36), nullable=False),
        sa.Column("session_id", sa.String(length=36), nullable=False),
        sa.Column("letter", sa.LargeBinary(length=65535), nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("made_by", sa.String(length=200), nullable=False),
        sa.Column("sent_at", MOMENT, nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("problem", sa.String(length=500), nullable=False),
        sa.ForeignKeyConstraint(
            ["site_id", "session_id"],
            ["attendance_session.site_id", "attendance_session.session_id"],
            name="fk_mail_task_site_id_session_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("site_id", "mail_id", name="pk_mail_task"),
        **EXACT_TEXT,
    )
    op.create_index(
        "ix_mail_task_site_id_sent_at_due_at",
        "mail_task",
        ["site_id", "sent_at", "due_at"],
        unique=False,
    )


def downgrade() -> None:
    op.drop_table("mail_task")
    op.drop_table("personal_link")
    op.drop_table("person_pin")
    op.drop_table("dispute")
    op.drop_table("register_evidence")
    op.drop_table("register_sighting")
    op.drop_table("register_mark")
    op.drop_table("register_version")
    op.drop_table("hand_mark")
    op.drop_table("attendance_session")
    op.drop_table("course_camera")
    op.drop_table("course_person")
    op.drop_table("course")
