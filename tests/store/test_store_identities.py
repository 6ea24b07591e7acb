from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sightgrid.domain.errors import InvalidValue, NotFound, StoreError
from sightgrid.domain.faces import EmbeddingContract
from sightgrid.domain.grid import CameraGrid, CameraLink
from sightgrid.domain.people import EnrolledPerson
from sightgrid.domain.presence import Band, Candidate, Identity, Visit
from sightgrid.store import Store, Transaction
from sightgrid.store.cameras import cameras, grid, save_grid
from sightgrid.store.decisions import decisions_of, record_decision, record_decisions
from sightgrid.store.gallery import gallery
from sightgrid.store.identities import identities, identity, mint, roots
from sightgrid.store.people import contracts, enrol, enrolled
from sightgrid.store.schema import DECISION, IDENTITY
from sightgrid.store.sightings import insert_sightings
from sightgrid.store.visits import save_visits, visits_of
from sightgrid.trajectory.visits import visits


def merge(tx: Transaction, serial: int, into: int) -> None:
    tx.connection.execute(
        sa.update(IDENTITY).where(IDENTITY.c.serial == serial).values(alias_of=into)
    )


@pytest.fixture
def building(store: Store, make: Any) -> Store:
    """Anna (1) seen in the hall, on the stairs and in the hall again; strangers 2 and 3 in the
    hall; one unsure; Bruno (4) enrolled but never seen."""
    with store.transaction() as tx:
        enrol(tx, EnrolledPerson("Anna", (make.embedding(1), make.embedding(2))))
        enrol(tx, EnrolledPerson("Bruno", (make.embedding(3),)))
        mint(tx, minted_at=make.noon, person="Anna")
        mint(tx, minted_at=make.noon)
        mint(tx, minted_at=make.noon)
        mint(tx, minted_at=make.noon, person="Bruno")
        seen = [
            make.sighting(11, camera="stairs", after_secs=20),
            make.sighting(10),
            make.sighting(12, after_secs=60),
            make.sighting(13, after_secs=61),
            make.sighting(20, after_secs=5),
            make.sighting(30, after_secs=300),
            make.sighting(40, after_secs=400),
        ]
        crops = {one.sighting_id: [f"crops/{one.group}_1.jpg"] for one in seen[1:]}
        insert_sightings(tx, seen, crop_paths=crops)
        decided = [
            make.decision(seen[0], 1, person="Anna"),
            make.decision(seen[1], 1, person="Anna", runner_up=Candidate(4, "Bruno", 0.1)),
            make.decision(seen[2], 1, person="Anna"),
            make.decision(seen[3], 1, person="Anna"),
            make.decision(seen[4], 2, runner_up=Candidate(1, "Anna", 0.2)),
            make.decision(seen[5], 3),
            make.decision(seen[6], None, runner_up=Candidate(None, None, 0.2)),
        ]
        record_decisions(tx, decided, decided_at=make.noon)
        save_visits(tx, visits(decided))
    return store


def test_serials_start_at_one_and_a_committed_one_never_comes_back(store: Store, make: Any) -> None:
    with store.transaction() as tx:
        assert mint(tx, minted_at=make.noon) == Identity(1, None)
        assert mint(tx, minted_at=make.noon) == Identity(2, None)
    with pytest.raises(ZeroDivisionError), store.transaction() as tx:  # noqa: PT012
        mint(tx, minted_at=make.noon)
        raise ZeroDivisionError
    with store.transaction() as tx:
        tx.connection.execute(sa.delete(IDENTITY))
        assert mint(tx, minted_at=make.noon).serial == 3


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.booleans(), max_size=6))
def test_serials_only_grow(store: Store, make: Any, outcomes: list[bool]) -> None:
    committed: list[int] = []
    with store.snapshot() as tx:
        before = max((row.serial for row in identities(tx)), default=0)
    for commits in outcomes:
        try:
            with store.transaction() as tx:
                serial = mint(tx, minted_at=make.noon).serial
                if not commits:
                    raise ZeroDivisionError
        except ZeroDivisionError:
            continue
        committed.append(serial)
    assert committed == list(range(before + 1, before + 1 + len(committed)))


def test_a_person_has_one_serial(store: Store, make: Any) -> None:
    with store.transaction() as tx:
        enrol(tx, EnrolledPerson("Anna", ()))
        assert mint(tx, minted_at=make.noon, person="Anna") == Identity(1, "Anna")
        with pytest.raises(InvalidValue, match="serial 1 already"):
            mint(tx, minted_at=make.noon, person="Anna")
        with pytest.raises(NotFound, match="Bruno"):
            mint(tx, minted_at=make.noon, person="Bruno")


