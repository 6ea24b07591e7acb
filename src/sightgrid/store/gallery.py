"""Every identity's faces under one contract: what a searched face is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa

from sightgrid.domain.errors import StoreError
from sightgrid.domain.geometry import Floats
from sightgrid.store.encoding import unpack_floats
from sightgrid.store.identities import DECIDED, people_of, roots
from sightgrid.store.people import contracts
from sightgrid.store.schema import DECISION, ENROLLED_FACE, IDENTITY, LOOK, SIGHTING
from sightgrid.store.sealing import load_keys, of_person, of_sighting, unseal
from sightgrid.store.session import Transaction


@dataclass(frozen=True, slots=True, eq=False)
class GalleryEntry:
    """An identity's faces, enrolled ones first, then looks in order of time.

    ``vectors`` are unit vectors, float32 (N, D); ``weights`` float32 (N,) in 0-1: a look's
    worth, an enrolled face's strength; ``crop_paths`` has one entry a vector, ``None`` where there
    is no crop.
    """

    serial: int
    person: str | None
    vectors: Floats
    weights: Floats
    crop_paths: tuple[str | None, ...]


def gallery(tx: Transaction, contract_id: str) -> list[GalleryEntry]:
    """All identities that have a face under this contract, by serial; a merged serial's faces are
    its root's. An unknown contract has none.

    Raises:
        StoreError: a stored vector is damaged.
    """
    contract = contracts(tx).get(contract_id)
    if contract is None:
        return []
    merged, names = roots(tx), people_of(tx)
    faces: dict[int, list[tuple[Floats, float, str | None]]] = {}
    for serial, packed, weight, crop_path in [*_enrolled(tx, contract_id), *_seen(tx, contract_id)]:
        if len(packed) != 4 * contract.dimension:
            raise StoreError(f"the database is damaged: a vector of identity {serial} is cut short")
        root = merged.get(serial, serial)
        faces.setdefault(root, []).append((unpack_floats(packed), weight, crop_path))
    return [
        GalleryEntry(
            serial=serial,
            person=names.get(serial),
            vectors=np.stack([vector for vector, _, _ in its_faces]),
            weights=np.array([weight for _, weight, _ in its_faces], np.float32),
            crop_paths=tuple(crop_path for _, _, crop_path in its_faces),
        )
        for serial, its_faces in sorted(faces.items())
    ]


def _enrolled(tx: Transaction, contract_id: str) -> list[tuple[int, bytes, float, str | None]]:
    rows = tx.connection.execute(
        sa.select(
            IDENTITY.c.serial,
            ENROLLED_FACE.c.person_id,
            ENROLLED_FACE.c.vector,
            ENROLLED_FACE.c.strength,
        )
        .join_from(
            IDENTITY,
            ENROLLED_FACE,
            sa.and_(
                ENROLLED_FACE.c.site_id == IDENTITY.c.site_id,
                ENROLLED_FACE.c.person_id == IDENTITY.c.person_id,
            ),
        )
        .where(
            IDENTITY.c.site_id == tx.site_id,
            IDENTITY.c.alias_of.is_(None),
            ENROLLED_FACE.c.contract_id == contract_id,
        )
        .order_by(IDENTITY.c.serial, ENROLLED_FACE.c.ordinal)
    ).all()
    vectors = _unsealed(
        tx, [of_person(row.person_id) for row in rows], [row.vector for row in rows], contract_id
    )
    return [
        (row.serial, vector, row.strength, None) for row, vector in zip(rows, vectors, strict=True)
    ]


def _seen(tx: Transaction, contract_id: str) -> list[tuple[int, bytes, float, str | None]]:
    rows = tx.connection.execute(
        sa.select(
            DECISION.c.serial, LOOK.c.sighting_id, LOOK.c.vector, LOOK.c.worth, LOOK.c.crop_path
        )
        .join_from(DECISION, SIGHTING, DECIDED)
        .join(
            LOOK,
            sa.and_(
                LOOK.c.site_id == SIGHTING.c.site_id, LOOK.c.sighting_id == SIGHTING.c.sighting_id
            ),
        )
        .where(
            DECISION.c.site_id == tx.site_id,
            DECISION.c.serial.is_not(None),
            LOOK.c.contract_id == contract_id,
        )
        .order_by(SIGHTING.c.first_seen, SIGHTING.c.sighting_id, LOOK.c.rank_no)
    ).all()
    vectors = _unsealed(
        tx,
        [of_sighting(row.sighting_id) for row in rows],
        [row.vector for row in rows],
        contract_id,
    )
    return [
        (row.serial, vector, row.worth, row.crop_path)
        for row, vector in zip(rows, vectors, strict=True)
    ]


def _unsealed(
    tx: Transaction, subjects: Sequence[str], stored: Sequence[bytes], contract_id: str
) -> list[bytes]:
    load_keys(tx, subjects)
    return [
        unseal(tx, vector, subject=subject, purpose="vector", contract_id=contract_id)
        for subject, vector in zip(subjects, stored, strict=True)
    ]
