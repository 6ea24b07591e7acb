"""Tables of what belongs to a person: keys, consent, photos; and of who was erased."""

from __future__ import annotations

import sqlalchemy as sa

from sightgrid.store import schema as schema  # the tables that these refer to
from sightgrid.store.columns import (
    HASH_LENGTH,
    ID_LENGTH,
    MOST_CROP_BYTES,
    MOST_DETAILS_BYTES,
    NAME_LENGTH,
    SUBJECT_LENGTH,
    WORD_LENGTH,
    BoundedText,
    UtcDateTime,
)
from sightgrid.store.tables import exact_table, number_key, site_key, within_site

# subjects: person:ID, sighting:ID, identity:SERIAL, camera:NAME, and the site itself
DATA_KEY = exact_table(
    "data_key",
    site_key(),
    sa.Column("subject", BoundedText(SUBJECT_LENGTH), primary_key=True),
    # the number of the site key that wraps it, then nonce, key and tag
    sa.Column("wrapped", sa.LargeBinary(100), nullable=False),
    within_site("site"),
)

CONSENT = exact_table(
    "consent",
    site_key(),
    sa.Column("consent_id", BoundedText(ID_LENGTH), primary_key=True),
    sa.Column("person_id", BoundedText(ID_LENGTH), nullable=False),
    sa.Column("purpose", BoundedText(NAME_LENGTH), nullable=False),
    sa.Column("text_version", BoundedText(NAME_LENGTH), nullable=False),
    sa.Column("text_sha256", BoundedText(HASH_LENGTH), nullable=False),
    sa.Column("language", BoundedText(WORD_LENGTH), nullable=False),
    sa.Column("channel", BoundedText(WORD_LENGTH), nullable=False),
    # who gave it, for whom (a guardian), who wrote it down, and what shows it: sealed JSON
    sa.Column("evidence", sa.LargeBinary(MOST_DETAILS_BYTES), nullable=False),
    sa.Column("given_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime),
    sa.Column("withdrawn_at", UtcDateTime),
    within_site("person", "person_id", ondelete="CASCADE"),
    sa.Index(None, "site_id", "person_id"),
)

ENROLLED_PHOTO = exact_table(
    "enrolled_photo",
    site_key(),
    sa.Column("person_id", BoundedText(ID_LENGTH), primary_key=True),
    sa.Column("photo_id", BoundedText(ID_LENGTH), primary_key=True),
    sa.Column("photo", sa.LargeBinary(MOST_CROP_BYTES), nullable=False),
    sa.Column("added_at", UtcDateTime, nullable=False),
    within_site("person", "person_id", ondelete="CASCADE"),
)

# what was changed about a person, so that it can be undone
PERSON_CHANGE = exact_table(
    "person_change",
    site_key(),
    sa.Column("change_id", BoundedText(ID_LENGTH), primary_key=True),
    sa.Column("person_id", BoundedText(ID_LENGTH), nullable=False),
    sa.Column("kind", BoundedText(WORD_LENGTH), nullable=False),
    # the fields that it changed, as they were and as they became: sealed JSON
    sa.Column("fields", sa.LargeBinary(MOST_DETAILS_BYTES), nullable=False),
    sa.Column("made_at", UtcDateTime, nullable=False),
    sa.Column("made_by", BoundedText(NAME_LENGTH), nullable=False),
    sa.Column("undone_at", UtcDateTime),
    sa.Column("undone_by", BoundedText(NAME_LENGTH)),
    within_site("person", "person_id", ondelete="CASCADE"),
    sa.Index(None, "site_id", "person_id"),
)

CROP = exact_table(
    "crop",
    site_key(),
    sa.Column("sighting_id", BoundedText(ID_LENGTH), primary_key=True),
    number_key("rank_no"),
    sa.Column("jpeg", sa.LargeBinary(MOST_CROP_BYTES), nullable=False),
    within_site("sighting", "sighting_id", ondelete="CASCADE"),
)

# outlives what it names: keyed hashes, so that it names nobody
ERASURE = exact_table(
    "erasure",
    site_key(),
    sa.Column("subject_hash", BoundedText(HASH_LENGTH), primary_key=True),
    sa.Column("kind", BoundedText(WORD_LENGTH), nullable=False),
    sa.Column("erased_at", UtcDateTime, nullable=False),
    within_site("site"),
)
