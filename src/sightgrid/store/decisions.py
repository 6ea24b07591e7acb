"""The ledger's answers, one for each revision of a sighting."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from sightgrid.domain.presence import Band, Candidate, Decision
from sightgrid.store.batches import in_batches
from sightgrid.store.columns import REASON_LENGTH
from sightgrid.store.identities import DECIDED, family_of
from sightgrid.store.people import person_id
from sightgrid.store.schema import DECISION, IDENTITY, SIGHTING
from sightgrid.store.session import Transaction
from sightgrid.store.sightings import crop_paths_of


@dataclass(frozen=True, slots=True)
class DecidedSighting:
    """A sighting in short and what was decided about it. ``serial`` is the one that was given
    then, before any merge; ``crop_paths`` are relative to the run's folder, best first."""

    sighting_id: str
    camera: str
    group: int
    first_seen: datetime
    last_seen: datetime
    faces: int
    quality: float
    serial: int
    band: Band
    score: float | None
    margin: float | None
    reason: str
    crop_paths: tuple[str, ...]


def record_decision(
    tx: Transaction,
    decision: Decision,
    *,
    decided_at: datetime,
    own: tuple[Band, int | None] | None = None,
    first: bool = False,
) -> None:
    """Stores one answer; see :func:`record_decisions`.

    Args:
        own: what the ledger said by itself, where an edit says otherwise.
        first: this revision has no answer yet that would have to be replaced.
    """
    row = _row(tx, decision, decided_at, _whose(tx, [decision]))
    if own is not None:
        row |= {"own_band": own[0].value, "own_serial": own[1]}
    if not first:
        _remove(tx, [row])
    tx.insert_later(DECISION, [row])


def record_decisions(
    tx: Transaction, decisions: Iterable[Decision], *, decided_at: datetime
) -> None:
    """Stores answers. The sightings, serials and people they name have to be stored before; a
    second answer for the same revision replaces the first.

    Raises:
        NotFound: a runner-up that is nobody enrolled.
        StoreError: a sighting or serial that isn't stored.
    """
    decisions = list(decisions)
    whose = _whose(tx, decisions)
    rows = [_row(tx, decision, decided_at, whose) for decision in decisions]
    if not rows:
        return
    _remove(tx, rows)
    tx.insert_later(DECISION, rows)


def _remove(tx: Transaction, rows: Sequence[dict[str, Any]]) -> None:
    tx.connection.execute(
        sa.delete(DECISION).where(
            DECISION.c.site_id == tx.site_id,
            DECISION.c.sighting_id == sa.bindparam("its_id"),
            DECISION.c.revision == sa.bindparam("its_revision"),
        ),
        [{"its_id": row["sighting_id"], "its_revision": row["revision"]} for row in rows],
    )


def decisions_of(tx: Transaction, serial: int) -> list[DecidedSighting]:
    """Every sighting of an identity, merged serials included, in order of time.

    Raises:
        NotFound: there is no such serial.
    """
    _, family = family_of(tx, serial)
    of_family = sa.and_(DECISION.c.site_id == tx.site_id, DECISION.c.serial.in_(family))
    rows = tx.connection.execute(
        sa.select(
            SIGHTING.c.sighting_id,
            SIGHTING.c.camera,
            SIGHTING.c.group_no,
            SIGHTING.c.first_seen,
            SIGHTING.c.last_seen,
            SIGHTING.c.faces,
            SIGHTING.c.quality,
            DECISION.c.serial,
            DECISION.c.band,
            DECISION.c.score,
            DECISION.c.margin,
            DECISION.c.reason,
        )
        .join_from(DECISION, SIGHTING, DECIDED)
        .where(of_family)
        .order_by(SIGHTING.c.first_seen, SIGHTING.c.last_seen, SIGHTING.c.sighting_id)
    ).all()
    crops = crop_paths_of(tx, (row.sighting_id for row in rows))
    return [
        DecidedSighting(
            sighting_id=row.sighting_id,
            camera=row.camera,
            group=row.group_no,
            first_seen=row.first_seen,
            last_seen=row.last_seen,
            faces=row.faces,
            quality=row.quality,
            serial=row.serial,
            band=Band(row.band),
            score=row.score,
            margin=row.margin,
            reason=row.reason,
            crop_paths=crops.get(row.sighting_id, ()),
        )
        for row in rows
    ]


def _row(
    tx: Transaction, decision: Decision, decided_at: datetime, whose: Mapping[int, str | None]
) -> dict[str, Any]:
    match, runner_up, sighting = decision.match, decision.match.runner_up, decision.sighting
    reason = match.reason
    if len(reason) > REASON_LENGTH:
        reason = reason[: REASON_LENGTH - 1] + "…"
    return {
        "site_id": tx.site_id,
        "sighting_id": sighting.sighting_id,
        "revision": sighting.revision,
        "band": match.band.value,
        "serial": match.serial,
        "own_band": match.band.value,
        "own_serial": match.serial,
        "score": None if match.score is None else float(match.score),
        "margin": None if match.margin is None else float(match.margin),
        "runner_up_serial": None if runner_up is None else runner_up.serial,
        "runner_up_person_id": _runner_up_id(tx, runner_up, whose),
        "runner_up_score": None if runner_up is None else float(runner_up.score),
        "reason": reason,
        "decided_at": decided_at,
        "unsure_at": (
            sighting.last_seen if match.band is Band.UNSURE and sighting.closed else None
        ),
    }


def _runner_up_id(
    tx: Transaction, runner_up: Candidate | None, whose: Mapping[int, str | None]
) -> str | None:
    """By the serial where there is one: two people may have one name."""
    if runner_up is None or runner_up.person is None:
        return None
    known = None if runner_up.serial is None else whose.get(runner_up.serial)
    return known or person_id(tx, runner_up.person)


def _whose(tx: Transaction, decisions: Sequence[Decision]) -> dict[int, str | None]:
    """Whose the serials of runners-up with a name are. Those who are enrolled have been for a
    while, so rows that wait to be written don't matter."""
    rivals = [one.match.runner_up for one in decisions if one.match.runner_up is not None]
    named = {one.serial for one in rivals if one.person is not None and one.serial is not None}
    found: dict[int, str | None] = {}
    for batch in in_batches(sorted(named)):
        rows = tx.beside.execute(
            sa.select(IDENTITY.c.serial, IDENTITY.c.person_id).where(
                IDENTITY.c.site_id == tx.site_id, IDENTITY.c.serial.in_(batch)
            )
        )
        found.update((serial, person) for serial, person in rows)
    return found
