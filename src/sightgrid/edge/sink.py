"""Where a box's sightings go."""

from __future__ import annotations

from typing import Protocol

from sightgrid.domain.presence import Sighting


class SightingSink(Protocol):
    """Takes sightings as they are made; the spool, or a ledger on the same machine."""

    def put(self, sighting: Sighting) -> None:
        """Takes a revision of a sighting; its crops carry pixels.

        The first is revision 1 and open, each further one replaces the one before, the last one
        is closed. A short sighting may be closed at revision 1.
        """
