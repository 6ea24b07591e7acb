"""``sightgrid demo --serve``: a site of its own beside the run, with the sample grid."""

from __future__ import annotations

from pathlib import Path

import pytest

from sightgrid.cli.demo import _serve
from sightgrid.server.running import Serving


def test_the_demo_is_served_from_a_site_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders: list[Serving] = []
    monkeypatch.setattr(
        "sightgrid.server.running.serve", lambda serving, *, say: orders.append(serving)
    )
    folder = tmp_path / "deep" / "demo-site"
    for _ in range(2):  # the second time the site is there already
        _serve(folder, "127.0.0.1:8455")
    for order in orders:
        assert order.demo
        assert order.listen.port == 8455
        assert order.site.data_folder == folder
        assert order.site.configuration.site.name == "Demo"
    assert len(orders) == 2
