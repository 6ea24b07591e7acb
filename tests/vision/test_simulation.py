from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from sightgrid.domain.errors import InvalidValue, NotFound, OutputError
from sightgrid.domain.faces import Detection
from sightgrid.domain.geometry import Box
from sightgrid.vision.simulation import (
    DEMO,
    HARD,
    NORMAL,
    Plan,
    Portrait,
    Preset,
    Subject,
    backdrops,
    cut_portrait,
    draw,
    figures,
    lay_out,
    load_truth,
    plan,
    render,
    save_truth,
    scene,
    truth_of,
    write_mot,
)

COLOURS = ((40, 60, 220), (210, 60, 40), (40, 200, 60), (200, 40, 200), (30, 210, 220))
TINY = replace(
    DEMO, name="tiny", frame_px=(320, 180), face_px=(16.0, 30.0), fps=8, passage_secs=(5.0, 6.0)
)
CLEAR = replace(TINY, name="clear", blur_px=(0.0, 0.0), gain=(1.0, 1.0), occluded=0.5)


def portrait(number: int, *, photo: str = "a") -> Portrait:
    rows, columns = np.mgrid[0:92, 0:80]
    head = ((columns - 40) / 34.0) ** 2 + ((rows - 45) / 44.0) ** 2 < 1
    colour = COLOURS[number % len(COLOURS)]
    return Portrait(
        person=f"p{number}",
        photo=photo,
        pixels=np.full((92, 80, 3), colour, np.uint8),
        alpha=np.where(head, 255, 0).astype(np.uint8),
        face=Box(15.0, 12.0, 65.0, 77.0),
        skin=(120.0, 140.0, 180.0),
    )


def subjects(count: int, *, photos: int = 1) -> list[Subject]:
    return [
        Subject(f"p{n}", tuple(portrait(n, photo=str(k)) for k in range(photos)))
        for n in range(count)
    ]


def tiny_plan(preset: Preset = TINY, *, seed: int = 3) -> Plan:
    return plan(subjects(5), ["door", "hall"], seed=seed, preset=preset, secs=14)


def clear_caches() -> None:
    for cached in (backdrops.backdrop, figures._mips, figures._body, scene._noise, scene._outfit):
        cached.cache_clear()


def test_same_seed_gives_the_same_bytes_and_another_seed_does_not() -> None:
    first, second, other = tiny_plan(), tiny_plan(), tiny_plan(seed=4)
    assert first.passages == second.passages
    assert first.cameras == second.cameras
    assert first.passages != other.passages
    for frame_index in (9, 40):
        pixels, faces = draw(first, "hall", frame_index)
        clear_caches()
        again, same_faces = draw(second, "hall", frame_index)
        assert pixels.tobytes() == again.tobytes()
        assert faces == same_faces
    assert draw(first, "hall", 40)[0].tobytes() != draw(first, "hall", 41)[0].tobytes()


def test_drawing_a_frame_and_the_truth_of_the_plan_say_the_same() -> None:
    scheme = tiny_plan(CLEAR)
    compared = 0
    for camera in truth_of(scheme).cameras:
        for frame_index in range(1, camera.frames + 1, 5):
            faces = draw(scheme, camera.camera, frame_index)[1]
            rows = np.flatnonzero(camera.frame == frame_index)
            assert sorted(face.subject for face in faces) == camera.person[rows].tolist()
            for face in faces:
                row = rows[camera.person[rows] == face.subject][0]
                np.testing.assert_allclose(camera.boxes[row], face.box.as_array(), atol=1e-3)
                assert camera.visible[row] == pytest.approx(face.visible, abs=1e-6)
                compared += 1
    assert compared > 20


def test_faces_appear_where_the_truth_says_and_not_where_they_are_hidden() -> None:
    scheme = tiny_plan(CLEAR)
    shown = hidden = 0
    for camera in scheme.cameras:
        for frame_index in range(1, scheme.frame_count + 1, 2):
            pixels, faces = draw(scheme, camera.name, frame_index)
            for face in faces:
                x, y = face.box.centre
                reach = max(round(face.box.width / 5), 2)
                if not (reach <= x < pixels.shape[1] - reach):
                    continue
                patch = pixels[
                    round(y) - reach : round(y) + reach, round(x) - reach : round(x) + reach
                ].reshape(-1, 3)
                colour = np.array(COLOURS[face.subject % len(COLOURS)])
                off = np.abs(np.median(patch, axis=0) - colour).max()
                if face.visible == 1.0:
                    assert off < 25, (camera.name, frame_index, face)
                    shown += 1
                elif face.visible == 0.0:
                    assert off > 60, (camera.name, frame_index, face)
                    hidden += 1
    assert shown > 50
    assert hidden > 3
    assert any(passage.behind_pillar for passage in scheme.passages)


