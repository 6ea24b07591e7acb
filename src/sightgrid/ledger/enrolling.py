"""Enrolling people live: consent first, then faces; the serial is minted at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.faces import EmbeddingContract
from sightgrid.domain.people import Consent
from sightgrid.store import Transaction
from sightgrid.store.answers import answers_of_serials
from sightgrid.store.consents import consents_of, record_consent
from sightgrid.store.deleting import forget_looks
from sightgrid.store.identities import family_of, mint, serial_of_person
from sightgrid.store.people import (
    EnrolledFace,
    add_contracts,
    details_of,
    insert_faces,
    insert_person,
    remove_faces,
)
from sightgrid.store.photos import save_photo
from sightgrid.store.prototypes import Prototype, contracts_of, prototype, save_prototype
from sightgrid.store.register_traces import forget_evidence_of


@dataclass(frozen=True, slots=True)
class Enrolled:
    """Who was enrolled, and the serial they have from now on."""

    person_id: str
    serial: int


def enrol_person(
    tx: Transaction,
    name: str,
    *,
    consent: Consent,
    details: Mapping[str, str] | None = None,
    at: datetime,
) -> Enrolled:
    """Adds a person who agreed to it, and mints their serial. Faces are added afterwards.

    Raises:
        InvalidValue: the consent does not hold, or the name is taken.
    """
    if not consent.holds(at):
        raise InvalidValue(
            "this consent is expired, withdrawn or not given yet",
            hint="nobody is enrolled without a consent that holds",
        )
    tx.lock_site()
    person_id = insert_person(tx, name, details or {}, added_at=at)
    record_consent(tx, person_id, consent)
    return Enrolled(person_id, mint(tx, minted_at=at, of_id=person_id).serial)


def enrol_faces(
    tx: Transaction,
    person_id: str,
    faces: Sequence[EnrolledFace],
    *,
    photo: bytes | None = None,
    at: datetime,
) -> None:
    """Adds faces of a person, and the photo that they were cut from; they are recognised from the
    next sighting on. Who has no serial yet gets one.

    Raises:
        InvalidValue: none of the person's consents holds.
        NotFound: there is no such person.
    """
    tx.lock_site()
    details_of(tx, person_id)
    check_agreed(tx, person_id, at=at)
    serial = own_serial(tx, person_id, at=at)
    photo_id = None
    if photo is not None:
        photo_id = str(uuid4())
        save_photo(tx, person_id, photo_id, photo, at=at)
    insert_faces(tx, person_id, faces, photo_id=photo_id)
    touch(tx, serial, {face.embedding.contract.id: face.embedding.contract for face in faces})


def check_agreed(tx: Transaction, person_id: str, *, at: datetime) -> None:
    """Nobody's face is learnt without a consent.

    Raises:
        InvalidValue: none of the person's consents holds.
    """
    if not any(consent.holds(at) for consent in consents_of(tx, person_id).values()):
        raise InvalidValue(
            "this person has not agreed to be recognised, or does not any more",
            hint="write down their consent first",
        )


def own_serial(tx: Transaction, person_id: str, *, at: datetime) -> int:
    """The serial of a person, minted if they have none yet. The site has to be locked."""
    serial = serial_of_person(tx, person_id)
    return mint(tx, minted_at=at, of_id=person_id).serial if serial is None else serial


def stop_recognising(tx: Transaction, person_id: str) -> int:
    """Deletes what a person looks like: enrolled faces and photos, and the vectors and crops of
    every sighting and register that is theirs. Their name and serial stay, and when they were
    seen; nobody is recognised as them any more. For a consent that was withdrawn. Returns how many
    crops are gone.

    Raises:
        NotFound: there is no such person.
    """
    tx.lock_site()
    details_of(tx, person_id)
    gone = {contract.id: contract for contract in remove_faces(tx, person_id)}
    forget_evidence_of(tx, person_id)
    serial = serial_of_person(tx, person_id)
    if serial is None:
        return 0
    _, family = family_of(tx, serial)
    for contract_id in contracts_of(tx, family):
        for member in family:
            save_prototype(tx, Prototype(member, contract_id))
        gone.pop(contract_id, None)
    touch(tx, serial, gone)
    return forget_looks(tx, [one.sighting_id for one in answers_of_serials(tx, family)])


def touch(tx: Transaction, serial: int, contracts: Mapping[str, EmbeddingContract]) -> None:
    """Enters an identity into the log of the gallery's changes: every process reads it anew."""
    add_contracts(tx, contracts.values())
    for contract_id in contracts:
        known = prototype(tx, serial, contract_id)
        save_prototype(tx, Prototype(serial, contract_id) if known is None else known)
