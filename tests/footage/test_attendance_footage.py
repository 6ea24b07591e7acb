"""A lesson of real people on a camera that serves attendance only: who agreed is marked, who did
not leaves nothing behind, and nobody is taken for somebody else."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

import av
import pytest
import sqlalchemy as sa
from tests.streams.clips import write_clip

from sightgrid.domain.attendance import (
    Course,
    Method,
    RegisteredMark,
    Rules,
    Span,
    Status,
)
from sightgrid.domain.people import Consent
from sightgrid.domain.presence import Band, Sighting
from sightgrid.ledger.answers import Settlement
from sightgrid.ledger.attending import close_session, give_sign, open_session
from sightgrid.ledger.enrolling import enrol_faces, enrol_person, stop_recognising
from sightgrid.ledger.taking_in import Arrived, Intake
from sightgrid.offline import tracking
from sightgrid.offline.naming import name_sources
from sightgrid.recognition.calibration import Policy
from sightgrid.store import Store, Transaction
from sightgrid.store.cameras import add_cameras, set_purposes
from sightgrid.store.courses import add_course, add_session
from sightgrid.store.keys import SiteKeys
from sightgrid.store.people import EnrolledFace, insert_person
from sightgrid.store.receiving import unmatched_counts
from sightgrid.store.registers import register, verify_register
from sightgrid.store.schema import DECISION, LOOK, SIGHTING, VISIT_SIGHTING
from sightgrid.store.schema_arrival import EVENT
from sightgrid.store.schema_attendance import REGISTER_SIGHTING
from sightgrid.store.schema_subjects import CROP, DATA_KEY
from sightgrid.store.sealing import of_sighting
from sightgrid.store.standings import standing_of

pytestmark = pytest.mark.footage

# whom each person is enrolled from; all other clips are played as the lesson
ENROLLED_FROM = {"P1": "again", "P2": "milk", "P3": "book", "P4": "eat-first"}
ROOM = "room"


@dataclass(frozen=True)
class Footage:
    """Every sighting of the clips, whose clip it is, and what the recording was judged by."""

    of_clip: dict[str, list[Sighting]]
    person_of: dict[str, str]
    policy: Policy


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Footage:
    folder = os.environ.get("SIGHTGRID_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("SIGHTGRID_DATA does not point to the real footage")
    clips = Path(folder) / "vid_office_signers"
    out = tmp_path_factory.mktemp("lesson")
    with (clips / "labels.csv").open(encoding="utf-8") as stream:
        whose = {Path(row["clip"]).stem: row["person"] for row in csv.DictReader(stream)}
    with av.open(str(clips / "eat.mkv")) as clip:
        frames = [frame.to_ndarray(format="bgr24") for frame in clip.decode(video=0)]
    half = len(frames) // 2
    sources = [str(clips / f"{name}.mkv") for name in whose if name != "eat"]
    for name, part in (("eat-first", frames[:half]), ("eat-second", frames[half:])):
        sources.append(str(write_clip(out / f"{name}.mkv", part, fps=30, quality=12,
                                      container="matroska")))  # fmt: skip
        whose[name] = whose["eat"]
    del whose["eat"]
    kept: list[tuple[Settlement, Policy]] = []
    settle = tracking.settle

    def spying(sightings: Sequence[Sighting], *, policy: Policy, **rest: object) -> Settlement:
        settlement = settle(sightings, policy=policy, **rest)  # type: ignore[arg-type]
        kept.append((settlement, policy))
        return settlement

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(tracking, "settle", spying)
        tracking.track(tracking.TrackRequest(sources=name_sources(sources), out=out / "run"))
    ((settlement, policy),) = kept
    of_clip: dict[str, list[Sighting]] = {name: [] for name in whose}
    for decision in settlement.decisions:
        of_clip[decision.sighting.camera].append(decision.sighting)
    return Footage(of_clip, whose, policy)


class Lesson:
    """A room, a class list of P1 to P4, and a lesson in which every other clip is played."""

    def __init__(
        self, folder: Path, footage: Footage, *, without: Iterable[str] = (), withdrawn: str = ""
    ) -> None:
        self.footage = footage
        self.store = Store.open(
            folder / "live.db",
            create=True,
            keys=SiteKeys.open(folder / "site.key", create=True),
        )
        first = next(one for ones in footage.of_clip.values() for one in ones)
        self.now = first.first_seen
        contract = next(look.embedding.contract for look in first.looks if look.embedding)
        self.intake = Intake(
            self.store, policy=footage.policy, contract=contract, clock=lambda: self.now
        )
        self.span = Span(self.now + timedelta(hours=1), self.now + timedelta(hours=2))
        with self.store.transaction() as tx:
            add_cameras(tx, [ROOM, "hall"])
            set_purposes(tx, ROOM, ["attendance"])
            set_purposes(tx, "hall", ["attendance", "trajectories"])
            self.people = {
                person: self._add(tx, person, enrolled=person not in without)
                for person in ENROLLED_FROM
            }
            if withdrawn:
                stop_recognising(tx, self.people[withdrawn])
            course = add_course(
                tx,
                Course(
                    "", "Signs", "UTC", Rules(grace=60),
                    people=tuple(self.people.values()), cameras=(ROOM,),
                ),
                at=self.now,
            )  # fmt: skip
            self.session = add_session(tx, course.course_id, self.span, origin="hand").session_id
            open_session(tx, self.session, by="test", at=self.span.starts_at)
        self.played: dict[str, list[Sighting]] = {}

    def _add(self, tx: Transaction, person: str, *, enrolled: bool) -> str:
        if not enrolled:
            return insert_person(tx, person, {}, added_at=self.now)
        consent = Consent(
            "attendance", "1", "f" * 64, "en", "paper", "folder", person, "test", self.now
        )
        known = enrol_person(tx, person, consent=consent, at=self.now)
        longest = max(self.footage.of_clip[ENROLLED_FROM[person]], key=lambda one: len(one.path))
        faces = [EnrolledFace(look.embedding, b"crop") for look in longest.looks if look.embedding]
        enrol_faces(tx, known.person_id, faces, photo=b"photo", at=self.now)
        return known.person_id

    def play(self, camera: str = ROOM) -> None:
        """Every clip that nobody was enrolled from, one after the other, as a box sends it."""
        at = self.span.starts_at
        for name, sightings in self.footage.of_clip.items():
            if name in ENROLLED_FROM.values():
                continue
            at += timedelta(minutes=5)
            for one in sightings:
                moved = shifted(one, at - sightings[0].first_seen, camera)
                self.played.setdefault(name, []).append(moved)
                half = moved.path[: len(moved.path) // 2 + 1]
                early = replace(
                    moved,
                    path=half,
                    looks=tuple(
                        look
                        for look in moved.looks
                        if look.crop.captured_at <= half[-1].captured_at
                    ),
                    revision=1,
                    closed=False,
                )
                for record in (early, replace(moved, revision=2, closed=True)):
                    self.now = record.last_seen
                    crops = tuple(b"crop" for _ in record.looks)
                    number = f"{record.revision:064d}"
                    (receipt,) = self.intake.take_in(
                        "box", [Arrived(record, number, crops)]
                    ).receipts
                    assert receipt.status == "stored"

    def close(self) -> dict[str, RegisteredMark]:
        with self.store.transaction() as tx:
            close_session(tx, self.session, by="test", at=self.span.ends_at)
        names = {person_id: person for person, person_id in self.people.items()}
        with self.store.snapshot() as tx:
            assert verify_register(tx, self.session) is None
            return {names[one.mark.person_id]: one for one in register(tx, self.session).marks}

    def ids(self, person: str) -> list[str]:
        """The sightings of a person's clips that were played."""
        return [
            one.sighting_id
            for name, ones in self.played.items()
            for one in ones
            if self.footage.person_of[name] == person
        ]

    def remains_of(self, person: str) -> int:
        """How many rows, vectors, crops and keys are kept of a person's clips."""
        ids = self.ids(person)
        assert ids
        found = 0
        with self.store.snapshot() as tx:
            for table, column in (
                (SIGHTING, "sighting_id"),
                (LOOK, "sighting_id"),
                (CROP, "sighting_id"),
                (DECISION, "sighting_id"),
                (VISIT_SIGHTING, "sighting_id"),
                (EVENT, "event_id"),
                (REGISTER_SIGHTING, "sighting_id"),
            ):
                asked = sa.select(sa.func.count()).where(table.c[column].in_(ids))
                found += int(tx.connection.scalar(asked) or 0)
            keys = sa.select(sa.func.count()).where(
                DATA_KEY.c.subject.in_([of_sighting(one) for one in ids])
            )
            return found + int(tx.connection.scalar(keys) or 0)

    def nobody_is_wrong(self) -> None:
        """Whatever was stored stands for whose clip it is."""
        with self.store.snapshot() as tx:
            for name, ones in self.played.items():
                for one in ones:
                    standing = standing_of(tx, one.sighting_id)
                    if standing is None or standing.serial is None:
                        continue
                    known = self.intake._gallery.get(standing.serial)
                    assert known is not None
                    assert known.person in (None, self.footage.person_of[name]), name


