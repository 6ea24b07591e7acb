"""Records in, receipts and rows out, on each database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
import sqlalchemy as sa
from by_hand import CONTRACT, NOON, FixedPolicy, enrol, sighting, toward
from live import BOX, Live, arrived, revised

from sightgrid.domain.errors import InvalidValue, StoreBusy
from sightgrid.domain.faces import EmbeddingContract
from sightgrid.domain.grid import CameraGrid, CameraLink
from sightgrid.domain.presence import Band, Sighting
from sightgrid.ledger.settling import settle
from sightgrid.ledger.taking_in import ArrivedGap, Refused
from sightgrid.store import Store
from sightgrid.store.cameras import add_cameras, set_purposes
from sightgrid.store.crops import crop, crops_of
from sightgrid.store.edits import forbid
from sightgrid.store.erasure import note_erased
from sightgrid.store.gaps import StoredGap, gaps
from sightgrid.store.outbox import events_after
from sightgrid.store.receiving import quarantined, unmatched_counts
from sightgrid.store.schema import DECISION, LOOK, SIGHTING
from sightgrid.store.schema_ledger import EDIT
from sightgrid.store.schema_subjects import CROP
from sightgrid.trajectory.visits import visits

NEVER_AT_ONCE = CameraGrid(apart=frozenset({frozenset({"hall", "door"})}))


def statuses(live: Live, *sightings: Sighting) -> list[tuple[str, str | None]]:
    return [(one.status.value, one.code) for one in live.takes(*sightings).receipts]


def rows(live: Live, table: sa.Table) -> int:
    with live.store.snapshot() as tx:
        return int(tx.connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0)


def test_a_record_is_stored_with_its_crops_and_comes_back(live: Live) -> None:
    seen = sighting(0, 0, 2)
    taken = live.takes(seen)
    assert [(r.sighting_id, r.revision, r.status, r.code) for r in taken.receipts] == [
        (seen.sighting_id, 1, "stored", None)
    ]
    assert live.serial(seen) == 1
    with live.store.snapshot() as tx:
        assert crop(tx, seen.sighting_id) == b"hall-1-0 0"
        assert list(crops_of(tx, seen.sighting_id)) == [1, 2, 3]
    (visit,) = live.visits(1)
    assert (visit.camera, visit.first_seen, visit.last_seen) == (
        "hall",
        seen.first_seen,
        seen.last_seen,
    )


def test_nothing_personal_is_readable_in_the_rows(live: Live) -> None:
    live.enrol([enrol("Annabella", 0)])
    seen = sighting(0, 0, 2)
    live.takes(seen)
    vector = seen.looks[0].embedding.vector.astype("<f4").tobytes()
    everything = b""
    with live.store.snapshot() as tx:
        for table in sa.inspect(tx.connection).get_table_names():
            for row in tx.connection.execute(sa.text(f"SELECT * FROM {table}")):
                everything += b"|".join(
                    bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()
                    for value in row
                )
    assert seen.sighting_id.encode() in everything, "so the search would find what is readable"
    for secret in (b"Annabella", b"folder 3", b"photo", b"hall-1-0 0", vector):
        assert secret not in everything


def test_the_same_record_again_changes_nothing_for_ever(live: Live) -> None:
    seen = sighting(0, 0, 2)
    assert statuses(live, seen, seen) == [("stored", None), ("duplicate", None)]
    assert statuses(live, seen) == [("duplicate", None)]
    assert (rows(live, SIGHTING), rows(live, LOOK), rows(live, CROP), rows(live, DECISION)) == (
        1,
        3,
        3,
        1,
    )


def test_an_older_revision_is_a_duplicate_and_changes_nothing(live: Live) -> None:
    seen = sighting(0, 0, 2)
    assert statuses(live, revised(seen, 3)) == [("stored", None)]
    assert statuses(live, revised(seen, 2, closed=False)) == [("duplicate", None)]
    assert live.standing(seen).revision == 3
    assert live.standing(seen).closed
    assert statuses(live, revised(seen, 3), revised(seen, 2, closed=False)) == [
        ("duplicate", None),
        ("duplicate", None),
    ]


def test_other_content_under_the_same_revision_is_a_conflict(live: Live) -> None:
    seen = sighting(0, 0, 2)
    live.takes(seen)
    for record, box in ((arrived(seen, "other"), BOX), (arrived(revised(seen, 2)), "c" * 36)):
        (receipt,) = live.intake.take_in(box, [record]).receipts
        assert (receipt.status, receipt.code) == ("rejected", "conflict")
    with live.store.snapshot() as tx:
        assert [(one.box_id, one.code) for one in quarantined(tx)].count((BOX, "conflict")) == 1
        assert len(quarantined(tx)) == 2
    assert live.standing(seen).revision == 1


def test_a_bad_record_is_undone_alone(live: Live) -> None:
    good, bad, last = sighting(0, 0, 2), sighting(1, 3, 5), sighting(2, 6, 8)
    bad = replace(bad, camera="x" * 300)
    taken = live.intake.take_in(BOX, [arrived(good), arrived(bad), arrived(last)])
    assert [(r.status, r.code) for r in taken.receipts] == [
        ("stored", None),
        ("rejected", "invalid"),
        ("stored", None),
    ]
    assert [live.serial(good), live.serial(last)] == [1, 2]
    assert {event.event_id for event in taken.events} == {good.sighting_id, last.sighting_id}
    with live.store.snapshot() as tx:
        assert [one.sighting_id for one in quarantined(tx)] == [bad.sighting_id]


def test_what_could_not_be_read_is_noted_once_and_answered(live: Live) -> None:
    refused = Refused(None, None, "a" * 64, "not_json", "no JSON")
    later = replace(refused, sha256="b" * 64, code="unknown_version", permanent=False)
    for _ in range(2):
        taken = live.intake.take_in(BOX, [refused, later])
        assert [(r.status, r.code, r.sighting_id) for r in taken.receipts] == [
            ("rejected", "not_json", None),
            ("retry", "unknown_version", None),
        ]
    with live.store.snapshot() as tx:
        assert [one.code for one in quarantined(tx)] == ["not_json"]


def test_a_failed_commit_leaves_nothing_not_even_in_memory(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = sighting(0, 0, 2), sighting(0, 5, 7, group=2)

    def busy(*_: object, **__: object) -> None:
        raise StoreBusy("busy")

    with monkeypatch.context() as broken:
        broken.setattr("sightgrid.ledger.taking_in.write_events", busy)
        broken.setattr("sightgrid.store.session.LONGEST_PAUSE_SECS", 0.0)
        with pytest.raises(StoreBusy):
            live.takes(first)
    assert rows(live, SIGHTING) == 0
    assert live.intake.refresh() == 0
    live.takes(second)
    live.takes(first)
    assert [live.serial(first), live.serial(second)] == [1, 1]


def test_an_erased_sighting_does_not_come_back(live: Live) -> None:
    seen = sighting(0, 0, 2)
    with live.store.transaction() as tx:
        note_erased(tx, [f"sighting:{seen.sighting_id}"], at=NOON)
    for revision in (1, 2):
        assert statuses(live, revised(seen, revision)) == [("stored", "erased")]
    assert statuses(live, seen) == [("duplicate", None)]
    assert (rows(live, SIGHTING), rows(live, CROP)) == (0, 0)


def test_a_camera_for_attendance_keeps_enrolled_people_only(live: Live) -> None:
    live.enrol([enrol("Anna", 0)])
    with live.store.transaction() as tx:
        add_cameras(tx, ["door"])
        set_purposes(tx, "door", ["attendance"])
    anna, other = sighting(0, 0, 2, camera="door"), sighting(1, 3, 5, camera="door", group=2)
    taken = live.takes(revised(other, 1, closed=False), revised(other, 2), anna)
    assert [(r.status, r.code) for r in taken.receipts] == [
        ("stored", "dropped"),
        ("stored", "dropped"),
        ("stored", None),
    ]
    assert {event.event_id for event in taken.events} == {anna.sighting_id}
    assert (rows(live, SIGHTING), rows(live, CROP)) == (1, 3)
    assert [person for _, person, _ in live.serials()] == ["Anna"]
    with live.store.snapshot() as tx:
        assert unmatched_counts(tx) == {("door", "2026-01-02"): 1}
    assert statuses(live, revised(other, 2)) == [("duplicate", None)]
    with live.store.snapshot() as tx:
        assert unmatched_counts(tx) == {("door", "2026-01-02"): 1}


def test_gaps_are_kept(live: Live) -> None:
    gap = StoredGap(
        "", "g" * 36, 1, "hall", NOON, NOON + timedelta(hours=1), "spool_full", "analytics", 7
    )
    records = [ArrivedGap(gap, "a" * 64), ArrivedGap(replace(gap, revision=2, dropped=9), "b" * 64)]
    for expected in ("stored", "duplicate"):
        taken = live.intake.take_in(BOX, records)
        assert [r.status for r in taken.receipts] == [expected, expected]
    with live.store.snapshot() as tx:
        assert gaps(tx, since=NOON) == [replace(gap, box_id=BOX, revision=2, dropped=9)]


def test_events_are_there_for_everybody_after_the_commit(live: Live) -> None:
    seen = sighting(0, 0, 2)
    told = [
        *live.takes(revised(seen, 1, closed=False)).events,
        *live.takes(revised(seen, 2, closed=False)).events,
        *live.takes(revised(seen, 3)).events,
    ]
    assert [event.kind for event in told] == ["new", "update", "end"]
    assert {event.event_id for event in told} == {seen.sighting_id}
    assert [event.event_no for event in told] == [1, 2, 3]
    assert told[-1].body["serial"] == 1
    with live.store.snapshot() as tx:
        assert events_after(tx, 0) == told
        assert events_after(tx, 2) == told[2:]


def test_an_enrolled_person_is_named_and_keeps_the_serial_from_enrolment(live: Live) -> None:
    live.enrol([enrol("Anna", 0), enrol("Bruno", 1)])
    seen = sighting(1, 0, 2)
    live.takes(seen)
    standing = live.standing(seen)
    assert (standing.serial, standing.band) == (2, Band.CONFIRMED)
    assert live.serials() == [(1, "Anna", None), (2, "Bruno", None)]
    assert live.visits(2)[0].person == "Bruno"


def test_two_enrolled_people_equally_alike_are_not_guessed(live: Live) -> None:
    live.enrol([enrol("Anna", toward(1, 0.2)), enrol("Bruno", toward(1, 0, 0.2))])
    seen = sighting(0, 0, 2)
    live.takes(seen)
    assert live.standing(seen).band is Band.STRANGER


def test_unsure_is_asked_again_at_the_next_revision(live: Live) -> None:
    poor, good = sighting(0, 0, 1, looks=1), sighting(0, 0, 3)
    live.takes(revised(poor, 1, closed=False))
    assert live.serial(poor) is None
    live.takes(revised(good, 2))
    assert live.serial(good) == 1
    assert len(live.visits(1)) == 1


def test_two_good_looks_have_to_lie_close_together(live: Live) -> None:
    near, far = sighting(0, 0, 4, looks=2), sighting(1, 10, 20, looks=2)
    live.takes(near, far)
    assert live.serial(near) == 1
    assert live.serial(far) is None


def test_who_may_be_somebody_known_waits_for_a_better_look(live: Live) -> None:
    known, alike = sighting(0, 0, 2), sighting(toward(0.45, 1), 5, 7, group=2)
    live.takes(known)
    live.takes(revised(alike, 1, closed=False))
    assert live.serial(alike) is None
    live.takes(revised(alike, 2))
    assert live.serial(alike) == 2


def test_a_later_revision_that_is_somebody_known_frees_the_serial_it_founded(live: Live) -> None:
    live.takes(sighting(0, 0, 2))
    seen = sighting(1, 5, 7, group=2)
    live.takes(revised(seen, 1, closed=False))
    assert live.serial(seen) == 2
    better = sighting(0, 5, 9, group=2)
    live.takes(revised(better, 2))
    assert live.serial(better) == 1
    assert live.serials() == [(1, None, None), (2, None, 1)], "the serial given out still resolves"
    assert rows(live, EDIT) == 1
    assert [len(visit.sighting_ids) for visit in live.visits(2)] == [2]
    later = sighting(1, 20, 22, group=3)
    live.takes(later)
    assert live.serial(later) == 3, "what the first revision looked like is forgotten"


def test_a_sighting_moves_to_somebody_else_and_it_is_written_down(live: Live) -> None:
    live.takes(sighting(0, 0, 2), sighting(1, 3, 5, group=2))
    seen = sighting(1, 30, 32, group=3)
    live.takes(revised(seen, 1, closed=False))
    assert live.serial(seen) == 2
    better = sighting(0, 30, 34, group=3)
    live.takes(revised(better, 2))
    assert live.serial(better) == 1
    assert [len(live.visits(serial)) for serial in (1, 2)] == [2, 1]
    assert rows(live, EDIT) == 1
    assert live.serials() == [(1, None, None), (2, None, None)]


def test_a_revision_that_shows_less_leaves_the_answer(live: Live) -> None:
    live.enrol([enrol("Anna", 0)])
    seen, stranger = sighting(0, 0, 2), sighting(3, 3, 5, group=2)
    live.takes(revised(seen, 1, closed=False), revised(stranger, 1, closed=False))
    for one in (seen, stranger):
        less = sighting(5, 0, 2, looks=1, group=one.group)
        live.takes(replace(less, sighting_id=one.sighting_id, revision=2))
    assert live.standing(seen).band is Band.LIKELY
    assert (live.serial(seen), live.serial(stranger)) == (1, 2)


def test_nobody_is_at_two_places_at_once(live: Live) -> None:
    live.on(NEVER_AT_ONCE, ["hall", "door"])
    here, there = sighting(0, 0, 3), sighting(0, 1, 4, camera="door")
    live.takes(here, there)
    assert [live.serial(here), live.serial(there)] == [1, 2]
    two = [sighting(4, 30, 33, left=0, group=5), sighting(4, 31, 34, left=200, group=6)]
    live.takes(*two)
    assert [live.serial(one) for one in two] == [3, 4]


def test_nobody_runs_faster_than_the_links_say(live: Live) -> None:
    live.on(CameraGrid(links=(CameraLink("hall", "door", 10.0),)))
    first, too_soon = sighting(0, 0, 3), sighting(0, 8, 9, camera="door")
    later = sighting(0, 30, 33, camera="door", group=2)
    live.takes(first, too_soon, later)
    assert live.serial(first) == 1
    assert live.serial(too_soon) == 2
    assert live.serial(later) in (1, 2)


def test_a_person_who_is_elsewhere_is_not_named_here(live: Live) -> None:
    live.on(NEVER_AT_ONCE)
    live.enrol([enrol("Anna", 0)])
    here, there = sighting(0, 0, 3), sighting(0, 1, 4, camera="door")
    live.takes(here, there)
    assert live.standing(here).band is Band.CONFIRMED
    assert live.standing(there).band is Band.STRANGER


def test_not_this_person_is_remembered(live: Live) -> None:
    first, seen = sighting(0, 0, 2), sighting(0, 5, 7, group=2)
    live.takes(first, revised(seen, 1, closed=False))
    assert live.serial(seen) == 1
    with live.store.transaction() as tx:
        forbid(tx, seen.sighting_id, 1)
    live.takes(revised(seen, 2))
    assert live.serials() == [(1, None, None), (2, None, None)]


def test_strangers_of_long_ago_are_not_compared_with(live: Live) -> None:
    day = 24 * 3600
    first, next_day = sighting(0, 0, 2), sighting(0, day + 60, day + 62, group=2)
    live.takes(first, next_day)
    assert live.serials() == [(1, None, None), (2, None, None)]


def test_a_box_that_was_away_for_days_finds_the_strangers_of_those_days(live: Live) -> None:
    day = 24 * 3600
    now, then = sighting(0, 9 * day, 9 * day + 2), sighting(1, 0, 2, group=2)
    live.clock = now.last_seen
    live.takes(now)
    live.takes(then)
    live.takes(sighting(2, 9 * day + 5, 9 * day + 7, group=3))
    again = sighting(1, 10, 12, camera="door")
    live.takes(again)
    assert live.serial(again) == live.serial(then) == 2
    fresh = Live(live.store)
    fresh.clock = now.last_seen
    assert fresh.intake.refresh() == 2, "the strangers of today"
    later = sighting(1, 20, 22, camera="stairs")
    fresh.takes(later)
    assert live.serial(later) == 2


def test_serials_that_turn_out_to_be_one_are_joined_and_it_is_written_down(live: Live) -> None:
    """Two sightings unlike each other, and a third that both are like."""
    one, other = sighting(toward(1, 0.9), 0, 2), sighting(toward(-0.5, 1), 5, 7, group=2)
    between = sighting(toward(0.3, 1), 10, 12, group=3)
    live.takes(one, other)
    assert [live.serial(one), live.serial(other)] == [1, 2]
    live.takes(between)
    roots = {alias or serial for serial, _, alias in live.serials()}
    assert roots == {1}
    assert rows(live, EDIT) == 1
    assert [len(visit.sighting_ids) for visit in live.visits(2)] == [3]


def test_a_stranger_who_turns_out_to_be_enrolled_is(live: Live) -> None:
    live.enrol([enrol("Anna", 0)])
    unlike = sighting(toward(0.45, 1), 0, 2)
    live.takes(unlike)
    assert live.standing(unlike).band is Band.STRANGER
    live.takes(sighting(toward(1, 0.9), 5, 7, group=2))
    alike = sighting(toward(1, 1), 20, 22, group=3)
    live.takes(alike)
    assert live.serial(alike) == 1


def test_another_packs_vectors_are_kept_but_not_compared(live: Live) -> None:
    other = EmbeddingContract("b" * 64, "other", CONTRACT.dimension)
    seen = sighting(0, 0, 2, contract=other)
    live.takes(sighting(0, 5, 7, group=2))
    assert statuses(live, seen) == [("stored", None)]
    assert live.serial(seen) is None
    assert rows(live, LOOK) == 6


def test_crops_that_dont_fit_the_looks_are_refused(live: Live) -> None:
    record = replace(arrived(sighting(0, 0, 2)), crops=(b"one",))
    (receipt,) = live.intake.take_in(BOX, [record]).receipts
    assert (receipt.status, receipt.code) == ("rejected", "invalid")


def test_two_processes_follow_each_other(live: Live, served: Store) -> None:
    other = Live(served)
    assert [live.serial(one) for one in _through([live, other, live], 0)] == [1, 1, 1]
    live.enrol([enrol("Anna", 7)])
    assert {live.serial(one) for one in _through([other, live], 7)} == {2}
    assert other.intake.refresh() == live.intake.refresh() == 2
    assert other.intake.rebuild() == 2


def _through(processes: Sequence[Live], who: int) -> list[Sighting]:
    seen = []
    for number, process in enumerate(processes):
        start = 100 * who + 10 * number
        one = sighting(who, start, start + 2, group=100 * who + number)
        process.takes(one)
        seen.append(one)
    return seen


def test_enrolment_needs_a_consent_that_holds(live: Live) -> None:
    from live import consent

    from sightgrid.ledger.enrolling import enrol_person

    for void in (
        replace(consent(), withdrawn_at=NOON),
        replace(consent(), expires_at=NOON),
        replace(consent(), given_at=NOON + timedelta(days=1)),
    ):
        with pytest.raises(InvalidValue, match="consent"), live.store.transaction() as tx:
            enrol_person(tx, "Anna", consent=void, at=NOON)
    assert live.serials() == []


@pytest.mark.parametrize("seed", range(4))
def test_live_finds_the_same_people_and_visits_as_a_recording(live: Live, seed: int) -> None:
    """Six people, three of them enrolled, walk through three cameras; each sighting comes as two
    revisions, the records of all cameras mixed."""
    people, seen = _a_day(seed)
    grid = CameraGrid(links=(CameraLink("hall", "door", 4.0), CameraLink("door", "stairs", 4.0)))
    live.on(grid)
    live.enrol(people)
    records = []
    for one in seen:
        half = replace(one, path=one.path[: len(one.path) // 2 + 1], looks=one.looks[:2])
        records.append((half.last_seen, revised(half, 1, closed=False)))
        records.append((one.last_seen, revised(one, 2)))
    records.sort(key=lambda record: record[0])
    for _, record in records:
        live.takes(record)

    settled = settle(seen, people=people, grid=grid, policy=FixedPolicy())
    roots = {serial: alias or serial for serial, _, alias in live.serials()}
    together: dict[int | None, set[int | None]] = {}
    for decision in settled.decisions:
        serial = live.serial(decision.sighting)
        found = None if serial is None else roots[serial]
        together.setdefault(decision.match.serial, set()).add(found)
        assert live.standing(decision.sighting).band is decision.match.band
    assert all(len(found) == 1 for found in together.values()), together
    assert len({min(found, key=str) for found in together.values()}) == len(together)
    for offline, found in together.items():
        (root,) = found
        if offline is None or root is None:
            continue
        expected = [
            (visit.camera, visit.first_seen, visit.last_seen, frozenset(visit.sighting_ids))
            for visit in visits(settled.decisions, grid=grid)
            if visit.serial == offline
        ]
        assert expected == [
            (visit.camera, visit.first_seen, visit.last_seen, frozenset(visit.sighting_ids))
            for visit in live.visits(root)
        ]


def _a_day(seed: int) -> tuple[list, list[Sighting]]:
    random = np.random.default_rng(seed)

    def like(who: int) -> np.ndarray:
        vector = toward(*[0.0] * who, 1.0) + random.normal(0, 0.08, 16).astype(np.float32)
        return (vector / np.linalg.norm(vector)).astype(np.float32)

    people = [enrol(name, like(who), like(who)) for who, name in enumerate(("Anna", "Bo", "Cy"))]
    seen = []
    for who in range(6):
        at = float(random.uniform(0, 40))
        for passage in range(5):
            camera = ("hall", "door", "stairs")[passage % 3]
            last = at + float(random.uniform(2, 5))
            worth = 0.2 if random.random() < 0.15 else 0.9
            seen.append(
                sighting(
                    [like(who) for _ in range(4)],
                    at,
                    last,
                    camera=camera,
                    group=10 * who + passage,
                    left=200.0 * who,
                    worth=worth,
                )
            )
            at = last + float(random.uniform(5, 40))
    return people, seen
