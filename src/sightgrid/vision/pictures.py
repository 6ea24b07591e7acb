"""Reads still pictures safely: kind and size are checked before a pixel is decoded."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from sightgrid.domain.errors import ImageError
from sightgrid.domain.geometry import Bytes

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP")
# 40 megapixels: larger than any camera or phone sends, small enough not to exhaust a box
MAX_PIXELS = 40_000_000
_LIMIT = f"the limit is {MAX_PIXELS // 1_000_000} megapixels; scale it down"


def read_picture(path: Path) -> Bytes:
    """A picture as (H, W, 3) uint8 BGR, turned upright by its EXIF note, transparency on white.

    Raises:
        ImageError: it is missing, empty, damaged, too large or no picture.
    """
    try:
        if path.stat().st_size == 0:
            raise ImageError(f"{path}: the file is empty")
        with path.open("rb") as stream:
            return _decoded(stream, str(path))
    except FileNotFoundError:
        raise ImageError(f"{path}: there is no such file") from None
    except IsADirectoryError:
        raise ImageError(f"{path}: is a folder, not a picture") from None
    except OSError as error:
        raise ImageError(f"{path}: can't be read: {error.strerror}") from error


def read_picture_bytes(data: bytes, *, name: str) -> Bytes:
    """The same of a picture that came over the network; ``name`` is what errors call it.

    Raises:
        ImageError: it is empty, damaged, too large or no picture.
    """
    if not data:
        raise ImageError(f"{name} is empty")
    return _decoded(BytesIO(data), name)


def _decoded(stream: IO[bytes], name: str) -> Bytes:
    try:
        with Image.open(stream, formats=_FORMATS) as picture:
            width, height = picture.size
            if width * height > MAX_PIXELS:
                raise ImageError(f"{name}: {width} x {height} pixels are too many", hint=_LIMIT)
            upright = ImageOps.exif_transpose(picture)
            if upright.mode.startswith("I"):
                # 16-bit grey: Pillow's own conversion would turn all but the darkest white
                upright = Image.fromarray((np.asarray(upright) // 256).astype(np.uint8))
            if upright.has_transparency_data:
                shaded = upright.convert("RGBA")
                upright = Image.new("RGB", shaded.size, "white")
                upright.paste(shaded, mask=shaded.getchannel("A"))
            pixels = np.asarray(upright.convert("RGB"))
    except UnidentifiedImageError:
        raise ImageError(f"{name}: is no JPEG, PNG, WebP or BMP picture") from None
    except Image.DecompressionBombError:
        raise ImageError(f"{name}: has far too many pixels", hint=_LIMIT) from None
    except (OSError, ValueError, SyntaxError) as error:
        # Pillow's decoders report damage as any of these
        raise ImageError(f"{name}: the picture is damaged: {error}") from error
    return np.ascontiguousarray(pixels[..., ::-1])
