"""What a sighting's record says of the face: its path and its best looks.

It is written in one of two ways. Plain, it lies in the record's JSON, crops and vectors as base64.
To be sealed it is bytes: one line of the same JSON, in which a crop or vector is given by its
number of bytes, and after the line feed those bytes, in the order they were named.
"""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np

from sightgrid.domain.errors import InvalidRecord, InvalidValue
from sightgrid.domain.faces import Embedding, EmbeddingContract, FaceCrop, Quality
from sightgrid.domain.geometry import Box, Floats
from sightgrid.domain.paths import pack_floats, pack_path, unpack_floats, unpack_path
from sightgrid.domain.presence import Sighting
from sightgrid.domain.tracklets import Look, PathPoint
from sightgrid.wire.strict import Fields, read_object

MOST_LOOKS = 16
MOST_POINTS = 20_000
MOST_CROP_BYTES = 131_072
MOST_CROP_PX = 1024
MOST_DIMENSION = 4096
# 36 bytes a detection, should they not compress at all, and zlib's own few
MOST_PATH_BYTES = MOST_POINTS * 36 + 1024
MOST_COUNT = 2**31 - 1
# pixels of a source frame; a box may reach over its edge
MOST_PX = 1e6

_CONTRACT = re.compile(r"[0-9a-f]{64}")
_PACK = re.compile(r"[\w.-]{1,64}", re.ASCII)
_SHARES = tuple(
    field.name for field in fields(Quality) if field.name not in ("face_width_px", "yaw", "pitch")
)


@dataclass(frozen=True, slots=True, eq=False)
class WireLook:
    """A look whose crop is still the JPEG that the box made, or ``None`` where it kept none.

    ``landmarks_in_frame`` is float32 (5, 2), pixels of the source frame. The JPEG's header has been
    read (grey or three colours, at most 1024 px a side); its pixels have not.
    """

    counter: int
    captured_at: datetime
    frame_index: int
    box_in_frame: Box
    landmarks_in_frame: Floats
    detection_score: float
    quality: Quality
    embedding: Embedding | None
    crop: bytes | None


@dataclass(frozen=True, slots=True, eq=False)
class Content:
    """The path and the looks, best first. All embeddings are of one contract."""

    group: int
    path: tuple[PathPoint, ...]
    looks: tuple[WireLook, ...]

    @staticmethod
    def of(sighting: Sighting, crops: Sequence[bytes | None]) -> Content:
        """A sighting's, with the JPEG of each of its looks."""
        return Content(
            group=sighting.group,
            path=sighting.path,
            looks=tuple(
                WireLook(
                    counter=look.counter,
                    captured_at=look.crop.captured_at,
                    frame_index=look.crop.frame_index,
                    box_in_frame=look.crop.box_in_frame,
                    landmarks_in_frame=look.crop.landmarks_in_frame,
                    detection_score=look.crop.detection_score,
                    quality=look.crop.quality,
                    embedding=look.embedding,
                    crop=crop,
                )
                for look, crop in zip(sighting.looks, crops, strict=True)
            ),
        )

    def domain_looks(self) -> tuple[Look, ...]:
        """The looks without pixels (their crops are (0, 0, 3))."""
        return tuple(
            Look(
                counter=look.counter,
                crop=FaceCrop(
                    pixels=np.zeros((0, 0, 3), np.uint8),
                    quality=look.quality,
                    captured_at=look.captured_at,
                    frame_index=look.frame_index,
                    box_in_frame=look.box_in_frame,
                    landmarks_in_frame=look.landmarks_in_frame,
                    detection_score=look.detection_score,
                ),
                embedding=look.embedding,
            )
            for look in self.looks
        )


