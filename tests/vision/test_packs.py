from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
from packing import change, leftovers, put_embedder, stock, tiny_embedder, use_own_cache

from sightgrid.domain.errors import PackError
from sightgrid.vision.acquiring import add_pack, verify_pack
from sightgrid.vision.framing import BoxWithMargin, FivePoints
from sightgrid.vision.manifests import manifest_fields, read_manifest
from sightgrid.vision.packs import (
    Pack,
    catalogue,
    embedding_contract,
    load_pack,
)

# a change of this id makes every stored embedding incomparable: it is a breaking change
DEFAULT_CONTRACT = "8fd52908c226e1b7b8b4e0859f350efdac01deeae874537ecc1ec7701b23c6f0"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return use_own_cache(tmp_path / "own-cache", monkeypatch)


@pytest.fixture
def shelf(tmp_path: Path, pack: Pack) -> Path:
    return stock(tmp_path / "mine", pack)


# the contract


def test_the_default_packs_contract_is_pinned(pack: Pack) -> None:
    assert pack.contract.id == DEFAULT_CONTRACT
    assert (pack.contract.pack, pack.contract.dimension) == ("default", 128)
    assert embedding_contract(pack.embedder_path, pack.manifest) == pack.contract
    assert load_pack("default").contract == pack.contract


def test_everything_a_vector_depends_on_changes_the_contract(pack: Pack, shelf: Path) -> None:
    tiny = shelf / "tiny.onnx"
    manifest = read_manifest(json.loads((shelf / "manifest.json").read_text()), where="here")
    prepared = manifest.embedder_input
    points = prepared.framing
    assert isinstance(points, FivePoints)
    moved = points.template.copy()
    moved[2, 1] += 0.25
    variants = [
        replace(prepared, framing=FivePoints(moved, points.size_px)),
        replace(prepared, framing=FivePoints(points.template, 32)),
        replace(prepared, framing=BoxWithMargin(32, 16, 16)),
        replace(prepared, framing=BoxWithMargin(44, 16, 18)),
        replace(prepared, colour_order="BGR"),
        replace(prepared, mean=127.5),
        replace(prepared, scale=1 / 128),
        replace(prepared, flip_average=False),
        replace(prepared, numeric_class="int8"),
    ]
    ids = {
        embedding_contract(tiny, replace(manifest, embedder_input=variant)).id
        for variant in (prepared, *variants)
    }
    assert len(ids) == 1 + len(variants)

    # one bit of one weight
    model = onnx.load(tiny)
    raw = bytearray(model.graph.initializer[0].raw_data)
    raw[101] ^= 1
    model.graph.initializer[0].raw_data = bytes(raw)
    onnx.save(model, tiny)
    assert embedding_contract(tiny, manifest).id not in ids


def test_what_a_vector_does_not_depend_on_leaves_the_contract(shelf: Path) -> None:
    tiny = shelf / "tiny.onnx"
    manifest = read_manifest(json.loads((shelf / "manifest.json").read_text()), where="here")
    before = embedding_contract(tiny, manifest).id
    model = onnx.load(tiny)
    model.producer_name = "somebody else"
    onnx.save(model, tiny)
    renamed = replace(manifest, name="other", title="t", version="9")
    assert embedding_contract(tiny, renamed).id == before


def test_weights_in_constant_nodes_count_too(shelf: Path) -> None:
    manifest = read_manifest(json.loads((shelf / "manifest.json").read_text()), where="here")
    ids = set()
    for seed in (0, 1):
        tiny_embedder(shelf / "tiny.onnx", seed=seed, constants=True)
        ids.add(embedding_contract(shelf / "tiny.onnx", manifest).id)
    assert len(ids) == 2


# loading


def test_an_unknown_pack_names_the_known_ones(cache: Path) -> None:
    with pytest.raises(PackError, match="no pack 'nosuch'") as caught:
        load_pack("nosuch")
    assert caught.value.hint == "known packs: default, default-fp32, dlib, dlib-int8"
    with pytest.raises(PackError, match="no pack 'nosuch'"):
        verify_pack("nosuch")


