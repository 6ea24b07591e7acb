"""Tables of what arrives: boxes, what they sent, what was refused, what was told afterwards."""

from __future__ import annotations

import sqlalchemy as sa

from sightgrid.store import schema as schema  # the tables that these refer to
from sightgrid.store.columns import (
    HASH_LENGTH,
    ID_LENGTH,
    NAME_LENGTH,
    REASON_LENGTH,
    WORD_LENGTH,
    BoundedText,
    UtcDateTime,
)
from sightgrid.store.tables import exact_table, number_key, site_key, within_site

BOX = exact_table(
    "box",
    site_key(),
    sa.Column("box_id", BoundedText(ID_LENGTH), primary_key=True),
    sa.Column("name", BoundedText(NAME_LENGTH), nullable=False),
    sa.Column("token_hash", BoundedText(HASH_LENGTH), nullable=False),
    # what it tells of itself, nothing secret: JSON
    sa.Column("facts", sa.Text, nullable=False),
    # made on the machine at enrolment; a new boot id with every start of it
    sa.Column("instance_id", BoundedText(ID_LENGTH), nullable=False),
    sa.Column("boot_id", BoundedText(ID_LENGTH)),
    sa.Column("past_boots", sa.Text, nullable=False),
    sa.Column("enrolled_at", UtcDateTime, nullable=False),
    sa.Column("last_contact_at", UtcDateTime),
    sa.Column("cloned_at", UtcDateTime),
    sa.Column("revoked_at", UtcDateTime),
    within_site("site"),
    sa.UniqueConstraint("site_id", "token_hash"),
)

BOX_CODE = exact_table(
    "box_code",
    site_key(),
    sa.Column("code_hash", BoundedText(HASH_LENGTH), primary_key=True),
    sa.Column("box_name", BoundedText(NAME_LENGTH), nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.Column("redeemed_at", UtcDateTime),
    within_site("site"),
)

# kept for ever: a box may come back after weeks, and an erased sighting must not
RECEIVED = exact_table(
    "received",
    site_key(),
    sa.Column("box_id", BoundedText(ID_LENGTH), primary_key=True),
    sa.Column("sighting_id", BoundedText(ID_LENGTH), primary_key=True),
    number_key("revision"),
    sa.Column("sha256", BoundedText(HASH_LENGTH), nullable=False),
    # what became of it: stored, dropped (nobody enrolled, where only they count), erased
    sa.Column("outcome", BoundedText(WORD_LENGTH), nullable=False),
    sa.Column("received_at", UtcDateTime, nullable=False),
    within_site("site"),
    sa.Index(None, "site_id", "sighting_id"),
)

QUARANTINE = exact_table(
    "quarantine",
    site_key(),
    sa.Column("box_id", BoundedText(ID_LENGTH), primary_key=True),
    sa.Column("sighting_id", BoundedText(ID_LENGTH), primary_key=True),
    number_key("revision"),
    sa.Column("sha256", BoundedText(HASH_LENGTH), primary_key=True),
    sa.Column("code", BoundedText(WORD_LENGTH), nullable=False),
    sa.Column("message", BoundedText(REASON_LENGTH), nullable=False),
    sa.Column("received_at", UtcDateTime, nullable=False),
    within_site("site"),
    sa.Index(None, "site_id", "received_at"),
)

# faces on cameras that serve attendance only and that are nobody's enrolled: a number, no more
UNMATCHED_COUNT = exact_table(
    "unmatched_count",
    site_key(),
    sa.Column("camera", BoundedText(NAME_LENGTH), primary_key=True),
    sa.Column("day", BoundedText(10), primary_key=True),
    sa.Column("sightings", sa.Integer, nullable=False),
    within_site("site"),
)

# what a box could not deliver: records lost between two moments, and why
GAP = exact_table(
    "gap",
    site_key(),
    sa.Column("box_id", BoundedText(ID_LENGTH), primary_key=True),
    sa.Column("gap_id", BoundedText(ID_LENGTH), primary_key=True),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("camera", BoundedText(NAME_LENGTH), nullable=False),
    sa.Column("first_seen", UtcDateTime, nullable=False),
    sa.Column("last_seen", UtcDateTime, nullable=False),
    sa.Column("reason", BoundedText(WORD_LENGTH), nullable=False),
    sa.Column("priority", BoundedText(WORD_LENGTH), nullable=False),
    sa.Column("dropped", sa.Integer, nullable=False),
    within_site("site"),
    sa.Index(None, "site_id", "last_seen"),
)

EVENT = exact_table(
    "event",
    site_key(),
    sa.Column("event_no", sa.BigInteger, primary_key=True, autoincrement=False),
    # new, update, end: the same event id throughout
    sa.Column("kind", BoundedText(WORD_LENGTH), nullable=False),
    sa.Column("event_id", BoundedText(ID_LENGTH), nullable=False),
    # JSON; no names
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("made_at", UtcDateTime, nullable=False),
    within_site("site"),
    sa.Index(None, "site_id", "event_id"),
)
