"""Naming a stranger, and proposed merges with their evidence."""

from __future__ import annotations

import base64
import json
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, Field

from sightgrid.domain.accounts import Caller, Permission
from sightgrid.domain.errors import InvalidValue
from sightgrid.ledger import proposing
from sightgrid.ledger.proposing import Evidence
from sightgrid.ledger.regrouping_nightly import propose_merges
from sightgrid.server import edits
from sightgrid.server.api.answers import Cursor, Limit, Moment
from sightgrid.server.api.edits import EditAnswer, do_edit, made_by
from sightgrid.server.callers import ThisSite, allowed
from sightgrid.store.audit import note_event
from sightgrid.store.identities import IdentityRow
from sightgrid.store.proposals import ACCEPTED, DECLINED, OPEN, proposals_page

router = APIRouter(tags=["edits"])
Editor = Annotated[Caller, Depends(allowed(Permission.EDIT_IDENTITIES))]
Serial = Annotated[int, Path(ge=1, le=2**31 - 1)]
Preview = Annotated[bool, Query(description="Only say what would change.")]


class Status(StrEnum):
    """What was said to a proposal."""

    OPEN = OPEN
    ACCEPTED = ACCEPTED
    REFUSED = DECLINED


class Name(BaseModel):
    """Who the serial is: somebody of the roster who agreed to be recognised."""

    person_id: str = Field(max_length=36)
    reason: str = Field(default="", max_length=500)


class Why(BaseModel):
    """The reason for an answer."""

    reason: str = Field(default="", max_length=500)


class SideAnswer(BaseModel):
    """One of the two identities of a proposal, as it is now. ``pictures`` are sightings whose crops
    are kept, the best first."""

    identity: int
    person: str | None
    cameras: list[str]
    visits: int
    sightings: int
    first_seen: Moment | None
    last_seen: Moment | None
    pictures: list[str]


class ProposalAnswer(BaseModel):
    """That ``serial`` may be ``into``: how alike they are, what would have been enough, and both
    sides. ``edit_id`` undoes the answer."""

    serial: int
    into: int
    similarity: float
    threshold: float
    reason: str
    status: Status
    proposed_at: Moment
    answered_at: Moment | None
    edit_id: str | None
    one: SideAnswer
    other: SideAnswer


class ProposalList(BaseModel):
    """A page of proposals, the surest first."""

    items: list[ProposalAnswer]
    next_cursor: str | None = None


class Sought(BaseModel):
    """How many identities were compared, and how many proposals are new."""

    identities: int
    proposed: int


@router.post("/identities/{serial}/name")
def name(
    serial: Serial, body: Name, caller: Editor, site: ThisSite, preview: Preview = False
) -> EditAnswer:
    """This stranger is somebody of the roster; everything seen of the serial is theirs."""
    return do_edit(
        site,
        caller,
        lambda tx: proposing.name_as(
            tx, serial, body.person_id, **made_by(site, caller, body.reason)
        ),
        ("name", f"serial:{serial}", body.reason),
        preview=preview,
    )


@router.get("/proposals")
def list_proposals(
    caller: Editor,
    site: ThisSite,
    status: Status = Status.OPEN,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> ProposalList:
    """Serials that may be one person, with what speaks for it."""
    edits.check_sees_everything(caller)
    after = _read_cursor(cursor)
    names = caller.may(Permission.SEE_NAMES)
    with site.store.snapshot() as tx:
        rows = proposals_page(tx, status.value, after=after, limit=limit + 1)
        items = proposing.with_evidence(tx, rows[:limit])
    last = rows[limit - 1] if len(rows) > limit else None
    return ProposalList(
        items=[_answer(one, names=names) for one in items],
        next_cursor=None
        if last is None
        else _write_cursor((last.similarity, last.serial, last.into)),
    )


@router.post("/proposals/search")
def seek_proposals(caller: Editor, site: ThisSite) -> Sought:
    """Compares every identity with every other now, as it is done at night."""
    edits.check_sees_everything(caller)
    now = site.clock()
    done = propose_merges(site.store, policy=site.policy, contract=site.contract, at=now)
    site.store.run(
        lambda tx: note_event(
            tx,
            at=now,
            actor=caller.known_as,
            action="proposals-sought",
            details={"proposed": done.proposed},
        )
    )
    return Sought(identities=done.identities, proposed=done.proposed)


@router.post("/proposals/{serial}/{into}/accept")
def accept(
    serial: Serial,
    into: Serial,
    body: Why,
    caller: Editor,
    site: ThisSite,
    preview: Preview = False,
) -> EditAnswer:
    """Yes, they are one person: merges them."""
    return do_edit(
        site,
        caller,
        lambda tx: proposing.accept(tx, serial, into, **made_by(site, caller, body.reason)),
        ("proposal-accepted", f"serial:{serial}", body.reason),
        preview=preview,
    )


@router.post("/proposals/{serial}/{into}/decline")
def decline(serial: Serial, into: Serial, body: Why, caller: Editor, site: ThisSite) -> EditAnswer:
    """No, they are two people: kept, and never proposed again."""
    return do_edit(
        site,
        caller,
        lambda tx: proposing.decline(tx, serial, into, **made_by(site, caller, body.reason)),
        ("proposal-declined", f"serial:{serial}", body.reason),
    )


def _answer(one: Evidence, *, names: bool) -> ProposalAnswer:
    row = one.proposal
    return ProposalAnswer(
        serial=row.serial,
        into=row.into,
        similarity=round(row.similarity, 4),
        threshold=round(row.threshold, 4),
        reason=row.reason,
        status=Status(row.status),
        proposed_at=row.proposed_at,
        answered_at=row.answered_at,
        edit_id=row.edit_id,
        one=_side(one.one, one.pictures[0], names=names),
        other=_side(one.other, one.pictures[1], names=names),
    )


def _side(row: IdentityRow, pictures: tuple[str, ...], *, names: bool) -> SideAnswer:
    return SideAnswer(
        identity=row.serial,
        person=row.person if names else None,
        cameras=list(row.cameras),
        visits=row.visits,
        sightings=row.sightings,
        first_seen=row.first_seen,
        last_seen=row.last_seen,
        pictures=list(pictures),
    )


def _write_cursor(place: tuple[float, int, int]) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def _read_cursor(cursor: str | None) -> tuple[float, int, int] | None:
    if cursor is None:
        return None
    try:
        similarity, serial, into = json.loads(
            base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        )
        return float(similarity), int(serial), int(into)
    except (ValueError, TypeError):
        raise InvalidValue("cursor: not one that an answer gave") from None