def test_people_come_back(store: Store, make: Any) -> None:
    other = EmbeddingContract("d" * 64, "dlib", 64)
    faces = (make.embedding(1), make.embedding(2, other), make.embedding(3))
    with store.transaction() as tx:
        enrol(tx, EnrolledPerson("Zoë", faces))
        enrol(tx, EnrolledPerson("Anna", ()))
    with store.transaction() as tx:
        anna, zoe = enrolled(tx)
        assert (anna.name, anna.faces, zoe.name) == ("Anna", (), "Zoë")
        for back, face in zip(zoe.faces, faces, strict=True):
            assert back.contract == face.contract
            assert back.strength == face.strength
            assert np.array_equal(back.vector, face.vector)
        assert contracts(tx) == {make.contract.id: make.contract, other.id: other}
        enrol(tx, EnrolledPerson("Zoë", faces[:1]))
        assert [len(person.faces) for person in enrolled(tx)] == [0, 1]


def test_identities(building: Store, make: Any) -> None:
    with building.snapshot() as tx:
        anna, two, three, bruno = identities(tx)
    assert (anna.serial, anna.person, anna.alias_of) == (1, "Anna", None)
    assert anna.cameras == ("hall", "stairs")
    assert (anna.visits, anna.sightings) == (3, 4)
    assert anna.first_seen == make.sighting(10).first_seen
    assert anna.last_seen == make.sighting(13, after_secs=61).last_seen
    best = max((10, 12, 13), key=lambda number: make.sighting(number).quality)
    assert anna.best_crop == f"crops/{best}_1.jpg"
    assert (two.person, two.cameras, two.visits, two.sightings) == (None, ("hall",), 1, 1)
    assert three.best_crop == "crops/30_1.jpg"
    assert (bruno.person, bruno.cameras, bruno.visits, bruno.sightings) == ("Bruno", (), 0, 0)
    assert (bruno.first_seen, bruno.last_seen, bruno.best_crop) == (None, None, None)


def test_one_identity(building: Store) -> None:
    with building.snapshot() as tx:
        assert identity(tx, 2) == identities(tx)[1]
        for read in (identity, visits_of, decisions_of):
            with pytest.raises(NotFound, match="no identity 99") as caught:
                read(tx, 99)
            assert caught.value.hint


def test_a_merged_serial_stands_for_its_root(building: Store) -> None:
    with building.transaction() as tx:
        merge(tx, 3, 2)
        merge(tx, 2, 1)
        assert roots(tx) == {2: 1, 3: 1}
        anna = identity(tx, 3)
        assert anna == identity(tx, 1) == identities(tx)[0]
        assert (anna.serial, anna.visits, anna.sightings) == (1, 5, 6)
        rows = identities(tx)
        assert [(row.serial, row.alias_of) for row in rows] == [
            (1, None),
            (2, 1),
            (3, 2),
            (4, None),
        ]
        assert (rows[1].visits, rows[1].sightings, rows[1].best_crop) == (0, 0, None)
        assert {visit.serial for visit in visits_of(tx, 2)} == {1}
        assert {visit.person for visit in visits_of(tx, 2)} == {"Anna"}
        assert [one.serial for one in decisions_of(tx, 3)] == [1, 2, 1, 1, 1, 3]
        assert [entry.serial for entry in gallery(tx, "c" * 64)] == [1, 4]


def test_a_circle_of_merges_is_told(building: Store) -> None:
    with building.transaction() as tx:
        merge(tx, 2, 3)
        merge(tx, 3, 2)
        with pytest.raises(StoreError, match="circle"):
            roots(tx)


def test_decisions(building: Store, make: Any) -> None:
    with building.snapshot() as tx:
        found = decisions_of(tx, 1)
        runner_up = tx.connection.execute(
            sa.select(DECISION.c.runner_up_serial, DECISION.c.runner_up_score).where(
                DECISION.c.sighting_id == found[0].sighting_id
            )
        ).one()
    assert [one.group for one in found] == [10, 11, 12, 13]
    first, seen = found[0], make.sighting(10)
    assert (first.sighting_id, first.camera, first.faces) == (seen.sighting_id, "hall", 5)
    assert (first.first_seen, first.last_seen) == (seen.first_seen, seen.last_seen)
    assert (first.band, first.score, first.margin) == (Band.CONFIRMED, 0.5, 0.25)
    assert (first.reason, first.quality) == ("because", seen.quality)
    assert first.crop_paths == ("crops/10_1.jpg",)
    assert found[1].crop_paths == ()
    assert tuple(runner_up) == (4, 0.1)


