"""Gets packs onto this machine and proves them: add a folder, pull from the web, verify."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from http.client import HTTPException
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import numpy as np

from sightgrid.domain.errors import MissingExtra, PackError
from sightgrid.vision.dequantisation import dequantise
from sightgrid.vision.detectors import open_detector, pack_detector
from sightgrid.vision.inception_resnet import convert_inception_resnet
from sightgrid.vision.manifests import CarriedFile, FetchedFile, Manifest, read_manifest
from sightgrid.vision.onnx import Runtime, open_network
from sightgrid.vision.packs import (
    Pack,
    carried_path,
    catalogue,
    describe_pack,
    embedding_contract,
    file_sha256,
    installed,
    load_pack,
    new_folder,
    put_in_place,
)
from sightgrid.vision.sources import redacted
from sightgrid.vision.vgg_face import convert_vgg_face

_TIMEOUT_SECS = 30.0
_CHUNK_BYTES = 1 << 18
_LARGEST_BYTES = 2 << 30
_BUILDERS = {"inception-resnet-v1": convert_inception_resnet, "vgg-face": convert_vgg_face}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked about a pack. ``problem`` is ``None`` where all is well."""

    subject: str
    problem: str | None


def pull_pack(
    name: str,
    *,
    urls: Sequence[str] = (),
    digests: Sequence[str] = (),
    tell: Callable[[str, int, int | None], None] | None = None,
) -> Pack:
    """Fetches the files of a catalogue pack, checks their SHA-256, and puts the pack in place
    once its networks have run.

    Args:
        urls: where to fetch detector and embedder from instead of the catalogue's own addresses,
            in that order, for instance from a mirror on the site's network.
        digests: their SHA-256, if they are to differ from the catalogue's.
        tell: is told file name, bytes so far and bytes in all.

    Raises:
        PackError: unknown pack, no connection, or bytes that are not the ones expected.
    """
    shelf = catalogue()
    manifest = shelf.get(name)
    if manifest is None:
        raise PackError(
            f"the catalogue has no pack '{name}'", hint=f"it has: {', '.join(sorted(shelf))}"
        )
    models = manifest.files
    if all(model.fetched_from is None for model in models) and not urls:
        return load_pack(name)
    if any(model.carried_by and model.carried_by.form != "onnx" for model in models):
        raise PackError(
            f"pack '{name}' is built from an installed package; it can't be fetched",
            hint=f"leave --url away: sightgrid models pull {name}",
        )
    if urls and len(urls) != len(models):
        raise PackError(
            f"pack '{name}' has {len(models)} files, but --url was given {len(urls)} times",
            hint="give --url for the detector, then for the embedder",
        )
    if digests and len(digests) != len(models):
        raise PackError(f"give --sha256 {len(models)} times: for the detector and the embedder")
    with new_folder(name) as folder:
        for position, model in enumerate(models):
            known = model.fetched_from
            digest = digests[position] if digests else known.sha256 if known else None
            if digest is None:
                raise PackError(f"the SHA-256 of {model.file} is not known", hint="give --sha256")
            url = urls[position] if urls else known.url if known else ""
            raw = folder / f"{model.file}.download"
            _fetch(FetchedFile(url, digest.lower()), raw, tell)
            dequantise(raw, folder / model.file)
            raw.unlink()
        return put_in_place(_proved(describe_pack(folder, manifest)))


def add_pack(source: Path) -> Pack:
    """Copies a pack folder (``manifest.json`` and its networks) into the cache, once it is proved.

    Networks are ONNX; of an Inception-ResNet-v1 the weights as safetensors will do.

    Raises:
        PackError: the manifest is incomplete, a file is missing or differs from its SHA-256, or
            a network does not run.
    """
    path = source / "manifest.json"
    try:
        fields = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise PackError(f"{source} is no pack: it has no manifest.json") from None
    except (OSError, ValueError) as error:
        raise PackError(f"{path} can't be read: {error}") from error
    manifest = read_manifest(fields, where=str(path))
    if manifest.name in catalogue():
        raise PackError(
            f"'{manifest.name}' is the name of a pack that ships with sightgrid",
            hint="give yours another name in its manifest",
        )
    with new_folder(manifest.name) as folder:
        for model in manifest.files:
            file = source / model.file
            if not file.is_file():
                raise PackError(f"{path} names {model.file}, which is not beside it")
            _check_form(model.file)
            if model.sha256 is None:
                raise PackError(f"{path}: {model.file} has no sha256")
            if file_sha256(file) != model.sha256.lower():
                raise PackError(f"{file} is not the file its manifest describes: SHA-256 differs")
            if file.suffix == ".safetensors":
                manifest = _built(manifest, file, folder)
            else:
                shutil.copyfile(file, folder / model.file)
        return put_in_place(_proved(describe_pack(folder, manifest)))


def _check_form(file: str) -> None:
    """Only files of numbers are taken: a pickle could run any code when it is read."""
    if Path(file).suffix in (".onnx", ".safetensors"):
        return
    raise PackError(
        f"{file} is neither ONNX nor safetensors",
        hint="convert it in an environment of its own; for FaceNet: tools/convert_facenet.py",
    )


