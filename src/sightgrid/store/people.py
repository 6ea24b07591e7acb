"""Enrolled people, their faces, and the contracts under which those were embedded."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from uuid import uuid4

import sqlalchemy as sa

from sightgrid.domain.errors import NotFound
from sightgrid.domain.faces import Embedding, EmbeddingContract
from sightgrid.domain.people import EnrolledPerson
from sightgrid.store.encoding import pack_floats, unpack_floats
from sightgrid.store.schema import CONTRACT, ENROLLED_FACE, PERSON
from sightgrid.store.session import Transaction


def enrol(tx: Transaction, person: EnrolledPerson) -> None:
    """Adds a person. One enrolled before keeps their identity; the faces are replaced."""
    known = _find(tx, person.name)
    person_id = known if known is not None else str(uuid4())
    here = {"site_id": tx.site_id, "person_id": person_id}
    if known is None:
        tx.connection.execute(sa.insert(PERSON), here | {"name": person.name})
        tx.people[person.name] = person_id
    else:
        tx.connection.execute(
            sa.delete(ENROLLED_FACE).where(
                ENROLLED_FACE.c.site_id == tx.site_id, ENROLLED_FACE.c.person_id == person_id
            )
        )
    add_contracts(tx, (face.contract for face in person.faces))
    if person.faces:
        tx.connection.execute(
            sa.insert(ENROLLED_FACE),
            [
                here
                | {
                    "ordinal": ordinal,
                    "contract_id": face.contract.id,
                    "vector": pack_floats(face.vector),
                    "strength": float(face.strength),
                }
                for ordinal, face in enumerate(person.faces, 1)
            ],
        )


def enrolled(tx: Transaction) -> list[EnrolledPerson]:
    """Everyone enrolled, by name, with faces in the order they were given."""
    known = contracts(tx)
    rows = tx.connection.execute(
        sa.select(
            PERSON.c.name,
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
        .where(PERSON.c.site_id == tx.site_id)
        .order_by(PERSON.c.name, ENROLLED_FACE.c.ordinal)
    )
    return [
        EnrolledPerson(
            name,
            tuple(
                Embedding(unpack_floats(vector), known[contract_id], strength)
                for _, contract_id, vector, strength in faces
                if vector is not None
            ),
        )
        for name, faces in groupby(rows, key=lambda row: str(row[0]))
    ]


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
    if rows:
        tx.connection.execute(sa.insert(CONTRACT), rows)
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
                PERSON.c.site_id == tx.site_id, PERSON.c.name == name
            )
        )
        if found is None:
            return None
        tx.people[name] = str(found)
    return tx.people[name]
