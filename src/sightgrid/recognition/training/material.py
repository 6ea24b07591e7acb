"""Faces to learn from, and the ways to divide them so that what is learned can be tested."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.geometry import Floats

Rows = NDArray[np.bool_]
Numbers = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """Vectors with the person and the image that each shows.

    ``vectors`` (N, D) float32 of unit length, ``labels`` N names, ``images`` (N,) the number of
    the image: rows of one image, itself and copies made of it, are never divided. ``originals``
    (N,): what is no copy; only those are tested on.
    """

    vectors: Floats
    labels: tuple[str, ...]
    images: Numbers
    originals: Rows

    def __post_init__(self) -> None:
        count = len(self.labels)
        if self.vectors.ndim != 2 or {len(self.vectors), len(self.images), len(self.originals)} != {
            count
        }:
            raise InvalidValue(f"{count} labels do not go with vectors of {self.vectors.shape}")

    @classmethod
    def of(cls, vectors: Floats, labels: Sequence[str]) -> Material:
        """Vectors of one image each."""
        count = len(labels)
        return cls(vectors, tuple(labels), np.arange(count), np.ones(count, np.bool_))

    @property
    def people(self) -> tuple[str, ...]:
        """Their names, sorted."""
        return tuple(sorted(set(self.labels)))

    @property
    def image_count(self) -> int:
        return int(self.originals.sum())

    def part(self, rows: Rows) -> Material:
        """Some of the rows."""
        return Material(
            self.vectors[rows],
            tuple(label for label, kept in zip(self.labels, rows, strict=True) if kept),
            self.images[rows],
            self.originals[rows],
        )

    def images_of(self) -> dict[str, Numbers]:
        """The numbers of each person's images, by name."""
        labels = np.array(self.labels)
        return {name: np.unique(self.images[labels == name]) for name in self.people}


def check_people(material: Material) -> None:
    """Refuses what nobody could be told apart by.

    Raises:
        InvalidValue: there are fewer than two people.
    """
    people = material.people
    if len(people) < 2:
        raise InvalidValue(
            f"training needs two people or more, got {len(people)}"
            + (f" ({people[0]})" if people else ""),
            hint="add a folder with photos of somebody else",
        )


def image_folds(material: Material, *, most: int, seed: int) -> tuple[Numbers, int]:
    """Which fold tests each row, (N,), and how many folds there are.

    Every person's images are dealt over the folds, so no fold tests somebody whom the others don't
    show; the only image of a person is in fold -1 and never tested. 0 folds: nobody has two images.
    """
    by_person = material.images_of()
    folds = min(most, max((len(images) for images in by_person.values()), default=0))
    turn = np.full(len(material.labels), -1, np.intp)
    if folds < 2:
        return turn, 0
    rng = np.random.default_rng(seed)
    for number, images in enumerate(by_person.values()):
        if len(images) < 2:
            continue
        for place, image in enumerate(rng.permutation(images)):
            # begun elsewhere for each person, or the first fold would get all that is left over
            turn[material.images == image] = (place + number) % folds
    return turn, folds


def people_groups(material: Material, *, most: int, seed: int) -> Numbers:
    """Which group of people each row belongs to, (N,): the groups play strangers in turn."""
    people = material.people
    order = np.random.default_rng(seed).permutation(len(people))
    group = {people[number]: place % min(most, len(people)) for place, number in enumerate(order)}
    return np.array([group[label] for label in material.labels], np.intp)


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Images to learn from, those to test on, and the people who had too few."""

    learn: Material
    test: Material
    left_out: tuple[str, ...]


def split_images(material: Material, *, least: int, learn: int, seed: int) -> Split:
    """Takes ``learn`` images, by the seed, of everybody who has ``least`` or more.

    The split of the ancestor is ``least=20, learn=10``.

    Raises:
        InvalidValue: fewer than two people have so many, or nothing would be left to test on.
    """
    if learn >= least:
        raise InvalidValue(
            f"with {learn} of at least {least} images to learn from, somebody has none left to "
            "test on",
            hint="learn from fewer images, or ask for more of each person",
        )
    rng = np.random.default_rng(seed)
    learned = np.zeros(len(material.labels), np.bool_)
    kept = np.zeros(len(material.labels), np.bool_)
    left_out = []
    for name, images in material.images_of().items():
        if len(images) < least:
            left_out.append(name)
            continue
        chosen = rng.permutation(images)[:learn]
        kept |= np.isin(material.images, images)
        learned |= np.isin(material.images, chosen)
    if len(material.images_of()) - len(left_out) < 2:
        raise InvalidValue(
            f"fewer than two people have {least} images or more",
            hint="add images, or ask for fewer of each person",
        )
    return Split(
        material.part(learned), material.part(kept & ~learned & material.originals), tuple(left_out)
    )
