"""One server, two boxes, three live cameras each: the same people and visits as offline."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from fakecameras import HttpCameras, RtspDoors, Scene, remuxed
from test_six_cameras import who_was_where
from tests.edge.real_server import RealServer
from tests.edge.spools import open_spool

from clips import pictures_of, write_clip
from sightgrid.domain.cameras import CameraState
from sightgrid.domain.presence import Visit
from sightgrid.edge.enrolment import load
from sightgrid.edge.statusfile import read_statuses
from sightgrid.offline.naming import name_sources
from sightgrid.offline.tracking import TrackRequest, track
from sightgrid.store import Store
from sightgrid.store.identities import identities
from sightgrid.store.keys import SiteKeys
from sightgrid.store.visits import visits_of

# decoding must keep up with six cameras beside a server, which a busy machine does not
pytestmark = [pytest.mark.streams, pytest.mark.reliability]

# one person on "again" and "brother", another on "book" and "learn": each seen by both boxes
BOXES = {"north": ("again", "book", "milk"), "south": ("brother", "learn", "eat")}
CLIPS = [name for names in BOXES.values() for name in names]
OVER_SECS = 180.0


@dataclass
class BoxProcess:
    """``sightgrid edge`` in a process of its own, enrolled by a code."""

    name: str
    folder: Path
    server: RealServer
    process: subprocess.Popen[bytes] | None = None
    seen_live: set[str] = field(default_factory=set)

    def start(self) -> None:
        self.folder.mkdir()
        settings = {"box": {"data_folder": "box", "networks": ["127.0.0.0/8"]}}
        (self.folder / "box.yml").write_text(json.dumps(settings))
        order = [sys.executable, "-m", "sightgrid", "edge", "--config", "box.yml"]
        order += ["--server", self.server.url, "--code", self.server.code(self.name)]
        with (self.folder / "box.log").open("wb") as log:
            self.process = subprocess.Popen(
                order, cwd=self.folder, stdout=log, stderr=log, start_new_session=True
            )

    def is_done(self) -> bool:
        """All its cameras were live and are over, and everything it saw is at the server."""
        statuses = read_statuses(self.folder / "box")
        live = {name for name, one in statuses.items() if one.state is CameraState.LIVE}
        # a short clip that comes all at once may be live for no longer than a moment
        self.seen_live |= {name for name, one in statuses.items() if one.frames}
        if live or self.seen_live != set(BOXES[self.name]):
            return False
        enrolment = load(self.folder / "box")
        assert enrolment is not None
        spool = open_spool(self.folder / "box" / enrolment.spool_name, box_id=enrolment.box_id)
        try:
            status = spool.status()
        finally:
            spool.close()
        assert status.quarantined == 0
        return status.pending + status.in_flight == 0

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(60)

    def story(self) -> str:
        return f"{self.name}\n" + (self.folder / "box.log").read_text("utf-8")[-4000:]


@pytest.fixture(scope="module")
def clips(footage: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("clips")
    source = footage / "vid_office_signers"
    return {
        name: write_clip(
            folder / f"{name}.mp4", pictures_of(source / f"{name}.mkv"), fps=30, quality=18
        )
        for name in CLIPS
    }


@pytest.fixture(scope="module")
def offline(clips: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Visit, ...]:
    sources = name_sources([f"{name}={clip}" for name, clip in clips.items()])
    out = tmp_path_factory.mktemp("offline") / "out"
    return tuple(track(TrackRequest(sources=sources, out=out)).result.visits)


@pytest.fixture
def site(
    database: str,
    clips: dict[str, Path],
    cameras: tuple[HttpCameras, RtspDoors],
    tmp_path: Path,
) -> Iterator[RealServer]:
    http, _ = cameras
    found = {}
    for box, names in BOXES.items():
        streamed, flv, filed = names
        for name, container in ((streamed, "mpegts"), (flv, "flv")):
            scene = Scene(clips[name], _secs(clips[name]))
            found[name] = {"url": http.add(name, remuxed(scene, container=container)), "box": box}
            http.once.add(name)
        found[filed] = {"url": str(clips[filed]), "box": box}
    # JSON is YAML
    server = RealServer(tmp_path / "site", database, f"cameras: {json.dumps(found)}")
    server.start()
    yield server
    server.stop()


def test_two_boxes_and_a_server_find_what_the_offline_run_finds(
    site: RealServer, database: str, offline: tuple[Visit, ...], tmp_path: Path
) -> None:
    boxes = [BoxProcess(name, tmp_path / name, site) for name in BOXES]
    try:
        for box in boxes:
            box.start()
        deadline = time.monotonic() + OVER_SECS
        while not all([box.is_done() for box in boxes]):
            assert time.monotonic() < deadline, "\n".join(box.story() for box in boxes)
            time.sleep(0.25)
    finally:
        for box in boxes:
            box.stop()
    site.stop()
    keys = SiteKeys.open(site.folder / "site.key", create=False)
    with Store.open(database, create=False, keys=keys) as store, store.snapshot() as tx:
        roots = [one.serial for one in identities(tx) if one.alias_of is None]
        visits = [visit for serial in roots for visit in visits_of(tx, serial)]
    stories = "\n".join(box.story() for box in boxes)
    assert who_was_where(visits) == who_was_where(offline), stories
    assert Counter(one.camera for one in visits) == Counter(one.camera for one in offline), stories
    met = who_was_where(visits)
    assert met[frozenset({"again", "brother"})] == 1, "seen by both boxes: one serial"
    assert met[frozenset({"book", "learn"})] == 1, "seen by both boxes: one serial"
    assert site.orphans() == {}


def _secs(clip: Path) -> float:
    import av

    with av.open(str(clip)) as source:
        return float((source.duration or 0) / 1e6)
