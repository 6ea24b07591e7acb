"""Two serials that turn out to be one person while both are still about.

Settling a recording joins groups of sightings by what they come to together. Live, the first
sightings of one person may each have been too unlike the others; when their sums are alike enough,
the later serial comes to stand for the earlier one, or for an enrolled person. It is written down
as an edit that can be undone. Only strangers of the window are joined; older ones are proposed
(:mod:`sightgrid.ledger.regrouping_nightly`).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from sightgrid.ledger.applying import Ground
from sightgrid.ledger.constraints import cannot_links, reach_of
from sightgrid.ledger.extending import extend_visits
from sightgrid.ledger.groups import bar_of
from sightgrid.ledger.projection import Known
from sightgrid.recognition.bands import Bands
from sightgrid.store.edits import EditKind, record_edit, said_apart
from sightgrid.store.identities import set_alias
from sightgrid.store.prototypes import Doubles, Prototype, save_prototype
from sightgrid.store.standings import decided_of


def join_if_same(ground: Ground, serial: int, bands: Bands, *, window: timedelta) -> int | None:
    """Joins a stranger with whom it turns out to be; returns that identity, if there is one.

    The gallery is brought up to date by the caller.

    Args:
        window: strangers who were not seen within so long of each other are not joined.
    """
    stranger = ground.gallery.get(serial)
    if stranger is None or stranger.person_id is not None or stranger.seen is None:
        return None
    for other in _same(ground, stranger, bands):
        if _within(stranger, other, window) and _can_be_one(ground, stranger, other):
            older, newer = (
                (other, stranger)
                if other.person_id is not None or other.serial < stranger.serial
                else (stranger, other)
            )
            _join(ground, newer, into=older)
            return older.serial
    return None


def _same(ground: Ground, stranger: Known, bands: Bands) -> list[Known]:
    """Who is alike enough: the enrolled person that leads, then others by their sightings."""
    if stranger.seen is None:
        return []
    near = [one for one in ground.gallery.nearest(stranger.seen) if one is not stranger]
    people = sorted(
        ((float(one.enrolled @ stranger.seen), one) for one in near if one.enrolled is not None),
        key=lambda pair: -pair[0],
    )
    found: list[Known] = []
    if people and people[0][0] >= bands.likely:
        lead = people[0][0] - (people[1][0] if len(people) > 1 else -1.0)
        if lead >= bands.margin:
            found.append(people[0][1])
    own_bar = bar_of(stranger.prototype.best_worth, bands)
    alike = [
        (float(one.seen @ stranger.seen), one)
        for one in near
        if one.seen is not None and one not in found
    ]
    for score, one in sorted(alike, key=lambda pair: -pair[0]):
        if score >= bands.same + max(own_bar, bar_of(one.prototype.best_worth, bands)):
            found.append(one)
    return found


def _within(stranger: Known, other: Known, window: timedelta) -> bool:
    one, two = stranger.prototype, other.prototype
    if other.person_id is not None:
        return True
    if not (one.first_seen and one.last_seen and two.first_seen and two.last_seen):
        return False
    return one.first_seen - two.last_seen <= window and two.first_seen - one.last_seen <= window


def _can_be_one(ground: Ground, one: Known, other: Known) -> bool:
    """Whether nothing keeps the two apart: no word of anybody's, no two places at once."""
    families = [ground.gallery.family(known.serial) for known in (one, other)]
    if said_apart(ground.tx, families[0], families[1]):
        return False
    since, until = one.prototype.first_seen, one.prototype.last_seen
    if since is None or until is None:
        return False
    reach = reach_of(ground.grid)
    seen = [
        decided_of(ground.tx, family, since=since - reach, until=until + reach)
        for family in families
    ]
    both = [*seen[0], *seen[1]]
    return not any(
        (a < len(seen[0])) != (b < len(seen[0])) for a, b in cannot_links(both, grid=ground.grid)
    )


def _join(ground: Ground, newer: Known, *, into: Known) -> None:
    tx, gallery, old, new = ground.tx, ground.gallery, into.prototype, newer.prototype
    families = gallery.family(into.serial), gallery.family(newer.serial)
    set_alias(tx, newer.serial, into.serial)
    save_prototype(tx, Prototype(newer.serial, gallery.contract.id))
    spans = [one for one in (old, new) if one.first_seen and one.last_seen]
    joined = replace(
        old,
        total=_sum(old, new),
        worth=old.worth + new.worth,
        best_worth=max(old.best_worth, new.best_worth),
        sightings=old.sightings + new.sightings,
        first_seen=min((one.first_seen for one in spans if one.first_seen), default=None),
        last_seen=max((one.last_seen for one in spans if one.last_seen), default=None),
    )
    save_prototype(tx, joined)
    if new.first_seen is not None and new.last_seen is not None:
        extend_visits(
            tx,
            into.serial,
            (*families[0], *families[1]),
            grid=ground.grid,
            first_seen=new.first_seen,
            last_seen=new.last_seen,
            gap_secs=ground.visit_gap_secs,
        )
    record_edit(
        tx,
        EditKind.JOINED,
        details={"from": newer.serial, "to": into.serial},
        reason="their sightings together are alike enough to be one person",
        at=ground.at,
    )


def _sum(one: Prototype, other: Prototype) -> Doubles | None:
    totals = [prototype.total for prototype in (one, other) if prototype.total is not None]
    return sum(totals[1:], totals[0]) if totals else None
