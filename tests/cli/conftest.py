"""A tiny building, filmed once a session: two cameras, seven seconds, four people and a glimpse.

Who is where (seconds): Eileen Collins hall 0-2.2, door 2.5-6.5; visitor A door 0.2-4.2 and hall
1.5-5.5, so on both cameras at once; visitor B hall 3-7; visitor C hall 5.9-6.2, too short to be
known again. Grace Hopper is enrolled and never comes.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest
from scenery import ENROLLED, FPS, FRAME_PX, STARTS_AT, WALKERS, Run, Scene, call

from sightgrid.domain.errors import NotFound


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    from sightgrid.offline.demo_photos import find_demo_photos, pick_face
    from sightgrid.offline.engine import open_engine
    from sightgrid.vision.pictures import read_picture
    from sightgrid.vision.simulation import DEMO, Passage, Subject, cut_portrait, plan, render

    try:
        found = {photo.name: photo for photo in find_demo_photos().photos}
    except NotFound as error:
        pytest.skip(f"{error} ({error.hint})")
    missing = {*ENROLLED, *WALKERS} - found.keys()
    if missing:
        pytest.skip(f"the photos of {', '.join(sorted(missing))} are not installed")

    detector = open_engine("default").detector
    subjects = []
    for name in WALKERS:
        photo = found[name]
        pixels = read_picture(photo.path)
        height, width = pixels.shape[:2]
        face = pick_face(photo, detector.detect(pixels), width=width, height=height)
        portrait = cut_portrait(pixels, face, person=name, name=photo.path.name)
        subjects.append(Subject(name=name, portraits=(portrait,)))

    def walk(
        who: int, camera: str, secs: tuple[float, float], x: tuple[float, float], face_px: float
    ) -> Passage:
        return Passage(
            subject=who,
            camera=camera,
            start_secs=secs[0],
            end_secs=secs[1],
            x=x,
            face_px=(face_px, face_px * 1.1),
            portrait=0,
            blur_px=0.2,
            gain=1.0,
            behind_pillar=False,
            phase=0.1 * who,
            steps_hz=1.8,
            tilt_deg=0.0,
        )

    across = (-30.0, FRAME_PX[0] + 30.0)
    passages = {
        7.0: (
            walk(0, "hall", (0.0, 2.2), (250.0, 400.0), 52),
            walk(1, "door", (0.2, 4.2), across, 46),
            walk(1, "hall", (1.5, 5.5), across, 46),
            walk(0, "door", (2.5, 6.5), across, 52),
            walk(2, "hall", (3.0, 7.0), across, 52),
            walk(3, "hall", (5.9, 6.2), (60.0, 66.0), 46),
        ),
        2.0: (walk(1, "short", (0.0, 2.0), (150.0, 300.0), 46),),
    }
    folder = tmp_path_factory.mktemp("scene")
    preset = replace(
        DEMO, name="tiny", frame_px=FRAME_PX, fps=FPS, face_px=(40.0, 60.0), passage_secs=(0.5, 1.0)
    )
    for secs, walks in passages.items():
        cameras = sorted({passage.camera for passage in walks})
        drawn = plan(subjects, cameras, seed=3, preset=preset, secs=secs, starts_at=STARTS_AT)
        drawn = replace(
            drawn,
            cameras=tuple(replace(camera, starts_at_secs=0.0) for camera in drawn.cameras),
            passages=walks,
        )
        render(drawn, folder)

    people = folder / "people"
    for name in ENROLLED:
        (people / name).mkdir(parents=True)
        shutil.copyfile(found[name].path, people / name / found[name].path.name)
    return Scene(
        folder=folder,
        door=folder / "door.mp4",
        hall=folder / "hall.mp4",
        short=folder / "short.mp4",
        people=people,
        photos={name: found[name].path for name in (*ENROLLED, *WALKERS)},
    )


@pytest.fixture(scope="session")
def tracked(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The run that most tests look at: both cameras, two people enrolled, videos annotated."""
    out = tmp_path_factory.mktemp("tracked") / "new" / "run"
    json_file = out.parent.parent / "answer.json"
    called = call(
        *("track", scene.door, scene.hall, "--out", out, "--people", scene.people),
        *("--annotate", "--json", json_file),
    )
    assert called.code == 0, called.err
    return Run(out, called, json.loads(json_file.read_text("utf-8")))
