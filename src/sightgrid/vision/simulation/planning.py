"""Plans who walks past which camera when: deterministic for a seed."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.grid import CameraLink
from sightgrid.vision.simulation.plans import (
    Passage,
    Plan,
    Preset,
    SimulatedCamera,
    Subject,
    lay_out,
)
from sightgrid.vision.simulation.walking import (
    SHOULDER,
    Doubles,
    Steps,
    longest_hidden_secs,
    step,
    visibility,
)

STYLES = ("entrance", "lobby", "corridor", "stairs")
_STARTS_AT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
_UNLINKED_SECS = 8.0
_RETURN_SECS = 16.0
"""Least time before someone comes back to a camera: shorter pauses do not end a visit."""
_OCCLUDED_SECS = 0.5
_GOLDEN = (math.sqrt(5) - 1) / 2
_TYPICAL_ASPECT = 1.3
_FRUITLESS = 14
"""Times in a row that no walk is wanted before the plan is taken as full."""
_DRAWS = 24
"""Walks drawn for each that is kept."""


def plan(
    subjects: Sequence[Subject],
    cameras: Sequence[str],
    *,
    seed: int,
    preset: Preset,
    secs: float,
    links: Sequence[CameraLink] | None = None,
    starts_at: datetime = _STARTS_AT,
) -> Plan:
    """Lets people walk routes of one to four cameras, alone or in company, for ``secs`` seconds.

    Everyone walks and every camera sees someone if the time allows; routes are added until two or
    more people are in view for the share of the time that the preset asks for, or nobody is free
    any more. A person with several portraits shows another one in every passage, and stays away
    when all have been shown; one with a single portrait shows that again and again.

    Args:
        subjects: who walks; names are unique.
        cameras: names of letters, digits, ``_`` and ``-``; one clip each.
        seed: the same seed gives the same plan and the same pixels.
        preset: how hard it is to recognise people.
        secs: length of every clip.
        links: which cameras one can walk between and how long that takes; a line if not given.
        starts_at: when the first camera starts to record; others start up to 3 s later.

    Raises:
        InvalidValue: no people, no cameras, a name twice, or a time too short for one passage.
    """
    _check(subjects, cameras, preset, secs)
    if links is None:
        links = lay_out(cameras)
    planner = _Planner(subjects, cameras, seed, preset, secs, tuple(links))
    return Plan(
        preset=preset,
        seed=seed,
        secs=secs,
        starts_at=starts_at.astimezone(UTC).replace(microsecond=0),
        subjects=tuple(subjects),
        cameras=planner.cameras,
        links=tuple(links),
        passages=planner.fill(),
    )


def _check(
    subjects: Sequence[Subject], cameras: Sequence[str], preset: Preset, secs: float
) -> None:
    if not subjects or not cameras:
        raise InvalidValue("a simulated grid needs at least one person and one camera")
    for what, names in (("person", [s.name for s in subjects]), ("camera", list(cameras))):
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise InvalidValue(f"the {what} '{twice[0]}' is there twice")
    for name in cameras:
        if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
            raise InvalidValue(
                f"'{name}' can't name a camera", hint="use letters, digits, _ and - only"
            )
    if secs < preset.passage_secs[0] + 1.0:
        raise InvalidValue(
            f"{secs:g} s is too short for a passage of {preset.passage_secs[0]:g} s",
            hint="give more seconds",
        )


class _Planner:
    """The plan in the making: walks are drawn at random and kept where they are wanted most."""

    def __init__(
        self,
        subjects: Sequence[Subject],
        cameras: Sequence[str],
        seed: int,
        preset: Preset,
        secs: float,
        links: tuple[CameraLink, ...],
    ) -> None:
        self._rng = np.random.default_rng(seed)
        self._subjects = subjects
        self._preset = preset
        self._secs = secs
        self.cameras = tuple(self._camera(name, n, len(cameras)) for n, name in enumerate(cameras))
        self._by_name = {camera.name: camera for camera in self.cameras}
        self._next: dict[str, list[tuple[str, CameraLink]]] = {name: [] for name in cameras}
        for link in links:
            if link.origin in self._next and link.target in self._next:
                self._next[link.origin].append((link.target, link))
                self._next[link.target].append((link.origin, link))
        self._least_secs = self._travel_times(links)
        self._passages: list[Passage] = []
        self._first_width = float(self._rng.uniform())
        self._turns = [0] * len(subjects)
        self._orders = [self._rng.permutation(len(s.portraits)).tolist() for s in subjects]
        # How many people are in a camera's view, by half-second since the plan's start.
        self._crowd = {name: np.zeros(int(2 * (secs + 6)), int) for name in cameras}

    def _camera(self, name: str, number: int, count: int) -> SimulatedCamera:
        width, height = self._preset.frame_px
        middle = width * float(self._rng.uniform(0.42, 0.58))
        half = width * float(self._rng.uniform(0.062, 0.07))
        return SimulatedCamera(
            name=name,
            style=STYLES[number % len(STYLES)],
            seed=int(self._rng.integers(2**31)),
            starts_at_secs=0.0 if number == 0 else float(self._rng.integers(0, 4)),
            horizon_px=height * float(self._rng.uniform(0.16, 0.22)),
            pillar=(round(middle - half), round(middle + half)),
            position=(round((number + 0.5) / count, 3), 0.35 if number % 2 else 0.65),
        )

    def _travel_times(self, links: tuple[CameraLink, ...]) -> dict[tuple[str, str], float]:
        names = list(self._by_name)
        least = {(a, b): 0.0 if a == b else math.inf for a in names for b in names}
        for link in links:
            for pair in ((link.origin, link.target), (link.target, link.origin)):
                if pair in least:
                    least[pair] = min(least[pair], link.min_secs)
        for via in names:
            for a in names:
                for b in names:
                    least[a, b] = min(least[a, b], least[a, via] + least[via, b])
        return {pair: _UNLINKED_SECS if math.isinf(t) else t for pair, t in least.items()}

    def fill(self) -> tuple[Passage, ...]:
        for subject in self._rng.permutation(len(self._subjects)).tolist():
            if all(passage.subject != subject for passage in self._passages):
                self._send_best(first=subject)
        fruitless = 0
        while self._company() < self._preset.in_company + 0.03 and fruitless < _FRUITLESS:
            fruitless = 0 if self._send_best(first=None) else fruitless + 1
        self._hide()
        return tuple(sorted(self._passages, key=lambda p: (p.start_secs, p.camera, p.subject)))

    def _company(self) -> float:
        """The share of the time with two or more people in view, over all cameras."""
        shares = [(self._crowd[c.name][self._recorded(c)] >= 2).mean() for c in self.cameras]
        return float(np.mean(shares))

    def _recorded(self, camera: SimulatedCamera) -> slice:
        start = int(2 * camera.starts_at_secs)
        return slice(start, start + int(2 * self._secs))

    def _send_best(self, *, first: int | None) -> bool:
        """Draws some walks and keeps the one that brings most company; whether there was one."""
        best: list[Passage] = []
        most = 0.0
        for _ in range(_DRAWS):
            group = self._group(first)
            walks = self._walks(group)
            gain = sum(self._worth(passage) for passage in walks)
            if walks and (gain > most or (first is not None and not best)):
                best, most = walks, gain
        for passage in best:
            self._passages.append(self._with_portrait(passage))
            self._crowd[passage.camera][self._halves(passage)] += 1
        return bool(best)

    def _group(self, first: int | None) -> list[int]:
        size = min(int(self._rng.choice([1, 2, 2, 3])), len(self._subjects))
        chosen = [int(n) for n in self._rng.permutation(len(self._subjects))]
        if first is not None:
            chosen.remove(first)
            chosen.insert(0, first)
        return chosen[:size]

    def _halves(self, passage: Passage) -> slice:
        """The half-seconds in which the face is between the frame's borders."""
        span = passage.x[1] - passage.x[0]
        borders = (0.0, float(self._preset.frame_px[0]))
        shares = sorted((border - passage.x[0]) / span for border in borders)
        secs = passage.end_secs - passage.start_secs
        start, end = (passage.start_secs + share * secs for share in shares)
        return slice(math.ceil(2 * start), math.floor(2 * end))

    def _worth(self, passage: Passage) -> float:
        crowd = self._crowd[passage.camera][self._halves(passage)]
        return float(np.array([0.6, 1.0, 0.3, -0.5, -2.0])[np.minimum(crowd, 4)].sum())

    def _walks(self, group: list[int]) -> list[Passage]:
        """A route for a group, as far as everyone is free and it fits into the time."""
        rng = self._rng
        visited = {passage.camera for passage in self._passages}
        empty = [name for name in self._by_name if name not in visited]
        here = str(rng.choice(empty or list(self._by_name)))
        arrival = self._lonely_moment(here)
        kept: list[Passage] = []
        came_from = ""
        for _ in range(int(rng.integers(1, 5))):
            leg = self._leg(group, here, arrival, kept)
            if not leg:
                break
            kept += leg
            onward = [(name, link) for name, link in self._next[here] if name != came_from]
            if not onward:
                break
            came_from = here
            here, link = onward[int(rng.integers(len(onward)))]
            most = link.max_secs if link.max_secs is not None else link.min_secs + 4.0
            # The slowest of the group sets when all of them come to the next camera.
            arrival = max(p.end_secs for p in leg) + float(rng.uniform(link.min_secs, most))
        return kept

    def _lonely_moment(self, camera: str) -> float:
        """A moment, in seconds, shortly before fewer than two people are in a camera's view."""
        recorded = self._recorded(self._by_name[camera])
        lonely = recorded.start + np.flatnonzero(self._crowd[camera][recorded] < 2)
        if not len(lonely):
            lonely = np.arange(recorded.start, recorded.stop)
        return float(self._rng.choice(lonely)) / 2 - float(self._rng.uniform(0.0, 3.0))

    def _leg(
        self, group: list[int], camera: str, arrival: float, kept: list[Passage]
    ) -> list[Passage]:
        """The group's passages on one camera, or none if that can't be."""
        from_left = bool(self._rng.integers(2))
        leg: list[Passage] = []
        for place, subject in enumerate(group):
            for _ in range(4):
                start = arrival + place * float(self._rng.uniform(0.9, 1.8))
                passage = self._passage(
                    subject, camera, start, from_left, number=len(kept) + len(leg)
                )
                if not self._fits(passage, kept):
                    continue
                if self._keeps_all_in_view(passage, kept + leg):
                    leg.append(passage)
                    break
            else:
                return []
        return leg

    def _passage(
        self, subject: int, camera: str, start: float, from_left: bool, *, number: int
    ) -> Passage:
        rng, preset = self._rng, self._preset
        low, high = (math.log(px) for px in preset.face_px)
        # Widths come in a fixed, even order, so that keeping the best walks favours no width.
        number += len(self._passages)
        middle = (self._first_width + number * _GOLDEN) % 1.0
        reach = min(float(rng.uniform(0.08, 0.25)), middle, 1.0 - middle)
        near, far = (math.exp(low + (high - low) * (middle + r)) for r in (reach, -reach))
        width = preset.frame_px[0]
        ends = (-SHOULDER * far, width + SHOULDER * near)
        if not from_left:
            ends = (width + SHOULDER * far, -SHOULDER * near)
        pace = float(rng.uniform(*preset.pace)) * math.sqrt(near * far)
        duration = float(np.clip(abs(ends[1] - ends[0]) / pace, *preset.passage_secs))
        return Passage(
            subject=subject,
            camera=camera,
            start_secs=start,
            end_secs=start + duration,
            x=ends,
            face_px=(far, near),
            portrait=0,
            blur_px=float(rng.uniform(*preset.blur_px)),
            gain=float(rng.uniform(*preset.gain)),
            behind_pillar=False,
            phase=float(rng.uniform()),
            steps_hz=float(rng.uniform(1.5, 2.0)),
            tilt_deg=float(rng.uniform(-3.0, 3.0)),
        )

    def _fits(self, passage: Passage, kept: list[Passage]) -> bool:
        """Whether the camera records it and the person can be there."""
        camera = self._by_name[passage.camera]
        recorded_to = camera.starts_at_secs + self._secs
        if passage.start_secs < camera.starts_at_secs or passage.end_secs > recorded_to:
            return False
        photos = len(self._subjects[passage.subject].portraits)
        walked = self._turns[passage.subject] + sum(p.subject == passage.subject for p in kept)
        if photos > 1 and walked >= photos:
            return False
        for other in (*self._passages, *kept):
            if other.subject != passage.subject:
                continue
            gap = max(passage.start_secs - other.end_secs, other.start_secs - passage.end_secs)
            least = max(self._least_secs[other.camera, passage.camera], 2.0)
            if gap < (_RETURN_SECS if other.camera == passage.camera else least):
                return False
        return True

    def _keeps_all_in_view(self, passage: Passage, kept: list[Passage]) -> bool:
        """Whether nobody on this camera, and not the passage, gets hidden for long by a person."""
        around = [
            other
            for other in (*self._passages, *kept)
            if other.camera == passage.camera
            and other.start_secs < passage.end_secs
            and passage.start_secs < other.end_secs
        ]
        if not around:
            return True
        steps = [self._sampled(p, passage) for p in (passage, *around)]
        for one, own in enumerate(steps):
            others = [s for n, s in enumerate(steps) if n != one]
            shares = visibility(own, others, frame_px=self._preset.frame_px, pillar=(0.0, 0.0))
            if longest_hidden_secs(shares, fps=8.0) >= _OCCLUDED_SECS:
                return False
        return True

    def _sampled(self, passage: Passage, during: Passage) -> Steps:
        at = np.arange(during.start_secs, during.end_secs, 1 / 8)
        horizon = self._by_name[passage.camera].horizon_px
        return step(passage, at, horizon_px=horizon, aspect=_TYPICAL_ASPECT)

    def _with_portrait(self, passage: Passage) -> Passage:
        subject = passage.subject
        order = self._orders[subject]
        portrait = order[self._turns[subject] % len(order)]
        self._turns[subject] += 1
        return replace(passage, portrait=portrait)

    def _hide(self) -> None:
        """Sends the share of passages that the preset asks for behind the pillar."""
        wanted = round(self._preset.occluded * len(self._passages))
        order = [int(n) for n in self._rng.permutation(len(self._passages))]
        # Two at the pillar at once, one of them behind it, may look as if space were twisted.
        order.sort(key=lambda n: self._meets_someone_at_pillar(self._passages[n]))
        for n in order:
            if wanted == 0:
                return
            hidden = replace(self._passages[n], behind_pillar=True)
            camera = self._by_name[hidden.camera]
            fps = self._preset.fps
            at: Doubles = np.arange(hidden.start_secs, hidden.end_secs, 1 / fps)
            steps = step(hidden, at, horizon_px=camera.horizon_px, aspect=_TYPICAL_ASPECT)
            shares = visibility(steps, (), frame_px=self._preset.frame_px, pillar=camera.pillar)
            if longest_hidden_secs(shares, fps=fps) >= _OCCLUDED_SECS + 1 / fps:
                self._passages[n] = hidden
                wanted -= 1

    def _meets_someone_at_pillar(self, passage: Passage) -> bool:
        pillar = self._by_name[passage.camera].pillar
        mine = self._at_pillar(passage, pillar)
        return any(
            other is not passage
            and other.camera == passage.camera
            and max(mine[0], theirs[0]) < min(mine[1], theirs[1])
            for other in self._passages
            for theirs in (self._at_pillar(other, pillar),)
        )

    def _at_pillar(self, passage: Passage, pillar: tuple[float, float]) -> tuple[float, float]:
        """The seconds in which any of the figure is at the pillar, roughly."""
        side = SHOULDER * passage.face_px[1]
        span = passage.x[1] - passage.x[0]
        shares = sorted((x - passage.x[0]) / span for x in (pillar[0] - side, pillar[1] + side))
        secs = passage.end_secs - passage.start_secs
        return passage.start_secs + shares[0] * secs, passage.start_secs + shares[1] * secs
