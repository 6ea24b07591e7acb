"""What later versions are held to: benchmarks/ratchet.json, checked by ``make footage``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

RATCHET = Path(__file__).with_name("ratchet.json")


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured share, higher is better; ``interval`` 95 %, ``spread`` the least and the most
    over the seeds, ``None`` where there are none.

    ``tolerance`` is how far a later version may fall below before the ratchet test fails: the
    measurement repeats exactly on one machine, so it covers only other processors and runtimes.
    """

    name: str
    value: float
    interval: tuple[float, float]
    spread: tuple[float, float] | None
    tolerance: float


def stored_figures() -> dict[str, Figure]:
    """What the ratchet holds later versions to."""
    fields = json.loads(RATCHET.read_text("utf-8"))["figures"]
    return {
        name: Figure(name, one["value"], tuple(one["interval"]), None, one["tolerance"])
        for name, one in fields.items()
    }


def store(figures: Sequence[Figure]) -> None:
    """Writes the figures measured here over the stored ones; others stay."""
    document = json.loads(RATCHET.read_text("utf-8")) if RATCHET.is_file() else {"figures": {}}
    for figure in figures:
        document["figures"][figure.name] = {
            "value": round(figure.value, 5),
            "interval": [round(end, 5) for end in figure.interval],
            "tolerance": figure.tolerance,
        }
    RATCHET.write_text(json.dumps(document, indent=1) + "\n", "utf-8")


def dropped(figures: Iterable[Figure], stored: Mapping[str, Figure]) -> list[str]:
    """A line for each figure that is worse than the stored one by more than its tolerance, or that
    was never stored."""
    lines = []
    for figure in figures:
        before = stored.get(figure.name)
        if before is None:
            lines.append(f"{figure.name}: not stored, run `make benchmarks`")
        elif figure.value < before.value - before.tolerance:
            lines.append(f"{figure.name}: {figure.value:.4f}, stored {before.value:.4f}")
    return lines
