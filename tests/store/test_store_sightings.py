from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from sightgrid.domain.errors import InvalidValue, NotFound, StoreError
from sightgrid.domain.frames import EPOCH
from sightgrid.domain.geometry import Box
from sightgrid.domain.tracklets import PathPoint
from sightgrid.store import Store
from sightgrid.store.decisions import record_decisions
from sightgrid.store.encoding import pack_path, unpack_path
from sightgrid.store.identities import identities, mint
from sightgrid.store.schema import LOOK, SIGHTING
from sightgrid.store.sightings import insert_sighting, insert_sightings, sighting
from sightgrid.store.visits import save_visits
from sightgrid.trajectory.visits import visits

float32 = st.floats(0, 4000, width=32)


@given(
    st.lists(
        st.tuples(
            st.timedeltas(timedelta(0), timedelta(days=80_000)).map(EPOCH.__add__),
            st.integers(1, 2**40),
            st.tuples(float32, float32),
            st.floats(0, 1, width=32),
        ),
        min_size=1,
    )
)
def test_a_path_comes_back(rows: list[tuple[datetime, int, tuple[float, float], float]]) -> None:
    path = tuple(
        PathPoint(frame, moment, Box(left, top, left + 5000.0, top + 6000.0), score)
        for moment, frame, (left, top), score in rows
    )
    back = unpack_path(pack_path(path))
    assert [(p.frame_index, p.captured_at, p.score) for p in back] == [
        (p.frame_index, p.captured_at, p.score) for p in path
    ]
    assert np.array_equal([p.box.as_array() for p in back], [p.box.as_array() for p in path])


@pytest.mark.parametrize("damage", [b"", b"\x02abc", b"\x01abc"])
def test_a_damaged_path_is_told(damage: bytes) -> None:
    with pytest.raises(StoreError, match="path"):
        unpack_path(damage)


def test_a_sighting_comes_back(store: Store, make: Any) -> None:
    seen = make.sighting(7, points=40, looks=3)
    bare = make.look(1, counter=9, at=make.noon, overall=0.1, embedded=False)
    seen = replace(seen, looks=(*seen.looks, bare))
    with store.transaction() as tx:
        assert insert_sighting(tx, seen, crop_paths=["crops/a.jpg", "crops/b.jpg"])
    with store.snapshot() as tx:
        back = sighting(tx, seen.sighting_id)
    assert (back.sighting_id, back.revision, back.closed) == (seen.sighting_id, 1, True)
    assert (back.camera, back.group, back.quality) == ("hall", 7, seen.quality)
    assert (back.first_seen, back.last_seen) == (seen.first_seen, seen.last_seen)
    assert [(p.frame_index, p.captured_at, p.score) for p in back.path] == [
        (p.frame_index, p.captured_at, p.score) for p in seen.path
    ]
    for stored, given_point in zip(back.path, seen.path, strict=True):
        assert np.array_equal(stored.box.as_array(), given_point.box.as_array())
    assert [one.crop_path for one in back.looks] == ["crops/a.jpg", "crops/b.jpg", None, None]
    for kept, given_look in zip(back.looks, seen.looks, strict=True):
        crop = given_look.crop
        assert kept.counter == given_look.counter
        assert kept.quality == crop.quality
        assert kept.worth == given_look.worth
        assert kept.captured_at == crop.captured_at
        assert kept.captured_at.tzinfo is UTC
        assert kept.frame_index == crop.frame_index
        assert kept.box_in_frame == crop.box_in_frame
        assert kept.detection_score == crop.detection_score
        assert np.array_equal(kept.landmarks_in_frame, crop.landmarks_in_frame)
        if given_look.embedding is None:
            assert kept.embedding is None
        else:
            assert kept.embedding is not None
            assert kept.embedding.contract == given_look.embedding.contract
            assert kept.embedding.strength == given_look.embedding.strength
            assert np.array_equal(kept.embedding.vector, given_look.embedding.vector)


def test_times_of_other_zones_come_back_in_utc(store: Store, make: Any) -> None:
    seen = make.sighting(1)
    moment = datetime(2026, 6, 1, 1, 2, 3, 4, tzinfo=timezone(timedelta(hours=9)))
    seen = replace(seen, path=(replace(seen.path[0], captured_at=moment),))
    with store.transaction() as tx:
        insert_sighting(tx, seen, crop_paths=[])
        back = sighting(tx, seen.sighting_id)
    assert back.first_seen == moment
    assert back.first_seen.tzinfo is UTC
    assert back.path[0].captured_at == moment


