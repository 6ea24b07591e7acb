"""Takes rows out for good, with the keys of what they held."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa

from sightgrid.domain.presence import Band
from sightgrid.store.batches import in_batches
from sightgrid.store.identities import DECIDED
from sightgrid.store.receiving import Outcome
from sightgrid.store.register_traces import forget_evidence_of
from sightgrid.store.schema import (
    DECISION,
    IDENTITY,
    LOOK,
    PERSON,
    SIGHTING,
    VISIT,
    VISIT_SIGHTING,
)
from sightgrid.store.schema_arrival import EVENT, RECEIVED
from sightgrid.store.schema_ledger import MERGE_PROPOSAL, NOT_IDENTITY, PROTOTYPE
from sightgrid.store.schema_subjects import CROP
from sightgrid.store.sealing import destroy_keys, of_identity, of_person, of_sighting
from sightgrid.store.session import Transaction


@dataclass(frozen=True, slots=True)
class Deleted:
    """How many rows and keys are gone."""

    sightings: int = 0
    crops: int = 0
    people: int = 0
    keys: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """As a receipt lists them."""
        return {
            "sightings": self.sightings,
            "crops": self.crops,
            "people": self.people,
            "keys": self.keys,
        }

    def __add__(self, other: Deleted) -> Deleted:
        return Deleted(
            self.sightings + other.sightings,
            self.crops + other.crops,
            self.people + other.people,
            self.keys + other.keys,
        )


def sightings_of(tx: Transaction, serials: Collection[int]) -> list[str]:
    """The sightings that are to go with these serials: every one that is theirs now, and every one
    that is nobody's now but was theirs once, unless somebody said that it is not them. What was
    theirs once and is somebody else's now stays with that one."""
    now = sa.select(SIGHTING.c.sighting_id).join_from(DECISION, SIGHTING, DECIDED)
    theirs = now.where(DECISION.c.site_id == tx.site_id, DECISION.c.serial.in_(serials))
    nobodys = now.where(DECISION.c.site_id == tx.site_id, DECISION.c.serial.is_(None))
    once = sa.select(DECISION.c.sighting_id).where(
        DECISION.c.site_id == tx.site_id,
        sa.or_(DECISION.c.serial.in_(serials), DECISION.c.own_serial.in_(serials)),
    )
    said_not = sa.select(NOT_IDENTITY.c.sighting_id).where(
        NOT_IDENTITY.c.site_id == tx.site_id, NOT_IDENTITY.c.serial.in_(serials)
    )
    found = set(tx.connection.scalars(theirs))
    doubtful = set(tx.connection.scalars(once)) - found
    if doubtful:
        doubtful &= set(tx.connection.scalars(nobodys))
        doubtful -= set(tx.connection.scalars(said_not))
    return sorted(found | doubtful)


def disown(tx: Transaction, serials: Collection[int]) -> None:
    """Takes these serials out of the answers of sightings that are somebody else's: out of earlier
    revisions, out of what the ledger said before edits, out of runners-up."""
    here, newest = DECISION.c.site_id == tx.site_id, sa.exists().where(DECIDED)
    tx.connection.execute(
        sa.update(DECISION)
        .where(here, DECISION.c.serial.in_(serials), sa.not_(newest))
        .values(serial=None)
    )
    tx.connection.execute(
        sa.update(DECISION)
        .where(here, DECISION.c.own_serial.in_(serials), DECISION.c.serial.is_(None))
        .values(own_serial=None, own_band=Band.UNSURE.value)
    )
    tx.connection.execute(
        sa.update(DECISION)
        .where(here, DECISION.c.own_serial.in_(serials))
        .values(own_serial=DECISION.c.serial, own_band=DECISION.c.band)
    )
    tx.connection.execute(
        sa.update(DECISION)
        .where(here, DECISION.c.runner_up_serial.in_(serials))
        .values(runner_up_serial=None, runner_up_person_id=None, runner_up_score=None)
    )


def serials_of(tx: Transaction, sighting_ids: Collection[str]) -> set[int]:
    """The serials that these sightings were given to, by any revision."""
    found: set[int] = set()
    for batch in in_batches(sighting_ids):
        found.update(
            tx.connection.scalars(
                sa.select(DECISION.c.serial).where(
                    DECISION.c.site_id == tx.site_id,
                    DECISION.c.sighting_id.in_(batch),
                    DECISION.c.serial.is_not(None),
                )
            )
        )
    return found


def delete_sightings(
    tx: Transaction, sighting_ids: Collection[str], *, outcome: Outcome = Outcome.ERASED
) -> Deleted:
    """Sightings with everything that hangs on them: looks, crops, decisions, events, keys. That
    they were received, and why they are gone, stays known, so that they don't come back. Visits
    and prototypes have to be projected anew afterwards."""
    sightings = 0
    crops = remove_crops(tx, sighting_ids)
    for batch in in_batches(sighting_ids):
        tx.connection.execute(
            sa.delete(EVENT).where(EVENT.c.site_id == tx.site_id, EVENT.c.event_id.in_(batch))
        )
        tx.connection.execute(
            sa.update(RECEIVED)
            .where(RECEIVED.c.site_id == tx.site_id, RECEIVED.c.sighting_id.in_(batch))
            .values(outcome=outcome.value)
        )
        sightings += tx.connection.execute(
            sa.delete(SIGHTING).where(
                SIGHTING.c.site_id == tx.site_id, SIGHTING.c.sighting_id.in_(batch)
            )
        ).rowcount
    keys = destroy_keys(tx, [of_sighting(one) for one in sighting_ids])
    return Deleted(sightings=sightings, crops=crops, keys=keys)


