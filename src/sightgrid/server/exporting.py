"""Everything that is kept of one person, as a file to be handed to them; others are not in it.

Pictures are made such that nobody else can be recognised: of a crop only the face in its middle
stays sharp, of an enrolment photo only the largest face.
"""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import cv2
import numpy as np

from sightgrid.attendance.spreadsheets import safe_cell
from sightgrid.domain.errors import ImageError
from sightgrid.domain.frames import format_time
from sightgrid.domain.geometry import Box, Bytes
from sightgrid.server.site import Site
from sightgrid.store import Transaction
from sightgrid.store.audit import note_event
from sightgrid.store.consents import consents_of
from sightgrid.store.crops import crops_of
from sightgrid.store.decisions import decisions_of
from sightgrid.store.disputes import disputes
from sightgrid.store.identities import serial_of_person
from sightgrid.store.people import crops_of_person, details_of
from sightgrid.store.photos import photos_of
from sightgrid.store.register_traces import evidence
from sightgrid.store.registers import history, register, sessions_registering
from sightgrid.store.sealing import keyed_hash
from sightgrid.store.visits import visits_of
from sightgrid.vision.pictures import read_picture_bytes

_FACE_SHARE = 0.46
_BLUR_SHARE = 0.25
_ROUND_THE_FACE = 0.35


@dataclass(frozen=True, slots=True)
class Exported:
    """What was found of a person: a ZIP file and how much of each kind is in it."""

    data: bytes
    counts: Mapping[str, int]


def export_person(site: Site, person_id: str, *, actor: str) -> Exported:
    """Everything that is kept of an enrolled person.

    Raises:
        NotFound: there is no such person.
    """
    out = io.BytesIO()
    counts: dict[str, int] = {}
    with (
        site.store.snapshot() as tx,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file,
    ):
        details = details_of(tx, person_id)
        serial = serial_of_person(tx, person_id)
        consents = [
            {
                "purpose": one.purpose,
                "text_version": one.text_version,
                "text_sha256": one.text_sha256,
                "channel": one.channel,
                "given_by": one.given_by,
                "guardian": one.guardian,
                "given_at": _time(one.given_at),
                "expires_at": _time(one.expires_at),
                "withdrawn_at": _time(one.withdrawn_at),
            }
            for one in consents_of(tx, person_id).values()
        ]
        person = {"person_id": person_id, "serial": serial, "details": details}
        _add_json(file, "person.json", person | {"consents": consents})
        counts["consents"] = len(consents)
        counts |= _add_seen(tx, file, serial)
        counts |= _add_attendance(tx, file, person_id)
        photos = photos_of(tx, person_id)
        for number, photo in enumerate(photos.values(), 1):
            file.writestr(f"photos/{number}.jpg", _only_largest(site, photo))
        faces = crops_of_person(tx, person_id)
        for number, jpeg in enumerate(faces, 1):
            file.writestr(f"enrolled/{number}.jpg", only_the_middle(jpeg))
        counts |= {"photos": len(photos), "enrolled faces": len(faces)}
    now = site.clock()
    site.store.run(
        lambda tx: note_event(
            tx,
            at=now,
            actor=actor,
            action="export",
            subject=keyed_hash(tx, f"person:{person_id}", purpose="audit"),
            details=dict(counts),
        )
    )
    return Exported(out.getvalue(), counts)


