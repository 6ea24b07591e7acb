"""Enrolled faces and photos that may not be kept any longer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from sightgrid.domain.faces import EmbeddingContract
from sightgrid.store.consents import lapsed_people
from sightgrid.store.people import contracts
from sightgrid.store.schema import ENROLLED_FACE, PERSON
from sightgrid.store.schema_subjects import ENROLLED_PHOTO
from sightgrid.store.session import Transaction

_ITS_PHOTO = sa.and_(
    ENROLLED_PHOTO.c.site_id == ENROLLED_FACE.c.site_id,
    ENROLLED_PHOTO.c.person_id == ENROLLED_FACE.c.person_id,
    ENROLLED_PHOTO.c.photo_id == ENROLLED_FACE.c.photo_id,
)


@dataclass(frozen=True, slots=True)
class LapsedEnrolment:
    """What of a person has to go: all of it where they don't ``agree`` any more, else what is too
    old."""

    person_id: str
    faces: int
    photos: int
    agrees: bool


def lapsed_enrolments(
    tx: Transaction, *, at: datetime, older_than: datetime | None
) -> list[LapsedEnrolment]:
    """The people of whom enrolled faces or photos have to go: those who agreed once and none of
    whose consents holds at a moment, and those with something older than another."""
    lapsed = set(lapsed_people(tx, at=at))
    found = []
    people = tx.connection.execute(
        sa.select(PERSON.c.person_id, PERSON.c.added_at)
        .where(PERSON.c.site_id == tx.site_id)
        .order_by(PERSON.c.person_id)
    ).all()
    faces, photos = _ages(tx)
    for person_id, added_at in people:
        agrees = person_id not in lapsed
        counts = []
        for ages in (faces.get(person_id, []), photos.get(person_id, [])):
            known = [age or added_at for age in ages]
            counts.append(
                sum(
                    not agrees or (older_than is not None and age is not None and age < older_than)
                    for age in known
                )
            )
        if any(counts) or not agrees:
            found.append(LapsedEnrolment(person_id, counts[0], counts[1], agrees))
    return found


def remove_old_enrolment(
    tx: Transaction, person_id: str, *, older_than: datetime
) -> list[EmbeddingContract]:
    """Deletes a person's photos of before a moment and the faces cut from them; returns the
    contracts that those were under. The gallery has to be told."""
    added_at = tx.connection.scalar(
        sa.select(PERSON.c.added_at).where(
            PERSON.c.site_id == tx.site_id, PERSON.c.person_id == person_id
        )
    )
    its_faces = sa.and_(
        ENROLLED_FACE.c.site_id == tx.site_id, ENROLLED_FACE.c.person_id == person_id
    )
    rows = tx.connection.execute(
        sa.select(ENROLLED_FACE.c.ordinal, ENROLLED_FACE.c.contract_id, ENROLLED_PHOTO.c.added_at)
        .select_from(ENROLLED_FACE.outerjoin(ENROLLED_PHOTO, _ITS_PHOTO))
        .where(its_faces)
    ).all()
    old = [
        (ordinal, contract_id)
        for ordinal, contract_id, taken_at in rows
        if (age := taken_at or added_at) is not None and age < older_than
    ]
    tx.connection.execute(
        sa.delete(ENROLLED_FACE).where(
            its_faces, ENROLLED_FACE.c.ordinal.in_([ordinal for ordinal, _ in old])
        )
    )
    tx.connection.execute(
        sa.delete(ENROLLED_PHOTO).where(
            ENROLLED_PHOTO.c.site_id == tx.site_id,
            ENROLLED_PHOTO.c.person_id == person_id,
            ENROLLED_PHOTO.c.added_at < older_than,
        )
    )
    ids = {contract_id for _, contract_id in old}
    return [contract for contract in contracts(tx).values() if contract.id in ids]


def _ages(
    tx: Transaction,
) -> tuple[dict[str, list[datetime | None]], dict[str, list[datetime | None]]]:
    """By person id when the photo of each enrolled face was added (``None``: it has none), and when
    each photo was."""
    faces: dict[str, list[datetime | None]] = {}
    for person_id, added_at in tx.connection.execute(
        sa.select(ENROLLED_FACE.c.person_id, ENROLLED_PHOTO.c.added_at)
        .select_from(ENROLLED_FACE.outerjoin(ENROLLED_PHOTO, _ITS_PHOTO))
        .where(ENROLLED_FACE.c.site_id == tx.site_id)
    ):
        faces.setdefault(person_id, []).append(added_at)
    photos: dict[str, list[datetime | None]] = {}
    for person_id, added_at in tx.connection.execute(
        sa.select(ENROLLED_PHOTO.c.person_id, ENROLLED_PHOTO.c.added_at).where(
            ENROLLED_PHOTO.c.site_id == tx.site_id
        )
    ):
        photos.setdefault(person_id, []).append(added_at)
    return faces, photos
