"""A box drops what it is told to forget, and says so only when nothing is left of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.edge.spools import BOX, CLOCK, KEY, entry, open_spool, sighting_id, stored

from sightgrid.edge.contact import Contact
from sightgrid.edge.enrolment import Enrolment
from sightgrid.edge.spool import Spool
from sightgrid.edge.uploader import ServerAccess
from sightgrid.wire.receipts import Status


def files_with(folder: Path, text: str) -> list[str]:
    return [path.name for path in folder.iterdir() if text.encode() in path.read_bytes()]


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    """Records 0 to 39; of number 3 one revision was set aside and a newer one waits."""
    spool = open_spool(tmp_path / "spool.db")
    spool.append([entry(number) for number in range(40)])
    batch = spool.lease(most_records=40, most_bytes=2**22)
    spool.quarantine(batch[3], "for the test")
    spool.release([one for one in batch if one is not batch[3]])
    spool.append([entry(3, revision=2)])
    yield spool
    spool.close()


def test_nothing_is_left_of_what_is_forgotten(spool: Spool, tmp_path: Path) -> None:
    assert files_with(tmp_path, sighting_id(3))
    assert spool.forget([sighting_id(3), sighting_id(777)])
    assert files_with(tmp_path, sighting_id(3)) == []
    assert files_with(tmp_path, sighting_id(4))
    status = spool.status()
    assert (status.pending, status.quarantined) == (39, 0)
    assert status.dropped == 0, "what was to go is no loss"
    batch = spool.lease(most_records=50, most_bytes=2**22)
    assert spool.settle(batch, stored(batch, Status.STORED)).freed == 39


def test_while_somebody_reads_it_is_not_said_to_be_gone(spool: Spool, tmp_path: Path) -> None:
    reader = open_spool(tmp_path / "spool.db")
    reader._rows.execute("PRAGMA busy_timeout = 50")
    spool._rows.execute("PRAGMA busy_timeout = 50")
    reader._rows.execute("BEGIN")
    reader._rows.execute("SELECT count(*) FROM record").fetchone()
    told = Told([sighting_id(3)])
    told.contact(spool, tmp_path)
    assert told.forgotten == []
    reader._rows.execute("COMMIT")
    reader.close()
    told.contact(spool, tmp_path)
    assert told.forgotten == [sighting_id(3)]
    assert files_with(tmp_path, sighting_id(3)) == []


@pytest.mark.parametrize("items", ["no list", [7], [None], ["' OR 1=1"], {}])
def test_an_answer_that_is_none_makes_it_forget_nothing(
    spool: Spool, tmp_path: Path, items: object
) -> None:
    told = Told(items)
    told.contact(spool, tmp_path)
    assert told.forgotten == []
    assert spool.status().pending == 40


class Told:
    """A server that answers what a box asks once a minute."""

    def __init__(self, items: object) -> None:
        self.items = items
        self.forgotten: list[str] = []

    def contact(self, spool: Spool, folder: Path) -> None:
        access = ServerAccess("https://site.test", "t", "i")
        enrolment = Enrolment(access, BOX, KEY.sealing.public, {}, "0")
        contact = Contact(enrolment, folder, spool, CLOCK)

        async def make() -> None:
            transport = httpx.MockTransport(self._answer)
            async with httpx.AsyncClient(
                transport=transport, base_url="https://site.test"
            ) as client:
                await contact.make(client, {})

        asyncio.run(make())

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if not request.url.path.endswith("/erasures"):
            return httpx.Response(304)
        if request.method == "GET":
            return httpx.Response(200, json={"items": self.items, "next_cursor": None})
        self.forgotten += json.loads(request.content)["forgotten"]
        return httpx.Response(204)
