"""Tables of the ledger beyond its answers: the gallery, edits, and what is known not to be."""

from __future__ import annotations

import sqlalchemy as sa

from sightgrid.store import schema as schema  # the tables that these refer to
from sightgrid.store.columns import (
    CONTRACT_LENGTH,
    ID_LENGTH,
    MOST_VECTOR_BYTES,
    NAME_LENGTH,
    REASON_LENGTH,
    WORD_LENGTH,
    BoundedText,
    UtcDateTime,
)
from sightgrid.store.tables import exact_table, number_key, site_key, within_site

# one row an identity and contract: what its sightings add up to. Also the log of the gallery's
# changes, folded: ``change_no`` is that of its last one, and what is gone stays as an empty row
PROTOTYPE = exact_table(
    "prototype",
    site_key(),
    number_key("serial"),
    sa.Column("contract_id", BoundedText(CONTRACT_LENGTH), primary_key=True),
    sa.Column("change_no", sa.BigInteger, nullable=False),
    # float64: the templates times their worths, summed
    sa.Column("total", sa.LargeBinary(2 * MOST_VECTOR_BYTES)),
    sa.Column("worth", sa.Double, nullable=False),
    sa.Column("best_worth", sa.Double, nullable=False),
    sa.Column("sightings", sa.Integer, nullable=False),
    sa.Column("first_seen", UtcDateTime),
    sa.Column("last_seen", UtcDateTime),
    within_site("identity", "serial"),
    within_site("contract", "contract_id"),
    sa.Index(None, "site_id", "change_no"),
)

EDIT = exact_table(
    "edit",
    site_key(),
    sa.Column("edit_id", BoundedText(ID_LENGTH), primary_key=True),
    # the order in which they were made; given out under the site's lock
    sa.Column("edit_no", sa.BigInteger),
    sa.Column("kind", BoundedText(WORD_LENGTH), nullable=False),
    # who did it; "ledger" where a later revision of a sighting did
    sa.Column("made_by", BoundedText(NAME_LENGTH), nullable=False),
    sa.Column("made_at", UtcDateTime, nullable=False),
    sa.Column("reason", BoundedText(REASON_LENGTH), nullable=False),
    # what it changed and from what: JSON of serials and sighting ids
    sa.Column("details", sa.Text, nullable=False),
    sa.Column("undone_at", UtcDateTime),
    sa.Column("undone_by", BoundedText(NAME_LENGTH)),
    within_site("site"),
    sa.Index(None, "site_id", "made_at"),
)

NOT_IDENTITY = exact_table(
    "not_identity",
    site_key(),
    sa.Column("sighting_id", BoundedText(ID_LENGTH), primary_key=True),
    number_key("serial"),
    sa.Column("edit_id", BoundedText(ID_LENGTH)),
    within_site("sighting", "sighting_id", ondelete="CASCADE"),
    within_site("identity", "serial"),
)

IDENTITY_APART = exact_table(
    "identity_apart",
    site_key(),
    number_key("one"),
    number_key("other"),
    sa.Column("edit_id", BoundedText(ID_LENGTH)),
    within_site("identity", "one"),
    within_site("identity", "other"),
)

MERGE_PROPOSAL = exact_table(
    "merge_proposal",
    site_key(),
    number_key("serial"),
    number_key("into_serial"),
    sa.Column("similarity", sa.Double, nullable=False),
    sa.Column("threshold", sa.Double, nullable=False),
    sa.Column("reason", BoundedText(REASON_LENGTH), nullable=False),
    sa.Column("proposed_at", UtcDateTime, nullable=False),
    # open, accepted, refused
    sa.Column("status", BoundedText(WORD_LENGTH), nullable=False),
    sa.Column("answered_at", UtcDateTime),
    sa.Column("answered_by", BoundedText(NAME_LENGTH)),
    # the edit that the answer made; undoing that opens the proposal again
    sa.Column("edit_id", BoundedText(ID_LENGTH)),
    within_site("identity", "serial"),
    within_site("identity", "into_serial"),
)