def test_a_face_is_drawn_exactly_where_its_box_is() -> None:
    """The drawn head is as wide as the box says, to a pixel: the box is not a guess."""
    scheme = tiny_plan(CLEAR)
    widths, offsets = [], []
    for frame_index in range(1, scheme.frame_count + 1):
        pixels, faces = draw(scheme, "door", frame_index)
        for face in faces:
            if face.visible < 1.0 or len(faces) > 1:
                continue
            row = pixels[round(face.box.centre[1])].astype(int)
            colour = np.array(COLOURS[face.subject])
            alike = np.flatnonzero(np.abs(row - colour).max(axis=1) < 60)
            # The portrait's head is 68 px wide where its face box is 50.
            offsets.append((alike[0] + alike[-1] + 1) / 2 - face.box.centre[0])
            widths.append((alike[-1] - alike[0] + 1) / (face.box.width * 68 / 50))
    assert len(widths) > 5
    assert abs(np.median(offsets)) < 0.8
    assert np.median(widths) == pytest.approx(1.0, abs=0.07)


def test_visits_span_the_frames_in_which_a_face_is_half_visible() -> None:
    scheme = tiny_plan(CLEAR)
    truth = truth_of(scheme)
    assert truth.visits
    by_camera = {camera.camera: camera for camera in truth.cameras}
    for visit in truth.visits:
        camera = by_camera[visit.camera]
        person = truth.people.index(visit.person)
        seen = {
            camera.moment(int(frame))
            for frame in camera.frame[(camera.person == person) & (camera.visible >= 0.5)]
        }
        assert {visit.first_seen, visit.last_seen} <= seen
        step = timedelta(seconds=1 / camera.fps)
        assert all(abs(visit.first_seen - step - moment) > step / 2 for moment in seen)
        assert all(abs(visit.last_seen + step - moment) > step / 2 for moment in seen)
        assert visit.first_seen.tzinfo is not None
    shown = sum(int((c.visible >= 0.5).any()) for c in truth.cameras)
    assert {visit.camera for visit in truth.visits} == {
        c.camera for c in truth.cameras if (c.visible >= 0.5).any()
    }
    assert shown > 0


def test_clips_hold_the_planned_frames_and_their_start(tmp_path: Path) -> None:
    scheme = tiny_plan()
    heard: list[tuple[int, int]] = []
    truth = render(scheme, tmp_path / "clips", progress=lambda *done: heard.append(done))
    assert sorted(path.name for path in (tmp_path / "clips").iterdir()) == ["door.mp4", "hall.mp4"]
    assert heard[-1] == (224, 224)
    for camera in truth.cameras:
        with av.open(str(tmp_path / "clips" / f"{camera.camera}.mp4")) as container:
            stream = container.streams.video[0]
            assert stream.codec_context.name == "h264"
            assert (stream.width, stream.height) == (camera.width, camera.height) == (320, 180)
            assert stream.average_rate == camera.fps
            started = container.metadata["creation_time"]
            assert started.startswith(camera.starts_at.strftime("%Y-%m-%dT%H:%M:%S"))
            decoded = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
        assert len(decoded) == camera.frames == scheme.frame_count
        drawn = draw(scheme, camera.camera, 30)[0].astype(int)
        assert np.abs(decoded[29].astype(int) - drawn).mean() < 6


def test_a_clip_that_cannot_be_written_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file, not a folder")
    with pytest.raises(OutputError):
        render(tiny_plan(), tmp_path / "taken")
    (tmp_path / "door.mp4").mkdir()
    with pytest.raises(OutputError, match=r"door\.mp4"):
        render(tiny_plan(), tmp_path)
    assert not list(tmp_path.glob(".*partial*"))


