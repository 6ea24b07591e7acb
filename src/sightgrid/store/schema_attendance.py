"""Tables of attendance: courses and their sessions, signs given by hand, registers, disputes.

Rows of registers are never changed: they are only added, and taken out when their retention ends
(:mod:`sightgrid.store.registers`). They refer to nothing that may go before them: sightings are
forgotten after weeks, people may be erased, a register stays. What names a person in them is sealed
under that person's own key.
"""

from __future__ import annotations

import sqlalchemy as sa

from sightgrid.store import schema as schema  # the tables that these refer to
from sightgrid.store.columns import (
    BAND_LENGTH,
    HASH_LENGTH,
    ID_LENGTH,
    MOST_CROP_BYTES,
    MOST_DETAILS_BYTES,
    NAME_LENGTH,
    REASON_LENGTH,
    WORD_LENGTH,
    BoundedText,
    UtcDateTime,
)
from sightgrid.store.tables import exact_table, number_key, site_key, within_site

COURSE = exact_table(
    "course",
    site_key(),
    sa.Column("course_id", BoundedText(ID_LENGTH), primary_key=True),
    sa.Column("name", BoundedText(NAME_LENGTH), nullable=False),
    # rules and timetable as JSON, read by store.courses only
    sa.Column("settings", sa.Text, nullable=False),
    # who is mailed the register: addresses, sealed
    sa.Column("mail", sa.LargeBinary(MOST_DETAILS_BYTES)),
    sa.Column("made_at", UtcDateTime, nullable=False),
    sa.Column("ended_at", UtcDateTime),
    within_site("site"),
    sa.UniqueConstraint("site_id", "name"),
)

COURSE_PERSON = exact_table(
    "course_person",
    site_key(),
    sa.Column("course_id", BoundedText(ID_LENGTH), primary_key=True),
    sa.Column("person_id", BoundedText(ID_LENGTH), primary_key=True),
    within_site("course", "course_id", ondelete="CASCADE"),
    within_site("person", "person_id", ondelete="CASCADE"),
    sa.Index(None, "site_id", "person_id"),
)

COURSE_CAMERA = exact_table(
    "course_camera",
    site_key(),
    sa.Column("course_id", BoundedText(ID_LENGTH), primary_key=True),
    # no reference: a camera may be named before it has sent anything
    sa.Column("camera", BoundedText(NAME_LENGTH), primary_key=True),
    within_site("course", "course_id", ondelete="CASCADE"),
)

ATTENDANCE_SESSION = exact_table(
    "attendance_session",
    site_key(),
    sa.Column("session_id", BoundedText(ID_LENGTH), primary_key=True),
    sa.Column("course_id", BoundedText(ID_LENGTH), nullable=False),
    sa.Column("starts_at", UtcDateTime, nullable=False),
    sa.Column("ends_at", UtcDateTime, nullable=False),
    sa.Column("state", BoundedText(WORD_LENGTH), nullable=False),
    # timetable, calendar or hand: the next planning may replace what it planned itself
    sa.Column("origin", BoundedText(WORD_LENGTH), nullable=False),
    sa.Column("title", BoundedText(NAME_LENGTH), nullable=False),
    sa.Column("opened_at", UtcDateTime),
    sa.Column("closed_at", UtcDateTime),
    within_site("course", "course_id", ondelete="CASCADE"),
    sa.UniqueConstraint("site_id", "course_id", "starts_at"),
    sa.Index(None, "site_id", "state", "starts_at"),
)

HAND_MARK = exact_table(
    "hand_mark",
    site_key(),
    sa.Column("session_id", BoundedText(ID_LENGTH), primary_key=True),
    # in order of writing
    number_key("number"),
    sa.Column("person_id", BoundedText(ID_LENGTH), nullable=False),
    sa.Column("method", BoundedText(WORD_LENGTH), nullable=False),
    # what a teacher said; empty for a sign of the person's own
    sa.Column("status", BoundedText(WORD_LENGTH)),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("made_by", BoundedText(NAME_LENGTH), nullable=False),
    # why, sealed for the person
    sa.Column("reason", sa.LargeBinary(MOST_DETAILS_BYTES)),
    within_site("attendance_session", "session_id", ondelete="CASCADE"),
    sa.Index(None, "site_id", "person_id"),
)

REGISTER_VERSION = exact_table(
    "register_version",
    site_key(),
    sa.Column("session_id", BoundedText(ID_LENGTH), primary_key=True),
    number_key("version_no"),
    sa.Column("kind", BoundedText(WORD_LENGTH), nullable=False),
    sa.Column("made_at", UtcDateTime, nullable=False),
    sa.Column("made_by", BoundedText(NAME_LENGTH), nullable=False),
    sa.Column("reason", BoundedText(REASON_LENGTH), nullable=False),
    sa.Column("course_name", BoundedText(NAME_LENGTH), nullable=False),
    sa.Column("starts_at", UtcDateTime, nullable=False),
    sa.Column("ends_at", UtcDateTime, nullable=False),
    sa.Column("rules", sa.Text, nullable=False),
    sa.Column("rule_version", BoundedText(HASH_LENGTH), nullable=False),
    sa.Column("previous_hash", BoundedText(HASH_LENGTH), nullable=False),
    sa.Column("row_hash", BoundedText(HASH_LENGTH), nullable=False),
    within_site("site"),
    sa.Index(None, "site_id", "ends_at"),
)

