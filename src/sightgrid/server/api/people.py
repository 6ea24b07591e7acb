"""People: the roster, its files, the photos that faces are learnt from."""

from __future__ import annotations

import base64
import json
from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, Field

from sightgrid.domain.accounts import Caller, Permission
from sightgrid.domain.attributes import folded
from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.people import Method
from sightgrid.server import enrolment, people
from sightgrid.server.api.answers import Cursor, Limit, Moment
from sightgrid.server.callers import ThisSite, allowed
from sightgrid.server.rosterfiles import export_roster, import_roster, told
from sightgrid.server.site import Site
from sightgrid.store.roster import PersonRow, person_row, roster

router = APIRouter(prefix="/people", tags=["people"])
Viewer = Annotated[Caller, Depends(allowed(Permission.SEE_PEOPLE))]
Manager = Annotated[Caller, Depends(allowed(Permission.MANAGE_PEOPLE))]
PersonId = Annotated[str, Path(max_length=36)]
_PICTURES = ("image/jpeg", "image/png", "image/webp", "image/bmp")


class FieldAnswer(BaseModel):
    """A field of the site's people. ``kind`` is text, long-text, date, email, phone, choice or
    computed; a computed one is never written."""

    name: str
    label: str
    kind: str
    required: bool
    choices: list[str]


class FieldList(BaseModel):
    """The fields in the order they are shown; ``key`` is the one that no two people share."""

    name: str
    key: str | None
    adult_at: int
    items: list[FieldAnswer]


class PersonAnswer(BaseModel):
    """Somebody of the roster. ``identity`` is their serial, null until they are enrolled or named;
    ``agreed`` says whether a consent of theirs holds."""

    person_id: str
    name: str
    fields: dict[str, str]
    method: Method
    identity: int | None
    agreed: bool
    faces: int
    photos: int
    added_at: Moment | None
    removed_at: Moment | None


class PeopleList(BaseModel):
    """A page of people; ``total`` counts all that were asked for."""

    items: list[PersonAnswer]
    total: int
    next_cursor: str | None = None


class PersonFields(BaseModel):
    """Fields by name; when changing, an empty value takes one away."""

    fields: dict[str, Annotated[str, Field(max_length=1000)]]


class ChangedAnswer(BaseModel):
    """A person after a change; ``change_id`` undoes it and is null where nothing changed."""

    person: PersonAnswer
    change_id: str | None


class RemovedAnswer(BaseModel):
    """Undo the removal with ``change_id``, until ``final_at``."""

    change_id: str
    final_at: Moment


class ProblemAnswer(BaseModel):
    """A mistake of an imported file."""

    line: int
    field: str
    problem: str


class ImportedAnswer(BaseModel):
    """What an import did, or would do; with problems it does nothing."""

    preview: bool
    added: int
    changed: int
    unchanged: int
    problems: list[ProblemAnswer]


class QualityAnswer(BaseModel):
    """The parts of a face's quality, each 0-1, and its width in pixels of the photo."""

    face_width_px: float
    size: float
    sharpness: float
    light: float
    pose: float
    visible: float
    certainty: float
    overall: float


class NearerAnswer(BaseModel):
    """Another enrolled person whom the photo is more like; ``score`` is a similarity."""

    person_id: str
    name: str
    score: float


class PhotoAnswer(BaseModel):
    """What became of a photo: taken, or why not. ``code`` is a word for programs: no-face,
    several-faces, too-small, cut-off, turned, badly-lit, blurred, unclear, nearer-to-another.
    ``box`` is left, top, right, bottom and ``landmarks`` five points, in pixels of the photo."""

    taken: bool
    code: str | None
    reason: str
    nearer_to: NearerAnswer | None
    box: list[float] | None
    landmarks: list[list[float]] | None
    quality: QualityAnswer | None
    faces: int


