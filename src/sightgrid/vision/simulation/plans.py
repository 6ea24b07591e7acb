"""What a simulated camera grid is made of: settings, people, cameras and who walks where, when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Literal

from sightgrid.domain.errors import InvalidValue, NotFound
from sightgrid.domain.grid import CameraGrid, CameraLink
from sightgrid.vision.simulation.portraits import Portrait


@dataclass(frozen=True, slots=True)
class Preset:
    """How hard the clips are. Ranges are (least, most).

    ``face_px`` is the face's width in the frame, log-uniform over the passages; ``blur_px`` the
    sigma of the blur; ``gain`` the factor on a person's light; ``crf`` and ``encoder`` are
    libx264's quality and speed; ``occluded`` the share of passages
    in which a face is hidden for half a second or more; ``in_company`` the share of the time with
    two or more people in view that the plan aims for; ``pace`` the speed across the frame in face
    widths a second, within passages of ``passage_secs``.
    """

    name: str
    face_px: tuple[float, float]
    blur_px: tuple[float, float]
    gain: tuple[float, float]
    crf: int
    encoder: str
    occluded: float
    in_company: float
    frame_px: tuple[int, int]
    fps: int
    pace: tuple[float, float]
    passage_secs: tuple[float, float]

    def __post_init__(self) -> None:
        width, height = self.frame_px
        if width % 2 or height % 2 or width < 64 or height < 64:
            raise InvalidValue(f"preset {self.name}: H.264 needs even sides, got {width}x{height}")
        if not 4.0 <= self.face_px[0] < self.face_px[1] <= height / 4:
            raise InvalidValue(
                f"preset {self.name}: face widths {self.face_px} do not suit {height} px of height"
            )


NORMAL = Preset(
    name="normal",
    face_px=(24.0, 90.0),
    blur_px=(0.0, 2.0),
    gain=(0.6, 1.4),
    crf=28,
    encoder="veryfast",
    occluded=0.20,
    in_company=0.5,
    frame_px=(1280, 720),
    fps=15,
    pace=(2.0, 2.8),
    passage_secs=(6.0, 18.0),
)
HARD = Preset(
    name="hard",
    face_px=(16.0, 40.0),
    blur_px=(0.0, 2.0),
    gain=(0.6, 1.4),
    crf=28,
    encoder="veryfast",
    occluded=0.20,
    in_company=0.5,
    frame_px=(1280, 720),
    fps=15,
    pace=(2.2, 3.0),
    passage_secs=(6.0, 22.0),
)
DEMO = Preset(
    name="demo",
    face_px=(38.0, 84.0),
    blur_px=(0.0, 0.8),
    gain=(0.8, 1.2),
    crf=26,
    encoder="ultrafast",
    occluded=0.15,
    in_company=0.4,
    frame_px=(960, 540),
    fps=12,
    pace=(2.2, 2.8),
    passage_secs=(6.0, 8.5),
)


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """A person to walk through the grid, with the portraits to show on the way.

    A photo that the person is enrolled with must not be among them.
    """

    name: str
    portraits: tuple[Portrait, ...]

    def __post_init__(self) -> None:
        if not self.portraits:
            raise InvalidValue(f"{self.name} has no portrait to walk with")


@dataclass(frozen=True, slots=True)
class SimulatedCamera:
    """One camera: where its picture's horizon and pillar are, and when it starts recording.

    ``pillar`` is (left, right) in pixels: who walks behind it is hidden there. ``position`` is on
    the plan, 0-1 from the left and top.
    """

    name: str
    style: str
    seed: int
    starts_at_secs: float
    horizon_px: float
    pillar: tuple[float, float]
    position: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Passage:
    """One person's walk through one camera's view.

    Seconds count from the plan's start. ``x`` and ``face_px`` are (at the start, at the end): the
    face's centre across the frame and its width. ``subject`` and ``portrait`` are indices into
    the plan. The last three make the gait: phase 0-1, steps a second, tilt of the head in degrees.
    """

    subject: int
    camera: str
    start_secs: float
    end_secs: float
    x: tuple[float, float]
    face_px: tuple[float, float]
    portrait: int
    blur_px: float
    gain: float
    behind_pillar: bool
    phase: float
    steps_hz: float
    tilt_deg: float


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Everything that decides the clips, pixel for pixel. Passages are in order of their start."""

    preset: Preset
    seed: int
    secs: float
    starts_at: datetime
    subjects: tuple[Subject, ...]
    cameras: tuple[SimulatedCamera, ...]
    links: tuple[CameraLink, ...]
    passages: tuple[Passage, ...]

    @property
    def frame_count(self) -> int:
        """Frames of every clip."""
        return round(self.secs * self.preset.fps)

    @property
    def grid(self) -> CameraGrid:
        """The building as the ledger needs to know it."""
        return CameraGrid(
            positions={camera.name: camera.position for camera in self.cameras}, links=self.links
        )

    def camera(self, name: str) -> SimulatedCamera:
        """
        Raises:
            NotFound: the plan has no camera of this name.
        """
        for camera in self.cameras:
            if camera.name == name:
                return camera
        raise NotFound(f"the simulated grid has no camera '{name}'")

    def passages_on(self, camera: str) -> tuple[Passage, ...]:
        return tuple(passage for passage in self.passages if passage.camera == camera)

    def moment(self, camera: SimulatedCamera, frame_index: int) -> datetime:
        """When a frame (from 1) is taken."""
        since_start = camera.starts_at_secs + (frame_index - 1) / self.preset.fps
        return self.starts_at + timedelta(seconds=since_start)


def lay_out(
    cameras: Sequence[str],
    *,
    shape: Literal["line", "ring", "tree"] = "line",
    secs: tuple[float, float] = (2.0, 4.0),
) -> tuple[CameraLink, ...]:
    """Links between cameras in order; ``tree`` hangs camera n below camera (n - 1) // 2."""
    if shape == "tree":
        pairs = [(cameras[(n - 1) // 2], cameras[n]) for n in range(1, len(cameras))]
    else:
        pairs = list(pairwise(cameras))
        if shape == "ring" and len(cameras) > 2:
            pairs.append((cameras[-1], cameras[0]))
    return tuple(CameraLink(one, other, *secs) for one, other in pairs)