def forget_looks(tx: Transaction, sighting_ids: Collection[str]) -> int:
    """What faces looked like in these sightings: vectors, templates, crops. That somebody was seen
    stays. Prototypes have to be written anew afterwards. Returns how many crops are gone."""
    for batch in in_batches(sighting_ids):
        tx.connection.execute(
            sa.update(LOOK)
            .where(LOOK.c.site_id == tx.site_id, LOOK.c.sighting_id.in_(batch))
            .values(contract_id=None, vector=None, strength=None)
        )
        tx.connection.execute(
            sa.update(SIGHTING)
            .where(SIGHTING.c.site_id == tx.site_id, SIGHTING.c.sighting_id.in_(batch))
            .values(template=None, template_worth=None, template_contract=None)
        )
    return remove_crops(tx, sighting_ids)


def remove_crops(tx: Transaction, sighting_ids: Collection[str]) -> int:
    """Deletes the pictures of sightings; returns how many."""
    gone = 0
    for batch in in_batches(sighting_ids):
        gone += tx.connection.execute(
            sa.delete(CROP).where(CROP.c.site_id == tx.site_id, CROP.c.sighting_id.in_(batch))
        ).rowcount
        for table in (LOOK, SIGHTING):
            tx.connection.execute(
                sa.update(table)
                .where(table.c.site_id == tx.site_id, table.c.sighting_id.in_(batch))
                .values(crop_path=None)
            )
    return gone


def forget_visits(
    tx: Transaction, serials: Collection[int], *, holding: Collection[str] = ()
) -> None:
    """Deletes every visit of these serials, and every visit that one of the sightings is part
    of; what is left of those has to be projected anew."""
    for batch in in_batches(sorted(serials)):
        tx.connection.execute(
            sa.delete(VISIT).where(VISIT.c.site_id == tx.site_id, VISIT.c.serial.in_(batch))
        )
    keys: set[tuple[int, int]] = set()
    for some in in_batches(holding):
        rows = tx.connection.execute(
            sa.select(VISIT_SIGHTING.c.serial, VISIT_SIGHTING.c.ordinal).where(
                VISIT_SIGHTING.c.site_id == tx.site_id, VISIT_SIGHTING.c.sighting_id.in_(some)
            )
        )
        keys.update((serial, ordinal) for serial, ordinal in rows)
    if keys:
        # the sightings of a visit leave it with the visit
        for table in (VISIT_SIGHTING, VISIT):
            tx.connection.execute(
                sa.delete(table).where(
                    table.c.site_id == tx.site_id,
                    table.c.serial == sa.bindparam("its_serial"),
                    table.c.ordinal == sa.bindparam("its_ordinal"),
                ),
                [{"its_serial": serial, "its_ordinal": ordinal} for serial, ordinal in keys],
            )


def delete_person(tx: Transaction, person_id: str) -> Deleted:
    """A person with consents, photos and faces. Their serials stay, as nobody's, and so do their
    marks in registers, which name nobody any more."""
    tx.connection.execute(
        sa.update(IDENTITY)
        .where(IDENTITY.c.site_id == tx.site_id, IDENTITY.c.person_id == person_id)
        .values(person_id=None)
    )
    tx.connection.execute(
        sa.update(DECISION)
        .where(DECISION.c.site_id == tx.site_id, DECISION.c.runner_up_person_id == person_id)
        .values(runner_up_person_id=None)
    )
    forget_evidence_of(tx, person_id)
    gone = tx.connection.execute(
        sa.delete(PERSON).where(PERSON.c.site_id == tx.site_id, PERSON.c.person_id == person_id)
    ).rowcount
    tx.people.clear()
    return Deleted(people=gone, keys=destroy_keys(tx, [of_person(person_id)]))


def serials_in_use(tx: Transaction, serials: Collection[int]) -> set[int]:
    """Those of the serials that some stored sighting was given to."""
    found: set[int] = set()
    for batch in in_batches(sorted(serials)):
        found.update(
            tx.connection.scalars(
                sa.select(DECISION.c.serial)
                .distinct()
                .where(DECISION.c.site_id == tx.site_id, DECISION.c.serial.in_(batch))
            )
        )
    return found


def forget_identities(tx: Transaction, serials: Collection[int], *, gone: Collection[int]) -> int:
    """What identities look like, and what was proposed about them; of those that are ``gone`` the
    keys too: whoever only shared a sighting with them keeps theirs, and what it opens. The serials
    themselves stay: they are never given out again. Returns how many keys are gone."""
    for batch in in_batches(sorted(serials)):
        tx.connection.execute(
            sa.delete(MERGE_PROPOSAL).where(
                MERGE_PROPOSAL.c.site_id == tx.site_id,
                sa.or_(MERGE_PROPOSAL.c.serial.in_(batch), MERGE_PROPOSAL.c.into_serial.in_(batch)),
            )
        )
        tx.connection.execute(
            sa.update(PROTOTYPE)
            .where(PROTOTYPE.c.site_id == tx.site_id, PROTOTYPE.c.serial.in_(batch))
            .values(total=None)
        )
    for batch in in_batches(sorted(gone)):
        tx.connection.execute(
            sa.update(IDENTITY)
            .where(IDENTITY.c.site_id == tx.site_id, IDENTITY.c.serial.in_(batch))
            .values(label=None)
        )
    return destroy_keys(tx, [of_identity(serial) for serial in gone])


def stored_ids(tx: Transaction) -> tuple[list[str], list[str]]:
    """The ids of every sighting and every person that are stored."""
    sightings = tx.connection.scalars(
        sa.select(SIGHTING.c.sighting_id).where(SIGHTING.c.site_id == tx.site_id)
    ).all()
    people = tx.connection.scalars(
        sa.select(PERSON.c.person_id).where(PERSON.c.site_id == tx.site_id)
    ).all()
    return list(sightings), list(people)
