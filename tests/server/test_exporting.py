"""What a person is handed of themselves: all of it, and nobody else."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from datetime import timedelta

import cv2
import numpy as np
import pytest
from tests.server.conftest import Served

from sightgrid.domain.attendance import Course, Span
from sightgrid.domain.errors import NotFound
from sightgrid.domain.geometry import Box
from sightgrid.domain.people import Consent
from sightgrid.ledger.attending import close_session, open_session
from sightgrid.ledger.enrolling import enrol_person
from sightgrid.ledger.registering import contest
from sightgrid.server.exporting import export_person, only_the_middle, only_these
from sightgrid.store.audit import audit_events
from sightgrid.store.courses import add_course, add_session
from sightgrid.store.people import insert_person


def test_everything_of_a_person_and_of_nobody_else(served: Served) -> None:
    now = served.clock()
    with served.site.store.transaction() as tx:
        consent = Consent(
            "attendance", "1", "f" * 64, "en", "paper", "folder 3", "Anna Berg", "test", now
        )
        anna = enrol_person(tx, "Anna Berg", consent=consent, at=now).person_id
        bo = insert_person(tx, "Bo Chen", {}, added_at=now)
        course = add_course(tx, Course("", "Logic", "UTC", people=(anna, bo)), at=now)
        span = Span(now, now + timedelta(hours=1))
        session = add_session(tx, course.course_id, span, origin="hand").session_id
        open_session(tx, session, by="test", at=now)
        close_session(tx, session, by="test", at=span.ends_at)
        contest(tx, session, anna, "=I was there", at=span.ends_at)
    made = export_person(served.site, anna, actor="test")
    assert (made.counts["marks"], made.counts["consents"], made.counts["disputes"]) == (1, 1, 1)
    with zipfile.ZipFile(io.BytesIO(made.data)) as file:
        person = json.loads(file.read("person.json"))
        marks = list(csv.DictReader(io.StringIO(file.read("registers.csv").decode("utf-8-sig"))))
        everything = b"".join(file.read(name) for name in file.namelist())
    assert person["details"]["name"] == "Anna Berg"
    assert person["consents"][0]["channel"] == "paper"
    assert (marks[0]["course"], marks[0]["status"]) == ("Logic", "absent")
    assert b"I was there" in everything
    assert b"Bo Chen" not in everything
    assert bo.encode() not in everything
    with served.site.store.snapshot() as tx:
        noted = audit_events(tx, limit=1)[0]
    assert (noted.action, anna in noted.subject) == ("export", False)
    with pytest.raises(NotFound, match="no person"):
        export_person(served.site, "nobody", actor="test")


def test_others_are_blurred() -> None:
    # stripes a pixel wide: gone wherever it is blurred
    stripes = np.zeros((240, 320, 3), np.uint8)
    stripes[:, ::2] = 255
    shown = only_these(stripes, Box(100, 80, 140, 130))
    assert np.array_equal(shown[80:130, 100:140], stripes[80:130, 100:140])
    assert np.ptp(shown[:40].astype(int)) < 64
    assert np.ptp(shown[:, 200:].astype(int)) < 64
    crop = cv2.imencode(".png", stripes[:112, :112])[1].tobytes()
    middle = cv2.imdecode(np.frombuffer(only_the_middle(crop), np.uint8), cv2.IMREAD_COLOR)
    assert middle is not None
    assert np.ptp(middle[50:60, 50:60].astype(int)) > 150
    assert np.ptp(middle[:4, :4].astype(int)) < 64
    assert only_the_middle(b"") == b""
