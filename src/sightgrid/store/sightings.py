"""Sightings with their paths and looks: what the cameras saw, before anybody says who it was."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from sightgrid.domain.errors import InvalidValue, NotFound
from sightgrid.domain.faces import Embedding, EmbeddingContract, Quality
from sightgrid.domain.geometry import Box, Floats
from sightgrid.domain.presence import Sighting
from sightgrid.domain.tracklets import Look, PathPoint
from sightgrid.store.batches import in_batches
from sightgrid.store.cameras import add_cameras
from sightgrid.store.encoding import pack_floats, pack_path, unpack_floats, unpack_path
from sightgrid.store.people import add_contracts, contracts
from sightgrid.store.schema import LOOK, SIGHTING
from sightgrid.store.sealing import expect_new, of_sighting, seal, unseal
from sightgrid.store.session import Transaction

UNDECIDED: dict[str, Any] = {
    "box_id": None,
    "template": None,
    "template_worth": None,
    "template_contract": None,
}
"""What a new sighting's row holds until it is known where it is from and who it is."""


@dataclass(frozen=True, slots=True, eq=False)
class StoredLook:
    """A look as the database holds it: everything but the pixels, which lie at ``crop_path``
    (relative to the run's folder; ``None`` where no crop was kept). Landmarks are float32 (5, 2).
    """

    counter: int
    captured_at: datetime
    frame_index: int
    box_in_frame: Box
    landmarks_in_frame: Floats
    detection_score: float
    quality: Quality
    worth: float
    embedding: Embedding | None
    crop_path: str | None


@dataclass(frozen=True, slots=True, eq=False)
class StoredSighting:
    """The newest revision of a sighting; looks are best first. Boxes of the path are exact to
    float32."""

    sighting_id: str
    revision: int
    closed: bool
    camera: str
    group: int
    first_seen: datetime
    last_seen: datetime
    quality: float
    path: tuple[PathPoint, ...]
    looks: tuple[StoredLook, ...]


def insert_sighting(tx: Transaction, sighting: Sighting, *, crop_paths: Sequence[str]) -> bool:
    """Stores one sighting; see :func:`insert_sightings`. ``False`` if it was there already."""
    return insert_sightings(tx, [sighting], crop_paths={sighting.sighting_id: crop_paths}) == 1


def insert_sightings(
    tx: Transaction, sightings: Iterable[Sighting], *, crop_paths: Mapping[str, Sequence[str]]
) -> int:
    """Stores sightings and their looks; returns how many were new or newer.

    The same revision again, or an older one, changes nothing; a newer one replaces the older.
    Cameras and contracts that are not known yet are added.

    Args:
        crop_paths: by sighting id the paths of the looks' crops relative to the run's folder, best
            first; a sighting may have fewer crops than looks.

    Raises:
        InvalidValue: more crops than looks, or a text too long to store.
    """
    newest: dict[str, Sighting] = {}
    for sighting in sightings:
        known = newest.get(sighting.sighting_id)
        if known is None or sighting.revision > known.revision:
            newest[sighting.sighting_id] = sighting
    stored = _revisions(tx, newest)
    fresh = [one for one in newest.values() if one.sighting_id not in stored]
    newer = [one for one in newest.values() if one.revision > stored.get(one.sighting_id, 2**31)]
    for batch in in_batches(fresh):
        add_what_they_need(tx, batch)
        tx.insert_later(SIGHTING, (_its_row(tx, one, crop_paths) | UNDECIDED for one in batch))
        expect_new(tx, (of_sighting(one.sighting_id) for one in batch))
        _insert_looks(tx, batch, crop_paths)
    for one in newer:
        add_what_they_need(tx, [one])
        tx.connection.execute(
            sa.update(SIGHTING)
            .where(SIGHTING.c.site_id == tx.site_id, SIGHTING.c.sighting_id == one.sighting_id)
            .values(_its_row(tx, one, crop_paths))
        )
        tx.connection.execute(
            sa.delete(LOOK).where(
                LOOK.c.site_id == tx.site_id, LOOK.c.sighting_id == one.sighting_id
            )
        )
        _insert_looks(tx, [one], crop_paths)
    return len(fresh) + len(newer)


def sighting(tx: Transaction, sighting_id: str) -> StoredSighting:
    """The newest revision of one sighting.

    Raises:
        NotFound: there is no such sighting.
    """
    row = tx.connection.execute(
        sa.select(SIGHTING).where(
            SIGHTING.c.site_id == tx.site_id, SIGHTING.c.sighting_id == sighting_id
        )
    ).first()
    if row is None:
        raise NotFound(f"there is no sighting {sighting_id}")
    known = contracts(tx)
    looks = tx.connection.execute(
        sa.select(LOOK)
        .where(LOOK.c.site_id == tx.site_id, LOOK.c.sighting_id == sighting_id)
        .order_by(LOOK.c.rank_no)
    )
    return StoredSighting(
        sighting_id=row.sighting_id,
        revision=row.revision,
        closed=row.closed,
        camera=row.camera,
        group=row.group_no,
        first_seen=row.first_seen,
        last_seen=row.last_seen,
        quality=row.quality,
        path=unpack_path(row.path),
        looks=tuple(_stored_look(tx, look, known) for look in looks),
    )


