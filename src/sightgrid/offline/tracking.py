"""``sightgrid track``: recordings in, a folder of trajectories out."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import cv2

from sightgrid.domain.errors import OutputError, SightgridError, SourceError
from sightgrid.domain.frames import Frame, format_time
from sightgrid.domain.grid import CameraGrid
from sightgrid.domain.presence import Decision, Sighting, Visit
from sightgrid.domain.tracklets import Tracklet
from sightgrid.ledger.answers import Settlement
from sightgrid.ledger.recording import record
from sightgrid.ledger.settling import settle
from sightgrid.offline.annotate import annotate_source, labels_by_frame
from sightgrid.offline.engine import Engine, open_engine, usable_cores
from sightgrid.offline.knowing import known_people
from sightgrid.offline.naming import NamedSource
from sightgrid.offline.outfolder import check_free, staged
from sightgrid.offline.report import write_report
from sightgrid.offline.report_facts import TruthRow
from sightgrid.offline.results import IdentitySummary, RunResult, SourceState, SourceStatus
from sightgrid.offline.runfile import settings_in_words, write_run
from sightgrid.offline.tables import write_tables
from sightgrid.offline.watching import watch
from sightgrid.recognition.evidence import evidence_model
from sightgrid.recognition.heads import HeadKind
from sightgrid.store import Store
from sightgrid.trajectory.visits import visits as visits_of
from sightgrid.vision.grouping import Grouping, grouping_named
from sightgrid.vision.sources import (
    Clock,
    FrameSource,
    SourceFacts,
    open_source,
    redacted,
)

VISIT_GAP_SECS = 15.0
_CROPS_SHOWN = 6
_JPEG_QUALITY = 92
_RUN_NAMESPACE = uuid.UUID("6b2f4c0e-0d5c-5f43-9c1b-3b1b7f0b5c11")


@dataclass(frozen=True, slots=True)
class TrackRequest:
    """What ``track`` was asked to do."""

    sources: tuple[NamedSource, ...]
    out: Path
    grid: CameraGrid = field(default_factory=CameraGrid)
    people: Path | None = None
    head: Path | None = None
    train: HeadKind | None = None
    """A head to train on ``people`` for this run; a preset may ask for one."""
    pack: str = "default"
    detector: str | None = None
    grouping: str = Grouping.TRACKS
    annotate: bool = False
    force: bool = False
    title: str = "Who was where"


@dataclass(frozen=True, slots=True)
class Step:
    """How far a run has come, for a progress bar. ``total`` is ``None`` if it can't be known."""

    task: str
    done: int
    total: int | None


@dataclass(frozen=True, slots=True, eq=False)
class TrackOutcome:
    """What a run found, and in words what a person should know of how it went."""

    result: RunResult
    notes: tuple[str, ...]
    interrupted: bool