def only_the_middle(jpeg: bytes) -> bytes:
    """An aligned crop with everything blurred but the face in its middle."""
    pixels = _pixels(jpeg)
    if pixels is None:
        return b""
    high, wide = pixels.shape[:2]
    mask = np.zeros((high, wide), np.uint8)
    cv2.ellipse(
        mask,
        (wide // 2, high // 2),
        (round(wide * _FACE_SHARE), round(high * (_FACE_SHARE + 0.04))),
        0,
        0,
        360,
        255,
        cv2.FILLED,
    )
    return _written(_blurred_outside(pixels, mask))


def only_these(pixels: Bytes, shown: Box) -> Bytes:
    """A photo, (H, W, 3) uint8 BGR, in which everything but one box is blurred."""
    high, wide = pixels.shape[:2]
    dx = (shown.right - shown.left) * _ROUND_THE_FACE
    dy = (shown.bottom - shown.top) * _ROUND_THE_FACE
    mask = np.zeros((high, wide), np.uint8)
    left, top = max(0, int(shown.left - dx)), max(0, int(shown.top - dy))
    mask[top : int(shown.bottom + dy), left : int(shown.right + dx)] = 255
    return _blurred_outside(pixels, mask)


def _only_largest(site: Site, photo: bytes) -> bytes:
    """A photo with everything but its largest face blurred; all of it, if no face is found."""
    try:
        pixels = read_picture_bytes(photo, name="photo")
    except ImageError:
        return b""
    found = site.engine.detector.detect(pixels)
    largest = max(
        (one.box for one in found),
        key=lambda box: (box.right - box.left) * (box.bottom - box.top),
        default=Box(0, 0, 0, 0),
    )
    return _written(only_these(pixels, largest))


def _add_seen(tx: Transaction, file: zipfile.ZipFile, serial: int | None) -> dict[str, int]:
    if serial is None:
        return {"sightings": 0, "visits": 0, "crops": 0}
    seen = decisions_of(tx, serial)
    visits = visits_of(tx, serial)
    crops = 0
    _add_csv(
        file,
        "sightings.csv",
        ("sighting_id", "camera", "first_seen", "last_seen", "band", "score"),
        [
            (
                one.sighting_id,
                one.camera,
                _time(one.first_seen),
                _time(one.last_seen),
                one.band.value,
                one.score,
            )
            for one in seen
        ],
    )
    _add_csv(
        file,
        "visits.csv",
        ("camera", "first_seen", "last_seen"),
        [(one.camera, _time(one.first_seen), _time(one.last_seen)) for one in visits],
    )
    for one in seen:
        for rank, jpeg in crops_of(tx, one.sighting_id).items():
            file.writestr(f"crops/{one.sighting_id}_{rank}.jpg", only_the_middle(jpeg))
            crops += 1
    return {"sightings": len(seen), "visits": len(visits), "crops": crops}


def _add_attendance(tx: Transaction, file: zipfile.ZipFile, person_id: str) -> dict[str, int]:
    rows = []
    pictures = 0
    for session_id in sessions_registering(tx, person_id):
        header = register(tx, session_id, version_no=1).versions[0]
        for one in history(tx, session_id, person_id):
            rows.append(
                (
                    header.course_name,
                    _time(header.span.starts_at),
                    one.version_no,
                    one.mark.status.value,
                    one.mark.method.value,
                    one.mark.minutes,
                    one.mark.reason,
                )
            )
        jpeg = evidence(tx, session_id, person_id)
        if jpeg is not None:
            file.writestr(f"evidence/{session_id}.jpg", only_the_middle(jpeg))
            pictures += 1
    columns = ("course", "starts_at", "version", "status", "method", "minutes", "reason")
    _add_csv(file, "registers.csv", columns, sorted(rows))
    contested = disputes(tx, person_id=person_id)
    _add_json(
        file,
        "disputes.json",
        [
            {
                "made_at": _time(one.made_at),
                "words": one.words,
                "state": one.state.value,
                "answer": one.answer,
            }
            for one in contested
        ],
    )
    return {"marks": len(rows), "disputes": len(contested), "evidence": pictures}


def _blurred_outside(pixels: Bytes, mask: Bytes) -> Bytes:
    high, wide = pixels.shape[:2]
    # so strong that not even the outline of a face is left
    share = max(3, round(min(high, wide) * _BLUR_SHARE))
    small = cv2.resize(
        pixels, (max(1, wide // share), max(1, high // share)), interpolation=cv2.INTER_AREA
    )
    blurred = cv2.resize(small, (wide, high), interpolation=cv2.INTER_LINEAR)
    made: Bytes = np.where(mask[:, :, None] > 0, pixels, blurred).astype(np.uint8)
    return made


def _pixels(jpeg: bytes) -> Bytes | None:
    found = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR) if jpeg else None
    return None if found is None else np.asarray(found, np.uint8)


def _written(pixels: Bytes) -> bytes:
    done, jpeg = cv2.imencode(".jpg", pixels)
    return jpeg.tobytes() if done else b""


def _add_json(file: zipfile.ZipFile, name: str, document: Any) -> None:
    file.writestr(name, json.dumps(document, indent=1, ensure_ascii=False))


def _add_csv(
    file: zipfile.ZipFile, name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows([safe_cell(cell) for cell in row] for row in rows)
    file.writestr(name, "\ufeff" + text.getvalue())


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else format_time(moment)
