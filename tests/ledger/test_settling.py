"""A recording decided as a whole: who is whom, who gets which serial, who stays unsure."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest
from by_hand import BANDS, CONTRACT, DIMENSION, NOON, FixedPolicy, enrol, face, sighting, toward
from hypothesis import given
from hypothesis import strategies as st

from sightgrid.domain.errors import ContractMismatch
from sightgrid.domain.faces import EmbeddingContract
from sightgrid.domain.grid import CameraGrid, CameraLink
from sightgrid.domain.people import EnrolledPerson
from sightgrid.domain.presence import Band, Match, Sighting
from sightgrid.ledger.answers import Settlement
from sightgrid.ledger.constraints import cannot_links
from sightgrid.ledger.settling import settle
from sightgrid.recognition.templates import Template, mean_of, template_of

OPEN = CameraGrid()
NEVER_AT_ONCE = CameraGrid(apart=frozenset({frozenset({"hall", "door"})}))


def settled(
    *sightings: Sighting, people: Sequence[EnrolledPerson] = (), grid: CameraGrid = OPEN
) -> Settlement:
    return settle(sightings, people=people, grid=grid, policy=FixedPolicy())


def matches(settlement: Settlement) -> list[Match]:
    return [decision.match for decision in settlement.decisions]


def serials(settlement: Settlement) -> list[int | None]:
    return [match.serial for match in matches(settlement)]


def test_the_same_face_gets_the_same_serial_everywhere() -> None:
    found = settled(
        sighting(0, 0, 2), sighting(1, 3, 5), sighting(0, 6, 8, camera="door"), sighting(0, 20, 22)
    )
    assert serials(found) == [1, 2, 1, 1]
    assert {match.band for match in matches(found)} == {Band.STRANGER}
    assert [identity.person for identity in found.identities] == [None, None]


def test_serials_count_from_one_in_order_of_first_seen() -> None:
    found = settled(
        sighting(3, 9, 11), sighting(0, 6, 8), sighting(5, 3, 5), sighting(0, 0, 2, camera="door")
    )
    assert serials(found) == [1, 2, 1, 3]
    assert [decision.sighting.first_seen for decision in found.decisions] == sorted(
        decision.sighting.first_seen for decision in found.decisions
    )
    assert found.minted_at[1] == NOON
    assert [identity.serial for identity in found.identities] == [1, 2, 3]
    assert list(found.minted_at) == [1, 2, 3]


def test_two_faces_in_one_frame_are_never_one_person_however_alike() -> None:
    found = settled(sighting(0, 0, 3, left=0), sighting(0, 1, 4, left=200, group=2))
    assert serials(found) == [1, 2]


def test_the_grid_keeps_apart_who_is_on_two_cameras_at_once() -> None:
    at_once = (sighting(0, 0, 3), sighting(0, 1, 4, camera="door"))
    assert serials(settled(*at_once)) == [1, 1]
    assert serials(settled(*at_once, grid=NEVER_AT_ONCE)) == [1, 2]


def test_the_grid_keeps_apart_who_would_have_had_to_run() -> None:
    grid = CameraGrid(links=(CameraLink("hall", "door", 10.0),))
    first = sighting(0, 0, 3)
    assert serials(settled(first, sighting(0, 8, 9, camera="door"), grid=grid)) == [1, 2]
    assert serials(settled(first, sighting(0, 13, 14, camera="door"), grid=grid)) == [1, 1]


def test_one_look_founds_no_identity() -> None:
    found = settled(sighting(0, 0, 3, looks=1))
    (match,) = matches(found)
    assert match.band is Band.UNSURE
    assert match.serial is None
    assert match.reason
    assert found.identities == ()


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        (sighting(0, 0, 3, worth=0.05), "enough of a face"),
        (sighting(0, 0, 3, worth=0.2), "too poor"),
        (sighting(0, 0, 0.1), "no two good looks"),
        (sighting([0, 1], 0, 3), "no two good looks"),
        (sighting(0, 0, 3, surely=0.6), "no two good looks"),
        (sighting(0, 0, 3, embedded=False), "no look could be turned"),
    ],
    ids=["worthless", "poor", "at-one-moment", "disagreeing", "hardly-a-face", "no-vectors"],
)
def test_what_shows_too_little_is_unsure_and_says_why(seen: Sighting, why: str) -> None:
    found = settled(seen)
    assert serials(found) == [None]
    assert why in matches(found)[0].reason


def test_a_poor_look_is_given_to_whom_it_clearly_belongs_to_before_or_after() -> None:
    found = settled(sighting(0, 0, 3), sighting(0, 5, 6, worth=0.25), sighting(1, 8, 9, worth=0.25))
    assert serials(found) == [1, 1, None]
    earlier = settled(sighting(0, 0, 1, looks=1), sighting(0, 5, 8))
    assert serials(earlier) == [1, 1]
    assert earlier.minted_at[1] == NOON


def test_a_poor_look_between_two_people_is_given_to_neither() -> None:
    found = settled(sighting(0, 0, 3), sighting(1, 4, 7), sighting(toward(1, 1), 9, 10, looks=1))
    assert serials(found) == [1, 2, None]
    assert matches(found)[2].runner_up is not None, "who was considered is told"


def test_a_poor_look_is_not_given_to_somebody_in_the_same_frame() -> None:
    found = settled(sighting(0, 0, 3), sighting(0, 1, 2, left=200, group=2, looks=1))
    assert serials(found) == [1, None]


def test_an_enrolled_person_is_named_by_the_enrolled_faces() -> None:
    found = settled(sighting(0, 0, 2), sighting(1, 3, 5), people=[enrol("Ada", 1)])
    stranger, named = matches(found)
    assert (stranger.band, stranger.person) == (Band.STRANGER, None)
    assert (named.band, named.person, named.serial) == (Band.CONFIRMED, "Ada", 2)
    assert named.score == pytest.approx(1.0, abs=1e-3)
    assert [identity.person for identity in found.identities] == [None, "Ada"]


@pytest.mark.parametrize(
    ("similarity", "band"),
    [(0.95, Band.CONFIRMED), (0.65, Band.CONFIRMED), (0.55, Band.LIKELY), (0.45, Band.STRANGER)],
)
def test_the_band_tells_how_sure_a_name_is(similarity: float, band: Band) -> None:
    seen = toward(similarity, 0.0, float(np.sqrt(1 - similarity**2)))
    (match,) = matches(settled(sighting(seen, 0, 2), people=[enrol("Ada", 0), enrol("Eva", 1)]))
    assert match.band is band
    assert match.person == (None if band is Band.STRANGER else "Ada")
    if match.person:
        assert match.score == pytest.approx(similarity, abs=1e-3)


def test_a_poor_look_is_enough_to_see_an_enrolled_person() -> None:
    """Their identity exists from the start: no good look is needed to found it."""
    found = settled(sighting(0, 0, 0.1, looks=1), people=[enrol("Ada", 0)])
    (match,) = matches(found)
    assert (match.person, match.serial) == ("Ada", 1)
    assert len(found.identities) == 1


def test_of_two_people_almost_equally_alike_neither_is_named() -> None:
    twins = [enrol("Ada", toward(1, 0.2)), enrol("Eva", toward(1, -0.2))]
    (between,) = matches(settled(sighting(0, 0, 2), people=twins))
    assert (between.band, between.person) == (Band.STRANGER, None)
    (clear,) = matches(settled(sighting(toward(1, 0.6), 0, 2), people=twins))
    assert clear.person == "Ada"


def test_who_is_seen_twice_at_once_is_named_once() -> None:
    """The other is somebody like them."""
    found = settled(
        sighting(toward(1, 0.3), 0, 3), sighting(0, 1, 4, left=200, group=2), people=[enrol("A", 0)]
    )
    assert [match.person for match in matches(found)] == [None, "A"]
    assert serials(found) == [1, 2]


def test_who_is_more_like_somebody_elsewhere_does_not_get_the_next_best_name() -> None:
    """Two in one frame look like Anna; the one less like her is not Bob for it."""
    people = [enrol("Anna", 0), enrol("Bob", 1)]
    like_both = toward(0.80, 0.55, 0.24)
    found = settled(sighting(0, 0, 3), sighting(like_both, 0, 3, left=200, group=2), people=people)
    assert [match.person for match in matches(found)] == ["Anna", None]
    assert matches(found)[1].band is Band.STRANGER


def test_who_is_most_like_somebody_possible_is_named_although_another_is_elsewhere() -> None:
    people = [enrol("Anna", 0), enrol("Bob", 1)]
    found = settled(
        sighting(0, 0, 3), sighting(toward(0.55, 0.80), 0, 3, left=200, group=2), people=people
    )
    assert [match.person for match in matches(found)] == ["Anna", "Bob"]


def test_groups_of_one_person_are_one_identity() -> None:
    """Two sides of a face that are not alike enough to join by themselves."""
    found = settled(
        sighting(toward(1, 1), 0, 2), sighting(toward(1, -1), 3, 5), people=[enrol("Ada", 0)]
    )
    assert [match.person for match in matches(found)] == ["Ada", "Ada"]
    assert serials(found) == [1, 1]


def test_enrolled_people_who_were_not_seen_come_last() -> None:
    people = [enrol("Ada", 4), enrol("Bob", 1), enrol("Cem", 5)]
    found = settled(sighting(0, 0, 2), sighting(1, 3, 5), people=people)
    assert [(i.serial, i.person) for i in found.identities] == [
        (1, None),
        (2, "Bob"),
        (3, "Ada"),
        (4, "Cem"),
    ]
    assert found.minted_at[4] == max(d.sighting.last_seen for d in found.decisions)


def test_a_recording_of_nobody_still_gives_enrolled_people_their_serial() -> None:
    found = settled(people=[enrol("Ada", 0)])
    assert found.decisions == ()
    assert [(i.serial, i.person) for i in found.identities] == [(1, "Ada")]


def test_the_score_is_empty_for_a_new_serial_and_the_runner_up_is_somebody_else() -> None:
    first, second, again = matches(
        settled(sighting(0, 0, 2), sighting(1, 3, 5), sighting(toward(1, 0.3), 6, 8))
    )
    assert first.score is None
    assert second.score is None
    assert again.score == pytest.approx(float(toward(1, 0.3)[0]), abs=1e-3)
    assert again.runner_up is not None
    assert again.runner_up.serial == 2
    assert again.margin == pytest.approx(again.score - again.runner_up.score)


def test_a_poor_look_that_came_first_is_not_the_new_one() -> None:
    """The serial begins with it, but a later sighting founded it."""
    early, founder, again = matches(
        settled(sighting(toward(1, 0.3), 0, 1, looks=1), sighting(0, 5, 8), sighting(0, 9, 12))
    )
    assert early.serial == founder.serial == again.serial == 1
    assert early.score == pytest.approx(float(toward(1, 0.3)[0]), abs=1e-3)
    assert "like other sightings of this stranger" in early.reason
    assert (founder.score, founder.margin) == (None, None)
    assert "new" in founder.reason
    assert again.score is not None


def test_nobody_who_is_closer_is_called_nearly_as_close() -> None:
    """Two sightings are one group that is Ada; one of them for itself is more like Eva."""
    people = [enrol("Ada", 0), enrol("Eva", 1)]
    _, like_eva = matches(
        settled(sighting(0, 0, 3), sighting(toward(0.69, 0.72), 4, 7, worth=0.5), people=people)
    )
    assert (like_eva.person, like_eva.band) == ("Ada", Band.LIKELY)
    assert like_eva.margin is not None
    assert like_eva.margin < 0
    assert "somebody else is closer" in like_eva.reason
    _, between = matches(
        settled(sighting(0, 0, 3), sighting(toward(0.72, 0.69), 4, 7, worth=0.5), people=people)
    )
    assert between.margin is not None
    assert 0 < between.margin < BANDS.margin
    assert "somebody else is nearly as close" in between.reason


def test_faces_of_different_contracts_are_never_compared() -> None:
    other = EmbeddingContract("b" * 64, "other", DIMENSION)
    seen = sighting(0, 0, 2)
    with pytest.raises(ContractMismatch):
        settled(seen, sighting(0, 3, 5, contract=other))
    with pytest.raises(ContractMismatch):
        settled(seen, people=[EnrolledPerson("Ada", (face(0, contract=other),))])
    assert CONTRACT.id != other.id


def test_the_bands_that_applied_are_told() -> None:
    assert settled(sighting(0, 0, 2)).bands == BANDS


def crowd(seed: int) -> tuple[list[Sighting], list[EnrolledPerson]]:
    """A busy minute on two cameras: a few people, good looks and poor ones, some enrolled."""
    random = np.random.default_rng(seed)
    people = int(random.integers(1, 6))
    seen = []
    for number in range(int(random.integers(0, 14))):
        who = int(random.integers(0, people))
        vector = 0.15 * random.standard_normal(DIMENSION)
        vector[who] += 1.0
        start = float(random.uniform(0, 30))
        seen.append(
            sighting(
                (vector / np.linalg.norm(vector)).astype(np.float32),
                start,
                start + float(random.uniform(0.2, 5)),
                camera=str(random.choice(["hall", "door"])),
                group=number,
                left=float(random.integers(0, 6) * 100),
                worth=float(random.uniform(0.02, 1.0)),
                looks=int(random.integers(1, 5)),
            )
        )
    enrolled = [enrol(f"P{who}", who) for who in range(people + 1) if random.random() < 0.4]
    return seen, enrolled


@given(st.integers(0, 2**32 - 1), st.sampled_from([OPEN, NEVER_AT_ONCE]))
def test_what_holds_of_every_settlement(seed: int, grid: CameraGrid) -> None:
    seen, people = crowd(seed)
    found = settled(*seen, people=people, grid=grid)

    decided = [decision.sighting for decision in found.decisions]
    assert {one.sighting_id for one in decided} == {one.sighting_id for one in seen}
    assert len(decided) == len(seen)
    assert [one.first_seen for one in decided] == sorted(one.first_seen for one in seen)

    assert [identity.serial for identity in found.identities] == list(
        range(1, len(found.identities) + 1)
    )
    names = [identity.person for identity in found.identities if identity.person]
    assert sorted(names) == sorted(person.name for person in people)
    by_serial = {identity.serial: identity.person for identity in found.identities}
    first_rows = {}
    for row, match in enumerate(matches(found)):
        assert (match.serial is None) == (match.band is Band.UNSURE)
        if match.serial is not None:
            assert match.person == by_serial[match.serial]
            first_rows.setdefault(match.serial, row)
    assert list(first_rows) == sorted(first_rows), "serials are in order of first appearance"
    used = set(first_rows)
    assert {serial for serial, name in by_serial.items() if name is None} <= used
    for one, other in cannot_links(decided, grid=grid):
        pair = {found.decisions[one].match.serial, found.decisions[other].match.serial}
        assert len(pair) == 2 or pair == {None}


@given(st.integers(0, 2**32 - 1))
def test_scores_and_runners_up_are_what_a_look_at_everybody_gives(seed: int) -> None:
    seen, people = crowd(seed)
    found = settled(*seen, people=people)
    shown = [template_of(decision.sighting.looks, outlier=0.25) for decision in found.decisions]
    by_serial: dict[int, list[Template]] = {}
    for match, template in zip(matches(found), shown, strict=True):
        if match.band is Band.STRANGER and match.serial is not None and template is not None:
            by_serial.setdefault(match.serial, []).append(template)

    new = [match.serial for match in matches(found) if match.serial and match.score is None]
    assert sorted(new) == sorted(by_serial), "one sighting of each stranger is the new one"
    for match, template in zip(matches(found), shown, strict=True):
        assert template is not None
        others = [serial for serial in by_serial if serial != match.serial]
        rivals = [person for person in people if person.name != match.person]
        assert (match.runner_up is None) == (not others and not rivals)
        if match.runner_up is not None:
            rival = match.runner_up
            assert rival.serial in others or rival.person in [one.name for one in rivals]
            for one in rivals:
                alike = float(template.vector @ mean_of(one.faces))
                assert rival.score >= alike - 1e-5
                if rival.person == one.name:
                    assert rival.score == pytest.approx(alike, abs=1e-5)
        if match.score is not None and match.serial in by_serial:
            rest = [one for one in by_serial[match.serial] if one is not template]
            total = np.sum([one.vector * one.worth for one in rest], axis=0)
            alike = float(template.vector @ total / np.linalg.norm(total))
            assert match.score == pytest.approx(alike, abs=1e-4)


def test_answers_for_a_crowd_take_moments() -> None:
    """Thousands of sightings and thousands of people are compared as one product."""
    random = np.random.default_rng(5)
    faces = random.standard_normal((2000, DIMENSION))
    faces /= np.linalg.norm(faces, axis=1, keepdims=True)
    people = [enrol(f"P{number}", toward(*vector)) for number, vector in enumerate(faces)]
    # one look each: nobody founds a stranger, but everybody is compared with everybody
    seen = [sighting(toward(*faces[n % 2000]), n, n + 0.1, looks=1) for n in range(4000)]
    started = time.process_time()
    found = settled(*seen, people=people)
    assert time.process_time() - started < 10.0
    assert all(match.runner_up is not None for match in matches(found))


@given(st.integers(0, 2**32 - 1), st.randoms(use_true_random=False))
def test_the_order_in_which_sightings_come_does_not_matter(seed: int, random: object) -> None:
    seen, people = crowd(seed)
    shuffled = list(seen)
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    def answers(sightings: Sequence[Sighting]) -> list[tuple[str, Match]]:
        found = settled(*sightings, people=people)
        return [(d.sighting.sighting_id, d.match) for d in found.decisions]

    assert answers(shuffled) == answers(seen)


def test_nobody_is_lost_when_the_same_recording_is_given_twice() -> None:
    once = [sighting(who, 3 * who, 3 * who + 2, group=who) for who in range(4)]
    twice = [sighting(who, 3 * who, 3 * who + 2, group=who, camera="hall-2") for who in range(4)]
    found = settled(*once, *twice)
    assert len(found.decisions) == 8
    assert sorted(serial for serial in serials(found) if serial) == [1, 1, 2, 2, 3, 3, 4, 4]
    for one, other in combinations(found.decisions, 2):
        same_person = one.sighting.group == other.sighting.group
        assert (one.match.serial == other.match.serial) == same_person
