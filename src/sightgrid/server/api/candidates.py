"""Why a sighting got its name, and the groups that an identity falls into."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel

from sightgrid.domain.accounts import Caller, Permission
from sightgrid.domain.errors import NotFound
from sightgrid.domain.presence import Band
from sightgrid.ledger.candidates import Likeness, likenesses
from sightgrid.ledger.subgroups import FINEST, subgroups
from sightgrid.recognition.bands import Bands
from sightgrid.server.api.answers import Moment
from sightgrid.server.api.identities import IdentityAnswer, identity_answer, seen_by
from sightgrid.server.api.sightings import SightingAnswer, SightingId, sighting_answer
from sightgrid.server.callers import ThisSite, allowed, hide_foreign
from sightgrid.server.edits import check_sees_everything
from sightgrid.server.site import Site
from sightgrid.store import Transaction
from sightgrid.store.edits import forbidden_serials
from sightgrid.store.identities import family_of
from sightgrid.store.listing import sightings_named
from sightgrid.store.looks import template_of, templates_of
from sightgrid.store.sightings import StoredLook, sighting
from sightgrid.store.standings import standing_of

router = APIRouter(tags=["sightings"])
Viewer = Annotated[Caller, Depends(allowed(Permission.SEE_SIGHTINGS))]
Editor = Annotated[Caller, Depends(allowed(Permission.EDIT_IDENTITIES))]
Serial = Annotated[int, Path(ge=1, le=2**31 - 1)]
_MOST_CANDIDATES = 5
MOST_GROUPED = 300


class LookAnswer(BaseModel):
    """One picture of the face and how good it is; every quality is 0-1, 1 the best."""

    rank: int
    captured_at: Moment
    face_width_px: float
    size: float
    sharpness: float
    light: float
    pose: float
    visible: float
    overall: float


class CandidateAnswer(BaseModel):
    """An identity that the face is like now. ``score`` is the similarity to its mean face,
    ``closest_score`` to the sighting of it that is most like this one; ``needed`` is the score from
    which the ledger would give it this name by itself."""

    identity: IdentityAnswer
    score: float
    closest: str | None
    closest_has_crop: bool
    closest_score: float | None
    needed: float
    refused: bool


class WhyAnswer(BaseModel):
    """Why a sighting has its name: what was decided then, what people said since, and whom the
    face is like now. ``own_band`` and ``own_identity`` are the ledger's own answer where an edit
    says otherwise."""

    sighting: SightingAnswer
    edited: bool
    own_band: Band | None
    own_identity: int | None
    looks: list[LookAnswer]
    candidates: list[CandidateAnswer]
    lead_needed: float


class GroupAnswer(BaseModel):
    """Some sightings of an identity that are alike; ``likeness`` is that of their mean to the
    largest group's."""

    sightings: list[str]
    likeness: float
    cameras: list[str]
    first_seen: Moment
    last_seen: Moment


class GroupsAnswer(BaseModel):
    """The groups, the largest first. ``compared`` says how many of the ``sightings`` were looked
    at: the best ones."""

    identity: int
    groups: list[GroupAnswer]
    compared: int
    sightings: int


@router.get("/sightings/{sighting_id}/candidates")
def explain(sighting_id: SightingId, caller: Viewer, site: ThisSite) -> WhyAnswer:
    """Why this sighting has its name."""
    with site.store.snapshot() as tx:
        rows = sightings_named(tx, [sighting_id])
        if not rows:
            raise NotFound("there is no such thing here, or it is not yours to see")
        hide_foreign(rows[0].camera, caller)
        looks = sighting(tx, sighting_id).looks
        face = template_of(tx, sighting_id, site.contract.id)
        standing = standing_of(tx, sighting_id)
        refused = forbidden_serials(tx, sighting_id)
    own = None if standing is None else standing.own
    lead = 0.0
    candidates: list[CandidateAnswer] = []
    if face is not None:
        bands = _bands(site)
        lead = bands.margin
        near = site.faces.nearest(face.vector, _MOST_CANDIDATES)
        with site.store.snapshot() as tx:
            found = likenesses(tx, face, near, site.contract.id, cameras=caller.account.cameras)
            answers = [_candidate(tx, caller, one, refused, bands) for one in found]
        candidates = [one for one in answers if one is not None]
    return WhyAnswer(
        sighting=sighting_answer(rows[0], caller),
        edited=own is not None,
        own_band=None if own is None else own[0],
        own_identity=None if own is None else own[1],
        looks=[_look(rank, look) for rank, look in enumerate(looks, 1)],
        candidates=candidates,
        lead_needed=round(lead, 4),
    )


@router.get("/identities/{serial}/groups")
def show_groups(
    serial: Serial,
    caller: Editor,
    site: ThisSite,
    finer: Annotated[int, Query(ge=0, le=FINEST, description="Steps to smaller groups.")] = 0,
) -> GroupsAnswer:
    """The groups that an identity's sightings fall into when they are compared more strictly:
    what to look at before a split."""
    check_sees_everything(caller)
    bands = _bands(site)
    with site.store.snapshot() as tx:
        card = seen_by(tx, serial, caller)
        _, family = family_of(tx, card.serial)
        faces = templates_of(tx, family, site.contract.id, most=MOST_GROUPED)
    at = {face.sighting_id: face for face in faces}
    answers = []
    for one in subgroups(faces, bands=bands, finer=finer):
        its = [at[sighting_id] for sighting_id in one.sightings]
        answers.append(
            GroupAnswer(
                sightings=list(one.sightings),
                likeness=one.likeness,
                cameras=sorted({face.camera for face in its}),
                first_seen=its[0].first_seen,
                last_seen=its[-1].first_seen,
            )
        )
    return GroupsAnswer(
        identity=card.serial, groups=answers, compared=len(faces), sightings=card.sightings
    )


def _bands(site: Site) -> Bands:
    """The bands that hold for as many identities as there are."""
    site.faces.refresh(site.store)
    return site.policy.bands(enrolled=site.faces.people, identities=site.faces.identities)


def _candidate(
    tx: Transaction, caller: Caller, one: Likeness, refused: set[int], bands: Bands
) -> CandidateAnswer | None:
    try:
        card = seen_by(tx, one.serial, caller)
    except NotFound:
        # of somebody whom none of the caller's cameras saw nothing is told
        return None
    return CandidateAnswer(
        identity=identity_answer(card, caller),
        score=round(one.score, 4),
        closest=None if one.closest is None else one.closest.sighting_id,
        closest_has_crop=one.closest is not None and one.closest.has_crop,
        closest_score=None if one.closest_score is None else round(one.closest_score, 4),
        needed=round(bands.likely if one.enrolled else bands.same, 4),
        refused=not refused.isdisjoint(one.family),
    )


def _look(rank: int, look: StoredLook) -> LookAnswer:
    quality = look.quality
    return LookAnswer(
        rank=rank,
        captured_at=look.captured_at,
        face_width_px=round(quality.face_width_px, 1),
        size=round(quality.size, 3),
        sharpness=round(quality.sharpness, 3),
        light=round(quality.light, 3),
        pose=round(quality.pose, 3),
        visible=round(quality.visible, 3),
        overall=round(quality.overall, 3),
    )
