"""The tables. Every one carries ``site_id``; keys are natural, so that rows need no lookups.

``sighting`` holds the newest revision of each sighting; ``decision`` holds the answer for every
revision that was decided, and reads join it on the revision that ``sighting`` holds. ``visit`` is a
projection of the decisions. Nothing here is ever named by a word that a database reserves
(``group_no``, ``rank_no``).
"""

from __future__ import annotations

import sqlalchemy as sa

from sightgrid.store.columns import (
    BAND_LENGTH,
    CONTRACT_LENGTH,
    ID_LENGTH,
    MOST_CROP_BYTES,
    MOST_DETAILS_BYTES,
    MOST_PATH_BYTES,
    MOST_VECTOR_BYTES,
    NAME_LENGTH,
    PATH_LENGTH,
    REASON_LENGTH,
    WORD_LENGTH,
    BoundedText,
    UtcDateTime,
)
from sightgrid.store.tables import exact_table, number_key, site_key, within_site

SITE = exact_table(
    "site",
    site_key(),
    sa.Column("name", BoundedText(NAME_LENGTH), nullable=False),
    # whether vectors, crops and personal fields are encrypted: a server's are, a run's are not
    sa.Column("sealed", sa.Boolean, nullable=False, server_default=sa.false()),
)

CAMERA = exact_table(
    "camera",
    site_key(),
    sa.Column("name", BoundedText(NAME_LENGTH), primary_key=True),
    sa.Column("position_x", sa.Double),
    sa.Column("position_y", sa.Double),
    # what it may be used for, words with spaces between; empty means everything
    sa.Column("purposes", BoundedText(NAME_LENGTH)),
    # zone, masks, schedule: JSON that the server reads
    sa.Column("settings", sa.Text),
    # the URL, with its password
    sa.Column("address", sa.LargeBinary(MOST_DETAILS_BYTES)),
    sa.Column("box_id", BoundedText(ID_LENGTH)),
    within_site("site"),
)

CAMERA_LINK = exact_table(
    "camera_link",
    site_key(),
    # the first link of a pair counts, so their order is kept
    number_key("ordinal"),
    sa.Column("origin", BoundedText(NAME_LENGTH), nullable=False),
    sa.Column("target", BoundedText(NAME_LENGTH), nullable=False),
    sa.Column("min_secs", sa.Double, nullable=False),
    sa.Column("max_secs", sa.Double),
    within_site("camera", "origin"),
    within_site("camera", "target"),
)

CAMERA_APART = exact_table(
    "camera_apart",
    site_key(),
    sa.Column("one", BoundedText(NAME_LENGTH), primary_key=True),
    sa.Column("other", BoundedText(NAME_LENGTH), primary_key=True),
    within_site("camera", "one"),
    within_site("camera", "other"),
)

CONTRACT = exact_table(
    "contract",
    site_key(),
    sa.Column("contract_id", BoundedText(CONTRACT_LENGTH), primary_key=True),
    sa.Column("pack", BoundedText(NAME_LENGTH), nullable=False),
    sa.Column("dimension", sa.Integer, nullable=False),
    within_site("site"),
)

PERSON = exact_table(
    "person",
    site_key(),
    sa.Column("person_id", BoundedText(ID_LENGTH), primary_key=True),
    # what tells people apart: the name, or in a sealed database the keyed hash of the name or of a
    # number of theirs; the name itself lies in ``details`` then
    sa.Column("name", BoundedText(NAME_LENGTH), nullable=False),
    sa.Column("details", sa.LargeBinary(MOST_DETAILS_BYTES)),
    sa.Column("added_at", UtcDateTime),
    # how they show that they are here; nothing stands for the face
    sa.Column("method", BoundedText(WORD_LENGTH)),
    # since when they are as good as gone; for a while that can be undone
    sa.Column("removed_at", UtcDateTime),
    within_site("site"),
    sa.UniqueConstraint("site_id", "name"),
)

ENROLLED_FACE = exact_table(
    "enrolled_face",
    site_key(),
    sa.Column("person_id", BoundedText(ID_LENGTH), primary_key=True),
    number_key("ordinal"),
    sa.Column("contract_id", BoundedText(CONTRACT_LENGTH), nullable=False),
    sa.Column("vector", sa.LargeBinary(MOST_VECTOR_BYTES), nullable=False),
    sa.Column("strength", sa.Double, nullable=False),
    # the aligned face, so that another pack can embed it anew, and the photo that it was cut from
    sa.Column("crop", sa.LargeBinary(MOST_CROP_BYTES)),
    sa.Column("photo_id", BoundedText(ID_LENGTH)),
    within_site("person", "person_id", ondelete="CASCADE"),
    within_site("contract", "contract_id"),
)