@pytest.mark.parametrize(("preset", "seed"), [(NORMAL, 1), (HARD, 3)])
def test_presets_are_met(preset: Preset, seed: int) -> None:
    scheme = plan(
        subjects(20), ["a", "b", "c", "d"], seed=seed, preset=preset, secs=120, links=None
    )
    met = truth_of(scheme).distribution
    assert met.passages == len(scheme.passages) > 30
    assert preset.face_px[0] <= met.face_px[0] < met.face_px[2] <= preset.face_px[1] + 0.01
    assert 0.15 <= met.occluded <= 0.25
    assert 0.5 <= met.in_company <= 0.75
    low, high = np.log(preset.face_px)
    middles = [math.log(math.sqrt(p.face_px[0] * p.face_px[1])) for p in scheme.passages]
    shares = np.sort((np.array(middles) - low) / (high - low))
    assert np.abs(shares - np.linspace(0, 1, len(shares))).max() < 0.08
    for values, (least, most) in (
        ([p.blur_px for p in scheme.passages], preset.blur_px),
        ([p.gain for p in scheme.passages], preset.gain),
    ):
        assert least <= min(values) < least + 0.15 * (most - least)
        assert most - 0.15 * (most - least) < max(values) <= most


def test_nobody_is_in_two_places_or_faster_than_the_links() -> None:
    links = lay_out(["a", "b", "c", "d"], secs=(3.0, 5.0))
    scheme = plan(subjects(12), ["a", "b", "c", "d"], seed=5, preset=DEMO, secs=60, links=links)
    walks = defaultdict(list)
    for passage in scheme.passages:
        walks[passage.subject].append(passage)
        camera = scheme.camera(passage.camera)
        assert camera.starts_at_secs <= passage.start_secs
        assert passage.end_secs <= camera.starts_at_secs + scheme.secs
    assert sorted(walks) == list(range(12))
    order = "abcd"
    for own in walks.values():
        for one, other in pairwise(own):
            hops = abs(order.index(one.camera) - order.index(other.camera))
            least = 3.0 * hops if hops else 16.0
            assert other.start_secs - one.end_secs >= least - 1e-9
    assert scheme.grid.links == links
    assert scheme.grid.least_secs("a", "b") == 3.0


def test_nobody_shows_a_photo_twice_who_has_several() -> None:
    scheme = plan(subjects(6, photos=3), ["a", "b"], seed=5, preset=DEMO, secs=60)
    shown = defaultdict(list)
    for passage in scheme.passages:
        shown[passage.subject].append(passage.portrait)
    assert any(len(portraits) == 3 for portraits in shown.values())
    for portraits in shown.values():
        assert len(set(portraits)) == len(portraits)


def test_who_has_one_photo_walks_with_it_again_and_again() -> None:
    scheme = plan(subjects(3, photos=1), ["a", "b"], seed=5, preset=DEMO, secs=60)
    assert len(scheme.passages) > 3


def test_links_are_laid_as_line_ring_and_tree() -> None:
    cameras = ["a", "b", "c", "d"]

    def pairs(shape: str) -> list[str]:
        return [n.origin + n.target for n in lay_out(cameras, shape=shape)]  # type: ignore[arg-type]

    assert pairs("line") == ["ab", "bc", "cd"]
    assert pairs("ring") == ["ab", "bc", "cd", "da"]
    assert pairs("tree") == ["ab", "ac", "bd"]