@router.get("/fields")
def list_fields(caller: Viewer, site: ThisSite) -> FieldList:
    """What is written down about a person at this site."""
    settings = site.configuration.people
    return FieldList(
        name=settings.attributes.name,
        key=settings.attributes.key,
        adult_at=settings.adult_at,
        items=[
            FieldAnswer(
                name=one.name,
                label=one.label,
                kind=one.kind.value,
                required=one.required,
                choices=list(one.choices),
            )
            for one in settings.attributes.attributes
        ],
    )


@router.get("")
def list_people(
    caller: Viewer,
    site: ThisSite,
    search: Annotated[
        str, Query(max_length=200, description="Words that all have to stand in some field.")
    ] = "",
    sort: Annotated[str, Query(max_length=40, description="A field, `-` before it: down.")] = "",
    removed: Annotated[bool, Query(description="Those who were removed instead.")] = False,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> PeopleList:
    """The roster, by name or by another field."""
    by, down = sort.removeprefix("-") or "name", sort.startswith("-")
    if by not in site.configuration.people.attributes.names:
        raise InvalidValue(f"sort: there is no field '{by}'")
    words = folded(search).split()
    with site.store.snapshot() as tx:
        rows = [row for row in roster(tx, at=site.clock(), removed=removed) if _has(row, words)]

    def place(row: PersonRow) -> tuple[str, str]:
        return folded(told(row, by)), row.person_id

    rows.sort(key=place, reverse=down)
    after = _read_cursor(cursor)
    page = [
        one for one in rows if after is None or (place(one) < after if down else place(one) > after)
    ]
    return PeopleList(
        items=[_answer(row, site) for row in page[:limit]],
        total=len(rows),
        next_cursor=_write_cursor(place(page[limit - 1])) if len(page) > limit else None,
    )


@router.post("", status_code=201)
def add_person(body: PersonFields, caller: Manager, site: ThisSite) -> PersonAnswer:
    """Adds somebody. Nobody is recognised by that: it takes a consent and photos."""
    return _answer(people.add(site, body.fields, actor=caller.known_as), site)


@router.get("/export.csv")
def export_people(caller: Manager, site: ThisSite) -> Response:
    """Everybody as CSV for spreadsheets; noted in the audit."""
    return Response(
        export_roster(site, actor=caller.known_as),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="people.csv"'},
    )


@router.post(
    "/import",
    openapi_extra={
        "requestBody": {"required": True, "content": {"text/csv": {"schema": {"type": "string"}}}}
    },
)
async def import_people(
    request: Request,
    caller: Manager,
    site: ThisSite,
    preview: Annotated[bool, Query(description="Only say what would be done.")] = False,
) -> ImportedAnswer:
    """Adds and changes the people of a CSV file (the body); with a mistake in it, nobody."""
    data = await request.body()
    done = await anyio.to_thread.run_sync(
        lambda: import_roster(site, data, actor=caller.known_as, preview=preview)
    )
    return ImportedAnswer(
        preview=preview,
        added=done.added,
        changed=done.changed,
        unchanged=done.unchanged,
        problems=[
            ProblemAnswer(line=one.line, field=one.field, problem=one.problem)
            for one in done.problems
        ],
    )


@router.post("/changes/{change_id}/undo")
def undo_person_change(
    change_id: Annotated[str, Path(max_length=36)], caller: Manager, site: ThisSite
) -> PersonAnswer:
    """Makes a change or a removal of a person as if it had not been."""
    return _answer(people.undo(site, change_id, actor=caller.known_as), site)


@router.get("/{person_id}")
def show_person(person_id: PersonId, caller: Viewer, site: ThisSite) -> PersonAnswer:
    """One person."""
    with site.store.snapshot() as tx:
        return _answer(person_row(tx, person_id, at=site.clock()), site)


@router.patch("/{person_id}")
def change_person(
    person_id: PersonId, body: PersonFields, caller: Manager, site: ThisSite
) -> ChangedAnswer:
    """Changes the fields that are given."""
    done = people.change(site, person_id, body.fields, actor=caller.known_as)
    return ChangedAnswer(person=_answer(done.person, site), change_id=done.change_id)


@router.delete("/{person_id}")
def remove_person(
    person_id: PersonId,
    caller: Manager,
    site: ThisSite,
    reason: Annotated[str, Query(max_length=500)] = "",
) -> RemovedAnswer:
    """Takes somebody out of the roster. They are recognised no more at once; after a day their
    photos, faces and consents are deleted."""
    now = site.clock()
    change_id = people.remove(site, person_id, actor=caller.known_as, reason=reason)
    return RemovedAnswer(change_id=change_id, final_at=people.removal_final(now))


@router.post(
    "/{person_id}/faces",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                kind: {"schema": {"type": "string", "format": "binary"}} for kind in _PICTURES
            },
        }
    },
)
async def enrol_face(
    person_id: PersonId,
    request: Request,
    caller: Manager,
    site: ThisSite,
    anyway: Annotated[
        bool, Query(description="Take it even if it is more like somebody else.")
    ] = False,
) -> PhotoAnswer:
    """Learns the face of a photo (the body), or says why not. Needs a consent that holds."""
    photo = await request.body()
    done = await anyio.to_thread.run_sync(
        lambda: enrolment.enrol_photo(site, person_id, photo, actor=caller.known_as, anyway=anyway)
    )
    return photo_answer(done)