def track(
    request: TrackRequest,
    *,
    tell: Callable[[Step], None] | None = None,
    truth: Callable[[Sequence[Decision]], Sequence[TruthRow]] | None = None,
) -> TrackOutcome:
    """Follows the faces of every source, decides who they are and writes the run's folder.

    A source that can't be read is left out and named in the outcome, as long as one can be. On an
    interrupt the sources read so far are settled and written.

    Args:
        tell: is told how far the run has come.
        truth: for rendered material, what really happened, to be shown in the report beside
            the decisions it is given.

    Raises:
        SightgridError: nothing could be done at all; then nothing is left in ``out``.
    """
    started = time.perf_counter()
    grouping = grouping_named(request.grouping)
    check_free(request.out, force=request.force)
    _check_any_there(request.sources)
    say = tell or (lambda _: None)
    say(Step("opening the pack", 0, None))
    engine = open_engine(request.pack, detector=request.detector)
    known = known_people(
        engine,
        people=request.people,
        head=request.head,
        train=request.train,
        tell=lambda task, done, total: say(Step(task, done, total)),
    )
    enrolment, trained = known.enrolment, known.head
    with staged(request.out) as stage:
        (stage / "crops").mkdir()
        statuses: list[SourceStatus] = []
        sightings: list[Sighting] = []
        crop_paths: dict[str, tuple[str, ...]] = {}
        interrupted = False
        with ThreadPoolExecutor(usable_cores(), thread_name_prefix="detector") as workers:
            for named in request.sources:
                reading = _Reading(named, engine, grouping, stage, say)
                if interrupted:
                    statuses.append(reading.skipped())
                    continue
                status = reading.read(workers)
                statuses.append(status)
                sightings += reading.sightings
                crop_paths |= reading.crop_paths
                interrupted = status.state is SourceState.INTERRUPTED
        if all(status.state is SourceState.FAILED for status in statuses):
            raise _none_readable([(s.reason or s.source, None) for s in statuses])

        say(Step("deciding who is who", 0, None))
        settlement = settle(
            sightings,
            people=enrolment.people,
            grid=request.grid,
            policy=engine.policy,
            evidence=evidence_model(engine.pack.contract.id),
            likeness=None if trained is None else trained.likeness,
        )
        visits = visits_of(settlement.decisions, gap_secs=VISIT_GAP_SECS, grid=request.grid)
        result = RunResult(
            title=request.title,
            started_at=datetime.now(UTC),
            sources=tuple(statuses),
            decisions=settlement.decisions,
            identities=_summaries(settlement, visits, crop_paths),
            visits=visits,
            crop_paths=crop_paths,
            settings=settings_in_words(
                engine,
                settlement.bands,
                enrolled=len(enrolment.people),
                detector=engine.detector_name.value,
                grouping=request.grouping,
                visit_gap_secs=VISIT_GAP_SECS,
                head=trained,
            ),
        )
        say(Step("writing the results", 0, None))
        write_tables(result, stage)
        with Store.open(stage / "sightgrid.db", create=True) as store:
            record(
                store,
                settlement,
                visits=visits,
                people=enrolment.people,
                grid=request.grid,
                cameras=[status.camera for status in statuses],
                crop_paths=crop_paths,
                at=result.started_at,
            )
        write_report(
            result,
            folder=stage,
            grid=request.grid,
            truth_rows=None if truth is None else truth(result.decisions),
        )
        write_run(result, engine, enrolment, stage, wall_secs=time.perf_counter() - started)
        notes = [*enrolment.notes, *_source_notes(result.sources), *_clock_notes(request, result)]
        # last, as it is the one part that can be missing: all else is written by now
        if request.annotate and not interrupted:
            try:
                notes += _annotate(request, result, stage, say)
            except KeyboardInterrupt:
                interrupted = True
                notes.append("interrupted while annotating: some annotated videos are missing")
    return TrackOutcome(result, tuple(notes), interrupted)


def _check_any_there(sources: Sequence[NamedSource]) -> None:
    """Whether any source can be opened at all, before the pack is loaded for nothing.

    Raises:
        SourceError: none can.
    """
    reasons = []
    for named in sources:
        try:
            open_source(named.location, camera=named.camera, starts_at=named.starts_at)
        except SourceError as error:
            reasons.append((str(error), error.hint))
    if len(reasons) == len(sources):
        raise _none_readable(reasons)


