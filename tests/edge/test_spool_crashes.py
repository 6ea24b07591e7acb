"""Kills, power cuts, failing disks, flipped bits: what the spool took in stays, or is counted."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import sqlite3
import time
from pathlib import Path

import apsw
import pytest
from tests.edge.forgetful import Disk, ForgetfulVFS, connector
from tests.edge.plain_server import serving
from tests.edge.spools import drain, entry, open_spool, sighting_id, stored

from sightgrid.domain.errors import SpoolError, SpoolFailed, SpoolFull
from sightgrid.edge.spool import Spool
from sightgrid.wire.records import Gap, GapReason, Priority, parse_line

MANY = pytest.mark.reliability
ALL = {"most_records": 10_000, "most_bytes": 2**23}


def gaps_of(batch: list[bytes]) -> int:
    bodies = [parse_line(line).body for line in batch]
    return sum(body.dropped for body in bodies if isinstance(body, Gap))


def whole(path: Path) -> None:
    """The file is sound, and every record has its line and every line its record."""
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        for one, other in (("record", "payload"), ("payload", "record"), ("gap", "record")):
            orphans = f"SELECT count(*) FROM {one} WHERE seq NOT IN (SELECT seq FROM {other})"
            assert connection.execute(orphans).fetchone() == (0,)


# -- kill -9 ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kills", [3, pytest.param(50, marks=MANY)])
def test_a_killed_box_loses_nothing_and_doubles_nothing(kills: int, tmp_path: Path) -> None:
    """A process appends and uploads, and is killed at any moment; what it said it has kept must be
    at the server once."""
    from tests.edge.filling import fill_and_send

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.edge.filling"])
    rng = random.Random(kills)
    path = tmp_path / "spool.db"
    promised: set[str] = set()
    with serving(tmp_path) as server:
        start = 0
        for _ in range(kills):
            reader, writer = context.Pipe(duplex=False)
            process = context.Process(target=fill_and_send, args=(path, server.url, start, writer))
            process.start()
            writer.close()
            assert reader.poll(20)
            promised.add(reader.recv())
            time.sleep(rng.uniform(0.0, 0.4))
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
            process.join()
            try:
                while True:
                    promised.add(reader.recv())
            except (EOFError, ConnectionResetError):
                pass
            start += 10_000
        spool = open_spool(path)
        spool.recover_leases()
        while batch := spool.lease(**ALL):
            spool.settle(batch, server.ledger.take([one.line for one in batch]))
        assert spool.quarantined() == []
        assert spool.status().dropped == 0
        spool.close()
        rows = server.ledger.rows()
    there = [who for who, *_ in rows]
    assert len(there) == len(set(there)), "doubled"
    assert promised <= set(there), "lost"
    assert len(promised) > 5 * kills
    whole(path)


# -- power cuts ---------------------------------------------------------------------------------


@pytest.mark.parametrize("cuts", [25, pytest.param(400, marks=MANY)])
def test_a_power_cut_costs_nothing_that_was_promised(cuts: int, tmp_path: Path) -> None:
    """The disk keeps what was synced and some of the rest, torn: what ``append`` returned for is
    there, what a receipt freed does not matter, and the file is sound."""
    rng = random.Random(7)
    for number in range(cuts):
        path = tmp_path / f"{number}" / "spool.db"
        disk = Disk()
        vfs = ForgetfulVFS(disk)
        spool = open_spool(path, connect=connector(vfs))
        promised: set[str] = set()
        freed: set[str] = set()
        disk.fail_from = (disk.calls + rng.randrange(1, 150), apsw.SQLITE_IOERR)
        try:
            for step in range(200):
                spool.append([entry(step, filling=rng.choice([100, 9_000, 30_000]))])
                promised.add(sighting_id(step))
                if rng.random() < 0.3:
                    batch = spool.lease(most_records=3, most_bytes=2**20)
                    # from here on the server has them
                    freed |= {one.sighting_id for one in batch}
                    spool.settle(batch, stored(batch))
        except (SpoolError, sqlite3.Error):
            pass
        disk.cut(rng)
        spool.close()
        whole(path)
        again = open_spool(path)
        again.recover_leases()
        batch = drain(again)
        there = {one.sighting_id for one in batch}
        assert promised - freed <= there
        assert len(there) == len(batch)
        # one append may have been under way: it is there whole or not at all
        assert len(there - promised - freed) <= 1
        again.append([entry(100_000)])
        assert again.lease(**ALL)[0].seq > max((one.seq for one in batch), default=0)
        again.close()
        vfs.unregister()


# -- a disk that reports errors -------------------------------------------------------------------


@pytest.mark.parametrize("sticky", [False, True])
@pytest.mark.parametrize("code", [apsw.SQLITE_IOERR, apsw.SQLITE_FULL])
@pytest.mark.parametrize("calls", [range(1, 60, 7), pytest.param(range(1, 200), marks=MANY)])
def test_each_call_to_the_disk_may_fail(
    calls: range, code: int, sticky: bool, tmp_path: Path
) -> None:
    """The n-th write, sync or truncation fails, once or from then on: a full disk is waited for, an
    error ends everything at once; either way all that was promised is there afterwards."""
    for number in calls:
        path = tmp_path / f"{number}" / "spool.db"
        disk = Disk()
        vfs = ForgetfulVFS(disk)
        spool = open_spool(path, connect=connector(vfs))
        first = disk.calls + number
        if sticky:
            disk.fail_from = (first, code)
        else:
            disk.fail_at = {first: code}
        promised: set[str] = set()
        failed = False
        for step in range(25):
            try:
                spool.append([entry(step, filling=9_000)])
                promised.add(sighting_id(step))
                if step % 5 == 4:
                    batch = spool.lease(most_records=2, most_bytes=2**20)
                    promised -= {one.sighting_id for one in batch}
                    spool.settle(batch, stored(batch))
            except SpoolFull:
                assert code == apsw.SQLITE_FULL
            except SpoolFailed:
                failed = True
                with pytest.raises(SpoolFailed):
                    spool.append([entry(1000)])
                break
        if code == apsw.SQLITE_FULL:
            assert not failed, "a full disk is no reason to end"
        disk.fail_at, disk.fail_from = {}, None
        if code == apsw.SQLITE_FULL:
            spool.append([entry(2000)])
            promised.add(sighting_id(2000))
        spool.close()
        whole(path)
        again = open_spool(path)
        again.recover_leases()
        assert promised <= {one.sighting_id for one in drain(again)}
        again.close()
        vfs.unregister()


# -- flipped bits -------------------------------------------------------------------------------


def settle_to_disk(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def flip(path: Path, at: int, bit: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        (byte,) = file.read(1)
        file.seek(at)
        file.write(bytes([byte ^ 1 << bit]))


def test_a_flipped_bit_in_100_records_costs_these_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    spool = open_spool(path)
    entries = [entry(n, filling=12_000, priority=Priority.ATTENDANCE) for n in range(400)]
    spool.append(entries)
    spool.close()
    settle_to_disk(path)
    rng = random.Random(3)
    damaged = sorted(rng.sample(range(400), 100))
    content = path.read_bytes()
    for number in damaged:
        at = content.index(f'"{sighting_id(number)}"'.encode())
        # anywhere in the line, up to where its first page may end
        flip(path, at + rng.randrange(40, 120), rng.randrange(8))
    spool = open_spool(path)
    batch = drain(spool)
    aside = spool.quarantined()
    assert [one.sighting_id for one in aside] == [sighting_id(n) for n in damaged]
    assert {one.reason for one in aside} == {"damaged"}
    kept = {one.sighting_id for one in batch}
    assert {sighting_id(n) for n in range(400) if n not in set(damaged)} <= kept
    bodies = [parse_line(one.line).body for one in batch]
    gaps = [body for body in bodies if isinstance(body, Gap)]
    assert sum(gap.dropped for gap in gaps) == 100
    assert {(gap.reason, gap.priority) for gap in gaps} == {
        (GapReason.DAMAGED, Priority.ATTENDANCE)
    }


@pytest.mark.parametrize("trials", [15, pytest.param(300, marks=MANY)])
def test_a_bit_flipped_anywhere_ends_in_delivery_or_in_a_count(trials: int, tmp_path: Path) -> None:
    """In a page's head, an index, a row: the box may have to start anew a few times, but it comes
    to rest with whole records delivered, and never with an endless loop."""
    rng = random.Random(11)
    lost_in_all = 0
    for trial in range(trials):
        path = tmp_path / f"{trial}" / "spool.db"
        spool = open_spool(path)
        for start in range(0, 60, 10):
            spool.append([entry(n, filling=3_000) for n in range(start, start + 10)])
        spool.close()
        settle_to_disk(path)
        for _ in range(3):
            flip(path, rng.randrange(100, path.stat().st_size), rng.randrange(8))
        delivered: set[str] = set()
        lines: list[bytes] = []
        for _ in range(5):
            try:
                spool = open_spool(path)
            except SpoolFailed:
                continue
            try:
                spool.recover_leases()
                while batch := spool.lease(**ALL):
                    lines += [one.line for one in batch]
                    delivered |= {one.sighting_id for one in batch}
                    spool.settle(batch, stored(batch))
                spool.append([entry(5000)])
                lines += [one.line for one in drain(spool)]
                spool.close()
                break
            except SpoolFailed:
                spool.close()
        else:
            pytest.fail(f"trial {trial} never came to rest")
        ours = {sighting_id(n) for n in range(60)}
        lost = len(ours - delivered)
        assert lost <= gaps_of(lines), "lost without a word"
        lost_in_all += lost
    assert lost_in_all < 4 * trials


def test_a_file_that_is_no_database_any_more_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    spool = open_spool(path)
    spool.append([entry(1)])
    spool.close()
    path.write_bytes(b"\0" * 20_000)
    with pytest.raises(SpoolFailed):
        open_spool(path)
    spool = open_spool(path)
    spool.append([entry(2)])
    batch = drain(spool)
    assert sighting_id(2) in {one.sighting_id for one in batch}
    # numbers already used are not used again
    assert batch[0].seq > 1_000_000
    assert path.with_name("spool.db.old").exists()


def test_a_torn_last_write_to_the_journal_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    spool = open_spool(path)
    for n in range(20):
        spool.append([entry(n, filling=5_000)])
    journal = path.with_name("spool.db-wal")
    torn = journal.read_bytes()[:-3_000]
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "spool.db").write_bytes(path.read_bytes())
    (copy / "spool.db-wal").write_bytes(torn)
    spool.close()
    again: Spool = open_spool(copy / "spool.db")
    assert len(drain(again)) == 19
