"""Has this face been seen? A photo is compared with everybody, strangers too."""

from __future__ import annotations

import hashlib
from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel

from sightgrid.domain.accounts import Caller, Permission
from sightgrid.domain.errors import InvalidValue
from sightgrid.ledger.searching import Found, search
from sightgrid.offline.photosearch import PhotoFace, faces_of
from sightgrid.server.api.answers import Moment
from sightgrid.server.callers import ThisSite, allowed
from sightgrid.server.site import Site
from sightgrid.store import Transaction
from sightgrid.store.audit import note_event
from sightgrid.store.cards import card_of
from sightgrid.store.listing import cameras_of_identity
from sightgrid.vision.pictures import read_picture_bytes

router = APIRouter(tags=["search"])
Searcher = Annotated[Caller, Depends(allowed(Permission.SEARCH_PHOTO))]
_LEAST_REASON = 3
_PICTURES = ("image/jpeg", "image/png", "image/webp", "image/bmp")


class FoundAnswer(BaseModel):
    """An identity that the face may be. ``score`` is the similarity to its mean face, no
    probability; ``wording`` is *same*, *possible* or *unlike*."""

    identity: int
    person: str | None
    score: float
    closest: float
    wording: str
    cameras: list[str]
    first_seen: Moment | None
    last_seen: Moment | None


class FaceAnswer(BaseModel):
    """A face of the photo: its box in pixels and whom it may be, the likeliest first."""

    box: list[float]
    found: list[FoundAnswer]


class SearchAnswer(BaseModel):
    """Every face of the photo, from left to right."""

    faces: list[FaceAnswer]


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
async def search_photo(
    request: Request,
    caller: Searcher,
    site: ThisSite,
    reason: Annotated[
        str, Query(min_length=_LEAST_REASON, max_length=500, description="For the audit.")
    ],
    limit: Annotated[int, Query(ge=1, le=50)] = 5,
) -> SearchAnswer:
    """Compares every face of the photo in the body with everybody; noted in the audit."""
    if len(reason.strip()) < _LEAST_REASON:
        raise InvalidValue("reason: say in a few words why you search")
    photo = await request.body()
    return await anyio.to_thread.run_sync(_search, site, caller, photo, reason, limit)


def _search(site: Site, caller: Caller, photo: bytes, reason: str, limit: int) -> SearchAnswer:
    pixels = read_picture_bytes(photo, name="the photo")
    engine = site.engine
    faces = faces_of(pixels, engine)
    now = site.clock()
    site.store.run(
        lambda tx: note_event(
            tx,
            at=now,
            actor=caller.known_as,
            action="photo-search",
            reason=reason,
            details={"photo_sha256": hashlib.sha256(photo).hexdigest(), "faces": len(faces)},
        )
    )
    with site.store.snapshot() as tx:
        return SearchAnswer(
            faces=[
                _face(
                    tx,
                    caller,
                    face,
                    search(tx, face.embedding, policy=engine.policy, limit=limit),
                )
                for face in faces
            ]
        )


def _face(tx: Transaction, caller: Caller, face: PhotoFace, found: list[Found]) -> FaceAnswer:
    box = face.box
    answers = []
    for one in found:
        cameras = sorted(cameras_of_identity(tx, one.serial))
        seen = [camera for camera in cameras if caller.may_see_camera(camera)]
        if cameras and not seen:
            continue
        card = card_of(tx, one.serial, cameras=caller.account.cameras)
        answers.append(
            FoundAnswer(
                identity=one.serial,
                person=one.person if caller.may(Permission.SEE_NAMES) else None,
                score=round(one.score, 4),
                closest=round(one.closest, 4),
                wording=one.wording,
                cameras=seen,
                first_seen=None if card is None else card.first_seen,
                last_seen=None if card is None else card.last_seen,
            )
        )
    return FaceAnswer(
        box=[round(v, 1) for v in (box.left, box.top, box.right, box.bottom)], found=answers
    )