def test_a_naive_time_is_refused(store: Store, make: Any) -> None:
    seen = make.sighting(1, looks=1)
    crop = replace(seen.looks[0].crop, captured_at=datetime(2026, 1, 1))  # noqa: DTZ001
    seen = replace(seen, looks=(replace(seen.looks[0], crop=crop),))
    with pytest.raises(InvalidValue, match="without a zone"), store.transaction() as tx:
        insert_sighting(tx, seen, crop_paths=[])
    with store.snapshot() as tx, pytest.raises(NotFound):
        sighting(tx, seen.sighting_id)


def test_the_same_revision_again_changes_nothing(store: Store, make: Any) -> None:
    with store.transaction() as tx:
        assert insert_sighting(tx, make.sighting(1, revision=2), crop_paths=["a.jpg"])
    for revision in (2, 1):
        with store.transaction() as tx:
            again = make.sighting(1, revision=revision, looks=1, camera="stairs")
            assert not insert_sighting(tx, again, crop_paths=["b.jpg"])
            back = sighting(tx, again.sighting_id)
        assert (back.revision, back.camera, len(back.looks)) == (2, "hall", 2)
        assert back.looks[0].crop_path == "a.jpg"


def test_a_newer_revision_replaces_the_older(store: Store, make: Any) -> None:
    with store.transaction() as tx:
        first = make.sighting(1)
        insert_sighting(tx, first, crop_paths=["a.jpg"])
        record_decisions(tx, [make.decision(first, None)], decided_at=make.noon)
    with store.transaction() as tx:
        newer = make.sighting(1, revision=2, points=9, looks=1)
        assert insert_sightings(tx, [first, newer, first], crop_paths={}) == 1
        back = sighting(tx, newer.sighting_id)
        assert (back.revision, len(back.path), len(back.looks)) == (2, 9, 1)


def test_numpy_numbers_are_fine(store: Store, make: Any) -> None:
    seen = make.sighting(1, looks=1)
    crop = seen.looks[0].crop
    crop = replace(
        crop,
        frame_index=np.int64(5),
        detection_score=np.float32(0.5),
        quality=replace(crop.quality, overall=np.float32(0.25)),
    )
    seen = replace(
        seen, group=np.int64(7), looks=(replace(seen.looks[0], counter=np.int64(3), crop=crop),)
    )
    with store.transaction() as tx:
        insert_sighting(tx, seen, crop_paths=[])
        back = sighting(tx, seen.sighting_id)
    assert (back.group, back.looks[0].quality.overall, back.looks[0].counter) == (7, 0.25, 3)


def test_more_crops_than_looks(store: Store, make: Any) -> None:
    with pytest.raises(InvalidValue, match="2 crops"), store.transaction() as tx:
        insert_sighting(tx, make.sighting(1, looks=1), crop_paths=["a.jpg", "b.jpg"])


def test_a_long_run_is_written_fast(store: Store, make: Any) -> None:
    """A tenth of the 10,000 sightings with six looks that have ten seconds, with room to spare."""
    patterns = [make.sighting(number, points=60, looks=6) for number in range(1, 11)]
    seen = [
        replace(patterns[number % 10], sighting_id=f"{number:036d}", camera=f"c{number % 4}")
        for number in range(1000)
    ]
    started = time.process_time()
    with store.transaction() as tx:
        serials = [mint(tx, minted_at=make.noon).serial for _ in range(100)]
        paths = {one.sighting_id: [f"crops/{n}.jpg" for n in range(6)] for one in seen}
        assert insert_sightings(tx, seen, crop_paths=paths) == 1000
        decided = [make.decision(one, serials[n % 100]) for n, one in enumerate(seen)]
        record_decisions(tx, decided, decided_at=make.noon)
        save_visits(tx, visits(decided))
    assert time.process_time() - started < 3
    with store.snapshot() as tx:
        assert tx.connection.scalar(sa.select(sa.func.count()).select_from(SIGHTING)) == 1000
        assert tx.connection.scalar(sa.select(sa.func.count()).select_from(LOOK)) == 6000
        assert sum(row.sightings for row in identities(tx)) == 1000
