"""Enrolling and revoking boxes, with their rows in the audit."""

from __future__ import annotations

from datetime import datetime, timedelta

from sightgrid.domain.cameras import CAMERA_NAME
from sightgrid.domain.errors import InvalidValue, NotFound
from sightgrid.server.site import Site
from sightgrid.store import Transaction
from sightgrid.store import boxes as rows
from sightgrid.store.audit import note_event

CODE_VALID = timedelta(minutes=10)


def code_for(site: Site, name: str, *, actor: str) -> tuple[str, datetime]:
    """A one-time code for a new box, and until when it is valid.

    Raises:
        InvalidValue: the name can't be a box's.
    """
    if not CAMERA_NAME.fullmatch(name):
        raise InvalidValue(
            f"'{name}' is no name for a box", hint="use letters, digits, - and _, at most 100"
        )
    now = site.clock()

    def make(tx: Transaction) -> str:
        code = rows.make_code(tx, name, at=now, valid=CODE_VALID)
        note_event(tx, at=now, actor=actor, action="box-code-made", details={"box": name})
        return code

    return site.store.run(make), now + CODE_VALID


def redeem(
    site: Site, code: str, *, instance_id: str, version: str, address: str
) -> rows.EnrolledBox:
    """Exchanges a one-time code for a token.

    Raises:
        NotFound: the code is unknown, used or expired.
        SlowDown: too many wrong codes came from this address.
    """
    now = site.clock()

    def use(tx: Transaction) -> rows.EnrolledBox:
        box = rows.redeem_code(
            tx,
            code.strip().upper(),
            instance_id=instance_id,
            facts={"version": version},
            at=now,
        )
        note_event(
            tx,
            at=now,
            actor=f"box:{box.box_id}",
            action="box-enrolled",
            subject=f"box:{box.box_id}",
        )
        return box

    with site.door.guessing("box-code", address):
        return site.store.run(use)


def revoke(site: Site, box_id: str, *, actor: str) -> str:
    """Makes a box's token void; returns its name.

    Raises:
        NotFound: there is no such box.
    """
    now = site.clock()

    def end(tx: Transaction) -> str:
        named = {box.box_id: box.name for box in rows.boxes(tx)}
        if box_id not in named:
            raise NotFound(f"there is no box {box_id}", hint="'sightgrid box list' names them all")
        rows.revoke_box(tx, box_id, at=now)
        note_event(tx, at=now, actor=actor, action="box-revoked", subject=f"box:{box_id}")
        return named[box_id]

    return site.store.run(end)
