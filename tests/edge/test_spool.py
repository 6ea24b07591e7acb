from __future__ import annotations

import sqlite3
import stat
import time
from datetime import timedelta
from pathlib import Path

import pytest
from tests.edge.spools import CLOCK, drain, entry, open_spool, sighting_id, stored
from tests.wire.sightings import NOON

from sightgrid.domain.errors import SpoolFailed
from sightgrid.edge.spooled import Loss
from sightgrid.wire.receipts import Receipt, Status
from sightgrid.wire.records import Gap, GapReason, Priority, parse_line

ALL = {"most_records": 10_000, "most_bytes": 2**23}
MIB = 1024**2


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "box" / "spool.db"


def gaps(lines: list[bytes]) -> list[tuple[str, GapReason, Priority, int]]:
    read = [parse_line(line) for line in lines]
    return [
        (one.camera, one.body.reason, one.body.priority, one.body.dropped)
        for one in read
        if isinstance(one.body, Gap)
    ]


def test_records_leave_in_the_order_they_came_and_are_gone_after_their_receipt(path: Path) -> None:
    spool = open_spool(path)
    spool.append([entry(n) for n in range(5)])
    batch = spool.lease(**ALL)
    assert [parse_line(one.line).seq for one in batch] == [1, 2, 3, 4, 5]
    assert [one.sighting_id for one in batch] == [sighting_id(n) for n in range(5)]
    assert spool.lease(**ALL) == []
    assert spool.settle(batch, stored(batch)).freed == 5
    status = spool.status()
    assert (status.pending, status.in_flight, status.acknowledged) == (0, 0, 5)
    assert status.oldest_secs == 0


def test_numbers_are_never_used_again(path: Path) -> None:
    spool = open_spool(path)
    spool.append([entry(1), entry(2)])
    drain(spool)
    spool.close()
    spool = open_spool(path)
    spool.append([entry(3)])
    (one,) = spool.lease(**ALL)
    assert one.seq == 3


def test_duplicate_frees_rejected_is_set_aside_retry_waits(path: Path) -> None:
    spool = open_spool(path)
    spool.append([entry(n) for n in range(4)])
    batch = spool.lease(**ALL)
    answers = (Status.DUPLICATE, Status.REJECTED, Status.RETRY, Status.STORED)
    receipts = [
        Receipt(one.sighting_id, one.revision, one.sha256, answer, "conflict")
        for one, answer in zip(batch, answers, strict=True)
    ]
    settled = spool.settle(batch, receipts)
    assert (settled.freed, settled.quarantined, settled.kept) == (2, 1, 1)
    (aside,) = spool.quarantined()
    assert (aside.sighting_id, aside.reason) == (sighting_id(1), "conflict")
    # the one to be retried holds up nobody and comes again after a while
    assert spool.lease(**ALL) == []
    time.sleep(1.1)
    assert [one.sighting_id for one in spool.lease(**ALL)] == [sighting_id(2)]


def test_only_a_receipt_for_these_very_bytes_frees_a_record(path: Path) -> None:
    spool = open_spool(path)
    spool.append([entry(n) for n in range(4)])
    batch = spool.lease(**ALL)
    right = stored(batch)
    receipts = [
        Receipt(right[0].sighting_id, 1, "00" * 32, Status.STORED),
        Receipt(right[2].sighting_id, 1, right[1].sha256, Status.STORED),
        Receipt(right[2].sighting_id, 7, right[2].sha256, Status.STORED),
    ]
    assert spool.settle(batch, receipts).freed == 0
    assert len(spool.lease(**ALL)) == 4


def test_a_newer_revision_takes_the_place_of_one_that_waits(path: Path) -> None:
    spool = open_spool(path)
    spool.append([entry(1), entry(2)])
    spool.append([entry(1, revision=2)])
    assert [(one.sighting_id, one.revision) for one in spool.lease(**ALL)] == [
        (sighting_id(2), 1),
        (sighting_id(1), 2),
    ]


def test_an_older_revision_after_a_newer_one_is_not_kept(path: Path) -> None:
    spool = open_spool(path)
    spool.append([entry(1, revision=3), entry(1, revision=2), entry(1, revision=3)])
    assert [one.revision for one in spool.lease(**ALL)] == [3]


