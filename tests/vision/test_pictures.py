from __future__ import annotations

import io
import time
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from sightgrid.domain.errors import ImageError
from sightgrid.vision.pictures import MAX_PIXELS, read_picture

# four quarters of clear colours, RGB; wider than high, so that a turn shows
RED, GREEN, BLUE, GREY = (220, 20, 30), (20, 200, 40), (30, 40, 210), (120, 120, 120)


def quarters(width: int = 64, height: int = 32) -> np.ndarray:
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2] = RED
    pixels[: height // 2, width // 2 :] = GREEN
    pixels[height // 2 :, : width // 2] = BLUE
    pixels[height // 2 :, width // 2 :] = GREY
    return pixels


def close_to_quarters(bgr: np.ndarray, *, atol: int) -> None:
    np.testing.assert_allclose(bgr[..., ::-1].astype(int), quarters().astype(int), atol=atol)


@pytest.mark.parametrize("suffix", ["png", "bmp", "webp", "jpg"])
def test_every_kind_comes_as_bgr(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"picture.{suffix}"
    options = {"webp": {"lossless": True}, "jpg": {"quality": 98, "subsampling": 0}}
    Image.fromarray(quarters()).save(path, **options.get(suffix, {}))
    pixels = read_picture(path)
    assert (pixels.dtype, pixels.shape) == (np.uint8, (32, 64, 3))
    assert pixels.flags.c_contiguous
    close_to_quarters(pixels, atol=6 if suffix == "jpg" else 0)


# how the sensor's picture must be changed so that the note turns it back; numpy's operations
STORED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, -1),
}


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_the_exif_note_turns_it_upright(tmp_path: Path, orientation: int, suffix: str) -> None:
    path = tmp_path / f"turned.{suffix}"
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(STORED[orientation](quarters()))
    options = {"quality": 98, "subsampling": 0} if suffix == "jpg" else {}
    Image.fromarray(stored).save(path, exif=exif, **options)
    pixels = read_picture(path)
    assert pixels.shape == (32, 64, 3)
    close_to_quarters(pixels, atol=8)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_lies_on_white(tmp_path: Path, mode: str) -> None:
    alpha = np.full((32, 64), 255, np.uint8)
    alpha[:, 32:] = 0
    rgba = np.dstack([quarters(), alpha])
    picture = Image.fromarray(rgba, "RGBA")
    picture.convert(mode).save(tmp_path / "glass.png")
    pixels = read_picture(tmp_path / "glass.png")
    assert pixels.shape == (32, 64, 3)
    assert pixels[:, 32:].min() >= 250
    assert pixels[:, :32].min() < 100


def test_half_transparent_is_half_white(tmp_path: Path) -> None:
    rgba = np.zeros((8, 8, 4), np.uint8)
    rgba[..., 3] = 128
    Image.fromarray(rgba, "RGBA").save(tmp_path / "smoke.png")
    np.testing.assert_allclose(read_picture(tmp_path / "smoke.png"), 127, atol=2)


def test_cmyk_as_print_shops_send_it(tmp_path: Path) -> None:
    Image.fromarray(quarters()).convert("CMYK").save(tmp_path / "print.jpg", quality=98)
    close_to_quarters(read_picture(tmp_path / "print.jpg"), atol=14)


@pytest.mark.parametrize("mode", ["L", "1", "P"])
def test_few_colours(tmp_path: Path, mode: str) -> None:
    Image.fromarray(quarters()).convert(mode).save(tmp_path / "few.png")
    pixels = read_picture(tmp_path / "few.png")
    assert pixels.shape == (32, 64, 3)
    assert pixels[0, 0].mean() < pixels[31, 63].mean() or mode == "1"


def test_sixteen_bits_of_grey_keep_their_tones(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 64).astype(np.uint16)
    Image.fromarray(np.tile(ramp, (8, 1))).save(tmp_path / "deep.png")
    np.testing.assert_allclose(read_picture(tmp_path / "deep.png")[0, :, 1], ramp / 257, atol=1.5)


def refused(path: Path) -> ImageError:
    with pytest.raises(ImageError) as caught:
        read_picture(path)
    assert str(path) in str(caught.value)
    return caught.value


def test_files_that_are_no_pictures(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("a shopping list")
    (tmp_path / "movie.png").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(200))
    assert "empty" in str(refused(tmp_path / "empty.jpg"))
    assert "no JPEG, PNG, WebP or BMP" in str(refused(tmp_path / "text.jpg"))
    assert "no JPEG, PNG, WebP or BMP" in str(refused(tmp_path / "movie.png"))
    assert "no such file" in str(refused(tmp_path / "gone.jpg"))
    assert "folder" in str(refused(tmp_path))


def test_kinds_that_are_not_read(tmp_path: Path) -> None:
    for suffix in ("gif", "tiff", "ppm"):
        path = tmp_path / f"disguised-{suffix}.jpg"
        Image.fromarray(quarters()).save(path, format=suffix.upper())
        assert "no JPEG, PNG, WebP or BMP" in str(refused(path))


@pytest.mark.parametrize("kept", [0.02, 0.3, 0.7, 0.95])
def test_a_cut_off_jpeg(tmp_path: Path, kept: float) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    whole = tmp_path / "whole.jpg"
    Image.fromarray(pixels).save(whole)
    raw = whole.read_bytes()
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(raw[: int(len(raw) * kept)])
    refused(cut)


@pytest.mark.parametrize("side", [20_000, 10_000, 6_400])
def test_a_picture_too_large_is_refused_before_it_is_decoded(tmp_path: Path, side: int) -> None:
    path = tmp_path / "bomb.png"
    with path.open("wb") as stream:
        Image.new("1", (side, side)).save(stream, "PNG")
    assert path.stat().st_size < 100_000
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        tracemalloc.start()
        began = time.perf_counter()
        error = refused(path)
        took = time.perf_counter() - began
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert took < 1.0
    assert peak < 4_000_000
    assert "pixels" in str(error)
    assert error.hint == f"the limit is {MAX_PIXELS // 1_000_000} megapixels; scale it down"


def encoded(kind: str) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "Maker"
    exif.get_ifd(0x8769)[0x9003] = "2020:01:01 00:00:00"
    stream = io.BytesIO()
    options = {} if kind == "BMP" else {"exif": exif}
    Image.fromarray(quarters()).save(stream, kind, **options)
    return stream.getvalue()


WHOLE = {kind: encoded(kind) for kind in ("JPEG", "PNG", "WEBP", "BMP")}


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(sorted(WHOLE)),
    st.lists(st.tuples(st.integers(0, 700), st.integers(0, 255)), max_size=6),
    st.integers(0, 2000),
)
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")
def test_damage_is_a_picture_or_an_image_error(
    tmp_path: Path, kind: str, changes: list[tuple[int, int]], kept: int
) -> None:
    raw = bytearray(WHOLE[kind])
    for at, value in changes:
        raw[at % len(raw)] = value
    path = tmp_path / "damaged"
    path.write_bytes(raw[: max(kept, 1)])
    try:
        pixels = read_picture(path)
    except ImageError:
        return
    assert pixels.ndim == 3
    assert pixels.dtype == np.uint8
