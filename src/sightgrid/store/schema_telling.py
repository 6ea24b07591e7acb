"""Tables of who is told of events: how far each has been told, and where webhooks go."""

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

SUBSCRIBER = exact_table(
    "subscriber",
    site_key(),
    sa.Column("name", BoundedText(NAME_LENGTH), primary_key=True),
    # the last event that was told and acknowledged
    sa.Column("event_no", sa.BigInteger, nullable=False),
    sa.Column("told_at", UtcDateTime, nullable=False),
    within_site("site"),
)

WEBHOOK = exact_table(
    "webhook",
    site_key(),
    sa.Column("webhook_id", BoundedText(ID_LENGTH), primary_key=True),
    # a URL may hold a password: both are sealed
    sa.Column("url", sa.LargeBinary(MOST_DETAILS_BYTES), nullable=False),
    sa.Column("secret", sa.LargeBinary(MOST_DETAILS_BYTES), nullable=False),
    sa.Column("made_at", UtcDateTime, nullable=False),
    within_site("site"),
)
