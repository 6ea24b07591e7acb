"""How a trained head does at the threshold it was given, as ``track`` would use it."""

from __future__ import annotations

from dataclasses import dataclass

from sightgrid.evaluation.identification import Deal
from sightgrid.evaluation.photos import PhotoVectors
from sightgrid.recognition.headfiles import TrainedHead


@dataclass(frozen=True, slots=True)
class OwnThreshold:
    """Shares, 0-1: of known people's photos rightly and wrongly named, a photo without a face being
    neither; of strangers' photos named at all, ``None`` where none were asked about."""

    rightly_named: float
    wrongly_named: float
    strangers_named: float | None


def at_own_threshold(dealt: Deal, *, photos: PhotoVectors, trained: TrainedHead) -> OwnThreshold:
    """Names every probe of a deal of single photos, or leaves it unknown."""
    right = wrong = known = strangers = named_strangers = 0
    asked = [probe.photos[0] for probe in dealt.probes]
    names = trained.predict(photos.vectors[asked])
    for probe, photo, name in zip(dealt.probes, asked, names, strict=True):
        answer = name if photos.found[photo] else None
        if not probe.known:
            strangers += 1
            named_strangers += answer is not None
            continue
        known += 1
        right += answer == dealt.names[probe.person]
        wrong += answer not in (None, dealt.names[probe.person])
    return OwnThreshold(
        rightly_named=right / known,
        wrongly_named=wrong / known,
        strangers_named=named_strangers / strangers if strangers else None,
    )