@router.delete("/{person_id}/faces", status_code=204)
def remove_faces(person_id: PersonId, caller: Manager, site: ThisSite) -> None:
    """Deletes a person's enrolled faces and photos, to begin anew."""
    enrolment.remove_all_faces(site, person_id, actor=caller.known_as)


def photo_answer(done: enrolment.EnrolledPhoto) -> PhotoAnswer:
    """What became of a photo, as it is told."""
    crop = done.crop
    quality = None if crop is None else crop.quality
    code = None if done.taken else "nearer-to-another" if done.fault is None else done.fault.value
    nearer = done.nearer
    return PhotoAnswer(
        taken=done.taken,
        code=code,
        reason=done.reason,
        nearer_to=None
        if nearer is None
        else NearerAnswer(
            person_id=nearer.person_id, name=nearer.name, score=round(nearer.score, 4)
        ),
        box=None
        if crop is None
        else [
            round(edge, 1)
            for box in [crop.box_in_frame]
            for edge in (box.left, box.top, box.right, box.bottom)
        ],
        landmarks=None
        if crop is None
        else [[round(float(x), 1), round(float(y), 1)] for x, y in crop.landmarks_in_frame],
        quality=None
        if quality is None
        else QualityAnswer(
            face_width_px=round(quality.face_width_px, 1),
            size=round(quality.size, 3),
            sharpness=round(quality.sharpness, 3),
            light=round(quality.light, 3),
            pose=round(quality.pose, 3),
            visible=round(quality.visible, 3),
            certainty=round(quality.certainty, 3),
            overall=round(quality.overall, 3),
        ),
        faces=done.faces,
    )


def _answer(row: PersonRow, site: Site) -> PersonAnswer:
    return PersonAnswer(
        person_id=row.person_id,
        name=row.name,
        fields={
            name: value
            for name in site.configuration.people.attributes.names
            if (value := told(row, name))
        },
        method=row.method,
        identity=row.serial,
        agreed=row.agreed,
        faces=row.faces,
        photos=row.photos,
        added_at=row.added_at,
        removed_at=row.removed_at,
    )


def _has(row: PersonRow, words: list[str]) -> bool:
    text = folded("\n".join(row.details.values()))
    return all(word in text for word in words)


def _write_cursor(place: tuple[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def _read_cursor(cursor: str | None) -> tuple[str, str] | None:
    if cursor is None:
        return None
    try:
        value, person_id = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, TypeError):
        raise InvalidValue("cursor: not one that an answer gave") from None
    if not isinstance(value, str) or not isinstance(person_id, str):
        raise InvalidValue("cursor: not one that an answer gave")
    return value, person_id
