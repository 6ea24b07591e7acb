"""Seals what is personal: AES-256-GCM under the subject's own key, which the site key wraps.

What is sealed is bound to its subject, its purpose and, for vectors, its contract: bytes moved to
another row don't open. In a plain database (an offline run's) everything passes through unchanged.

Layout: one byte for its version (1), the nonce, then ciphertext and tag.
"""

from __future__ import annotations

import hmac
import secrets
from base64 import b64decode, b64encode
from collections.abc import Collection, Iterable
from hashlib import sha256

import sqlalchemy as sa

from sightgrid.domain.errors import StoreError
from sightgrid.store.batches import A_BATCH, in_batches
from sightgrid.store.keys import KEY_BYTES, NONCE_BYTES, SiteKeys, cipher
from sightgrid.store.schema_subjects import DATA_KEY
from sightgrid.store.session import SITE_SUBJECT, Store, Transaction

VERSION = b"\x01"
_WRAPPED = sa.select(DATA_KEY.c.subject, DATA_KEY.c.wrapped).where(
    DATA_KEY.c.site_id == sa.bindparam("its_site"),
    DATA_KEY.c.subject.in_(sa.bindparam("subjects", expanding=True)),
)
THE_SITE = SITE_SUBJECT


def of_person(person_id: str) -> str:
    """The subject that a person's name, consent, photos and enrolled faces are sealed for."""
    return f"person:{person_id}"


def of_sighting(sighting_id: str) -> str:
    """The subject of one sighting: whose it is may change, so it has a key of its own."""
    return f"sighting:{sighting_id}"


def of_identity(serial: int) -> str:
    """The subject that an identity's prototype is sealed for."""
    return f"identity:{serial}"


def seal(
    tx: Transaction, plain: bytes, *, subject: str, purpose: str, contract_id: str = ""
) -> bytes:
    """Encrypts for the database; the subject gets a key if it has none."""
    if tx.keys is None:
        return plain
    key = _key(tx, tx.keys, subject, create=True)
    return sealed_under(key, plain, subject=subject, purpose=purpose, contract_id=contract_id)


def sealed_under(
    key: bytes, plain: bytes, *, subject: str, purpose: str, contract_id: str = ""
) -> bytes:
    """Encrypts for the database under the key that this subject has or will have."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    bound = _bound_to(subject, purpose, contract_id)
    return VERSION + nonce + cipher(key).encrypt(nonce, plain, bound)


def unseal(
    tx: Transaction, sealed: bytes, *, subject: str, purpose: str, contract_id: str = ""
) -> bytes:
    """The bytes that were sealed.

    Raises:
        StoreError: the subject's key was destroyed, or the bytes are damaged or of another row.
    """
    if tx.keys is None:
        return sealed
    from cryptography.exceptions import InvalidTag

    opener = cipher(_key(tx, tx.keys, subject, create=False))
    try:
        if sealed[:1] != VERSION:
            raise InvalidTag
        nonce, rest = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
        return opener.decrypt(nonce, rest, _bound_to(subject, purpose, contract_id))
    except (InvalidTag, ValueError):
        kind = subject.partition(":")[0]
        raise StoreError(
            f"the database is damaged: the {purpose} of a {kind} can't be unsealed"
        ) from None


def seal_text(tx: Transaction, plain: str, *, subject: str, purpose: str) -> str:
    """The same for a text, as a text."""
    return b64encode(seal(tx, plain.encode(), subject=subject, purpose=purpose)).decode()


def unseal_text(tx: Transaction, sealed: str, *, subject: str, purpose: str) -> str:
    """What :func:`seal_text` sealed; empty stays empty, and so is what can't be unsealed any more
    because the subject's key was destroyed, whether or not it has a new one since."""
    if not sealed:
        return ""
    if tx.keys is not None:
        load_keys(tx, [subject])
        if subject not in tx.data_keys:
            return ""
    try:
        return unseal(tx, b64decode(sealed), subject=subject, purpose=purpose).decode()
    except StoreError:
        # one word that can't be read must not keep all other edits from being replayed
        return ""


