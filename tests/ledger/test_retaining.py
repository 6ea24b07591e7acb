"""Nothing is kept longer than its class allows: weeks go by on a clock of the test's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from by_hand import NOON, enrol, person, sighting
from live import BOX, Live, arrived, consent

from sightgrid.domain.errors import InvalidValue, NotFound, StoreError
from sightgrid.domain.presence import Sighting
from sightgrid.domain.retention import (
    HeldPerson,
    HeldSerial,
    HeldView,
    Hold,
    HoldScope,
    RetentionClass,
    RetentionSettings,
)
from sightgrid.ledger import editing
from sightgrid.ledger.deciding import LiveSettings
from sightgrid.ledger.enrolling import enrol_faces
from sightgrid.ledger.holding import hold
from sightgrid.ledger.people import remove_person
from sightgrid.ledger.retaining import Expired, retain
from sightgrid.ledger.taking_in import Intake
from sightgrid.store import Store, Transaction
from sightgrid.store.audit import audit_events, verify_audit
from sightgrid.store.consents import consents_of, record_consent, withdraw_consent
from sightgrid.store.crops import crop
from sightgrid.store.edits import edits_made
from sightgrid.store.holds import end_hold, holds
from sightgrid.store.identities import identities, marks_of, serial_of_person
from sightgrid.store.people import EnrolledFace, faces_of, names_of
from sightgrid.store.photos import photos_of
from sightgrid.store.schema import DECISION, IDENTITY, LOOK, SIGHTING, VISIT
from sightgrid.store.schema_accounts import AUDIT_EVENT, AUDIT_HEAD
from sightgrid.store.schema_arrival import EVENT, RECEIVED
from sightgrid.store.schema_ledger import PROTOTYPE
from sightgrid.store.schema_subjects import CROP, DATA_KEY, ENROLLED_PHOTO

SHORT = RetentionSettings(
    crops=timedelta(hours=12),
    strangers=timedelta(days=4),
    sightings=timedelta(days=6),
    visits=timedelta(days=9),
    enrolment=timedelta(days=10),
    audit=timedelta(days=14),
)
HERE: dict[str, Any] = {"by": "account:a", "reason": "looks like her", "at": NOON}


def at(days: float) -> datetime:
    return NOON + timedelta(days=days)


def seen(who: int, days: float, *, camera: str = "hall", group: int = 1) -> Sighting:
    return sighting(who, days * 86_400, days * 86_400 + 2, camera=camera, group=group)


def run(store: Store, days: float, settings: RetentionSettings = SHORT, **how: Any) -> Any:
    """What a run at that time did, by class."""
    done = retain(store, settings, at=at(days), actor="retention", **how)
    return {one.kind: one for one in done}


def removed(done: Mapping[RetentionClass, Expired]) -> dict[str, dict[str, int]]:
    """What is gone, by class, without the classes in which nothing is."""
    return {
        kind.value: {what: count for what, count in one.removed.items() if count}
        for kind, one in done.items()
        if one.total
    }


def oldest(store: Store) -> dict[RetentionClass, datetime | None]:
    """The oldest record of each class, looked up in the rows themselves."""
    named = sa.select(IDENTITY.c.serial).where(IDENTITY.c.person_id.is_not(None))
    answered = sa.and_(
        DECISION.c.sighting_id == SIGHTING.c.sighting_id,
        DECISION.c.revision == SIGHTING.c.revision,
    )
    strangers = (
        sa.select(sa.func.min(SIGHTING.c.last_seen))
        .select_from(SIGHTING)
        .join(DECISION, answered)
        .outerjoin(LOOK, LOOK.c.sighting_id == SIGHTING.c.sighting_id)
        .outerjoin(CROP, CROP.c.sighting_id == SIGHTING.c.sighting_id)
        .where(
            sa.or_(DECISION.c.serial.is_(None), DECISION.c.serial.not_in(named)),
            sa.or_(
                SIGHTING.c.template.is_not(None),
                LOOK.c.vector.is_not(None),
                CROP.c.jpeg.is_not(None),
            ),
        )
    )
    crops = sa.select(sa.func.min(SIGHTING.c.last_seen)).join(
        CROP, CROP.c.sighting_id == SIGHTING.c.sighting_id
    )
    asked = {
        RetentionClass.CROPS: crops,
        RetentionClass.STRANGERS: strangers,
        RetentionClass.SIGHTINGS: sa.select(sa.func.min(SIGHTING.c.last_seen)),
        RetentionClass.VISITS: sa.select(sa.func.min(VISIT.c.last_seen)),
        RetentionClass.ENROLMENT: sa.select(sa.func.min(ENROLLED_PHOTO.c.added_at)),
        RetentionClass.AUDIT: sa.select(sa.func.min(AUDIT_EVENT.c.at)),
    }
    with store.snapshot() as tx:
        return {kind: tx.connection.scalar(one) for kind, one in asked.items()}


def totals_of(tx: Transaction) -> dict[int, bytes | None]:
    """What every serial looks like, sealed."""
    rows = tx.connection.execute(sa.select(PROTOTYPE.c.serial, PROTOTYPE.c.total))
    return {serial: total for serial, total in rows}


def hold_it(store: Store, scope: HoldScope, *, days: float, ends: float) -> Hold:
    with store.transaction() as tx:
        return hold(
            tx,
            scope,
            owner="the court",
            reason="case 12",
            made_by="account:a",
            at=at(days),
            ends_at=at(ends),
        )


@pytest.mark.parametrize(
    ("settings", "step", "weeks"),
    [
        (SHORT, timedelta(hours=12), 3),
        pytest.param(
            replace(RetentionSettings(), audit=timedelta(days=40), enrolment=timedelta(days=35)),
            timedelta(hours=6),
            8,
            marks=pytest.mark.reliability,
        ),
    ],
)
def test_nothing_is_older_than_its_class_however_many_weeks_go_by(
    served: Store, settings: RetentionSettings, step: timedelta, weeks: int
) -> None:
    live = Live(served)
    live.enrol([enrol("Annabella", 0)])
    with served.snapshot() as tx:
        ((anna, _),) = names_of(tx).items()
        if tx.connection.dialect.name != "sqlite":
            # a run there takes seconds, as each table is looked through
            step *= 4
    steps = timedelta(weeks=weeks) // step
    serials, most = 0, {kind: timedelta() for kind in RetentionClass}
    for number in range(1, steps + 1):
        days = number * step / timedelta(days=1)
        live.clock = at(days)
        # Anna passes, a stranger who comes every day, one who comes once, and somebody too poor
        live.takes(
            seen(0, days - 0.01, group=4 * number),
            seen(1, days - 0.02, group=4 * number + 1),
            seen(2 + number % 9, days - 0.03, group=4 * number + 2),
            sighting(
                15,
                (days - 0.04) * 86_400,
                (days - 0.04) * 86_400 + 2,
                group=4 * number + 3,
                worth=0.2,
            ),
        )
        if number % 7 == 0:
            with served.transaction() as tx:
                face = EnrolledFace(enrol("Annabella", 0).faces[0])
                enrol_faces(tx, anna, [face], photo=b"photo %d" % number, at=at(days))
        run(served, days, settings)
        for kind, moment in oldest(served).items():
            if moment is not None:
                age = at(days) - moment
                most[kind] = max(most[kind], age)
                kept_for = settings.kept_for(kind)
                assert kept_for is not None
                assert age <= kept_for + timedelta(hours=1), (kind, days)
        with served.snapshot() as tx:
            known = tx.connection.scalar(sa.select(sa.func.max(IDENTITY.c.serial)))
        assert known >= serials, "no serial is given out twice"
        serials = known
    # and everything is kept about as long as it may be
    for kind in oldest(served):
        kept_for = settings.kept_for(kind)
        assert kept_for is not None
        assert most[kind] > kept_for - 2 * step, kind
    with served.snapshot() as tx:
        assert verify_audit(tx).first_bad is None
        told = tx.connection.scalar(sa.select(sa.func.min(EVENT.c.made_at)))
        assert told >= at(7 * weeks) - settings.sightings
        keys = set(tx.connection.scalars(sa.select(DATA_KEY.c.subject)))
        stored = set(tx.connection.scalars(sa.select(SIGHTING.c.sighting_id)))
        received = tx.connection.scalar(sa.select(sa.func.count()).select_from(RECEIVED))
    assert {key for key in keys if key.startswith("sighting:")} <= {
        f"sighting:{one}" for one in stored
    }
    assert received == 4 * steps, "that it came stays known"


def test_a_stranger_past_the_time_loses_face_label_and_key_and_keeps_the_serial(
    served: Store,
) -> None:
    live = Live(served)
    made = seen(1, 0)
    live.takes(made)
    with served.transaction() as tx:
        editing.label(tx, 1, "the gardener", **HERE)
    live.clock = at(3)
    live.takes(seen(2, 3, group=2))
    done = run(served, 4.5)
    assert removed(done)["strangers"] == {"faces": 1, "identities": 1}
    with served.snapshot() as tx:
        assert 1 not in marks_of(tx)
        assert crop(tx, made.sighting_id) is None
        keys = set(tx.connection.scalars(sa.select(DATA_KEY.c.subject)))
        totals = totals_of(tx)
        vectors = tx.connection.scalar(
            sa.select(sa.func.count())
            .select_from(LOOK)
            .where(LOOK.c.sighting_id == made.sighting_id, LOOK.c.vector.is_not(None))
        )
    assert vectors == 0
    assert totals[1] is None
    assert totals[2] is not None
    assert not {"identity:1", f"sighting:{made.sighting_id}"} & keys
    # where and when they were is kept as long as sightings are
    assert live.serial(made) == 1
    assert len(live.visits(1)) == 1
    live.clock = at(4.5)
    back = seen(1, 4.5, group=3)
    live.takes(back)
    assert live.serial(back) == 3


def test_a_stranger_who_keeps_coming_is_known_by_what_is_young_enough(served: Store) -> None:
    live = Live(served)
    for day in range(6):
        live.clock = at(day)
        live.takes(seen(1, day - 0.01, group=day))
    with served.transaction() as tx:
        editing.label(tx, 1, "the postman", **HERE)
    done = run(served, 5)
    assert removed(done)["strangers"] == {"faces": 2}
    with served.snapshot() as tx:
        assert marks_of(tx)[1] == (False, "the postman")
        row = tx.connection.execute(sa.select(PROTOTYPE)).one()
    assert (row.sightings, row.first_seen) == (4, at(1.99))
    back = seen(1, 5, group=9)
    live.takes(back)
    assert live.serial(back) == 1


def test_a_merged_stranger_stays_as_long_as_either_was_seen(served: Store) -> None:
    live = Live(served, settings=LiveSettings(stranger_window=timedelta(days=10)))
    live.takes(seen(1, 0), seen(2, 0.001, group=2))
    with served.transaction() as tx:
        editing.label(tx, 1, "twin", **HERE)
        editing.merge(tx, 2, into=1, **HERE)
    live.clock = at(3)
    live.takes(seen(2, 3, group=3))
    assert "identities" not in removed(run(served, 4.5))["strangers"]
    with served.snapshot() as tx:
        assert marks_of(tx)[1] == (False, "twin")
    assert removed(run(served, 7.5))["strangers"]["identities"] >= 1
    with served.snapshot() as tx:
        assert marks_of(tx) == {}


def test_visits_outlive_their_sightings_and_edits_leave_them(served: Store) -> None:
    live = Live(served)
    live.takes(seen(1, 0), seen(2, 0.001, group=2))
    before = live.visits(1)
    live.clock = at(5)
    live.takes(seen(1, 5, group=3))
    run(served, 6.5)
    with served.snapshot() as tx:
        assert tx.connection.scalar(sa.select(sa.func.count()).select_from(SIGHTING)) == 1
    assert [visit.first_seen for visit in live.visits(1)] == [before[0].first_seen]
    # the newer one is a stranger of their own: the first was forgotten after four days
    with served.transaction() as tx:
        made = editing.merge(tx, 1, into=3, **HERE)
    assert [visit.first_seen for visit in live.visits(3)] == [
        before[0].first_seen,
        seen(1, 5).first_seen,
    ]
    with served.transaction() as tx:
        editing.undo(tx, made.edit_id, by="account:a", at=at(7))
    assert len(live.visits(1)) == len(live.visits(3)) == 1
    run(served, 9.5)
    assert live.visits(1) == []


def test_a_dry_run_says_what_a_run_then_does_and_changes_nothing(served: Store) -> None:
    live = Live(served)
    live.enrol([enrol("Annabella", 0)])
    for number in range(5):
        live.clock = at(number)
        live.takes(seen(0, number, group=number), seen(1 + number, number + 0.01, group=9))
    dry = run(served, 8, dry_run=True)
    assert removed(dry)["sightings"] == {"sightings": 4}
    with served.snapshot() as tx:
        assert audit_events(tx) == []
        assert tx.connection.scalar(sa.select(sa.func.count()).select_from(SIGHTING)) == 10
    # crops of strangers are counted twice dry: as pictures, and as part of strangers
    wet = removed(run(served, 8))
    expected = removed(dry)
    expected["strangers"].pop("crops")
    # what lost its face by the rule before is a sighting all the same
    assert wet == expected
    assert removed(run(served, 8)) == {}


def test_every_class_that_lost_something_has_its_row_in_the_audit(served: Store) -> None:
    live = Live(served)
    live.takes(seen(1, 0))
    run(served, 1)
    run(served, 1.1)
    run(served, 7)
    with served.snapshot() as tx:
        rows = [(row.action, row.subject, dict(row.details)) for row in audit_events(tx)]
    assert [(action, subject) for action, subject, _ in rows] == [
        ("retention", "sightings"),
        ("retention", "strangers"),
        ("retention", "crops"),
    ]
    assert rows[2][2] == {"crops": 3, "held": 0, "before": at(0.5).isoformat()}
    run(served, 7.1, note_all=True)
    with served.snapshot() as tx:
        noted = audit_events(tx, limit=len(RetentionClass) - 1)
    assert {row.subject for row in noted} == {kind.value for kind in RetentionClass} - {"audit"}
    assert {row.details["held"] for row in noted} == {0}


def test_a_hold_on_a_stranger_keeps_all_of_them_until_it_ends_by_itself(served: Store) -> None:
    live = Live(served)
    held, other = seen(1, 0), seen(2, 0.001, group=2)
    live.takes(held, other)
    with served.transaction() as tx:
        editing.label(tx, 1, "the gardener", **HERE)
    hold_it(served, HeldSerial(1), days=0, ends=20)
    done = run(served, 19)
    assert {kind.value: one.held for kind, one in done.items() if one.held} == {
        "crops": 1,
        "strangers": 1,
        "sightings": 1,
        "visits": 1,
    }
    with served.snapshot() as tx:
        assert crop(tx, held.sighting_id) is not None
        assert marks_of(tx)[1] == (False, "the gardener")
        assert set(tx.connection.scalars(sa.select(SIGHTING.c.sighting_id))) == {held.sighting_id}
    assert len(live.visits(1)) == 1
    assert live.visits(2) == []
    run(served, 20.1)
    with served.snapshot() as tx:
        assert tx.connection.scalar(sa.select(sa.func.count()).select_from(SIGHTING)) == 0
        assert marks_of(tx) == {}
        (over,) = holds(tx)
        assert (over.owner, over.reason, over.is_on(at(20.1))) == ("the court", "case 12", False)
    # the hold itself is part of the audit, and goes with it
    run(served, 34.5)
    with served.snapshot() as tx:
        assert holds(tx) == []
        assert not any(
            key.startswith("hold:") for key in tx.connection.scalars(sa.select(DATA_KEY.c.subject))
        )


def test_a_hold_follows_a_merge_and_ends_when_somebody_ends_it(served: Store) -> None:
    live = Live(served)
    one, other = seen(1, 0), seen(2, 0.001, group=2)
    live.takes(one, other)
    made = hold_it(served, HeldSerial(2), days=0, ends=20)
    with served.transaction() as tx:
        editing.merge(tx, 2, into=1, **HERE)
    assert run(served, 7)[RetentionClass.SIGHTINGS].held == 2
    with served.transaction() as tx:
        end_hold(tx, made.hold_id, by="account:b", at=at(7))
        with pytest.raises(NotFound, match="over already"):
            end_hold(tx, made.hold_id, by="account:b", at=at(7))
    assert removed(run(served, 7.1))["sightings"] == {"sightings": 2}


def test_a_hold_on_a_camera_keeps_what_it_saw_then(served: Store) -> None:
    live = Live(served)
    inside, outside = seen(1, 0.5), seen(1, 0.8, group=2)
    elsewhere = seen(2, 0.5, camera="stairs", group=3)
    live.clock = at(1)
    live.takes(inside, outside, elsewhere)
    hold_it(served, HeldView("hall", at(0.4), at(0.6)), days=1, ends=100)
    run(served, 40)
    with served.snapshot() as tx:
        assert set(tx.connection.scalars(sa.select(SIGHTING.c.sighting_id))) == {inside.sighting_id}
        assert crop(tx, inside.sighting_id) is not None
        # who that is stays known as well
        assert [row.serial for row in identities(tx) if row.sightings] == [1]
        totals = totals_of(tx)
    assert totals[1] is not None
    assert [visit.first_seen for visit in live.visits(1)] == [inside.first_seen]


def test_faces_go_with_the_last_consent_whatever_is_held(served: Store) -> None:
    live = Live(served)
    live.enrol([enrol("Annabella", 0), enrol("Bruno", 1)])
    with served.transaction() as tx:
        ids = {name: person_id for person_id, name in names_of(tx).items()}
        for person_id in ids.values():
            for consent_id in consents_of(tx, person_id):
                withdraw_consent(tx, consent_id, at=at(1))
    hold_it(served, HeldPerson(ids["Annabella"]), days=0, ends=20)
    forever = RetentionSettings()
    done = run(served, 0.9, forever)[RetentionClass.ENROLMENT]
    assert (done.total, done.held, done.before) == (0, 0, None)
    dry = run(served, 1, forever, dry_run=True)[RetentionClass.ENROLMENT]
    done = run(served, 1, forever)[RetentionClass.ENROLMENT]
    assert dict(done.removed) == {"people": 2, "faces": 2, "photos": 2, "removals": 0}
    assert dry == done
    with served.snapshot() as tx:
        assert [photos_of(tx, person_id) for person_id in ids.values()] == [{}, {}]
        assert sorted(names_of(tx).values()) == ["Annabella", "Bruno"], "they stay on the roster"
    live.clock = at(2)
    bruno = seen(1, 2, group=5)
    live.takes(bruno)
    with served.snapshot() as tx:
        assert live.serial(bruno) != serial_of_person(tx, ids["Bruno"])


def test_who_was_taken_off_the_roster_is_deleted_unless_held(served: Store) -> None:
    live = Live(served)
    live.enrol([enrol("Annabella", 0), enrol("Bruno", 1)])
    with served.transaction() as tx:
        ids = {name: person_id for person_id, name in names_of(tx).items()}
        for person_id in ids.values():
            remove_person(tx, person_id, by="account:m", at=at(0))
    hold_it(served, HeldPerson(ids["Bruno"]), days=0, ends=2.5)
    assert removed(run(served, 0.9)) == {}
    done = run(served, 1.1)[RetentionClass.ENROLMENT]
    assert (done.removed["removals"], done.held) == (1, 1)
    with served.snapshot() as tx:
        assert list(names_of(tx).values()) == ["Bruno"]
    run(served, 2.6)
    with served.snapshot() as tx:
        assert names_of(tx) == {}


def test_enrolment_photos_older_than_their_time_go_one_by_one(served: Store) -> None:
    live = Live(served)
    live.enrol([enrol("Annabella", 0)])
    with served.transaction() as tx:
        ((anna, _),) = names_of(tx).items()
        newer = EnrolledFace(enrol("Annabella", person(3)).faces[0])
        enrol_faces(tx, anna, [newer], photo=b"newer", at=at(5))
    done = run(served, 11)[RetentionClass.ENROLMENT]
    assert dict(done.removed) == {"people": 1, "faces": 1, "photos": 1, "removals": 0}
    with served.snapshot() as tx:
        assert list(photos_of(tx, anna).values()) == [b"newer"]
        left = faces_of(tx, [anna], newer.embedding.contract)[anna]
    assert [face.vector.tolist() for face in left] == [person(3).tolist()]


def test_what_comes_when_its_time_is_over_is_not_stored(served: Store) -> None:
    live = Live(served)
    live.intake = Intake(
        served,
        policy=live.intake._policy,
        contract=live.intake._contract,
        retention=SHORT,
        clock=lambda: live.clock,
    )
    live.clock = at(10)
    gone, bare, whole = seen(1, 3.9), seen(2, 9, group=2), seen(3, 9.9, group=3)
    taken = live.intake.take_in(BOX, [arrived(one) for one in (gone, bare, whole)])
    assert [(one.status, one.code) for one in taken.receipts] == [
        ("stored", "expired"),
        ("stored", None),
        ("stored", None),
    ]
    with served.snapshot() as tx:
        assert set(tx.connection.scalars(sa.select(SIGHTING.c.sighting_id))) == {
            bare.sighting_id,
            whole.sighting_id,
        }
        assert crop(tx, bare.sighting_id) is None
        assert crop(tx, whole.sighting_id) is not None
    again = live.intake.take_in(BOX, [arrived(gone)])
    assert [one.status for one in again.receipts] == ["duplicate"]


def test_the_audit_is_cut_and_still_holds(served: Store) -> None:
    live = Live(served)
    live.takes(seen(1, 0))
    run(served, 1)
    with served.transaction() as tx:
        editing.hide(tx, 1, hidden=True, **HERE)
    assert removed(run(served, 16))["audit"] == {"rows": 1}
    with served.snapshot() as tx:
        verdict, rows = verify_audit(tx), audit_events(tx)
        assert verdict.first_bad is None
        assert rows[0].action == "audit-cut"
        assert rows[0].details["rows"] == 1
        assert rows[-1].number == rows[0].details["first"]
        (edit,) = edits_made(tx)
    assert (edit.made_by, edit.reason) == ("expired", "")
    with served.transaction() as tx:
        tx.connection.execute(sa.delete(AUDIT_EVENT).where(AUDIT_EVENT.c.number == rows[-1].number))
        tx.connection.execute(
            sa.update(AUDIT_HEAD).values(
                first_number=rows[-1].number + 1,
                first_before=sa.select(AUDIT_EVENT.c.previous_hash)
                .where(AUDIT_EVENT.c.number == rows[-1].number + 1)
                .scalar_subquery(),
            )
        )
    with served.snapshot() as tx:
        found = verify_audit(tx)
    assert found.first_bad == rows[-1].number + 1
    assert "no row says so" in found.reason


@pytest.mark.parametrize(
    ("scope", "ends", "error"),
    [
        (HeldSerial(9), 5, NotFound),
        (HeldPerson("nobody"), 5, NotFound),
        (HeldView("attic", NOON, at(1)), 5, NotFound),
        (HeldView("hall", at(1), NOON), 5, InvalidValue),
        (HeldSerial(1), -1, InvalidValue),
    ],
)
def test_a_hold_on_nothing_is_refused(
    served: Store, scope: HoldScope, ends: float, error: type[Exception]
) -> None:
    Live(served).takes(seen(1, 0))
    with pytest.raises(error):
        hold_it(served, scope, days=0, ends=ends)


def test_the_database_of_a_run_is_not_retained(tmp_path: Path) -> None:
    with Store.open(tmp_path / "run.db", create=True) as plain, pytest.raises(StoreError):
        run(plain, 1)


def test_a_consent_that_holds_again_keeps_what_was_enrolled(served: Store) -> None:
    live = Live(served)
    live.enrol([enrol("Annabella", 0)])
    with served.transaction() as tx:
        ((anna, _),) = names_of(tx).items()
        (first,) = consents_of(tx, anna)
        withdraw_consent(tx, first, at=at(1))
        record_consent(tx, anna, consent())
    assert run(served, 2, RetentionSettings())[RetentionClass.ENROLMENT].total == 0
