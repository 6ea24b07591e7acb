"""Errors of the product."""

from __future__ import annotations

import pickle

from sightgrid.domain.cameras import Trouble
from sightgrid.domain.errors import InvalidRecord, MissingExtra, StoreError, StreamFault


def test_errors_come_whole_from_other_processes() -> None:
    for error in (
        InvalidRecord("body_cut_off", "looks[2]", reason="why", permanent=False, sha256="ab"),
        StreamFault(Trouble.UNREACHABLE, "no answer", hint="is it on?"),
        MissingExtra("reading webcams", extra="edge"),
        StoreError("closed", hint="open it"),
    ):
        back = pickle.loads(pickle.dumps(error))  # noqa: S301 - its own
        assert (type(back), str(back), vars(back)) == (type(error), str(error), vars(error))
