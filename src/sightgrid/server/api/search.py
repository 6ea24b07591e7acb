"""Has this face been seen? A photo is compared with everybody, strangers too."""

from __future__ import annotations

from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel

from sightgrid.domain.accounts import Caller, Permission
from sightgrid.ledger.photosearch import Hit
from sightgrid.server.api.answers import Moment
from sightgrid.server.callers import ThisSite, allowed
from sightgrid.server.photosearch import FaceHits, search_photo
from sightgrid.server.site import Site

router = APIRouter(tags=["search"])
Searcher = Annotated[Caller, Depends(allowed(Permission.SEARCH_PHOTO))]
_PICTURES = ("image/jpeg", "image/png", "image/webp", "image/bmp")


class FoundSightingAnswer(BaseModel):
    """When and where somebody found was seen; ``score`` is the similarity to that sighting, null
    where what it looked like is not kept any more."""

    sighting_id: str
    camera: str
    first_seen: Moment
    last_seen: Moment
    score: float | None


class FoundAnswer(BaseModel):
    """An identity that the face may be. ``score`` is the similarity to its mean face, ``closest``
    to the one sighting most like it; neither is a probability. ``wording`` is *same*, *possible* or
    *unlike*; ``band`` is what an answer with it would be: confirmed, likely, stranger or unsure.
    ``sightings`` are the newest of ``sightings_total``."""

    identity: int
    person_id: str | None
    person: str | None
    label: str
    score: float
    closest: float
    wording: str
    band: str
    cameras: list[str]
    first_seen: Moment | None
    last_seen: Moment | None
    best_sighting: str | None
    sightings_total: int
    sightings: list[FoundSightingAnswer]


class FaceAnswer(BaseModel):
    """A face of the photo: its box in pixels and whom it may be, the likeliest first."""

    box: list[float]
    found: list[FoundAnswer]


class SearchAnswer(BaseModel):
    """Every face of the photo, from left to right; compared with so many identities."""

    faces: list[FaceAnswer]
    identities: int


@router.post(
    "/search",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                kind: {"schema": {"type": "string", "format": "binary"}} for kind in _PICTURES
            },
        }
    },
)
async def search(
    request: Request,
    caller: Searcher,
    site: ThisSite,
    reason: Annotated[str, Query(min_length=3, max_length=500, description="For the audit.")],
    limit: Annotated[int, Query(ge=1, le=50)] = 5,
) -> SearchAnswer:
    """Compares every face of the photo in the body with everybody; noted in the audit."""
    photo = await request.body()
    return await anyio.to_thread.run_sync(search_photo_bytes, site, caller, photo, reason, limit)


def search_photo_bytes(
    site: Site, caller: Caller, photo: bytes, reason: str, limit: int
) -> SearchAnswer:
    """The same for a photo at hand."""
    found = search_photo(
        site,
        photo,
        actor=caller.known_as,
        reason=reason,
        limit=limit,
        cameras=caller.account.cameras,
    )
    names = caller.may(Permission.SEE_NAMES)
    return SearchAnswer(
        faces=[_face(one, names=names) for one in found], identities=site.faces.identities
    )


def _face(one: FaceHits, *, names: bool) -> FaceAnswer:
    box = one.box
    return FaceAnswer(
        box=[round(v, 1) for v in (box.left, box.top, box.right, box.bottom)],
        found=[_found(hit, names=names) for hit in one.hits],
    )


def _found(hit: Hit, *, names: bool) -> FoundAnswer:
    return FoundAnswer(
        identity=hit.serial,
        person_id=hit.person_id if names else None,
        person=hit.person if names else None,
        label=hit.label,
        score=round(hit.score, 4),
        closest=round(hit.closest, 4),
        wording=hit.wording,
        band=hit.band,
        cameras=list(hit.where.cameras),
        first_seen=hit.where.first_seen,
        last_seen=hit.where.last_seen,
        best_sighting=hit.best_sighting,
        sightings_total=hit.where.sightings,
        sightings=[
            FoundSightingAnswer(
                sighting_id=one.sighting_id,
                camera=one.camera,
                first_seen=one.first_seen,
                last_seen=one.last_seen,
                score=None if one.score is None else round(one.score, 4),
            )
            for one in hit.sightings
        ],
    )
