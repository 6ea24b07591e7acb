"""Faces of some identities or sightings, to be compared in memory."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from sightgrid.domain.geometry import Floats
from sightgrid.store.encoding import unpack_floats
from sightgrid.store.identities import DECIDED
from sightgrid.store.schema import DECISION, LOOK, SIGHTING
from sightgrid.store.sealing import load_keys, of_sighting, unseal
from sightgrid.store.session import Transaction


@dataclass(frozen=True, slots=True, eq=False)
class SeenFace:
    """What one sighting looks like: its template or its best look, a unit vector (D,) and how much
    it counts. ``has_crop``: a picture of it is kept."""

    sighting_id: str
    camera: str
    first_seen: datetime
    vector: Floats
    worth: float
    has_crop: bool


def templates_of(
    tx: Transaction,
    family: Collection[int],
    contract_id: str,
    *,
    cameras: frozenset[str] | None = None,
    most: int,
) -> list[SeenFace]:
    """The faces of an identity's best sightings under a contract, as far as these cameras saw
    them, in order of time."""
    asked = (
        _templates(contract_id)
        .join(DECISION, DECIDED)
        .where(DECISION.c.site_id == tx.site_id, DECISION.c.serial.in_(family))
        .order_by(SIGHTING.c.quality.desc(), SIGHTING.c.sighting_id)
        .limit(most)
    )
    if cameras is not None:
        asked = asked.where(SIGHTING.c.camera.in_(sorted(cameras)))
    found = _faces(tx, asked, contract_id)
    return sorted(found, key=lambda face: (face.first_seen, face.sighting_id))


def template_of(tx: Transaction, sighting_id: str, contract_id: str) -> SeenFace | None:
    """The face of one sighting; ``None`` where it has none under this contract (any more)."""
    asked = _templates(contract_id).where(
        SIGHTING.c.site_id == tx.site_id, SIGHTING.c.sighting_id == sighting_id
    )
    found = _faces(tx, asked, contract_id)
    return found[0] if found else None


def _templates(contract_id: str) -> sa.Select[Any]:
    """Each sighting's template; where it was decided without one, its best look."""
    best_look = sa.and_(
        LOOK.c.site_id == SIGHTING.c.site_id,
        LOOK.c.sighting_id == SIGHTING.c.sighting_id,
        LOOK.c.rank_no == 1,
        LOOK.c.contract_id == contract_id,
    )
    its_template = sa.case(
        (SIGHTING.c.template_contract == contract_id, SIGHTING.c.template), else_=sa.null()
    )
    return (
        sa.select(
            SIGHTING.c.sighting_id,
            SIGHTING.c.camera,
            SIGHTING.c.first_seen,
            SIGHTING.c.crop_path,
            its_template.label("template"),
            SIGHTING.c.template_worth,
            LOOK.c.vector,
            LOOK.c.worth,
        )
        .select_from(SIGHTING.outerjoin(LOOK, best_look))
        .where(sa.or_(its_template.is_not(None), LOOK.c.vector.is_not(None)))
    )


def _faces(tx: Transaction, asked: sa.Select[Any], contract_id: str) -> list[SeenFace]:
    rows = tx.connection.execute(asked).all()
    load_keys(tx, (of_sighting(row.sighting_id) for row in rows))
    faces = []
    for row in rows:
        whole = row.template is not None
        vector = unpack_floats(
            unseal(
                tx,
                row.template if whole else row.vector,
                subject=of_sighting(row.sighting_id),
                purpose="template" if whole else "vector",
                contract_id=contract_id,
            )
        )
        worth = row.template_worth if whole else row.worth
        faces.append(
            SeenFace(
                row.sighting_id,
                row.camera,
                row.first_seen,
                vector,
                float(worth or 0.0),
                row.crop_path is not None,
            )
        )
    return faces
