"""``train``, and what uses the heads it writes, on the demo's photos."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest
from scenery import Called, Scene, call

from sightgrid.configuration import Configuration
from sightgrid.domain.errors import NotFound
from sightgrid.domain.faces import Embedding, EmbeddingContract
from sightgrid.domain.people import EnrolledPerson
from sightgrid.recognition.headfiles import load_head
from sightgrid.server.site import Site, SiteSettings
from sightgrid.store.people import enrol
from sightgrid.store.roster import set_removed
from sightgrid.vision.packs import Pack

PEOPLE = ("Eileen Collins", "Grace Hopper", "visitor A", "visitor B")


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four people, three photos each: as it is, darker, blurred."""
    from sightgrid.offline.demo_photos import find_demo_photos
    from sightgrid.vision.pictures import read_picture

    try:
        found = {photo.name: photo.path for photo in find_demo_photos().photos}
    except NotFound as error:
        pytest.skip(f"{error} ({error.hint})")
    if not set(PEOPLE) <= found.keys():
        pytest.skip("not all of the demo's photos are installed")
    folder = tmp_path_factory.mktemp("album")
    for name in PEOPLE:
        pixels = read_picture(found[name])
        scale = 400 / max(pixels.shape[:2])
        pixels = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        variants = (pixels, (pixels * 0.6).astype(np.uint8), cv2.GaussianBlur(pixels, (0, 0), 1.5))
        (folder / name).mkdir()
        for number, variant in enumerate(variants):
            cv2.imwrite(str(folder / name / f"{number}.png"), variant)
    return folder