def test_truth_survives_its_file_and_speaks_mot(tmp_path: Path) -> None:
    truth = truth_of(tiny_plan())
    save_truth(truth, tmp_path / "truth.json")
    again = load_truth(tmp_path / "truth.json")
    assert again.visits == tuple(
        replace(
            v,
            first_seen=v.first_seen.replace(microsecond=v.first_seen.microsecond // 1000 * 1000),
            last_seen=v.last_seen.replace(microsecond=v.last_seen.microsecond // 1000 * 1000),
        )
        for v in truth.visits
    )
    assert (again.people, again.links, again.distribution) == (
        truth.people,
        truth.links,
        truth.distribution,
    )
    for one, other in zip(truth.cameras, again.cameras, strict=True):
        assert one.starts_at == other.starts_at
        np.testing.assert_array_equal(one.frame, other.frame)
        np.testing.assert_array_equal(one.person, other.person)
        np.testing.assert_allclose(one.boxes, other.boxes, atol=0.0051)
        np.testing.assert_allclose(one.visible, other.visible, atol=0.00051)

    paths = write_mot(truth, tmp_path, least_visible=0.5)
    assert [path.name for path in paths] == ["door.gt.txt", "hall.gt.txt"]
    rows = np.loadtxt(paths[0], delimiter=",", ndmin=2)
    door = truth.cameras[0]
    assert len(rows) == (door.visible >= 0.5).sum() > 0
    assert rows.shape[1] == 9
    assert rows[:, 0].min() >= 1
    assert set(rows[:, 1]) <= set(range(1, 6))
    assert (rows[:, 2:6] > -40).all()
    assert (np.diff(rows[:, 0]) >= 0).all()


def test_a_file_that_is_no_truth_is_refused(tmp_path: Path) -> None:
    for content in ("", "[]", '{"format": "other"}', '{"format": "sightgrid-truth-1"}'):
        (tmp_path / "truth.json").write_text(content)
        with pytest.raises(InvalidValue):
            load_truth(tmp_path / "truth.json")
    with pytest.raises(InvalidValue):
        load_truth(tmp_path / "missing.json")


@pytest.mark.parametrize(
    ("people", "cameras", "secs"),
    [(0, ["a"], 30.0), (2, [], 30.0), (2, ["a", "a"], 30.0), (2, ["a b"], 30.0), (2, ["a"], 3.0)],
)
def test_a_plan_that_makes_no_sense_is_refused(
    people: int, cameras: list[str], secs: float
) -> None:
    with pytest.raises(InvalidValue):
        plan(subjects(people), cameras, seed=1, preset=DEMO, secs=secs)


def test_unknown_cameras_and_frames_are_refused() -> None:
    scheme = tiny_plan()
    with pytest.raises(NotFound):
        draw(scheme, "roof", 1)
    for frame_index in (0, scheme.frame_count + 1):
        with pytest.raises(InvalidValue):
            draw(scheme, "door", frame_index)


def test_a_portrait_keeps_the_head_and_drops_what_lies_behind() -> None:
    rng = np.random.default_rng(1)
    rows, columns = np.mgrid[0:600, 0:500]
    head = ((columns - 250) / 110.0) ** 2 + ((rows - 260) / 150.0) ** 2 < 1
    photo = np.where(head[:, :, None], (110, 140, 200), (150, 90, 40)) + rng.integers(
        -8, 9, (600, 500, 3)
    )
    face = Detection(Box(150.0, 140.0, 350.0, 400.0), np.zeros((5, 2), np.float32), 0.9)
    cut = cut_portrait(photo.astype(np.uint8), face, person="p", name="1")
    assert cut.face.width == pytest.approx(128.0)
    assert cut.face.height == pytest.approx(128.0 * 1.3)
    x, y = (round(value) for value in cut.face.centre)
    assert cut.alpha[y, x] == 255
    assert cut.alpha[:4].max() == cut.alpha[:, :4].max() == cut.alpha[-2:].max() == 0
    np.testing.assert_allclose(cut.pixels[y, x], (110, 140, 200), atol=12)
    np.testing.assert_allclose(cut.skin, (110, 140, 200), atol=12)
    beside = cut.alpha[y, round(x + 0.75 * cut.face.width)]
    assert beside < 128
    again = cut_portrait(photo.astype(np.uint8), face, person="p", name="1")
    assert cut.alpha.tobytes() == again.alpha.tobytes()


def test_a_face_too_small_to_cut_is_refused() -> None:
    face = Detection(Box(10.0, 10.0, 20.0, 23.0), np.zeros((5, 2), np.float32), 0.9)
    with pytest.raises(InvalidValue, match="only 10 px"):
        cut_portrait(np.zeros((60, 60, 3), np.uint8), face, person="p")


def test_a_face_at_the_photo_s_edge_is_cut_all_the_same() -> None:
    face = Detection(Box(-6.0, 20.0, 50.0, 95.0), np.zeros((5, 2), np.float32), 0.9)
    cut = cut_portrait(np.full((100, 80, 3), 90, np.uint8), face, person="p")
    assert cut.pixels.shape[:2] == cut.alpha.shape
    assert cut.alpha.max() > 0
