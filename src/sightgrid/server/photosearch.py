"""Has this face been seen? Needs a reason, and stands in the audit with the photo's hash."""

from __future__ import annotations

import hashlib
import logging
import threading
from dataclasses import dataclass

from sightgrid.domain.errors import ContractMismatch, InvalidValue, SightgridError
from sightgrid.domain.geometry import Box
from sightgrid.ledger.photosearch import Hit, find_face
from sightgrid.offline.photosearch import faces_of
from sightgrid.server.site import Site
from sightgrid.store.audit import note_event
from sightgrid.store.people import contracts
from sightgrid.vision.pictures import read_picture_bytes

_LOG = logging.getLogger(__name__)
_LEAST_REASON = 3
MOST_FACES = 60


@dataclass(frozen=True, slots=True)
class FaceHits:
    """A face of the photo, its box in pixels, and whom it may be, the likeliest first."""

    box: Box
    hits: tuple[Hit, ...]


def search_photo(
    site: Site,
    photo: bytes,
    *,
    actor: str,
    reason: str,
    limit: int,
    cameras: frozenset[str] | None = None,
) -> list[FaceHits]:
    """Compares every face of a photo with everybody, enrolled or not.

    Args:
        cameras: whose sightings may be told; ``None``: all.

    Raises:
        InvalidValue: no reason was given.
        ImageError: the photo can't be read, or shows too many faces.
        ContractMismatch: what the site has seen was embedded by another pack only.
    """
    if len(reason.strip()) < _LEAST_REASON:
        raise InvalidValue("reason: say in a few words why you search")
    faces = faces_of(read_picture_bytes(photo, name="the photo"), site.engine)
    if len(faces) > MOST_FACES:
        raise InvalidValue(
            f"the photo shows {len(faces)} faces, more than {MOST_FACES} at once",
            hint="cut out those you look for",
        )
    site.store.run(
        lambda tx: note_event(
            tx,
            at=site.clock(),
            actor=actor,
            action="photo-search",
            reason=reason,
            details={"photo_sha256": hashlib.sha256(photo).hexdigest(), "faces": len(faces)},
        )
    )
    site.faces.refresh(site.store)
    with site.store.snapshot() as tx:
        known = contracts(tx)
        if known and site.contract.id not in known:
            raise ContractMismatch(
                f"what this site has seen was not embedded with its pack {site.contract.pack}",
                hint="set recognition.pack back to what it was, or wait for new sightings",
            )
        return [
            FaceHits(
                face.box,
                tuple(
                    find_face(
                        tx,
                        site.faces,
                        face.embedding,
                        policy=site.policy,
                        limit=limit,
                        cameras=cameras,
                    )
                ),
            )
            for face in faces
        ]


def warm_up(site: Site) -> None:
    """Reads everybody into the index beside other work, so that the first search need not."""

    def read() -> None:
        try:
            site.faces.refresh(site.store)
        except SightgridError:
            # the server ends, or its database is away: the first search will say so
            _LOG.info("photo search: not read yet")

    threading.Thread(target=read, name="photo-search", daemon=True).start()
