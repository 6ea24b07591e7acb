"""The roster over the API: adding, changing, removing, undoing, searching, files, consents."""

from __future__ import annotations

import csv
import io
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from tests.server.conftest import Served, error_of
from tests.store.conftest import embedding

from sightgrid.configuration.settings import PeopleSettings
from sightgrid.domain.accounts import Role
from sightgrid.domain.attributes import STUDENT
from sightgrid.ledger.people import finish_removals, forget_lapsed
from sightgrid.store.people import EnrolledFace, insert_faces

ANNA = {"student_id": "s-1", "name": "Anna Berg", "class": "7b", "birthday": "2012-05-01"}
CONSENT = {
    "text_version": "2026-01",
    "text": "I agree to be recognised.",
    "channel": "paper",
    "evidence": "folder 3, page 4",
    "given_by": "Anna Berg",
}


@pytest.fixture
def school(served: Served) -> Served:
    """A site whose people are students."""
    site = served.site
    site.settings = replace(
        site.settings,
        configuration=replace(site.configuration, people=PeopleSettings(STUDENT, adult_at=16)),
    )
    return served


@pytest.fixture
def secretary(school: Served) -> TestClient:
    return school.program(Role.ATTENDANCE_MANAGER)


def add(client: TestClient, **fields: str) -> dict[str, Any]:
    answer = client.post("/api/v1/people", json={"fields": {**ANNA, **fields}})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def problems(answer: Any) -> dict[str, str]:
    assert answer.status_code == 422, answer.text
    return {one["field"]: one["problem"] for one in answer.json()["error"]["details"]["fields"]}


def names(client: TestClient, **params: Any) -> list[str]:
    return [one["name"] for one in client.get("/api/v1/people", params=params).json()["items"]]


def test_somebody_is_added_shown_changed_and_changed_back(secretary: TestClient) -> None:
    made = add(secretary, email="anna@school.test")
    assert (made["identity"], made["agreed"], made["faces"]) == (None, False, 0)
    assert made["fields"]["photo_status"] == "none"
    path = f"/api/v1/people/{made['person_id']}"
    change = {"fields": {"class": "8b", "email": ""}}
    changed = secretary.patch(path, json=change).json()
    assert (changed["person"]["fields"]["class"], "email" in changed["person"]["fields"]) == (
        "8b",
        False,
    )
    assert secretary.patch(path, json=change).json()["change_id"] is None
    undo = f"/api/v1/people/changes/{changed['change_id']}/undo"
    assert secretary.post(undo).json() == made
    assert secretary.get(path).json() == made
    assert error_of(secretary.post(undo)) == "invalid"


def test_a_change_that_was_overtaken_is_not_undone(secretary: TestClient) -> None:
    path = f"/api/v1/people/{add(secretary)['person_id']}"
    first = secretary.patch(path, json={"fields": {"class": "8b"}}).json()["change_id"]
    secretary.patch(path, json={"fields": {"class": "9b"}})
    answer = secretary.post(f"/api/v1/people/changes/{first}/undo")
    assert (answer.status_code, "class" in answer.text) == (422, True)
    assert secretary.get(path).json()["fields"]["class"] == "9b"


def test_mistakes_are_told_at_their_field(secretary: TestClient) -> None:
    add(secretary)
    wrong = {"birthday": "1.5.2012", "email": "anna", "shoe": "38"}
    answer = secretary.post("/api/v1/people", json={"fields": {**wrong, "name": " "}})
    assert set(problems(answer)) == {"student_id", "name", "birthday", "email", "shoe"}
    taken = secretary.post("/api/v1/people", json={"fields": {**ANNA, "student_id": "S-1"}})
    assert set(problems(taken)) == {"student_id"}
    other = add(secretary, student_id="s-2")
    moved = secretary.patch(
        f"/api/v1/people/{other['person_id']}", json={"fields": {"student_id": "s-1"}}
    )
    assert set(problems(moved)) == {"student_id"}
    assert names(secretary) == ["Anna Berg", "Anna Berg"], "two students may have one name"


def test_without_a_number_the_name_tells_people_apart(served: Served) -> None:
    owner = served.program(Role.OWNER)
    body = {"fields": {"name": "Anna Berg"}}
    assert owner.post("/api/v1/people", json=body).status_code == 201
    assert set(problems(owner.post("/api/v1/people", json=body))) == {"name"}
    body["fields"]["number"] = "7"
    assert owner.post("/api/v1/people", json=body).status_code == 201


