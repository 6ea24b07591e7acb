"""Tries every camera of a configuration for a moment, several at a time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from sightgrid.configuration import CameraSettings, Configuration
from sightgrid.domain.errors import SightgridError, StreamFault
from sightgrid.edge.probing import ProbeOrder, probe

_SIDE_BY_SIDE = 4
_LOOK_SECS = 3.0


@dataclass(frozen=True, slots=True)
class CameraCheck:
    """What came of one camera; ``problem`` is ``None`` if it is sound."""

    camera: str
    finding: str
    problem: str | None = None
    advice: str | None = None


def check_cameras(configuration: Configuration) -> list[CameraCheck]:
    """One check a camera that is switched on, in order of the file."""
    cameras = [camera for camera in configuration.cameras if camera.enabled]
    with ThreadPoolExecutor(_SIDE_BY_SIDE, thread_name_prefix="check") as workers:
        return list(workers.map(lambda camera: _check(configuration, camera), cameras))


def _check(configuration: Configuration, camera: CameraSettings) -> CameraCheck:
    order = ProbeOrder(
        camera.url,
        networks=configuration.box.networks,
        transport=camera.transport,
        secs=_LOOK_SECS,
        pack=configuration.recognition.pack,
    )
    try:
        found = probe(order)
    except SightgridError as error:
        word = error.trouble.value if isinstance(error, StreamFault) else "failed"
        return CameraCheck(camera.name, str(error), word, error.hint)
    finding = f"{found.codec} {found.width}x{found.height}, {found.fps:g} pictures/s"
    if found.trouble is not None:
        return CameraCheck(camera.name, finding, found.trouble.value, found.reason)
    return CameraCheck(camera.name, finding)
