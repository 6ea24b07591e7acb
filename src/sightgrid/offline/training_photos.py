"""Faces to train a head on: a folder a person, every photo with the one face it is about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sightgrid.domain.errors import ImageError, InvalidValue, SourceError
from sightgrid.domain.geometry import Bytes, Floats
from sightgrid.domain.people import EnrolledPerson, name_fault
from sightgrid.offline.engine import Engine, usable_cores
from sightgrid.vision.augmentation import Augmentation
from sightgrid.vision.pictures import PICTURE_SUFFIXES, read_picture

Tell = Callable[[str, int, int | None], None]


@dataclass(frozen=True, slots=True, eq=False)
class TrainingFaces:
    """Faces with whom they show.

    ``vectors`` (N, D) float32 of unit length; ``labels`` N names; ``images`` N numbers of the
    photo; ``originals`` N: whether a row is the photo itself or an altered copy of it. ``notes``
    say in words which photos were left out and why.
    """

    vectors: Floats
    labels: tuple[str, ...]
    images: tuple[int, ...]
    originals: tuple[bool, ...]
    without_face: int
    notes: tuple[str, ...]


def read_training_folder(
    folder: Path, *, engine: Engine, tell: Tell, augmentation: Augmentation | None = None
) -> TrainingFaces:
    """Everybody in ``folder``, a sub-folder a person, on all cores.

    Args:
        augmentation: makes altered copies of every face before it is embedded.

    Raises:
        SourceError: the folder is missing.
        InvalidValue: fewer than two people, or a person without an image that shows a face.
    """
    photos = training_photos(folder)
    files = [(name, photo) for name, own in photos for photo in own]
    faces: list[tuple[int, list[Floats] | str]] = []

    def embed(number: int) -> tuple[int, list[Floats] | str]:
        _, photo = files[number]
        try:
            crop = engine.enroller().crop_only_face(read_picture(photo), where=str(photo))
        except ImageError as error:
            return number, str(error)
        crops: list[Bytes] = [crop]
        if augmentation is not None:
            crops += augmentation.copies(crop, seed=number)
        return number, [embedding.vector for embedding in engine.embedder.embed(crops)]

    tell("embedding photos", 0, len(files))
    pool = ThreadPoolExecutor(usable_cores())
    try:
        for done, found in enumerate(pool.map(embed, range(len(files))), start=1):
            faces.append(found)
            tell("embedding photos", done, len(files))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)

    notes = [f"left out {why}" for _, why in faces if isinstance(why, str)]
    seen = [(number, vectors) for number, vectors in faces if not isinstance(vectors, str)]
    for name, own in photos:
        if not any(files[number][0] == name for number, _ in seen):
            raise InvalidValue(
                f"{name} has no image that can be learned from: none of {len(own)} shows one face",
                hint="give better photos, or take the folder away",
            )
    rows = [
        (number, vector, copy == 0)
        for number, vectors in seen
        for copy, vector in enumerate(vectors)
    ]
    return TrainingFaces(
        vectors=np.stack([vector for _, vector, _ in rows]),
        labels=tuple(files[number][0] for number, _, _ in rows),
        images=tuple(number for number, _, _ in rows),
        originals=tuple(original for _, _, original in rows),
        without_face=len(notes),
        notes=tuple(notes),
    )


def training_photos(folder: Path) -> list[tuple[str, tuple[Path, ...]]]:
    """The people of a folder with their photos, both sorted by name; nothing is opened yet.

    Raises:
        SourceError: the folder is missing.
        InvalidValue: fewer than two people, a person without images, or with an odd name.
    """
    if not folder.is_dir():
        raise SourceError(f"{folder}: there is no such folder of people")
    people = []
    for entry in sorted(folder.iterdir(), key=lambda path: path.name):
        if not entry.is_dir() or entry.name.startswith("."):
            continue
        fault = name_fault(entry.name)
        if fault is not None:
            raise InvalidValue(
                f"the folder {entry.name!r} is no name of a person: {fault}",
                hint="rename the folder",
            )
        photos = tuple(
            sorted(
                path
                for path in entry.iterdir()
                if path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".")
            )
        )
        if not photos:
            raise InvalidValue(
                f"{entry.name} has no images: the folder {entry} holds no picture",
                hint="add photos of this person, or take the folder away",
            )
        people.append((entry.name, photos))
    check_enough(len(people), where=str(folder))
    return people


def check_enough(people: int, *, where: str) -> None:
    """Raises InvalidValue where there are fewer than two people to tell apart."""
    if people < 2:
        raise InvalidValue(
            f"training needs two people or more, {where} holds {people or 'nobody'}",
            hint="give a folder a person, each with photos",
        )


def faces_of_people(
    people: Sequence[EnrolledPerson], *, contract_id: str, pack: str
) -> TrainingFaces:
    """The faces that a site's people were enrolled with, as far as this pack made them. People
    without any face are left out.

    Raises:
        InvalidValue: fewer than two people, one without a face of this pack, or two of one name.
    """
    check_enough(sum(bool(person.faces) for person in people), where="the site")
    for name, times in Counter(person.name for person in people).items():
        if times > 1:
            raise InvalidValue(
                f"two people are named {name}, so a head could not tell which it means",
                hint="tell them apart in the name",
            )
    vectors, labels = [], []
    # those who chose a way without their face are nobody's mistake
    for person in (one for one in people if one.faces):
        own = [face.vector for face in person.faces if face.contract.id == contract_id]
        if not own:
            raise InvalidValue(
                f"{person.name} has no images: none of their faces was enrolled with pack '{pack}'",
                hint="enrol photos of this person, or train with the pack they were enrolled with",
            )
        vectors += own
        labels += [person.name] * len(own)
    return TrainingFaces(
        vectors=np.stack(vectors),
        labels=tuple(labels),
        images=tuple(range(len(labels))),
        originals=(True,) * len(labels),
        without_face=0,
        notes=(),
    )
