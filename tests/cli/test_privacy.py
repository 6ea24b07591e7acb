"""Erasing somebody from a site, and the audit of it, as from a terminal."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.wire.sightings import sighting

from sightgrid.cli.main import run
from sightgrid.configuration import Configuration
from sightgrid.domain.presence import Band, Decision, Match
from sightgrid.server.site import Site, SiteSettings
from sightgrid.store.decisions import record_decisions
from sightgrid.store.identities import identities, mint
from sightgrid.store.schema_accounts import AUDIT_EVENT
from sightgrid.store.sightings import insert_sightings


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A site where two strangers were seen."""
    monkeypatch.chdir(tmp_path)
    configuration = Configuration.default(tmp_path / "sightgrid.yml")
    opened = Site(SiteSettings(configuration, tmp_path))
    made = [sighting(sighting_id=str(uuid.UUID(int=number)), looks=1) for number in (1, 2)]
    with opened.store.transaction() as tx:
        insert_sightings(tx, made, crop_paths={})
        for number, one in enumerate(made, 1):
            mint(tx, minted_at=one.first_seen)
            match = Match(Band.STRANGER, number, None, None, None, None, "new")
            record_decisions(tx, [Decision(one, match)], decided_at=one.last_seen)
    opened.close()
    return tmp_path


def test_a_stranger_is_erased_with_a_receipt(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    erase = ["privacy", "erase", "serial:2", "--reason", "asked for it", "--yes", "--json"]
    assert run(erase) == 0
    receipt = json.loads(capsys.readouterr().out)
    assert (receipt["identities"], receipt["deleted"]["sightings"]) == ([2], 1)
    configuration = Configuration.default(site / "sightgrid.yml")
    opened = Site(SiteSettings(configuration, site))
    with opened.store.snapshot() as tx:
        left = [row for row in identities(tx) if row.sightings]
        assert [row.serial for row in left] == [1]
        (row,) = tx.connection.execute(sa.select(AUDIT_EVENT)).all()
    assert row.action == "erase"
    assert "serial" not in row.subject
    opened.close()


@pytest.mark.parametrize("subject", ["2", "serial:x", "person:", "serial:99"])
def test_nobody_is_erased_by_mistake(
    site: Path, capsys: pytest.CaptureFixture[str], subject: str
) -> None:
    assert run(["privacy", "erase", subject, "--reason", "r", "--yes"]) == 1
    assert capsys.readouterr().err.startswith("error: ")


def test_a_changed_audit_is_named(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["privacy", "erase", "serial:1", "--reason", "r", "--yes", "--json"])
    assert run(["privacy", "audit", "verify"]) == 0
    configuration = Configuration.default(site / "sightgrid.yml")
    opened = Site(SiteSettings(configuration, site))
    with opened.store.transaction() as tx:
        tx.connection.execute(sa.update(AUDIT_EVENT).values(reason="nothing happened"))
    opened.close()
    capsys.readouterr()
    assert run(["privacy", "audit", "verify", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["intact"], found["first_bad"]) == (False, 1)
