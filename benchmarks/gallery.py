"""How fast and how right the gallery's index is: ``python -m benchmarks.gallery``.

A million people are drawn with the covariance of real ones: the mean vectors of the people in
``lfw_ident_dev`` and the spread of each one's photos about their mean, both under the default pack.
A query is one of them plus 0.7 of that spread. Searches are timed one at a time on one thread;
recall@1 is the share in which the index finds what comparing with everybody finds. Then changes,
and how long a process takes to build its projection anew from a sealed database.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import sqlalchemy as sa

from benchmarks import pages
from sightgrid.domain.faces import EmbeddingContract
from sightgrid.domain.geometry import Floats
from sightgrid.evaluation.photos import FaceReader, embed_photos
from sightgrid.ledger.projection import LiveGallery
from sightgrid.offline.engine import open_engine
from sightgrid.recognition.gallery import Gallery
from sightgrid.store import Store, Transaction
from sightgrid.store.keys import SiteKeys
from sightgrid.store.people import add_contracts
from sightgrid.store.schema import IDENTITY, SERIAL_COUNTER
from sightgrid.store.schema_ledger import PROTOTYPE
from sightgrid.store.sealing import expect_new, of_identity, seal

PEOPLE = 400
PHOTOS_EACH = 3
QUERIES = 500
NOISE = 0.7
SIZES = (10_000, 100_000, 1_000_000)
A_BATCH = 5_000


def real_vectors(data: Path) -> tuple[Floats, list[int]]:
    """Vectors of a few hundred people's photos, and whose each is."""
    folders = sorted(one for one in (data / "lfw_ident_dev").iterdir() if one.is_dir())
    photos, whose = [], []
    for number, folder in enumerate(folders[:PEOPLE]):
        its_photos = sorted(folder.glob("*.jpg"))[:PHOTOS_EACH]
        if len(its_photos) > 1:
            photos += its_photos
            whose += [number] * len(its_photos)
    engine = open_engine("default")
    found = embed_photos(photos, reader=FaceReader(engine), tell=pages.tell)
    kept = [place for place, there in enumerate(found.found) if there]
    return found.vectors[kept], [whose[place] for place in kept]


def drawn(vectors: Floats, whose: list[int], count: int) -> tuple[Floats, Floats]:
    """``count`` people and ``QUERIES`` looks at some of them, both unit vectors."""
    random = np.random.default_rng(0)
    labels = np.array(whose)
    means = np.stack([vectors[labels == one].mean(axis=0) for one in sorted(set(whose))])
    spread = np.concatenate(
        [vectors[labels == one] - vectors[labels == one].mean(axis=0) for one in sorted(set(whose))]
    )
    ridge = 1e-6 * np.eye(vectors.shape[1])
    between = np.linalg.cholesky(np.cov(means.T) + ridge).astype(np.float32)
    within = np.linalg.cholesky(np.cov(spread.T) + ridge).astype(np.float32)
    people = np.empty((count, vectors.shape[1]), np.float32)
    for start in range(0, count, 100_000):
        block = people[start : start + 100_000]
        noise = random.standard_normal(block.shape, np.float32)
        block[:] = means.mean(axis=0) + noise @ between.T
    chosen = random.integers(0, count, QUERIES)
    noise = random.standard_normal((QUERIES, vectors.shape[1]), np.float32)
    looks = people[chosen] + NOISE * (noise @ within.T)
    people /= np.linalg.norm(people, axis=1)[:, None]
    return people, (looks / np.linalg.norm(looks, axis=1)[:, None]).astype(np.float32)


