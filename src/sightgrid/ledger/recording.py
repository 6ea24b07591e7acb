"""Writes what was settled into the store, in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from sightgrid.domain.errors import StoreError
from sightgrid.domain.grid import CameraGrid
from sightgrid.domain.people import EnrolledPerson
from sightgrid.domain.presence import Visit
from sightgrid.ledger.answers import Settlement
from sightgrid.store import Store
from sightgrid.store.cameras import save_grid
from sightgrid.store.decisions import record_decisions
from sightgrid.store.identities import mint
from sightgrid.store.people import enrol
from sightgrid.store.sightings import insert_sightings
from sightgrid.store.visits import save_visits


def record(
    store: Store,
    settlement: Settlement,
    *,
    visits: Sequence[Visit],
    people: Iterable[EnrolledPerson],
    grid: CameraGrid,
    cameras: Sequence[str],
    crop_paths: Mapping[str, Sequence[str]],
    at: datetime,
) -> None:
    """Stores a settlement in an empty ledger.

    Args:
        crop_paths: by sighting id, relative to the run's folder, best first.
        at: when it was decided.

    Raises:
        StoreError: the ledger gave out other serials, so it was not empty.
    """
    with store.transaction() as tx:
        save_grid(tx, grid, cameras)
        for person in people:
            enrol(tx, person)
        for identity in settlement.identities:
            minted = mint(
                tx,
                minted_at=settlement.minted_at.get(identity.serial, at),
                person=identity.person,
            )
            if minted.serial != identity.serial:
                raise StoreError(
                    f"the ledger is not empty: it gave out serial {minted.serial} "
                    f"where {identity.serial} was due"
                )
        insert_sightings(tx, [d.sighting for d in settlement.decisions], crop_paths=crop_paths)
        record_decisions(tx, settlement.decisions, decided_at=at)
        save_visits(tx, visits)
