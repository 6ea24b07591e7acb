"""The photos that people were enrolled from, sealed for them."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from sightgrid.store.schema_subjects import ENROLLED_PHOTO
from sightgrid.store.sealing import of_person, seal, unseal
from sightgrid.store.session import Transaction


def save_photo(
    tx: Transaction, person_id: str, photo_id: str, photo: bytes, *, at: datetime
) -> None:
    """Keeps the photo that faces were enrolled from, so that another pack can look at it anew."""
    tx.connection.execute(
        sa.insert(ENROLLED_PHOTO),
        {
            "site_id": tx.site_id,
            "person_id": person_id,
            "photo_id": photo_id,
            "photo": seal(tx, photo, subject=of_person(person_id), purpose=f"photo {photo_id}"),
            "added_at": at,
        },
    )


def photos_of(tx: Transaction, person_id: str) -> dict[str, bytes]:
    """A person's enrolment photos as they were given, by id, in order of time."""
    rows = tx.connection.execute(
        sa.select(ENROLLED_PHOTO.c.photo_id, ENROLLED_PHOTO.c.photo)
        .where(ENROLLED_PHOTO.c.site_id == tx.site_id, ENROLLED_PHOTO.c.person_id == person_id)
        .order_by(ENROLLED_PHOTO.c.added_at, ENROLLED_PHOTO.c.photo_id)
    ).all()
    subject = of_person(person_id)
    return {
        photo_id: unseal(tx, photo, subject=subject, purpose=f"photo {photo_id}")
        for photo_id, photo in rows
    }