def searches(vectors: Floats, whose: list[int]) -> str:
    import faiss

    faiss.omp_set_num_threads(1)
    rows = []
    for count in SIZES:
        people, looks = drawn(vectors, whose, count)
        gallery = Gallery(people.shape[1])
        start = time.perf_counter()
        for key, vector in enumerate(people):
            gallery.put(key, vector)
        filled = time.perf_counter() - start
        start = time.perf_counter()
        gallery.reindex()
        built = time.perf_counter() - start
        exact = np.concatenate([(part @ people.T).argmax(axis=1) for part in np.split(looks, 10)])
        times, right = [], 0
        for look, best in zip(looks, exact, strict=True):
            start = time.perf_counter()
            found = gallery.search(look, 24)
            times.append(time.perf_counter() - start)
            right += found[0][0] == best
        changed = [gallery.vector(key) for key in range(1_000)]
        start = time.perf_counter()
        for key, vector in enumerate(changed):
            gallery.put(key, vector)
        putting = (time.perf_counter() - start) / len(changed)
        after = []
        for look in looks[:100]:
            start = time.perf_counter()
            gallery.search(look, 24)
            after.append(time.perf_counter() - start)
        rows.append(
            [
                f"{count:,}",
                f"{statistics.median(times) * 1e3:.2f}",
                f"{np.quantile(times, 0.95) * 1e3:.2f}",
                f"{right / len(looks):.3f}",
                f"{filled:.1f} + {built:.1f}",
                f"{putting * 1e6:.0f}",
                f"{statistics.median(after) * 1e3:.2f}",
            ]
        )
    return pages.table(
        [
            "people",
            "a search, ms",
            "95 %, ms",
            "recall@1",
            "filling + index, s",
            "a change, µs",
            "a search after 1,000 changes, ms",
        ],
        rows,
    )


def projection(vectors: Floats, whose: list[int], count: int) -> str:
    """How long a process takes to know ``count`` strangers again from a sealed SQLite file."""
    people, _ = drawn(vectors, whose, count)
    contract = EmbeddingContract("c" * 64, "drawn", people.shape[1])
    now = datetime.now(UTC)
    with tempfile.TemporaryDirectory() as folder:
        keys = SiteKeys.open(Path(folder) / "site.key", create=True)
        with Store.open(Path(folder) / "a.db", create=True, keys=keys) as store:
            for first in range(0, count, A_BATCH):
                with store.transaction() as tx:
                    add_contracts(tx, [contract])
                    serials = range(first + 1, min(first + A_BATCH, count) + 1)
                    expect_new(tx, (of_identity(serial) for serial in serials))
                    tx.connection.execute(
                        sa.insert(IDENTITY),
                        [{"site_id": 1, "serial": one, "minted_at": now} for one in serials],
                    )
                    tx.connection.execute(
                        sa.insert(PROTOTYPE),
                        [_row(tx, one, people, contract, now) for one in serials],
                    )
                    tx.connection.execute(
                        sa.update(SERIAL_COUNTER).values(next_change=serials[-1] + 1)
                    )
            gallery = LiveGallery(contract, window=timedelta(hours=24))
            start = time.perf_counter()
            with store.transaction() as tx:
                gallery.refresh(tx, now=now)
            taken = time.perf_counter() - start
    return (
        f"A process knows {len(gallery):,} strangers again from a sealed SQLite file in "
        f"{taken:.1f} s ({taken / count * 1e6:.0f} µs each)."
    )


def _row(
    tx: Transaction, serial: int, people: Floats, contract: EmbeddingContract, now: datetime
) -> dict[str, object]:
    total = people[serial - 1].astype("<f8").tobytes()
    sealed = seal(
        tx,
        total,
        subject=of_identity(serial),
        purpose="prototype",
        contract_id=contract.id,
    )
    return {
        "site_id": 1,
        "serial": serial,
        "contract_id": contract.id,
        "change_no": serial,
        "total": sealed,
        "worth": 1.0,
        "best_worth": 1.0,
        "sightings": 1,
        "first_seen": now,
        "last_seen": now,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    pages.add_options(parser)
    parser.add_argument("--stored", type=int, default=100_000, help="prototypes in the database")
    chosen = parser.parse_args()
    vectors, whose = real_vectors(pages.data_folder(parser, chosen))
    text = searches(vectors, whose) + "\n\n" + projection(vectors, whose, chosen.stored)
    pages.publish("gallery", text, command="python -m benchmarks.gallery", chosen=chosen)


if __name__ == "__main__":
    main()