def _built(manifest: Manifest, weights: Path, folder: Path) -> Manifest:
    """Builds the embedder from weights alone; the manifest then names the network built."""
    embedder = manifest.embedder
    build = _BUILDERS.get(embedder.kind)
    if embedder.file != weights.name or build is None:
        known = " or ".join(f"'{kind}'" for kind in _BUILDERS)
        raise PackError(
            f"{weights.name}: from safetensors an embedder of kind {known} is built, "
            f"not '{embedder.kind}'"
        )
    built = replace(embedder, file=f"{weights.stem}.onnx", sha256=None)
    build(weights, folder / built.file)
    return replace(manifest, embedder=built)


def _proved(pack: Pack) -> Pack:
    """The pack, once its networks have run: a bad one must not take the place of a good one."""
    ran = _check_runs(pack)
    if ran.problem is not None:
        raise PackError(f"pack '{pack.manifest.name}' does not run: {ran.problem}")
    return pack


def verify_pack(name: str) -> list[Finding]:
    """Checks an installed pack's bytes, its contract, its carriers, and that its networks run."""
    findings: list[Finding] = []
    if name not in installed() and name not in catalogue():
        raise PackError(f"there is no pack '{name}'")
    try:
        pack = load_pack(name)
    except (PackError, MissingExtra) as error:
        return [Finding("files", str(error))]
    manifest = pack.manifest
    for model in manifest.files:
        path = pack.folder / model.file
        same = model.sha256 is not None and file_sha256(path) == model.sha256
        findings.append(Finding(model.file, None if same else "its SHA-256 differs"))
        if model.carried_by is not None:
            findings.append(_check_carrier(model.file, model.carried_by))
    contract = embedding_contract(pack.embedder_path, manifest)
    differs = "its weights or preparation are not those of its contract"
    findings.append(
        Finding("embedding contract", None if contract.id == pack.contract.id else differs)
    )
    findings.append(_check_runs(pack))
    return findings


def _check_carrier(file: str, carried: CarriedFile) -> Finding:
    try:
        carried_path(carried)
    except (PackError, MissingExtra) as error:
        return Finding(f"carrier of {file}", str(error))
    return Finding(f"carrier of {file} ({carried.distribution} {carried.version})", None)


def _check_runs(pack: Pack) -> Finding:
    """Runs both networks on noise: the detector must give what is decoded, and the embedder
    vectors of the length the manifest promises."""
    prepared = pack.manifest.embedder_input
    noise = np.random.default_rng(0).uniform(0, 255, (2, 3, prepared.input_px, prepared.input_px))
    try:
        detector = open_detector(pack_detector(pack), pack=pack)
        detector.detect(np.zeros((64, 96, 3), np.uint8))
    except (PackError, MissingExtra, ValueError, IndexError) as error:
        return Finding("networks run", f"the detector: {error}")
    except KeyError as error:
        return Finding("networks run", f"the detector gives no output {error}")
    try:
        network = open_network(pack.embedder_path, runtime=Runtime.ONNXRUNTIME, threads=1)
        (vectors,) = network.run(noise.astype(np.float32)).values()
    except (PackError, ValueError) as error:
        return Finding("networks run", f"the embedder: {error}")
    fits = vectors.shape == (2, prepared.dimension)
    return Finding("networks run", None if fits else f"vectors of shape {vectors.shape[1:]}")


def _fetch(
    wanted: FetchedFile, target: Path, tell: Callable[[str, int, int | None], None] | None
) -> None:
    scheme = wanted.url.partition(":")[0].lower()
    shown = redacted(wanted.url)
    if scheme not in ("https", "http", "file"):
        raise PackError(f"'{shown}' is no address a file can be fetched from")
    digest = hashlib.sha256()
    done = 0
    try:
        # the scheme is checked above; the address is the operator's or the catalogue's
        with (
            urlopen(Request(wanted.url), timeout=_TIMEOUT_SECS) as answer,  # noqa: S310
            target.open("wb") as stream,
        ):
            length = answer.headers.get("Content-Length")
            total = int(length) if length and length.isdigit() else None
            while chunk := answer.read(_CHUNK_BYTES):
                done += len(chunk)
                if done > _LARGEST_BYTES:
                    raise PackError(f"{shown}: larger than any model; stopped")
                digest.update(chunk)
                stream.write(chunk)
                if tell is not None:
                    tell(target.stem, done, total)
    except (HTTPException, ValueError):
        # the reason would repeat the address, with the password that may be in it
        raise PackError(
            f"{shown} is no address a file can be fetched from",
            hint="an address can't hold a user name and password here",
        ) from None
    except (URLError, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", None) or error
        raise PackError(
            f"{shown} can't be fetched: {reason}",
            hint="without internet, give --url with a file:// address or a mirror of your own",
        ) from error
    except OSError as error:
        raise PackError(f"{shown} can't be stored: {error.strerror or error}") from error
    if digest.hexdigest() != wanted.sha256:
        raise PackError(
            f"{shown}: SHA-256 is {digest.hexdigest()}, expected {wanted.sha256}",
            hint="the file has changed or was damaged on the way; nothing was installed",
        )
