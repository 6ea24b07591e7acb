"""Erased for good, backed up while running, restored without bringing anybody back."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from by_hand import NOON, enrol, sighting
from live import Live, revised

from sightgrid.domain.errors import NotFound, OutputError, StoreError
from sightgrid.ledger.erasing import copy_path, erase_person, erase_serial, replay_erasures
from sightgrid.ledger.safekeeping import back_up, restore, upgrade
from sightgrid.store import Store
from sightgrid.store.crops import crop
from sightgrid.store.keys import SiteKeys
from sightgrid.store.people import enrolled
from sightgrid.store.schema import SIGHTING
from sightgrid.store.schema_subjects import DATA_KEY
from sightgrid.store.sealing import rotate_site_key
from sightgrid.store.session import _migration_config
from sightgrid.store.tables import METADATA

LATER = NOON + timedelta(days=1)


def keys_of(live: Live) -> SiteKeys:
    assert live.store.keys is not None
    return live.store.keys


def person_ids(live: Live) -> dict[str, str]:
    from sightgrid.store.people import names_of

    with live.store.snapshot() as tx:
        return {name: person_id for person_id, name in names_of(tx).items()}


@pytest.fixture
def peopled(live: Live) -> Live:
    """Anna (1), Bruno (2), strangers 3 and 4; Anna and 3 seen twice."""
    live.enrol([enrol("Annabella", 0), enrol("Bruno", 1)])
    for number, who in enumerate((0, 2, 3, 0, 2, 1)):
        live.takes(sighting(who, 10 * number, 10 * number + 2, group=number))
    return live


def contents(store: Store) -> dict[str, list[tuple[object, ...]]]:
    with store.snapshot() as tx:
        return {
            table.name: [
                tuple(bytes(v) if isinstance(v, memoryview) else v for v in row)
                for row in tx.connection.execute(
                    sa.select(table).order_by(*table.primary_key.columns)
                )
            ]
            for table in METADATA.sorted_tables
        }


def test_an_erased_person_is_nowhere_any_more(peopled: Live, database: str) -> None:
    anna = person_ids(peopled)["Annabella"]
    seen = sighting(0, 0, 2, group=0)
    vector = seen.looks[0].embedding.vector.astype("<f4").tobytes()
    erased = erase_person(peopled.store, anna, at=LATER)
    assert (erased.serials, erased.deleted.sightings, erased.deleted.crops) == ((1,), 2, 6)
    # two sightings, the person, what the serial looked like
    assert (erased.deleted.people, erased.deleted.keys, erased.ledger_entries) == (1, 4, 3)
    assert peopled.visits(1) == []
    assert [person for _, person, _ in peopled.serials()] == [None, "Bruno", None, None]
    everything = str(contents(peopled.store)).encode()
    assert seen.sighting_id.encode() in everything, "that it was received stays known"
    for gone in (anna.encode(), b"Annabella", vector):
        assert gone not in everything
    with peopled.store.snapshot() as tx:
        subjects = set(tx.connection.scalars(sa.select(DATA_KEY.c.subject)))
        assert crop(tx, seen.sighting_id) is None
    assert not {f"person:{anna}", f"sighting:{seen.sighting_id}", "identity:1"} & subjects
    if database.startswith("sqlite"):
        path = Path(database.removeprefix("sqlite:///"))
        for file in path.parent.iterdir():
            assert anna.encode() not in file.read_bytes(), file
    with pytest.raises(NotFound):
        erase_person(peopled.store, anna, at=LATER)


def test_late_records_of_an_erased_person_change_nothing(peopled: Live) -> None:
    erase_person(peopled.store, person_ids(peopled)["Annabella"], at=LATER)
    again = sighting(0, 0, 2, group=0)
    late = revised(sighting(0, 0, 4, group=0), 2)
    receipts = peopled.takes(again, late).receipts
    assert [(one.status, one.code) for one in receipts] == [
        ("duplicate", None),
        ("stored", "erased"),
    ]
    anew = sighting(0, 100, 102, group=50)
    peopled.takes(anew)
    assert peopled.serial(anew) == 5, "a stranger now, under a serial of their own"


def test_a_stranger_is_erased_by_serial(peopled: Live) -> None:
    with pytest.raises(NotFound, match="enrolled"):
        erase_serial(peopled.store, 1, at=LATER)
    assert erase_serial(peopled.store, 3, at=LATER).deleted.sightings == 2
    assert peopled.visits(3) == []
    back = sighting(2, 100, 102, group=50)
    peopled.takes(back)
    assert peopled.serial(back) == 5


def test_a_backup_comes_back_row_by_row(peopled: Live, tmp_path: Path, empty_database: str) -> None:
    made = back_up(peopled.store, keys_of(peopled), tmp_path / "a.backup", at=LATER)
    assert made.rows > 50
    assert made.path.stat().st_mode & 0o077 == 0
    raw = made.path.read_bytes()
    assert b"hall" not in raw
    with pytest.raises(OutputError, match="exists"):
        back_up(peopled.store, keys_of(peopled), tmp_path / "a.backup", at=LATER)
    elsewhere = empty_database
    restored = restore(made.path, elsewhere, keys_of(peopled), at=LATER)
    assert (restored.rows, restored.erased_again.deleted.sightings) == (made.rows, 0)
    with Store.open(elsewhere, create=False, keys=keys_of(peopled)) as store:
        assert contents(store) == contents(peopled.store)
        again = Live(store)
        seen = sighting(2, 100, 102, group=50)
        again.takes(seen, sighting(0, 0, 2, group=0))
        assert again.serial(seen) == 3
    with pytest.raises(StoreError, match="not empty"):
        restore(made.path, elsewhere, keys_of(peopled), at=LATER)


def test_a_restored_backup_brings_nobody_back(peopled: Live, tmp_path: Path) -> None:
    anna = person_ids(peopled)["Annabella"]
    made = back_up(peopled.store, keys_of(peopled), tmp_path / "a.backup", at=NOON)
    erase_person(peopled.store, anna, at=LATER)
    erase_serial(peopled.store, 4, at=LATER)
    elsewhere = tmp_path / "elsewhere.db"
    restored = restore(made.path, elsewhere, keys_of(peopled), at=LATER)
    assert restored.erased_again.deleted.sightings == 3
    assert restored.erased_again.deleted.people == 1
    with Store.open(elsewhere, create=False, keys=keys_of(peopled)) as store:
        with store.snapshot() as tx:
            assert [person.name for person in enrolled(tx)] == ["Bruno"]
        assert Live(store).visits(1) == Live(store).visits(4) == []
        assert Live(store).takes(sighting(0, 0, 2, group=0)).receipts[0].status == "duplicate"


def test_an_erasure_that_was_cut_off_is_finished(
    peopled: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the ledger's copy and the commit: nothing is deleted, but it is written."""
    anna = person_ids(peopled)["Annabella"]

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as cut:
        cut.setattr("sightgrid.ledger.erasing._delete", killed)
        with pytest.raises(KeyboardInterrupt):
            erase_person(peopled.store, anna, at=LATER)
    assert len(peopled.visits(1)) == 2
    assert len(copy_path(keys_of(peopled)).read_text().splitlines()) == 3
    assert replay_erasures(peopled.store, at=LATER).deleted.sightings == 2
    assert peopled.visits(1) == []


