"""Enrolled people, their faces, and the contracts under which those were embedded."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from sightgrid.domain.errors import InvalidValue, NotFound
from sightgrid.domain.faces import Embedding, EmbeddingContract
from sightgrid.domain.geometry import Floats
from sightgrid.domain.people import EnrolledPerson, Method
from sightgrid.store.batches import in_batches
from sightgrid.store.encoding import pack_floats, unpack_floats
from sightgrid.store.schema import CONTRACT, ENROLLED_FACE, PERSON
from sightgrid.store.schema_subjects import ENROLLED_PHOTO
from sightgrid.store.sealing import (
    expect_new,
    keyed_hash,
    load_keys,
    of_person,
    seal,
    unseal,
)
from sightgrid.store.session import Transaction


@dataclass(frozen=True, slots=True, eq=False)
class EnrolledFace:
    """A face to recognise somebody by. ``crop`` is the aligned face as JPEG or PNG, kept so that
    another pack can embed it anew."""

    embedding: Embedding
    crop: bytes | None = None


def enrol(tx: Transaction, person: EnrolledPerson) -> str:
    """Adds a person; returns their id. One enrolled before keeps it, the faces are replaced."""
    known = _find(tx, person.name)
    if known is None:
        person_id = insert_person(tx, person.name, {}, added_at=None)
    else:
        person_id = known
        tx.connection.execute(
            sa.delete(ENROLLED_FACE).where(
                ENROLLED_FACE.c.site_id == tx.site_id, ENROLLED_FACE.c.person_id == person_id
            )
        )
    insert_faces(tx, person_id, [EnrolledFace(face) for face in person.faces])
    return person_id


def insert_person(
    tx: Transaction, name: str, details: Mapping[str, str], *, added_at: datetime | None
) -> str:
    """Adds a person without faces, told apart by the name; returns their id.

    Raises:
        InvalidValue: the name is taken.
    """
    if _find(tx, name) is not None:
        raise InvalidValue(
            f"somebody named '{name}' is enrolled already",
            hint="tell them apart in the name, by class or number",
        )
    (person_id,) = insert_people(tx, [(name, {**details, "name": name})], added_at=added_at)
    tx.people[name] = person_id
    return person_id


def insert_people(
    tx: Transaction,
    entries: Sequence[tuple[str, Mapping[str, str]]],
    *,
    added_at: datetime | None,
) -> list[str]:
    """Adds people without faces; returns their ids.

    Args:
        entries: for each person what tells them apart from all others, which nobody may have yet,
            and what is written down about them, their name under ``name``.
    """
    ids = [str(uuid4()) for _ in entries]
    expect_new(tx, (of_person(person_id) for person_id in ids))
    rows = [
        {
            "site_id": tx.site_id,
            "person_id": person_id,
            "name": name_key(tx, apart),
            "details": _sealed_details(tx, person_id, details["name"], details),
            "added_at": added_at,
        }
        for person_id, (apart, details) in zip(ids, entries, strict=True)
    ]
    if rows:
        tx.connection.execute(sa.insert(PERSON), rows)
    return ids


def insert_faces(
    tx: Transaction, person_id: str, faces: Sequence[EnrolledFace], *, photo_id: str | None = None
) -> None:
    """Adds faces to those that a person has."""
    if not faces:
        return
    add_contracts(tx, (face.embedding.contract for face in faces))
    last = tx.connection.scalar(
        sa.select(sa.func.max(ENROLLED_FACE.c.ordinal)).where(
            ENROLLED_FACE.c.site_id == tx.site_id, ENROLLED_FACE.c.person_id == person_id
        )
    )
    subject = of_person(person_id)
    tx.connection.execute(
        sa.insert(ENROLLED_FACE),
        [
            {
                "site_id": tx.site_id,
                "person_id": person_id,
                "ordinal": ordinal,
                "contract_id": face.embedding.contract.id,
                "vector": seal(
                    tx,
                    pack_floats(face.embedding.vector),
                    subject=subject,
                    purpose="vector",
                    contract_id=face.embedding.contract.id,
                ),
                "strength": float(face.embedding.strength),
                "crop": (
                    None
                    if face.crop is None
                    else seal(tx, face.crop, subject=subject, purpose="crop")
                ),
                "photo_id": photo_id,
            }
            for ordinal, face in enumerate(faces, (last or 0) + 1)
        ],
    )


def enrolled(tx: Transaction) -> list[EnrolledPerson]:
    """Everyone who is recognised by the face, by name, with faces in the order they were given:
    neither removed, nor known by another method."""
    known = contracts(tx)
    names = names_of(tx)
    rows = tx.connection.execute(
        sa.select(
            PERSON.c.person_id,
            ENROLLED_FACE.c.contract_id,
            ENROLLED_FACE.c.vector,
            ENROLLED_FACE.c.strength,
        )
        .select_from(
            PERSON.outerjoin(
                ENROLLED_FACE,
                sa.and_(
                    ENROLLED_FACE.c.site_id == PERSON.c.site_id,
                    ENROLLED_FACE.c.person_id == PERSON.c.person_id,
                ),
            )
        )
        .where(
            PERSON.c.site_id == tx.site_id,
            PERSON.c.removed_at.is_(None),
            sa.or_(PERSON.c.method.is_(None), PERSON.c.method == Method.FACE.value),
        )
        .order_by(PERSON.c.person_id, ENROLLED_FACE.c.ordinal)
    ).all()
    return sorted(
        (
            EnrolledPerson(
                names[person_id],
                tuple(
                    Embedding(
                        enrolled_vector(tx, person_id, contract_id, vector),
                        known[contract_id],
                        strength,
                    )
                    for _, contract_id, vector, strength in faces
                    if vector is not None
                ),
            )
            for person_id, faces in groupby(rows, key=lambda row: str(row[0]))
        ),
        key=lambda person: person.name,
    )


def remove_faces(tx: Transaction, person_id: str) -> list[EmbeddingContract]:
    """Deletes a person's faces and photos; returns the contracts they were under."""
    here = sa.and_(ENROLLED_FACE.c.site_id == tx.site_id, ENROLLED_FACE.c.person_id == person_id)
    ids = set(tx.connection.scalars(sa.select(ENROLLED_FACE.c.contract_id).where(here)))
    tx.connection.execute(sa.delete(ENROLLED_FACE).where(here))
    tx.connection.execute(
        sa.delete(ENROLLED_PHOTO).where(
            ENROLLED_PHOTO.c.site_id == tx.site_id, ENROLLED_PHOTO.c.person_id == person_id
        )
    )
    return [contract for contract in contracts(tx).values() if contract.id in ids]


