"""How the ledger's answers are put into words and colours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sightgrid.domain.presence import Band
from sightgrid.server.api.identities import IdentityAnswer
from sightgrid.server.api.sightings import SightingAnswer
from sightgrid.server.web.parts import Tone


@dataclass(frozen=True, slots=True)
class Name:
    """How somebody is called on a page. ``doubt``: it is only likely."""

    text: str
    tone: Tone
    note: str = ""
    doubt: bool = False


def name_of_sighting(one: SightingAnswer) -> Name:
    """Whom a sighting is given to."""
    number = "" if one.identity is None else f"#{one.identity}"
    match one.band:
        case Band.CONFIRMED:
            return Name(one.person or number, "known", f"{number}, confirmed")
        case Band.LIKELY:
            return Name(one.person or number, "known", f"{number}, likely: have a look", doubt=True)
        case Band.STRANGER:
            return Name(number, "stranger", "a stranger with a number")
        case Band.UNSURE:
            return Name("unsure", "unsure", "too poor or too close to call")
        case None:
            return Name("undecided", "unsure", "not decided yet")


def name_of_identity(one: IdentityAnswer) -> Name:
    """What an identity is called: its name, else its number."""
    number = f"#{one.identity}"
    if one.known:
        return Name(one.person or number, "known", number)
    return Name(number, "stranger", one.label)


def title_of_identity(one: IdentityAnswer) -> str:
    """The same for headings and sentences, with the label of a stranger."""
    number = f"#{one.identity}"
    called = one.person or one.label
    return f"{called} ({number})" if called else number


def counted(count: int, one: str, many: str = "") -> str:
    """``1 visit``, ``2 visits``; thousands with a narrow space."""
    word = one if count == 1 else many or f"{one}s"
    return f"{count:,} {word}".replace(",", "\u202f")


def lasted(span: timedelta) -> str:
    """How long something lasted: ``4 s``, ``2 min 10 s``, ``1 h 05 min``."""
    secs = max(round(span.total_seconds()), 0)
    if secs < 60:
        return f"{secs} s"
    minutes, rest = divmod(secs, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02d} min"
    return f"{hours // 24} days"


def ago(moment: datetime | None, now: datetime) -> str:
    """How long ago, roughly: ``just now``, ``12 min ago``, ``3 days ago``."""
    if moment is None:
        return "never"
    secs = (now - moment).total_seconds()
    if secs < 60:
        return "just now"
    if secs < 3600:
        return f"{int(secs // 60)} min ago"
    if secs < 86400:
        return f"{int(secs // 3600)} h ago"
    return counted(int(secs // 86400), "day") + " ago"
