"""Writes a verdict down: serial, decision, what its identity looks like, visits, what it moved."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from sightgrid.domain.grid import CameraGrid
from sightgrid.domain.presence import Decision, Match, Sighting
from sightgrid.ledger.deciding import Before, Fresh, Verdict
from sightgrid.ledger.extending import extend_visits
from sightgrid.ledger.projection import LiveGallery
from sightgrid.recognition.templates import Template
from sightgrid.store import Transaction
from sightgrid.store.decisions import record_decision
from sightgrid.store.edits import EditKind, record_edit
from sightgrid.store.identities import mint, set_alias
from sightgrid.store.prototypes import (
    Contribution,
    Prototype,
    added_up,
    contribution_of,
    save_prototype,
    save_template,
    with_sighting,
    without_sighting,
)
from sightgrid.store.standings import Standing, Unsure


@dataclass(slots=True, eq=False)
class Ground:
    """What a batch of sightings is decided on. The site is locked. ``fresh`` are the sightings
    decided on it so far, by their ids; ``unsure`` all that were unsure between two moments when it
    began, newest first, if they were looked up."""

    tx: Transaction
    gallery: LiveGallery
    grid: CameraGrid
    visit_gap_secs: float
    at: datetime
    fresh: dict[str, Fresh] = field(default_factory=dict)
    unsure: tuple[datetime, datetime, tuple[Unsure, ...]] | None = None


def before_of(ground: Ground, sighting_id: str, standing: Standing | None) -> Before | None:
    """How a sighting stood, if it was given to somebody."""
    if standing is None or standing.serial is None or standing.band is None:
        return None
    contribution = contribution_of(ground.tx, sighting_id, ground.gallery.contract.id)
    root = ground.gallery.root(standing.serial)
    return Before(root, standing.band, contribution, standing.own)


def apply(
    ground: Ground,
    sighting: Sighting,
    template: Template | None,
    verdict: Verdict,
    before: Before | None,
    *,
    first: bool = False,
) -> Match:
    """Stores the answer for a stored sighting and everything that follows from it; the gallery
    knows of it afterwards.

    Args:
        first: this revision has no answer yet.
    """
    tx, match = ground.tx, verdict.match
    if verdict.mints:
        minted = mint(tx, minted_at=sighting.first_seen)
        match = replace(match, serial=minted.serial)
    own = None if before is None else before.own
    record_decision(tx, Decision(sighting, match), decided_at=ground.at, own=own, first=first)
    contribution = _save_contribution(ground, sighting, template, match, verdict, before)
    ground.fresh[sighting.sighting_id] = Fresh(
        sighting, match.serial, None if template is None else template.vector
    )
    moved = before is not None and before.root != match.serial
    if before is not None and moved:
        _leave(ground, sighting, before, verdict, into=match.serial)
    if match.serial is not None:
        saved = _join(ground, sighting, match.serial, contribution, before, verdict)
        if not moved and ground.gallery.learn(saved, minted=verdict.mints):
            return match
    if moved or match.serial is not None:
        ground.gallery.refresh(tx, now=ground.at)
    return match


def _save_contribution(
    ground: Ground,
    sighting: Sighting,
    template: Template | None,
    match: Match,
    verdict: Verdict,
    before: Before | None,
) -> Contribution | None:
    """Keeps what the sighting adds to its identity; for an unsure one, what it may add one day."""
    contract_id = ground.gallery.contract.id
    if verdict.keeps and before is not None and before.contribution is not None:
        vector, worth = before.contribution.vector, before.contribution.worth
    elif template is None:
        save_template(ground.tx, sighting.sighting_id, None, 0.0, contract_id)
        return None
    else:
        vector = template.vector
        worth = template.worth if verdict.counts or match.serial is None else 0.0
    save_template(ground.tx, sighting.sighting_id, vector, worth, contract_id)
    if match.serial is None:
        return None
    return Contribution(vector, worth, sighting.first_seen, sighting.last_seen)


def _leave(
    ground: Ground, sighting: Sighting, before: Before, verdict: Verdict, *, into: int | None
) -> None:
    """Takes a sighting from the identity that it was given to by an earlier revision."""
    tx, gallery = ground.tx, ground.gallery
    details: dict[str, str | int | None] = {
        "sighting_id": sighting.sighting_id,
        "from": before.root,
        "to": into,
    }
    if verdict.vacated is not None and into is not None:
        # the serial was given out, so it goes on standing for whoever it turned out to be
        set_alias(tx, before.root, into)
        save_prototype(tx, Prototype(before.root, gallery.contract.id))
        record_edit(
            tx,
            EditKind.JOINED,
            details=details,
            reason="a later revision of its only sighting is somebody known",
            at=ground.at,
        )
        return
    family = gallery.family(before.root)
    save_prototype(tx, added_up(tx, before.root, family, gallery.contract.id))
    extend_visits(
        tx,
        before.root,
        family,
        grid=ground.grid,
        first_seen=sighting.first_seen,
        last_seen=sighting.last_seen,
        removed=sighting.sighting_id,
        gap_secs=ground.visit_gap_secs,
    )
    record_edit(
        tx,
        EditKind.MOVED,
        details=details,
        reason="a later revision of the sighting is somebody else",
        at=ground.at,
    )


def _join(
    ground: Ground,
    sighting: Sighting,
    root: int,
    contribution: Contribution | None,
    before: Before | None,
    verdict: Verdict,
) -> Prototype:
    """Adds a sighting, or its newer revision, to its identity; what this looks like now."""
    tx, gallery = ground.tx, ground.gallery
    known = gallery.get(root)
    prototype = Prototype(root, gallery.contract.id) if known is None else known.prototype
    if before is not None and before.root == root and before.contribution is not None:
        prototype = without_sighting(prototype, before.contribution)
    if contribution is not None:
        prototype = with_sighting(prototype, contribution)
    saved = save_prototype(tx, prototype)
    family, vacated = gallery.family(root), verdict.vacated
    extend_visits(
        tx,
        root,
        family if vacated is None else (*family, *gallery.family(vacated)),
        grid=ground.grid,
        first_seen=sighting.first_seen,
        last_seen=sighting.last_seen,
        added=sighting,
        first=verdict.mints,
        gap_secs=ground.visit_gap_secs,
    )
    return saved
