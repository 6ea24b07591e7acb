"""Legal holds: rows that say what must be kept, sealed, since they may name somebody."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from sightgrid.domain.errors import NotFound
from sightgrid.domain.frames import format_time
from sightgrid.domain.retention import HeldPerson, HeldSerial, HeldView, Hold, HoldScope
from sightgrid.store.schema_privacy import LEGAL_HOLD
from sightgrid.store.sealing import destroy_keys, load_keys, seal, unseal
from sightgrid.store.session import Transaction


def of_hold(hold_id: str) -> str:
    """The subject that a hold's scope and reason are sealed for."""
    return f"hold:{hold_id}"


def add_hold(
    tx: Transaction,
    scope: HoldScope,
    *,
    owner: str,
    reason: str,
    made_by: str,
    at: datetime,
    ends_at: datetime,
) -> Hold:
    """Adds a hold that begins at once."""
    hold_id = str(uuid4())
    body = {"scope": _written(scope), "owner": owner, "reason": reason}
    tx.connection.execute(
        sa.insert(LEGAL_HOLD),
        {
            "site_id": tx.site_id,
            "hold_id": hold_id,
            "body": seal(
                tx,
                json.dumps(body, ensure_ascii=False).encode(),
                subject=of_hold(hold_id),
                purpose="hold",
            ),
            "made_by": made_by,
            "made_at": at,
            "ends_at": ends_at,
        },
    )
    return Hold(hold_id, scope, owner, reason, made_by, at, ends_at)


def holds(tx: Transaction) -> list[Hold]:
    """Every hold, those that are over too, in the order they were made."""
    rows = tx.connection.execute(
        sa.select(LEGAL_HOLD)
        .where(LEGAL_HOLD.c.site_id == tx.site_id)
        .order_by(LEGAL_HOLD.c.made_at, LEGAL_HOLD.c.hold_id)
    ).all()
    load_keys(tx, (of_hold(row.hold_id) for row in rows))
    return [_hold(tx, row) for row in rows]


def end_hold(tx: Transaction, hold_id: str, *, by: str, at: datetime) -> Hold:
    """Ends a hold before its time; returns it as it is now.

    Raises:
        NotFound: there is no such hold, or it is over already.
    """
    found = next((one for one in holds(tx) if one.hold_id == hold_id), None)
    if found is None or not found.is_on(at):
        what = "there is no hold" if found is None else "this hold is over already:"
        raise NotFound(f"{what} {hold_id}", hint="'sightgrid privacy hold list' names them all")
    tx.connection.execute(
        sa.update(LEGAL_HOLD).where(_its_row(tx, hold_id)).values(ended_at=at, ended_by=by)
    )
    return next(one for one in holds(tx) if one.hold_id == hold_id)


def forget_hold(tx: Transaction, hold_id: str) -> int:
    """Deletes a hold with its key; returns how many keys are gone."""
    tx.connection.execute(sa.delete(LEGAL_HOLD).where(_its_row(tx, hold_id)))
    return destroy_keys(tx, [of_hold(hold_id)])


def _its_row(tx: Transaction, hold_id: str) -> sa.ColumnElement[bool]:
    return sa.and_(LEGAL_HOLD.c.site_id == tx.site_id, LEGAL_HOLD.c.hold_id == hold_id)


def _written(scope: HoldScope) -> dict[str, str | int]:
    match scope:
        case HeldSerial(serial):
            return {"serial": serial}
        case HeldPerson(person_id):
            return {"person_id": person_id}
        case HeldView(camera, since, until):
            return {"camera": camera, "since": format_time(since), "until": format_time(until)}


def _scope(written: dict[str, Any]) -> HoldScope:
    if "serial" in written:
        return HeldSerial(int(written["serial"]))
    if "person_id" in written:
        return HeldPerson(str(written["person_id"]))
    return HeldView(
        str(written["camera"]),
        datetime.fromisoformat(written["since"]),
        datetime.fromisoformat(written["until"]),
    )


def _hold(tx: Transaction, row: Any) -> Hold:
    body = json.loads(unseal(tx, row.body, subject=of_hold(row.hold_id), purpose="hold"))
    return Hold(
        hold_id=row.hold_id,
        scope=_scope(body["scope"]),
        owner=body["owner"],
        reason=body["reason"],
        made_by=row.made_by,
        made_at=row.made_at,
        ends_at=row.ends_at,
        ended_at=row.ended_at,
        ended_by=row.ended_by,
    )
