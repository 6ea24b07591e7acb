"""Photo search over the index: everybody is found, however long ago, and nobody who withdrew."""

from __future__ import annotations

from datetime import timedelta

from by_hand import CONTRACT, NOON, FixedPolicy, enrol, person, sighting
from live import Live

from sightgrid.domain.faces import Embedding
from sightgrid.domain.people import Method
from sightgrid.ledger import editing
from sightgrid.ledger.faceindex import FaceIndex
from sightgrid.ledger.people import withdraw
from sightgrid.ledger.photosearch import Hit, find_face
from sightgrid.recognition.gallery import Gallery
from sightgrid.store.consents import consents_of

DAY = 24 * 3600
BY: editing.Made = {"by": "account:1", "reason": "", "at": NOON}


def find(
    live: Live,
    index: FaceIndex,
    number: int,
    *,
    limit: int = 3,
    cameras: frozenset[str] | None = None,
) -> list[Hit]:
    index.refresh(live.store)
    face = Embedding(person(number), CONTRACT)
    with live.store.snapshot() as tx:
        return find_face(tx, index, face, policy=FixedPolicy(), limit=limit, cameras=cameras)


def test_a_stranger_of_last_month_is_found_with_their_sightings(live: Live) -> None:
    index = FaceIndex(CONTRACT)
    live.takes(sighting(0, 0, 2), sighting(1, 5, 7, group=2, camera="stairs"))
    first = find(live, index, 0)[0]
    assert (first.serial, first.wording, first.band, first.person) == (
        1,
        "same",
        "stranger",
        None,
    )
    assert [one.camera for one in first.sightings] == ["hall"]
    assert first.closest >= first.score > 0.9
    assert first.best_sighting == first.sightings[0].sighting_id
    # what comes later is replayed beyond the watermark
    live.takes(sighting(2, 30 * DAY, 30 * DAY + 2, group=3))
    assert find(live, index, 2)[0].serial == 3
    assert find(live, index, 0)[0].serial == 1
    other = find(live, index, 0)[1]
    assert (other.wording, other.band) == ("unlike", "unsure")


def test_merged_serials_are_found_as_one_and_parted_again(live: Live) -> None:
    index = FaceIndex(CONTRACT)
    live.takes(sighting(0, 0, 2), sighting(1, 5, 7, group=2, camera="stairs"))
    assert index.refresh(live.store) > 0
    made = live.store.run(lambda tx: editing.merge(tx, 2, into=1, **BY))
    (hit,) = find(live, index, 1)
    assert (hit.serial, hit.where.sightings, hit.where.cameras) == (1, 2, ("hall", "stairs"))
    live.store.run(lambda tx: editing.undo(tx, made.edit_id, by="account:1", at=NOON))
    assert [hit.serial for hit in find(live, index, 1)] == [2, 1]
    assert index.refresh(live.store) == 0


def test_enrolled_people_are_found_by_photos_alone_until_they_withdraw(live: Live) -> None:
    index = FaceIndex(CONTRACT)
    live.enrol([enrol("Anna", 0), enrol("Bo", 1)])
    hit = find(live, index, 0)[0]
    assert (hit.person, hit.band, hit.where.sightings) == ("Anna", "confirmed", 0)
    assert (index.people, index.identities) == (2, 2)
    live.takes(sighting(0, 0, 2))
    assert find(live, index, 0)[0].where.sightings == 1
    assert index.identities == 2
    with live.store.snapshot() as tx:
        assert hit.person_id is not None
        (consent_id,) = consents_of(tx, hit.person_id)
    anna, later = hit.person_id, NOON + timedelta(hours=1)
    live.store.run(lambda tx: withdraw(tx, anna, consent_id, method=Method.PIN, at=later))
    assert [one.person for one in find(live, index, 0)] == ["Bo"]
    assert (index.people, index.identities) == (1, 1)


def test_what_other_cameras_saw_is_not_told(live: Live) -> None:
    index = FaceIndex(CONTRACT)
    live.takes(sighting(0, 0, 2), sighting(1, 5, 7, group=2, camera="stairs"))
    found = find(live, index, 0, cameras=frozenset({"stairs"}))
    assert [hit.serial for hit in found] == [2]
    assert find(live, index, 0, cameras=frozenset()) == []


def test_the_index_is_built_beside_searches_and_changes_nothing(live: Live) -> None:
    live.takes(*(sighting(n, 10 * n, 10 * n + 2, group=n + 1) for n in range(8)))
    exact = FaceIndex(CONTRACT)
    built = FaceIndex(CONTRACT, gallery=Gallery(CONTRACT.dimension, exact_up_to=4))
    built.refresh(live.store)
    built.wait()
    live.takes(sighting(9, 900, 902, group=20))
    for number in (0, 5, 7, 9):
        one, other = find(live, exact, number), find(live, built, number)
        assert one[0].serial == other[0].serial
        assert abs(one[0].score - other[0].score) < 1e-5