def sightings_without(tx: Transaction, contract_id: str, *, after: str, most: int) -> list[str]:
    """The ids of sightings, beyond ``after`` in order, none of whose looks is under a contract."""
    under = sa.exists().where(
        LOOK.c.site_id == SIGHTING.c.site_id,
        LOOK.c.sighting_id == SIGHTING.c.sighting_id,
        LOOK.c.contract_id == contract_id,
    )
    rows = tx.connection.scalars(
        sa.select(SIGHTING.c.sighting_id)
        .where(SIGHTING.c.site_id == tx.site_id, SIGHTING.c.sighting_id > after, ~under)
        .order_by(SIGHTING.c.sighting_id)
        .limit(most)
    )
    return list(rows)


def replace_embeddings(
    tx: Transaction, sighting_id: str, embeddings: Mapping[int, Embedding]
) -> None:
    """Gives looks (by rank) other embeddings, and takes away those of all other looks: vectors of
    two contracts are of no use in one sighting. Worths are those of the new vectors."""
    here = sa.and_(LOOK.c.site_id == tx.site_id, LOOK.c.sighting_id == sighting_id)
    tx.connection.execute(
        sa.update(LOOK).where(here).values(contract_id=None, vector=None, strength=None)
    )
    for rank, embedding in embeddings.items():
        tx.connection.execute(
            sa.update(LOOK)
            .where(here, LOOK.c.rank_no == rank)
            .values(
                contract_id=embedding.contract.id,
                vector=_sealed_vector(tx, sighting_id, embedding),
                strength=float(embedding.strength),
                # as domain.tracklets.worth_of weighs a look
                worth=float(embedding.strength)
                * LOOK.c.quality_certainty
                * (0.5 + 0.5 * LOOK.c.quality_overall),
            )
        )


def spans_of(tx: Transaction, sighting_ids: Iterable[str]) -> list[tuple[str, datetime, datetime]]:
    """Camera, first and last moment of some sightings, in no order."""
    found: list[tuple[str, datetime, datetime]] = []
    for batch in in_batches(sighting_ids):
        rows = tx.connection.execute(
            sa.select(SIGHTING.c.camera, SIGHTING.c.first_seen, SIGHTING.c.last_seen).where(
                SIGHTING.c.site_id == tx.site_id, SIGHTING.c.sighting_id.in_(batch)
            )
        )
        found += [(camera, first, last) for camera, first, last in rows]
    return found