def people_without(tx: Transaction, contract_id: str) -> list[str]:
    """The ids of people who have enrolled faces, but none under this contract."""
    under = sa.select(ENROLLED_FACE.c.person_id).where(
        ENROLLED_FACE.c.site_id == tx.site_id, ENROLLED_FACE.c.contract_id == contract_id
    )
    rows = tx.connection.scalars(
        sa.select(ENROLLED_FACE.c.person_id)
        .distinct()
        .where(ENROLLED_FACE.c.site_id == tx.site_id, ENROLLED_FACE.c.person_id.not_in(under))
        .order_by(ENROLLED_FACE.c.person_id)
    )
    return list(rows)


def crops_of_person(tx: Transaction, person_id: str) -> list[bytes]:
    """The aligned enrolled faces of a person that were kept, each once, in order."""
    rows = tx.connection.scalars(
        sa.select(ENROLLED_FACE.c.crop)
        .where(
            ENROLLED_FACE.c.site_id == tx.site_id,
            ENROLLED_FACE.c.person_id == person_id,
            ENROLLED_FACE.c.crop.is_not(None),
        )
        .order_by(ENROLLED_FACE.c.ordinal)
    )
    subject = of_person(person_id)
    return list(dict.fromkeys(unseal(tx, crop, subject=subject, purpose="crop") for crop in rows))


def faces_of(
    tx: Transaction, person_ids: Collection[str], contract: EmbeddingContract
) -> dict[str, list[Embedding]]:
    """The enrolled faces of some people under one contract, by person id."""
    found: dict[str, list[Embedding]] = {}
    for batch in in_batches(sorted(person_ids)):
        load_keys(tx, (of_person(person_id) for person_id in batch))
        rows = tx.connection.execute(
            sa.select(ENROLLED_FACE.c.person_id, ENROLLED_FACE.c.vector, ENROLLED_FACE.c.strength)
            .where(
                ENROLLED_FACE.c.site_id == tx.site_id,
                ENROLLED_FACE.c.contract_id == contract.id,
                ENROLLED_FACE.c.person_id.in_(batch),
            )
            .order_by(ENROLLED_FACE.c.person_id, ENROLLED_FACE.c.ordinal)
        )
        for person_id, stored, strength in rows:
            vector = enrolled_vector(tx, person_id, contract.id, stored)
            found.setdefault(person_id, []).append(Embedding(vector, contract, strength))
    return found


def enrolled_vector(tx: Transaction, person_id: str, contract_id: str, stored: bytes) -> Floats:
    """An enrolled face's vector (D,) out of its column."""
    subject = of_person(person_id)
    return unpack_floats(
        unseal(tx, stored, subject=subject, purpose="vector", contract_id=contract_id)
    )


def names_of(tx: Transaction, person_ids: Collection[str] | None = None) -> dict[str, str]:
    """The names of everybody enrolled, or of some, by person id."""
    wanted = PERSON.c.site_id == tx.site_id
    if person_ids is not None:
        wanted = sa.and_(wanted, PERSON.c.person_id.in_(person_ids))
    rows = tx.connection.execute(
        sa.select(PERSON.c.person_id, PERSON.c.name, PERSON.c.details).where(wanted)
    ).all()
    return {person_id: found["name"] for person_id, found in written_down(tx, rows).items()}


