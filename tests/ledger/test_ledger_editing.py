"""Edits on a real ledger: what they change, and that undoing them in any order leaves no trace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from by_hand import NOON, enrol, sighting
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from live import Live, revised

from sightgrid.domain.errors import InvalidValue, NotFound
from sightgrid.domain.grid import CameraGrid
from sightgrid.domain.presence import Band, Sighting
from sightgrid.ledger import editing
from sightgrid.ledger.editing import MadeEdit
from sightgrid.ledger.extending import reproject
from sightgrid.store import Transaction
from sightgrid.store.edits import EditKind, edits_made, record_edit
from sightgrid.store.identities import marks_of, set_alias
from sightgrid.store.schema import DECISION, IDENTITY, VISIT, VISIT_SIGHTING
from sightgrid.store.schema_ledger import IDENTITY_APART, NOT_IDENTITY, PROTOTYPE

HERE: dict[str, Any] = {"by": "account:a", "reason": "seen on site", "at": NOON}


@pytest.fixture
def seen(live: Live) -> list[Sighting]:
    """Anna (1) enrolled; 0 is Anna, twice; 1, 2 and 3 are strangers, the first seen thrice."""
    live.enrol([enrol("Anna", 0)])
    who = [0, 1, 1, 2, 3, 1, 0]
    made = [
        sighting(face, 20 * number, 20 * number + 2, group=number)
        for number, face in enumerate(who)
    ]
    live.takes(*made)
    assert [live.serial(one) for one in made] == [1, 2, 2, 3, 4, 2, 1]
    return made


def edit(live: Live, what: Callable[..., Any], *told: Any, **named: Any) -> Any:
    with live.store.transaction() as tx:
        return what(tx, *told, **named)


def dump(tx: Transaction) -> dict[str, list[Any]]:
    """Everything that edits may change, in an order of its own; serials that were minted for
    splits and stand for nobody are left out."""

    def rows(table: sa.Table, *columns: str) -> list[Any]:
        asked = sa.select(*(table.c[column] for column in columns))
        return sorted((tuple(row) for row in tx.connection.execute(asked)), key=repr)

    prototypes = [
        (row.serial, row.contract_id, row.sightings, round(row.worth, 6), row.first_seen)
        for row in tx.connection.execute(sa.select(PROTOTYPE))
        if row.sightings
    ]
    return {
        "decisions": rows(DECISION, "sighting_id", "serial", "band", "own_serial", "own_band"),
        "aliases": [row for row in rows(IDENTITY, "serial", "alias_of") if row[1] is not None],
        "visits": rows(VISIT, "serial", "camera", "first_seen", "last_seen"),
        "members": [row for row in rows(VISIT_SIGHTING, "serial", "sighting_id")],
        "prototypes": sorted(prototypes, key=repr),
        "never": rows(NOT_IDENTITY, "sighting_id", "serial"),
        "apart": rows(IDENTITY_APART, "one", "other"),
        "marks": sorted((s, m) for s, m in marks_of(tx).items() if m != (False, "")),
    }


def state(live: Live) -> dict[str, list[Any]]:
    with live.store.snapshot() as tx:
        return dump(tx)


def test_a_merge_moves_visits_and_can_be_undone(live: Live, seen: list[Sighting]) -> None:
    before = state(live)
    made = edit(live, editing.merge, 3, into=2, **HERE)
    assert (made.consequences.sightings, made.consequences.visits) == (1, 1)
    assert [len(live.visits(serial)) for serial in (2, 3)] == [4, 4]
    assert live.standing(seen[3]).band is Band.STRANGER
    edit(live, editing.undo, made.edit_id, by="account:b", at=NOON)
    assert state(live) == before
    with pytest.raises(InvalidValue, match="undone before"):
        edit(live, editing.undo, made.edit_id, by="account:b", at=NOON)


def test_a_stranger_merged_into_a_person_is_confirmed(live: Live, seen: list[Sighting]) -> None:
    before = state(live)
    made = edit(live, editing.merge, 2, into=1, **HERE)
    assert {live.standing(one).band for one in (seen[1], seen[2], seen[5])} == {Band.CONFIRMED}
    edit(live, editing.undo, made.edit_id, by="b", at=NOON)
    assert state(live) == before


def test_a_split_gives_a_new_serial_that_stays_away(live: Live, seen: list[Sighting]) -> None:
    made: MadeEdit = edit(live, editing.split, 2, [seen[5].sighting_id], **HERE)
    assert made.into == 5
    assert (live.serial(seen[5]), live.serial(seen[1])) == (5, 2)
    # a later revision of it, and another passage of the same face, do not bring them together
    live.takes(revised(seen[5], 2))
    assert live.serial(seen[5]) == 5
    again = sighting(1, 400, 402, group=9)
    live.takes(again)
    assert live.serial(again) in (2, 5)
    assert {alias for _, _, alias in live.serials()} == {None}


def test_not_this_person_is_unsure_and_never_that_again(live: Live, seen: list[Sighting]) -> None:
    before = state(live)
    made = edit(live, editing.not_this, [seen[6].sighting_id], 1, **HERE)
    assert live.standing(seen[6]).band is Band.UNSURE
    live.takes(revised(seen[6], 2))
    assert live.serial(seen[6]) != 1
    edit(live, editing.undo, made.edit_id, by="b", at=NOON)
    assert state(live)["never"] == before["never"]


def test_moves_confirmations_labels_and_hiding(live: Live, seen: list[Sighting]) -> None:
    before = state(live)
    made = [
        edit(live, editing.move, [seen[3].sighting_id, seen[4].sighting_id], into=1, **HERE),
        edit(live, editing.confirm, [seen[0].sighting_id], 1, **HERE),
        edit(live, editing.label, 2, "courier", **HERE),
        edit(live, editing.hide, 2, hidden=True, **HERE),
    ]
    assert live.standing(seen[3]).band is Band.CONFIRMED
    assert state(live)["marks"] == [(2, (True, "courier"))]
    for one in made:
        edit(live, editing.undo, one.edit_id, by="b", at=NOON)
    assert state(live) == before


def test_what_makes_no_sense_is_refused(live: Live, seen: list[Sighting]) -> None:
    live.enrol([enrol("Bob", 9)])
    before = state(live)
    for what, told, named, kind, words in [
        (editing.merge, (2,), {"into": 2}, InvalidValue, "one identity already"),
        (editing.merge, (1,), {"into": 2}, InvalidValue, "enrolled person, whose serial stays"),
        (editing.merge, (1,), {"into": 5}, InvalidValue, "two enrolled people"),
        (editing.merge, (2,), {"into": 99}, NotFound, "no identity 99"),
        (editing.split, (2, []), {}, InvalidValue, "no sighting was named"),
        (editing.split, (2, [seen[0].sighting_id]), {}, InvalidValue, "is not of identity 2"),
        (editing.split, (3, [seen[3].sighting_id]), {}, InvalidValue, "would go"),
        (editing.move, (["nothing"],), {"into": 2}, NotFound, "no sighting nothing"),
        (editing.label, (1, "x"), {}, InvalidValue, "has a name"),
    ]:
        with pytest.raises(kind, match=words):
            edit(live, what, *told, **named, **HERE)
    assert state(live) == before
    with live.store.snapshot() as tx:
        assert edits_made(tx, kinds=editing.BY_PEOPLE) == []


def test_what_the_ledger_joined_stays_apart_once_undone(live: Live, seen: list[Sighting]) -> None:
    with live.store.transaction() as tx:
        tx.lock_site()
        record_edit(tx, EditKind.JOINED, details={"from": 3, "to": 2}, reason="alike", at=NOON)
        set_alias(tx, 3, 2)
        reproject(tx, [2, 3], grid=CameraGrid())
    assert len(live.visits(2)) == 4
    with live.store.snapshot() as tx:
        (joined,) = edits_made(tx, kinds=[EditKind.JOINED])
    edit(live, editing.undo, joined.edit_id, by="b", at=NOON)
    assert [len(live.visits(serial)) for serial in (2, 3)] == [3, 1]
    assert state(live)["apart"] == [(2, 3)]


plans = st.lists(
    st.tuples(
        st.sampled_from(["merge", "split", "move", "not_this", "confirm", "hide", "label"]),
        st.integers(1, 5),
        st.integers(1, 5),
        st.lists(st.integers(0, 6), min_size=1, max_size=3, unique=True),
        st.sampled_from(["", "courier", "red coat"]),
    ),
    min_size=1,
    max_size=6,
)


def carry_out(live: Live, plan: Any, seen: list[Sighting]) -> MadeEdit | None:
    """One planned edit; ``None`` if it makes no sense now."""
    kind, one, other, places, text = plan
    chosen = [seen[place].sighting_id for place in places]
    try:
        match kind:
            case "merge":
                made = edit(live, editing.merge, one, into=other, **HERE)
            case "split":
                made = edit(live, editing.split, one, chosen, **HERE)
            case "move":
                made = edit(live, editing.move, chosen, into=one, **HERE)
            case "not_this":
                made = edit(live, editing.not_this, chosen, one, **HERE)
            case "confirm":
                made = edit(live, editing.confirm, chosen, one, **HERE)
            case "hide":
                made = edit(live, editing.hide, one, hidden=bool(text), **HERE)
            case _:
                made = edit(live, editing.label, one, text, **HERE)
    except (InvalidValue, NotFound):
        return None
    assert isinstance(made, MadeEdit)
    return made


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(plan=plans, data=st.data())
def test_any_edits_undone_in_any_order_leave_no_trace(
    live: Live, seen: list[Sighting], plan: Any, data: st.DataObject
) -> None:
    before = state(live)
    # a split's new serial is never given out twice, so whoever merges with it is another each time
    done = [(one, made) for one in plan if (made := carry_out(live, one, seen)) is not None]
    order = data.draw(st.permutations(done))
    kept = data.draw(st.integers(0, len(done)))
    for _, made in order[kept:]:
        edit(live, editing.undo, made.edit_id, by="b", at=NOON)
    left, rest = state(live), [pair for pair in done if pair in order[:kept]]
    for _, made in order[:kept]:
        edit(live, editing.undo, made.edit_id, by="b", at=NOON)
    assert state(live) == before
    if not any(one[0] == "split" for one, _ in rest):
        # what was left is what making only that gives
        again = [carry_out(live, one, seen) for one, _ in rest]
        if None not in again:
            assert state(live) == left
        for made in again:
            if made is not None:
                edit(live, editing.undo, made.edit_id, by="b", at=NOON)
        assert state(live) == before
