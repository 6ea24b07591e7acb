"""Real footage decided live, sighting by sighting, comes to the same people as the recording."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from sightgrid.domain.presence import Sighting
from sightgrid.ledger.answers import Settlement
from sightgrid.ledger.taking_in import Arrived, Intake
from sightgrid.offline import tracking
from sightgrid.offline.naming import name_sources
from sightgrid.recognition.calibration import Policy
from sightgrid.store import Store
from sightgrid.store.identities import family_of
from sightgrid.store.keys import SiteKeys
from sightgrid.store.standings import standing_of
from sightgrid.store.visits import visits_of

pytestmark = pytest.mark.footage


def test_five_office_signers_are_the_same_five_live(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = os.environ.get("SIGHTGRID_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("SIGHTGRID_DATA does not point to the real footage")
    clips = sorted((Path(folder) / "vid_office_signers").glob("*.mkv"))
    kept: list[tuple[Settlement, Policy]] = []
    settle = tracking.settle

    def spying(sightings: Sequence[Sighting], *, policy: Policy, **rest: object) -> Settlement:
        settlement = settle(sightings, policy=policy, **rest)  # type: ignore[arg-type]
        kept.append((settlement, policy))
        return settlement

    monkeypatch.setattr(tracking, "settle", spying)
    request = tracking.TrackRequest(
        sources=name_sources([str(clip) for clip in clips]), out=tmp_path / "out"
    )
    result = tracking.track(request).result
    ((settlement, policy),) = kept
    sightings = [decision.sighting for decision in settlement.decisions]
    contract = next(
        look.embedding.contract for one in sightings for look in one.looks if look.embedding
    )
    keys = SiteKeys.open(tmp_path / "site.key", create=True)
    with Store.open(tmp_path / "live.db", create=True, keys=keys) as store:
        intake = Intake(
            store, policy=policy, contract=contract, clock=lambda: sightings[0].first_seen
        )
        for number, record in enumerate(as_they_come(sightings)):
            crops = tuple(b"crop" for _ in record.looks)
            (receipt,) = intake.take_in("box", [Arrived(record, f"{number:064d}", crops)]).receipts
            assert receipt.status == "stored"
        with store.snapshot() as tx:
            found: dict[int | None, set[int | None]] = defaultdict(set)
            for decision in settlement.decisions:
                standing = standing_of(tx, decision.sighting.sighting_id)
                assert standing is not None
                serial = standing.serial
                found[decision.match.serial].add(
                    None if serial is None else family_of(tx, serial)[0]
                )
            assert all(len(live) == 1 for live in found.values()), dict(found)
            roots = {serial: live.pop() for serial, live in found.items() if serial is not None}
            assert len(set(roots.values())) == len(roots) == 5
            for serial, root in roots.items():
                assert root is not None
                live_visits = {
                    (one.camera, one.first_seen, one.last_seen) for one in visits_of(tx, root)
                }
                assert live_visits == {
                    (one.camera, one.first_seen, one.last_seen)
                    for one in result.visits
                    if one.serial == serial
                }


def as_they_come(sightings: Sequence[Sighting]) -> list[Sighting]:
    """Each as a box sends it: an open revision half-way, then the closed one; all mixed by time."""
    records = []
    for one in sightings:
        half = one.path[: len(one.path) // 2 + 1]
        looks = tuple(look for look in one.looks if look.crop.captured_at <= half[-1].captured_at)
        records.append(replace(one, path=half, looks=looks, revision=1, closed=False))
        records.append(replace(one, revision=2, closed=True))
    return sorted(records, key=lambda record: (record.last_seen, record.revision))
