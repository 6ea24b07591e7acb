"""Trained heads as files: numbers and a page of facts, no code.

A head is one file in the format safetensors. Its arrays are named ``head.<name>``, beside them lies
``means`` (classes, D), the mean face of each person. The header carries one text, ``sightgrid``,
a JSON object::

    {"format": 1, "kind", "classes", "settings", "threshold", "least_cosine",
     "contract": {"id", "pack", "dimension"}, "facts": {...}, "sha256"}

``sha256`` is over all the rest, so a file is read back exactly as it was written or not at all.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from sightgrid.domain.errors import ContractMismatch, HeadError, InvalidValue, OutputError
from sightgrid.domain.faces import Embedding, EmbeddingContract
from sightgrid.domain.geometry import Floats
from sightgrid.domain.people import EnrolledPerson, name_fault
from sightgrid.domain.safetensors import decode_tensors, encode_tensors
from sightgrid.recognition.heads import Head, HeadKind, head_class

FORMAT = 1
SUFFIX = ".head"

_TEXT = "sightgrid"
_ARRAY = "head."
_MEANS = "means"
_LARGEST_BYTES = 2 << 30
_LENGTH_SLACK = 1e-3
_LONGEST_FACT = 100


@dataclass(frozen=True, slots=True)
class TrainingFacts:
    """How a head came about, for whoever finds the file.

    ``total_parameters`` counts the frozen network and the head; ``epochs`` are passes over all
    images; ``accuracy`` is cross-validated, 0-1, ``None`` where no person has two images;
    ``held_out_accuracy`` is of images kept apart on purpose, ``None`` where none were;
    ``stranger_rate`` is the share of strangers that the threshold lets pass, as measured on
    ``stranger_images`` of people left out of training, ``None`` where there were too few people.
    """

    people: int
    images: int
    images_without_face: int
    trainable_parameters: int
    total_parameters: int
    epochs: int
    secs: float
    secs_per_epoch: float
    accuracy: float | None
    folds: int
    held_out_accuracy: float | None
    held_out_images: int
    stranger_rate: float | None
    stranger_images: int
    source: str
    trained_at: str
    version: str


@dataclass(frozen=True, slots=True, eq=False)
class TrainedHead:
    """A fitted head with what it may be used on.

    ``means`` (classes, D) float32 of unit length: the mean face of each person. A face is known
    only if the head's best score is above its threshold *and* the face is at least
    ``least_cosine`` like the mean of the person named: the first knows these people, the second
    the pack's strangers, of whom a small training set has none.
    """

    head: Head
    contract: EmbeddingContract
    means: Floats
    least_cosine: float
    facts: TrainingFacts

    def __post_init__(self) -> None:
        expected = (len(self.head.classes), self.contract.dimension)
        if self.means.shape != expected:
            raise InvalidValue(f"means of a head must be {expected}, got {self.means.shape}")

    def likeness(self, vectors: Floats) -> Floats:
        """How alike each face is to each person as far as the head lets it be them, (N, classes):
        the cosine to the mean of the one person it chose, -1 for all others."""
        scores = self.head.scores(vectors)
        best = scores.argmax(axis=1)
        rows = np.arange(len(vectors))
        known = scores[rows, best] > self.head.threshold
        alike = np.full(scores.shape, -1.0, np.float32)
        cosines = np.einsum("nd,nd->n", vectors, self.means[best])
        alike[rows[known], best[known]] = cosines[known]
        return alike

    def predict(self, vectors: Floats) -> list[str | None]:
        """The person of each face, (N, D); ``None`` for whom the head does not know."""
        alike = self.likeness(vectors)
        best = alike.argmax(axis=1)
        return [
            self.head.classes[number] if alike[row, number] >= self.least_cosine else None
            for row, number in enumerate(best)
        ]

    def check_contract(self, contract: EmbeddingContract) -> None:
        """Raises ContractMismatch where faces of another contract would be put to it."""
        if contract.id != self.contract.id:
            raise ContractMismatch(
                f"this head was trained on faces of pack '{self.contract.pack}' "
                f"({self.contract.id[:12]}), these are of '{contract.pack}' ({contract.id[:12]})",
                hint=f"use --pack {self.contract.pack}, or train the head again with this pack",
            )

    def people(self) -> tuple[EnrolledPerson, ...]:
        """The people it knows, each by the mean face."""
        return tuple(
            EnrolledPerson(name, (Embedding(vector=mean, contract=self.contract),))
            for name, mean in zip(self.head.classes, self.means, strict=True)
        )


def save_head(trained: TrainedHead, path: Path) -> None:
    """Writes the file; what was there under the name is replaced only when the new one is whole.

    Raises:
        InvalidValue: a person's name can't be kept. OutputError: the file can't be written.
    """
    for name in trained.head.classes:
        fault = name_fault(name)
        if fault is not None:
            raise InvalidValue(
                f"a person named {name!r} can't be kept in a head: {fault}",
                hint="name the person's folder differently",
            )
    data = _encoded(_document(trained), _arrays(trained))
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with staged.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        staged.replace(path)
    except OSError as error:
        staged.unlink(missing_ok=True)
        raise OutputError(f"{path} can't be written: {error.strerror or error}") from error


def load_head(path: Path, *, contract: EmbeddingContract | None = None) -> TrainedHead:
    """A head as it was saved.

    Args:
        contract: of the faces that it will be asked about, if that is known already.

    Raises:
        HeadError: the file can't be read, is damaged, of a later version or holds what no head may.
        ContractMismatch: it was trained under another contract.
    """
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise HeadError(f"{path.name} is larger than any head")
        data = path.read_bytes()
    except OSError as error:
        raise HeadError(
            f"{path} can't be read: {error.strerror or error}",
            hint="make a head with: sightgrid train",
        ) from error
    try:
        trained = _decoded(data)
    except (HeadError, InvalidValue) as error:
        raise HeadError(f"{path.name}: {error}", hint=error.hint) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise HeadError(
            f"{path.name} is no whole head: {error}",
            hint="take another copy, or train it again with: sightgrid train",
        ) from error
    if contract is not None:
        trained.check_contract(contract)
    return trained


def _decoded(data: bytes) -> TrainedHead:
    arrays, texts = decode_tensors(data)
    if texts.keys() != {_TEXT}:
        raise HeadError("it is a file of tensors, but no head of sightgrid")
    document: dict[str, Any] = json.loads(texts[_TEXT])
    if document["format"] != FORMAT:
        raise HeadError(
            f"it is written in format {document['format']!r}, this version reads {FORMAT}",
            hint="use the version of sightgrid that wrote it, or train it again",
        )
    # written anew it must give the same bytes: then no byte anywhere can be another
    if _encoded({k: v for k, v in document.items() if k != "sha256"}, arrays) != data:
        raise HeadError(
            "it is damaged: its SHA-256 differs from what is written in it",
            hint="take another copy, or train it again with: sightgrid train",
        )
    return _restored(document, arrays)


def _restored(document: Mapping[str, Any], arrays: dict[str, Floats]) -> TrainedHead:
    """The head that a document and arrays of one file describe; both are held to what they must
    be, as anybody can write a file whose checksum is right."""
    if document["kind"] not in list(HeadKind):
        raise HeadError(f"heads of kind {document['kind']!r} are not known here")
    kind = HeadKind(document["kind"])
    named = document["classes"]
    if not isinstance(named, list) or not named or named != sorted(set(named)):
        raise HeadError("its people must be a list, sorted, each named once")
    classes = tuple(named)
    for name in classes:
        fault = name_fault(name)
        if fault is not None:
            raise HeadError(f"it names a person {name[:60]!r}: {fault}")
    contract = EmbeddingContract(**document["contract"])
    if not isinstance(contract.id, str) or not isinstance(contract.pack, str):
        raise HeadError("its embedding contract has no id or names no pack")
    means = arrays.pop(_MEANS)
    if means.shape != (len(classes), contract.dimension):
        raise HeadError(f"its mean faces are {means.shape}, for {len(classes)} people")
    if (np.abs(np.linalg.norm(means, axis=1) - 1.0) > _LENGTH_SLACK).any():
        raise HeadError("its mean faces are not all of unit length")
    if not all(name.startswith(_ARRAY) for name in arrays):
        raise HeadError("it holds arrays that are no head's")
    head = head_class(kind).restored(
        classes,
        {name.removeprefix(_ARRAY): array for name, array in arrays.items()},
        dict(document["settings"]),
        dimension=contract.dimension,
    )
    threshold = document["threshold"]
    head.threshold = -math.inf if threshold is None else _finite(threshold, "threshold")
    facts = _facts(document["facts"])
    head.trainable_parameters, head.epochs = facts.trainable_parameters, facts.epochs
    return TrainedHead(
        head=head,
        contract=contract,
        means=means,
        least_cosine=_finite(document["least_cosine"], "least_cosine"),
        facts=facts,
    )


def _facts(told: Mapping[str, Any]) -> TrainingFacts:
    """The facts, each of the kind it must be: they are shown on pages and in tables."""
    facts = TrainingFacts(**told)
    for field in fields(TrainingFacts):
        value = getattr(facts, field.name)
        if value is None and "None" in str(field.type):
            continue
        if "str" in str(field.type):
            right = isinstance(value, str) and len(value) <= _LONGEST_FACT and value.isprintable()
        elif "float" in str(field.type):
            right = not isinstance(value, bool) and isinstance(value, int | float)
        else:
            right = type(value) is int
        if not right:
            raise HeadError(f"its fact {field.name} is {str(value)[:40]!r}")
    return facts


def _finite(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise HeadError(f"its {name} is no number")
    return float(value)


def _document(trained: TrainedHead) -> dict[str, Any]:
    head = trained.head
    return {
        "format": FORMAT,
        "kind": head.kind.value,
        "classes": list(head.classes),
        "settings": head.settings(),
        # JSON knows no infinity
        "threshold": head.threshold if math.isfinite(head.threshold) else None,
        "least_cosine": trained.least_cosine,
        "contract": {
            "id": trained.contract.id,
            "pack": trained.contract.pack,
            "dimension": trained.contract.dimension,
        },
        "facts": asdict(trained.facts),
    }


def _arrays(trained: TrainedHead) -> dict[str, Floats]:
    arrays = {f"{_ARRAY}{name}": array for name, array in trained.head.arrays().items()}
    return arrays | {_MEANS: trained.means}


def _encoded(document: Mapping[str, Any], arrays: Mapping[str, Floats]) -> bytes:
    """The bytes of a head, with the SHA-256 over what they are without it."""
    told = json.dumps(document, ensure_ascii=False, sort_keys=True, allow_nan=False)
    bare = encode_tensors(arrays, {_TEXT: told})
    signed = {**document, "sha256": hashlib.sha256(bare).hexdigest()}
    return encode_tensors(
        arrays, {_TEXT: json.dumps(signed, ensure_ascii=False, sort_keys=True, allow_nan=False)}
    )
