"""Tables of what must be kept, and of what boxes are to forget."""

from __future__ import annotations

import sqlalchemy as sa

from sightgrid.store import schema as schema  # the tables that these refer to
from sightgrid.store.columns import (
    ID_LENGTH,
    MOST_DETAILS_BYTES,
    NAME_LENGTH,
    BoundedText,
    UtcDateTime,
)
from sightgrid.store.tables import exact_table, site_key, within_site

LEGAL_HOLD = exact_table(
    "legal_hold",
    site_key(),
    sa.Column("hold_id", BoundedText(ID_LENGTH), primary_key=True),
    # what it covers, who answers for it and why: sealed JSON, for it may name somebody
    sa.Column("body", sa.LargeBinary(MOST_DETAILS_BYTES), nullable=False),
    sa.Column("made_by", BoundedText(NAME_LENGTH), nullable=False),
    sa.Column("made_at", UtcDateTime, nullable=False),
    sa.Column("ends_at", UtcDateTime, nullable=False),
    sa.Column("ended_at", UtcDateTime),
    sa.Column("ended_by", BoundedText(NAME_LENGTH)),
    within_site("site"),
)

# sightings that a box is to forget; gone when it says that it has
BOX_ERASURE = exact_table(
    "box_erasure",
    site_key(),
    sa.Column("box_id", BoundedText(ID_LENGTH), primary_key=True),
    sa.Column("sighting_id", BoundedText(ID_LENGTH), primary_key=True),
    sa.Column("asked_at", UtcDateTime, nullable=False),
    within_site("site"),
)