def crop_paths_of(tx: Transaction, sighting_ids: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The crops of each sighting that has any, best first."""
    found: dict[str, list[str]] = {}
    for batch in in_batches(sighting_ids):
        rows = tx.connection.execute(
            sa.select(LOOK.c.sighting_id, LOOK.c.crop_path)
            .where(
                LOOK.c.site_id == tx.site_id,
                LOOK.c.sighting_id.in_(batch),
                LOOK.c.crop_path.is_not(None),
            )
            .order_by(LOOK.c.sighting_id, LOOK.c.rank_no)
        )
        for sighting_id, crop_path in rows:
            found.setdefault(sighting_id, []).append(crop_path)
    return {sighting_id: tuple(paths) for sighting_id, paths in found.items()}


def _vector(tx: Transaction, look: sa.Row[Any]) -> Floats:
    return unpack_floats(
        unseal(
            tx,
            look.vector,
            subject=of_sighting(look.sighting_id),
            purpose="vector",
            contract_id=look.contract_id,
        )
    )


def add_what_they_need(tx: Transaction, sightings: Sequence[Sighting]) -> None:
    """Makes sure that the cameras and contracts of sightings have rows."""
    add_cameras(tx, {one.camera for one in sightings})
    embeddings = (look.embedding for one in sightings for look in one.looks)
    add_contracts(tx, (embedding.contract for embedding in embeddings if embedding is not None))


def _insert_looks(
    tx: Transaction, sightings: Iterable[Sighting], crop_paths: Mapping[str, Sequence[str]]
) -> None:
    tx.insert_later(LOOK, [row for one in sightings for row in _look_rows(tx, one, crop_paths)])


def _revisions(tx: Transaction, ids: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for batch in in_batches(ids):
        rows = tx.connection.execute(
            sa.select(SIGHTING.c.sighting_id, SIGHTING.c.revision).where(
                SIGHTING.c.site_id == tx.site_id, SIGHTING.c.sighting_id.in_(batch)
            )
        )
        found.update((str(sighting_id), int(revision)) for sighting_id, revision in rows)
    return found


def _its_row(
    tx: Transaction, sighting: Sighting, crop_paths: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    row = sighting_row(sighting, crop_paths.get(sighting.sighting_id, ()))
    return row | {"site_id": tx.site_id}


def sighting_row(sighting: Sighting, crop_paths: Sequence[str]) -> dict[str, Any]:
    """A sighting's row without its site, and without what :data:`UNDECIDED` holds."""
    return {
        "sighting_id": sighting.sighting_id,
        "revision": sighting.revision,
        "closed": sighting.closed,
        "camera": sighting.camera,
        "group_no": int(sighting.group),
        "first_seen": sighting.first_seen,
        "last_seen": sighting.last_seen,
        "first_frame": int(sighting.path[0].frame_index),
        "last_frame": int(sighting.path[-1].frame_index),
        "faces": len(sighting.path),
        "quality": float(sighting.quality),
        "crop_path": crop_paths[0] if crop_paths else None,
        "path": pack_path(sighting.path),
    }


def _look_rows(
    tx: Transaction, sighting: Sighting, crop_paths: Mapping[str, Sequence[str]]
) -> Iterator[dict[str, Any]]:
    crops = crop_paths.get(sighting.sighting_id, ())
    if len(crops) > len(sighting.looks):
        raise InvalidValue(
            f"sighting {sighting.sighting_id} has {len(crops)} crops "
            f"but only {len(sighting.looks)} looks"
        )
    for rank, look in enumerate(sighting.looks, 1):
        yield look_row(look, crops[rank - 1] if rank <= len(crops) else None) | {
            "site_id": tx.site_id,
            "sighting_id": sighting.sighting_id,
            "rank_no": rank,
            "vector": _sealed_vector(tx, sighting.sighting_id, look.embedding),
        }


def _sealed_vector(tx: Transaction, sighting_id: str, embedding: Embedding | None) -> bytes | None:
    if embedding is None:
        return None
    return seal(
        tx,
        pack_floats(embedding.vector),
        subject=of_sighting(sighting_id),
        purpose="vector",
        contract_id=embedding.contract.id,
    )


def look_row(look: Look, crop_path: str | None) -> dict[str, Any]:
    """A look's row without its key and its vector."""
    crop, quality, embedding = look.crop, look.crop.quality, look.embedding
    return {
        "counter": int(look.counter),
        "captured_at": crop.captured_at,
        "frame_index": int(crop.frame_index),
        "box_left": float(crop.box_in_frame.left),
        "box_top": float(crop.box_in_frame.top),
        "box_right": float(crop.box_in_frame.right),
        "box_bottom": float(crop.box_in_frame.bottom),
        "landmarks": pack_floats(crop.landmarks_in_frame),
        "detection_score": float(crop.detection_score),
        "face_width_px": float(quality.face_width_px),
        "quality_size": float(quality.size),
        "quality_sharpness": float(quality.sharpness),
        "quality_light": float(quality.light),
        "quality_pose": float(quality.pose),
        "quality_visible": float(quality.visible),
        "quality_certainty": float(quality.certainty),
        "yaw": float(quality.yaw),
        "pitch": float(quality.pitch),
        "quality_overall": float(quality.overall),
        "worth": float(look.worth),
        "contract_id": None if embedding is None else embedding.contract.id,
        "strength": None if embedding is None else float(embedding.strength),
        "crop_path": crop_path,
    }


def _stored_look(
    tx: Transaction, row: sa.Row[Any], known: Mapping[str, EmbeddingContract]
) -> StoredLook:
    return StoredLook(
        counter=row.counter,
        captured_at=row.captured_at,
        frame_index=row.frame_index,
        box_in_frame=Box(row.box_left, row.box_top, row.box_right, row.box_bottom),
        landmarks_in_frame=unpack_floats(row.landmarks).reshape(5, 2),
        detection_score=row.detection_score,
        quality=Quality(
            face_width_px=row.face_width_px,
            size=row.quality_size,
            sharpness=row.quality_sharpness,
            light=row.quality_light,
            pose=row.quality_pose,
            visible=row.quality_visible,
            certainty=row.quality_certainty,
            yaw=row.yaw,
            pitch=row.pitch,
            overall=row.quality_overall,
        ),
        worth=row.worth,
        embedding=(
            None
            if row.vector is None
            else Embedding(_vector(tx, row), known[row.contract_id], row.strength)
        ),
        crop_path=row.crop_path,
    )
