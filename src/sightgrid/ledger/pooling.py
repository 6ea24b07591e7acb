"""Groups sightings by all they say together of who it is, and by who could have come from where."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sightgrid.domain.grid import CameraGrid
from sightgrid.domain.presence import Sighting
from sightgrid.ledger.groups import Group, any_apart, mean_of_rows
from sightgrid.recognition.evidence import Doubles, EvidenceModel
from sightgrid.recognition.regrouping import group_by_evidence
from sightgrid.recognition.templates import Template

# of those who leave a camera towards another, at least so many are next seen there in time; the
# others turn round, leave the building, or are missed
_GO_ON = 0.25
_LATE_SECS = 2.0
# however few could have come: there is always somebody whom no camera saw coming
_MOST_HINT_NATS = 2.0
# nats by which somebody unknown must be more likely one identity than any other
_LEAD_NATS = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """What each sighting says of who it is: ``evidence`` (N, 2, D), and how much that can tell at
    all, ``told`` (N,) in nats; nothing for one without a template. ``could_be`` are pairs of rows
    of which the later one appeared just when somebody who walked over from the earlier one would
    have, with the number of sightings of which that is as true."""

    model: EvidenceModel
    evidence: Doubles
    told: Doubles
    could_be: Mapping[tuple[int, int], int]

    def hints(self, identities: int) -> dict[tuple[int, int], float]:
        """How much likelier than for any two sightings it is that such a pair is one person."""
        gains = {
            pair: float(np.log(max(identities, 1) * _GO_ON / rivals))
            for pair, rivals in self.could_be.items()
        }
        return {pair: min(gain, _MOST_HINT_NATS) for pair, gain in gains.items() if gain > 0}


def pool_of(
    ordered: Sequence[Sighting],
    templates: Sequence[Template | None],
    *,
    model: EvidenceModel,
    grid: CameraGrid,
) -> Pool:
    """Weighs every sighting; rows are those of ``ordered`` and ``templates``."""
    dimension = len(model.between)
    evidence = np.zeros((len(ordered), 2, dimension))
    seen = [(row, template) for row, template in enumerate(templates) if template is not None]
    if seen:
        evidence[[row for row, _ in seen]] = model.weigh(
            np.stack([template.vector for _, template in seen]),
            np.array([template.strength for _, template in seen], np.float32),
        )
    return Pool(model, evidence, model.told(evidence), _could_be(ordered, grid))


def _could_be(ordered: Sequence[Sighting], grid: CameraGrid) -> dict[tuple[int, int], int]:
    on_camera: dict[str, list[tuple[float, int]]] = {}
    for row, sighting in enumerate(ordered):
        on_camera.setdefault(sighting.camera, []).append((sighting.first_seen.timestamp(), row))
    onward: dict[int, list[int]] = {}
    backward: dict[int, list[int]] = {}
    for link in grid.links:
        if link.max_secs is None:
            continue
        for here, there in ((link.origin, link.target), (link.target, link.origin)):
            starts = on_camera.get(there, [])
            for _, row in on_camera.get(here, []):
                left = ordered[row].last_seen.timestamp()
                first = bisect_left(starts, (left + link.min_secs, -1))
                last = bisect_right(starts, (left + link.max_secs + _LATE_SECS, len(ordered)))
                for _, other in starts[first:last]:
                    onward.setdefault(row, []).append(other)
                    backward.setdefault(other, []).append(row)
    return {
        (min(row, other), max(row, other)): max(len(others), len(backward[other]))
        for row, others in onward.items()
        for other in others
    }


def pooled_groups(
    pool: Pool,
    founders: Sequence[int],
    templates: Sequence[Template | None],
    apart: set[tuple[int, int]],
    *,
    least_nats: float,
    identities: int,
) -> list[Group]:
    """Groups of sightings that are one person each.

    A founder that can tell less than it takes to join anything would be a new identity at every
    appearance: it founds none.
    """
    able = [row for row in founders if pool.told[row] >= least_nats]
    at = {row: position for position, row in enumerate(able)}
    hints = pool.hints(identities)
    clusters = group_by_evidence(
        pool.evidence[able],
        model=pool.model,
        threshold=least_nats,
        cannot_link=[(at[a], at[b]) for a, b in apart if a in at and b in at and a < b],
        hints={(at[a], at[b]): nats for (a, b), nats in hints.items() if a in at and b in at},
    )
    return [
        Group(rows, None, mean_of_rows(templates, rows), founder=rows[0])
        for rows in ([able[position] for position in cluster] for cluster in clusters)
    ]


def take_in_by_evidence(
    groups: Sequence[Group],
    pool: Pool,
    apart: set[tuple[int, int]],
    *,
    least_nats: float,
    identities: int,
) -> None:
    """Gives each sighting that is in no group to the one it speaks for by enough, and more than for
    any other; those that can tell most first."""
    if not groups:
        return
    model, hints = pool.model, pool.hints(identities)
    placed = {row for item in groups for row in item.rows}
    together = np.stack([pool.evidence[item.rows].sum(axis=0) for item in groups])
    alone = model.likelihood(together)
    for row in np.argsort(-pool.told, kind="stable").tolist():
        if row in placed or pool.told[row] <= 0:
            continue
        own = pool.evidence[row]
        nats = model.likelihood(together + own) - alone - model.likelihood(own)
        for number, item in enumerate(groups):
            pairs = [(min(row, other), max(row, other)) for other in item.rows]
            nats[number] += max(hints.get(pair, 0.0) for pair in pairs)
        best = int(nats.argmax())
        others = np.delete(nats, best)
        clear = not len(others) or nats[best] - others.max() >= _LEAD_NATS
        if nats[best] >= least_nats and clear and not any_apart(groups[best].rows, [row], apart):
            groups[best].rows.append(row)
            together[best] += own
            alone[best] = model.likelihood(together[best])
