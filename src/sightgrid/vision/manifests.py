"""The page that describes a model pack: its networks, their rights and origins, how a face must
be prepared for them, and how alike different people come out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sightgrid.domain.errors import InvalidValue, PackError
from sightgrid.vision.framing import BoxWithMargin, FivePoints

PACK_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
# a word that nothing acts on would still move embeddings into a contract of their own
_KNOWN_VALUES = {
    "colour_order": ("RGB", "BGR"),
    "flip_average": (True, False),
    "numeric_class": ("fp32", "int8"),
    "metric": ("cosine",),
}
_FORMS = ("onnx", "dlib-resnet")


@dataclass(frozen=True, slots=True)
class CarriedFile:
    """A file inside an installed Python package, whose bytes must have this SHA-256.

    ``extra``: the optional package group that installs it; ``None``: sightgrid itself does.
    ``form``: how the network is written there, ``onnx`` or ``dlib-resnet``.
    """

    distribution: str
    version: str
    path: str
    sha256: str
    extra: str | None = None
    form: str = "onnx"

    def __post_init__(self) -> None:
        if self.form not in _FORMS:
            raise ValueError(f"carried_by.form '{self.form}' is unknown")


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


@dataclass(frozen=True, slots=True)
class NamedDetector:
    """A detector that brings its own networks, by the name it has for ``--detector``."""

    kind: str
    licence: str
    origin: str
    training_data: str


@dataclass(frozen=True, slots=True, eq=False)
class EmbedderInput:
    """How a face must be prepared: everything but the weights that an embedding depends on."""

    framing: FivePoints | BoxWithMargin
    """How a face is cut out of a frame; its side is the network's input."""
    enrolled_framing: FivePoints | BoxWithMargin
    """The same for photos of enrolled people; FaceNet's data sets are cut otherwise."""
    colour_order: str
    mean: float
    scale: float
    flip_average: bool
    dimension: int
    numeric_class: str
    metric: str
    strength_middle: float
    strength_width: float
    """The logistic step from how far a raw vector lies from ``strength_origin`` to an embedding's
    strength, 0-1."""
    strength_origin: tuple[float, ...] | None = None
    """What the network makes of nothing in particular; ``None``: zero."""

    @property
    def input_px(self) -> int:
        """The side of a crop in pixels."""
        return self.framing.size_px


@dataclass(frozen=True, slots=True)
class Thresholds:
    """How alike different people come out with this pack: ``impostors`` are pairs of (false match
    rate, similarity), from which thresholds follow for a budget of mistakes and a size of gallery
    (docs/trajectories.md). ``impostors`` compares single photos, ``impostors_of_means`` means of
    three, where that was measured."""

    impostors: tuple[tuple[float, float], ...]
    measured_on: str
    impostors_of_means: tuple[tuple[float, float], ...] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Manifest:
    """The page that describes a pack."""

    name: str
    version: str
    title: str
    detector: ModelFile | NamedDetector
    embedder: ModelFile
    embedder_input: EmbedderInput
    thresholds: Thresholds

    @property
    def files(self) -> tuple[ModelFile, ...]:
        """The networks that lie in the pack's folder, the detector's first."""
        if isinstance(self.detector, NamedDetector):
            return (self.embedder,)
        return (self.detector, self.embedder)

    @property
    def parts(self) -> tuple[tuple[str, ModelFile], ...]:
        """The same with the names they have in the manifest."""
        return tuple(zip(("detector", "embedder")[-len(self.files) :], self.files, strict=True))

    @property
    def carried(self) -> bool:
        """Whether installed packages carry all of its networks."""
        return all(model.carried_by is not None for model in self.files)


def read_manifest(fields: Mapping[str, Any], *, where: str) -> Manifest:
    """A manifest from its JSON object; ``where`` names the file in errors.

    Raises:
        PackError: a field is missing or of the wrong kind.
    """
    try:
        embedder = fields["embedder"]
        framing, enrolled_framing = _framings(embedder, where=where)
        if not PACK_NAME.fullmatch(fields["name"]):
            raise PackError(f"{where}: '{fields['name']}' is no name for a pack")
        for field, known in _KNOWN_VALUES.items():
            if embedder[field] not in known:
                raise PackError(
                    f"{where}: embedder.{field} '{embedder[field]}' is unknown",
                    hint=f"known: {', '.join(map(str, known))}",
                )
        return Manifest(
            name=fields["name"],
            version=str(fields["version"]),
            title=str(fields["title"]),
            detector=_detector(fields["detector"]),
            embedder=_model_file(embedder),
            embedder_input=EmbedderInput(
                framing=framing,
                enrolled_framing=enrolled_framing,
                colour_order=str(embedder["colour_order"]),
                mean=float(embedder["mean"]),
                scale=float(embedder["scale"]),
                flip_average=bool(embedder["flip_average"]),
                dimension=int(embedder["dimension"]),
                numeric_class=str(embedder["numeric_class"]),
                metric=str(embedder["metric"]),
                strength_middle=float(embedder["strength"]["middle"]),
                strength_width=float(embedder["strength"]["width"]),
                strength_origin=_origin(embedder),
            ),
            thresholds=_thresholds(fields["thresholds"]),
        )
    except KeyError as error:
        raise PackError(f"{where}: field {error} is missing") from error
    except (TypeError, ValueError, AttributeError, InvalidValue) as error:
        raise PackError(f"{where}: {error}") from error


