from __future__ import annotations

from collections.abc import Iterator

import pytest

from sightgrid.edge.ring import Ring, RingReader, RingWriter


@pytest.fixture
def ring() -> Iterator[Ring]:
    made = Ring.create("door", frame_bytes=640 * 480 * 3 // 2)
    yield made
    made.remove()


@pytest.fixture
def writer(ring: Ring) -> Iterator[RingWriter]:
    attached = RingWriter.attach(ring.spec)
    yield attached
    attached.close()


@pytest.fixture
def reader(ring: Ring) -> Iterator[RingReader]:
    attached = RingReader.attach(ring.spec)
    yield attached
    attached.close()
