"""What an offline run found: handed to the writers of tables, pictures and the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sightgrid.domain.presence import Decision, Identity, Visit


class SourceState(StrEnum):
    """How reading a source ended. *broken-off*: damaged, kept up to the break."""

    DONE = "done"
    BROKEN_OFF = "broken-off"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """One camera of the run: what was read and how that ended, with the reason if not done."""

    camera: str
    source: str
    state: SourceState
    reason: str | None
    width: int
    height: int
    frames: int
    faces: int
    sightings: int
    starts_at: datetime | None
    clock: str
    """Where the start came from: ``given``, ``container`` or ``relative``."""
    media_secs: float
    wall_secs: float


@dataclass(frozen=True, slots=True)
class IdentitySummary:
    """One card of the report: an identity, the crops that show it best, where it was."""

    identity: Identity
    cameras: tuple[str, ...]
    visits: tuple[Visit, ...]
    first_seen: datetime
    last_seen: datetime
    crops: tuple[str, ...]
    """Paths of the best crops, best first, relative to the run's folder."""


@dataclass(frozen=True, slots=True, eq=False)
class RunResult:
    """Everything a run found, in order: decisions by first_seen, identities by serial, visits by
    identity and time. ``crop_paths`` gives each sighting's crops (``sighting_id`` to paths
    relative to the run's folder, best first)."""

    title: str
    started_at: datetime
    sources: tuple[SourceStatus, ...]
    decisions: tuple[Decision, ...]
    identities: tuple[IdentitySummary, ...]
    visits: tuple[Visit, ...]
    crop_paths: Mapping[str, tuple[str, ...]]
    settings: Mapping[str, str]
    """What the run was made with, for people: pack, detector, grouping, thresholds and so on."""
