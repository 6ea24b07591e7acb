"""How long a photo search takes at a million identities: ``python -m benchmarks.photo_search``.

The people are those of ``benchmarks.gallery``: drawn with the covariance of real ones. All of them
lie in the index that a server searches, and all their serials in a sealed SQLite database; those
that are looked for have sightings there too, with cameras, times and templates. A search is what
``POST /search`` does for one face after it was embedded: the index, then for each identity found
its cameras, newest and best sightings and how alike they are. Finding and embedding the faces of a
group photo is timed apart.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import sqlalchemy as sa

from benchmarks import pages
from benchmarks.gallery import drawn, real_vectors
from sightgrid.domain.faces import Embedding, EmbeddingContract
from sightgrid.domain.geometry import Floats
from sightgrid.ledger.faceindex import FaceIndex
from sightgrid.ledger.photosearch import find_face
from sightgrid.offline.engine import Engine, open_engine
from sightgrid.offline.photosearch import faces_of
from sightgrid.recognition.gallery import Gallery
from sightgrid.store import Store, Transaction
from sightgrid.store.cameras import add_cameras
from sightgrid.store.encoding import pack_floats
from sightgrid.store.keys import SiteKeys
from sightgrid.store.people import add_contracts
from sightgrid.store.schema import DECISION, IDENTITY, SIGHTING
from sightgrid.store.sealing import expect_new, of_sighting, seal
from sightgrid.vision.pictures import read_picture

GROUP_PHOTO = "azure_family/identification1.jpg"
SIGHTINGS_EACH = 30
FOUND_EACH = 5
QUERIES = 100
REPEATED = 10
A_BATCH = 50_000
NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)


def filled(store: Store, people: Floats, contract: EmbeddingContract, seen: Sequence[int]) -> None:
    """Every serial, and sightings of those that will be found."""
    with store.transaction() as tx:
        add_contracts(tx, [contract])
        add_cameras(tx, [f"camera{n}" for n in range(SIGHTINGS_EACH)])
    for first in range(1, len(people) + 1, A_BATCH):
        with store.transaction() as tx:
            tx.connection.execute(
                sa.insert(IDENTITY),
                [
                    {"site_id": 1, "serial": serial, "minted_at": NOW}
                    for serial in range(first, min(first + A_BATCH, len(people) + 1))
                ],
            )
    for first in range(0, len(seen), 200):
        with store.transaction() as tx:
            _add_sightings(tx, people, contract, seen[first : first + 200])


def _add_sightings(
    tx: Transaction, people: Floats, contract: EmbeddingContract, serials: Sequence[int]
) -> None:
    ids = {(serial, n): f"{serial:012d}-{n}" for serial in serials for n in range(SIGHTINGS_EACH)}
    expect_new(tx, (of_sighting(one) for one in ids.values()))
    sightings, decisions = [], []
    for (serial, n), its_id in ids.items():
        at = NOW + timedelta(minutes=n)
        template = seal(
            tx,
            pack_floats(people[serial - 1]),
            subject=of_sighting(its_id),
            purpose="template",
            contract_id=contract.id,
        )
        sightings.append(
            {
                "site_id": 1, "sighting_id": its_id, "revision": 1, "closed": True,
                "camera": f"camera{n}", "group_no": n, "first_seen": at,
                "last_seen": at + timedelta(seconds=9), "first_frame": 1, "last_frame": 90,
                "faces": 40, "quality": 0.5 + n / 100, "path": b"", "template": template,
                "template_worth": 0.8, "template_contract": contract.id,
            }
        )  # fmt: skip
        decisions.append(
            {
                "site_id": 1, "sighting_id": its_id, "revision": 1, "band": "stranger",
                "serial": serial, "reason": "drawn", "decided_at": at,
            }
        )  # fmt: skip
    tx.connection.execute(sa.insert(SIGHTING), sightings)
    tx.connection.execute(sa.insert(DECISION), decisions)


def searches(vectors: Floats, whose: list[int], count: int, engine: Engine) -> list[object]:
    """One row of the table: searches at ``count`` identities."""
    people, looks = drawn(vectors, whose, count)
    contract = EmbeddingContract("c" * 64, "drawn", people.shape[1])
    gallery = Gallery(people.shape[1])
    for serial, vector in enumerate(people, 1):
        gallery.put(2 * serial, vector)
    if gallery.wants_index:
        gallery.reindex()
    index = FaceIndex(contract, gallery=gallery)
    faces = [Embedding(look, contract) for look in looks[:QUERIES]]
    seen = sorted(
        {near.serial for face in faces for near in index.nearest(face.vector, FOUND_EACH)}
    )
    with tempfile.TemporaryDirectory() as folder:
        keys = SiteKeys.open(Path(folder) / "site.key", create=True)
        with Store.open(Path(folder) / "a.db", create=True, keys=keys) as store:
            filled(store, people, contract, seen)
            times = []
            for face in faces:
                begun = time.perf_counter()
                with store.snapshot() as tx:
                    hits = find_face(tx, index, face, policy=engine.policy, limit=FOUND_EACH)
                times.append(time.perf_counter() - begun)
                if len(hits) != FOUND_EACH or not all(hit.sightings for hit in hits):
                    raise RuntimeError("a search found too little to be measured")
    return [
        f"{count:,}",
        f"{statistics.median(times) * 1e3:.1f}",
        f"{np.quantile(times, 0.95) * 1e3:.1f}",
        f"{max(times) * 1e3:.1f}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    pages.add_options(parser)
    parser.add_argument("--most", type=int, default=1_000_000, help="identities in the index")
    chosen = parser.parse_args()
    data = pages.data_folder(parser, chosen)
    engine = open_engine("default")
    picture = read_picture(data / GROUP_PHOTO)
    found = faces_of(picture, engine)
    looking = []
    for _ in range(REPEATED):
        begun = time.perf_counter()
        faces_of(picture, engine)
        looking.append(time.perf_counter() - begun)
    vectors, whose = real_vectors(data)
    text = pages.table(
        ["identities", "a face searched, ms", "95 %, ms", "slowest, ms"],
        [searches(vectors, whose, chosen.most, engine)],
    )
    height, width = picture.shape[:2]
    text += (
        f"\n\n{QUERIES} faces, {FOUND_EACH} identities told for each, {SIGHTINGS_EACH} sightings "
        f"an identity. Before that, finding and embedding the {len(found)} faces of a photo of "
        f"{width} x {height} takes {statistics.median(looking) * 1e3:.0f} ms."
    )
    pages.publish("photo_search", text, command="python -m benchmarks.photo_search", chosen=chosen)


if __name__ == "__main__":
    main()
