"""An open transaction: what every function of the store reads and writes through.

Rows are not written one by one. Whoever adds rows that nobody has to see at once hands them over
with :meth:`Transaction.insert_later`; they are written together, a statement a table, as soon as
anybody asks for the connection, at the end of a savepoint, and before the commit. So whatever is
read through :attr:`Transaction.connection` sees everything, and a batch of records costs a few
statements instead of dozens each.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import sqlalchemy as sa

from sightgrid.store.keys import SiteKeys
from sightgrid.store.schema import SERIAL_COUNTER
from sightgrid.store.tables import METADATA

Row = dict[str, Any]
Work = Callable[["Transaction", Sequence[Any]], None]

_ITS_SITE = SERIAL_COUNTER.c.site_id == sa.bindparam("its_site")
_LOCK = (
    sa.select(
        SERIAL_COUNTER.c.next_serial, SERIAL_COUNTER.c.next_change, SERIAL_COUNTER.c.next_event
    )
    .where(_ITS_SITE)
    .with_for_update()
)
_COUNT = (
    sa.update(SERIAL_COUNTER)
    .where(_ITS_SITE)
    .values(
        next_serial=sa.bindparam("serial"),
        next_change=sa.bindparam("change"),
        next_event=sa.bindparam("event"),
    )
)


@dataclass(slots=True)
class _Counters:
    """The next serial, change of the gallery and event; the site is locked while they are here."""

    serial: int
    change: int
    event: int


class Transaction:
    """An open transaction on one site's rows; handed to every function of the store.

    It remembers which cameras, contracts and people it has already made sure of, and the data keys
    it has unwrapped. ``keys`` is ``None`` in a plain database.
    """

    __slots__ = (
        "_connection",
        "_counted",
        "_counters",
        "_rows",
        "_works",
        "cameras",
        "contracts",
        "data_keys",
        "keys",
        "people",
        "site_id",
    )

    def __init__(self, connection: sa.Connection, *, site_id: int, keys: SiteKeys | None) -> None:
        self._connection = connection
        self._rows: dict[sa.Table, list[Row]] = {}
        self._works: dict[Work, dict[Hashable, Any]] = {}
        self._counters: _Counters | None = None
        self._counted = False
        self.site_id = site_id
        self.keys = keys
        self.cameras: set[str] = set()
        self.contracts: set[str] = set()
        self.people: dict[str, str] = {}
        """Name to person id."""
        self.data_keys: dict[str, bytes] = {}
        """Subject to its unwrapped key."""

    @property
    def connection(self) -> sa.Connection:
        """The connection, once all rows that wait are written."""
        self.write_out()
        return self._connection

    @property
    def beside(self) -> sa.Connection:
        """The connection while rows wait: for statements that none of them can matter to."""
        return self._connection

    def insert_later(self, table: sa.Table, rows: Iterable[Row]) -> None:
        """Adds rows, at the latest with the commit. All rows of a table name the same columns.

        What is wrong with a row is told when it is written: inside a savepoint at its end.
        """
        self._rows.setdefault(table, []).extend(rows)

    def waiting(self, table: sa.Table) -> Sequence[Row]:
        """The rows of a table that are not written yet; until then they may be altered."""
        return self._rows.get(table, ())

    def do_later(self, work: Work, key: Hashable, item: Any) -> None:
        """Has ``work`` done before rows are written, once for all items that were given to it; of
        several under one key, the last counts. It may add rows, and write ``beside`` them."""
        self._works.setdefault(work, {})[key] = item

    def write_out(self) -> None:
        """Writes all that waits, in the order in which tables refer to each other."""
        while self._works:
            works, self._works = self._works, {}
            for work, items in works.items():
                work(self, list(items.values()))
        if self._rows:
            rows, self._rows = self._rows, {}
            for table in sorted(rows, key=_place):
                if rows[table]:
                    self._connection.execute(_insertion(table), rows[table])
        if self._counted and self._counters is not None:
            self._counted = False
            counters = self._counters
            self._connection.execute(
                _COUNT,
                {
                    "its_site": self.site_id,
                    "serial": counters.serial,
                    "change": counters.change,
                    "event": counters.event,
                },
            )

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """What is written inside can be undone alone: an exception undoes it and goes on."""
        self.write_out()
        before = set(self.cameras), set(self.contracts), dict(self.people), dict(self.data_keys)
        counters = None if self._counters is None else replace(self._counters)
        try:
            with self._connection.begin_nested():
                yield
                self.write_out()
        except BaseException:
            # what it remembers making was undone as well, and so is what still waited
            self.cameras, self.contracts, self.people, self.data_keys = before
            self._counters, self._counted = counters, False
            self._rows, self._works = {}, {}
            raise

    def lock_site(self) -> None:
        """Waits until no other process decides, mints or changes the gallery, and holds them off
        until this transaction ends. On SQLite the transaction itself does that."""
        self._locked()

    def take_serial(self) -> int:
        """The next serial; the site is locked from now on."""
        counters = self._locked()
        counters.serial, self._counted = counters.serial + 1, True
        return counters.serial - 1

    def take_change(self) -> int:
        """The next number of a change of the gallery; the site is locked from now on."""
        counters = self._locked()
        counters.change, self._counted = counters.change + 1, True
        return counters.change - 1

    def take_events(self, count: int) -> int:
        """The first of so many numbers for events; the site is locked from now on."""
        counters = self._locked()
        counters.event, self._counted = counters.event + count, True
        return counters.event - count

    def _locked(self) -> _Counters:
        if self._counters is None:
            # the row is the lock, so what counts up in the order of commits counts in it
            row = self._connection.execute(_LOCK, {"its_site": self.site_id}).one()
            self._counters = _Counters(*(int(number) for number in row))
        return self._counters


@cache
def _insertion(table: sa.Table) -> sa.Insert:
    return sa.insert(table)


def _place(table: sa.Table) -> int:
    """Where a table stands among all, those that it refers to before it."""
    return _places(len(METADATA.tables))[table]


@cache
def _places(_: int) -> dict[sa.Table, int]:
    # asked anew whenever a module has added tables
    return {table: place for place, table in enumerate(METADATA.sorted_tables)}
