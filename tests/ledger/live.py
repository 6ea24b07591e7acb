"""A server's ledger without the server: records go in, rows come out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

from by_hand import CONTRACT, NOON, FixedPolicy

from sightgrid.domain.grid import CameraGrid
from sightgrid.domain.people import Consent, EnrolledPerson
from sightgrid.domain.presence import Sighting, Visit
from sightgrid.ledger.deciding import LiveSettings
from sightgrid.ledger.enrolling import enrol_faces, enrol_person
from sightgrid.ledger.taking_in import Arrived, Intake, TakenIn
from sightgrid.recognition.calibration import Policy
from sightgrid.store import Store
from sightgrid.store.cameras import save_grid
from sightgrid.store.identities import identities
from sightgrid.store.people import EnrolledFace
from sightgrid.store.standings import Standing, standing_of
from sightgrid.store.visits import visits_of

BOX = "b" * 36


def arrived(sighting: Sighting, content: str = "") -> Arrived:
    """A record of a sighting; the same one again unless ``content`` says otherwise."""
    crops = tuple(f"{sighting.sighting_id} {n}".encode() for n in range(len(sighting.looks)))
    text = f"{sighting.sighting_id} {sighting.revision} {content}"
    return Arrived(sighting, sha256(text.encode()).hexdigest(), crops)


def revised(sighting: Sighting, revision: int, *, closed: bool = True) -> Sighting:
    return replace(sighting, revision=revision, closed=closed)


def consent() -> Consent:
    return Consent(
        "attendance", "2026-01", "f" * 64, "en", "paper", "folder 3", "Anna", "Zoe", NOON
    )


class Live:
    """One process that takes in what a box sends."""

    def __init__(
        self, store: Store, *, policy: Policy | None = None, settings: LiveSettings | None = None
    ) -> None:
        self.store = store
        self.clock = NOON + timedelta(minutes=1)
        self.intake = Intake(
            store,
            policy=policy or FixedPolicy(),
            contract=CONTRACT,
            settings=settings,
            clock=lambda: self.clock,
        )

    def enrol(self, people: Iterable[EnrolledPerson]) -> None:
        with self.store.transaction() as tx:
            for person in people:
                known = enrol_person(tx, person.name, consent=consent(), at=NOON)
                faces = [EnrolledFace(face, b"crop") for face in person.faces]
                enrol_faces(tx, known.person_id, faces, photo=b"photo", at=NOON)

    def on(self, grid: CameraGrid, cameras: Sequence[str] = ()) -> None:
        with self.store.transaction() as tx:
            save_grid(tx, grid, cameras)

    def takes(self, *sightings: Sighting, box: str = BOX) -> TakenIn:
        return self.intake.take_in(box, [arrived(one) for one in sightings])

    def standing(self, sighting: Sighting) -> Standing:
        with self.store.snapshot() as tx:
            found = standing_of(tx, sighting.sighting_id)
        assert found is not None
        return found

    def serial(self, sighting: Sighting) -> int | None:
        return self.standing(sighting).serial

    def serials(self) -> list[tuple[int, str | None, int | None]]:
        """Serial, person, what it is merged into."""
        with self.store.snapshot() as tx:
            return [(row.serial, row.person, row.alias_of) for row in identities(tx)]

    def visits(self, serial: int) -> list[Visit]:
        with self.store.snapshot() as tx:
            return visits_of(tx, serial)
