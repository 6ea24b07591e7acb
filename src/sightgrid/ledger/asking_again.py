"""Sightings that were unsure, asked again once somebody they may be is known better.

Somebody often comes into view too far away to be anybody, and is known a moment later.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np

from sightgrid.domain.faces import FaceCrop
from sightgrid.domain.presence import Band, Match, Sighting
from sightgrid.domain.tracklets import Look
from sightgrid.ledger.applying import Ground, apply
from sightgrid.ledger.deciding import Decider
from sightgrid.ledger.projection import Known
from sightgrid.recognition.bands import Bands
from sightgrid.recognition.templates import template_of
from sightgrid.store.sightings import StoredSighting, sighting
from sightgrid.store.standings import Unsure, unsure_between

A_WHILE = timedelta(minutes=10)
MOST_ASKED = 20
MOST_LOOKED_UP = 200


def ask_again(
    ground: Ground, decider: Decider, known: Known, bands: Bands, *, besides: str
) -> list[tuple[Sighting, Match]]:
    """Decides closed sightings of the last minutes anew that were unsure and are like ``known``;
    returns those that are given to somebody now."""
    span = known.prototype
    if span.last_seen is None:
        return []
    answered = []
    for asked in _unsure(ground, span.last_seen - A_WHILE, span.last_seen + A_WHILE):
        likeness = max(
            float(one @ asked.vector) for one in (known.enrolled, known.seen) if one is not None
        )
        if asked.sighting_id == besides or likeness < min(bands.likely, bands.same):
            continue
        seen = revived(sighting(ground.tx, asked.sighting_id))
        template = template_of(seen.looks, outlier=decider.policy.outlier)
        verdict = decider.decide(seen, template, None)
        if verdict.match.band is Band.UNSURE:
            continue
        match = apply(ground, seen, template, verdict, None)
        answered.append((seen, match))
    return answered


def look_up_unsure(ground: Ground, seen: Sequence[datetime]) -> None:
    """Reads the unsure sightings that a batch may ask again in one go, if they are few enough.

    Args:
        seen: when the sightings of the batch were last seen.
    """
    if len(seen) < 2:
        return
    start, end = min(seen) - A_WHILE, max(seen) + A_WHILE
    most = min(MOST_ASKED * len(seen), MOST_LOOKED_UP)
    stored = unsure_between(
        ground.tx, start, end, contract_id=ground.gallery.contract.id, most=most
    )
    if len(stored) < most:
        ground.unsure = start, end, tuple(stored)


def _stored_unsure(ground: Ground, start: datetime, end: datetime) -> Sequence[Unsure]:
    if ground.unsure is not None and ground.unsure[0] <= start and end <= ground.unsure[1]:
        return [one for one in ground.unsure[2] if start <= one.last_seen <= end]
    return unsure_between(
        ground.tx, start, end, contract_id=ground.gallery.contract.id, most=MOST_ASKED
    )


def _unsure(ground: Ground, start: datetime, end: datetime) -> list[Unsure]:
    """The newest unsure sightings between two moments, those of this batch among them."""
    stored = _stored_unsure(ground, start, end)
    found = [one for one in stored if one.sighting_id not in ground.fresh]
    for fresh in ground.fresh.values():
        seen = fresh.sighting
        if (
            fresh.serial is None
            and fresh.vector is not None
            and seen.closed
            and start <= seen.last_seen <= end
        ):
            found.append(Unsure(seen.sighting_id, seen.last_seen, fresh.vector))
    found.sort(key=lambda one: one.sighting_id)
    found.sort(key=lambda one: one.last_seen, reverse=True)
    return found[:MOST_ASKED]


def revived(stored: StoredSighting) -> Sighting:
    """A stored sighting as it came, but for the pixels."""
    return Sighting(
        sighting_id=stored.sighting_id,
        revision=stored.revision,
        closed=stored.closed,
        camera=stored.camera,
        group=stored.group,
        path=stored.path,
        looks=tuple(
            Look(
                look.counter,
                FaceCrop(
                    np.zeros((0, 0, 3), np.uint8),
                    look.quality,
                    look.captured_at,
                    look.frame_index,
                    look.box_in_frame,
                    look.landmarks_in_frame,
                    look.detection_score,
                ),
                look.embedding,
            )
            for look in stored.looks
        ),
    )
