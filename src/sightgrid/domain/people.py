"""Enrolled people: those who agreed to be known by name."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sightgrid.domain.faces import Embedding

LONGEST_NAME = 200


def name_fault(name: str) -> str | None:
    """What is wrong with a person's name that a file brings along, in words; ``None``: nothing.

    Names end up in tables, on pages and in the names of folders, so one that could be read as a
    path, or that steers a terminal, is refused.
    """
    if not name.strip() or name != name.strip():
        return "it is empty, or begins or ends with a space"
    if len(name) > LONGEST_NAME:
        return f"it has more than {LONGEST_NAME} letters"
    if "/" in name or "\\" in name or name.startswith("."):
        return "it could be read as a path"
    if any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in name):
        return "it holds characters that can't be shown"
    return None


@dataclass(frozen=True, slots=True, eq=False)
class EnrolledPerson:
    """A person and the faces they were enrolled with. ``name`` is unique within a run or site."""

    name: str
    faces: tuple[Embedding, ...]


class Method(StrEnum):
    """How somebody shows that they are here. All are of equal standing; *face* needs a consent."""

    FACE = "face"
    QR = "qr"
    PIN = "pin"
    TAP = "tap"


@dataclass(frozen=True, slots=True)
class Consent:
    """That somebody agreed to be recognised, and what shows it.

    ``text_version`` and ``text_sha256`` name the text that was agreed to; ``channel`` is how
    (``paper``, ``web``, ``oidc``…), ``evidence`` where that can be looked up. ``given_by`` is the
    person, or for a child ``guardian`` names who agreed for them; ``recorded_by`` wrote it down.
    """

    purpose: str
    text_version: str
    text_sha256: str
    language: str
    channel: str
    evidence: str
    given_by: str
    recorded_by: str
    given_at: datetime
    expires_at: datetime | None = None
    guardian: str | None = None
    withdrawn_at: datetime | None = None

    def holds(self, at: datetime) -> bool:
        """Whether it is valid at a moment: given, not expired, not withdrawn."""
        return (
            self.given_at <= at
            and (self.expires_at is None or at < self.expires_at)
            and (self.withdrawn_at is None or at < self.withdrawn_at)
        )
