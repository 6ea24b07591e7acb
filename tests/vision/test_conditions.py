"""Bad pictures are told from good ones: black, blank, smeared, frozen, blurred, moved."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import cv2
import numpy as np
import pytest

from sightgrid.domain.cameras import Trouble
from sightgrid.domain.geometry import Bytes
from sightgrid.vision.conditions import ConditionTiming, ConditionWatch, Verdict

SIZE = (640, 360)
NOISE = np.random.default_rng(0).normal(0, 2, (7, 360, 640, 3)).astype(np.int16)


@pytest.fixture(scope="module")
def scene() -> Bytes:
    """A room, larger than the picture, so that a camera can be turned in it."""
    return paint_room(3)


def paint_room(seed: int) -> Bytes:
    random = np.random.default_rng(seed)
    room = np.full((720, 1280, 3), 120, np.uint8)
    for _ in range(70):
        left, top = random.integers(0, 1200), random.integers(0, 650)
        right, bottom = left + random.integers(20, 260), top + random.integers(20, 220)
        colour = tuple(int(value) for value in random.integers(30, 230, 3))
        cv2.rectangle(room, (left, top), (right, bottom), colour, -1)
    return room


def view(scene: Bytes, left: int = 200, top: int = 150, *, seed: int = 0) -> Bytes:
    """What the camera sees, with a sensor's noise."""
    cut = scene[top : top + SIZE[1], left : left + SIZE[0]].astype(np.int16)
    return np.clip(cut + NOISE[seed % len(NOISE)], 0, 255).astype(np.uint8)


def planes(picture: Bytes) -> tuple[Bytes, Bytes, Bytes]:
    packed = cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420)
    height, width = picture.shape[:2]
    flat = packed.reshape(-1)
    luma = flat[: width * height].reshape(height, width)
    size = width * height // 4
    blue = flat[width * height : width * height + size].reshape(height // 2, width // 2)
    red = flat[width * height + size :].reshape(height // 2, width // 2)
    return luma.astype(np.uint8), blue.astype(np.uint8), red.astype(np.uint8)


def watch(
    watcher: ConditionWatch, picture: Callable[[int], Bytes], secs: range
) -> Iterator[Verdict]:
    """Five pictures a second."""
    for tick in range(secs.start * 5, secs.stop * 5):
        yield watcher.look(*planes(picture(tick)), tick / 5)


def settled(scene: Bytes) -> ConditionWatch:
    watcher = ConditionWatch(ConditionTiming(frozen_secs=10, moved_secs=5, blurred_secs=5))
    verdicts = list(watch(watcher, lambda tick: view(scene, seed=tick), range(25)))
    assert all(verdict == Verdict(usable=True) for verdict in verdicts)
    return watcher


def after(watcher: ConditionWatch, picture: Callable[[int], Bytes], secs: int) -> list[Verdict]:
    return list(watch(watcher, picture, range(25, 25 + secs)))


def test_a_lens_that_is_covered(scene: Bytes) -> None:
    random = np.random.default_rng(1)
    verdicts = after(
        settled(scene), lambda _: random.integers(0, 12, (360, 640, 3)).astype(np.uint8), 4
    )
    assert not any(verdict.usable for verdict in verdicts)
    assert verdicts[-1].trouble is Trouble.BLACK


@pytest.mark.parametrize("colour", [(128, 128, 128), (200, 60, 20)])
def test_one_plain_colour(scene: Bytes, colour: tuple[int, int, int]) -> None:
    verdicts = after(settled(scene), lambda _: np.full((360, 640, 3), colour, np.uint8), 4)
    assert not any(verdict.usable for verdict in verdicts)
    assert verdicts[-1].trouble is Trouble.BLANK


def spoilt(kind: str, scene: Bytes, tick: int) -> tuple[Bytes, Bytes, Bytes]:
    luma, blue, red = (plane.copy() for plane in planes(view(scene, seed=tick)))
    match kind:
        case "green":  # planes that were never filled
            luma[200:], blue[100:], red[100:] = 0, 0, 0
        case "grey":  # what a decoder starts from without its key frame
            luma[:240], blue[:120], red[:120] = 128, 128, 128
        case "smear":  # a row drawn down to the bottom
            luma[200:], blue[100:], red[100:] = luma[200], blue[100], red[100]
    return luma, blue, red


@pytest.mark.parametrize("kind", ["green", "grey", "smear"])
def test_damage_is_seen_in_the_very_picture(scene: Bytes, kind: str) -> None:
    watcher = settled(scene)
    assert not watcher.look(*spoilt(kind, scene, 1), 25.0).usable
    assert watcher.look(*planes(view(scene, seed=2)), 25.2) == Verdict(usable=True)
    for tick in range(20):
        last = watcher.look(*spoilt(kind, scene, tick), 26 + tick / 5)
    assert last.trouble is Trouble.SMEARED


def test_a_picture_that_stands_still(scene: Bytes) -> None:
    still = view(scene)
    verdicts = after(settled(scene), lambda _: still, 12)
    assert verdicts[5 * 8].usable
    assert verdicts[-1].trouble is Trouble.FROZEN
    assert not verdicts[-1].usable


def test_a_lens_out_of_focus(scene: Bytes) -> None:
    verdicts = after(
        settled(scene),
        lambda tick: cv2.GaussianBlur(view(scene, seed=tick), (0, 0), 6).astype(np.uint8),
        9,
    )
    assert verdicts[-1].trouble is Trouble.BLURRED
    assert verdicts[-1].usable


def test_a_camera_that_was_turned_a_little(scene: Bytes) -> None:
    verdicts = after(settled(scene), lambda tick: view(scene, 270, 130, seed=tick), 20)
    assert verdicts[-1].trouble is Trouble.MOVED
    assert "shifted by 11%" in verdicts[-1].detail


def test_a_camera_that_was_turned_away(scene: Bytes) -> None:
    elsewhere = paint_room(99)
    verdicts = after(settled(scene), lambda tick: view(elsewhere, seed=tick), 20)
    assert verdicts[-1].trouble is Trouble.MOVED


def test_a_view_is_remembered_by_the_watch_that_comes_after(scene: Bytes) -> None:
    usual = settled(scene).usual()
    watcher = ConditionWatch(ConditionTiming(moved_secs=5), usual=usual)
    verdicts = list(watch(watcher, lambda tick: view(scene, 300, seed=tick), range(15)))
    assert verdicts[-1].trouble is Trouble.MOVED


def test_light_and_passers_by_are_no_trouble(scene: Bytes) -> None:
    def changing(tick: int) -> Bytes:
        light = 0.6 + 0.4 * np.cos(tick / 40)
        picture = np.clip(view(scene, seed=tick) * light, 0, 255).astype(np.uint8)
        left = (tick * 13) % 500
        cv2.rectangle(picture, (left, 60), (left + 140, 360), (40, 60, 150), -1)
        return picture

    assert {verdict.trouble for verdict in after(settled(scene), changing, 40)} == {None}
