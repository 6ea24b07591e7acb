"""Putting right who is who; everything can be undone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, Field

from sightgrid.domain.accounts import Caller, Permission
from sightgrid.domain.errors import InvalidValue
from sightgrid.ledger import editing
from sightgrid.ledger.editing import BY_PEOPLE, Consequences, MadeEdit
from sightgrid.server import edits
from sightgrid.server.api.answers import Cursor, Limit, Moment
from sightgrid.server.callers import ThisSite, allowed
from sightgrid.server.site import Site
from sightgrid.store import Transaction
from sightgrid.store.accounts import accounts
from sightgrid.store.edits import edits_made
from sightgrid.store.identities import family_of

router = APIRouter(tags=["edits"])
Editor = Annotated[Caller, Depends(allowed(Permission.EDIT_IDENTITIES))]
Serial = Annotated[int, Path(ge=1, le=2**31 - 1)]
Ids = Annotated[list[str], Field(min_length=1, max_length=5000)]
Reason = Annotated[str, Field(max_length=500)]
Preview = Annotated[bool, Query(description="Only say what would change.")]


class Merge(BaseModel):
    """Everything seen of the serial is to be ``into``'s."""

    into: int = Field(ge=1, le=2**31 - 1)
    reason: Reason = ""


class Sightings(BaseModel):
    """Some sightings, and why."""

    sightings: Ids
    reason: Reason = ""


class SightingsOf(BaseModel):
    """Some sightings and whom they are to be, or not to be."""

    sightings: Ids
    identity: int = Field(ge=1, le=2**31 - 1)
    reason: Reason = ""


class Hide(BaseModel):
    """Whether the identity is kept out of lists."""

    hidden: bool = True
    reason: Reason = ""


class Label(BaseModel):
    """A word of the site's own for a stranger; empty takes it away."""

    label: str = Field(max_length=200)
    reason: Reason = ""


class EditAnswer(BaseModel):
    """What an edit changed, or would change: ``edit_id`` is null for a preview. ``into`` is the new
    serial of a split. ``registers`` of closed sessions rest on what moved; they keep their marks.
    """

    edit_id: str | None
    into: int | None
    sightings: int
    visits: int
    identities: list[int]
    registers: int
    words: str


class EditRow(BaseModel):
    """One edit of the history. ``made_by_login`` is null where the account is gone."""

    edit_id: str
    kind: str
    made_by: str
    made_by_login: str | None
    made_at: Moment
    reason: str
    identity: int
    into: int | None
    sightings: int
    undone_at: Moment | None
    undone_by: str | None


class EditList(BaseModel):
    """Edits, the newest first."""

    items: list[EditRow]
    next_cursor: str | None = None


@router.post("/identities/{serial}/merge")
def merge(
    serial: Serial, body: Merge, caller: Editor, site: ThisSite, preview: Preview = False
) -> EditAnswer:
    """From now on this serial stands for another."""
    return do_edit(
        site,
        caller,
        lambda tx: editing.merge(tx, serial, into=body.into, **made_by(site, caller, body.reason)),
        ("merge", f"serial:{serial}", body.reason),
        preview=preview,
    )


@router.post("/identities/{serial}/split")
def split(
    serial: Serial, body: Sightings, caller: Editor, site: ThisSite, preview: Preview = False
) -> EditAnswer:
    """Some sightings are somebody else, who gets a new serial."""
    return do_edit(
        site,
        caller,
        lambda tx: editing.split(tx, serial, body.sightings, **made_by(site, caller, body.reason)),
        ("split", f"serial:{serial}", body.reason),
        preview=preview,
    )


@router.post("/identities/{serial}/hide")
def hide(serial: Serial, body: Hide, caller: Editor, site: ThisSite) -> EditAnswer:
    """Keeps an identity out of lists, or shows it again."""
    return do_edit(
        site,
        caller,
        lambda tx: editing.hide(
            tx, serial, hidden=body.hidden, **made_by(site, caller, body.reason)
        ),
        ("hide", f"serial:{serial}", body.reason),
    )


@router.post("/identities/{serial}/label")
def label(serial: Serial, body: Label, caller: Editor, site: ThisSite) -> EditAnswer:
    """Gives a stranger a word of the site's own."""
    return do_edit(
        site,
        caller,
        lambda tx: editing.label(tx, serial, body.label, **made_by(site, caller, body.reason)),
        ("label", f"serial:{serial}", body.reason),
    )


