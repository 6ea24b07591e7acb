"""Keys outside the database, sealed rows, rotation, destruction."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
import sqlalchemy as sa

from sightgrid.domain.errors import StoreError
from sightgrid.store import Store
from sightgrid.store.cameras import add_cameras
from sightgrid.store.keys import SiteKeys
from sightgrid.store.schema_subjects import DATA_KEY
from sightgrid.store.sealing import (
    destroy_keys,
    keyed_hash,
    load_keys,
    rotate_site_key,
    seal,
    unseal,
)


def test_the_key_file_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "site.key"
    made = SiteKeys.open(path, create=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["site.key"]
    again = SiteKeys.open(path, create=True)
    assert again.unwrap(made.wrap(b"k" * 32, subject="a"), subject="a") == b"k" * 32
    with pytest.raises(StoreError, match="does not open"):
        again.unwrap(made.wrap(b"k" * 32, subject="a"), subject="b")


def test_a_key_file_that_is_no_good(tmp_path: Path) -> None:
    path = tmp_path / "site.key"
    with pytest.raises(StoreError, match="missing") as caught:
        SiteKeys.open(path, create=False)
    assert caught.value.hint
    for text in (
        "",
        "{}",
        '{"site": {}, "opening": []}',
        '{"site": {"1": "c2hvcnQ="}, "opening": []}',
        "[1]",
        '{"site": {"one": "x"}, "opening": []}',
    ):
        path.write_text(text)
        path.chmod(0o600)
        with pytest.raises(StoreError, match="damaged"):
            SiteKeys.open(path, create=True)
        assert path.read_text() == text
    path.unlink()
    SiteKeys.open(path, create=True)
    path.chmod(0o640)
    with pytest.raises(StoreError, match="read by others") as caught:
        SiteKeys.open(path, create=False)
    assert "chmod" in str(caught.value.hint)


def test_what_is_sealed_opens_for_its_row_only(served: Store) -> None:
    with served.transaction() as tx:
        sealed = seal(tx, b"a face", subject="sighting:1", purpose="crop", contract_id="c")
        seal(tx, b"another", subject="sighting:2", purpose="crop")
        assert b"a face" not in sealed
        assert seal(tx, b"a face", subject="sighting:1", purpose="crop", contract_id="c") != sealed
    with served.snapshot() as tx:
        load_keys(tx, ["sighting:1", "sighting:2", "sighting:3"])
        assert set(tx.data_keys) == {"sighting:1", "sighting:2"}

        def opened(
            sealed: bytes, subject: str = "sighting:1", purpose: str = "crop", contract: str = "c"
        ) -> bytes:
            return unseal(tx, sealed, subject=subject, purpose=purpose, contract_id=contract)

        assert opened(sealed) == b"a face"
        damaged = sealed[:-1] + bytes([sealed[-1] ^ 1])
        for wrong in (
            lambda: opened(sealed, subject="sighting:2"),
            lambda: opened(sealed, purpose="vector"),
            lambda: opened(sealed, contract="d"),
            lambda: opened(damaged),
            lambda: opened(b""),
        ):
            with pytest.raises(StoreError, match="can't be unsealed"):
                wrong()


def test_without_its_key_nothing_opens(served: Store) -> None:
    with served.transaction() as tx:
        sealed = seal(tx, b"a face", subject="sighting:1", purpose="crop")
    with served.transaction() as tx:
        assert destroy_keys(tx, ["sighting:1", "sighting:2"]) == 1
    with served.transaction() as tx, pytest.raises(StoreError, match="its key is gone"):
        unseal(tx, sealed, subject="sighting:1", purpose="crop")


def test_an_undone_key_is_not_used_again(served: Store) -> None:
    with served.transaction() as tx:
        with pytest.raises(ZeroDivisionError), tx.savepoint():  # noqa: PT012
            seal(tx, b"a face", subject="sighting:1", purpose="crop")
            raise ZeroDivisionError
        sealed = seal(tx, b"a face", subject="sighting:1", purpose="crop")
    with served.snapshot() as tx:
        assert unseal(tx, sealed, subject="sighting:1", purpose="crop") == b"a face"


def test_a_plain_database_seals_nothing(store: Store) -> None:
    with store.transaction() as tx:
        assert seal(tx, b"a face", subject="sighting:1", purpose="crop") == b"a face"
        assert unseal(tx, b"a face", subject="sighting:1", purpose="crop") == b"a face"
        assert tx.connection.scalar(sa.select(sa.func.count()).select_from(DATA_KEY)) == 0


def test_keyed_hashes(served: Store, tmp_path: Path) -> None:
    with served.snapshot() as tx:
        one = keyed_hash(tx, "Anna", purpose="name")
        assert one == keyed_hash(tx, "Anna", purpose="name")
        others = {keyed_hash(tx, "Anna", purpose="x"), keyed_hash(tx, "A", purpose="name")}
        assert len({one, *others}) == 3
    other = SiteKeys.open(tmp_path / "other.key", create=True)
    with (
        Store.open(tmp_path / "other.db", create=True, keys=other) as elsewhere,
        elsewhere.snapshot() as tx,
    ):
        assert keyed_hash(tx, "Anna", purpose="name") != one


def test_a_sealed_database_needs_its_own_key(served: Store, database: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="encrypted"):
        Store.open(database, create=False)
    other = SiteKeys.open(tmp_path / "other.key", create=True)
    with pytest.raises(StoreError, match="does not open"):
        Store.open(database, create=True, keys=other)
    keys = SiteKeys.open(tmp_path / "site.key", create=False)
    Store.open(database, create=False, keys=keys).close()


def test_the_plain_database_of_a_run_is_never_sealed_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    keys = SiteKeys.open(tmp_path / "site.key", create=True)
    with Store.open(path, create=True) as run, run.transaction() as tx:
        add_cameras(tx, ["hall"])
        tx.connection.exec_driver_sql(
            "INSERT INTO person (site_id, person_id, name) VALUES (1, 'p', 'Anna')"
        )
    for create in (False, True):
        with pytest.raises(StoreError, match="plain database of a run"):
            Store.open(path, create=create, keys=keys)
    Store.open(path, create=False).close()


def test_rotation(served: Store, database: str, tmp_path: Path) -> None:
    with served.transaction() as tx:
        sealed = seal(tx, b"a face", subject="sighting:1", purpose="crop")
        name = keyed_hash(tx, "Anna", purpose="name")
    old = tmp_path / "old.key"
    old.write_bytes((tmp_path / "site.key").read_bytes())
    old.chmod(0o600)
    assert served.keys is not None
    assert rotate_site_key(served, served.keys) == 2
    with pytest.raises(StoreError, match="does not open"):
        Store.open(database, create=False, keys=SiteKeys.open(old, create=False))
    keys = SiteKeys.open(tmp_path / "site.key", create=False)
    assert keys.numbers() == [2]
    with Store.open(database, create=False, keys=keys) as anew, anew.snapshot() as tx:
        assert unseal(tx, sealed, subject="sighting:1", purpose="crop") == b"a face"
        assert keyed_hash(tx, "Anna", purpose="name") == name


def test_keys_that_open_what_boxes_sealed_outlast_a_rotation(served: Store) -> None:
    keys = served.keys
    assert keys is not None
    assert keys.opening_keys() == ()
    keys.keep_opening_key(b"a" * 32)
    rotate_site_key(served, keys)
    keys.keep_opening_key(b"b" * 32)
    again = SiteKeys.open(keys.path, create=False)
    assert again.opening_keys() == (b"a" * 32, b"b" * 32)
    assert again.numbers() == [2]


@pytest.mark.parametrize("where", ["before", "after"])
def test_a_rotation_that_breaks_off_opens_and_can_be_finished(
    served: Store, database: str, tmp_path: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served.transaction() as tx:
        sealed = seal(tx, b"a face", subject="sighting:1", purpose="crop")
    assert served.keys is not None

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    if where == "before":
        monkeypatch.setattr(Store, "run", killed)
    else:
        monkeypatch.setattr(SiteKeys, "forget_old", killed)
    with pytest.raises(KeyboardInterrupt):
        rotate_site_key(served, served.keys)
    monkeypatch.undo()
    keys = SiteKeys.open(tmp_path / "site.key", create=False)
    assert keys.numbers() == [1, 2]
    with Store.open(database, create=False, keys=keys) as anew:
        assert rotate_site_key(anew, keys) == 2
        with anew.snapshot() as tx:
            assert unseal(tx, sealed, subject="sighting:1", purpose="crop") == b"a face"
    assert SiteKeys.open(tmp_path / "site.key", create=False).numbers() == [2]


def test_two_processes_that_begin_at_once_use_one_opening_key(tmp_path: Path) -> None:
    path = tmp_path / "site.key"
    one, other = (SiteKeys.open(path, create=True) for _ in range(2))
    one.first_opening_key(lambda: b"a" * 32)
    other.first_opening_key(lambda: b"b" * 32)
    assert one.opening_keys() == other.opening_keys() == (b"a" * 32,)


def test_a_new_opening_key_leaves_what_another_process_wrote(tmp_path: Path) -> None:
    path = tmp_path / "site.key"
    stale = SiteKeys.open(path, create=True)
    busy = SiteKeys.open(path, create=False)
    busy.keep_opening_key(b"a" * 32)
    busy.add()
    stale.keep_opening_key(b"b" * 32)
    again = SiteKeys.open(path, create=False)
    assert again.opening_keys() == (b"a" * 32, b"b" * 32)
    assert again.unwrap(busy.wrap(b"k" * 32, subject="s"), subject="s") == b"k" * 32
