from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightgrid.domain.geometry import Bytes
from sightgrid.vision.motion import MAX_AREAS, MotionGate, MotionSettings, mask_of, merged
from sightgrid.vision.regions import Area, FollowedFace, area_around

WIDTH, HEIGHT = 960, 540
STEP = 0.2
NOISE = np.random.default_rng(0).standard_normal((HEIGHT + 60, WIDTH + 60)).astype(np.float32)
# of a gate that never looks at the whole of its own accord
NEVER_WHOLE = MotionSettings(whole_secs=1e6)


@cache
def room() -> Bytes:
    """Edges and shades, as a room has them; (HEIGHT, WIDTH) luma."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    picture = 110 + 40 * np.sin(columns / 90) + 30 * np.sign(np.sin(rows / 35 + 1))
    return picture.astype(np.uint8)


def scene() -> Bytes:
    return room().copy()


def noisy(picture: Bytes, look: int, *, sigma: float = 4.0) -> Bytes:
    # another cut of one field of noise in every frame
    down, across = np.random.default_rng(look).integers(0, 60, 2)
    grain = NOISE[down : down + HEIGHT, across : across + WIDTH]
    return np.clip(picture + sigma * grain, 0, 255).astype(np.uint8)


def with_block(
    picture: Bytes, left: float, top: float, *, side: int = 48, level: int = 30
) -> Bytes:
    changed = picture.copy()
    changed[int(top) : int(top) + side, int(left) : int(left) + side] = level
    return changed


def gate(settings: MotionSettings = NEVER_WHOLE, **more: object) -> MotionGate:
    return MotionGate(WIDTH, HEIGHT, settings=settings, **more)  # type: ignore[arg-type]


def covered(areas: tuple[Area, ...], left: float, top: float, side: float) -> bool:
    return any(
        area.left <= left
        and area.top <= top
        and left + side <= area.right
        and top + side <= area.bottom
        for area in areas
    )


def share(areas: tuple[Area, ...]) -> float:
    return sum(area.pixels for area in areas) / (WIDTH * HEIGHT)


def face(key: int, left: float, top: float, side: float, *, at_secs: float) -> FollowedFace:
    return FollowedFace(key, at_secs, left, top, left + side, top + side, 0.0, 0.0)


def test_the_first_frame_is_looked_at_whole() -> None:
    glance = gate().look(scene(), at_secs=0.0)
    assert glance.whole
    assert glance.areas == (Area(0, 0, WIDTH, HEIGHT),)
    assert not glance.cut


def test_noise_is_not_motion() -> None:
    watcher = gate()
    seen = [watcher.look(noisy(scene(), n), at_secs=n * STEP).areas for n in range(60)]
    assert sum(map(share, seen[1:])) < 0.01


def test_what_moves_is_looked_at_whole() -> None:
    watcher = gate()
    for n in range(30):
        left, top = 100 + 12 * n, 200 + 2 * n
        glance = watcher.look(noisy(with_block(scene(), left, top), n), at_secs=n * STEP)
        assert covered(glance.areas, left, top, 48), n
        assert n == 0 or share(glance.areas) < 0.1


def test_who_creeps_is_noticed() -> None:
    """A pixel a look is less than any threshold, but it adds up."""
    watcher = gate()
    noticed = 0
    for n in range(60):
        picture = with_block(scene(), 100 + n, 200, level=90)
        noticed += bool(watcher.look(noisy(picture, n), at_secs=n * STEP).areas)
    assert noticed > 6


@pytest.mark.parametrize("depth", [4.0, 15.0])
def test_flicker_is_not_motion(depth: float) -> None:
    watcher = gate()
    seen = []
    for n in range(40):
        picture = np.clip(scene() + depth * np.sin(n * 2.2), 0, 255).astype(np.uint8)
        seen.append(watcher.look(noisy(picture, n), at_secs=n * STEP).areas)
    assert sum(map(share, seen[1:])) < 0.02


def test_a_lamp_is_looked_at_once_and_is_no_cut() -> None:
    watcher = gate()
    glances = []
    for n in range(20):
        lit = scene() * (0.45 if n < 10 else 1.0)
        glances.append(watcher.look(noisy(lit.astype(np.uint8), n), at_secs=n * STEP))
    assert glances[10].whole
    assert not any(glance.cut for glance in glances)
    assert sum(share(glance.areas) for glance in glances[12:]) < 0.02


def test_another_scene_is_a_cut() -> None:
    watcher = gate()
    watcher.look(scene(), at_secs=0.0)
    other = np.rot90(scene(), 2) // 2
    glance = watcher.look(np.roll(other, 37, axis=0), at_secs=STEP)
    assert glance.whole
    assert glance.cut


def test_key_frames_pulse_without_motion() -> None:
    """Between key frames a codec lets flat blocks drift; each key frame sets them right."""
    rng = np.random.default_rng(3)
    watcher = gate()
    seen = []
    drift = np.zeros((HEIGHT, WIDTH))
    for n in range(80):
        if n % 10 == 0:
            drift = np.kron(rng.normal(0, 2.5, (HEIGHT // 16 + 1, WIDTH // 16)), np.ones((16, 16)))[
                :HEIGHT
            ]
        picture = np.clip(scene() + drift, 0, 255).astype(np.uint8)
        seen.append(watcher.look(noisy(picture, n), at_secs=n * STEP).areas)
    assert sum(map(share, seen[1:])) / 80 < 0.02


def test_a_tree_is_got_used_to_but_a_person_before_it_is_not() -> None:
    watcher = gate()
    rng = np.random.default_rng(5)
    early = late = 0.0
    for n in range(120):
        picture = scene()
        leaves = rng.normal(0, 11, (24, 24))
        picture[100:292, 600:792] = np.clip(
            picture[100:292, 600:792] + np.kron(leaves, np.ones((8, 8))), 0, 255
        )
        amount = share(watcher.look(picture, at_secs=n * STEP).areas)
        early += amount if 0 < n <= 20 else 0
        late += amount if n >= 100 else 0
    assert late < 0.7 * early
    glance = watcher.look(with_block(scene(), 650, 150, level=10), at_secs=120 * STEP)
    assert covered(glance.areas, 650, 150, 48)


def test_now_and_then_the_whole_frame_is_looked_at() -> None:
    watcher = gate(MotionSettings(whole_secs=2.0))
    whole = [n for n in range(51) if watcher.look(scene(), at_secs=n * STEP).whole]
    assert whole == [0, 10, 20, 30, 40, 50]
    watcher.look_whole_next()
    assert watcher.look(scene(), at_secs=51 * STEP).whole


def test_a_followed_face_is_looked_at_though_nothing_moves() -> None:
    watcher = gate(MotionSettings(whole_secs=1e6, still_secs=1.0))
    followed = [face(7, 400, 200, 60, at_secs=0.0)]
    glances = [
        watcher.look(noisy(scene(), n), at_secs=n * STEP, followed=followed) for n in range(1, 22)
    ]
    looked = [n for n, glance in enumerate(glances) if covered(glance.areas, 400, 200, 60)]
    assert looked[0] == 0
    assert np.diff(looked[1:]).tolist() == [5] * (len(looked) - 2), "once a second"
    for n, glance in enumerate(glances[1:], start=1):
        assert (glance.still == (7,)) == (n not in looked)


def test_a_followed_face_that_stirs_is_looked_at_again() -> None:
    watcher = gate()
    followed = [face(7, 400, 200, 60, at_secs=0.0)]
    watcher.look(scene(), at_secs=0.0)
    watcher.look(scene(), at_secs=STEP, followed=followed)
    assert watcher.look(scene(), at_secs=2 * STEP, followed=followed).still == (7,)
    stirred = with_block(scene(), 420, 230, side=16)
    glance = watcher.look(stirred, at_secs=3 * STEP, followed=followed)
    assert glance.still == ()
    assert covered(glance.areas, 400, 200, 60)


def test_a_face_is_looked_for_where_it_should_be_by_now() -> None:
    watcher = gate()
    watcher.look(scene(), at_secs=0.0)
    going = FollowedFace(3, 0.0, 100, 100, 160, 160, 400.0, 0.0)
    assert covered(watcher.look(scene(), at_secs=0.2, followed=[going]).areas, 180, 100, 60)


def test_a_body_is_not_searched_while_its_face_is_followed() -> None:
    """Between searches only the face; somebody else is searched at once."""
    watcher = gate(MotionSettings(whole_secs=1e6, discover_secs=0.4))
    watcher.look(scene(), at_secs=0.0)
    cloth = np.kron(np.random.default_rng(2).uniform(0, 60, (38, 13)), np.ones((8, 8)))
    shares = []
    for n in range(1, 13):
        left = 200 + 10 * n
        picture = scene()
        picture[150:450, left : left + 100] = cloth[:300, :100]
        followed = [face(1, left + 20, 150, 60, at_secs=n * STEP)]
        if n == 9:
            picture[60:130, 700:760] = 255
        glance = watcher.look(picture, at_secs=n * STEP, followed=followed)
        assert covered(glance.areas, left + 20, 150, 60), n
        shares.append(share(glance.areas))
        if n == 9:
            assert covered(glance.areas, 704, 64, 50)
    followed_only, searched = shares[0:8:2], shares[1:8:2]
    assert min(searched) > 1.8 * max(followed_only)


def test_masked_parts_are_never_looked_at() -> None:
    left_half = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
    watcher = gate(masks=(left_half,))
    watcher.look(scene(), at_secs=0.0)
    for n in range(1, 10):
        picture = with_block(scene(), 50 + 20 * n, 200)
        assert watcher.look(picture, at_secs=n * STEP).areas == ()
    moved = with_block(scene(), 700, 300)
    assert covered(watcher.look(moved, at_secs=10 * STEP).areas, 700, 300, 48)


def test_a_mask_covers_every_pixel_it_touches() -> None:
    mask = mask_of([((0.1, 0.1), (0.31, 0.1), (0.31, 0.52), (0.1, 0.52))], 100, 50)
    assert mask[5:26, 10:31].all()
    assert mask.sum() <= 22 * 23
    assert mask_of([((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))], 64, 48).all()


@given(
    st.lists(
        st.tuples(st.floats(-50, 1100), st.floats(-50, 700), st.floats(1, 300), st.floats(1, 300)),
        max_size=60,
    )
)
def test_areas_are_even_inside_the_frame_and_apart(
    boxes: list[tuple[float, float, float, float]],
) -> None:
    made = [
        area_around(left, top, left + wide, top + tall, width=WIDTH, height=HEIGHT)
        for left, top, wide, tall in boxes
    ]
    areas = [area for area in made if area is not None]
    joined = merged(areas, width=WIDTH, height=HEIGHT)
    assert len(joined) <= MAX_AREAS
    for area in joined:
        assert not any(value % 2 for value in (area.left, area.top, area.width, area.height))
        assert area.left >= 0
        assert area.top >= 0
        assert area.right <= WIDTH
        assert area.bottom <= HEIGHT
    for area in areas:
        assert any(area.joined(one) == one for one in joined), "nothing is lost"
    for one in range(len(joined)):
        for other in joined[one + 1 :]:
            apart_x = joined[one].right <= other.left or other.right <= joined[one].left
            apart_y = joined[one].bottom <= other.top or other.bottom <= joined[one].top
            assert apart_x or apart_y
