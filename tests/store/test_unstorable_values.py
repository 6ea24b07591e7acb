"""A value that no database takes is the sender's fault, not the database's."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from sightgrid.domain.errors import InvalidValue
from sightgrid.store import Store
from sightgrid.store.schema import CAMERA


def ask_for(store: Store, name: str) -> None:
    with store.snapshot() as tx:
        tx.connection.execute(sa.select(CAMERA.c.name).where(CAMERA.c.name == name)).all()


def test_half_a_pair_of_surrogates_is_an_invalid_value(store: Store) -> None:
    with pytest.raises(InvalidValue):
        ask_for(store, "half a pair \ud800")


def test_a_zero_byte_is_an_invalid_value_where_it_can_not_be_stored(
    store: Store, backend: str
) -> None:
    if backend == "postgresql":
        with pytest.raises(InvalidValue):
            ask_for(store, "a zero byte \x00")
    else:
        ask_for(store, "a zero byte \x00")