class _Reading:
    """One source on its way from frames to sightings, its crops going to disk."""

    def __init__(
        self,
        named: NamedSource,
        engine: Engine,
        grouping: Grouping,
        stage: Path,
        say: Callable[[Step], None],
    ) -> None:
        self.sightings: list[Sighting] = []
        self.crop_paths: dict[str, tuple[str, ...]] = {}
        self._named = named
        self._engine = engine
        self._grouping = grouping
        self._stage = stage
        self._say = say
        self._frames = 0
        self._faces = 0
        self._media_secs = 0.0
        self._facts: SourceFacts | None = None

    def skipped(self) -> SourceStatus:
        """The status of a source that an interrupt left unread."""
        return self._status(SourceState.INTERRUPTED, "not read: interrupted before", 0.0)

    def read(self, workers: Executor) -> SourceStatus:
        """Reads the source to its end, or to where it breaks off or is interrupted."""
        began = time.perf_counter()
        state: SourceState = SourceState.DONE
        reason: str | None = None
        try:
            source = open_source(
                self._named.location, camera=self._named.camera, starts_at=self._named.starts_at
            )
            self._follow(source, workers)
            if source.ending.broken_off is not None:
                state, reason = SourceState.BROKEN_OFF, source.ending.broken_off
            elif source.ending.damaged:
                reason = f"{source.ending.damaged} damaged packets were stepped over"
        except OutputError:
            raise
        except (SightgridError, cv2.error) as error:
            # one camera's trouble is never that of the others; what it gave until then is kept
            state = SourceState.BROKEN_OFF if self._frames else SourceState.FAILED
            reason = " ".join(str(error).split())
        except KeyboardInterrupt:
            state, reason = SourceState.INTERRUPTED, f"interrupted after frame {self._frames}"
        return self._status(state, reason, time.perf_counter() - began)

    def _follow(self, source: FrameSource, workers: Executor) -> None:
        facts = self._facts = source.facts()
        view = self._engine.view(self._named.camera, grouping=self._grouping)

        def on_frame(index: int, elapsed_secs: float, faces: int) -> None:
            self._frames, self._media_secs = index, elapsed_secs + 1.0 / max(facts.fps, 1e-3)
            self._faces += faces
            self._say(Step(self._named.camera, index, facts.frame_count))

        try:
            for tracklet in watch(
                source,
                detector=self._engine.detector,
                view=view,
                workers=workers,
                on_frame=lambda frame, faces: on_frame(
                    frame.index, (frame.captured_at - facts.starts_at).total_seconds(), len(faces)
                ),
            ):
                self._take(tracklet)
        except (KeyboardInterrupt, SightgridError, cv2.error):
            for tracklet in view.finish():
                self._take(tracklet)
            raise

    def _take(self, tracklet: Tracklet) -> None:
        """Makes the tracklet a sighting and puts its crops on disk."""
        key = f"{tracklet.camera}/{tracklet.group}/{format_time(tracklet.first_seen)}"
        sighting_id = str(uuid.uuid5(_RUN_NAMESPACE, key))
        paths = []
        looks = []
        for look in tracklet.looks:
            moment = look.crop.captured_at.strftime("%Y%m%dT%H%M%S")
            millis = look.crop.captured_at.microsecond // 1000
            name = (
                f"crops/{tracklet.camera}_{moment}{millis:03d}Z_{tracklet.group}_{look.counter}.jpg"
            )
            encoded, data = cv2.imencode(
                ".jpg", look.crop.pixels, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
            )
            if not encoded:
                raise SightgridError(f"{name}: the crop could not be encoded")
            (self._stage / name).write_bytes(data.tobytes())
            paths.append(name)
            looks.append(replace(look, crop=look.crop.without_pixels()))
        self.crop_paths[sighting_id] = tuple(paths)
        self.sightings.append(
            Sighting(
                sighting_id=sighting_id,
                revision=1,
                closed=True,
                camera=tracklet.camera,
                group=tracklet.group,
                path=tracklet.path,
                looks=tuple(looks),
            )
        )

    def _status(self, state: SourceState, reason: str | None, secs: float) -> SourceStatus:
        facts = None if state is SourceState.FAILED else self._facts
        return SourceStatus(
            camera=self._named.camera,
            source=self._named.shown_as or redacted(self._named.location),
            state=state,
            reason=reason,
            width=0 if facts is None else facts.width,
            height=0 if facts is None else facts.height,
            frames=self._frames,
            faces=self._faces,
            sightings=len(self.sightings),
            starts_at=None if facts is None else facts.starts_at,
            clock="" if facts is None else facts.clock.value,
            media_secs=round(self._media_secs, 3),
            wall_secs=round(secs, 3),
        )


def _none_readable(reasons: Sequence[tuple[str, str | None]]) -> SourceError:
    """One error for all the sources of a run, with the hint that goes with a single one."""
    if len(reasons) == 1:
        reason, hint = reasons[0]
        return SourceError(reason, hint=hint or "nothing was written")
    lines = "; ".join(reason for reason, _ in reasons)
    return SourceError(lines, hint="none of the sources can be read; nothing was written")