def written_down(tx: Transaction, rows: Iterable[Any]) -> dict[str, dict[str, str]]:
    """What is written down in rows of the table of people, by person id."""
    rows = list(rows)
    load_keys(tx, (of_person(row.person_id) for row in rows))
    return {
        row.person_id: {"name": row.name} | _details(tx, row.person_id, row.details) for row in rows
    }


def details_of(tx: Transaction, person_id: str) -> dict[str, str]:
    """What is written down about a person, their name under ``name``.

    Raises:
        NotFound: there is no such person.
    """
    row = tx.connection.execute(
        sa.select(PERSON.c.name, PERSON.c.details).where(
            PERSON.c.site_id == tx.site_id, PERSON.c.person_id == person_id
        )
    ).first()
    if row is None:
        raise NotFound(f"there is no person {person_id}")
    return {"name": row.name} | _details(tx, person_id, row.details)


def details_of_many(tx: Transaction, person_ids: Collection[str]) -> dict[str, dict[str, str]]:
    """The same for many at once, by person id; who isn't there is left out."""
    found: dict[str, dict[str, str]] = {}
    for batch in in_batches(sorted(set(person_ids))):
        rows = tx.connection.execute(
            sa.select(PERSON.c.person_id, PERSON.c.name, PERSON.c.details).where(
                PERSON.c.site_id == tx.site_id, PERSON.c.person_id.in_(batch)
            )
        ).all()
        found |= written_down(tx, rows)
    return found


def change_details(
    tx: Transaction, person_id: str, details: Mapping[str, str], *, apart: str | None = None
) -> None:
    """Replaces what is written down about a person; a ``name`` in it renames them.

    Args:
        apart: what tells them apart from all others, if that is not the name.

    Raises:
        NotFound: there is no such person. InvalidValue: somebody else has that already.
    """
    before = details_of(tx, person_id)
    name = details.get("name", before["name"])
    key = name if apart is None else apart
    taken_by = _find(tx, key)
    if taken_by not in (None, person_id):
        raise InvalidValue(f"somebody named '{name}' is enrolled already")
    rewrite_details(tx, person_id, {**details, "name": name}, apart=key)


def rewrite_details(
    tx: Transaction, person_id: str, details: Mapping[str, str], *, apart: str
) -> None:
    """The same without asking, of somebody who is known to be there: ``details`` has the name, and
    ``apart``, what tells them apart, is nobody else's."""
    tx.connection.execute(
        sa.update(PERSON)
        .where(PERSON.c.site_id == tx.site_id, PERSON.c.person_id == person_id)
        .values(
            name=name_key(tx, apart),
            details=_sealed_details(tx, person_id, details["name"], details),
        )
    )
    tx.people.clear()


def name_key(tx: Transaction, name: str) -> str:
    """What the unique column holds: the name, or where names are sealed a hash that finds it."""
    return name if tx.keys is None else keyed_hash(tx, name, purpose="name")


def _sealed_details(
    tx: Transaction, person_id: str, name: str, details: Mapping[str, str]
) -> bytes | None:
    kept = {**details, "name": name}
    if tx.keys is None and len(kept) == 1:
        return None
    text = json.dumps(kept, ensure_ascii=False).encode()
    return seal(tx, text, subject=of_person(person_id), purpose="details")


def _details(tx: Transaction, person_id: str, stored: bytes | None) -> dict[str, str]:
    if stored is None:
        return {}
    plain = unseal(tx, stored, subject=of_person(person_id), purpose="details")
    found: dict[str, str] = json.loads(plain)
    return found


def person_id(tx: Transaction, name: str) -> str:
    """The key of an enrolled person.

    Raises:
        NotFound: nobody of that name is enrolled.
    """
    found = _find(tx, name)
    if found is None:
        raise NotFound(f"nobody named '{name}' is enrolled")
    return found


def add_contracts(tx: Transaction, used: Iterable[EmbeddingContract]) -> None:
    """Makes sure that every contract has a row."""
    new = {contract.id: contract for contract in used if contract.id not in tx.contracts}
    if not new:
        return
    tx.contracts.update(contracts(tx))
    rows = [
        {
            "site_id": tx.site_id,
            "contract_id": contract.id,
            "pack": contract.pack,
            "dimension": contract.dimension,
        }
        for contract in new.values()
        if contract.id not in tx.contracts
    ]
    tx.insert_later(CONTRACT, rows)
    tx.contracts.update(new)


def contracts(tx: Transaction) -> dict[str, EmbeddingContract]:
    """Every contract that the database holds embeddings of, by id."""
    rows = tx.connection.execute(
        sa.select(CONTRACT.c.contract_id, CONTRACT.c.pack, CONTRACT.c.dimension).where(
            CONTRACT.c.site_id == tx.site_id
        )
    )
    return {row[0]: EmbeddingContract(*row) for row in rows}


def _find(tx: Transaction, name: str) -> str | None:
    if name not in tx.people:
        found = tx.connection.scalar(
            sa.select(PERSON.c.person_id).where(
                PERSON.c.site_id == tx.site_id, PERSON.c.name == name_key(tx, name)
            )
        )
        if found is None:
            return None
        tx.people[name] = str(found)
    return tx.people[name]
