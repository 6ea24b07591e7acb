from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from sightgrid.domain.errors import ContractMismatch, InvalidValue
from sightgrid.domain.faces import Detection, Embedding, EmbeddingContract, FaceCrop, Quality
from sightgrid.domain.geometry import Box
from sightgrid.domain.presence import Band, Match, Sighting
from sightgrid.domain.tracklets import Look, PathPoint, Tracklet

BOX = Box(0, 0, 10, 10)
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
CONTRACT = EmbeddingContract("a" * 64, "default", 4)
GOOD = Quality(60.0, 1, 1, 1, 1, 1, certainty=0.5, yaw=0, pitch=0, overall=0.8)


def unit(*values: float, contract: EmbeddingContract = CONTRACT) -> Embedding:
    vector = np.array(values, np.float32)
    return Embedding(vector / np.linalg.norm(vector), contract, strength=0.6)


def crop(pixels: np.ndarray) -> FaceCrop:
    return FaceCrop(pixels, GOOD, NOON, 1, BOX, np.zeros((5, 2), np.float32), 0.9)


@pytest.mark.parametrize(
    "landmarks", [np.zeros((4, 2), np.float32), np.zeros((5, 2)), np.zeros((10,), np.float32)]
)
def test_a_detection_needs_five_float_points(landmarks: np.ndarray) -> None:
    with pytest.raises(InvalidValue, match="landmarks"):
        Detection(BOX, landmarks, 0.9)


@pytest.mark.parametrize(
    "vector",
    [
        np.array([1, 0, 0], np.float32),
        np.array([1, 0, 0, 0], np.float64),
        np.array([[1, 0, 0, 0]], np.float32),
        np.array([1.1, 0, 0, 0], np.float32),
        np.zeros(4, np.float32),
        np.full(4, np.nan, np.float32),
    ],
)
def test_an_embedding_is_a_unit_vector_of_its_contract(vector: np.ndarray) -> None:
    with pytest.raises(InvalidValue, match="embedding"):
        Embedding(vector, CONTRACT)


def test_cosine_of_one_contract_only() -> None:
    assert unit(1, 0, 0, 0).cosine(unit(1, 1, 0, 0)) == pytest.approx(0.5**0.5)
    assert unit(1, 0, 0, 0).cosine(unit(-2, 0, 0, 0)) == pytest.approx(-1.0)
    # the same numbers under another contract are another space, whatever the pack is called
    other = EmbeddingContract("b" * 64, "default", 4)
    with pytest.raises(ContractMismatch, match=r"aaaaaaaaaaaa.*bbbbbbbbbbbb"):
        unit(1, 0, 0, 0).cosine(unit(1, 0, 0, 0, contract=other))
    renamed = EmbeddingContract("a" * 64, "copy-of-default", 4)
    assert unit(1, 0, 0, 0).cosine(unit(1, 0, 0, 0, contract=renamed)) == pytest.approx(1.0)


@pytest.mark.parametrize(
    "pixels", [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 4), np.uint8), np.zeros((8, 8, 3))]
)
def test_a_crop_is_colour_bytes(pixels: np.ndarray) -> None:
    with pytest.raises(InvalidValue, match="crop"):
        crop(pixels)


def test_a_crop_can_let_go_of_its_pixels() -> None:
    full = crop(np.ones((8, 8, 3), np.uint8))
    assert full.without_pixels().pixels.size == 0
    assert full.without_pixels().quality is full.quality
    assert full.pixels.size == 8 * 8 * 3


def test_a_looks_worth_rests_on_what_the_network_saw() -> None:
    blank = crop(np.zeros((8, 8, 3), np.uint8))
    seen = Look(1, blank, unit(1, 0, 0, 0))
    assert seen.worth == pytest.approx(0.6 * 0.5 * (0.5 + 0.5 * 0.8))
    assert Look(1, blank, None).worth == GOOD.overall


def test_a_tracklet_is_in_order_of_frames() -> None:
    first, second = (PathPoint(i, NOON, BOX, 0.9) for i in (3, 4))
    tracklet = Tracklet("hall", 1, (first, second), ())
    assert (tracklet.first_seen, tracklet.last_seen) == (NOON, NOON)
    for path in ((second, first), (first, first)):
        with pytest.raises(InvalidValue, match="order of frames"):
            Tracklet("hall", 1, path, ())
    with pytest.raises(InvalidValue, match="at least one"):
        Tracklet("hall", 1, (), ())
    with pytest.raises(InvalidValue, match="at least one"):
        Sighting("id", 1, True, "hall", 1, (), ())


@pytest.mark.parametrize(
    ("band", "serial", "person"),
    [
        (Band.UNSURE, 1, None),
        (Band.STRANGER, None, None),
        (Band.STRANGER, 1, "Ada"),
        (Band.CONFIRMED, 1, None),
        (Band.LIKELY, None, "Ada"),
        (Band.UNSURE, None, "Ada"),
    ],
)
def test_a_match_says_what_its_band_promises(
    band: Band, serial: int | None, person: str | None
) -> None:
    with pytest.raises(InvalidValue, match=f"band {band}"):
        Match(band, serial, person, 0.5, None, None, "because")


def test_every_band_has_a_lawful_match() -> None:
    for band, serial, person in (
        (Band.CONFIRMED, 1, "Ada"),
        (Band.LIKELY, 1, "Ada"),
        (Band.STRANGER, 2, None),
        (Band.UNSURE, None, None),
    ):
        assert Match(band, serial, person, None, None, None, "because").band is band
