"""Ways of looking at recordings that have a name: what finds the faces and how they are joined."""

from __future__ import annotations

from dataclasses import dataclass

from sightgrid.domain.errors import InvalidValue
from sightgrid.vision.detectors import DetectorName
from sightgrid.vision.grouping import Grouping


@dataclass(frozen=True, slots=True)
class Preset:
    """What is used where nothing else is asked for. ``detector``: ``None`` is the pack's own."""

    name: str
    detector: DetectorName | None
    grouping: Grouping


PRESETS = {
    preset.name: preset
    for preset in (
        Preset("default", None, Grouping.TRACKS),
        # what the CCTV grid ancestor did: Haar cascade 1.4 / 6, faces turned upright by the eyes,
        # template matching over 20 frames, everything forgotten at each minute
        Preset("cctv-classic", DetectorName.HAAR, Grouping.TEMPLATE_MATCHING),
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
