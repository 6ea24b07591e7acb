from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from sightgrid.domain.faces import Embedding, EmbeddingContract, FaceCrop, Quality
from sightgrid.domain.geometry import Box
from sightgrid.domain.presence import Band, Candidate, Decision, Match, Sighting
from sightgrid.domain.tracklets import Look, PathPoint
from sightgrid.store import Store
from sightgrid.store.keys import SiteKeys

NOON = datetime(2026, 1, 2, 12, 0, 0, 123_457, tzinfo=UTC)
CONTRACT = EmbeddingContract("c" * 64, "default", 128)


def embedding(seed: int, contract: EmbeddingContract = CONTRACT) -> Embedding:
    vector = np.random.default_rng(seed).standard_normal(contract.dimension).astype(np.float32)
    return Embedding(vector / np.linalg.norm(vector), contract, strength=0.75)


def look(seed: int, *, counter: int, at: datetime, overall: float, embedded: bool = True) -> Look:
    random = np.random.default_rng(seed)
    return Look(
        counter,
        FaceCrop(
            np.zeros((4, 4, 3), np.uint8),
            Quality(*random.random(9).tolist(), overall=overall),
            at,
            counter,
            Box(10.1, 20.2, 50.3, 70.4),
            random.random((5, 2)).astype(np.float32),
            0.987,
        ),
        embedding(seed) if embedded else None,
    )


def sighting(
    number: int,
    *,
    camera: str = "hall",
    after_secs: float = 0.0,
    revision: int = 1,
    points: int = 5,
    looks: int = 2,
) -> Sighting:
    random = np.random.default_rng(number)
    first = NOON + timedelta(seconds=after_secs)
    corners = random.random((points, 4)).astype(np.float32) * 100
    path = tuple(
        PathPoint(
            index + 1,
            first + timedelta(seconds=index / 7),
            Box(left, top, left + 1 + width, top + 1 + height),
            0.5,
        )
        for index, (left, top, width, height) in enumerate(corners.tolist())
    )
    return Sighting(
        str(UUID(int=number)),
        revision,
        True,
        camera,
        number,
        path,
        tuple(
            look(100 * number + rank, counter=rank + 1, at=first, overall=0.9 - 0.1 * rank)
            for rank in range(looks)
        ),
    )


def decision(
    seen: Sighting,
    serial: int | None,
    *,
    person: str | None = None,
    runner_up: Candidate | None = None,
) -> Decision:
    if serial is None:
        band = Band.UNSURE
    else:
        band = Band.STRANGER if person is None else Band.CONFIRMED
    return Decision(seen, Match(band, serial, person, 0.5, 0.25, runner_up, "because"))


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    """On each of the databases."""
    with Store.open(database, create=True) as opened:
        yield opened


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Store]:
    """On SQLite only."""
    with Store.open(tmp_path / "file.db", create=True) as opened:
        yield opened


@pytest.fixture
def served(database: str, tmp_path: Path) -> Iterator[Store]:
    """A server's database: sealed."""
    keys = SiteKeys.open(tmp_path / "site.key", create=True)
    with Store.open(database, create=True, keys=keys) as opened:
        yield opened


@pytest.fixture
def make() -> Any:
    """The makers above, for test files that can't import a conftest."""

    class Makers:
        noon = NOON
        contract = CONTRACT
        embedding: Callable[..., Embedding] = staticmethod(embedding)
        look: Callable[..., Look] = staticmethod(look)
        sighting: Callable[..., Sighting] = staticmethod(sighting)
        decision: Callable[..., Decision] = staticmethod(decision)

    return Makers
