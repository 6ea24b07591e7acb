"""Sightings made by hand: people are directions, looks lie close to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np

from sightgrid.domain.faces import Embedding, EmbeddingContract, FaceCrop, Quality
from sightgrid.domain.geometry import Box, Floats
from sightgrid.domain.people import EnrolledPerson
from sightgrid.domain.presence import Sighting
from sightgrid.domain.tracklets import Look, PathPoint
from sightgrid.recognition.bands import Bands
from sightgrid.recognition.calibration import ImpostorCurve, Policy

NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
FPS = 10
DIMENSION = 16
CONTRACT = EmbeddingContract("a" * 64, "default", DIMENSION)
BANDS = Bands(
    confirmed=0.6,
    likely=0.5,
    same=0.5,
    possible=0.3,
    agree=0.4,
    margin=0.05,
    poor_bar=0.08,
    good_look=0.3,
    weak_look=0.1,
)


@dataclass(frozen=True)
class FixedPolicy(Policy):
    """The same bands however many people there are."""

    curve: ImpostorCurve = field(
        default_factory=lambda: ImpostorCurve.of([[0.1, 0.2], [0.01, 0.3]])
    )

    def bands(self, *, enrolled: int, identities: int) -> Bands:
        return BANDS


def toward(*shares: float) -> Floats:
    """A direction that is so much of person 0, of person 1, and so on; of unit length."""
    vector = np.zeros(DIMENSION, np.float32)
    vector[: len(shares)] = shares
    unit: Floats = vector / np.linalg.norm(vector)
    return unit


def person(number: int) -> Floats:
    """Person ``number``'s own direction; nobody is like anybody else."""
    return toward(*[0.0] * number, 1.0)


def face(
    who: int | Floats, *, contract: EmbeddingContract = CONTRACT, strength: float = 1.0
) -> Embedding:
    return Embedding(person(who) if isinstance(who, int) else who, contract, strength=strength)


def enrol(name: str, *faces: int | Floats) -> EnrolledPerson:
    return EnrolledPerson(name, tuple(face(who) for who in faces))


def sighting(
    who: int | Floats | Sequence[int | Floats],
    first_secs: float,
    last_secs: float,
    *,
    camera: str = "hall",
    group: int = 1,
    left: float = 0.0,
    worth: float = 0.9,
    looks: int = 3,
    surely: float = 0.95,
    contract: EmbeddingContract = CONTRACT,
    embedded: bool = True,
) -> Sighting:
    """Somebody stood at ``left`` from one second to another, ten frames a second.

    ``who`` may be a list: then each look shows its own. ``worth`` is that of every look,
    ``surely`` the detector's score.
    """
    first, last = round(first_secs * FPS), round(last_secs * FPS)
    box = Box(left, 0.0, left + 50.0, 60.0)
    path = tuple(
        PathPoint(frame + 1, NOON + timedelta(seconds=frame / FPS), box, surely)
        for frame in range(first, last + 1)
    )
    shown = list(who) if isinstance(who, list | tuple) else [who] * looks
    at = np.linspace(0, len(path) - 1, len(shown)).round().astype(int)
    return Sighting(
        sighting_id=f"{camera}-{group}-{first}",
        revision=1,
        closed=True,
        camera=camera,
        group=group,
        path=path,
        looks=tuple(
            Look(
                number,
                FaceCrop(
                    np.zeros((0, 0, 3), np.uint8),
                    Quality(50, 1, 1, 1, 1, 1, 1, 0, 0, overall=1.0),
                    path[index].captured_at,
                    path[index].frame_index,
                    box,
                    np.zeros((5, 2), np.float32),
                    surely,
                ),
                face(one, contract=contract, strength=worth) if embedded else None,
            )
            for number, (one, index) in enumerate(zip(shown, at, strict=True), start=1)
        ),
    )
