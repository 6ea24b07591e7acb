"""Whether a photo shows one face well enough to recognise somebody by it, and if not, why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import hypot

from sightgrid.domain.faces import Detection, FaceCrop, Quality
from sightgrid.domain.geometry import Bytes

# a second face at least this large beside the largest makes it a guess whom the photo shows
_RIVAL_AREA = 0.5
SMALLEST_FACE_PX = 48.0
# of the parts of a face's quality; see docs/enrolment.md
_LEAST_SHARPNESS = 0.30
_LEAST_POSE = 0.50
_LEAST_LIGHT = 0.30
_LEAST_VISIBLE = 0.50
_LEAST_CERTAINTY = 0.30


class SampleFault(StrEnum):
    """Why a photo is not used."""

    NO_FACE = "no-face"
    SEVERAL_FACES = "several-faces"
    TOO_SMALL = "too-small"
    CUT_OFF = "cut-off"
    TURNED = "turned"
    BADLY_LIT = "badly-lit"
    BLURRED = "blurred"
    UNCLEAR = "unclear"

    @property
    def advice(self) -> str:
        """What it means, for the person who takes the photo."""
        return _ADVICE[self]


_ADVICE = {
    SampleFault.NO_FACE: "no face was found; show the face upright and in view",
    SampleFault.SEVERAL_FACES: "several faces of about one size; only one person may be in it",
    SampleFault.TOO_SMALL: "the face is too small; come closer",
    SampleFault.CUT_OFF: "the face is cut off; move into the middle",
    SampleFault.TURNED: "the face is turned away; look at the camera",
    SampleFault.BADLY_LIT: "the face is too dark, too bright or too flat; use even light",
    SampleFault.BLURRED: "the face is blurred; hold still and focus",
    SampleFault.UNCLEAR: "the face can't be made out well; uncover it and look at the camera",
}


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A photo as judged. ``detection`` and ``crop`` are there where a face was found; ``fault`` is
    ``None`` where it can be used."""

    detection: Detection | None
    crop: FaceCrop | None
    fault: SampleFault | None


def judge(
    pixels: Bytes, detections: Sequence[Detection], *, cut: Callable[[Detection], FaceCrop]
) -> Sample:
    """The one face that a photo (H, W, 3) uint8 BGR is about, and what is wrong with it.

    Args:
        detections: the faces found in it. cut: cuts one out and grades it.
    """
    faces = sorted(detections, key=lambda face: -_prominence(face, pixels))
    if not faces:
        return Sample(None, None, SampleFault.NO_FACE)
    crop = cut(faces[0])
    if len(faces) > 1 and faces[1].box.area > _RIVAL_AREA * faces[0].box.area:
        return Sample(faces[0], crop, SampleFault.SEVERAL_FACES)
    return Sample(faces[0], crop, fault_of(crop.quality))


def fault_of(quality: Quality) -> SampleFault | None:
    """What is wrong with a look at a face, the gravest first; ``None`` if it is good enough."""
    found = (
        (quality.face_width_px < SMALLEST_FACE_PX, SampleFault.TOO_SMALL),
        (quality.visible < _LEAST_VISIBLE, SampleFault.CUT_OFF),
        (quality.pose < _LEAST_POSE, SampleFault.TURNED),
        (quality.light < _LEAST_LIGHT, SampleFault.BADLY_LIT),
        (quality.sharpness < _LEAST_SHARPNESS, SampleFault.BLURRED),
        (quality.certainty < _LEAST_CERTAINTY, SampleFault.UNCLEAR),
    )
    return next((fault for holds, fault in found if holds), None)


def _prominence(face: Detection, pixels: Bytes) -> float:
    """Area, with extra weight for the middle of the picture."""
    height, width = pixels.shape[:2]
    x, y = face.box.centre
    off_centre = hypot(x / width - 0.5, y / height - 0.5)
    return face.box.area * (1.0 - 0.5 * off_centre)
