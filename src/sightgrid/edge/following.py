"""Follows the faces of one live camera, and says early who is there.

A camera's view as for recordings, with three differences. Frames come as regions, some faces a
second: a face that is still needs no new pixels, and one cut by a region's border is no look at
it. A sighting goes out as soon as there are two good looks, and again when it has become better,
not only at the end. And every embedding is asked for beforehand, so that those of all cameras are
made in one batch, and no more of them than change what is known.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sightgrid.domain.faces import Detection, FaceCrop
from sightgrid.domain.frames import EPOCH
from sightgrid.domain.geometry import Box
from sightgrid.domain.presence import Sighting
from sightgrid.domain.tracklets import Look, PathPoint
from sightgrid.edge.remembering import LiveRecord, LiveSettings, Pending
from sightgrid.vision.alignment import warp
from sightgrid.vision.canvases import Found
from sightgrid.vision.embedding import FaceEmbedder
from sightgrid.vision.following import CameraView, FollowingSettings
from sightgrid.vision.framing import Framing, corners, moved
from sightgrid.vision.looks import Sample
from sightgrid.vision.quality import grade
from sightgrid.vision.regions import (
    Area,
    FollowedFace,
    Region,
    RegionFrame,
    area_around,
    covering,
)
from sightgrid.vision.tracking import Track, TrackerSettings

# a face that walks across close by goes eight widths a second: at five looks a second it is
# further from where it was first seen than recordings' gate allows
LIVE_TRACKER = TrackerSettings(first_reach=0.6)


class LiveView(CameraView):
    """Follows the faces of one camera that sends regions. Frames must come in order of time."""

    def __init__(
        self,
        camera: str,
        *,
        embedder: FaceEmbedder,
        framing: Framing,
        tracker: TrackerSettings = LIVE_TRACKER,
        settings: FollowingSettings | None = None,
        live: LiveSettings | None = None,
        first_group: int = 0,
    ) -> None:
        """``first_group``: groups of this camera's run are numbered from the one after it."""
        super().__init__(
            camera,
            embedder=embedder,
            framing=framing,
            tracker=tracker,
            settings=settings,
        )
        self._framing = framing
        self._live = live or LiveSettings()
        self._cut_places: tuple[Box, ...] = ()
        self._previous_index = 0
        self._groups = first_group

    @property
    def groups(self) -> int:
        """The number of the last group that was given out."""
        return self._groups

    def look(self, frame: RegionFrame, found: Found) -> list[Pending]:
        """Takes the next frame and its faces; returns the revisions that are due."""
        if self._began_at is None:
            self._began_at = frame.captured_at
        at_secs = (frame.captured_at - self._began_at).total_seconds()
        held = self._held(frame)
        fresh: dict[int, FaceCrop | None] = {}

        def crop_of(detection: Detection) -> FaceCrop | None:
            if id(detection) in held:
                return None
            if id(detection) not in fresh:
                fresh[id(detection)] = self._cut_out(frame, detection)
            return fresh[id(detection)]

        looked: dict[int, Sample] = {}

        def likeness(track: Track, detection: Detection) -> float | None:
            record = self._records.get(track.key)
            crop = crop_of(detection)
            if record is None or not record.samples or crop is None:
                return None
            seen = looked.setdefault(id(crop), Sample(crop))
            best = max(record.samples, key=lambda sample: sample.crop.quality.overall)
            self._embed([best, seen])
            if isinstance(record, LiveRecord):
                record.learn([best])
            if best.embedding is None or seen.embedding is None:
                return None
            return self._likeness(best.embedding, seen.embedding)

        detections = [*found.faces, *held.values()]
        update = self._tracker.update(detections, at_secs=at_secs, likeness=likeness)
        due: list[Pending] = []
        for assignment in update.assignments:
            record = self._record_of(assignment.track)
            detection = assignment.detection
            record.path.append(
                PathPoint(frame.index, frame.captured_at, detection.box, detection.score)
            )
            self._thin(record)
            record.last, record.last_index = detection, frame.index
            record.compared = looked
            record.look(detection, frame.captured_at, crop_of)
            if assignment.track.confirmed:
                due += self._revised(record, frame.captured_at)
                due += self._divided(assignment.track, record)
        self._cut_places = tuple(
            face.box for face in found.cut if face.score >= self._tracker.settings.strong
        )
        return due + self._ended(update.ended)

    def leave(self) -> list[Pending]:
        """Ends everything that is still being followed."""
        self._cut_places = ()
        return self._ended(self._tracker.finish())

    def followed(self, at: datetime) -> list[FollowedFace]:
        """Where the faces are at a moment just looked at, for the camera to keep sending them."""
        if self._began_at is None:
            return []
        at_secs = (at - self._began_at).total_seconds()
        epoch_secs = at.timestamp()
        faces = []
        for track in self._tracker.expected(at_secs):
            left, top, right, bottom = (float(value) for value in track.box)
            speed_x, speed_y = (float(value) for value in track.mean[:2, 1])
            # a face that was not found just now is looked for again, changed or not
            key = track.key if track.last_secs == at_secs else 0
            faces.append(FollowedFace(key, epoch_secs, left, top, right, bottom, speed_x, speed_y))
        for box in self._cut_places:
            # half of a face: the rest lies beyond the border it was cut by
            wide, tall = box.width / 2, box.height / 2
            faces.append(
                FollowedFace(
                    0,
                    epoch_secs,
                    box.left - wide,
                    box.top - tall,
                    box.right + wide,
                    box.bottom + tall,
                    0.0,
                    0.0,
                )
            )
        return faces

    def sightings(self, pending: Pending) -> list[Sighting]:
        """The revision, now that its vectors are made; more than one if a closed track turns out
        to have shown two people."""
        record = pending.record
        record.learn(pending.samples)
        if not pending.closed:
            record.revision += 1
            record.best_told = max(s.crop.quality.overall for s in pending.samples)
            return [
                self._sighting(record, record.path, pending.samples, record.revision, closed=False)
            ]
        parts = self._split(record.path, pending.samples)
        made = []
        for number, (path, samples) in enumerate(parts):
            if number == 0:
                revision = record.revision + 1
            else:
                # what was said early of the first stands; the others were never heard of
                self._groups += 1
                record.group, record.sighting_id = self._groups, new_sighting_id(path[-1])
                revision = 1
            made.append(self._sighting(record, path, samples, revision, closed=True))
        return made

    def enough(self, pending: Pending) -> bool:
        """Whether the looks that have a vector now say enough; if not, more were added, to be
        embedded as well."""
        if not pending.spare:
            return True
        worth = sum(_worth(sample) for sample in pending.samples)
        if worth >= self._live.poor:
            return True
        pending.samples = sorted(
            [*pending.samples, *pending.spare], key=lambda sample: sample.crop.captured_at
        )
        pending.spare = []
        return not pending.missing

    def _record_of(self, track: Track) -> LiveRecord:
        record = self._records.get(track.key)
        if not isinstance(record, LiveRecord):
            record = LiveRecord(self._settings, live=self._live)
            self._records[track.key] = record
        return record

    def _held(self, frame: RegionFrame) -> dict[int, Detection]:
        """For faces where nothing has changed: what was found there stands. By ``id``.

        Only what was found in the frame before: if the face was gone by then, that stands.
        """
        held = {}
        areas = [region.area for region in frame.regions]
        for key in frame.still:
            record = self._records.get(key)
            if not isinstance(record, LiveRecord) or record.last is None:
                continue
            again = record.last
            # what was sent all the same, as a message before was lost, is looked at instead
            if record.last_index == self._previous_index and not covering(areas, again.box):
                copied = Detection(again.box, again.landmarks, again.score)
                held[id(copied)] = copied
        self._previous_index = frame.index
        return held

    def _embed(self, samples: Sequence[Sample]) -> None:
        missing = [sample for sample in samples if sample.embedding is None]
        vectors = self._embedder.embed([sample.crop.pixels for sample in missing])
        for sample, embedding in zip(missing, vectors, strict=True):
            sample.embedding = embedding

    def _revised(self, record: LiveRecord, now: datetime) -> list[Pending]:
        """A further revision of a track that goes on, if there is reason for one."""
        live = self._live
        good = sorted(
            (
                sample
                for sample in record.samples
                if sample.crop.quality.overall >= live.good_look
                # half a face at the picture's edge may look good and tells nothing
                and sample.crop.quality.visible >= live.whole_face
            ),
            key=lambda sample: -sample.crop.quality.overall,
        )
        if record.revised_at is None:
            if len(good) < live.first_looks:
                return []
            self._named(record).revised_at = now
            return [self._spend(Pending(record, _in_time(good[: live.first_looks]), closed=False))]
        waited = (now - record.revised_at).total_seconds()
        if waited < live.least_between_secs:
            return []
        known = record.known
        fresh = [sample for sample in good if sample.embedding is None]
        if len(record.telling()) < live.first_looks:
            # what looked good told little: the next best may tell more
            news = fresh[: live.first_looks]
        else:
            news = [
                sample
                for sample in fresh[:1]
                if sample.crop.quality.overall >= live.better_by * record.best_told
            ]
        if record.spent >= live.most_looks:
            news = []
        if not (known or news) or (not news and waited < live.renew_secs):
            return []
        record.revised_at = now
        return [self._spend(Pending(record, _in_time([*known, *news]), closed=False))]

    def _spend(self, pending: Pending) -> Pending:
        pending.record.spent += len(pending.missing)
        return pending

    def _divided(self, track: Track, record: LiveRecord) -> list[Pending]:
        """Closes the sighting of a track that goes on and on; what follows is another one."""
        lasted = (record.path[-1].captured_at - record.path[0].captured_at).total_seconds()
        if lasted < self._live.longest_secs:
            return []
        self._records[track.key] = LiveRecord(
            self._settings, live=self._live, last=record.last, last_index=record.last_index
        )
        return [self._last(self._named(record))]

    def _named(self, record: LiveRecord) -> LiveRecord:
        """Gives the record its group and the sighting's id, if it has none yet."""
        if not record.sighting_id:
            self._groups += 1
            record.group = self._groups
            record.sighting_id = new_sighting_id(record.path[-1])
        return record

    def _ended(self, tracks: Sequence[Track]) -> list[Pending]:
        """The last revision of tracks that ended; unconfirmed ones leave none."""
        ended = []
        for track in tracks:
            record = self._records.pop(track.key, None)
            if not isinstance(record, LiveRecord) or not track.confirmed:
                continue
            ended.append(self._last(self._named(record)))
        return ended

    def _last(self, record: LiveRecord) -> Pending:
        """Chooses the looks that a closed sighting consists of: those that have a vector, and the
        best of every stretch of time without one."""
        live = self._live
        surely_a_face = any(point.score >= self._settings.sure for point in record.path)
        most = live.most_looks if surely_a_face else self._settings.looks_of_doubtful
        lasted = (record.path[-1].captured_at - record.path[0].captured_at).total_seconds()
        wanted = min(live.last_looks + int(lasted / live.look_every_secs), most)
        stretch_secs = max(lasted, 1e-6) / wanted

        def stretch(sample: Sample) -> int:
            into = (sample.crop.captured_at - record.path[0].captured_at).total_seconds()
            return min(int(into / stretch_secs), wanted - 1)

        by_quality = sorted(record.samples, key=lambda sample: -sample.crop.quality.overall)
        chosen = sorted(record.known, key=lambda sample: -sample.worth)[:most]
        covered = {stretch(sample) for sample in chosen}
        rest = [sample for sample in by_quality if sample not in record.known]
        # the stretches furthest from what is known say most of whether it is still the same face
        for number in reversed(range(wanted)):
            if len(chosen) < wanted and number not in covered:
                best = next((sample for sample in rest if stretch(sample) == number), None)
                if best is not None:
                    chosen.append(best)
                    rest.remove(best)
        while len(chosen) < wanted and rest:
            chosen.append(rest.pop(0))
        return Pending(
            record, _in_time(chosen), closed=True, spare=rest[: max(most - len(chosen), 0)]
        )

    def _sighting(
        self,
        record: LiveRecord,
        path: Sequence[PathPoint],
        samples: Sequence[Sample],
        revision: int,
        *,
        closed: bool,
    ) -> Sighting:
        looks = [
            Look(counter=number, crop=sample.crop, embedding=sample.embedding)
            for number, sample in enumerate(samples, start=1)
        ]
        looks.sort(key=lambda look: look.worth, reverse=True)
        return Sighting(
            sighting_id=record.sighting_id,
            revision=revision,
            closed=closed,
            camera=self.camera,
            group=record.group,
            path=tuple(path),
            looks=tuple(looks),
        )

    def _thin(self, record: LiveRecord) -> None:
        """Keeps a long path bounded: of its older half, every second point goes."""
        limit = self._live.path_points
        if len(record.path) > limit:
            looked_at = {s.crop.frame_index for s in (*record.samples, *record.known)}
            record.path[: limit // 2] = [
                point
                for number, point in enumerate(record.path[: limit // 2])
                if number % 2 == 0 or point.frame_index in looked_at
            ]

    def _cut_out(self, frame: RegionFrame, detection: Detection) -> FaceCrop | None:
        """The aligned crop of a detection; ``None`` if its region does not hold all of it."""
        edges = corners(detection, self._framing, width=frame.width, height=frame.height)
        (left, top), (right, bottom) = edges.min(axis=0), edges.max(axis=0)
        wanted = area_around(
            left - 2, top - 2, right + 2, bottom + 2, width=frame.width, height=frame.height
        )
        if wanted is None:
            return None
        region = _holding(frame.regions, wanted)
        if region is None:
            return None
        part = region.part(wanted)
        pixels = part.bgr(full_range=frame.full_range)
        matrix = self._framing.matrix(detection, width=frame.width, height=frame.height)
        crop = warp(
            pixels,
            moved(matrix, left=wanted.left, top=wanted.top),
            size_px=self._framing.size_px,
            repeat_edge=self._framing.repeat_edge,
        )
        outside = self._framing.outside(detection, width=frame.width, height=frame.height)
        return FaceCrop(
            pixels=crop,
            quality=grade(crop, detection, outside=outside),
            captured_at=frame.captured_at,
            frame_index=frame.index,
            box_in_frame=detection.box,
            landmarks_in_frame=detection.landmarks,
            detection_score=detection.score,
        )


def new_sighting_id(point: PathPoint) -> str:
    """A UUID of version 7 (RFC 9562): ids of later moments sort later, to the millisecond."""
    millis = int((point.captured_at - EPOCH).total_seconds() * 1000) & (1 << 48) - 1
    random = int.from_bytes(os.urandom(10), "big")
    value = millis << 80 | 0x7 << 76 | (random >> 64 & 0xFFF) << 64 | 0b10 << 62
    return str(UUID(int=value | random & (1 << 62) - 1))


def _holding(regions: Sequence[Region], wanted: Area) -> Region | None:
    """The region that holds all of an area."""
    for region in regions:
        area = region.area
        if (
            area.left <= wanted.left
            and area.top <= wanted.top
            and wanted.right <= area.right
            and wanted.bottom <= area.bottom
        ):
            return region
    return None


def _in_time(samples: Sequence[Sample]) -> list[Sample]:
    return sorted(samples, key=lambda sample: sample.crop.captured_at)


def _worth(sample: Sample) -> float:
    return sample.worth if sample.embedding is not None else 0.0