def test_a_revision_on_its_way_stays_until_its_fate_is_known(path: Path) -> None:
    spool = open_spool(path)
    spool.append([entry(1)])
    batch = spool.lease(**ALL)
    spool.append([entry(1, revision=2)])
    assert spool.status().in_flight == 1
    # the reply was lost: the newer one tells everything, so only that goes
    spool.release(batch)
    (again,) = spool.lease(**ALL)
    assert again.revision == 2
    spool.settle([again], stored([again]))
    # had the reply come, only its own revision would have been freed
    spool.append([entry(2)])
    batch = spool.lease(**ALL)
    spool.append([entry(2, revision=2)])
    spool.settle(batch, stored(batch))
    assert [one.revision for one in spool.lease(**ALL)] == [2]


def test_what_a_dead_uploader_had_leased_waits_again(path: Path) -> None:
    spool = open_spool(path)
    spool.append([entry(1), entry(2)])
    spool.lease(most_records=1, most_bytes=2**20)
    spool.append([entry(1, revision=2)])
    spool.close()
    spool = open_spool(path)
    spool.recover_leases()
    assert [(one.sighting_id, one.revision) for one in spool.lease(**ALL)] == [
        (sighting_id(2), 1),
        (sighting_id(1), 2),
    ]


def test_live_records_overtake_the_backlog_and_attendance_analytics(path: Path) -> None:
    spool = open_spool(path)
    spool.append([entry(n) for n in range(10)])
    spool.append([entry(20, priority=Priority.ATTENDANCE)])
    mark = spool.newest()
    spool.append([entry(30)])
    taken = spool.lease(most_records=4, most_bytes=2**23, live_after=mark)
    assert [one.sighting_id for one in taken] == [sighting_id(n) for n in (30, 20, 0, 1)]


def test_a_batch_is_bounded_in_bytes_but_never_empty(path: Path) -> None:
    spool = open_spool(path)
    spool.append([entry(n, filling=30_000) for n in range(5)])
    assert len(spool.lease(most_records=100, most_bytes=100)) == 1
    batch = spool.lease(most_records=100, most_bytes=100_000)
    assert sum(len(one.line) + 1 for one in batch) <= 100_000
    assert len(batch) == 2


class TestFull:
    def test_the_oldest_analytics_go_first_and_are_counted(self, path: Path) -> None:
        spool = open_spool(path, limit_bytes=MIB)
        for n in range(60):
            spool.append([entry(n, filling=30_000)])
        assert spool.status().used_bytes <= MIB + 65536
        batch = drain(spool)
        kept = {one.sighting_id for one in batch}
        told = gaps([one.line for one in batch])
        assert len(told) == 1, "one gap for one trouble"
        assert told[0][:3] == ("entrance", GapReason.SPOOL_FULL, Priority.ANALYTICS)
        dropped = told[0][3]
        assert dropped >= 30
        assert {sighting_id(n) for n in range(dropped, 60)} <= kept
        assert len(kept) == 60 - dropped + 1

    def test_attendance_outlives_analytics_and_is_never_dropped(self, path: Path) -> None:
        spool = open_spool(path, limit_bytes=MIB)
        refused = 0
        for n in range(30):
            spool.append([entry(n, filling=30_000)])
        for n in range(100, 160):
            refused += spool.append(
                [entry(n, filling=30_000, priority=Priority.ATTENDANCE, camera="class")]
            )
        assert refused > 20
        # nor does an analytics record push one out
        assert spool.append([entry(200, filling=30_000)]) == 1
        batch = drain(spool)
        kept = [one.sighting_id for one in batch if int(one.sighting_id[-4:], 16) >= 100]
        told = sorted(gaps([one.line for one in batch]))
        kept = [one for one in kept if one.startswith("00000000-0000-0000-0000-0000000")]
        assert kept == [sighting_id(n) for n in range(100, 160 - refused)]
        assert told == [
            ("class", GapReason.SPOOL_FULL, Priority.ATTENDANCE, refused),
            ("entrance", GapReason.SPOOL_FULL, Priority.ANALYTICS, 31),
        ]

    def test_quarantine_goes_before_anything_else(self, path: Path) -> None:
        spool = open_spool(path, limit_bytes=MIB)
        spool.append([entry(n, filling=30_000) for n in range(10)])
        for one in spool.lease(**ALL):
            spool.quarantine(one, "conflict")
        for n in range(100, 116):
            spool.append([entry(n, filling=30_000)])
        status = spool.status()
        assert status.pending >= 16
        assert status.quarantined < 10

    def test_a_gap_on_its_way_is_followed_by_another(self, path: Path) -> None:
        spool = open_spool(path)
        lost = Loss("a", Priority.ANALYTICS, GapReason.DISK_FULL, NOON, NOON, 3)
        spool.note_lost([lost])
        spool.note_lost([lost])
        batch = spool.lease(**ALL)
        assert gaps([one.line for one in batch]) == [
            ("a", GapReason.DISK_FULL, Priority.ANALYTICS, 6)
        ]
        spool.note_lost([lost])
        spool.settle(batch, stored(batch))
        assert gaps([one.line for one in spool.lease(**ALL)]) == [
            ("a", GapReason.DISK_FULL, Priority.ANALYTICS, 3)
        ]
        assert spool.status().dropped == 9

    def test_a_revision_replaces_its_older_one_in_a_full_spool(self, path: Path) -> None:
        spool = open_spool(path, limit_bytes=MIB)
        number = 0
        while not spool.append([entry(number, filling=30_000, priority=Priority.ATTENDANCE)]):
            number += 1
        assert (
            spool.append([entry(0, revision=2, filling=30_000, priority=Priority.ATTENDANCE)]) == 0
        )

    def test_space_is_given_back_to_the_disk(self, path: Path) -> None:
        spool = open_spool(path)
        spool.append([entry(n, filling=1_000_000) for n in range(60)])
        drain(spool)
        while spool.give_back():
            pass
        spool.close()
        assert path.stat().st_size < 34 * MIB


