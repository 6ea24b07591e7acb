"""Six live cameras in real time: the same people and visits as in the recordings themselves."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from fakecameras import HttpCameras, RtspDoors, Scene, remuxed
from watching import History, configure, watch

from clips import pictures_of, write_clip
from sightgrid.domain.cameras import CameraState
from sightgrid.domain.grid import CameraGrid
from sightgrid.domain.presence import Sighting, Visit
from sightgrid.edge.sightingfolder import read_sightings
from sightgrid.ledger.settling import settle
from sightgrid.offline.engine import open_engine
from sightgrid.offline.naming import name_sources
from sightgrid.offline.tracking import TrackRequest, track
from sightgrid.trajectory.visits import visits as visits_of

pytestmark = pytest.mark.streams

# two of the five people are on two cameras each
CLIPS = ("again", "brother", "milk", "book", "learn", "eat")
OVER_RTSP = CLIPS[:3]
PORT = 18554
VISIT_GAP_SECS = 10.0


def who_was_where(visits: Iterable[Visit]) -> Counter[frozenset[str]]:
    """How many people were seen by which set of cameras; serials have no meaning across runs."""
    cameras: dict[int, set[str]] = defaultdict(set)
    for visit in visits:
        cameras[visit.serial].add(visit.camera)
    return Counter(frozenset(seen) for seen in cameras.values())


def settled(sightings: list[Sighting]) -> tuple[Visit, ...]:
    decisions = settle(
        sightings, people=(), grid=CameraGrid(), policy=open_engine("default").policy
    ).decisions
    return visits_of(decisions, gap_secs=VISIT_GAP_SECS, grid=CameraGrid())


def over(history: History, _: float) -> bool:
    """All have been live and are no more."""
    return all(
        CameraState.LIVE in history.states(name)
        and history.last(name).state is not CameraState.LIVE
        for name in CLIPS
    )


def test_six_live_cameras_find_what_the_offline_run_finds(
    footage: Path,
    rtsp: Callable[..., str],
    cameras: tuple[HttpCameras, RtspDoors],
    tmp_path: Path,
) -> None:
    folder = footage / "vid_office_signers"
    clips = {
        name: write_clip(
            tmp_path / f"{name}.mp4", pictures_of(folder / f"{name}.mkv"), fps=30, quality=18
        )
        for name in CLIPS
    }
    offline = track(
        TrackRequest(
            sources=name_sources([f"{name}={clip}" for name, clip in clips.items()]),
            out=tmp_path / "offline",
        )
    ).result
    assert {visit.camera for visit in offline.visits} == set(CLIPS)
    base = rtsp(PORT, **{name: clips[name] for name in OVER_RTSP})
    http, _ = cameras
    urls = {name: f"{base}/{name}" for name in OVER_RTSP}
    urls["book"] = http.add("book", remuxed(Scene(clips["book"], _secs(clips["book"]))))
    urls["learn"] = http.add(
        "learn", remuxed(Scene(clips["learn"], _secs(clips["learn"])), container="flv")
    )
    urls["eat"] = str(clips["eat"])
    for name in ("book", "learn"):
        http.once.add(name)
    history = watch(
        configure(tmp_path, {name: {"url": url} for name, url in urls.items()}),
        over,
        most_secs=60,
    )
    sightings = read_sightings(history.box.sightings)
    assert all(sighting.closed for sighting in sightings)
    visits = settled(sightings)
    stories = "\n".join(history.story(name) for name in CLIPS)
    assert who_was_where(visits) == who_was_where(offline.visits), stories
    per_camera = Counter(visit.camera for visit in visits)
    assert per_camera == Counter(visit.camera for visit in offline.visits), stories
    # a visit lasts as long as in the recording, but for the steps of five looks a second
    lengths = {v.camera: (v.last_seen - v.first_seen).total_seconds() for v in offline.visits}
    for visit in visits:
        secs = (visit.last_seen - visit.first_seen).total_seconds()
        assert secs == pytest.approx(lengths[visit.camera], abs=0.8), visit.camera


def _secs(clip: Path) -> float:
    import av

    with av.open(str(clip)) as source:
        return float((source.duration or 0) / 1e6)
