"""People from a folder of photos, seen by a stand-in: a photo's grey level is whom it shows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sightgrid.domain.errors import ImageError, SourceError
from sightgrid.domain.faces import Detection, Embedding, EmbeddingContract
from sightgrid.domain.geometry import Box, Bytes, Floats
from sightgrid.offline.enrolment import Enrolment, FaceEnroller, enrol_folder
from sightgrid.vision.framing import FivePoints

CONTRACT = EmbeddingContract("a" * 64, "stand-in", 8)
TEMPLATE: Floats = np.array([[3, 3], [5, 3], [4, 4], [3, 6], [5, 6]], np.float32)


class Detector:
    """Finds a face where the picture is not white; the whole picture if ``boxes`` are not set."""

    def __init__(self) -> None:
        self.boxes: list[Box] | None = None

    def detect(self, pixels: Bytes) -> list[Detection]:
        height, width = pixels.shape[:2]
        if pixels.min() == 255:
            return []
        boxes = self.boxes or [Box(0, 0, width, height)]
        return [
            Detection(box, TEMPLATE * 4 + np.array([box.left, box.top], np.float32), 0.9)
            for box in boxes
        ]


class Embedder:
    """People are told by their level: 10, 11 and 12 are much alike, 50 is somebody else."""

    def embed(self, crops: Sequence[Bytes]) -> list[Embedding]:
        vectors = []
        for crop in crops:
            level = int(np.median(crop))
            vector = np.zeros(8, np.float32)
            vector[level // 10 % 8] = 1.0
            vector[7] = 0.1 * (level % 10)
            vectors.append(Embedding(vector / np.linalg.norm(vector), CONTRACT))
        return vectors


@pytest.fixture
def detector() -> Detector:
    return Detector()


@pytest.fixture
def enroller(detector: Detector) -> FaceEnroller:
    return FaceEnroller(detector, Embedder(), FivePoints(TEMPLATE, 8))  # type: ignore[arg-type]


@pytest.fixture
def people(tmp_path: Path) -> Path:
    folder = tmp_path / "people"
    folder.mkdir()
    return folder


def photo(path: Path, level: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((32, 32, 3), level, np.uint8)).save(path)


def enrolled(people: Path, enroller: FaceEnroller) -> Enrolment:
    return enrol_folder(people, enroller=enroller, same=0.9)


def faces_by_name(enrolment: Enrolment) -> dict[str, int]:
    return {person.name: len(person.faces) for person in enrolment.people}


def test_a_folder_is_a_person_named_by_it(people: Path, enroller: FaceEnroller) -> None:
    photo(people / "Zoë Bell" / "one.png", 10)
    photo(people / "Zoë Bell" / "two.PNG", 11)
    photo(people / "Ada" / "x.png", 50)
    (people / "Ada" / "notes.txt").write_text("no photo")
    found = enrolled(people, enroller)
    assert [person.name for person in found.people] == ["Ada", "Zoë Bell"]
    assert faces_by_name(found) == {"Ada": 1, "Zoë Bell": 2}
    assert found.notes == ()


def test_a_photo_by_itself_is_a_person_named_by_the_file(
    people: Path, enroller: FaceEnroller
) -> None:
    photo(people / "Ada Lovelace.png", 10)
    photo(people / "2024.png", 50)
    assert faces_by_name(enrolled(people, enroller)) == {"2024": 1, "Ada Lovelace": 1}


def test_numbered_photos_are_one_person_if_they_look_like_one(
    people: Path, enroller: FaceEnroller
) -> None:
    for name, level in (("ada.png", 10), ("ada_2.png", 11), ("ada (3).png", 12)):
        photo(people / name, level)
    photo(people / "eva1.png", 20)
    photo(people / "eva2.png", 50)
    assert faces_by_name(enrolled(people, enroller)) == {"ada": 3, "eva1": 1, "eva2": 1}


def test_a_name_is_one_person_wherever_its_photos_lie(people: Path, enroller: FaceEnroller) -> None:
    photo(people / "ada" / "x.png", 10)
    photo(people / "ada.png", 11)
    photo(people / "eva.png", 20)
    photo(people / "eva.bmp", 50)
    found = enrolled(people, enroller)
    assert faces_by_name(found) == {"ada": 2, "eva": 2}


def test_photos_that_can_not_be_used_are_told_and_left_out(
    people: Path, enroller: FaceEnroller
) -> None:
    photo(people / "Ada" / "good.png", 10)
    photo(people / "Ada" / "white.png", 255)
    (people / "Ada" / "empty.jpg").touch()
    (people / "Ada" / "damaged.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    (people / "Nobody").mkdir()
    found = enrolled(people, enroller)
    assert faces_by_name(found) == {"Ada": 1}
    notes = "\n".join(found.notes)
    for name in ("white.png: no face found", "empty.jpg", "damaged.jpg", "Nobody: not enrolled"):
        assert name in notes
    assert len(found.notes) == 4


def test_hidden_files_are_nobody(people: Path, enroller: FaceEnroller) -> None:
    photo(people / "Ada.png", 10)
    photo(people / ".trash" / "x.png", 50)
    photo(people / "Ada" / ".thumbnail.png", 50)
    photo(people / "Ada" / "x.png", 10)
    assert faces_by_name(enrolled(people, enroller)) == {"Ada": 2}


def test_two_names_for_one_face_are_told(people: Path, enroller: FaceEnroller) -> None:
    photo(people / "Ada.png", 10)
    photo(people / "Eva.png", 11)
    (note,) = enrolled(people, enroller).notes
    assert "Ada and Eva look like one person" in note


def test_nobody_to_enrol_is_an_error_with_its_reason(people: Path, enroller: FaceEnroller) -> None:
    with pytest.raises(SourceError, match="nobody could be enrolled"):
        enrolled(people, enroller)
    (people / "Ada.jpg").touch()
    with pytest.raises(SourceError, match=r"Ada\.jpg: the file is empty"):
        enrolled(people, enroller)
    with pytest.raises(SourceError, match="no such folder"):
        enrolled(people / "missing", enroller)
    with pytest.raises(SourceError, match="no such folder"):
        enrolled(people / "Ada.jpg", enroller)


def picture_of(*faces: tuple[int, int, int]) -> tuple[Bytes, list[Box]]:
    """A 200 x 100 picture with faces: (left, side, level); and their boxes."""
    pixels = np.full((100, 200, 3), 200, np.uint8)
    boxes = []
    for left, side, level in faces:
        pixels[10 : 10 + side, left : left + side] = level
        boxes.append(Box(left, 10, left + side, 10 + side))
    return pixels, boxes


def test_of_faces_of_different_size_the_largest_is_meant(
    enroller: FaceEnroller, detector: Detector
) -> None:
    pixels, detector.boxes = picture_of((5, 30, 50), (100, 60, 10))
    found = enroller.embed_only_face(pixels, where="x.jpg")
    assert int(found.vector.argmax()) == 1


def test_of_faces_of_one_size_it_can_not_be_told_which_is_meant(
    enroller: FaceEnroller, detector: Detector
) -> None:
    pixels, detector.boxes = picture_of((5, 60, 50), (100, 62, 10))
    with pytest.raises(ImageError, match="2 faces of about one size") as caught:
        enroller.embed_only_face(pixels, where="x.jpg")
    assert caught.value.hint