def test_a_second_answer_replaces_the_first(building: Store, make: Any) -> None:
    with building.transaction() as tx:
        record_decision(tx, make.decision(make.sighting(30), 2), decided_at=make.noon)
        assert decisions_of(tx, 3) == []
        assert [one.group for one in decisions_of(tx, 2)] == [20, 30]


def test_only_the_newest_revision_counts(building: Store, make: Any) -> None:
    with building.transaction() as tx:
        newer = make.sighting(30, revision=2, after_secs=300)
        insert_sightings(tx, [newer], crop_paths={})
        assert decisions_of(tx, 3) == []
        record_decision(tx, make.decision(newer, 2), decided_at=make.noon)
        assert [one.group for one in decisions_of(tx, 2)] == [20, 30]
        assert identity(tx, 3).sightings == 0


def test_a_decision_needs_its_sighting(building: Store, make: Any) -> None:
    with pytest.raises(StoreError, match="contradicts"), building.transaction() as tx:
        record_decision(
            tx, make.decision(make.sighting(99), 1, person="Anna"), decided_at=make.noon
        )


def test_visits_come_back(building: Store, make: Any) -> None:
    first, last = make.sighting(12, after_secs=60), make.sighting(13, after_secs=61)
    with building.snapshot() as tx:
        found = visits_of(tx, 1)
    assert [visit.camera for visit in found] == ["hall", "stairs", "hall"]
    assert found[2] == Visit(
        1, "Anna", "hall", first.first_seen, last.last_seen, (first.sighting_id, last.sighting_id)
    )


def test_saving_visits_again_replaces_those_of_the_serial(building: Store) -> None:
    with building.transaction() as tx:
        kept = visits_of(tx, 1)[:1]
        save_visits(tx, kept)
        assert visits_of(tx, 1) == kept
        assert len(visits_of(tx, 2)) == 1
        save_visits(tx, [])
    with pytest.raises(StoreError, match="contradicts"), building.transaction() as tx:
        save_visits(tx, [*kept, *kept])


def test_gallery(building: Store, make: Any) -> None:
    with building.snapshot() as tx:
        anna, two, three, bruno = gallery(tx, make.contract.id)
        assert gallery(tx, "e" * 64) == []
    assert (anna.serial, anna.person, anna.vectors.shape) == (1, "Anna", (10, 128))
    assert anna.vectors.dtype == np.float32
    assert np.array_equal(anna.vectors[0], make.embedding(1).vector)
    assert np.array_equal(anna.vectors[2], make.sighting(10).looks[0].embedding.vector)
    worths = [look.worth for look in make.sighting(10).looks]
    assert anna.weights[:4].tolist() == pytest.approx([0.75, 0.75, *worths])
    assert anna.crop_paths[:4] == (None, None, "crops/10_1.jpg", None)
    assert (two.serial, two.person, len(two.vectors)) == (2, None, 2)
    assert (three.serial, bruno.serial, bruno.person) == (3, 4, "Bruno")


def test_the_grid_comes_back(store: Store) -> None:
    saved = CameraGrid(
        positions={"hall": (0.25, 0.5), "yard": (0.0, 1.0)},
        links=(CameraLink("hall", "stairs", 4.0, 60.0), CameraLink("hall", "stairs", 0.0)),
        apart=frozenset({frozenset({"hall", "yard"})}),
    )
    with store.transaction() as tx:
        assert grid(tx) == CameraGrid()
        save_grid(tx, saved, ["lift"])
    with store.transaction() as tx:
        assert grid(tx) == saved
        assert cameras(tx) == ("hall", "lift", "stairs", "yard")
        save_grid(tx, CameraGrid(), ["hall"])
        assert grid(tx) == CameraGrid()
        assert cameras(tx) == ("hall", "lift", "stairs", "yard")
        with pytest.raises(InvalidValue, match="pairs"):
            save_grid(tx, CameraGrid(apart=frozenset({frozenset({"hall"})})), [])


@pytest.mark.parametrize("serial", [0, -1, 5, 2**31, 2**64])
def test_serials_that_were_never_given_out_are_not_found(building: Store, serial: int) -> None:
    with building.snapshot() as tx, pytest.raises(NotFound, match=f"no identity {serial}"):
        identity(tx, serial)