def test_a_pack_to_be_fetched_says_how(cache: Path) -> None:
    with pytest.raises(PackError, match="not here yet") as caught:
        load_pack("default-fp32")
    assert caught.value.hint is not None
    assert "sightgrid models pull default-fp32" in caught.value.hint


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("SIGHTGRID_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(PackError, match="can't be written") as caught:
        load_pack("default")
    assert caught.value.hint is not None
    assert "SIGHTGRID_CACHE" in caught.value.hint


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    monkeypatch.setenv("SIGHTGRID_CACHE", str(tmp_path / "locked"))
    with pytest.raises(PackError, match="can't be written"):
        load_pack("default")


def test_two_processes_may_build_the_pack_at_once(cache: Path) -> None:
    program = (
        "from sightgrid.vision.packs import load_pack, embedding_contract as contract\n"
        "input()\n"
        "pack = load_pack('default')\n"
        "assert contract(pack.embedder_path, pack.manifest) == pack.contract\n"
        "print(pack.contract.id)\n"
    )
    builders = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for builder in builders:
        assert builder.stdin is not None
        builder.stdin.write("go\n")
        builder.stdin.flush()
    for builder in builders:
        out, err = builder.communicate(timeout=60)
        assert builder.returncode == 0, err
        assert out.strip() == DEFAULT_CONTRACT
    assert [item.name for item in cache.iterdir()] == ["default"]


def test_a_twin_that_came_first_is_left_alone(cache: Path, shelf: Path) -> None:
    first = add_pack(shelf).folder.stat().st_ino
    assert add_pack(shelf).folder.stat().st_ino == first
    put_embedder(shelf, seed=5)
    again = add_pack(shelf)
    assert again.folder.stat().st_ino != first
    assert leftovers(cache) == []


def test_many_threads_adding_and_loading_one_name(cache: Path, shelf: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(shelf, other)
    put_embedder(other, seed=9)
    problems: list[BaseException] = []

    def add(folder: Path) -> None:
        try:
            for _ in range(3):
                add_pack(folder)
        except BaseException as error:  # noqa: BLE001 - told to the main thread
            problems.append(error)

    threads = [threading.Thread(target=add, args=(folder,)) for folder in (shelf, other, shelf)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert leftovers(cache) == []
    assert all(finding.problem is None for finding in verify_pack("mine"))


def test_a_cached_pack_follows_the_manifest_that_ships(cache: Path, pack: Pack) -> None:
    shutil.copytree(pack.folder, cache / "default")
    change(cache / "default", lambda fields: fields["thresholds"].update(impostors=[[0.5, 0.01]]))
    loaded = load_pack("default")
    assert loaded.manifest.thresholds == catalogue()["default"].thresholds
    assert loaded.contract.id == DEFAULT_CONTRACT
    assert loaded.folder == cache / "default"


@pytest.mark.parametrize("damage", ["{", "[]", '{"name": "default"}', None])
def test_a_cached_pack_that_cannot_be_read_is_built_again(
    cache: Path, pack: Pack, damage: str | None
) -> None:
    (cache / "default").mkdir(parents=True)
    (cache / "default" / "manifest.json").write_text(damage or "{}")
    if damage is None:  # a whole manifest, but a network is gone
        shutil.copyfile(pack.folder / "manifest.json", cache / "default" / "manifest.json")
    assert load_pack("default").contract.id == DEFAULT_CONTRACT
    assert leftovers(cache) == []


def test_an_own_pack_that_cannot_be_read_is_told(cache: Path, shelf: Path) -> None:
    folder = add_pack(shelf).folder
    (folder / "tiny.onnx").unlink()
    with pytest.raises(PackError, match=r"pack 'mine' lacks tiny\.onnx") as caught:
        load_pack("mine")
    assert caught.value.hint == f"remove {folder} to have it built anew"


# manifests


def test_every_manifest_that_ships_is_complete() -> None:
    shelf = catalogue()
    assert set(shelf) == {"default", "default-fp32", "dlib", "dlib-int8"}
    for name, manifest in shelf.items():
        again = read_manifest(manifest_fields(manifest), where=name)
        assert manifest_fields(again) == manifest_fields(manifest)
        for model in (manifest.detector, manifest.embedder):
            assert model.licence
            assert model.origin
            assert model.training_data
        for model in manifest.files:
            assert (model.carried_by is None) != (model.fetched_from is None)
        rates = [rate for rate, _ in manifest.thresholds.impostors]
        levels = [level for _, level in manifest.thresholds.impostors]
        assert rates == sorted(rates, reverse=True)
        assert levels == sorted(levels)
