"""The records that one transaction takes in: what is known of them, and what is answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sightgrid.domain.frames import format_time
from sightgrid.domain.presence import Match, Sighting
from sightgrid.ledger.applying import Ground
from sightgrid.ledger.arriving import ArrivedGap, Ready, Refused, id_of, revision_of
from sightgrid.ledger.deciding import Decider
from sightgrid.store.outbox import Body
from sightgrid.store.receiving import Quarantined, Received, quarantine
from sightgrid.store.standings import Standing, standing_of
from sightgrid.wire.receipts import Receipt, Status

UNKNOWN_ID = "00000000-0000-0000-0000-000000000000"


@dataclass(slots=True, eq=False)
class Batch:
    """What a transaction comes to while its records are taken in. ``each_alone`` says that every
    record has a savepoint of its own."""

    ground: Ground
    each_alone: bool
    purposes: Mapping[str, frozenset[str]]
    received: dict[str, list[Received]]
    standings: Mapping[str, Standing]
    erased: set[str]
    box_id: str = ""
    events: list[tuple[str, str, Body]] = field(default_factory=list)
    deciders: dict[bool, Decider] = field(default_factory=dict)

    def standing(self, sighting_id: str) -> Standing | None:
        """How a sighting stands by now."""
        if sighting_id in self.ground.fresh:
            return standing_of(self.ground.tx, sighting_id)
        return self.standings.get(sighting_id)


def known_before(batch: Batch, sighting_id: str, revision: int, sha256: str) -> Receipt | None:
    """The answer for a record whose sighting is known, if that settles it."""
    before = batch.received.get(sighting_id, [])
    for one in before:
        if one.box_id != batch.box_id or (one.revision == revision and one.sha256 != sha256):
            return Receipt(sighting_id, revision, sha256, Status.REJECTED, "conflict")
    if any(one.revision >= revision for one in before):
        return Receipt(sighting_id, revision, sha256, Status.DUPLICATE)
    return None


def conflict(sighting_id: str, revision: int, sha256: str) -> Refused:
    """A record that contradicts what was received before."""
    return Refused(
        sighting_id,
        revision,
        sha256,
        "conflict",
        "this revision was received before, with other content or from another box",
    )


def refuse(batch: Batch, refused: Refused) -> Receipt:
    """Notes a record that is not taken, and answers it."""
    if refused.permanent:
        quarantine(
            batch.ground.tx,
            Quarantined(
                batch.box_id,
                refused.sighting_id or UNKNOWN_ID,
                refused.revision or 0,
                refused.sha256,
                refused.code,
                refused.message,
                batch.ground.at,
            ),
        )
    return Receipt(
        refused.sighting_id,
        refused.revision,
        refused.sha256,
        Status.REJECTED if refused.permanent else Status.RETRY,
        refused.code,
    )


def tell(
    batch: Batch,
    sighting: Sighting,
    match: Match,
    standing: Standing | None,
    joined: int | None,
) -> None:
    """Adds the events of an answer: of a new sighting, a newer revision, the last one.

    Args:
        standing: how the sighting stood before.
        joined: the identity that the one it was given to turned out to be.
    """
    gallery = batch.ground.gallery
    root = joined if joined is not None else match.serial
    known = None if root is None else gallery.get(root)
    body: Body = {
        "sighting_id": sighting.sighting_id,
        "revision": sighting.revision,
        "camera": sighting.camera,
        "serial": root,
        "person_id": None if known is None else known.person_id,
        "band": match.band.value,
        "score": match.score,
        "first_seen": format_time(sighting.first_seen),
        "last_seen": format_time(sighting.last_seen),
        "closed": sighting.closed,
        "before": None if standing is None else standing.serial,
    }
    kinds = ["update" if standing is not None else "new"]
    if sighting.closed:
        kinds = ["end"] if standing is not None else ["new", "end"]
    batch.events += [(kind, sighting.sighting_id, body) for kind in kinds]


def receipt_of(one: Ready | ArrivedGap, status: Status, *, code: str | None = None) -> Receipt:
    """The answer for a record."""
    return Receipt(id_of(one), revision_of(one), one.sha256, status, code)
