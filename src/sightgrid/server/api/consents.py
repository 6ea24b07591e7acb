"""Consents: who agreed to be recognised, to which text, and what shows it."""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256
from typing import Annotated

from fastapi import APIRouter, Depends, Path
from pydantic import AwareDatetime, BaseModel, Field

from sightgrid.domain.accounts import Caller, Permission
from sightgrid.domain.errors import InvalidFields
from sightgrid.domain.people import Consent, Method
from sightgrid.server import people
from sightgrid.server.api.answers import Moment
from sightgrid.server.callers import ThisSite, allowed
from sightgrid.store.consents import consents_of
from sightgrid.store.roster import person_row

router = APIRouter(prefix="/people/{person_id}/consents", tags=["people"])
Viewer = Annotated[Caller, Depends(allowed(Permission.SEE_PEOPLE))]
Manager = Annotated[Caller, Depends(allowed(Permission.MANAGE_PEOPLE))]
PersonId = Annotated[str, Path(max_length=36)]
Line = Annotated[str, Field(min_length=1, max_length=200)]
Word = Annotated[str, Field(min_length=1, max_length=32)]


class NewConsent(BaseModel):
    """That somebody agreed. The text agreed to is given whole (``text``) or by its SHA-256.
    ``channel`` is how (paper, web, e-mail…), ``evidence`` where that can be looked up. For a child
    ``guardian`` names who agreed."""

    purpose: Line = "recognition"
    text_version: Line
    text: Annotated[str, Field(max_length=40_000)] | None = None
    text_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    language: Word = "en"
    channel: Word
    evidence: Annotated[str, Field(min_length=1, max_length=2000)]
    given_by: Line
    given_at: AwareDatetime | None = None
    expires_at: AwareDatetime | None = None
    guardian: Line | None = None


class Withdrawal(BaseModel):
    """How the person shows from now on that they are here."""

    method: Method = Method.TAP
    reason: Annotated[str, Field(max_length=500)] = ""


class ConsentAnswer(BaseModel):
    """A consent; ``holds`` says whether it is valid now."""

    consent_id: str
    purpose: str
    text_version: str
    text_sha256: str
    language: str
    channel: str
    evidence: str
    given_by: str
    guardian: str | None
    recorded_by: str
    given_at: Moment
    expires_at: Moment | None
    withdrawn_at: Moment | None
    holds: bool


class ConsentList(BaseModel):
    """Every consent that a person ever gave, in order of time."""

    items: list[ConsentAnswer]
    next_cursor: str | None = None


class WithdrawnAnswer(BaseModel):
    """What a withdrawal came to: the method from now on, and how many pictures of sightings are
    gone beside all enrolled faces and photos."""

    method: Method
    crops_deleted: int


@router.get("")
def list_consents(person_id: PersonId, caller: Viewer, site: ThisSite) -> ConsentList:
    """What a person agreed to, and when."""
    now = site.clock()
    with site.store.snapshot() as tx:
        person_row(tx, person_id, at=now)
        found = consents_of(tx, person_id)
    return ConsentList(items=[_answer(key, one, now) for key, one in found.items()])


@router.post("", status_code=201)
def give_consent(
    person_id: PersonId, body: NewConsent, caller: Manager, site: ThisSite
) -> ConsentAnswer:
    """Writes down that somebody agreed to be recognised."""
    now = site.clock()
    digest = body.text_sha256
    if body.text is not None:
        hashed = sha256(body.text.encode()).hexdigest()
        if digest not in (None, hashed):
            raise InvalidFields({"text_sha256": "is not that of the text"})
        digest = hashed
    if digest is None:
        raise InvalidFields({"text": "is required: what was agreed to, or its SHA-256"})
    given = Consent(
        purpose=body.purpose,
        text_version=body.text_version,
        text_sha256=digest,
        language=body.language,
        channel=body.channel,
        evidence=body.evidence,
        given_by=body.given_by,
        recorded_by=caller.known_as,
        given_at=body.given_at or now,
        expires_at=body.expires_at,
        guardian=body.guardian,
    )
    consent_id = people.consent(site, person_id, given, actor=caller.known_as)
    return _answer(consent_id, given, now)


@router.post("/{consent_id}/withdraw")
def withdraw_consent(
    person_id: PersonId,
    consent_id: Annotated[str, Path(max_length=36)],
    body: Withdrawal,
    caller: Manager,
    site: ThisSite,
) -> WithdrawnAnswer:
    """The person agrees no more: faces, photos and pictures of theirs are deleted at once, and
    they show by another method that they are here."""
    done = people.withdraw(
        site,
        person_id,
        consent_id,
        method=body.method,
        actor=caller.known_as,
        reason=body.reason,
    )
    return WithdrawnAnswer(method=done.method, crops_deleted=done.crops)


def _answer(consent_id: str, one: Consent, now: datetime) -> ConsentAnswer:
    return ConsentAnswer(
        consent_id=consent_id,
        purpose=one.purpose,
        text_version=one.text_version,
        text_sha256=one.text_sha256,
        language=one.language,
        channel=one.channel,
        evidence=one.evidence,
        given_by=one.given_by,
        guardian=one.guardian,
        recorded_by=one.recorded_by,
        given_at=one.given_at,
        expires_at=one.expires_at,
        withdrawn_at=one.withdrawn_at,
        holds=one.holds(now),
    )