@router.post("/sightings/move")
def move(body: SightingsOf, caller: Editor, site: ThisSite, preview: Preview = False) -> EditAnswer:
    """Some sightings are this identity."""
    return do_edit(
        site,
        caller,
        lambda tx: editing.move(
            tx, body.sightings, into=body.identity, **made_by(site, caller, body.reason)
        ),
        ("move", f"serial:{body.identity}", body.reason),
        preview=preview,
    )


@router.post("/sightings/not-this")
def not_this(
    body: SightingsOf, caller: Editor, site: ThisSite, preview: Preview = False
) -> EditAnswer:
    """Some sightings are not this identity, now and whenever they are decided again."""
    return do_edit(
        site,
        caller,
        lambda tx: editing.not_this(
            tx, body.sightings, body.identity, **made_by(site, caller, body.reason)
        ),
        ("not-this", f"serial:{body.identity}", body.reason),
        preview=preview,
    )


@router.post("/sightings/confirm")
def confirm(
    body: SightingsOf, caller: Editor, site: ThisSite, preview: Preview = False
) -> EditAnswer:
    """The caller vouches that some sightings are this identity."""
    return do_edit(
        site,
        caller,
        lambda tx: editing.confirm(
            tx, body.sightings, body.identity, **made_by(site, caller, body.reason)
        ),
        ("confirm", f"serial:{body.identity}", body.reason),
        preview=preview,
    )


@router.get("/edits")
def list_edits(
    caller: Editor,
    site: ThisSite,
    limit: Limit = 100,
    cursor: Cursor = None,
    identity: Annotated[
        int | None, Query(ge=1, le=2**31 - 1, description="Only what concerns this one.")
    ] = None,
) -> EditList:
    """What people changed, the newest first, undone edits too."""
    edits.check_sees_everything(caller)
    before = _number_of(cursor)
    with site.store.snapshot() as tx:
        made = edits_made(tx, kinds=BY_PEOPLE)
        if identity is not None:
            family = set(family_of(tx, identity)[1])
            made = [one for one in made if {one.details["serial"], one.details["into"]} & family]
        logins = {one.account_id: one.login for one in accounts(tx)}
    made = [one for one in made if before is None or one.number < before]
    shown = made[-limit:]
    return EditList(
        next_cursor=str(shown[0].number) if len(made) > limit else None,
        items=[
            EditRow(
                edit_id=one.edit_id,
                kind=one.kind.value,
                made_by=one.made_by,
                made_by_login=logins.get(one.made_by.removeprefix("account:")),
                made_at=one.made_at,
                reason=one.reason,
                identity=one.details["serial"],
                into=one.details["into"],
                sightings=len(one.details["sightings"]),
                undone_at=one.undone_at,
                undone_by=one.undone_by,
            )
            for one in reversed(shown)
        ],
    )


@router.post("/edits/{edit_id}/undo")
def undo(
    edit_id: Annotated[str, Path(max_length=36)], caller: Editor, site: ThisSite
) -> EditAnswer:
    """Makes an edit count no more, whatever was done after it."""
    return _answer(None, None, edits.undo(site, caller, edit_id))


def _number_of(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if not cursor.isascii() or not cursor.isdecimal() or len(cursor) > 18:
        raise InvalidValue("cursor: not one that an answer gave")
    return int(cursor)


def made_by(site: Site, caller: Caller, reason: str) -> editing.Made:
    """Who makes an edit, why and when."""
    return {"by": caller.known_as, "reason": reason, "at": site.clock()}


def do_edit(
    site: Site,
    caller: Caller,
    work: Callable[[Transaction], MadeEdit],
    noted: tuple[str, str, str],
    *,
    preview: bool = False,
) -> EditAnswer:
    """Makes an edit, or says what it would change. ``noted`` are its action, subject and reason in
    the audit."""
    if preview:
        return _answer(None, None, edits.preview(site, caller, work))
    action, subject, reason = noted
    made = edits.make(site, caller, work, action=action, subject=subject, reason=reason)
    return _answer(made.edit_id, made.into, made.consequences)


def _answer(edit_id: str | None, into: int | None, what: Consequences) -> EditAnswer:
    return EditAnswer(
        edit_id=edit_id,
        into=into,
        sightings=what.sightings,
        visits=what.visits,
        identities=list(what.serials),
        registers=what.registers,
        words=str(what),
    )
