"""The sample grid of ``sightgrid demo``, played into a site's own database: to see every page with
something on it before the first camera is there.

The rendered clips go the way that a box's records go: watched, decided one by one, stored. They
come as from a box named *demo*.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import cv2

from sightgrid.domain.errors import InvalidValue, SightgridError
from sightgrid.domain.faces import Detection
from sightgrid.domain.frames import Frame
from sightgrid.domain.people import Consent
from sightgrid.domain.presence import Sighting
from sightgrid.domain.tracklets import Tracklet
from sightgrid.ledger.enrolling import enrol_faces, enrol_person
from sightgrid.ledger.taking_in import Arrived
from sightgrid.offline.demonstration import SampleGrid, render_sample
from sightgrid.offline.engine import usable_cores
from sightgrid.offline.tracking import Step
from sightgrid.offline.watching import watch
from sightgrid.server.site import Site
from sightgrid.server.stills import Still
from sightgrid.store import Transaction
from sightgrid.store.audit import note_event
from sightgrid.store.cameras import cameras, save_grid
from sightgrid.store.people import EnrolledFace
from sightgrid.vision.pictures import read_picture
from sightgrid.vision.sources import open_source

BOX = "demo"
_LENGTH = timedelta(seconds=30)
_JPEG_QUALITY = 90
_STILL_WIDTH = 640


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the demo has come. ``share`` is 0-1; ``trouble`` says why it ended early."""

    running: bool = False
    words: str = ""
    share: float = 0.0
    done: bool = False
    trouble: str | None = None
    hint: str | None = None


class Demonstrator:
    """Plays the sample grid into a site, once; thread-safe."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._lock = threading.Lock()
        self._progress = Progress()

    @property
    def progress(self) -> Progress:
        with self._lock:
            return self._progress

    def begin(self, *, actor: str) -> None:
        """Starts it beside everything else; :attr:`progress` tells how far it is.

        Raises:
            InvalidValue: it runs already, or the site has cameras of its own.
        """
        with self._site.store.snapshot() as tx:
            known = cameras(tx)
        with self._lock:
            if self._progress.running:
                raise InvalidValue("the demo is being loaded already")
            if known or self._site.configuration.cameras:
                raise InvalidValue(
                    "the demo is for a site without cameras",
                    hint="set up another site in a folder of its own to look at it",
                )
            self._progress = Progress(running=True, words="Opening the networks")
        threading.Thread(target=self._work, args=(actor,), name="demo", daemon=True).start()

    def _work(self, actor: str) -> None:
        try:
            self._play(actor)
        except SightgridError as error:
            self._set(Progress(trouble=str(error), hint=error.hint))
        except Exception:
            self._set(Progress(trouble="the demo could not be made"))
            raise
        else:
            self._set(Progress(words="Done", share=1.0, done=True))

    def _play(self, actor: str) -> None:
        site, engine = self._site, self._site.engine
        starts_at = site.clock() - _LENGTH - timedelta(seconds=15)
        with TemporaryDirectory(prefix="sightgrid-demo-") as folder:
            sample = render_sample(
                Path(folder) / "clips", engine, starts_at=starts_at, tell=self._rendered
            )
            self._enrol(sample, actor)
            arrived: list[Arrived] = []
            with ThreadPoolExecutor(usable_cores(), thread_name_prefix="demo") as workers:
                for number, camera in enumerate(sample.cameras):
                    self._tell(f"Watching {camera}", 0.5 + 0.45 * number / len(sample.cameras))
                    arrived += self._watch(sample, camera, workers)
            self._tell("Deciding who is who", 0.95)
            arrived.sort(key=lambda one: one.sighting.last_seen)
            site.intake.take_in(BOX, arrived)

    def _enrol(self, sample: SampleGrid, actor: str) -> None:
        site, enroller, now = self._site, self._site.engine.enroller(), self._site.clock()
        faces = {
            photo.name: EnrolledFace(
                enroller.embed_only_face(read_picture(photo.path), where=photo.name)
            )
            for photo in sample.enrolled
        }
        consent = Consent(
            purpose="trajectories",
            text_version="demo",
            text_sha256=sha256(b"demo").hexdigest(),
            language="en",
            channel="demo",
            evidence="photo in the public domain",
            given_by="demo",
            recorded_by="demo",
            given_at=now,
        )

        def write(tx: Transaction) -> None:
            save_grid(tx, sample.grid, sample.cameras)
            for name, face in faces.items():
                person = enrol_person(tx, name, consent=consent, at=now)
                enrol_faces(tx, person.person_id, [face], at=now)
            note_event(tx, at=now, actor=actor, action="demo-loaded")

        site.store.run(write)

    def _watch(self, sample: SampleGrid, camera: str, workers: ThreadPoolExecutor) -> list[Arrived]:
        source = open_source(f"{sample.clips / camera}.mp4", camera=camera, starts_at=None)
        view = self._site.engine.view(camera)
        best: tuple[float, Frame] | None = None

        def seen(frame: Frame, faces: list[Detection]) -> None:
            nonlocal best
            worth = sum(face.box.area for face in faces)
            if best is None or worth > best[0]:
                best = (worth, replace(frame, pixels=frame.pixels.copy()))

        arrived = [
            _arrived(tracklet)
            for tracklet in watch(
                source,
                detector=self._site.engine.detector,
                view=view,
                workers=workers,
                on_frame=seen,
            )
        ]
        if best is not None:
            self._show(camera, best[1])
        return arrived

    def _show(self, camera: str, frame: Frame) -> None:
        height, width = frame.pixels.shape[:2]
        size = (_STILL_WIDTH, round(height * _STILL_WIDTH / width))
        pixels = cv2.resize(frame.pixels, size, interpolation=cv2.INTER_AREA)
        jpeg = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes()
        # the demo's cameras see nothing more, so this one is not to vanish after ten minutes
        self._site.stills.put(camera, Still(frame.captured_at, jpeg, width, height, stays=True))

    def _rendered(self, step: Step) -> None:
        self._tell("Drawing the cameras' pictures", 0.5 * step.done / max(step.total or 1, 1))

    def _tell(self, words: str, share: float) -> None:
        self._set(Progress(running=True, words=words, share=share))

    def _set(self, progress: Progress) -> None:
        with self._lock:
            self._progress = progress


def _arrived(tracklet: Tracklet) -> Arrived:
    """A tracklet as a record that a box would have sent."""
    crops, looks = [], []
    for look in tracklet.looks:
        done, data = cv2.imencode(
            ".jpg", look.crop.pixels, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
        )
        crops.append(data.tobytes() if done else None)
        looks.append(replace(look, crop=look.crop.without_pixels()))
    sighting_id = str(uuid4())
    sighting = Sighting(
        sighting_id=sighting_id,
        revision=1,
        closed=True,
        camera=tracklet.camera,
        group=tracklet.group,
        path=tracklet.path,
        looks=tuple(looks),
    )
    return Arrived(sighting, sha256(sighting_id.encode()).hexdigest(), tuple(crops))
