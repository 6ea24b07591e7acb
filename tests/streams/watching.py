"""Runs a box and keeps what it said of its cameras."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sightgrid.configuration import Configuration, configuration_of
from sightgrid.domain.cameras import CameraState, Trouble
from sightgrid.edge.box import Box
from sightgrid.edge.states import CameraStatus

LOOPBACK = ["127.0.0.0/8"]


@dataclass
class History:
    """The statuses of every camera, four times a second, with the seconds since the start."""

    box: Box
    began: float = field(default_factory=time.monotonic)
    told: dict[str, list[tuple[float, CameraStatus]]] = field(default_factory=dict)

    def note(self) -> float:
        elapsed = time.monotonic() - self.began
        for status in self.box.board.statuses():
            self.told.setdefault(status.camera, []).append((elapsed, status))
        return elapsed

    def last(self, camera: str) -> CameraStatus:
        return self.told[camera][-1][1]

    def troubles(self, camera: str) -> list[Trouble | None]:
        """In order, each once in a row, from the first word of the camera's process on."""
        found: list[Trouble | None] = []
        for _, status in self.told[camera]:
            if status.process and (not found or found[-1] is not status.trouble):
                found.append(status.trouble)
        return found

    def states(self, camera: str) -> set[CameraState]:
        return {status.state for _, status in self.told[camera] if status.process}

    def secs_to(self, camera: str, trouble: Trouble | None) -> float | None:
        """From the process's first word to the first time it said so; ``None``: it never did."""
        times = [t for t, status in self.told[camera] if status.process]
        hits = [t for t, s in self.told[camera] if s.process and s.trouble is trouble]
        return hits[0] - times[0] if hits else None

    def story(self, camera: str) -> str:
        """What was said of a camera, for people who read a failed test."""
        lines, before = [], ""
        for elapsed, status in self.told[camera]:
            line = f"{status.state.value} {status.trouble or ''} {status.reason}"
            if line != before:
                lines.append(f"{elapsed:6.1f} {line}")
                before = line
        return f"{camera}: {self.last(camera).frames} frames\n" + "\n".join(lines)


def configure(
    folder: Path, cameras: Mapping[str, Mapping[str, object]], **more: object
) -> Configuration:
    """A box whose cameras may be on loopback."""
    return configuration_of(
        {
            "cameras": {name: dict(fields) for name, fields in cameras.items()},
            "box": {"data_folder": str(folder / "box"), "networks": LOOPBACK},
            **more,
        },
        path=folder / "sightgrid.yml",
        environment={},
    )


def watch(
    configuration: Configuration, is_over: Callable[[History, float], bool], *, most_secs: float
) -> History:
    """Runs a box until ``is_over`` of what was noted so far and of the seconds that takes."""
    box = Box(configuration)
    history = History(box)

    def over() -> bool:
        elapsed = history.note()
        return elapsed > most_secs or is_over(history, elapsed)

    box.run(over)
    return history
