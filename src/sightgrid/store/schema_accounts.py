"""The tables of who may do what and who did it: accounts, sessions, tokens, the audit chain.

No secret is stored, only what it can be checked against: argon2id of passwords, SHA-256 of random
tokens (which are too long to be guessed, so a slow hash would gain nothing).
"""

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
from sightgrid.store.tables import exact_table, site_key, within_site

PASSWORD_HASH_LENGTH = 200
SCOPES_LENGTH = 400
MOST_DETAIL_BYTES = 65_535

ACCOUNT = exact_table(
    "account",
    site_key(),
    sa.Column("account_id", BoundedText(ID_LENGTH), primary_key=True),
    sa.Column("login", BoundedText(NAME_LENGTH), nullable=False),
    # empty until its owner has chosen one over a set-up link
    sa.Column("password_hash", BoundedText(PASSWORD_HASH_LENGTH)),
    sa.Column("role", BoundedText(WORD_LENGTH), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("disabled_at", UtcDateTime),
    within_site("site"),
    sa.UniqueConstraint("site_id", "login"),
)

ACCOUNT_CAMERA = exact_table(
    "account_camera",
    site_key(),
    sa.Column("account_id", BoundedText(ID_LENGTH), primary_key=True),
    # no reference: a camera may be granted before it has sent anything
    sa.Column("camera", BoundedText(NAME_LENGTH), primary_key=True),
    within_site("account", "account_id", ondelete="CASCADE"),
)

WEB_SESSION = exact_table(
    "web_session",
    site_key(),
    sa.Column("token_hash", BoundedText(HASH_LENGTH), primary_key=True),
    sa.Column("account_id", BoundedText(ID_LENGTH), nullable=False),
    sa.Column("csrf_hash", BoundedText(HASH_LENGTH), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("used_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    within_site("account", "account_id", ondelete="CASCADE"),
    sa.Index(None, "site_id", "account_id"),
)

ACCESS_TOKEN = exact_table(
    "access_token",
    site_key(),
    sa.Column("token_id", BoundedText(ID_LENGTH), primary_key=True),
    sa.Column("account_id", BoundedText(ID_LENGTH), nullable=False),
    sa.Column("name", BoundedText(NAME_LENGTH), nullable=False),
    sa.Column("token_hash", BoundedText(HASH_LENGTH), nullable=False),
    # permissions by name, apart by spaces
    sa.Column("scopes", BoundedText(SCOPES_LENGTH), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.Column("used_at", UtcDateTime),
    sa.Column("revoked_at", UtcDateTime),
    within_site("account", "account_id", ondelete="CASCADE"),
    sa.UniqueConstraint("site_id", "token_hash"),
)

SETUP_CODE = exact_table(
    "setup_code",
    site_key(),
    sa.Column("code_hash", BoundedText(HASH_LENGTH), primary_key=True),
    # empty for the code that makes the first owner
    sa.Column("account_id", BoundedText(ID_LENGTH)),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    within_site("account", "account_id", ondelete="CASCADE"),
)

ATTEMPT = exact_table(
    "attempt",
    site_key(),
    # what was tried from where, hashed: neither logins nor addresses are kept
    sa.Column("what_hash", BoundedText(HASH_LENGTH), primary_key=True),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("last_at", UtcDateTime, nullable=False),
)

AUDIT_EVENT = exact_table(
    "audit_event",
    site_key(),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("actor", BoundedText(NAME_LENGTH), nullable=False),
    sa.Column("action", BoundedText(WORD_LENGTH), nullable=False),
    sa.Column("subject", BoundedText(NAME_LENGTH), nullable=False),
    sa.Column("reason", BoundedText(REASON_LENGTH), nullable=False),
    sa.Column("details", sa.LargeBinary(MOST_DETAIL_BYTES), nullable=False),
    sa.Column("previous_hash", BoundedText(HASH_LENGTH), nullable=False),
    sa.Column("row_hash", BoundedText(HASH_LENGTH), nullable=False),
    within_site("site"),
    sa.Index(None, "site_id", "at"),
)

AUDIT_HEAD = exact_table(
    "audit_head",
    # both ends of the chain, so that cutting off rows is seen; locked while appending. The
    # beginning moves when rows older than the audit's retention are purged
    site_key(),
    sa.Column("first_number", sa.BigInteger, nullable=False),
    sa.Column("first_before", BoundedText(HASH_LENGTH), nullable=False),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("row_hash", BoundedText(HASH_LENGTH), nullable=False),
    within_site("site"),
)
