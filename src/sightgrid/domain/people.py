"""Enrolled people: those who agreed to be known by name."""

from __future__ import annotations

from dataclasses import dataclass

from sightgrid.domain.faces import Embedding


@dataclass(frozen=True, slots=True, eq=False)
class EnrolledPerson:
    """A person and the faces they were enrolled with. ``name`` is unique within a run or site."""

    name: str
    faces: tuple[Embedding, ...]
