from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from packing import stock

from sightgrid.domain.errors import InvalidValue, PackError
from sightgrid.domain.faces import Detection
from sightgrid.domain.geometry import Box
from sightgrid.vision.alignment import align, outside_fraction
from sightgrid.vision.framing import BoxWithMargin, FivePoints, corners, cut, moved
from sightgrid.vision.manifests import manifest_fields, read_manifest
from sightgrid.vision.packs import Pack

TEMPLATE = np.array([[38, 52], [74, 52], [56, 72], [42, 92], [71, 92]], np.float32)
LIVE = BoxWithMargin(margin_px=32, size_px=160, resized_px=160)
BUILDING = BoxWithMargin(margin_px=44, size_px=160, resized_px=182)


def face(left: float, top: float, right: float, bottom: float) -> Detection:
    width, height = right - left, bottom - top
    across = TEMPLATE / 112 * [width, height] + [left, top]
    return Detection(Box(left, top, right, bottom), across.astype(np.float32), 0.9)


def scenery(width: int = 320, height: int = 240) -> np.ndarray:
    """A picture whose colours tell the place: blue is x, green is y."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = (np.arange(width) * 255 / width).astype(np.uint8)[None, :]
    pixels[..., 1] = (np.arange(height) * 255 / height).astype(np.uint8)[:, None]
    return pixels


def test_five_points_cut_what_alignment_cuts() -> None:
    pixels, found = scenery(), face(100, 60, 180, 150)
    framing = FivePoints(TEMPLATE, 112)
    expected = align(pixels, found.landmarks, template=TEMPLATE, size_px=112)
    np.testing.assert_array_equal(cut(pixels, found, framing), expected)
    outside = outside_fraction(
        found.landmarks, template=TEMPLATE, size_px=112, width=320, height=240
    )
    assert framing.outside(found, width=320, height=240) == outside


@pytest.mark.parametrize(
    ("framing", "crop_of"),
    [
        # the box, 16 px wider on every side, becomes all of the crop
        (LIVE, (84, 44, 196, 166)),
        # 22 px wider it becomes 182 px, of which the crop leaves 11 off on every side
        (
            BUILDING,
            (
                *(78 + 124 * 11 / 182, 38 + 134 * 11 / 182),
                *(202 - 124 * 11 / 182, 172 - 134 * 11 / 182),
            ),
        ),
    ],
)
def test_the_margin_is_what_facenets_programs_leave(
    framing: BoxWithMargin, crop_of: tuple[float, ...]
) -> None:
    edges = corners(face(100, 60, 180, 150), framing, width=320, height=240)
    # half a pixel, as these are the middles of the outermost pixels
    np.testing.assert_allclose([*edges[0], *edges[3]], crop_of, atol=0.5)


def test_a_crop_with_a_margin_shows_that_part_of_the_picture_and_is_squeezed() -> None:
    pixels, found = scenery(), face(100, 60, 180, 150)
    crop = cut(pixels, found, LIVE)
    assert crop.shape == (160, 160, 3)
    # from x 84 to 196 of 320, from y 44 to 166 of 240
    assert crop[80, 0, 0] == pytest.approx(84 * 255 / 320, abs=2)
    assert crop[80, -1, 0] == pytest.approx(195 * 255 / 320, abs=2)
    assert crop[0, 80, 1] == pytest.approx(44 * 255 / 240, abs=2)
    assert crop[-1, 80, 1] == pytest.approx(165 * 255 / 240, abs=2)


def test_the_box_is_kept_within_the_frame() -> None:
    pixels, found = scenery(), face(-20, 200, 60, 300)
    crop = cut(pixels, found, LIVE)
    # nothing black: x from 0 to 76, y from 184 to 240
    assert crop[80, 0, 0] <= 2
    assert crop[80, -1, 0] == pytest.approx(75 * 255 / 320, abs=2)
    assert crop[0, 80, 1] == pytest.approx(184 * 255 / 240, abs=2)
    assert crop[-1, 80, 1] == pytest.approx(253, abs=2)
    assert LIVE.outside(found, width=320, height=240) > 0.3
    assert LIVE.outside(face(100, 60, 180, 150), width=320, height=240) == 0
    # even a box that lies beside the frame gives a crop, not a crash
    assert cut(pixels, face(400, 60, 480, 150), LIVE).shape == (160, 160, 3)


@pytest.mark.parametrize("framing", [LIVE, BUILDING, FivePoints(TEMPLATE, 112)])
def test_a_part_of_the_frame_gives_the_same_crop(framing: BoxWithMargin | FivePoints) -> None:
    from sightgrid.vision.alignment import warp

    pixels, found = scenery(), face(100, 60, 180, 150)
    matrix = framing.matrix(found, width=320, height=240)
    part = warp(
        pixels[20:220, 40:300],
        moved(matrix, left=40, top=20),
        size_px=framing.size_px,
    )
    np.testing.assert_allclose(part, cut(pixels, found, framing).astype(int), atol=1)


def test_impossible_crops_are_refused() -> None:
    with pytest.raises(InvalidValue, match="can't be cut"):
        BoxWithMargin(margin_px=-1, size_px=160, resized_px=160)
    with pytest.raises(InvalidValue, match="can't be cut"):
        BoxWithMargin(margin_px=32, size_px=160, resized_px=150)
    with pytest.raises(InvalidValue, match="five points"):
        FivePoints(TEMPLATE[:4], 112)


def boxed(shelf: Path, framing: object) -> dict:
    fields: dict = json.loads((shelf / "manifest.json").read_text())
    del fields["embedder"]["template"]
    fields["embedder"]["framing"] = framing
    return fields


def test_a_manifest_with_a_margin_is_read_and_written_back(tmp_path: Path, pack: Pack) -> None:
    shelf = stock(tmp_path / "mine", pack)
    told = {"kind": "box", "margin_px": 32.0, "enrolled": {"margin_px": 44.0, "resized_px": 18}}
    manifest = read_manifest(boxed(shelf, told), where="here")
    prepared = manifest.embedder_input
    assert prepared.framing == BoxWithMargin(32, 16, 16)
    assert prepared.enrolled_framing == BoxWithMargin(44, 16, 18)
    assert prepared.input_px == 16
    written = manifest_fields(manifest)["embedder"]
    assert written["framing"] == told
    assert "template" not in written
    alone = read_manifest(boxed(shelf, {"kind": "box", "margin_px": 32}), where="here")
    assert alone.embedder_input.enrolled_framing == alone.embedder_input.framing


@pytest.mark.parametrize(
    ("framing", "said"),
    [
        ({"kind": "circle"}, "'circle' is unknown"),
        ({"kind": "box"}, "'margin_px' is missing"),
        ({"kind": "box", "margin_px": -3}, "can't be cut"),
        ({"kind": "box", "margin_px": "wide"}, "here"),
        ("box", "here"),
    ],
)
def test_a_framing_with_a_mistake_is_refused(
    framing: object, said: str, tmp_path: Path, pack: Pack
) -> None:
    with pytest.raises(PackError, match=said):
        read_manifest(boxed(stock(tmp_path / "mine", pack), framing), where="here")