def test_search_sorting_and_pages(secretary: TestClient) -> None:
    for number, name in enumerate(["Zoë Ångström", "Bo Chen", "Đỗ Thị Ánh", "Bo Berg"]):
        add(secretary, student_id=f"s-{number}", name=name, **{"class": f"{9 - number}a"})
    assert names(secretary) == ["Bo Berg", "Bo Chen", "Đỗ Thị Ánh", "Zoë Ångström"]
    assert names(secretary, sort="-name") == names(secretary)[::-1]
    assert names(secretary, sort="class")[0] == "Bo Berg"
    assert names(secretary, search="angstrom zoe") == ["Zoë Ångström"]
    assert names(secretary, search="do thi anh") == ["Đỗ Thị Ánh"]
    assert names(secretary, search="bo 8A") == ["Bo Chen"]
    for sort in ("name", "-name"):
        seen: list[str] = []
        cursor = None
        while True:
            params = {"limit": 3, "sort": sort} | ({} if cursor is None else {"cursor": cursor})
            page = secretary.get("/api/v1/people", params=params).json()
            seen += [one["name"] for one in page["items"]]
            assert page["total"] == 4
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert seen == names(secretary, sort=sort)
    assert secretary.get("/api/v1/people", params={"cursor": "x!"}).status_code == 422
    assert secretary.get("/api/v1/people", params={"sort": "shoe"}).status_code == 422


def test_who_is_removed_can_be_put_back_for_a_day(school: Served, secretary: TestClient) -> None:
    person_id = add(secretary)["person_id"]
    gone = secretary.delete(f"/api/v1/people/{person_id}").json()
    assert (names(secretary), names(secretary, removed=True)) == ([], ["Anna Berg"])
    assert secretary.delete(f"/api/v1/people/{person_id}").status_code == 422
    assert finish_removals(school.site.store, at=school.clock()) == 0
    assert secretary.post(f"/api/v1/people/changes/{gone['change_id']}/undo").status_code == 200
    assert names(secretary) == ["Anna Berg"]
    secretary.delete(f"/api/v1/people/{person_id}")
    school.clock.forward(hours=25)
    assert finish_removals(school.site.store, at=school.clock()) == 1
    with school.site.store.snapshot() as tx:
        assert tx.connection.exec_driver_sql("select count(*) from person").scalar() == 0
        assert tx.connection.exec_driver_sql("select count(*) from person_change").scalar() == 0


def consent(client: TestClient, person_id: str, **other: Any) -> Any:
    return client.post(f"/api/v1/people/{person_id}/consents", json={**CONSENT, **other})


def test_a_consent_names_its_text_and_a_child_needs_a_guardian(
    school: Served, secretary: TestClient
) -> None:
    person_id = add(secretary)["person_id"]
    assert set(problems(consent(secretary, person_id))) == {"guardian"}
    late = consent(secretary, person_id, guardian="Eva Berg", given_at="2030-01-01T00:00:00Z")
    assert set(problems(late)) == {"given_at"}
    assert set(problems(consent(secretary, person_id, text=None, guardian="Eva"))) == {"text"}
    given = consent(secretary, person_id, guardian="Eva Berg").json()
    assert given["holds"] is True
    assert len(given["text_sha256"]) == 64
    assert given["recorded_by"].startswith("account:")
    (listed,) = secretary.get(f"/api/v1/people/{person_id}/consents").json()["items"]
    assert listed == given
    assert secretary.get(f"/api/v1/people/{person_id}").json()["agreed"] is True
    adult = add(secretary, student_id="s-2", birthday="2001-05-01")["person_id"]
    assert consent(secretary, adult).status_code == 201


def test_withdrawing_deletes_the_face_and_switches_to_another_method(
    school: Served, secretary: TestClient
) -> None:
    person_id = add(secretary)["person_id"]
    given = consent(secretary, person_id, guardian="Eva Berg").json()
    with school.site.store.transaction() as tx:
        insert_faces(tx, person_id, [EnrolledFace(embedding(1), b"crop")])
    path = f"/api/v1/people/{person_id}/consents/{given['consent_id']}/withdraw"
    assert set(problems(secretary.post(path, json={"method": "face"}))) == {"method"}
    other = add(secretary, student_id="s-2")["person_id"]
    assert secretary.post(path.replace(person_id, other), json={}).status_code == 404
    assert secretary.post(path, json={"method": "qr"}).json()["method"] == "qr"
    now = secretary.get(f"/api/v1/people/{person_id}").json()
    assert (now["agreed"], now["faces"], now["method"]) == (False, 0, "qr")
    assert secretary.post(path, json={}).status_code == 404
    again = consent(secretary, person_id, guardian="Eva Berg")
    assert again.status_code == 201
    assert secretary.get(f"/api/v1/people/{person_id}").json()["method"] == "face"


def test_a_consent_that_runs_out_counts_as_withdrawn(school: Served, secretary: TestClient) -> None:
    person_id = add(secretary, birthday="2001-01-01")["person_id"]
    consent(secretary, person_id, expires_at="2026-01-02T20:00:00Z")
    with school.site.store.transaction() as tx:
        insert_faces(tx, person_id, [EnrolledFace(embedding(1), b"crop")])
    assert forget_lapsed(school.site.store, at=school.clock()) == 0
    school.clock.forward(hours=9)
    assert forget_lapsed(school.site.store, at=school.clock()) == 1
    now = secretary.get(f"/api/v1/people/{person_id}").json()
    assert (now["agreed"], now["faces"], now["method"]) == (False, 0, "tap")


def upload(client: TestClient, text: str, **params: Any) -> Any:
    return client.post("/api/v1/people/import", content=text.encode(), params=params)


