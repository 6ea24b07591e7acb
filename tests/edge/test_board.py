"""What is known of the cameras, whatever becomes of their processes."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from sightgrid.domain.cameras import CameraState, Trouble
from sightgrid.edge.board import StatusBoard
from sightgrid.edge.metrics import BoxCollector
from sightgrid.edge.ring import RingCounts
from sightgrid.edge.states import CameraStatus

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def status(camera: str, state: CameraState, trouble: Trouble | None = None) -> CameraStatus:
    return CameraStatus(camera, state, trouble, "why", AT, AT, process=7)


@pytest.fixture
def board() -> StatusBoard:
    return StatusBoard(["a", "b", "c"], lambda: AT)


def hear(board: StatusBoard, told: CameraStatus) -> bool:
    return board.heard(told.to_bytes())


def test_counts_go_on_when_a_process_is_started_anew(board: StatusBoard) -> None:
    hear(board, replace(status("a", CameraState.LIVE), frames=100, damaged=3))
    board.ended("a", "it was ended by SIGKILL")
    (first, *_) = board.statuses()
    assert (first.state, first.trouble) == (CameraState.OFFLINE, Trouble.CRASHED)
    assert "SIGKILL" in first.reason
    assert first.frames == 100
    assert board.attempt("a") == 1
    hear(board, replace(status("a", CameraState.LIVE), frames=5))
    (first, *_) = board.statuses()
    assert (first.frames, first.damaged) == (105, 3)


def test_all_cameras_down_is_one_alarm(
    board: StatusBoard, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("sightgrid").propagate = True
    with caplog.at_level(logging.INFO, "sightgrid.box"):
        hear(board, status("c", CameraState.PAUSED, Trouble.OUTSIDE_SCHEDULE))
        hear(board, status("a", CameraState.OFFLINE, Trouble.STALLED))
        assert not board.all_down
        hear(board, status("b", CameraState.OFFLINE, Trouble.UNREACHABLE))
        assert board.all_down
        hear(board, status("b", CameraState.OFFLINE, Trouble.TIMED_OUT))
        hear(board, status("a", CameraState.LIVE))
        assert not board.all_down
    events = [record.getMessage() for record in caplog.records]
    assert events.count("all-cameras-down") == 1
    assert events.count("cameras-back") == 1


def test_a_camera_that_reports_but_shows_nothing_makes_no_progress(
    board: StatusBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr("sightgrid.edge.board.time.monotonic", lambda: now[0])
    live = replace(status("a", CameraState.LIVE), frames=5, fps=20.0)
    assert hear(board, live)
    now[0] += 119
    assert hear(board, live)
    now[0] += 2
    assert not hear(board, live)
    assert hear(board, replace(live, frames=6))
    # one that is known to be offline has nothing to show
    now[0] += 500
    assert hear(board, replace(live, state=CameraState.OFFLINE, trouble=Trouble.STALLED))


def test_metrics_of_every_stage(board: StatusBoard) -> None:
    hear(board, replace(status("a", CameraState.IMPAIRED, Trouble.BLACK), frames=5, last_frame=AT))
    registry = CollectorRegistry()
    registry.register(
        BoxCollector(
            statuses=board.statuses,
            rings=lambda: {"a": RingCounts(written=4, held_back=3, taken=2, lost=1, torn=0)},
            restarts=lambda: {"a": 2},
            inference=lambda: {"looks": 9.0},
            upload=lambda: {"pending": 6, "state": "sending"},
            all_down=lambda: False,
        )
    )
    text = generate_latest(registry).decode()
    for line in (
        'sightgrid_camera_state{camera="a",state="impaired"} 1.0',
        'sightgrid_camera_state{camera="a",state="live"} 0.0',
        'sightgrid_camera_trouble{camera="a",trouble="black"} 1.0',
        'sightgrid_camera_frames_total{camera="a"} 5.0',
        'sightgrid_camera_last_frame_age_seconds{camera="a"} 0.0',
        'sightgrid_ring_lost_total{camera="a"} 1.0',
        'sightgrid_process_restarts_total{name="a"} 2.0',
        "sightgrid_inference_looks 9.0",
        "sightgrid_upload_pending 6.0",
        "sightgrid_all_cameras_down 0.0",
    ):
        assert f"\n{line}\n" in text
