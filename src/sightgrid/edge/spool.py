"""What a box has seen and the server does not have yet: durable, bounded, in order.

A record's life is: append (committed to disk) → lease (on its way) → receipt → deleted; or, where
the server will never take it or the disk has damaged it, quarantine. A newer revision of a sighting
takes the place of an older one that still waits, for it tells everything the older one did.

When the spool is full, what has least claim goes first: quarantined records, then the oldest
*analytics*. An *attendance* record that has been taken in is never dropped; when nothing else is
left, new records are refused instead. All that is lost is counted in gap records, which are
delivered like any other.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from sightgrid.edge.clock import BoxClock
from sightgrid.edge.spool_file import (
    IN_FLIGHT,
    PAGE_BYTES,
    PENDING,
    QUARANTINED,
    SpoolLock,
    damaged_mark,
    disk_bytes,
    free_bytes,
    meaning,
    open_file,
    take_apart,
)
from sightgrid.edge.spool_rows import ANALYTICS, GAP, OF_A_LOSS, RANK, SpoolRows
from sightgrid.edge.spooled import (
    Entry,
    Loss,
    Losses,
    Quarantined,
    Settled,
    SpoolStatus,
    Waiting,
)
from sightgrid.wire.receipts import Receipt, Status
from sightgrid.wire.records import CAMERA, Gap, GapReason, Priority, Record, encode, parse_line

GIB = 1024**3
# a box keeps this much of its disk free for everything else, or a twentieth of a small disk
_MOST_RESERVE_BYTES = 64 * 1024**2
# what a record costs beside its line: its row, its share of the indexes, half a page of slack
_ROW_BYTES = 6 * 1024
_PRIORITY = {rank: priority for priority, rank in RANK.items()}


class Spool:
    """One process's hold on the spool's file; use it from one thread at a time.

    One process appends and one uploads; SQLite keeps them apart.
    """

    def __init__(
        self,
        path: Path,
        *,
        box_id: str,
        clock: BoxClock,
        limit_bytes: int = 20 * GIB,
        reserve_bytes: int | None = None,
        connect: Callable[[Path], sqlite3.Connection] = open_file,
    ) -> None:
        """Opens the file, or makes it. A file that was found damaged is first taken apart.

        Raises:
            SpoolFull: there is no room even to open it; try again later.
            SpoolFailed: it can't be relied on.
        """
        self.path = path
        self.box_id = box_id
        self.limit_bytes = limit_bytes
        self._clock = clock
        with meaning(path):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = SpoolLock(path)
            self._reserve_bytes = (
                min(_MOST_RESERVE_BYTES, disk_bytes(path.parent) // 20)
                if reserve_bytes is None
                else reserve_bytes
            )
        try:
            lost = self._mend()
            self._rows = SpoolRows(path, connect(path))
            if lost:
                self.note_lost(lost)
        except BaseException:
            self._lock.close()
            raise

    def close(self) -> None:
        self._rows.close()
        self._lock.close()

    def append(self, entries: Iterable[Entry]) -> int:
        """Keeps records, all in one transaction; when it returns they outlast a power cut.

        Returns how many were refused because there was no room; they are in a gap record.

        Raises:
            SpoolFull: the disk had no room even for that; nothing was written.
            SpoolFailed: the disk can't be relied on.
        """
        refused = 0
        with self._rows.transaction():
            losses = Losses()
            for entry in entries:
                if not self._append(entry, losses):
                    refused += 1
            self._write_gaps(losses)
        return refused

    def note_lost(self, losses: Iterable[Loss]) -> None:
        """Counts in gap records what never reached the spool."""
        with self._rows.transaction():
            counted = Losses()
            for loss in losses:
                counted.add(loss)
            self._write_gaps(counted)

    def recover_leases(self) -> None:
        """What a former uploader had on its way waits again; called by the only uploader."""
        with self._rows.transaction():
            self._rows.execute("UPDATE record SET state = ? WHERE state = ?", PENDING, IN_FLIGHT)
            # a mark that no code of ours ever writes is a flipped bit
            self._rows.execute("UPDATE record SET state = ? WHERE state NOT IN (0, 2)", PENDING)
            self._rows.execute("UPDATE record SET not_before = 0 WHERE not_before > 0")
            self._rows.drop_superseded()

    def newest(self) -> int:
        """The highest number given so far; what comes later is live, what was before backlog."""
        with self._rows.reading():
            return self._rows.highest()

    def lease(self, *, most_records: int, most_bytes: int, live_after: int = 0) -> list[Waiting]:
        """Takes records to be sent: first those numbered above ``live_after``, then the backlog,
        gaps and attendance before analytics, oldest first.

        Every line is checked against its SHA-256; a damaged one goes to quarantine, is counted in
        a gap, and the others go on.
        """
        with self._rows.transaction():
            rows = list(self._rows.candidates(most_records, most_bytes, live_after))
            self._rows.set_state([row.seq for row in rows], IN_FLIGHT)
        taken: list[Waiting] = []
        damaged: list[int] = []
        with self._rows.reading():
            for row in rows:
                found = self._rows.execute(
                    "SELECT line FROM payload WHERE seq = ?", row.seq
                ).fetchone()
                line = b"" if found is None else bytes(found[0])
                if hashlib.sha256(line).hexdigest() == row.sha256:
                    taken.append(_as_its_line_says(row, line))
                else:
                    damaged.append(row.seq)
        if damaged:
            with self._rows.transaction():
                self._condemn(damaged)
        return taken

    def settle(self, batch: Sequence[Waiting], receipts: Iterable[Receipt]) -> Settled:
        """Does what the receipts say, in one transaction with the count of acknowledged records.

        Only a receipt with a record's own SHA-256, and the same id and revision where it names
        them, counts for it; a record without one waits again.
        """
        by_sha = {receipt.sha256: receipt for receipt in receipts}
        freed: list[int] = []
        refused: list[tuple[int, str]] = []
        later: list[Waiting] = []
        again: list[int] = []
        for one in batch:
            receipt = by_sha.get(one.sha256)
            if receipt is None or not _is_for(receipt, one):
                again.append(one.seq)
            elif receipt.status in (Status.STORED, Status.DUPLICATE):
                freed.append(one.seq)
            elif receipt.status is Status.REJECTED:
                refused.append((one.seq, receipt.code or "rejected"))
            else:
                later.append(one)
        with self._rows.transaction():
            self._rows.delete(freed)
            self._rows.add("acknowledged", len(freed))
            for seq, reason in refused:
                self._rows.quarantine(seq, reason)
            self._rows.bound_quarantine()
            self._rows.defer(later)
            self._rows.set_state(again, PENDING)
            self._rows.drop_superseded(again)
        return Settled(len(freed), len(refused), len(again) + len(later))

    def release(self, batch: Sequence[Waiting]) -> None:
        """Nothing is known of a batch: all of it waits again."""
        seqs = [one.seq for one in batch]
        with self._rows.transaction():
            self._rows.set_state(seqs, PENDING)
            self._rows.drop_superseded(seqs)

    def defer(self, batch: Sequence[Waiting]) -> None:
        """These are tried again later, each time after a longer while."""
        with self._rows.transaction():
            self._rows.defer(batch)

    def quarantine(self, one: Waiting, reason: str) -> None:
        """Sets a record aside for good."""
        with self._rows.transaction():
            self._rows.quarantine(one.seq, reason)
            self._rows.bound_quarantine()

    def forget(self, sighting_ids: Iterable[str]) -> bool:
        """Drops every record of some sightings, sent or not, set aside or not: whoever they show
        was erased. Whether the journal could be emptied too, in which they would be readable until
        it is written over; if not, call it again."""
        with self._rows.transaction():
            for sighting_id in sighting_ids:
                rows = self._rows.execute(
                    "SELECT seq FROM record WHERE sighting_id = ?", sighting_id
                )
                self._rows.delete([seq for (seq,) in rows.fetchall()])
        with self._rows.reading():
            busy = self._rows.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        return not busy

    def quarantined(self, *, most: int = 1000) -> list[Quarantined]:
        """The records set aside, oldest first."""
        with self._rows.reading():
            rows = self._rows.execute(
                "SELECT seq, CAST(sighting_id AS TEXT), CAST(revision AS INTEGER), "
                "CAST(camera AS TEXT), CAST(reason AS TEXT), CAST(size AS INTEGER) FROM record "
                "WHERE state = ? ORDER BY seq LIMIT ?",
                QUARANTINED,
                most,
            ).fetchall()
        return [Quarantined(*row) for row in rows]

    def status(self) -> SpoolStatus:
        with self._rows.reading():
            counts = dict(self._rows.execute("SELECT state, count(*) FROM record GROUP BY state"))
            oldest = self._rows.execute(
                "SELECT CAST(written_at AS REAL) FROM record WHERE state != ? ORDER BY seq LIMIT 1",
                QUARANTINED,
            ).fetchone()
            return SpoolStatus(
                pending=counts.get(PENDING, 0),
                in_flight=counts.get(IN_FLIGHT, 0),
                quarantined=counts.get(QUARANTINED, 0),
                acknowledged=self._rows.tally("acknowledged"),
                dropped=self._rows.tally("dropped"),
                used_bytes=self._rows.used_bytes(),
                limit_bytes=self.limit_bytes,
                oldest_secs=0.0
                if oldest is None
                else max(0.0, self._clock.now().timestamp() - float(oldest[0])),
            )

    def give_back(self, *, most_pages: int = 512) -> bool:
        """Returns some of the file's free pages to the disk; whether there may be more to return.

        Called when nothing else is to do: a quarter of the file, 32 MiB at least, stays for reuse.
        """
        with self._rows.reading():
            free, pages = self._rows.pragma("freelist_count"), self._rows.pragma("page_count")
            if free < max(4096, pages // 4):
                return False
            self._rows.give_back(most_pages)
            return True

    # -- how it is done: all of this runs inside a transaction

    def _mend(self) -> list[Loss]:
        if not damaged_mark(self.path).exists():
            return []
        self._lock.alone()
        try:
            # another process may have done it while this one waited
            lost = take_apart(self.path) if damaged_mark(self.path).exists() else []
        finally:
            self._lock.shared()
        now = self._clock.now()
        return [
            Loss(
                row.camera or "unknown",
                _PRIORITY.get(row.rank or 0, Priority.ATTENDANCE),
                GapReason.DAMAGED,
                _moment(row.first_seen, now),
                _moment(row.last_seen, now),
            )
            for row in lost
        ]

    def _append(self, entry: Entry, losses: Losses) -> bool:
        record = entry.record
        known = self._rows.execute(
            "SELECT seq, CAST(revision AS INTEGER), CAST(size AS INTEGER), state FROM record "
            "WHERE sighting_id = ?",
            record.sighting_id,
        ).fetchall()
        if any(revision >= record.revision for _, revision, _, _ in known):
            return True
        older = [(seq, size) for seq, _, size, state in known if state == PENDING]
        line, seq = self._numbered(record)
        need = len(line) + _ROW_BYTES - sum(size for _, size in older)
        reason = self._make_room(need, record.sighting_id, losses)
        if reason is not None:
            losses.add(
                Loss(record.camera, entry.priority, reason, record.first_seen, record.last_seen)
            )
            return False
        self._rows.delete([seq for seq, _ in older])
        self._rows.insert(record, seq, line, RANK[entry.priority])
        return True

    def _numbered(self, record: Record) -> tuple[bytes, int]:
        seq = self._rows.highest() + 1
        return encode(replace(record, box_id=self.box_id, seq=seq)), seq

    def _make_room(self, need: int, sighting_id: str, losses: Losses) -> GapReason | None:
        """Drops what has least claim until ``need`` bytes fit; the reason if that can't be.

        Older revisions of the sighting that is to come are no victims: it replaces them.
        """
        while (reason := self._shortage(need)) is not None:
            victim = self._rows.oldest(QUARANTINED, GAP, sighting_id) or self._rows.oldest(
                PENDING, ANALYTICS, sighting_id
            )
            if victim is None:
                return reason
            seq, camera, rank, first, last, state = victim
            self._rows.delete([seq])
            now = self._clock.now()
            losses.add(
                Loss(
                    camera,
                    _PRIORITY.get(rank, Priority.ATTENDANCE),
                    GapReason.QUARANTINE_FULL if state == QUARANTINED else reason,
                    _moment(first, now),
                    _moment(last, now),
                )
            )
        return None

    def _shortage(self, need: int) -> GapReason | None:
        if self._rows.used_bytes() + need > self.limit_bytes:
            return GapReason.SPOOL_FULL
        grows = self._rows.pragma("freelist_count") * PAGE_BYTES < need
        if grows and free_bytes(self.path.parent) < need + self._reserve_bytes:
            return GapReason.DISK_FULL
        return None

    def _write_gaps(self, losses: Losses) -> None:
        """A gap that still waits grows; else there is a new one."""
        for (name, priority, reason), (dropped, first, last) in losses.counted.items():
            # a damaged name must not make the gap itself undeliverable
            camera = name if CAMERA.fullmatch(name) else "unknown"
            gap_id, revision, total = str(uuid4()), 1, dropped
            waiting = self._rows.execute(
                "SELECT record.seq, sighting_id, revision, dropped, first_seen, last_seen "
                "FROM gap JOIN record USING (seq) WHERE gap.camera = ? AND gap.priority = ? "
                "AND gap.reason = ? AND state = ?",
                camera,
                RANK[priority],
                reason.value,
                PENDING,
            ).fetchone()
            if waiting is not None:
                seq, gap_id, before, already, first_known, last_known = waiting
                revision, total = before + 1, already + dropped
                first = min(first, datetime.fromisoformat(first_known))
                last = max(last, datetime.fromisoformat(last_known))
                self._rows.delete([seq])
            record = Record(
                box_id=self.box_id,
                boot_id=self._clock.boot_id,
                seq=0,
                sighting_id=gap_id,
                revision=revision,
                closed=True,
                camera=camera,
                first_seen=first,
                last_seen=last,
                clock=self._clock.reading(),
                body=Gap(reason, priority, total),
            )
            line, seq = self._numbered(record)
            self._rows.insert(record, seq, line, GAP)
            self._rows.execute(
                "INSERT INTO gap VALUES (?, ?, ?, ?, ?)",
                seq,
                camera,
                RANK[priority],
                reason.value,
                total,
            )
            self._rows.add("dropped", dropped)

    def _condemn(self, seqs: Sequence[int]) -> None:
        """Records that are not what was written: kept to be looked at, counted as lost."""
        losses = Losses()
        now = self._clock.now()
        for seq in seqs:
            row = self._rows.execute(
                f"SELECT {OF_A_LOSS} FROM record WHERE seq = ?",  # noqa: S608
                seq,
            ).fetchone()
            self._rows.quarantine(seq, "damaged")
            if row is not None and row[1] in _PRIORITY:
                first, last = _moment(row[2], now), _moment(row[3], now)
                losses.add(Loss(row[0], _PRIORITY[row[1]], GapReason.DAMAGED, first, last))
        self._rows.bound_quarantine()
        self._write_gaps(losses)


def _as_its_line_says(row: Waiting, line: bytes) -> Waiting:
    """The line has been checked, its row has not: where they differ, the line is right."""
    said = f'"sighting_id":"{row.sighting_id}","revision":{row.revision},'.encode()
    if said in line[:1024]:
        return replace(row, line=line)
    record = parse_line(line)
    return replace(row, line=line, sighting_id=record.sighting_id, revision=record.revision)


def _is_for(receipt: Receipt, one: Waiting) -> bool:
    return receipt.sighting_id in (None, one.sighting_id) and receipt.revision in (
        None,
        one.revision,
    )


def _moment(text: str, otherwise: datetime) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return otherwise
    return moment if moment.tzinfo is not None else otherwise