def test_an_import_is_previewed_then_done_and_changes_who_is_there(secretary: TestClient) -> None:
    add(secretary)
    text = "Student ID;Name;Class;Birthday\r\ns-1;Anna Berg;8b;\r\n\r\ns-2;=Bo;;2011-01-31\r\n"
    wanted = {"added": 1, "changed": 1, "unchanged": 0, "problems": []}
    assert upload(secretary, text, preview=True).json() == {"preview": True} | wanted
    assert names(secretary) == ["Anna Berg"]
    assert upload(secretary, text).json() == {"preview": False} | wanted
    people = {
        one["fields"]["student_id"]: one["fields"]
        for one in secretary.get("/api/v1/people").json()["items"]
    }
    assert people["s-1"]["class"] == "8b"
    assert people["s-1"]["birthday"] == "2012-05-01", "an empty cell leaves what is there"
    assert people["s-2"]["name"] == "=Bo"
    assert upload(secretary, text).json()["unchanged"] == 2


def test_with_a_mistake_nothing_is_imported_and_each_is_named_by_line(
    secretary: TestClient,
) -> None:
    text = 'student_id,name,email\ns-1,Anna,\ns-2,,x\n"s-1","Two\nlines",\n,Cleo,c@d.test\n'
    answer = upload(secretary, text).json()
    assert [(one["line"], one["field"]) for one in answer["problems"]] == [
        (3, "email"),
        (3, "name"),
        (4, "student_id"),
        (6, "student_id"),
    ]
    assert names(secretary) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"", "line 1"),
        (b"student_id,nam\n", "'nam' is no field"),
        (b"student_id,name,name\n", "stands twice"),
        (b"name\nAnna\n", "column student_id is missing"),
        (b"student_id,name\ns-1,Anna,extra\n", "line 2: has 3 cells"),
        (b"student_id,name\ns-1,\xff\n", "line 2: this is not UTF-8"),
        (b'student_id,name\ns-1,"Anna\n', "line 2: this is no CSV"),
    ],
)
def test_what_is_no_roster_is_refused(secretary: TestClient, text: bytes, told: str) -> None:
    answer = secretary.post("/api/v1/people/import", content=text)
    assert answer.status_code == 422
    assert told in answer.json()["error"]["message"]


def test_an_export_is_safe_in_a_spreadsheet_and_comes_back_as_it_was(
    secretary: TestClient,
) -> None:
    add(secretary, name="=HYPERLINK(1)", phone="+84 123 456", address="Đường 5\n-x")
    answer = secretary.get("/api/v1/people/export.csv")
    assert answer.content.startswith(b"\xef\xbb\xbf")
    (row,) = csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline=""))
    assert (row["name"], row["phone"]) == ("'=HYPERLINK(1)", "'+84 123 456")
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in row.values())
    again = secretary.post("/api/v1/people/import", content=answer.content).json()
    assert (again["unchanged"], again["problems"]) == (1, [])


def test_five_thousand_are_imported_and_searched_quickly(
    school: Served, secretary: TestClient
) -> None:
    lines = [f"s-{n},Student {n},{n % 12}a" for n in range(5000)]
    begun = time.process_time()
    answer = upload(secretary, "\n".join(["student_id,name,class", *lines])).json()
    assert answer["added"] == 5000
    # the processor's time, so that a busy machine changes nothing
    assert time.process_time() - begun < 10
    begun = time.process_time()
    assert names(secretary, search="student 4999") == ["Student 4999"]
    assert time.process_time() - begun < 3


def test_the_audit_tells_what_was_done_and_names_nobody(
    school: Served, secretary: TestClient
) -> None:
    person_id = add(secretary, name="Theodora Quill")["person_id"]
    consent(secretary, person_id, guardian="Eva Quill")
    owner = school.program(Role.OWNER)
    text = owner.get("/api/v1/audit").text
    assert "person-added" in text
    assert "consent-given" in text
    assert "Quill" not in text
    assert person_id not in text


def test_the_fields_are_told(secretary: TestClient) -> None:
    told = secretary.get("/api/v1/people/fields").json()
    assert (told["key"], told["adult_at"], len(told["items"])) == ("student_id", 16, 13)
    assert [one["name"] for one in told["items"] if one["required"]] == ["student_id", "name"]


def test_nobody_is_enrolled_without_a_consent(secretary: TestClient) -> None:
    person_id = add(secretary)["person_id"]
    answer = secretary.post(f"/api/v1/people/{person_id}/faces", content=b"photo")
    assert (answer.status_code, "has not agreed" in answer.text) == (422, True)


def test_names_lie_in_no_byte_of_the_database(school: Served, secretary: TestClient) -> None:
    person_id = add(secretary, name="Theodora Quill")["person_id"]
    secretary.patch(f"/api/v1/people/{person_id}", json={"fields": {"name": "Theodora Plume"}})
    school.site.store.wipe_traces()
    for path in Path(school.site.settings.data_folder).glob("sightgrid.db*"):
        assert b"Theodora" not in path.read_bytes()