def load_keys(tx: Transaction, subjects: Iterable[str]) -> None:
    """Fetches the keys of many subjects in a few questions rather than one each."""
    if tx.keys is None:
        return
    missing = [subject for subject in dict.fromkeys(subjects) if subject not in tx.data_keys]
    for batch in in_batches(missing):
        # keys that wait to be written are in ``data_keys``
        rows = tx.beside.execute(_WRAPPED, {"its_site": tx.site_id, "subjects": batch})
        for subject, wrapped in rows:
            tx.data_keys[subject] = tx.keys.unwrap(wrapped, subject=subject)


def expect_new(tx: Transaction, subjects: Iterable[str]) -> None:
    """Makes keys for subjects that have none yet and are known to be new, in one statement."""
    if tx.keys is None:
        return
    rows = []
    for subject in subjects:
        if subject not in tx.data_keys:
            key = secrets.token_bytes(KEY_BYTES)
            tx.data_keys[subject] = key
            rows.append(
                {
                    "site_id": tx.site_id,
                    "subject": subject,
                    "wrapped": tx.keys.wrap(key, subject=subject),
                }
            )
    tx.insert_later(DATA_KEY, rows)


def destroy_keys(tx: Transaction, subjects: Collection[str]) -> int:
    """Deletes the keys of these subjects: what was sealed for them is gone wherever it lies."""
    gone = 0
    for batch in in_batches(subjects):
        gone += tx.connection.execute(
            sa.delete(DATA_KEY).where(
                DATA_KEY.c.site_id == tx.site_id, DATA_KEY.c.subject.in_(batch)
            )
        ).rowcount
        for subject in batch:
            tx.data_keys.pop(subject, None)
    return gone


def keyed_hash(tx: Transaction, text: str, *, purpose: str) -> str:
    """An HMAC-SHA-256 in hexadecimal that tells two texts apart and gives away neither. In a plain
    database there is no key, so there it is the plain SHA-256."""
    message = f"{purpose}\0{text}".encode()
    if tx.keys is None:
        return sha256(message).hexdigest()
    return hmac.new(_key(tx, tx.keys, THE_SITE, create=True), message, sha256).hexdigest()


def rotate_site_key(store: Store, keys: SiteKeys) -> int:
    """Makes a new site key and wraps every data key with it; returns how many those were.

    The key file holds both keys until the database has changed over, so that a crash at any point
    leaves one that opens it; running it again finishes. Other processes have to be stopped: they
    know the old key only.
    """
    if len(keys.numbers()) == 1:
        keys.add()

    def rewrap(tx: Transaction) -> int:
        done = 0
        rows = tx.connection.execute(
            sa.select(DATA_KEY.c.subject, DATA_KEY.c.wrapped).where(
                DATA_KEY.c.site_id == tx.site_id
            )
        )
        for batch in list(rows.partitions(A_BATCH)):
            tx.connection.execute(
                sa.update(DATA_KEY)
                .where(DATA_KEY.c.site_id == tx.site_id, DATA_KEY.c.subject == sa.bindparam("its"))
                .values(wrapped=sa.bindparam("anew")),
                [
                    {"its": its, "anew": keys.wrap(keys.unwrap(old, subject=its), subject=its)}
                    for its, old in batch
                ],
            )
            done += len(batch)
        return done

    done = store.run(rewrap)
    keys.forget_old()
    return done


def _key(tx: Transaction, keys: SiteKeys, subject: str, *, create: bool) -> bytes:
    known = tx.data_keys.get(subject)
    if known is not None:
        return known
    load_keys(tx, [subject])
    if subject not in tx.data_keys:
        if not create:
            kind = subject.partition(":")[0]
            raise StoreError(f"what was sealed for this {kind} can't be read: its key is gone")
        expect_new(tx, [subject])
    return tx.data_keys[subject]


def _bound_to(subject: str, purpose: str, contract_id: str) -> bytes:
    return "\0".join(("sightgrid", subject, purpose, contract_id)).encode()
