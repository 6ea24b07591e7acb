"""What is known of an identity that a photo search found: where it was, its sightings, its word."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from sightgrid.domain.geometry import Floats
from sightgrid.store.encoding import unpack_floats
from sightgrid.store.identities import DECIDED
from sightgrid.store.schema import DECISION, IDENTITY, SIGHTING
from sightgrid.store.sealing import load_keys, of_identity, of_sighting, unseal
from sightgrid.store.session import Transaction


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where and when an identity was seen, as far as it was asked; cameras in the order they first
    saw it."""

    cameras: tuple[str, ...]
    sightings: int
    first_seen: datetime | None
    last_seen: datetime | None


@dataclass(frozen=True, slots=True, eq=False)
class FoundSighting:
    """A sighting of an identity. ``vector`` (D,) is what it adds to the identity, ``None`` where
    that is not kept; ``has_crop``: a picture of it is."""

    sighting_id: str
    camera: str
    first_seen: datetime
    last_seen: datetime
    vector: Floats | None
    has_crop: bool


def whereabouts(
    tx: Transaction, family: Collection[int], *, cameras: frozenset[str] | None
) -> Whereabouts:
    """Where an identity was seen by some cameras, or by all."""
    rows = tx.connection.execute(
        sa.select(
            SIGHTING.c.camera,
            sa.func.count(),
            sa.func.min(SIGHTING.c.first_seen),
            sa.func.max(SIGHTING.c.last_seen),
        )
        .join_from(DECISION, SIGHTING, DECIDED)
        .where(*_theirs(tx, family, cameras))
        .group_by(SIGHTING.c.camera)
    ).all()
    spans = sorted((first, camera) for camera, _, first, _ in rows)
    return Whereabouts(
        cameras=tuple(camera for _, camera in spans),
        sightings=sum(count for _, count, _, _ in rows),
        first_seen=min((first for _, _, first, _ in rows), default=None),
        last_seen=max((last for _, _, _, last in rows), default=None),
    )


def found_sightings(
    tx: Transaction,
    family: Collection[int],
    contract_id: str,
    *,
    cameras: frozenset[str] | None,
    most: int,
    best: bool = False,
) -> list[FoundSighting]:
    """The newest sightings of an identity by some cameras, or its best ones."""
    order = SIGHTING.c.quality.desc() if best else SIGHTING.c.last_seen.desc()
    template = sa.case(
        (SIGHTING.c.template_contract == contract_id, SIGHTING.c.template), else_=sa.null()
    )
    rows = tx.connection.execute(
        sa.select(
            SIGHTING.c.sighting_id,
            SIGHTING.c.camera,
            SIGHTING.c.first_seen,
            SIGHTING.c.last_seen,
            SIGHTING.c.crop_path,
            template.label("template"),
        )
        .join_from(DECISION, SIGHTING, DECIDED)
        .where(*_theirs(tx, family, cameras))
        .order_by(order, SIGHTING.c.sighting_id)
        .limit(most)
    ).all()
    load_keys(tx, (of_sighting(row.sighting_id) for row in rows if row.template is not None))
    return [
        FoundSighting(
            sighting_id=row.sighting_id,
            camera=row.camera,
            first_seen=row.first_seen,
            last_seen=row.last_seen,
            vector=_vector(tx, row, contract_id),
            has_crop=row.crop_path is not None,
        )
        for row in rows
    ]


def label_of(tx: Transaction, serial: int) -> str:
    """The site's own word for a stranger; empty where there is none."""
    sealed = tx.connection.scalar(
        sa.select(IDENTITY.c.label).where(
            IDENTITY.c.site_id == tx.site_id, IDENTITY.c.serial == serial
        )
    )
    if sealed is None:
        return ""
    return unseal(tx, sealed, subject=of_identity(serial), purpose="label").decode()


def _theirs(
    tx: Transaction, family: Collection[int], cameras: frozenset[str] | None
) -> list[sa.ColumnElement[bool]]:
    conditions = [DECISION.c.site_id == tx.site_id, DECISION.c.serial.in_(family)]
    if cameras is not None:
        conditions.append(SIGHTING.c.camera.in_(sorted(cameras)))
    return conditions


def _vector(tx: Transaction, row: Any, contract_id: str) -> Floats | None:
    if row.template is None:
        return None
    plain = unseal(
        tx,
        row.template,
        subject=of_sighting(row.sighting_id),
        purpose="template",
        contract_id=contract_id,
    )
    return unpack_floats(plain)
