"""Edits replayed: what each does, and what it does no more once an earlier one is gone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sightgrid.ledger.replaying import Edit, replay
from sightgrid.store.edits import EditKind

SIGHTINGS = [f"s{number}" for number in range(8)]
OWN: dict[str, int | None] = {name: 1 + number % 4 for number, name in enumerate(SIGHTINGS)}
OWN["s7"] = None
PEOPLE = {4: "Ada", 6: "Bob"}

serials = st.integers(1, 6)
sightings = st.lists(st.sampled_from(SIGHTINGS), min_size=1, max_size=3, unique=True).map(tuple)


@st.composite
def edits(draw: st.DrawFn) -> list[Edit]:
    made = []
    for number in range(draw(st.integers(0, 10))):
        made.append(
            Edit(
                number,
                draw(st.sampled_from(EditKind)),
                draw(serials),
                into=draw(serials),
                sightings=draw(sightings),
                label=draw(st.sampled_from(["", "red coat", "courier"])),
                hidden=draw(st.booleans()),
            )
        )
    return made


@given(edits())
def test_merges_end_somewhere_and_people_stay_apart(made: list[Edit]) -> None:
    found = replay(made, own=OWN, people=PEOPLE)
    roots = {serial: found.root(serial) for serial in range(1, 7)}
    assert roots[4] == 4
    assert roots[6] == 6
    assert all(root not in found.alias for root in roots.values())


@given(edits())
def test_confirmed_sightings_are_where_they_were_put(made: list[Edit]) -> None:
    found = replay(made, own=OWN, people=PEOPLE)
    for sighting_id in found.confirmed:
        assert found.serial_of.get(sighting_id, OWN[sighting_id]) is not None


def test_a_merge_the_other_way_after_the_first_does_nothing() -> None:
    one, back = Edit(1, EditKind.MERGE, 1, into=2), Edit(2, EditKind.MERGE, 2, into=1)
    assert replay([one, back], own=OWN, people={}).alias == {1: 2}
    assert replay([back], own=OWN, people={}).alias == {2: 1}


def test_a_sighting_ruled_out_loses_its_serial_through_a_merge_too() -> None:
    made = [Edit(1, EditKind.MERGE, 1, into=2), Edit(2, EditKind.NOT_THIS, 2, sightings=("s0",))]
    found = replay(made, own=OWN, people={})
    assert found.serial_of == {"s0": None}
    # with the merge undone it was never serial 2, so nothing is taken away
    found = replay(made[1:], own=OWN, people={})
    assert found.serial_of == {}
    assert found.never == {("s0", 2)}


def test_moved_back_by_hand_is_no_difference() -> None:
    made = [
        Edit(1, EditKind.MOVE, 1, into=3, sightings=("s0",)),
        Edit(2, EditKind.MOVE, 3, into=1, sightings=("s0",)),
    ]
    assert replay(made, own=OWN, people={}).serial_of == {}
