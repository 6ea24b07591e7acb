from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from live import Live

from sightgrid.store import Store
from sightgrid.store.keys import SiteKeys


@pytest.fixture
def served(database: str, tmp_path: Path) -> Iterator[Store]:
    """A server's database, on each kind."""
    keys = SiteKeys.open(tmp_path / "site.key", create=True)
    with Store.open(database, create=True, keys=keys) as opened:
        yield opened


@pytest.fixture
def live(served: Store) -> Live:
    return Live(served)
