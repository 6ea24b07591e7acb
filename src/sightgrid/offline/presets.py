"""Ways of looking at recordings that have a name: what finds the faces and how they are joined."""

from __future__ import annotations

from dataclasses import dataclass

from sightgrid.domain.errors import InvalidValue
from sightgrid.recognition.heads import HeadKind
from sightgrid.vision.detectors import DetectorName
from sightgrid.vision.grouping import Grouping


@dataclass(frozen=True, slots=True)
class Preset:
    """What is used where nothing else is asked for. ``detector``: ``None`` is the pack's own;
    ``head``: trained on the people given, ``None`` is the mean face of each."""

    name: str
    detector: DetectorName | None
    grouping: Grouping
    pack: str = "default"
    head: HeadKind | None = None


PRESETS = {
    preset.name: preset
    for preset in (
        Preset("default", None, Grouping.TRACKS),
        # what the CCTV grid ancestor did: Haar cascade 1.4 / 6, faces turned upright by the eyes,
        # template matching over 20 frames, everything forgotten at each minute
        Preset("cctv-classic", DetectorName.HAAR, Grouping.TEMPLATE_MATCHING),
        # what the attendance ancestor did: MTCNN at 0.65, 0.7 and 0.7, a crop with a margin,
        # FaceNet, and a linear SVM trained on the people's photos
        Preset("facenet-classic", DetectorName.MTCNN, Grouping.TRACKS, "facenet", HeadKind.SVM),
    )
}


def preset_named(name: str) -> Preset:
    """The preset that is called ``name``.

    Raises:
        InvalidValue: none is.
    """
    if name not in PRESETS:
        raise InvalidValue(
            f"there is no preset '{name}'", hint=f"known presets: {', '.join(PRESETS)}"
        )
    return PRESETS[name]
