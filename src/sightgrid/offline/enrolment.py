"""Enrols people from a folder of photos: a folder a person, or photos named for the person."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import hypot
from pathlib import Path

from sightgrid.domain.errors import ImageError, SourceError
from sightgrid.domain.faces import Detection, Embedding
from sightgrid.domain.geometry import Bytes
from sightgrid.domain.people import EnrolledPerson
from sightgrid.vision.detection import FaceDetector
from sightgrid.vision.embedding import FaceEmbedder
from sightgrid.vision.framing import Framing, cut
from sightgrid.vision.pictures import PICTURE_SUFFIXES, read_picture

# a second face at least this large beside the largest makes it a guess whom the photo shows
_RIVAL_AREA = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Enrolment:
    """The people found in a folder, and in words what was left out and why."""

    people: tuple[EnrolledPerson, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class FaceEnroller:
    """Turns a photo of one person into an embedding."""

    detector: FaceDetector
    embedder: FaceEmbedder
    framing: Framing

    def embed_only_face(self, pixels: Bytes, *, where: str) -> Embedding:
        """The embedding of the one face a photo is about.

        Raises:
            ImageError: there is no face, or several of about one size.
        """
        return self.embedder.embed([self.crop_only_face(pixels, where=where)])[0]

    def crop_only_face(self, pixels: Bytes, *, where: str) -> Bytes:
        """The same face cut out, (S, S, 3) uint8 BGR.

        Raises:
            ImageError: there is no face, or several of about one size.
        """
        faces = self.detector.detect(pixels)
        if not faces:
            raise ImageError(f"{where}: no face found", hint="use a photo with the face in view")
        faces.sort(key=lambda face: -_prominence(face, pixels))
        if len(faces) > 1 and faces[1].box.area > _RIVAL_AREA * faces[0].box.area:
            raise ImageError(
                f"{where}: shows {len(faces)} faces of about one size, so whose photo it is can't "
                "be told",
                hint="crop it to one person",
            )
        return cut(pixels, faces[0], self.framing)


def _prominence(face: Detection, pixels: Bytes) -> float:
    """Area, with extra weight for the middle of the picture."""
    height, width = pixels.shape[:2]
    x, y = face.box.centre
    off_centre = hypot(x / width - 0.5, y / height - 0.5)
    return face.box.area * (1.0 - 0.5 * off_centre)


def enrol_folder(folder: Path, *, enroller: FaceEnroller, same: float) -> Enrolment:
    """Everybody in ``folder``.

    A sub-folder is a person named by it. A photo that lies in ``folder`` itself is a person named
    by the file; ``anna.jpg`` and ``anna_2.jpg`` are one person, *anna*, if their faces are at least
    ``same`` alike, else two, each named by its file.

    Raises:
        SourceError: the folder is missing or nobody could be enrolled from it.
    """
    if not folder.is_dir():
        raise SourceError(f"{folder}: there is no such folder of people")
    notes: list[str] = []
    by_name: dict[str, tuple[Embedding, ...]] = {}
    loose: dict[str, list[tuple[str, Embedding]]] = {}
    for entry in sorted(folder.iterdir(), key=lambda path: path.name):
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            faces = _embed_all(_photos(entry), enroller, notes)
            if faces:
                by_name[_readable(entry.name)] = tuple(face for _, face in faces)
            else:
                notes.append(f"{entry.name}: not enrolled, no photo of it could be used")
        elif entry.suffix.lower() in PICTURE_SUFFIXES:
            loose.setdefault(_name_without_number(_readable(entry.stem)), []).extend(
                _embed_all([entry], enroller, notes)
            )
    for stem, faces in loose.items():
        for name, own in _persons_of(stem, faces, same=same):
            # anna.jpg and anna.png, or anna.jpg beside the folder anna: a name is one person
            by_name[name] = by_name.get(name, ()) + own
    people = [EnrolledPerson(name, faces) for name, faces in sorted(by_name.items())]
    if not people:
        raise SourceError(
            f"{folder}: nobody could be enrolled" + (f": {notes[0]}" if notes else ""),
            hint="give a folder a person, or photos named for the person",
        )
    notes += _look_alikes(people, same=same)
    return Enrolment(tuple(people), tuple(notes))


def _photos(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".")
    )


def _embed_all(
    photos: Sequence[Path], enroller: FaceEnroller, notes: list[str]
) -> list[tuple[str, Embedding]]:
    """The stem and face of every photo that shows one; the others are noted."""
    faces = []
    for photo in photos:
        try:
            faces.append(
                (
                    _readable(photo.stem),
                    enroller.embed_only_face(read_picture(photo), where=str(photo)),
                )
            )
        except ImageError as error:
            notes.append(f"left out {error}")
    return faces


def _name_without_number(stem: str) -> str:
    return re.sub(r"[ _-]*(\(\d+\)|\d+)$", "", stem) or stem


def _readable(name: str) -> str:
    """A file's name as text; bytes that are no UTF-8 become question marks."""
    return name.encode("utf-8", "replace").decode("utf-8")


def _persons_of(
    name: str, faces: Sequence[tuple[str, Embedding]], *, same: float
) -> list[tuple[str, tuple[Embedding, ...]]]:
    one_person = all(a.cosine(b) >= same for (_, a), (_, b) in combinations(faces, 2))
    if len(faces) > 1 and one_person:
        return [(name, tuple(face for _, face in faces))]
    return [(stem, (face,)) for stem, face in faces]


def _look_alikes(people: Sequence[EnrolledPerson], *, same: float) -> list[str]:
    """Pairs of people whose faces are as alike as one person's: likely one person twice."""
    notes = []
    for one, other in combinations(people, 2):
        closest = max(a.cosine(b) for a in one.faces for b in other.faces)
        if closest >= same:
            notes.append(
                f"{one.name} and {other.name} look like one person (similarity {closest:.2f}); "
                "neither will be named where they can't be told apart"
            )
    return notes