def test_the_file_is_the_owners_alone_and_shows_no_content(path: Path) -> None:
    spool = open_spool(path)
    spool.append([entry(1)])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_deleted_records_are_wiped(path: Path) -> None:
    spool = open_spool(path)
    spool.append([entry(1, filling=40_000)])
    (one,) = batch = spool.lease(**ALL)
    needle = one.line[2000:2100]
    spool.settle(batch, stored(batch))
    # the journal is folded into the file, and the file's free pages hold zeroes
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert needle not in path.read_bytes()


def test_promises_are_checked_at_every_start(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    open_spool(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(SpoolFailed, match="layout 99"):
        open_spool(path)


def test_the_age_of_the_oldest_record_is_the_health_signal(path: Path) -> None:
    spool = open_spool(path)
    spool.append([entry(1)])
    time.sleep(0.2)
    spool.append([entry(2)])
    assert 0.2 <= spool.status().oldest_secs < 5
    batch = spool.lease(most_records=1, most_bytes=100)
    assert spool.status().oldest_secs >= 0.2, "on its way is not delivered"
    spool.settle(batch, stored(batch))
    assert spool.status().oldest_secs < 0.2


def test_opening_while_another_process_writes_is_no_trouble(path: Path) -> None:
    writer, uploader = open_spool(path), open_spool(path)
    for n in range(20):
        writer.append([entry(n)])
        batch = uploader.lease(**ALL)
        assert len(batch) == 1
        uploader.settle(batch, stored(batch))
    assert writer.status().acknowledged == 20


@pytest.mark.parametrize("step", [timedelta(days=-14), timedelta(hours=2)])
def test_a_step_of_the_clock_changes_no_order_and_no_age(
    path: Path, step: timedelta, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sightgrid.edge.clock as clocks

    spool = open_spool(path)
    spool.append([entry(1)])
    real = clocks.datetime

    class Stepped(real):  # type: ignore[misc, valid-type]
        @classmethod
        def now(cls, tz: object = None) -> object:
            return real.now(tz) + step  # type: ignore[arg-type]

    monkeypatch.setattr(clocks, "datetime", Stepped)
    assert CLOCK.state() is clocks.ClockState.STEPPED
    spool.append([entry(2)])
    batch = spool.lease(**ALL)
    first, second = (parse_line(one.line) for one in batch)
    assert (first.seq, second.seq) == (1, 2)
    assert second.clock.state is clocks.ClockState.STEPPED
    passed = (second.clock.read_at - first.clock.read_at).total_seconds()
    assert 0 <= passed < 5
    assert 0 <= spool.status().oldest_secs < 5
