"""The aligned faces of a server's sightings: rows, so that none is ever without its sighting."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from sightgrid.store.schema_subjects import CROP
from sightgrid.store.sealing import of_sighting, seal, unseal
from sightgrid.store.session import Transaction


def crop_name(sighting_id: str, rank: int) -> str:
    """What stands in the column ``crop_path`` of a server's database."""
    return f"{sighting_id}/{rank}"


def save_crops(tx: Transaction, sighting_id: str, crops: Sequence[bytes | None]) -> None:
    """Replaces a sighting's crops (JPEG, best look first; ``None`` where a look has none)."""
    tx.connection.execute(
        sa.delete(CROP).where(CROP.c.site_id == tx.site_id, CROP.c.sighting_id == sighting_id)
    )
    rows = [
        {
            "site_id": tx.site_id,
            "sighting_id": sighting_id,
            "rank_no": rank,
            "jpeg": seal(tx, jpeg, subject=of_sighting(sighting_id), purpose=f"crop {rank}"),
        }
        for rank, jpeg in enumerate(crops, 1)
        if jpeg is not None
    ]
    tx.insert_later(CROP, rows)


def crop(tx: Transaction, sighting_id: str, rank: int = 1) -> bytes | None:
    """One crop as JPEG, rank 1 being the best look's; ``None`` if there is none (any more)."""
    sealed = tx.connection.scalar(
        sa.select(CROP.c.jpeg).where(
            CROP.c.site_id == tx.site_id, CROP.c.sighting_id == sighting_id, CROP.c.rank_no == rank
        )
    )
    if sealed is None:
        return None
    return unseal(tx, sealed, subject=of_sighting(sighting_id), purpose=f"crop {rank}")


def crops_of(tx: Transaction, sighting_id: str) -> dict[int, bytes]:
    """Every crop of a sighting as JPEG, by rank."""
    rows = tx.connection.execute(
        sa.select(CROP.c.rank_no, CROP.c.jpeg).where(
            CROP.c.site_id == tx.site_id, CROP.c.sighting_id == sighting_id
        )
    ).all()
    subject = of_sighting(sighting_id)
    return {rank: unseal(tx, jpeg, subject=subject, purpose=f"crop {rank}") for rank, jpeg in rows}
