"""Visits kept up while sightings come in, one after another, in whatever order."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sightgrid.domain.grid import CameraGrid
from sightgrid.store import Transaction
from sightgrid.store.identities import links_of, roots
from sightgrid.store.prototypes import Prototype, added_up, contracts_of, save_prototype
from sightgrid.store.roster import recognisable
from sightgrid.store.visits import (
    all_visits,
    replace_visits,
    seen_of,
    sightings_of_visits,
    stored_visits,
    visits_around,
)
from sightgrid.trajectory.visits import GAP_SECS, Seen, visits_of_one


def extend_visits(
    tx: Transaction,
    serial: int,
    family: Collection[int],
    *,
    grid: CameraGrid,
    first_seen: datetime,
    last_seen: datetime,
    added: Seen | None = None,
    removed: str | None = None,
    first: bool = False,
    gap_secs: float = GAP_SECS,
) -> None:
    """Brings the visits of an identity up to date around a sighting that it got or lost.

    Only visits that the sighting can reach are looked at: those within ``gap_secs`` of it, and
    those within that of these, since being seen elsewhere parts visits. All of them are kept under
    ``serial``, the root; ``family`` are the serials that stand for it.

    Args:
        added: the sighting, as it is now; it replaces an earlier revision of itself.
        removed: the id of a sighting that is somebody else's now.
        first: the serial has just been minted, so it has no visits yet.
    """
    gap = timedelta(seconds=gap_secs)
    last, near = (
        (0, []) if first else visits_around(tx, serial, family, first_seen - gap, last_seen + gap)
    )
    if near:
        first_seen = min(first_seen, *(visit.first_seen for visit in near))
        last_seen = max(last_seen, *(visit.last_seen for visit in near))
        near = stored_visits(tx, family, first_seen - gap, last_seen + gap)
    seen: dict[str, Seen] = {one.sighting_id: one for one in sightings_of_visits(tx, near)}
    if added is not None:
        seen[added.sighting_id] = added
    if removed is not None:
        seen.pop(removed, None)
    anew = visits_of_one(serial, None, seen.values(), gap_secs=gap_secs, grid=grid) if seen else ()
    replace_visits(tx, serial, near, list(anew), last=last)


def reproject(
    tx: Transaction, serials: Collection[int], *, grid: CameraGrid, gap_secs: float = GAP_SECS
) -> None:
    """Writes visits and prototypes of some identities anew from their decisions, as after an edit
    that moved sightings or merged, split or parted serials. The site has to be locked.

    Args:
        serials: every serial whose sightings or aliases changed, before and after.
    """
    families = _families(tx, serials)
    old = {root: all_visits(tx, family) for root, family in families.items()}
    for root, its_old in old.items():
        # all of them first: a sighting that moved may not be in two visits even for a moment
        replace_visits(tx, root, its_old, [])
    forgotten = _forgotten(tx, families)
    for root, family in families.items():
        seen = seen_of(tx, family)
        anew = visits_of_one(root, None, seen, gap_secs=gap_secs, grid=grid) if seen else ()
        replace_visits(tx, root, old[root], list(anew))
        _add_up(tx, root, family, forgotten)


def add_up_anew(tx: Transaction, serials: Collection[int]) -> None:
    """Writes the prototypes of some identities anew from their sightings, and leaves their visits
    alone: for sightings that are gone because their time was over. The site has to be locked."""
    families = _families(tx, serials)
    forgotten = _forgotten(tx, families)
    for root, family in families.items():
        _add_up(tx, root, family, forgotten)


def _families(tx: Transaction, serials: Collection[int]) -> dict[int, list[int]]:
    """By root every serial that stands for it, for the roots of ``serials``."""
    merged = roots(tx)
    wanted = {root: [root] for root in sorted({merged.get(one, one) for one in serials})}
    for one, its_root in sorted(merged.items()):
        if its_root in wanted:
            wanted[its_root].append(one)
    return wanted


def _add_up(tx: Transaction, root: int, family: Sequence[int], forgotten: Collection[int]) -> None:
    for contract_id in contracts_of(tx, family):
        for member in family[1:]:
            save_prototype(tx, Prototype(member, contract_id))
        save_prototype(
            tx,
            Prototype(root, contract_id)
            if root in forgotten
            else added_up(tx, root, family, contract_id),
        )


def _forgotten(tx: Transaction, serials: Collection[int]) -> set[int]:
    """Those whose look may not be kept: of people who agreed no more, or were removed."""
    whose = {
        serial: person
        for serial, (person, _) in links_of(tx, serials).items()
        if person is not None
    }
    known = recognisable(tx, set(whose.values())) if whose else set()
    return {serial for serial, person in whose.items() if person not in known}
