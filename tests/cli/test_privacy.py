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


def test_retention_is_run_by_hand(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was seen in May is past its time; the clock is the machine's own."""
    assert run(["privacy", "retention", "--dry-run", "--json"]) == 0
    dry = json.loads(capsys.readouterr().out)
    assert dry["dry_run"] is True
    assert [one["name"] for one in dry["classes"]][:2] == ["crops", "strangers"]
    removed = {one["name"]: one["removed"] for one in dry["classes"]}
    assert removed["sightings"] == {"sightings": 2}
    assert run(["privacy", "retention"]) == 0
    table = capsys.readouterr().out
    assert "2 sightings" in table
    assert "until withdrawal" in table
    assert run(["privacy", "retention", "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert sum(sum(one["removed"].values()) for one in again["classes"]) == 0
    assert run(["privacy", "audit", "verify"]) == 0


def test_a_hold_is_begun_listed_and_ended(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add = ["privacy", "hold", "add", "--owner", "the court", "--reason", "case 12"]
    assert run([*add, "serial:1", "--ends", "2999-01-01", "--json"]) == 0
    hold_id = json.loads(capsys.readouterr().out)["hold_id"]
    view = ["--camera", "entrance", "--since", "2026-05-04", "--until", "2026-05-05"]
    assert run([*add, *view, "--ends", "2999-01-01"]) == 0
    capsys.readouterr()
    assert run(["privacy", "hold", "list", "--json"]) == 0
    items = json.loads(capsys.readouterr().out)["items"]
    assert [(one["covers"], one["on"]) for one in items] == [
        ("serial:1", True),
        ("camera entrance 2026-05-04T00:00:00Z to 2026-05-05T00:00:00Z", True),
    ]
    erase = ["privacy", "erase", "serial:1", "--reason", "asked for it", "--yes"]
    assert run(erase) == 1
    assert "2 legal holds cover this until 2999-01-01" in capsys.readouterr().err
    assert run(["privacy", "hold", "end", hold_id, "--reason", "settled"]) == 0
    assert run(["privacy", "hold", "end", hold_id, "--reason", "settled"]) == 1
    assert run(["privacy", "hold", "list"]) == 0
    assert run([*erase, "--despite-holds"]) == 0
    assert "anonymous stranger, kept for 30d" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--ends", "2999-01-01"], "a hold covers a person"),
        (["serial:1", "--ends", "soon"], "is not a time"),
        (["serial:1", "--ends", "2020-01-01"], "over already"),
        (["serial:99", "--ends", "2999-01-01"], "no identity 99"),
    ],
)
def test_a_hold_that_makes_no_sense_is_refused(
    site: Path, capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    add = ["privacy", "hold", "add", "--owner", "the court", "--reason", "case 12"]
    assert run([*add, *words]) == 1
    assert told in capsys.readouterr().err
