"""The tables. Every one carries ``site_id``; keys are natural, so that rows need no lookups.

``sighting`` holds the newest revision of each sighting; ``decision`` holds the answer for every
revision that was decided, and reads join it on the revision that ``sighting`` holds. ``visit`` is a
projection of the decisions. Nothing here is ever named by a word that a database reserves
(``group_no``, ``rank_no``).
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from sightgrid.store.columns import (
    BAND_LENGTH,
    CONTRACT_LENGTH,
    ID_LENGTH,
    MOST_PATH_BYTES,
    MOST_VECTOR_BYTES,
    NAME_LENGTH,
    PATH_LENGTH,
    REASON_LENGTH,
    BoundedText,
    UtcDateTime,
)

METADATA = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


def _table(name: str, *parts: sa.Column[Any] | sa.Constraint | sa.Index) -> sa.Table:
    # MySQL would else take two names that differ in case or accents only for the same
    return sa.Table(
        name,
        METADATA,
        *parts,
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
    )


def _site() -> sa.Column[int]:
    return sa.Column("site_id", sa.Integer, primary_key=True, autoincrement=False)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, primary_key=True, autoincrement=False)


def _within_site(table: str, *columns: str, ondelete: str | None = None) -> sa.ForeignKeyConstraint:
    """A reference to the key of ``table``, never across sites."""
    target = METADATA.tables[table].primary_key.columns.keys()
    return sa.ForeignKeyConstraint(
        ["site_id", *columns], [f"{table}.{column}" for column in target], ondelete=ondelete
    )


SITE = _table(
    "site",
    _site(),
    sa.Column("name", BoundedText(NAME_LENGTH), nullable=False),
)

CAMERA = _table(
    "camera",
    _site(),
    sa.Column("name", BoundedText(NAME_LENGTH), primary_key=True),
    sa.Column("position_x", sa.Double),
    sa.Column("position_y", sa.Double),
    _within_site("site"),
)

CAMERA_LINK = _table(
    "camera_link",
    _site(),
    # the first link of a pair counts, so their order is kept
    _number("ordinal"),
    sa.Column("origin", BoundedText(NAME_LENGTH), nullable=False),
    sa.Column("target", BoundedText(NAME_LENGTH), nullable=False),
    sa.Column("min_secs", sa.Double, nullable=False),
    sa.Column("max_secs", sa.Double),
    _within_site("camera", "origin"),
    _within_site("camera", "target"),
)

CAMERA_APART = _table(
    "camera_apart",
    _site(),
    sa.Column("one", BoundedText(NAME_LENGTH), primary_key=True),
    sa.Column("other", BoundedText(NAME_LENGTH), primary_key=True),
    _within_site("camera", "one"),
    _within_site("camera", "other"),
)

CONTRACT = _table(
    "contract",
    _site(),
    sa.Column("contract_id", BoundedText(CONTRACT_LENGTH), primary_key=True),
    sa.Column("pack", BoundedText(NAME_LENGTH), nullable=False),
    sa.Column("dimension", sa.Integer, nullable=False),
    _within_site("site"),
)

PERSON = _table(
    "person",
    _site(),
    sa.Column("person_id", BoundedText(ID_LENGTH), primary_key=True),
    sa.Column("name", BoundedText(NAME_LENGTH), nullable=False),
    _within_site("site"),
    sa.UniqueConstraint("site_id", "name"),
)

ENROLLED_FACE = _table(
    "enrolled_face",
    _site(),
    sa.Column("person_id", BoundedText(ID_LENGTH), primary_key=True),
    _number("ordinal"),
    sa.Column("contract_id", BoundedText(CONTRACT_LENGTH), nullable=False),
    sa.Column("vector", sa.LargeBinary(MOST_VECTOR_BYTES), nullable=False),
    sa.Column("strength", sa.Double, nullable=False),
    _within_site("person", "person_id", ondelete="CASCADE"),
    _within_site("contract", "contract_id"),
)

SERIAL_COUNTER = _table(
    "serial_counter",
    _site(),
    sa.Column("next_serial", sa.Integer, nullable=False),
    _within_site("site"),
)

IDENTITY = _table(
    "identity",
    _site(),
    _number("serial"),
    sa.Column("person_id", BoundedText(ID_LENGTH)),
    sa.Column("alias_of", sa.Integer),
    sa.Column("minted_at", UtcDateTime, nullable=False),
    _within_site("site"),
    _within_site("person", "person_id"),
    sa.ForeignKeyConstraint(["site_id", "alias_of"], ["identity.site_id", "identity.serial"]),
)

SIGHTING = _table(
    "sighting",
    _site(),
    sa.Column("sighting_id", BoundedText(ID_LENGTH), primary_key=True),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("closed", sa.Boolean, nullable=False),
    sa.Column("camera", BoundedText(NAME_LENGTH), nullable=False),
    sa.Column("group_no", sa.BigInteger, nullable=False),
    sa.Column("first_seen", UtcDateTime, nullable=False),
    sa.Column("last_seen", UtcDateTime, nullable=False),
    sa.Column("first_frame", sa.BigInteger, nullable=False),
    sa.Column("last_frame", sa.BigInteger, nullable=False),
    sa.Column("faces", sa.Integer, nullable=False),
    sa.Column("quality", sa.Double, nullable=False),
    # that of its best look that has one, so that a list of identities needn't search all looks
    sa.Column("crop_path", BoundedText(PATH_LENGTH)),
    sa.Column("path", sa.LargeBinary(MOST_PATH_BYTES), nullable=False),
    _within_site("camera", "camera"),
    sa.Index(None, "site_id", "camera", "first_seen"),
)

LOOK = _table(
    "look",
    _site(),
    sa.Column("sighting_id", BoundedText(ID_LENGTH), primary_key=True),
    _number("rank_no"),
    sa.Column("counter", sa.Integer, nullable=False),
    sa.Column("captured_at", UtcDateTime, nullable=False),
    sa.Column("frame_index", sa.BigInteger, nullable=False),
    sa.Column("box_left", sa.Double, nullable=False),
    sa.Column("box_top", sa.Double, nullable=False),
    sa.Column("box_right", sa.Double, nullable=False),
    sa.Column("box_bottom", sa.Double, nullable=False),
    sa.Column("landmarks", sa.LargeBinary(40), nullable=False),
    sa.Column("detection_score", sa.Double, nullable=False),
    sa.Column("face_width_px", sa.Double, nullable=False),
    sa.Column("quality_size", sa.Double, nullable=False),
    sa.Column("quality_sharpness", sa.Double, nullable=False),
    sa.Column("quality_light", sa.Double, nullable=False),
    sa.Column("quality_pose", sa.Double, nullable=False),
    sa.Column("quality_visible", sa.Double, nullable=False),
    sa.Column("quality_certainty", sa.Double, nullable=False),
    sa.Column("yaw", sa.Double, nullable=False),
    sa.Column("pitch", sa.Double, nullable=False),
    sa.Column("quality_overall", sa.Double, nullable=False),
    sa.Column("worth", sa.Double, nullable=False),
    sa.Column("contract_id", BoundedText(CONTRACT_LENGTH)),
    sa.Column("vector", sa.LargeBinary(MOST_VECTOR_BYTES)),
    sa.Column("strength", sa.Double),
    sa.Column("crop_path", BoundedText(PATH_LENGTH)),
    _within_site("sighting", "sighting_id", ondelete="CASCADE"),
    _within_site("contract", "contract_id"),
)

DECISION = _table(
    "decision",
    _site(),
    sa.Column("sighting_id", BoundedText(ID_LENGTH), primary_key=True),
    _number("revision"),
    sa.Column("band", BoundedText(BAND_LENGTH), nullable=False),
    sa.Column("serial", sa.Integer),
    sa.Column("score", sa.Double),
    sa.Column("margin", sa.Double),
    sa.Column("runner_up_serial", sa.Integer),
    sa.Column("runner_up_person_id", BoundedText(ID_LENGTH)),
    sa.Column("runner_up_score", sa.Double),
    sa.Column("reason", BoundedText(REASON_LENGTH), nullable=False),
    sa.Column("decided_at", UtcDateTime, nullable=False),
    _within_site("sighting", "sighting_id", ondelete="CASCADE"),
    _within_site("identity", "serial"),
    _within_site("identity", "runner_up_serial"),
    _within_site("person", "runner_up_person_id"),
    sa.Index(None, "site_id", "serial"),
)

VISIT = _table(
    "visit",
    _site(),
    _number("serial"),
    # the serial's n-th visit in time, from 1
    _number("ordinal"),
    sa.Column("camera", BoundedText(NAME_LENGTH), nullable=False),
    sa.Column("first_seen", UtcDateTime, nullable=False),
    sa.Column("last_seen", UtcDateTime, nullable=False),
    _within_site("identity", "serial"),
    _within_site("camera", "camera"),
    sa.Index(None, "site_id", "camera", "first_seen"),
)

VISIT_SIGHTING = _table(
    "visit_sighting",
    _site(),
    # alone in the key: a sighting belongs to one visit
    sa.Column("sighting_id", BoundedText(ID_LENGTH), primary_key=True),
    sa.Column("serial", sa.Integer, nullable=False),
    sa.Column("ordinal", sa.Integer, nullable=False),
    _within_site("sighting", "sighting_id", ondelete="CASCADE"),
    _within_site("visit", "serial", "ordinal", ondelete="CASCADE"),
    sa.Index(None, "site_id", "serial", "ordinal"),
)