SERIAL_COUNTER = exact_table(
    "serial_counter",
    site_key(),
    sa.Column("next_serial", sa.Integer, nullable=False),
    # this row is the site's lock, so what counts up in order of commits counts here
    sa.Column("next_change", sa.BigInteger, nullable=False, server_default="1"),
    sa.Column("next_event", sa.BigInteger, nullable=False, server_default="1"),
    within_site("site"),
)

IDENTITY = exact_table(
    "identity",
    site_key(),
    number_key("serial"),
    sa.Column("person_id", BoundedText(ID_LENGTH)),
    sa.Column("alias_of", sa.Integer),
    sa.Column("minted_at", UtcDateTime, nullable=False),
    # what people made of it: not shown in lists, and a word of their own, sealed
    sa.Column("hidden", sa.Boolean),
    sa.Column("label", sa.LargeBinary(MOST_DETAILS_BYTES)),
    within_site("site"),
    within_site("person", "person_id"),
    sa.ForeignKeyConstraint(["site_id", "alias_of"], ["identity.site_id", "identity.serial"]),
    sa.Index(None, "site_id", "alias_of"),
    sa.Index(None, "site_id", "person_id"),
)

SIGHTING = exact_table(
    "sighting",
    site_key(),
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
    sa.Column("box_id", BoundedText(ID_LENGTH)),
    # its looks as one vector and what that counts for; only where sightings are decided live
    sa.Column("template", sa.LargeBinary(MOST_VECTOR_BYTES)),
    sa.Column("template_worth", sa.Double),
    sa.Column("template_contract", BoundedText(CONTRACT_LENGTH)),
    within_site("camera", "camera"),
    sa.Index(None, "site_id", "camera", "first_seen"),
    sa.Index(None, "site_id", "camera", "last_seen"),
    sa.Index(None, "site_id", "last_seen"),
    # lists of every camera are read in this order
    sa.Index(None, "site_id", "first_seen", "sighting_id"),
)

LOOK = exact_table(
    "look",
    site_key(),
    sa.Column("sighting_id", BoundedText(ID_LENGTH), primary_key=True),
    number_key("rank_no"),
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
    within_site("sighting", "sighting_id", ondelete="CASCADE"),
    within_site("contract", "contract_id"),
)

DECISION = exact_table(
    "decision",
    site_key(),
    sa.Column("sighting_id", BoundedText(ID_LENGTH), primary_key=True),
    number_key("revision"),
    sa.Column("band", BoundedText(BAND_LENGTH), nullable=False),
    sa.Column("serial", sa.Integer),
    sa.Column("score", sa.Double),
    sa.Column("margin", sa.Double),
    sa.Column("runner_up_serial", sa.Integer),
    sa.Column("runner_up_person_id", BoundedText(ID_LENGTH)),
    sa.Column("runner_up_score", sa.Double),
    sa.Column("reason", BoundedText(REASON_LENGTH), nullable=False),
    sa.Column("decided_at", UtcDateTime, nullable=False),
    # what the ledger said by itself; ``band`` and ``serial`` are what holds, after edits
    sa.Column("own_band", BoundedText(BAND_LENGTH)),
    sa.Column("own_serial", sa.Integer),
    # when its sighting was last seen, while that is closed and nobody's: by this it is found, to be
    # asked about again
    sa.Column("unsure_at", UtcDateTime),
    within_site("sighting", "sighting_id", ondelete="CASCADE"),
    within_site("identity", "serial"),
    within_site("identity", "runner_up_serial"),
    within_site("person", "runner_up_person_id"),
    sa.Index(None, "site_id", "serial"),
    sa.Index(None, "site_id", "unsure_at"),
)

VISIT = exact_table(
    "visit",
    site_key(),
    number_key("serial"),
    # from 1, in order of writing, not of time
    number_key("ordinal"),
    sa.Column("camera", BoundedText(NAME_LENGTH), nullable=False),
    sa.Column("first_seen", UtcDateTime, nullable=False),
    sa.Column("last_seen", UtcDateTime, nullable=False),
    within_site("identity", "serial"),
    within_site("camera", "camera"),
    sa.Index(None, "site_id", "camera", "first_seen"),
    sa.Index(None, "site_id", "serial", "last_seen"),
    sa.Index(None, "site_id", "last_seen"),
)

VISIT_SIGHTING = exact_table(
    "visit_sighting",
    site_key(),
    # alone in the key: a sighting belongs to one visit
    sa.Column("sighting_id", BoundedText(ID_LENGTH), primary_key=True),
    sa.Column("serial", sa.Integer, nullable=False),
    sa.Column("ordinal", sa.Integer, nullable=False),
    within_site("sighting", "sighting_id", ondelete="CASCADE"),
    within_site("visit", "serial", "ordinal", ondelete="CASCADE"),
    sa.Index(None, "site_id", "serial", "ordinal"),
)
