"""Which faces were where in a camera's picture at one moment."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from sightgrid.domain.geometry import Box
from sightgrid.store.encoding import unpack_path
from sightgrid.store.schema import SIGHTING
from sightgrid.store.session import Transaction

# longer than two looks at one face are apart
_NEAR = timedelta(seconds=0.7)
_MOST = 40


def faces_at(tx: Transaction, camera: str, moment: datetime) -> dict[str, Box]:
    """The boxes, in pixels of the frame, of what was in view at a moment, by sighting."""
    rows = tx.connection.execute(
        sa.select(SIGHTING.c.sighting_id, SIGHTING.c.path)
        .where(
            SIGHTING.c.site_id == tx.site_id,
            SIGHTING.c.camera == camera,
            SIGHTING.c.first_seen <= moment + _NEAR,
            SIGHTING.c.first_seen >= moment - timedelta(hours=1),
            SIGHTING.c.last_seen >= moment - _NEAR,
        )
        .order_by(SIGHTING.c.first_seen.desc())
        .limit(_MOST)
    )
    found: dict[str, Box] = {}
    for sighting_id, packed in rows:
        point = min(unpack_path(packed), key=lambda one: abs(one.captured_at - moment))
        if abs(point.captured_at - moment) <= _NEAR:
            found[sighting_id] = point.box
    return found
