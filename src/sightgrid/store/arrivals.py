"""A sighting on its way in: its rows made and sealed before anybody has to wait for the site.

Sealing crops and vectors is most of the work of storing a sighting, and it needs no database as
long as the sighting is new: its key is made here. A sighting of which an older revision is stored
has its key already, so its rows are sealed once more.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.presence import Sighting
from sightgrid.store.crops import crop_name
from sightgrid.store.encoding import pack_floats
from sightgrid.store.keys import KEY_BYTES, SiteKeys
from sightgrid.store.schema import CAMERA, LOOK, SIGHTING
from sightgrid.store.schema_subjects import CROP, DATA_KEY
from sightgrid.store.sealing import of_sighting, seal, sealed_under
from sightgrid.store.sightings import UNDECIDED, add_what_they_need, look_row, sighting_row
from sightgrid.store.transaction import Row, Transaction

Sealer = Callable[[bytes, str, str], bytes]
"""Seals bytes for a purpose, under a contract or none (empty)."""

_REVISED = (
    *("revision", "closed", "camera", "group_no", "first_seen", "last_seen", "first_frame"),
    *("last_frame", "faces", "quality", "crop_path", "path", "box_id"),
)
_SITE: sa.BindParameter[int] = sa.bindparam("its_site")
_ID: sa.BindParameter[str] = sa.bindparam("its_id")
_REVISE = (
    sa.update(SIGHTING)
    .where(SIGHTING.c.site_id == _SITE, SIGHTING.c.sighting_id == _ID)
    .values({name: sa.bindparam(f"new_{name}") for name in _REVISED})
)
_CLEARED = [
    sa.delete(table).where(table.c.site_id == _SITE, table.c.sighting_id == _ID)
    for table in (LOOK, CROP)
]


@dataclass(frozen=True, slots=True, eq=False)
class NewSighting:
    """A sighting with its rows, sealed under a key of its own; ``data_key`` and ``key_row`` are
    ``None`` where the database is plain. ``crops`` are JPEGs in the order of the looks."""

    sighting: Sighting
    crops: tuple[bytes | None, ...]
    data_key: bytes | None
    key_row: Row | None
    its_row: Row
    look_rows: tuple[Row, ...]
    crop_rows: tuple[Row, ...]


def new_sighting(
    keys: SiteKeys | None, sighting: Sighting, crops: tuple[bytes | None, ...]
) -> NewSighting:
    """Makes the rows of a sighting; nothing is asked of the database.

    Raises:
        InvalidValue: looks and crops don't belong together.
    """
    if len(crops) != len(sighting.looks):
        raise InvalidValue(f"{len(sighting.looks)} looks came with {len(crops)} crops")
    subject = of_sighting(sighting.sighting_id)
    its_row = sighting_row(sighting, _crop_paths(sighting, crops))
    if keys is None:
        looks, pictures = _rows(sighting, crops, lambda plain, *_: plain)
        return NewSighting(sighting, crops, None, None, its_row, looks, pictures)
    key = secrets.token_bytes(KEY_BYTES)

    def sealed(plain: bytes, purpose: str, contract_id: str) -> bytes:
        return sealed_under(key, plain, subject=subject, purpose=purpose, contract_id=contract_id)

    looks, pictures = _rows(sighting, crops, sealed)
    key_row = {"subject": subject, "wrapped": keys.wrap(key, subject=subject)}
    return NewSighting(sighting, crops, key, key_row, its_row, looks, pictures)


def insert_new(tx: Transaction, new: NewSighting, *, box_id: str) -> None:
    """Stores a sighting of which nothing is stored."""
    here = {"site_id": tx.site_id}
    add_what_they_need(tx, [new.sighting])
    if new.key_row is not None and new.data_key is not None:
        tx.data_keys[new.key_row["subject"]] = new.data_key
        tx.insert_later(DATA_KEY, [here | new.key_row])
    tx.insert_later(SIGHTING, [here | new.its_row | UNDECIDED | {"box_id": box_id}])
    tx.insert_later(LOOK, (here | row for row in new.look_rows))
    tx.insert_later(CROP, (here | row for row in new.crop_rows))


def insert_revision(tx: Transaction, newer: NewSighting, *, box_id: str) -> None:
    """Puts a newer revision in the place of the stored one, under the key that this has."""
    here, sighting = {"site_id": tx.site_id}, newer.sighting
    subject = of_sighting(sighting.sighting_id)

    def sealed(plain: bytes, purpose: str, contract_id: str) -> bytes:
        return seal(tx, plain, subject=subject, purpose=purpose, contract_id=contract_id)

    add_what_they_need(tx, [sighting])
    its_id = {"its_site": tx.site_id, "its_id": sighting.sighting_id}
    values = newer.its_row | {"box_id": box_id}
    waits = tx.waiting(CAMERA) or any(
        row["sighting_id"] == sighting.sighting_id for row in tx.waiting(SIGHTING)
    )
    connection = tx.connection if waits else tx.beside
    connection.execute(_REVISE, its_id | {f"new_{name}": values[name] for name in _REVISED})
    for clearing in _CLEARED:
        connection.execute(clearing, its_id)
    looks, pictures = _rows(sighting, newer.crops, sealed)
    tx.insert_later(LOOK, (here | row for row in looks))
    tx.insert_later(CROP, (here | row for row in pictures))


def _rows(
    sighting: Sighting, crops: Sequence[bytes | None], sealed: Sealer
) -> tuple[tuple[Row, ...], tuple[Row, ...]]:
    """The rows of the looks and those of the crops, without their site."""
    paths = _crop_paths(sighting, crops)
    looks = []
    for rank, look in enumerate(sighting.looks, 1):
        row = look_row(look, paths[rank - 1] if rank <= len(paths) else None)
        known = look.embedding
        row["vector"] = (
            None
            if known is None
            else sealed(pack_floats(known.vector), "vector", known.contract.id)
        )
        looks.append(row | {"sighting_id": sighting.sighting_id, "rank_no": rank})
    pictures = [
        {
            "sighting_id": sighting.sighting_id,
            "rank_no": rank,
            "jpeg": sealed(jpeg, f"crop {rank}", ""),
        }
        for rank, jpeg in enumerate(crops, 1)
        if jpeg is not None
    ]
    return tuple(looks), tuple(pictures)


def _crop_paths(sighting: Sighting, crops: Sequence[bytes | None]) -> list[str]:
    """What stands for the crops in the rows, up to the first look without one."""
    there = 0
    while there < len(crops) and crops[there] is not None:
        there += 1
    return [crop_name(sighting.sighting_id, rank) for rank in range(1, there + 1)]