def test_a_backup_is_of_one_moment(peopled: Live, tmp_path: Path) -> None:
    """Somebody goes on taking in sightings meanwhile."""
    stop = threading.Event()
    failed: list[BaseException] = []

    def go_on() -> None:
        number = 100
        try:
            while not stop.is_set():
                number += 1
                peopled.takes(sighting(2, 10 * number, 10 * number + 1, group=number))
        except BaseException as error:
            failed.append(error)
            raise

    busy = threading.Thread(target=go_on)
    busy.start()
    try:
        for number in range(3):
            made = back_up(peopled.store, keys_of(peopled), tmp_path / f"{number}.backup", at=LATER)
            where = tmp_path / f"{number}.db"
            restore(made.path, where, keys_of(peopled), at=LATER)
            with Store.open(where, create=False, keys=keys_of(peopled)) as store:
                found = contents(store)
                assert len(found["sighting"]) == len(found["decision"]) == len(found["received"])
                assert found["serial_counter"][0][2] == 1 + max(
                    row[3] for row in found["prototype"]
                )
    finally:
        stop.set()
        busy.join()
    assert failed == []


@pytest.mark.parametrize("damage", ["flipped", "cut", "cut frame", "longer", "header", "other key"])
def test_a_damaged_backup_is_refused_as_a_whole(
    peopled: Live, tmp_path: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sightgrid.store.backups.A_FRAME", 1000)
    keys = keys_of(peopled)
    made = back_up(peopled.store, keys, tmp_path / "a.backup", at=LATER)
    raw = bytearray(made.path.read_bytes())
    match damage:
        case "flipped":
            raw[len(raw) // 2] ^= 1
        case "cut":
            del raw[-10:]
        case "cut frame":
            # the last frame, whole
            start = raw.index(b"\n") + 1
            while start + 4 + int.from_bytes(raw[start : start + 4], "big") < len(raw):
                last = start
                start += 4 + int.from_bytes(raw[start : start + 4], "big")
            assert last < start
            del raw[start:]
        case "longer":
            raw += raw[-50:]
        case "header":
            raw = raw.replace(b"0004", b"0003", 1) if b"0004" in raw else raw[5:]
        case _:
            keys = SiteKeys.open(tmp_path / "other.key", create=True)
    made.path.write_bytes(bytes(raw))
    with pytest.raises(StoreError):
        restore(made.path, tmp_path / "elsewhere.db", keys, at=LATER)
    with pytest.raises(StoreError):
        Store.open(tmp_path / "elsewhere.db", create=False, keys=keys_of(peopled))


def test_after_a_rotation_old_backups_need_the_old_key(peopled: Live, tmp_path: Path) -> None:
    made = back_up(peopled.store, keys_of(peopled), tmp_path / "a.backup", at=LATER)
    rotate_site_key(peopled.store, keys_of(peopled))
    with pytest.raises(StoreError, match="another site key"):
        restore(made.path, tmp_path / "elsewhere.db", keys_of(peopled), at=LATER)


def test_upgrading_backs_up_first(live: Live, database: str, tmp_path: Path) -> None:
    live.takes(sighting(0, 0, 2))
    with live.store._connected() as connection:
        config = _migration_config()
        config.attributes["connection"] = connection
        command.downgrade(config, "-1")
        connection.commit()
    with pytest.raises(StoreError, match="another version") as caught:
        Store.open(database, create=True, keys=keys_of(live))
    assert caught.value.hint == "run: sightgrid database upgrade"
    upgraded = upgrade(database, keys_of(live), tmp_path / "before.backup", at=LATER)
    assert upgraded.before != upgraded.after
    assert upgraded.backup is not None
    with Store.open(database, create=False, keys=keys_of(live)) as store, store.snapshot() as tx:
        assert tx.connection.scalar(sa.select(sa.func.count()).select_from(SIGHTING)) == 1
    restore(upgraded.backup.path, tmp_path / "old.db", keys_of(live), at=LATER)
    again = upgrade(database, keys_of(live), tmp_path / "none.backup", at=LATER)
    assert again.backup is None


def test_a_file_is_restored_into_any_kind_of_database(empty_database: str, tmp_path: Path) -> None:
    keys = SiteKeys.open(tmp_path / "site.key", create=True)
    with Store.open(tmp_path / "small.db", create=True, keys=keys) as small:
        live = Live(small)
        live.enrol([enrol("Zoë", 0)])
        live.takes(sighting(0, 0, 2), sighting(1, 5, 7, group=2))
        made = back_up(small, keys, tmp_path / "a.backup", at=LATER)
        before = contents(small)
    assert restore(made.path, empty_database, keys, at=LATER).rows == made.rows
    with Store.open(empty_database, create=False, keys=keys) as store:
        assert contents(store) == before
        seen = sighting(1, 20, 22, group=3)
        Live(store).takes(seen)
        assert Live(store).serial(seen) == 2
