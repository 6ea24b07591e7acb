"""The last picture of a camera: masked, small, when it is time to, and sent once."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import av
import cv2
import httpx
import numpy as np
import pytest

from sightgrid.edge import stills
from sightgrid.edge.stills import StillPost, StillTaker

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
HEADERS = {"Authorization": "Bearer t"}


class Watch:
    """A monotonic clock that tests move."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    made = Watch()
    monkeypatch.setattr(stills.time, "monotonic", made)
    return made


def white(width: int = 1280, height: int = 720) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(np.full((height, width, 3), 255, np.uint8), format="bgr24")


def offered(taker: StillTaker, *, moving: bool = True) -> bool:
    return taker.offer(white(), captured_at=AT, moving=moving)


def test_a_picture_a_minute_and_more_while_somebody_looks(tmp_path: Path, watch: Watch) -> None:
    taker = StillTaker(tmp_path, "hall", ())
    assert offered(taker, moving=False)
    watch.now += 30
    assert not offered(taker)
    (tmp_path / "hall.watched").touch()
    assert not offered(taker, moving=False)
    assert offered(taker)
    watch.now += 0.5
    assert not offered(taker)
    watch.now += 60
    assert offered(taker, moving=False)


def test_masks_are_painted_before_anything_is_written(tmp_path: Path) -> None:
    left_half = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
    assert offered(StillTaker(tmp_path, "hall", (left_half,)))
    head, _, jpeg = (tmp_path / "hall.still").read_bytes().partition(b"\n")
    assert json.loads(head) == {"taken": "2026-01-02T03:04:05.000Z", "frame": "1280x720"}
    pixels = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert pixels.shape == (360, 640)
    assert pixels[:, :320].max() < 40
    assert pixels[:, 330:].min() > 200


def test_without_a_server_none_is_taken(tmp_path: Path) -> None:
    assert not offered(StillTaker(None, "hall", ()))


def test_a_picture_is_sent_once_and_the_answer_says_who_looks(tmp_path: Path) -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json={"watched": ["hall", "../etc"]})

    async def make() -> None:
        async with httpx.AsyncClient(
            base_url="https://site.test", transport=httpx.MockTransport(answer)
        ) as client:
            await post.make(client, HEADERS)

    post = StillPost(tmp_path)
    assert offered(StillTaker(tmp_path, "hall", ()))
    asyncio.run(make())
    asyncio.run(make())
    assert [request.url.path for request in asked] == ["/api/v1/boxes/self/stills/hall"]
    assert asked[0].headers["sightgrid-frame"] == "1280x720"
    assert asked[0].content[:3] == b"\xff\xd8\xff"
    assert (tmp_path / "hall.watched").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"hall.still", "hall.watched"}


def test_an_answer_that_is_none_changes_nothing(tmp_path: Path) -> None:
    async def make() -> None:
        async with httpx.AsyncClient(
            base_url="https://site.test",
            transport=httpx.MockTransport(lambda _: httpx.Response(200, text="<html>")),
        ) as client:
            await StillPost(tmp_path).make(client, HEADERS)

    assert offered(StillTaker(tmp_path, "hall", ()))
    asyncio.run(make())
    assert not (tmp_path / "hall.watched").exists()


def test_the_folder_is_its_users_alone() -> None:
    folder = stills.still_folder()
    try:
        assert folder.stat().st_mode & 0o077 == 0
        stills.remove_stale_stills()
        assert folder.exists()
    finally:
        folder.rmdir()
