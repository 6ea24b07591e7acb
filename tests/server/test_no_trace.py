"""After an erasure nothing of the person lies in any file of the server or of a box: every byte of
every file is searched, for what is plain and for what was sealed."""

from __future__ import annotations

import asyncio
import json
import uuid
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import sqlalchemy as sa
from tests.edge.spools import CLOCK, open_spool
from tests.server.conftest import Served
from tests.server.test_ingest import FakeBox, box, seen_by
from tests.wire.sightings import jpeg, record

from sightgrid.domain.accounts import Role
from sightgrid.domain.faces import Embedding
from sightgrid.domain.people import Consent
from sightgrid.domain.presence import Sighting
from sightgrid.edge.contact import Contact
from sightgrid.edge.enrolment import Enrolment
from sightgrid.edge.spool import Spool
from sightgrid.edge.spooled import Entry
from sightgrid.edge.uploader import ServerAccess
from sightgrid.ledger import editing
from sightgrid.ledger.enrolling import enrol_faces, enrol_person
from sightgrid.ledger.safekeeping import back_up, restore
from sightgrid.store import Store
from sightgrid.store.people import EnrolledFace, names_of
from sightgrid.store.schema import ENROLLED_FACE, IDENTITY, LOOK, PERSON, SIGHTING
from sightgrid.store.schema_ledger import PROTOTYPE
from sightgrid.store.schema_subjects import CONSENT, CROP, DATA_KEY, ENROLLED_PHOTO
from sightgrid.wire.content import Content
from sightgrid.wire.receipts import read_receipts
from sightgrid.wire.records import Priority, Record

__all__ = ["box"]
NAME = "Annabella Quixworth"
OTHERS = 25


def found_in(folder: Path, needles: Mapping[str, bytes]) -> list[tuple[str, str]]:
    """Which needle lies in which file of a folder, whatever kind of file."""
    return [
        (str(path.relative_to(folder)), name)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        for content in [path.read_bytes()]
        for name, needle in needles.items()
        if needle in content
    ]


def written(name: str, raw: bytes) -> dict[str, bytes]:
    """Some bytes as a file could hold them, and pieces of them."""
    return {
        name: raw,
        **pieces(name, raw),
        f"{name} in base64": b64encode(raw)[:-4],
        f"{name} in hexadecimal": raw.hex().encode(),
    }


