"""Several processes take in the same new face at once: it gets one serial."""

from __future__ import annotations

import multiprocessing
import os
import sys
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np
from by_hand import FixedPolicy, sighting
from live import arrived

from sightgrid.domain.faces import EmbeddingContract
from sightgrid.domain.geometry import Floats
from sightgrid.ledger.taking_in import Intake
from sightgrid.store import Store
from sightgrid.store.identities import identities, identity
from sightgrid.store.keys import SiteKeys

PROCESSES = 4
ROUNDS = 200
FEW_ROUNDS = 12
# so many numbers that faces drawn by chance are never alike
WIDE = EmbeddingContract("e" * 64, "wide", 512)


def face_of(turn: int) -> Floats:
    vector = np.random.default_rng(turn).standard_normal(WIDE.dimension)
    unit: Floats = (vector / np.linalg.norm(vector)).astype(np.float32)
    return unit


def take_part(
    number: int, url: str, key: Path, rounds: int, together: Barrier, paths: list[str]
) -> None:
    """One ingest process: in every round it sees the round's new face, on a camera of its own."""
    sys.path[:0] = [path for path in paths if path not in sys.path]
    with Store.open(url, create=False, keys=SiteKeys.open(key, create=False)) as store:
        intake = Intake(store, policy=FixedPolicy(), contract=WIDE)
        for turn in range(rounds):
            start = 10 * turn
            camera = f"camera-{number}"
            seen = sighting(
                face_of(turn), start, start + 2, camera=camera, group=turn, contract=WIDE
            )
            together.wait(timeout=60)
            intake.take_in(f"box-{number}", [arrived(seen)])


def test_the_same_new_face_at_once_gets_one_serial(
    database: str, backend: str, tmp_path: Path
) -> None:
    """1,000 rounds by command: ``SIGHTGRID_RACE_ROUNDS=1000 pytest tests/ledger/test_racing.py -m
    "databases or not databases"``."""
    default = FEW_ROUNDS if backend == "sqlite" else ROUNDS
    rounds = int(os.environ.get("SIGHTGRID_RACE_ROUNDS", default))
    key = tmp_path / "site.key"
    Store.open(database, create=True, keys=SiteKeys.open(key, create=True)).close()
    context = multiprocessing.get_context("spawn")
    together = context.Barrier(PROCESSES)
    racing = [
        context.Process(
            target=take_part, args=(number, database, key, rounds, together, list(sys.path))
        )
        for number in range(PROCESSES)
    ]
    for one in racing:
        one.start()
    for one in racing:
        one.join()
    assert [one.exitcode for one in racing] == [0] * PROCESSES
    keys = SiteKeys.open(key, create=False)
    with Store.open(database, create=False, keys=keys) as store, store.snapshot() as tx:
        assert [(row.serial, row.alias_of) for row in identities(tx)] == [
            (serial, None) for serial in range(1, rounds + 1)
        ]
        cameras = {f"camera-{number}" for number in range(PROCESSES)}
        for serial in (1, rounds):
            row = identity(tx, serial)
            assert (row.sightings, set(row.cameras), row.visits) == (
                PROCESSES,
                cameras,
                PROCESSES,
            )