def shifted(one: Sighting, by: timedelta, camera: str) -> Sighting:
    """The same sighting, elsewhere and at another time."""
    return replace(
        one,
        sighting_id=str(uuid5(NAMESPACE_URL, f"{camera} {one.sighting_id}")),
        camera=camera,
        path=tuple(replace(point, captured_at=point.captured_at + by) for point in one.path),
        looks=tuple(
            replace(look, crop=replace(look.crop, captured_at=look.crop.captured_at + by))
            for look in one.looks
        ),
    )


def test_four_are_present_the_fifth_is_only_counted(tmp_path: Path, footage: Footage) -> None:
    lesson = Lesson(tmp_path, footage)
    lesson.play()
    marks = lesson.close()
    assert {person: one.mark.status for person, one in marks.items()} == dict.fromkeys(
        ("P1", "P2", "P3", "P4"), Status.PRESENT
    )
    assert {one.mark.method for one in marks.values()} == {Method.CAMERA}
    lesson.nobody_is_wrong()
    assert lesson.remains_of("P5") == 0
    with lesson.store.snapshot() as tx:
        assert sum(unmatched_counts(tx).values()) >= len(lesson.ids("P5"))
    lesson.store.close()


@pytest.mark.parametrize("withdrawn", [False, True], ids=["never agreed", "withdrew"])
def test_who_refuses_leaves_nothing_and_stands_in_the_same_register(
    tmp_path: Path, footage: Footage, withdrawn: bool
) -> None:
    lesson = Lesson(
        tmp_path,
        footage,
        without=() if withdrawn else ("P2",),
        withdrawn="P2" if withdrawn else "",
    )
    with lesson.store.transaction() as tx:
        give_sign(
            tx,
            lesson.session,
            lesson.people["P2"],
            Method.QR,
            by="person",
            at=lesson.span.starts_at + timedelta(minutes=1),
        )
    lesson.play()
    assert lesson.remains_of("P2") == 0
    assert lesson.remains_of("P5") == 0
    marks = lesson.close()
    assert {person: (one.mark.status, one.mark.method) for person, one in marks.items()} == {
        "P1": (Status.PRESENT, Method.CAMERA),
        "P2": (Status.PRESENT, Method.QR),
        "P3": (Status.PRESENT, Method.CAMERA),
        "P4": (Status.PRESENT, Method.CAMERA),
    }
    lesson.nobody_is_wrong()
    lesson.store.close()


def test_where_trajectories_are_drawn_too_they_are_an_anonymous_stranger(
    tmp_path: Path, footage: Footage
) -> None:
    lesson = Lesson(tmp_path, footage, without=("P2",))
    lesson.play("hall")
    with lesson.store.snapshot() as tx:
        standings = [standing_of(tx, one) for one in lesson.ids("P2")]
    bands = {one.band for one in standings if one is not None}
    assert Band.STRANGER in bands
    assert bands <= {Band.STRANGER, Band.UNSURE}
    lesson.nobody_is_wrong()
    lesson.store.close()
