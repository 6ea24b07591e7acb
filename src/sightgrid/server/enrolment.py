"""Enrolling people from photos: each is judged, told what is wrong with it, or learnt."""

from __future__ import annotations

from dataclasses import dataclass

import cv2

from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.faces import Embedding, FaceCrop
from sightgrid.domain.frames import Frame
from sightgrid.domain.geometry import Bytes
from sightgrid.domain.people import Method
from sightgrid.ledger.enrolling import check_agreed, enrol_faces, touch
from sightgrid.ledger.people import check_there
from sightgrid.server.people import note
from sightgrid.server.site import Site
from sightgrid.store import Transaction
from sightgrid.store.identities import serial_of_person
from sightgrid.store.people import EnrolledFace, faces_of, names_of, remove_faces
from sightgrid.store.roster import person_row, set_method
from sightgrid.vision.looks import Cutter
from sightgrid.vision.pictures import read_picture_bytes
from sightgrid.vision.samples import Sample, SampleFault, judge

MOST_FACES = 100
_ASKED_OF = 24
_CROP_QUALITY = 95


@dataclass(frozen=True, slots=True)
class Nearer:
    """Another enrolled person whom a photo is more like than the one it was given for."""

    person_id: str
    name: str
    score: float


@dataclass(frozen=True, slots=True, eq=False)
class EnrolledPhoto:
    """What became of a photo. ``fault`` or ``nearer`` say why it was not taken; ``nearer`` may be
    there though it was, if that was asked for. ``faces`` the person has now."""

    taken: bool
    fault: SampleFault | None
    nearer: Nearer | None
    crop: FaceCrop | None
    faces: int

    @property
    def reason(self) -> str:
        """Why it was not taken, in words; empty if it was."""
        if self.taken:
            return ""
        if self.fault is not None:
            return self.fault.advice
        return "this face is more like somebody else's who is enrolled; look whose photo it is"


def enrol_photo(
    site: Site, person_id: str, photo: bytes, *, actor: str, anyway: bool = False
) -> EnrolledPhoto:
    """Learns the face of a photo, if it is good enough and nearer to nobody else.

    Args:
        anyway: takes it even if it is nearer to somebody else, such as a twin.

    Raises:
        NotFound: there is no such person.
        InvalidValue: they were removed, have not agreed, or have enough faces.
        ImageError: the photo can't be read.
    """
    now = site.clock()
    # before anything is looked at: no face is embedded of who did not agree
    with site.store.snapshot() as tx:
        check_there(tx, person_id, at=now)
        check_agreed(tx, person_id, at=now)
        faces = person_row(tx, person_id, at=now).faces
        own = faces_of(tx, [person_id], site.contract).get(person_id, [])
    if faces >= MOST_FACES:
        raise InvalidValue(
            f"this person has {faces} faces, which is enough", hint="remove them to begin anew"
        )
    sample = judged(site, read_picture_bytes(photo, name="the photo"))
    if sample.crop is None or sample.fault is not None:
        return EnrolledPhoto(False, sample.fault, None, sample.crop, faces)
    (embedding,) = site.engine.embedder.embed([sample.crop.pixels])
    nearer = _nearer(site, person_id, embedding, own)
    if nearer is not None and not anyway:
        return EnrolledPhoto(False, None, nearer, sample.crop, faces)
    face = EnrolledFace(embedding, _encoded(sample.crop))

    def work(tx: Transaction) -> int:
        enrol_faces(tx, person_id, [face], photo=photo, at=now)
        set_method(tx, person_id, Method.FACE)
        note(tx, site, person_id, "faces-enrolled", actor, despite_nearer=nearer is not None)
        return person_row(tx, person_id, at=now).faces

    return EnrolledPhoto(True, None, nearer, sample.crop, site.store.run(work))


def judged(site: Site, pixels: Bytes) -> Sample:
    """A picture (H, W, 3) uint8 BGR as a sample for enrolment, with nothing kept of it."""
    engine = site.engine
    cutter = Cutter(engine.pack.manifest.embedder_input.framing)
    frame = Frame("photo", site.clock(), 1, pixels)
    return judge(pixels, engine.detector.detect(pixels), cut=lambda face: cutter.cut(frame, face))


def remove_all_faces(site: Site, person_id: str, *, actor: str) -> None:
    """Deletes a person's enrolled faces and photos, to begin anew.

    Raises:
        NotFound: there is no such person. InvalidValue: they were removed.
    """

    def work(tx: Transaction) -> None:
        tx.lock_site()
        check_there(tx, person_id, at=site.clock())
        gone = remove_faces(tx, person_id)
        serial = serial_of_person(tx, person_id)
        if serial is not None:
            touch(tx, serial, {contract.id: contract for contract in gone})
        note(tx, site, person_id, "faces-removed", actor)

    site.store.run(work)
    site.store.wipe_traces()


def _nearer(
    site: Site, person_id: str, embedding: Embedding, own: list[Embedding]
) -> Nearer | None:
    """Who is enrolled and more like this face than the person it is said to be of."""
    site.faces.refresh(site.store)
    bands = site.policy.bands(enrolled=site.faces.people, identities=site.faces.identities)
    to_own = max((embedding.cosine(face) for face in own), default=bands.likely)
    for near in site.faces.nearest(embedding.vector, _ASKED_OF):
        if near.person_id is None or near.person_id == person_id:
            continue
        if near.score >= bands.possible and near.score > to_own:
            with site.store.snapshot() as tx:
                name = names_of(tx, [near.person_id])[near.person_id]
            return Nearer(near.person_id, name, near.score)
    return None


def _encoded(crop: FaceCrop) -> bytes:
    done, jpeg = cv2.imencode(".jpg", crop.pixels, [cv2.IMWRITE_JPEG_QUALITY, _CROP_QUALITY])
    if not done:
        raise InvalidValue("the face can't be written as JPEG")
    return jpeg.tobytes()
