"""What commands on an offline run share."""

from __future__ import annotations

from pathlib import Path


def ledger_of(folder: Path) -> Path:
    """The database in a run's folder, known to be there."""
    from sightgrid.domain.errors import NotFound

    path = folder / "sightgrid.db"
    if not path.is_file():
        raise NotFound(
            f"{folder} holds no run: it has no sightgrid.db",
            hint="give the folder that `sightgrid track --out` wrote",
        )
    return path
