"""Proposes merges, at night: serials that may be one person, however long apart they were seen.

Live, only strangers of the last day are compared. Here every identity that is still kept is, and
what is alike enough becomes a proposal that a human accepts or refuses; nothing is merged by
itself. What was refused is not proposed again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sightgrid.domain.faces import EmbeddingContract
from sightgrid.domain.grid import CameraGrid
from sightgrid.ledger.constraints import cannot_links, reach_of
from sightgrid.ledger.groups import bar_of
from sightgrid.ledger.projection import Known, LiveGallery
from sightgrid.recognition.bands import Bands
from sightgrid.recognition.calibration import Policy
from sightgrid.store import Store, Transaction
from sightgrid.store.cameras import grid
from sightgrid.store.edits import Proposal, propose, said_apart
from sightgrid.store.standings import decided_of

EVERYTHING = timedelta(days=365 * 100)
NEAREST = 8


@dataclass(frozen=True, slots=True)
class Regrouped:
    """How many identities were compared, and how many proposals are new."""

    identities: int
    proposed: int


def propose_merges(
    store: Store, *, policy: Policy, contract: EmbeddingContract, at: datetime
) -> Regrouped:
    """Compares every identity with every other, and writes down which may be one person.

    Reads in one snapshot, without keeping anybody waiting; only the proposals are written under
    the site's lock.
    """
    with store.snapshot() as tx:
        gallery = LiveGallery(contract, window=EVERYTHING)
        gallery.refresh(tx, now=at)
        bands = policy.bands(enrolled=gallery.people, identities=len(gallery))
        found = _proposals(tx, gallery, bands, grid(tx))

    def write(tx: Transaction) -> int:
        tx.lock_site()
        return propose(tx, found, at=at)

    return Regrouped(len(gallery), store.run(write))


def _proposals(
    tx: Transaction, gallery: LiveGallery, bands: Bands, its_grid: CameraGrid
) -> list[Proposal]:
    found: dict[tuple[int, int], Proposal] = {}
    for one in gallery.everybody():
        if one.seen is None or one.person_id is not None:
            continue
        for other in gallery.nearest(one.seen, NEAREST):
            if other is one:
                continue
            proposal = _proposal(one, other, bands)
            if proposal is None or (proposal.serial, proposal.into) in found:
                continue
            if not _kept_apart(tx, gallery, one, other, its_grid):
                found[proposal.serial, proposal.into] = proposal
    return sorted(found.values(), key=lambda proposal: -proposal.similarity)


def _proposal(one: Known, other: Known, bands: Bands) -> Proposal | None:
    """The later stranger into the earlier, or into the enrolled person; ``None`` if unlike."""
    if one.seen is None:
        return None
    if other.enrolled is not None:
        similarity, threshold = float(other.enrolled @ one.seen), bands.likely
        if similarity >= threshold:
            why = "its sightings together are like the enrolled faces"
            return Proposal(one.serial, other.serial, similarity, threshold, why)
    if other.seen is None:
        return None
    similarity = float(other.seen @ one.seen)
    threshold = bands.same + max(
        bar_of(known.prototype.best_worth, bands) for known in (one, other)
    )
    if similarity < threshold:
        return None
    serial, into = one.serial, other.serial
    if other.person_id is None and serial < into:
        serial, into = into, serial
    return Proposal(serial, into, similarity, threshold, "their sightings together are alike")


def _kept_apart(
    tx: Transaction, gallery: LiveGallery, one: Known, other: Known, its_grid: CameraGrid
) -> bool:
    families = gallery.family(one.serial), gallery.family(other.serial)
    if said_apart(tx, families[0], families[1]):
        return True
    spans = [known.prototype for known in (one, other)]
    starts = [span.first_seen for span in spans if span.first_seen is not None]
    ends = [span.last_seen for span in spans if span.last_seen is not None]
    if len(starts) < 2 or len(ends) < 2:
        return False
    reach = reach_of(its_grid)
    # only where both were about can one keep the other apart
    since, until = max(starts) - reach, min(ends) + reach
    if since > until:
        return False
    seen = [decided_of(tx, family, since=since, until=until) for family in families]
    both = [*seen[0], *seen[1]]
    return any(
        (a < len(seen[0])) != (b < len(seen[0])) for a, b in cannot_links(both, grid=its_grid)
    )