def _summaries(
    settlement: Settlement, visits: Sequence[Visit], crop_paths: dict[str, tuple[str, ...]]
) -> tuple[IdentitySummary, ...]:
    """A card for every identity that was seen, by serial."""
    summaries = []
    for identity in settlement.identities:
        own = [v for v in visits if v.serial == identity.serial]
        if not own:
            continue
        looks = [
            (look.worth, path)
            for decision in settlement.decisions
            if decision.match.serial == identity.serial
            for look, path in zip(
                decision.sighting.looks, crop_paths[decision.sighting.sighting_id], strict=True
            )
        ]
        looks.sort(key=lambda entry: (-entry[0], entry[1]))
        summaries.append(
            IdentitySummary(
                identity=identity,
                cameras=tuple(dict.fromkeys(visit.camera for visit in own)),
                visits=tuple(own),
                first_seen=min(visit.first_seen for visit in own),
                last_seen=max(visit.last_seen for visit in own),
                crops=tuple(path for _, path in looks[:_CROPS_SHOWN]),
            )
        )
    return tuple(summaries)


def _annotate(
    request: TrackRequest, result: RunResult, stage: Path, say: Callable[[Step], None]
) -> list[str]:
    """Reads every recording once more and draws what was found, now that it is decided; notes
    which could not be drawn."""
    (stage / "annotated").mkdir()
    notes = []
    for named, status in zip(request.sources, result.sources, strict=True):
        if status.state is SourceState.FAILED or not status.frames:
            continue
        if status.clock == Clock.ARRIVAL.value:
            notes.append(
                f"{named.camera}: not annotated: a live stream can't be read a second time"
            )
            continue
        try:
            source = open_source(named.location, camera=named.camera, starts_at=named.starts_at)
            annotate_source(
                _as_far_as_read(source, status, f"annotating {named.camera}", say),
                labels_at=labels_by_frame(result.decisions, camera=named.camera),
                path=stage / "annotated" / f"{named.camera}.mp4",
            )
        except SightgridError as error:
            notes.append(f"{named.camera}: not annotated: {error}")
    return notes


def _as_far_as_read(
    source: FrameSource, status: SourceStatus, task: str, say: Callable[[Step], None]
) -> Iterator[Frame]:
    """The frames of a source once more, up to where the first reading ended."""
    for frame in source.frames():
        if frame.index > status.frames:
            return
        say(Step(task, frame.index, status.frames))
        yield frame


def _clock_notes(request: TrackRequest, result: RunResult) -> list[str]:
    """Whether times of different kinds were compared: of some recordings they are not known."""
    read = [source for source in result.sources if source.frames]
    untimed = [source.camera for source in read if source.clock == Clock.RELATIVE.value]
    grid_used = bool(request.grid.links or request.grid.apart)
    if untimed and len(untimed) < len(read):
        return [
            f"{', '.join(untimed)}: when this was recorded is not known, so its times count from "
            "1970 and can't be compared with the other cameras'; give --start NAME=TIME"
        ]
    if len(untimed) > 1 and grid_used:
        return [
            f"{', '.join(untimed)}: when these were recorded is not known, so they are taken to "
            "have begun at the same moment, and the grid keeps apart whoever it says can't be on "
            "two of them at once; give --start NAME=TIME"
        ]
    return []


def _source_notes(sources: Sequence[SourceStatus]) -> list[str]:
    notes = []
    for status in sources:
        if status.state is SourceState.BROKEN_OFF:
            notes.append(
                f"{status.camera}: broke off after {status.frames} frames "
                f"({status.media_secs:.1f} s), kept up to there: {status.reason}"
            )
        elif status.state is SourceState.DONE and status.reason:
            notes.append(f"{status.camera}: {status.reason}")
        if status.faces and not status.sightings and status.state is SourceState.DONE:
            notes.append(
                f"{status.camera}: faces were found in single frames, but none was seen long "
                "enough to be followed"
            )
    return notes
