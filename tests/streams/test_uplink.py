"""With a server configured, what the cameras see waits sealed in the spool until it is there."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest
from watching import configure

from clips import write_clip
from sightgrid.domain.cameras import CameraState
from sightgrid.domain.geometry import Bytes
from sightgrid.edge.box import UPLOADER, Box
from sightgrid.edge.clock import BoxClock
from sightgrid.edge.enrolment import Enrolment
from sightgrid.edge.spool import Spool
from sightgrid.edge.uploader import ServerAccess
from sightgrid.wire.records import parse_line
from sightgrid.wire.sealing import OpeningKey, content_of

pytestmark = pytest.mark.streams


def test_sightings_wait_for_a_server_that_is_not_there(
    tmp_path: Path, somebody: list[Bytes]
) -> None:
    clip = write_clip(tmp_path / "clip.mp4", somebody, fps=10)
    key, box_id, clock = OpeningKey.generate(), str(uuid4()), BoxClock.anchored()
    access = ServerAccess("https://127.0.0.1:9", "token-canary", "instance")
    box = Box(
        configure(tmp_path, {"hall": {"url": str(clip)}}),
        uplink=Enrolment(access, box_id, key.sealing.public, {}, ""),
        clock=clock,
    )
    seen: list[dict[str, object]] = []

    def over() -> bool:
        seen.append(box.upload_facts())
        (status,) = box.board.statuses()
        return status.state is CameraState.ENDED or len(seen) > 240

    box.run(over)
    assert box.supervisor.restarts[UPLOADER] == 0
    assert any(facts.get("pending") for facts in seen)
    assert not (tmp_path / "box" / "sightings").exists()
    spool = Spool(tmp_path / "box" / f"spool-{box_id}.db", box_id=box_id, clock=clock)
    waiting = spool.lease(most_records=100, most_bytes=1 << 24)
    spool.close()
    records = [parse_line(one.line) for one in waiting]
    assert {record.camera for record in records} == {"hall"}
    assert records[-1].closed
    assert all(content_of(record, {key.key_id: key}).looks for record in records)
    assert b"token-canary" not in (tmp_path / "box" / f"spool-{box_id}.db").read_bytes()
