"""Follows faces from frame to frame by motion and overlap, and by appearance after a gap.

A track is a box moving at a steady speed (a Kalman filter over centre and size, with all noise in
face widths and seconds, so that a dropped frame or another frame rate changes nothing). Each frame
the strong detections are assigned to tracks at the least total cost, then the weak ones to what is
left (the two passes of ByteTrack, Zhang et al. 2022), then what is left of the strong ones may
revive a track that was lost a moment ago, if it still looks the same. A track counts
only once it is *confirmed*, having been seen long enough; noise never spends a group number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from sightgrid.domain.faces import Detection
from sightgrid.domain.geometry import Floats

# standard deviations of the motion model, in face widths (per second squared for accelerations)
_MEASUREMENT_STD = np.array([0.06, 0.06, 0.08, 0.08])
_ACCELERATION_STD = np.array([6.0, 6.0, 1.5, 1.5])
_FIRST_SPEED_STD = np.array([2.0, 2.0, 0.5, 0.5])
_STEADY_SECS = 0.3
_FADE_SECS = 0.3


@dataclass(frozen=True, slots=True)
class TrackerSettings:
    """When a track begins, holds and ends. All times in seconds.

    ``strong`` / ``weak``: detector scores that may start / only continue a track.
    ``confirm_secs`` and ``confirm_hits``: both must be reached before a track counts.
    ``coast_secs``: how long a track is carried on by motion alone; ``weak_secs``: how long by weak
    detections alone (a head turned away soon is no face); ``revive_secs``: how long after that a
    face that looks the same may still continue it.
    ``gate``: how far, in face widths, a detection may lie from where the track was expected.
    ``first_reach``: how much further, at most, for a track seen once, of whose speed nothing is
    known: where frames are rare, a face may have gone further than its width by the next.
    """

    strong: float = 0.7
    weak: float = 0.5
    confirm_secs: float = 0.2
    confirm_hits: int = 3
    coast_secs: float = 0.6
    weak_secs: float = 0.8
    revive_secs: float = 3.0
    gate: float = 1.0
    first_reach: float = 0.0


@dataclass(eq=False, slots=True)
class Track:
    """A face being followed; private to the tracker and to the view that owns it."""

    key: int
    """Counts every track ever begun; for bookkeeping only."""
    mean: NDArray[np.float64]
    """(4, 2): centre x, centre y, width, height, each with its speed per second."""
    covariance: NDArray[np.float64]
    """(4, 2, 2)."""
    first_secs: float
    last_secs: float
    predicted_secs: float
    last_strong_secs: float
    confirmed: bool = False
    """Seen long enough to be a face; never taken back."""
    hits: int = 1

    @property
    def box(self) -> Floats:
        """Where the face is expected now, (4,) xyxy."""
        x, y, width, height = self.mean[:, 0]
        return np.array([x - width / 2, y - height / 2, x + width / 2, y + height / 2], np.float32)


@dataclass(frozen=True, slots=True)
class Assignment:
    """A detection of this frame and the track it continues or begins."""

    track: Track
    detection: Detection


@dataclass(frozen=True, slots=True)
class Update:
    """What one frame did: the assignments made, and the tracks that ended, confirmed or not."""

    assignments: list[Assignment]
    ended: list[Track]


Likeness = Callable[[Track, Detection], float | None]
"""How alike a lost track and a detection of this frame look; ``None`` if that can't be told, or if
they are not alike enough to be one face."""


@dataclass(slots=True)
class Tracker:
    """Follows the faces of one camera."""

    settings: TrackerSettings = field(default_factory=TrackerSettings)
    _tracks: list[Track] = field(default_factory=list)
    _begun: int = 0
    _last_frame_secs: float | None = None
    _interval_secs: float | None = None

    def update(
        self,
        detections: Sequence[Detection],
        *,
        at_secs: float,
        likeness: Likeness | None = None,
    ) -> Update:
        """Takes the detections of the next frame.

        Args:
            detections: of one frame. at_secs: its time; never less than the one before.
            likeness: asked only for revivals; without it nothing is revived.
        """
        self._note_interval(at_secs)
        ended = self._end_before(at_secs)
        for track in self._tracks:
            _predict(track, at_secs)

        strong = [d for d in detections if d.score >= self.settings.strong]
        weak = [d for d in detections if self.settings.weak <= d.score < self.settings.strong]
        coasting = [
            track for track in self._tracks if at_secs - track.last_secs <= self._coast_secs()
        ]
        lost = [track for track in self._tracks if track not in coasting]

        # strong detections first, so that a ghost never takes the place of a good look
        assignments, free_tracks, free_strong = self._match(coasting, strong, at_secs)
        lately_strong = [
            track
            for track in free_tracks
            if at_secs - track.last_strong_secs <= self.settings.weak_secs
        ]
        second, still_free, _ = self._match(lately_strong, weak, at_secs)
        assignments += second
        free_tracks = still_free + [track for track in free_tracks if track not in lately_strong]

        # a face that comes back from behind something is the old one only if it looks like it
        if likeness is not None and free_strong:
            revived, _, free_strong = self._revive(lost + free_tracks, free_strong, likeness)
            assignments += revived

        for assignment in assignments:
            _correct(assignment.track, assignment.detection, at_secs)
            if assignment.detection.score >= self.settings.strong:
                assignment.track.last_strong_secs = at_secs
            self._confirm(assignment.track)
        for detection in free_strong:
            assignments.append(Assignment(self._begin(detection, at_secs), detection))
        return Update(assignments=assignments, ended=ended)

    def expected(self, at_secs: float) -> list[Track]:
        """The tracks whose face should be in view: seen within the time they are carried on."""
        patience = self._coast_secs()
        return [track for track in self._tracks if at_secs - track.last_secs <= patience]

    def finish(self) -> list[Track]:
        """Ends every track, as at the end of the recording or at a cut."""
        ended, self._tracks = self._tracks, []
        return ended

    def _note_interval(self, at_secs: float) -> None:
        """Keeps a running mean of the time between frames, fast to rise and to fall."""
        if self._last_frame_secs is not None:
            interval = at_secs - self._last_frame_secs
            known = self._interval_secs
            self._interval_secs = interval if known is None else 0.7 * known + 0.3 * interval
        self._last_frame_secs = at_secs

    def _coast_secs(self) -> float:
        """How long a track is carried on: never less than to the next frame of a slow camera."""
        return max(self.settings.coast_secs, 1.5 * (self._interval_secs or 0.0))

    def _end_before(self, at_secs: float) -> list[Track]:
        """Takes out the tracks that nothing has continued for too long."""
        patience = self._coast_secs() + self.settings.revive_secs
        kept: list[Track] = []
        ended: list[Track] = []
        for track in self._tracks:
            waited = at_secs - track.last_secs
            allowed = patience if track.confirmed else self._coast_secs()
            (kept if waited <= allowed else ended).append(track)
        self._tracks = kept
        return ended

    def _match(
        self, tracks: list[Track], detections: list[Detection], at_secs: float
    ) -> tuple[list[Assignment], list[Track], list[Detection]]:
        if not tracks or not detections:
            return [], tracks, detections
        return _assign(tracks, detections, self._costs(tracks, detections, at_secs))

    def _costs(
        self, tracks: list[Track], detections: list[Detection], at_secs: float
    ) -> NDArray[np.float64]:
        """Distance in face widths plus difference in size, (tracks, detections); infinite beyond
        the gate."""
        means = np.stack([track.mean[:, 0] for track in tracks])[:, :, None]
        variances = np.array([track.covariance[0, 0, 0] for track in tracks])[:, None]
        waited = np.array([at_secs - track.last_secs for track in tracks])[:, None]
        once = np.array([track.hits == 1 for track in tracks])[:, None]
        seen = np.array([_measured(detection) for detection in detections]).T
        scale = np.maximum((means[:, 2] + seen[2]) / 2, 1.0)
        apart = np.hypot(seen[0] - means[:, 0], seen[1] - means[:, 1]) / scale
        growth = np.abs(np.log(seen[2] / np.maximum(means[:, 2], 1.0)))
        # the longer unseen, the less is known of where the face went
        doubt = np.sqrt(variances) / scale
        reach = np.minimum(doubt, 0.5)
        reach += np.where(once, np.minimum(doubt, self.settings.first_reach), 0.0)
        beyond = (apart > self.settings.gate + reach) | (growth > 0.5 + 0.5 * waited)
        # of two tracks that fit, the face seen a moment ago is likelier still in view
        costs = apart + 0.5 * growth + np.minimum(waited, self.settings.coast_secs)
        return np.where(beyond, np.inf, costs)

    def _revive(
        self, tracks: list[Track], detections: list[Detection], likeness: Likeness
    ) -> tuple[list[Assignment], list[Track], list[Detection]]:
        costs = np.full((len(tracks), len(detections)), np.inf)
        for row, track in enumerate(tracks):
            if not track.confirmed:
                continue
            for column, detection in enumerate(detections):
                # nobody crosses more than a few face widths a second, nor halves in size
                x, y, width, _ = track.mean[:, 0]
                centre_x, centre_y = detection.box.centre
                scale = max(width, detection.box.width, 1.0)
                apart = float(np.hypot(centre_x - x, centre_y - y)) / scale
                growth = abs(float(np.log(detection.box.width / max(width, 1.0))))
                if apart > 6.0 or growth > 0.7:
                    continue
                alike = likeness(track, detection)
                if alike is not None:
                    costs[row, column] = 1.0 - alike
        return _assign(tracks, detections, costs)

    def _begin(self, detection: Detection, at_secs: float) -> Track:
        self._begun += 1
        width = detection.box.width
        mean = np.zeros((4, 2))
        mean[:, 0] = _measured(detection)
        covariance = np.zeros((4, 2, 2))
        covariance[:, 0, 0] = (2 * _MEASUREMENT_STD * width) ** 2
        covariance[:, 1, 1] = (_FIRST_SPEED_STD * width) ** 2
        track = Track(
            key=self._begun,
            mean=mean,
            covariance=covariance,
            first_secs=at_secs,
            last_secs=at_secs,
            predicted_secs=at_secs,
            last_strong_secs=at_secs,
        )
        self._tracks.append(track)
        return track

    def _confirm(self, track: Track) -> None:
        lasted = track.last_secs - track.first_secs
        if not track.confirmed and (
            (track.hits >= self.settings.confirm_hits and lasted >= self.settings.confirm_secs)
            # at a few frames a second, two looks half a second apart say as much
            or (track.hits >= 2 and lasted >= 2.5 * self.settings.confirm_secs)
        ):
            track.confirmed = True


def _assign(
    tracks: list[Track], detections: list[Detection], costs: NDArray[np.float64]
) -> tuple[list[Assignment], list[Track], list[Detection]]:
    """The assignment of least total cost; infinite costs are never chosen."""
    if not costs.size:
        return [], tracks, detections
    forbidden = 1e6
    rows, columns = linear_sum_assignment(np.where(np.isinf(costs), forbidden, costs))
    pairs = [(r, c) for r, c in zip(rows, columns, strict=True) if np.isfinite(costs[r, c])]
    taken_rows, taken_columns = {r for r, _ in pairs}, {c for _, c in pairs}
    return (
        [Assignment(tracks[r], detections[c]) for r, c in pairs],
        [track for r, track in enumerate(tracks) if r not in taken_rows],
        [detection for c, detection in enumerate(detections) if c not in taken_columns],
    )


def _measured(detection: Detection) -> NDArray[np.float64]:
    x, y = detection.box.centre
    return np.array([x, y, detection.box.width, detection.box.height])


def _predict(track: Track, at_secs: float) -> None:
    step = at_secs - track.predicted_secs
    if step <= 0:
        return
    # people who are not seen for a while rarely keep their speed: from then on it halves every
    # _FADE_SECS, so that a face that was lost is looked for near where it was
    steady = min(max(track.last_secs + _STEADY_SECS - track.predicted_secs, 0.0), step)
    kept = 0.5 ** ((step - steady) / _FADE_SECS)
    reach = steady + _FADE_SECS / np.log(2.0) * (1.0 - kept)
    move = np.array([[1.0, reach], [0.0, kept]])
    spread = np.array([[step**4 / 4, step**3 / 2], [step**3 / 2, step**2]])
    width = max(track.mean[2, 0], 1.0)
    noise = ((_ACCELERATION_STD * width) ** 2)[:, None, None] * spread
    track.mean = track.mean @ move.T
    track.covariance = move @ track.covariance @ move.T + noise
    track.mean[2:, 0] = np.maximum(track.mean[2:, 0], 2.0)
    track.predicted_secs = at_secs


def _correct(track: Track, detection: Detection, at_secs: float) -> None:
    width = max(track.mean[2, 0], 1.0)
    innovation = _measured(detection) - track.mean[:, 0]
    variance = track.covariance[:, 0, 0] + (_MEASUREMENT_STD * width) ** 2
    gain = track.covariance[:, :, 0] / variance[:, None]
    track.mean = track.mean + gain * innovation[:, None]
    track.covariance = track.covariance - gain[:, :, None] * track.covariance[:, None, 0, :]
    track.hits += 1
    track.last_secs = at_secs