def format_moment(moment: datetime) -> str:
    """ISO-8601 in UTC to the microsecond, so that a look's time is exactly its path's."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def dump(value: Mapping[str, object]) -> bytes:
    """Compact JSON, ASCII only, without a line feed.

    Raises:
        InvalidValue: a number is not finite.
    """
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")
    except ValueError:
        raise InvalidValue("a record can't hold a number that is not finite") from None


def plain_fields(content: Content) -> dict[str, object]:
    """The content as fields of a plain record."""
    return _written(content, _base64)


def content_bytes(content: Content) -> bytes:
    """The content as the bytes that are sealed."""
    blobs: list[bytes] = []

    def put(blob: bytes) -> int:
        blobs.append(blob)
        return len(blob)

    header = dump(_written(content, put))
    return b"".join((header, b"\n", *blobs))


def read_plain(record: Fields) -> Content:
    """Takes a plain record's content.

    Raises:
        InvalidRecord: with code and field.
    """
    return _read(record, Fields.octets)


def read_content_bytes(opened: bytes) -> Content:
    """Reads what was sealed.

    Raises:
        InvalidRecord: with code and field.
    """
    header, line_feed, blobs = opened.partition(b"\n")
    if not line_feed:
        raise InvalidRecord("sealed_damaged", "sealed")
    record = read_object(header, "sealed")
    start = 0

    def cut(record: Fields, name: str, most: int) -> bytes:
        nonlocal start
        count = record.integer(name, 0, most)
        blob = blobs[start : start + count]
        if len(blob) != count:
            raise InvalidRecord("wrong_length", record.place(name))
        start += count
        return blob

    content = _read(record, cut)
    record.nothing_else()
    if start != len(blobs):
        raise InvalidRecord("wrong_length", "sealed", reason="bytes that no field names")
    return content


def _base64(blob: bytes) -> str:
    return binascii.b2a_base64(blob, newline=False).decode("ascii")


def _written(content: Content, put: Callable[[bytes], str | int]) -> dict[str, object]:
    contracts = {look.embedding.contract for look in content.looks if look.embedding is not None}
    if len(contracts) > 1:
        raise InvalidValue("the embeddings of one sighting must be of one contract")
    if not 0 < len(content.path) <= MOST_POINTS or len(content.looks) > MOST_LOOKS:
        raise InvalidValue(
            f"a record holds 1 to {MOST_POINTS} detections and at most {MOST_LOOKS} looks, "
            f"not {len(content.path)} and {len(content.looks)}"
        )
    written: dict[str, object] = {
        "group": int(content.group),
        "path": _base64(pack_path(content.path)),
    }
    for contract in contracts:
        written["contract"] = {
            "id": contract.id,
            "pack": contract.pack,
            "dimension": int(contract.dimension),
        }
    written["looks"] = [_written_look(look, put) for look in content.looks]
    return written


def _written_look(look: WireLook, put: Callable[[bytes], str | int]) -> dict[str, object]:
    box, quality = look.box_in_frame, look.quality
    written: dict[str, object] = {
        "counter": int(look.counter),
        "captured_at": format_moment(look.captured_at),
        "frame_index": int(look.frame_index),
        "box": [float(box.left), float(box.top), float(box.right), float(box.bottom)],
        "landmarks": _base64(pack_floats(look.landmarks_in_frame)),
        "detection_score": _share(look.detection_score),
        "quality": {
            "face_width_px": float(quality.face_width_px),
            "yaw": float(quality.yaw),
            "pitch": float(quality.pitch),
            **{name: _share(getattr(quality, name)) for name in _SHARES},
        },
    }
    if look.crop is not None:
        check_jpeg(look.crop, "crop")
        written["crop"] = put(look.crop)
    if look.embedding is not None:
        written["vector"] = put(pack_floats(look.embedding.vector))
        written["strength"] = _share(look.embedding.strength)
    return written


def _share(value: float) -> float:
    """0-1; what rounding left a hair outside is brought inside, NaN stays and is refused."""
    return min(max(float(value), 0.0), 1.0) if value == value else float(value)


def _read(record: Fields, octets: Callable[[Fields, str, int], bytes]) -> Content:
    group = record.integer("group", 0, MOST_COUNT)
    try:
        path = unpack_path(record.octets("path", MOST_PATH_BYTES), most_points=MOST_POINTS)
    except InvalidRecord:
        raise
    except InvalidValue as error:
        raise InvalidRecord("path_damaged", record.place("path"), reason=str(error)) from None
    if not path or path[0].frame_index < 1:
        raise InvalidRecord("path_damaged", record.place("path"), reason="no first frame")
    for one, other in pairwise(path):
        if other.frame_index <= one.frame_index or other.captured_at < one.captured_at:
            raise InvalidRecord("path_damaged", record.place("path"), reason="not in order")
    contract = _read_contract(record.inner("contract")) if record.has("contract") else None
    looks = tuple(_read_look(one, contract, octets) for one in record.each("looks", MOST_LOOKS))
    return Content(group=group, path=path, looks=looks)


def _read_contract(record: Fields) -> EmbeddingContract:
    contract = EmbeddingContract(
        id=record.text("id", _CONTRACT),
        pack=record.text("pack", _PACK),
        dimension=record.integer("dimension", 1, MOST_DIMENSION),
    )
    record.nothing_else()
    return contract


def _read_look(
    record: Fields,
    contract: EmbeddingContract | None,
    octets: Callable[[Fields, str, int], bytes],
) -> WireLook:
    quality = record.inner("quality")
    landmarks = _read_landmarks(record)
    crop = octets(record, "crop", MOST_CROP_BYTES) if record.has("crop") else None
    if crop is not None:
        check_jpeg(crop, record.place("crop"))
    look = WireLook(
        counter=record.integer("counter", 0, MOST_COUNT),
        captured_at=record.moment("captured_at"),
        frame_index=record.integer("frame_index", 1, MOST_COUNT),
        box_in_frame=_read_box(record),
        landmarks_in_frame=landmarks,
        detection_score=record.number("detection_score", 0, 1),
        quality=Quality(
            face_width_px=quality.number("face_width_px", 0, MOST_PX),
            yaw=quality.number("yaw", -1000, 1000),
            pitch=quality.number("pitch", -1000, 1000),
            **{name: quality.number(name, 0, 1) for name in _SHARES},
        ),
        embedding=_read_embedding(record, contract, octets) if record.has("vector") else None,
        crop=crop,
    )
    quality.nothing_else()
    record.nothing_else()
    return look


def _read_landmarks(record: Fields) -> Floats:
    """The five points of a look, float32 (5, 2)."""
    packed = record.octets("landmarks", 40)
    if len(packed) != 40:
        raise InvalidRecord("wrong_length", record.place("landmarks"), reason="expected 40 bytes")
    points = unpack_floats(packed).reshape(5, 2)
    if not np.isfinite(points).all():
        raise InvalidRecord("not_finite", record.place("landmarks"))
    return points


def _read_box(record: Fields) -> Box:
    left, top, right, bottom = record.numbers("box", 4, -MOST_PX, MOST_PX)
    if not (right > left and bottom > top):
        raise InvalidRecord("out_of_range", record.place("box"), reason="an empty box")
    return Box(left, top, right, bottom)


def _read_embedding(
    record: Fields,
    contract: EmbeddingContract | None,
    octets: Callable[[Fields, str, int], bytes],
) -> Embedding:
    place = record.place("vector")
    if contract is None:
        raise InvalidRecord("missing_field", "contract", reason=f"{place} needs it")
    packed = octets(record, "vector", 4 * MOST_DIMENSION)
    if len(packed) != 4 * contract.dimension:
        raise InvalidRecord(
            "wrong_length", place, reason=f"expected {contract.dimension} float32 numbers"
        )
    vector = unpack_floats(packed)
    if not np.isfinite(vector).all():
        raise InvalidRecord("not_finite", place)
    strength = record.number("strength", 0, 1)
    try:
        return Embedding(vector=vector, contract=contract, strength=strength)
    except InvalidValue:
        raise InvalidRecord("not_unit_length", place) from None


def check_jpeg(data: bytes, place: str) -> None:
    """Reads a JPEG's header: whole, grey or three colours, of sane size. No pixel is decoded.

    Raises:
        InvalidRecord: it is no such picture.
    """
    if len(data) > MOST_CROP_BYTES:
        raise InvalidRecord("too_large", place, reason=f"at most {MOST_CROP_BYTES} bytes")
    if not (data.startswith(b"\xff\xd8\xff") and data.endswith(b"\xff\xd9")):
        raise InvalidRecord("not_jpeg", place)
    at = 2
    while at + 9 < len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        # SOF0-2: baseline, extended and progressive; no camera sends the rarer kinds
        if marker in (0xC0, 0xC1, 0xC2):
            height = int.from_bytes(data[at + 5 : at + 7], "big")
            width = int.from_bytes(data[at + 7 : at + 9], "big")
            if not (0 < width <= MOST_CROP_PX and 0 < height <= MOST_CROP_PX):
                raise InvalidRecord("not_jpeg", place, reason=f"{width} x {height} pixels")
            if data[at + 9] not in (1, 3):
                raise InvalidRecord("not_jpeg", place, reason=f"{data[at + 9]} colours")
            return
        if length < 2:
            break
        at += 2 + length
    raise InvalidRecord("not_jpeg", place, reason="no frame header")