def _framings(
    embedder: Mapping[str, Any], *, where: str
) -> tuple[FivePoints | BoxWithMargin, FivePoints | BoxWithMargin]:
    """How faces are cut out, live and for enrolment."""
    size_px = int(embedder["input_px"])
    told = embedder.get("framing")
    if told is None:
        template = np.array(embedder["template"], np.float32)
        if template.shape != (5, 2):
            raise PackError(f"{where}: embedder.template needs five points")
        points = FivePoints(template, size_px)
        return points, points
    if told.get("kind") != "box":
        raise PackError(
            f"{where}: embedder.framing.kind '{told.get('kind')}' is unknown",
            hint="known: box; without a framing, faces are aligned to the template",
        )
    live = BoxWithMargin(float(told["margin_px"]), size_px, size_px)
    enrolled = told.get("enrolled")
    if enrolled is None:
        return live, live
    return live, BoxWithMargin(float(enrolled["margin_px"]), size_px, int(enrolled["resized_px"]))


def _framing_fields(prepared: EmbedderInput) -> dict[str, Any]:
    framing, enrolled = prepared.framing, prepared.enrolled_framing
    if isinstance(framing, FivePoints):
        return {"template": [[float(str(v)) for v in point] for point in framing.template]}
    told: dict[str, Any] = {"kind": "box", "margin_px": framing.margin_px}
    if isinstance(enrolled, BoxWithMargin) and enrolled != framing:
        told["enrolled"] = {
            "margin_px": enrolled.margin_px,
            "resized_px": enrolled.resized_px,
        }
    return {"framing": told}


def _thresholds(fields: Mapping[str, Any]) -> Thresholds:
    def curve(points: list[list[float]]) -> tuple[tuple[float, float], ...]:
        return tuple((float(rate), float(level)) for rate, level in points)

    of_means = fields.get("impostors_of_means")
    return Thresholds(
        impostors=curve(fields["impostors"]),
        measured_on=str(fields["measured_on"]),
        impostors_of_means=None if of_means is None else curve(of_means),
    )


def _origin(embedder: Mapping[str, Any]) -> tuple[float, ...] | None:
    values = embedder["strength"].get("origin")
    if values is None:
        return None
    if len(values) != int(embedder["dimension"]):
        raise ValueError("embedder.strength.origin must have as many numbers as the vectors")
    return tuple(float(value) for value in values)


def _detector(fields: Mapping[str, Any]) -> ModelFile | NamedDetector:
    if "file" in fields:
        return _model_file(fields)
    return NamedDetector(
        kind=str(fields["kind"]),
        licence=str(fields["licence"]),
        origin=str(fields["origin"]),
        training_data=str(fields["training_data"]),
    )


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


def manifest_fields(manifest: Manifest) -> dict[str, Any]:
    """The manifest as its JSON object, the counterpart of :func:`read_manifest`."""

    def of_network(model: ModelFile | NamedDetector) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "kind": model.kind,
            "licence": model.licence,
            "origin": model.origin,
            "training_data": model.training_data,
        }
        if isinstance(model, NamedDetector):
            return fields
        fields["file"] = model.file
        if model.carried_by is not None:
            carried = model.carried_by
            fields["carried_by"] = {
                "distribution": carried.distribution,
                "version": carried.version,
                "path": carried.path,
                "sha256": carried.sha256,
                "form": carried.form,
            }
            if carried.extra is not None:
                fields["carried_by"]["extra"] = carried.extra
        if model.fetched_from is not None:
            fields["fetched_from"] = {
                "url": model.fetched_from.url,
                "sha256": model.fetched_from.sha256,
            }
        if model.sha256 is not None:
            fields["sha256"] = model.sha256
        return fields

    prepared = manifest.embedder_input
    strength: dict[str, Any] = {
        "middle": prepared.strength_middle,
        "width": prepared.strength_width,
    }
    if prepared.strength_origin is not None:
        strength["origin"] = list(prepared.strength_origin)
    thresholds: dict[str, Any] = {
        "impostors": [list(point) for point in manifest.thresholds.impostors],
        "measured_on": manifest.thresholds.measured_on,
    }
    if manifest.thresholds.impostors_of_means is not None:
        thresholds["impostors_of_means"] = [
            list(point) for point in manifest.thresholds.impostors_of_means
        ]
    return {
        "name": manifest.name,
        "version": manifest.version,
        "title": manifest.title,
        "detector": of_network(manifest.detector),
        "embedder": of_network(manifest.embedder)
        | {
            "input_px": prepared.input_px,
            "colour_order": prepared.colour_order,
            "mean": prepared.mean,
            "scale": prepared.scale,
            "flip_average": prepared.flip_average,
            "dimension": prepared.dimension,
            "numeric_class": prepared.numeric_class,
            "metric": prepared.metric,
            "strength": strength,
        }
        | _framing_fields(prepared),
        "thresholds": thresholds,
    }
