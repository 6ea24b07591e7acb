"""The tracker on synthetic boxes. Each detection carries the name of whose face it is, which the
tracker never sees, so that a test can ask which tracks a person was given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightgrid.domain.faces import Detection
from sightgrid.domain.geometry import Box
from sightgrid.vision.tracking import Likeness, Track, Tracker, TrackerSettings

SETTINGS = TrackerSettings()
Position = Callable[[float], tuple[float, float] | None]


def face(x: float, y: float, *, width: float = 60.0, score: float = 0.9) -> Detection:
    landmarks = np.zeros((5, 2), np.float32)
    return Detection(
        Box(x - width / 2, y - 0.6 * width, x + width / 2, y + 0.6 * width), landmarks, score
    )


@dataclass
class Outcome:
    """Who was given which tracks, and which tracks ended when."""

    tracks: dict[str, list[Track]] = field(default_factory=dict)
    ended: list[tuple[float, Track]] = field(default_factory=list)

    def keys(self, name: str) -> list[int]:
        """The tracks of a person, in order, each once."""
        return list(dict.fromkeys(track.key for track in self.tracks[name]))

    @property
    def confirmed(self) -> list[Track]:
        return [track for _, track in self.ended if track.confirmed]


def follow(
    frames: Iterable[tuple[float, dict[str, Detection]]],
    *,
    likeness: Likeness | None = None,
    tracker: Tracker | None = None,
) -> Outcome:
    tracker = tracker or Tracker()
    outcome = Outcome()
    at_secs = 0.0
    for at_secs, seen in frames:
        names = {id(detection): name for name, detection in seen.items()}
        update = tracker.update(list(seen.values()), at_secs=at_secs, likeness=likeness)
        for assignment in update.assignments:
            name = names[id(assignment.detection)]
            outcome.tracks.setdefault(name, []).append(assignment.track)
        outcome.ended += [(at_secs, track) for track in update.ended]
    outcome.ended += [(at_secs, track) for track in tracker.finish()]
    return outcome


def filmed(
    people: dict[str, Position],
    *,
    secs: float,
    fps: float = 12.5,
    seed: int = 0,
    jitter_px: float = 2.0,
    width: float = 60.0,
    dropped: float = 0.0,
) -> Iterator[tuple[float, dict[str, Detection]]]:
    """What a detector gives of people walking: boxes off by a little, some frames missing."""
    random = np.random.default_rng(seed)
    for number in range(int(secs * fps) + 1):
        at_secs = number / fps
        seen = {}
        for name, position in people.items():
            x, y, grown = random.normal(0, 1, 3)
            place = position(at_secs)
            if place is not None:
                seen[name] = face(
                    place[0] + x * jitter_px,
                    place[1] + y * jitter_px,
                    width=width * (1 + 0.03 * grown),
                )
        if random.random() >= dropped or number == 0:
            yield at_secs, seen


def walk(x: float, y: float, *, speed: float) -> Position:
    return lambda at_secs: (x + speed * at_secs, y)


def hidden(position: Position, first: float, last: float) -> Position:
    return lambda at_secs: None if first < at_secs < last else position(at_secs)


# walking


@pytest.mark.parametrize("fps", [5.0, 12.5, 30.0])
@pytest.mark.parametrize("speed", [0.0, 60.0, 150.0])
def test_one_walk_is_one_track_at_any_frame_rate(fps: float, speed: float) -> None:
    outcome = follow(filmed({"a": walk(100, 300, speed=speed)}, secs=6, fps=fps))
    assert len(outcome.keys("a")) == 1
    (track,) = outcome.confirmed
    assert track.hits == int(6 * fps) + 1


@pytest.mark.parametrize("fps", [5.0, 12.5, 30.0])
def test_a_track_counts_after_the_same_time_at_any_frame_rate(fps: float) -> None:
    tracker = Tracker()
    for at_secs, seen in filmed({"a": walk(100, 300, speed=60)}, secs=2, fps=fps):
        (assignment,) = tracker.update(list(seen.values()), at_secs=at_secs).assignments
        if assignment.track.confirmed:
            # three looks and a fifth of a second, whichever takes longer
            wanted = max(SETTINGS.confirm_secs, (SETTINGS.confirm_hits - 1) / fps)
            assert wanted - 1e-9 <= at_secs <= wanted + 1 / fps
            return
    pytest.fail("never confirmed")


def test_two_looks_half_a_second_apart_count_too() -> None:
    outcome = follow([(0.0, {"a": face(100, 100)}), (0.5, {"a": face(110, 100)})])
    assert len(outcome.confirmed) == 1


@pytest.mark.parametrize("seed", range(4))
def test_dropped_frames_change_nothing(seed: int) -> None:
    position = walk(100, 300, speed=120)
    outcome = follow(filmed({"a": position}, secs=8, fps=25, dropped=0.4, seed=seed))
    assert len(outcome.keys("a")) == 1


def test_someone_coming_nearer_stays_one() -> None:
    frames = [(i / 10, {"a": face(400, 300, width=24 * 1.035**i)}) for i in range(60)]
    assert len(follow(frames).keys("a")) == 1


def test_the_box_goes_where_the_face_is_expected() -> None:
    tracker = Tracker()
    for i in range(20):
        tracker.update([face(100 + 6 * i, 300)], at_secs=i / 10)
    (assignment,) = tracker.update([face(100 + 6 * 20, 300)], at_secs=2.0).assignments
    left, _, right, _ = assignment.track.box
    assert (left + right) / 2 == pytest.approx(220, abs=4)
    assert right - left == pytest.approx(60, abs=2)


# several people


@pytest.mark.parametrize("fps", [8.0, 12.5, 25.0])
@pytest.mark.parametrize("hidden_secs", [0.3, 0.5])
@pytest.mark.parametrize("seed", range(3))
def test_two_who_cross_keep_their_tracks(fps: float, hidden_secs: float, seed: int) -> None:
    """While they overlap (or longer, behind a shoulder) only the one in front is seen."""
    front = walk(100, 300, speed=110)
    behind = walk(760, 325, speed=-110)
    behind = hidden(behind, 3.0 - hidden_secs / 2, 3.0 + hidden_secs / 2)
    outcome = follow(filmed({"a": front, "b": behind}, secs=6, fps=fps, seed=seed))
    assert len(outcome.keys("a")) == len(outcome.keys("b")) == 1
    assert outcome.keys("a") != outcome.keys("b")


def test_two_who_pass_above_each_other_are_never_mixed_up() -> None:
    people = {"a": walk(100, 300, speed=110), "b": walk(760, 350, speed=-110)}
    outcome = follow(filmed(people, secs=6))
    assert len(outcome.keys("a")) == len(outcome.keys("b")) == 1


def test_many_side_by_side() -> None:
    people = {f"p{i}": walk(80 + 100 * i, 200 + 15 * i, speed=50) for i in range(8)}
    outcome = follow(filmed(people, secs=6))
    assert sorted(key for name in people for key in outcome.keys(name)) == list(range(1, 9))


def test_a_weak_ghost_does_not_take_the_place_of_a_good_look() -> None:
    """A second, weaker box beside the face, nearer to where the face was expected."""
    frames = []
    for i in range(30):
        seen = {"a": face(100 + 8 * i, 300)}
        if i > 5:
            seen["ghost"] = face(100 + 8 * i - 6, 302, score=0.55)
        frames.append((i / 12.5, seen))
    outcome = follow(frames)
    assert len(outcome.tracks["a"]) == 30
    assert len(outcome.keys("a")) == 1
    assert "ghost" not in outcome.tracks


# gaps


@pytest.mark.parametrize("gap_secs", [0.2, 0.4, 0.55])
def test_a_short_occlusion_keeps_the_track(gap_secs: float) -> None:
    position = hidden(walk(100, 300, speed=90), 2.0, 2.0 + gap_secs)
    assert len(follow(filmed({"a": position}, secs=5, fps=25)).keys("a")) == 1


@pytest.mark.parametrize(
    ("gap_secs", "alike", "tracks"),
    [
        (1.5, None, 2),  # nobody to ask
        (1.5, 0.2, 1),
        (3.4, 0.9, 1),
        (3.8, 0.9, 2),  # coast_secs + revive_secs are over
    ],
)
def test_who_comes_back_after_a_gap(gap_secs: float, alike: float | None, tracks: int) -> None:
    def likeness(track: Track, detection: Detection) -> float | None:
        assert track.confirmed
        return alike

    position = hidden(lambda at_secs: (300.0, 300.0), 2.0, 2.0 + gap_secs)
    frames = filmed({"a": position}, secs=8, fps=25)
    outcome = follow(frames, likeness=None if alike is None else likeness)
    assert len(outcome.keys("a")) == tracks
    assert len(outcome.confirmed) == tracks


def test_likeness_that_cannot_be_told_or_is_too_little_revives_nothing() -> None:
    position = hidden(lambda at_secs: (300.0, 300.0), 2.0, 3.5)
    outcome = follow(filmed({"a": position}, secs=5), likeness=lambda track, seen: None)
    assert len(outcome.keys("a")) == 2


def test_nobody_comes_back_at_the_other_end_of_the_picture() -> None:
    def position(at_secs: float) -> tuple[float, float] | None:
        return (100.0, 300.0) if at_secs < 2 else None if at_secs < 3 else (900.0, 300.0)

    outcome = follow(filmed({"a": position}, secs=5), likeness=lambda track, seen: 0.95)
    assert len(outcome.keys("a")) == 2


def test_of_two_who_come_back_each_gets_their_own() -> None:
    names: dict[int, str] = {}

    def likeness(track: Track, detection: Detection) -> float | None:
        return 0.8 if names[track.key] == looks[id(detection)] else 0.5

    looks: dict[int, str] = {}
    tracker = Tracker()
    keys: dict[str, set[int]] = {"a": set(), "b": set()}
    for number in range(60):
        at_secs = number / 10
        if 2.0 < at_secs < 3.5:
            tracker.update([], at_secs=at_secs)
            continue
        # they change places while nobody sees them
        x = {"a": 300.0, "b": 420.0} if at_secs <= 2 else {"a": 420.0, "b": 300.0}
        seen = [face(x["a"], 300), face(x["b"], 300)]
        looks = {id(seen[0]): "a", id(seen[1]): "b"}
        update = tracker.update(seen, at_secs=at_secs, likeness=likeness)
        for assignment in update.assignments:
            name = looks[id(assignment.detection)]
            keys[name].add(assignment.track.key)
            names.setdefault(assignment.track.key, name)
    assert keys == {"a": {1}, "b": {2}}


def test_a_track_ends_once_its_patience_is_over() -> None:
    def frames() -> Iterator[tuple[float, dict[str, Detection]]]:
        for number in range(80):
            at_secs = number / 10
            yield at_secs, {"a": face(300, 300)} if at_secs <= 2 else {}

    ((at_secs, track),) = follow(frames()).ended
    patience = SETTINGS.coast_secs + SETTINGS.revive_secs
    assert patience < at_secs - track.last_secs <= patience + 0.11


def test_weak_detections_carry_a_track_but_not_for_long() -> None:
    frames = []
    for number in range(60):
        at_secs = number / 10
        frames.append((at_secs, {"a": face(300, 300, score=0.9 if at_secs <= 2 else 0.6)}))
    outcome = follow(frames)
    (track,) = outcome.confirmed
    assert len(outcome.keys("a")) == 1
    assert track.last_secs == pytest.approx(2 + SETTINGS.weak_secs, abs=0.11)


# noise


def test_weak_detections_begin_nothing() -> None:
    frames = [(i / 10, {"a": face(300, 300, score=0.69)}) for i in range(30)]
    outcome = follow(frames)
    assert outcome.tracks == {}
    assert outcome.ended == []


def test_detections_below_weak_are_not_even_kept_on() -> None:
    frames = [(i / 10, {"a": face(300, 300, score=0.9 if i < 10 else 0.4)}) for i in range(30)]
    assert len(follow(frames).tracks["a"]) == 10


def test_flashes_here_and_there_never_count() -> None:
    """A strong detection in every frame, never twice within reach in a second."""
    places = [(x, y) for y in (150, 450, 750) for x in range(100, 1900, 300)]
    frames = [(i / 12.5, {"noise": face(*places[i % len(places)])}) for i in range(400)]
    outcome = follow(frames)
    assert len(outcome.ended) == 400
    assert outcome.confirmed == []


def test_a_flash_that_comes_again_at_the_same_place_never_counts() -> None:
    frames = [(i * 0.1, {"noise": face(300, 300)} if i % 8 == 0 else {}) for i in range(200)]
    assert follow(frames).confirmed == []


def test_two_flashes_within_a_moment_are_not_enough() -> None:
    frames = [(0.0, {"noise": face(300, 300)}), (0.04, {"noise": face(301, 300)})]
    assert follow(frames).confirmed == []


# any frames whatever

detections = st.builds(
    lambda x, y, width, score: face(x, y, width=width, score=score),
    st.floats(-50, 700),
    st.floats(-50, 500),
    st.floats(4, 300),
    st.floats(0, 1),
)
recordings = st.lists(
    st.tuples(st.floats(0, 1.5), st.lists(detections, max_size=5)), min_size=1, max_size=15
)


@settings(max_examples=150)
@given(recordings, st.one_of(st.none(), st.floats(-1, 1)))
def test_no_detection_and_no_track_is_used_twice_in_a_frame(
    recording: list[tuple[float, list[Detection]]], alike: float | None
) -> None:
    tracker = Tracker()
    at_secs = 0.0
    over: set[int] = set()
    begun: set[int] = set()
    for step, seen in recording:
        at_secs += step
        update = tracker.update(seen, at_secs=at_secs, likeness=lambda track, detection: alike)
        used = [id(assignment.detection) for assignment in update.assignments]
        keys = [assignment.track.key for assignment in update.assignments]
        assert len(set(used)) == len(used)
        assert len(set(keys)) == len(keys)
        given_in = {id(detection): detection for detection in seen}
        assert set(used) <= given_in.keys()
        for number, detection in given_in.items():
            if detection.score >= SETTINGS.strong:
                assert number in used
            if detection.score < SETTINGS.weak:
                assert number not in used
        for assignment in update.assignments:
            if assignment.track.key not in begun:
                assert assignment.detection.score >= SETTINGS.strong
            assert assignment.track.last_secs == at_secs
            assert np.isfinite(assignment.track.mean).all()
            assert np.isfinite(assignment.track.covariance).all()
        begun |= set(keys)
        over |= {track.key for track in update.ended}
        assert not over & set(keys)
    ended = [track.key for track in tracker.finish()]
    assert not over & set(ended)
    assert over | set(ended) == begun
    assert tracker.finish() == []


@pytest.mark.parametrize("fps", [0.5, 1.0, 1.5, 2.0])
def test_a_face_that_stays_is_followed_however_slow_the_camera(fps: float) -> None:
    outcome = follow(filmed({"a": walk(300, 300, speed=0)}, secs=20, fps=fps))
    assert len(outcome.keys("a")) == 1
    assert outcome.tracks["a"][-1].confirmed