def pieces(name: str, raw: bytes) -> dict[str, bytes]:
    """Short pieces: a database spreads what is long over its pages, and of something that is half
    overwritten a piece would be left."""
    starts = {part: len(raw) * part // 4 for part in (1, 2, 3)}
    return {f"{name}, piece {part}": raw[start:][:24] for part, start in starts.items()}


def of_vector(name: str, embedding: Embedding) -> dict[str, bytes]:
    vector = embedding.vector.astype(np.float32)
    numbers = json.dumps([float(value) for value in vector])
    return (
        written(f"{name} as float32", vector.astype("<f4").tobytes())
        | written(f"{name} as float64", vector.astype("<f8").tobytes())
        | {f"{name} as JSON": numbers[1:200].encode()}
    )


@dataclass
class Scene:
    """A site where an enrolled person and many strangers were seen, and the box that saw them."""

    served: Served
    folder: Path
    box_folder: Path
    spool: Spool
    contact: Contact
    fake: FakeBox
    person_id: str
    seen: list[Sighting]
    crops: list[bytes]
    faces: list[Embedding]

    def plain(self) -> dict[str, bytes]:
        """Everything of the person that must lie nowhere."""
        needles = {
            "the person's id": self.person_id.encode(),
            "the name": NAME.encode(),
            "a word that somebody wrote": b"the baker",
        }
        for number, face in enumerate(self.faces):
            needles |= of_vector(f"vector {number}", face)
        for number, crop in enumerate(self.crops):
            needles |= written(f"crop {number}", crop)
        return needles

    def sealed(self) -> dict[str, bytes]:
        """What the database holds of the person, as it holds it, and the keys to it."""
        ids = [one.sighting_id for one in self.seen]
        subjects = [f"person:{self.person_id}", *(f"sighting:{one}" for one in ids)]
        asked = {
            "key": sa.select(DATA_KEY.c.wrapped).where(DATA_KEY.c.subject.in_(subjects)),
            "crop": sa.select(CROP.c.jpeg).where(CROP.c.sighting_id.in_(ids)),
            "vector": sa.select(LOOK.c.vector).where(LOOK.c.sighting_id.in_(ids)),
            "template": sa.select(SIGHTING.c.template).where(SIGHTING.c.sighting_id.in_(ids)),
            "name": sa.select(PERSON.c.details).where(PERSON.c.person_id == self.person_id),
            "consent": sa.select(CONSENT.c.evidence).where(CONSENT.c.person_id == self.person_id),
            "photo": sa.select(ENROLLED_PHOTO.c.photo).where(
                ENROLLED_PHOTO.c.person_id == self.person_id
            ),
            "face": sa.select(ENROLLED_FACE.c.vector).where(
                ENROLLED_FACE.c.person_id == self.person_id
            ),
            "prototype": sa.select(PROTOTYPE.c.total)
            .join(IDENTITY, IDENTITY.c.serial == PROTOTYPE.c.serial)
            .where(IDENTITY.c.person_id == self.person_id),
        }
        needles: dict[str, bytes] = {}
        with self.served.site.store.snapshot() as tx:
            for kind, question in asked.items():
                for number, value in enumerate(tx.connection.scalars(question)):
                    needles[f"sealed {kind} {number}"] = bytes(value)
                    needles |= pieces(f"sealed {kind} {number}", bytes(value))
        kinds = {name.split()[1] for name in needles}
        assert kinds == set(asked), "every kind of what is sealed is looked for"
        return needles

    def contacts(self) -> None:
        """The box asks the server for news, as it does once a minute."""
        headers = dict(self.fake.client.headers)
        transport = httpx.ASGITransport(app=self.served.client.app)

        async def make() -> None:
            async with httpx.AsyncClient(
                transport=transport, base_url="https://site.test"
            ) as client:
                await self.contact.make(client, headers)

        asyncio.run(make())

    def append(self, *some: Sighting) -> None:
        self.spool.append([Entry(self.sealed_record(one), Priority.ANALYTICS) for one in some])

    def sealed_record(self, seen: Sighting) -> Record:
        """A record as a box seals it, with crops like no other's."""
        plain = replace(record(seen, crops=self.crops_of(seen)), box_id=self.fake.box_id)
        assert isinstance(plain.body, Content)
        body = self.fake.key.seal(
            plain.body,
            box_id=self.fake.box_id,
            sighting_id=plain.sighting_id,
            revision=plain.revision,
        )
        return replace(plain, body=body, clock=CLOCK.reading())

    def crops_of(self, seen: Sighting) -> list[bytes | None]:
        seed = uuid.UUID(seen.sighting_id).int % 100_000
        return [jpeg(seed=seed + number) for number in range(len(seen.looks))]

    def upload(self) -> None:
        while batch := self.spool.lease(most_records=20, most_bytes=2**22):
            answer = self.fake.send(*(one.line for one in batch))
            assert answer.status_code == 200, answer.text
            self.spool.settle(batch, read_receipts(answer.content))


@pytest.fixture
def scene(served: Served, box: FakeBox, tmp_path: Path) -> Any:
    site, folder = served.site, tmp_path
    box_folder = tmp_path.parent / f"{tmp_path.name}-box"
    enrolment = Enrolment(
        ServerAccess("https://site.test", "t", "i"), box.box_id, box.key.public, {}, "0"
    )
    spool = open_spool(box_folder / enrolment.spool_name, box_id=box.box_id)
    contact = Contact(enrolment, box_folder, spool, CLOCK)
    hers = [seen_by(served, 1, after_secs=30.0 * number) for number in range(4)]
    faces = [look.embedding for one in hers for look in one.looks if look.embedding is not None]
    consent = Consent(
        "attendance", "1", "f" * 64, "en", "paper", "folder 3", NAME, "z", served.clock()
    )
    with site.store.transaction() as tx:
        her = enrol_person(tx, NAME, consent=consent, at=served.clock())
        photo = jpeg(seed=990_001)
        enrol_faces(
            tx,
            her.person_id,
            [EnrolledFace(faces[0], jpeg(seed=990_002)), EnrolledFace(faces[1])],
            photo=photo,
            at=served.clock(),
        )
    found = Scene(
        served, folder, box_folder, spool, contact, box, her.person_id, hers, [photo], faces
    )
    found.crops += [crop for one in hers for crop in found.crops_of(one) if crop is not None]
    found.crops.append(jpeg(seed=990_002))
    # strangers before, between and after, so that rows lie on pages with those of others
    crowd = [seen_by(served, 10 + n, camera="stairs", after_secs=9.0 * n) for n in range(OTHERS)]
    for number, stranger in enumerate(crowd):
        found.append(stranger)
        if number % 7 == 3:
            found.append(hers[number // 7])
    found.upload()
    yield found
    spool.close()


def test_no_byte_of_an_erased_person_is_left_anywhere(scene: Scene) -> None:
    site = scene.served.site
    with site.store.snapshot() as tx:
        serial = 1
        assert names_of(tx) == {scene.person_id: NAME}
    with site.store.transaction() as tx:
        editing.confirm(
            tx,
            [scene.seen[0].sighting_id],
            serial,
            by="account:a",
            reason="this is the baker",
            at=scene.served.clock(),
        )
    # a newer revision still waits in the box, another was set aside there
    waiting = replace(scene.seen[0], revision=2)
    bystander = seen_by(scene.served, 77, after_secs=600)
    scene.append(waiting, replace(scene.seen[1], revision=2), bystander)
    (_, aside, _) = scene.spool.lease(most_records=3, most_bytes=2**22)
    scene.spool.quarantine(aside, "for the test")
    scene.spool.recover_leases()

    sealed = scene.sealed()
    hers = {one.sighting_id: one.sighting_id.encode() for one in scene.seen[:2]}
    before = {name for _, name in found_in(scene.folder, sealed | scene.plain())}
    assert {"sealed key 0", "sealed crop 0, piece 2", "the person's id"} <= before
    assert len(found_in(scene.box_folder, hers)) >= 2

    boss = scene.served.program(Role.OWNER)
    receipt = boss.post(
        "/api/v1/privacy/erase",
        json={"subject": f"person:{scene.person_id}", "reason": "asked for it"},
    ).json()
    assert (receipt["deleted"]["sightings"], receipt["boxes_told"]) == (4, 1)
    assert receipt["traces_wiped"] is True
    scene.contacts()

    everything = sealed | scene.plain()
    assert found_in(scene.folder, everything) == []
    assert found_in(scene.box_folder, everything | hers) == []
    assert found_in(scene.box_folder, {"other": bystander.sighting_id.encode()}) != []
    with site.store.snapshot() as tx:
        assert names_of(tx) == {}
        left = set(tx.connection.scalars(sa.select(SIGHTING.c.camera)))
    assert left == {"stairs"}
    scene.upload()
    assert scene.spool.status().pending == 0


def test_an_old_backup_brings_back_no_byte_either(scene: Scene, tmp_path: Path) -> None:
    site = scene.served.site
    made = back_up(site.store, site.keys, tmp_path / "old.backup", at=scene.served.clock())
    scene.served.clock.forward(days=1)
    boss = scene.served.program(Role.OWNER)
    body = {"subject": f"person:{scene.person_id}", "reason": "asked for it"}
    assert boss.post("/api/v1/privacy/erase", json=body).status_code == 200
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    where = elsewhere / "sightgrid.db"
    restored = restore(made.path, where, site.keys, at=scene.served.clock().astimezone(UTC))
    assert restored.erased_again.deleted.people == 1
    assert found_in(elsewhere, scene.plain()) == []
    with Store.open(where, create=False, keys=site.keys) as store, store.snapshot() as tx:
        assert names_of(tx) == {}
        assert len(set(tx.connection.scalars(sa.select(SIGHTING.c.sighting_id)))) == OTHERS


def test_what_expires_leaves_no_byte_either(scene: Scene) -> None:
    sealed = {
        name: value
        for name, value in scene.sealed().items()
        if name.split()[1] in ("crop", "vector", "template", "prototype")
    }
    scene.served.clock.now += timedelta(days=40)
    scene.served.site.retention.run()
    assert found_in(scene.folder, sealed) == []
    assert found_in(scene.folder, {"the person's id": scene.person_id.encode()}) != []