REGISTER_MARK = exact_table(
    "register_mark",
    site_key(),
    sa.Column("session_id", BoundedText(ID_LENGTH), primary_key=True),
    number_key("version_no"),
    sa.Column("person_id", BoundedText(ID_LENGTH), primary_key=True),
    sa.Column("status", BoundedText(WORD_LENGTH), nullable=False),
    sa.Column("method", BoundedText(WORD_LENGTH), nullable=False),
    sa.Column("reason", BoundedText(REASON_LENGTH), nullable=False),
    sa.Column("minutes", sa.Integer, nullable=False),
    sa.Column("came_at", UtcDateTime),
    sa.Column("left_at", UtcDateTime),
    sa.Column("camera", BoundedText(NAME_LENGTH)),
    sa.Column("sighting_id", BoundedText(ID_LENGTH)),
    sa.Column("band", BoundedText(BAND_LENGTH)),
    sa.Column("score", sa.Double),
    sa.Column("margin", sa.Double),
    sa.Column("review", sa.Boolean, nullable=False),
    # name, number and class as they were then: sealed for the person
    sa.Column("person", sa.LargeBinary(MOST_DETAILS_BYTES), nullable=False),
    within_site("register_version", "session_id", "version_no", ondelete="CASCADE"),
    sa.Index(None, "site_id", "person_id"),
)

REGISTER_SIGHTING = exact_table(
    "register_sighting",
    site_key(),
    sa.Column("session_id", BoundedText(ID_LENGTH), primary_key=True),
    number_key("version_no"),
    sa.Column("sighting_id", BoundedText(ID_LENGTH), primary_key=True),
    sa.Column("person_id", BoundedText(ID_LENGTH), nullable=False),
    within_site("register_version", "session_id", "version_no", ondelete="CASCADE"),
    sa.Index(None, "site_id", "sighting_id"),
)

REGISTER_EVIDENCE = exact_table(
    "register_evidence",
    site_key(),
    sa.Column("session_id", BoundedText(ID_LENGTH), primary_key=True),
    number_key("version_no"),
    sa.Column("person_id", BoundedText(ID_LENGTH), primary_key=True),
    # a copy of the best crop, sealed for the person; goes when its own retention ends
    sa.Column("jpeg", sa.LargeBinary(MOST_CROP_BYTES), nullable=False),
    sa.Column("kept_at", UtcDateTime, nullable=False),
    within_site("register_version", "session_id", "version_no", ondelete="CASCADE"),
    sa.Index(None, "site_id", "kept_at"),
)

DISPUTE = exact_table(
    "dispute",
    site_key(),
    sa.Column("dispute_id", BoundedText(ID_LENGTH), primary_key=True),
    sa.Column("session_id", BoundedText(ID_LENGTH), nullable=False),
    sa.Column("person_id", BoundedText(ID_LENGTH), nullable=False),
    # the version that was contested, and the one that the decision wrote
    sa.Column("version_no", sa.Integer, nullable=False),
    sa.Column("decided_version", sa.Integer),
    sa.Column("state", BoundedText(WORD_LENGTH), nullable=False),
    sa.Column("made_at", UtcDateTime, nullable=False),
    sa.Column("decided_at", UtcDateTime),
    sa.Column("decided_by", BoundedText(NAME_LENGTH)),
    # what the person says, and what was answered: sealed for the person
    sa.Column("words", sa.LargeBinary(MOST_DETAILS_BYTES), nullable=False),
    sa.Column("answer", sa.LargeBinary(MOST_DETAILS_BYTES)),
    within_site("site"),
    sa.Index(None, "site_id", "session_id"),
    sa.Index(None, "site_id", "person_id"),
)

PERSON_PIN = exact_table(
    "person_pin",
    site_key(),
    sa.Column("person_id", BoundedText(ID_LENGTH), primary_key=True),
    # keyed: a PIN is short, and would be guessed from a plain hash
    sa.Column("pin_hash", BoundedText(HASH_LENGTH), nullable=False),
    sa.Column("made_at", UtcDateTime, nullable=False),
    within_site("person", "person_id", ondelete="CASCADE"),
)

PERSONAL_LINK = exact_table(
    "personal_link",
    site_key(),
    sa.Column("token_hash", BoundedText(HASH_LENGTH), primary_key=True),
    sa.Column("person_id", BoundedText(ID_LENGTH), nullable=False),
    sa.Column("made_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    within_site("person", "person_id", ondelete="CASCADE"),
    sa.Index(None, "site_id", "person_id"),
)

MAIL_TASK = exact_table(
    "mail_task",
    site_key(),
    sa.Column("mail_id", BoundedText(ID_LENGTH), primary_key=True),
    sa.Column("session_id", BoundedText(ID_LENGTH), nullable=False),
    # addresses and forms of attachment: sealed JSON
    sa.Column("letter", sa.LargeBinary(MOST_DETAILS_BYTES), nullable=False),
    sa.Column("due_at", UtcDateTime, nullable=False),
    sa.Column("made_by", BoundedText(NAME_LENGTH), nullable=False),
    sa.Column("sent_at", UtcDateTime),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("problem", BoundedText(REASON_LENGTH), nullable=False),
    within_site("attendance_session", "session_id", ondelete="CASCADE"),
    sa.Index(None, "site_id", "sent_at", "due_at"),
)