@pytest.fixture(scope="module")
def head(album: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("heads") / "crew.head"
    called = call("train", "--people", album, "--head", "softmax", "--out", file)
    assert called.code == 0, called.err
    for said in ("trainable parameters", "516", "seconds per epoch", "cross-validated accuracy"):
        assert said in called.out
    assert "100.0% of images, 3 folds" in called.out
    return file


@pytest.mark.parametrize("kind", ["nearest-mean", "svm"])
def test_training_tells_what_it_did(kind: str, album: Path, tmp_path: Path) -> None:
    file, json_file = tmp_path / "a.head", tmp_path / "a.json"
    called = call(
        *("train", "--people", album, "--head", kind, "--out", file, "--augment", "flip"),
        *("--copies", "2", "--json", json_file),
    )
    assert called.code == 0, called.err
    told = json.loads(json_file.read_text("utf-8"))
    assert (told["people"], told["images"], told["accuracy"]) == (4, 12, 1.0)
    assert (told["head"], told["pack"], told["source"]) == (kind, "default", "folder")
    assert told["total_parameters"] > 9_000_000
    assert told["stranger_images"] == 12
    trained = load_head(file)
    assert trained.head.kind.value == kind
    assert trained.contract.id == told["contract"]
    again = call("train", "--people", album, "--head", kind, "--out", file)
    assert "is there already" in again.failed_in_one_line()


def test_training_refuses_what_it_can_t_learn_from(album: Path, tmp_path: Path) -> None:
    def refused(folder: Path) -> str:
        return call("train", "--people", folder, "--out", tmp_path / "x.head").failed_in_one_line()

    folder = tmp_path / "people"
    (folder / "anna").mkdir(parents=True)
    (folder / "anna" / "1.png").write_bytes((album / PEOPLE[0] / "0.png").read_bytes())
    assert "two people or more" in refused(folder)
    (folder / "ben").mkdir()
    assert "ben has no images" in refused(folder)
    cv2.imwrite(str(folder / "ben" / "1.png"), np.full((200, 200, 3), 128, np.uint8))
    assert "ben has no image that can be learned from" in refused(folder)
    (folder / ".hidden").mkdir()
    (folder / "..x").mkdir()
    assert "no such folder" in refused(tmp_path / "nowhere")
    assert not (tmp_path / "x.head").exists()


def test_a_head_is_asked_about_photos(head: Path, album: Path, tmp_path: Path) -> None:
    json_file = tmp_path / "a.json"
    called = call("evaluate", "identification", album, "--head", head, "--json", json_file)
    assert called.code == 0, called.err
    told = json.loads(json_file.read_text("utf-8"))
    assert (told["rank1"], told["people"], told["probes"]) == (1.0, 4, 12)
    assert told["wrongly_named"] == 0
    assert told["strangers_named"] is None
    assert told["trainable_parameters"] == 4 * 129
    wrong = call("evaluate", "identification", album, "--head", tmp_path / "no.head")
    assert "neither one of" in wrong.failed_in_one_line(2)
    both = call("evaluate", "identification", album, "--head", head, "--head", "svm")
    assert "not both" in both.failed_in_one_line(2)


def test_a_run_is_named_by_a_head(head: Path, scene: Scene, tmp_path: Path) -> None:
    out = tmp_path / "run"
    called = call("track", scene.short, "--out", out, "--head", head)
    assert called.code == 0, called.err
    rows = (out / "sightings.csv").read_text("utf-8")
    # visitor A, who is a stranger where only the scene's people are enrolled
    assert "visitor A" in rows
    assert "softmax" in (out / "report.html").read_text("utf-8")
    twice = call("track", scene.short, "--out", out, "--head", head, "--people", scene.people)
    assert "leave --people or --head out" in twice.failed_in_one_line(2)


def test_several_heads_are_asked_side_by_side(head: Path, album: Path, tmp_path: Path) -> None:
    three, knn, json_file = tmp_path / "three", tmp_path / "knn.head", tmp_path / "a.json"
    three.mkdir()
    for name in PEOPLE[:3]:
        (three / name).symlink_to(album / name)
    assert call("train", "--people", three, "--head", "knn", "--out", knn).code == 0
    asked = ("evaluate", "identification", album, "--head", head, "--head", knn)
    called = call(*asked, "--json", json_file)
    assert called.code == 0, called.err
    softmax, nearest = json.loads(json_file.read_text("utf-8"))["heads"]
    assert (softmax["head"], nearest["head"]) == ("softmax", "knn")
    assert softmax["impostor_probes"] == 0
    # visitor B is a stranger to the second
    assert nearest["impostor_probes"] == 3
    assert nearest["strangers_named"] == 0
    assert nearest["rank1"] == 1.0


def test_people_enrolled_at_the_site_are_learned(
    tmp_path: Path, pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    site = Site(SiteSettings(Configuration.default(tmp_path / "sightgrid.yml"), tmp_path))
    rng = np.random.default_rng(0)

    def person(name: str, faces: int, contract: EmbeddingContract) -> EnrolledPerson:
        rows = rng.normal(size=(1, 128)) + rng.normal(size=(faces, 128)) * 0.1
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return EnrolledPerson(
            name, tuple(Embedding(row, contract) for row in rows.astype(np.float32))
        )

    def train() -> Called:
        return call("train", "--people", "enrolled", "--head", "svm", "--force")

    try:
        with site.store.transaction() as tx:
            enrol(tx, person("anna", 3, pack.contract))
        assert "two people or more" in train().failed_in_one_line()
        with site.store.transaction() as tx:
            enrol(tx, person("ben", 2, pack.contract))
            # comes by card, without a face
            enrol(tx, person("cleo", 0, pack.contract))
            # was removed, and can still be brought back for a day
            set_removed(tx, enrol(tx, person("eve", 2, pack.contract)), datetime.now(UTC))
        called = train()
        assert called.code == 0, called.err
        trained = load_head(tmp_path / "svm.head", contract=pack.contract)
        assert trained.head.classes == ("anna", "ben")
        assert (trained.facts.images, trained.facts.source) == (5, "enrolled")
        other = EmbeddingContract(id="cd" * 32, pack="dlib", dimension=128)
        with site.store.transaction() as tx:
            enrol(tx, person("dan", 2, other))
        assert "dan has no images" in train().failed_in_one_line()
    finally:
        site.close()


def test_damaged_and_foreign_heads_are_refused(head: Path, scene: Scene, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.head"
    data = bytearray(head.read_bytes())
    data[-7] ^= 1
    damaged.write_bytes(bytes(data))
    called = call("track", scene.short, "--out", tmp_path / "run", "--head", damaged)
    assert "damaged" in called.failed_in_one_line()
    assert not (tmp_path / "run").exists()


def test_the_classic_of_facenet_says_that_its_weights_are_not_supplied(
    scene: Scene, tmp_path: Path
) -> None:
    called = call(
        *("track", scene.short, "--out", tmp_path / "run", "--preset", "facenet-classic"),
        *("--people", scene.people),
    )
    line = called.failed_in_one_line()
    assert "weights not supplied" in line
    assert "models add" in line


def test_a_projection_is_trained_with_what_was_asked_for(album: Path, tmp_path: Path) -> None:
    rates = tmp_path / "rates.txt"
    rates.write_text("0: 0.01\n4: 0.001\n6: -1\n", "utf-8")
    file, curves = tmp_path / "p.head", tmp_path / "new" / "curves"
    called = call(
        *("train", "--people", album, "--head", "projection", "--loss", "centre"),
        *("--distance", "arccos", "--optimiser", "RMSPROP", "--schedule", rates),
        *("--dimension", "32", "--curves", curves, "--out", file),
    )
    assert called.code == 0, called.err
    assert "the schedule stops at epoch 6" in called.err
    # the layer, and the softmax layer that it was trained with
    assert f"{32 * 128 + 4 * 33:,}" in called.out
    pictures = {path.name for path in curves.iterdir()}
    assert pictures == {"loss.png", "rate.png", "validation.png"}
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in curves.iterdir())
    trained = load_head(file)
    assert trained.head.arrays()["weights"].shape == (32, 128)
    assert trained.facts.epochs == 6
    asked = call("evaluate", "identification", album, "--head", file)
    assert asked.code == 0, asked.err


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--head", "svm", "--loss", "triplet"), 2, "--loss is for --head projection, not for svm"),
        (("--head", "softmax", "--curves", "x"), 2, "--curves is for --head projection"),
        (("--head", "projection", "--schedule", "{rates}"), 1, "line 2: '3 0.1' is no step"),
        (("--head", "projection", "--rate", "1", "--schedule", "{rates}"), 2, "not both"),
        (("--head", "projection", "--margin", "0"), 2, "--margin"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    options: tuple[str, ...], code: int, said: str, album: Path, tmp_path: Path
) -> None:
    rates = tmp_path / "rates.txt"
    rates.write_text("0: 0.01\n3 0.1\n", "utf-8")
    told = [option.replace("{rates}", str(rates)) for option in options]
    called = call("train", "--people", album, "--out", tmp_path / "x.head", *told)
    assert said in called.failed_in_one_line(code)
