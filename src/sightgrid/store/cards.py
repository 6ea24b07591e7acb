"""Identities in short, a page at a time: what a grid of faces shows, as far as it may be seen."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from sightgrid.store.batches import in_batches
from sightgrid.store.identities import DECIDED, marks_of, people_of, roots
from sightgrid.store.schema import DECISION, IDENTITY, SIGHTING, VISIT
from sightgrid.store.session import Transaction

MOST_FOUND_BY_TEXT = 500


class CardKind(StrEnum):
    """Which identities are asked for: enrolled people, strangers, or those kept out of lists."""

    KNOWN = "known"
    ANONYMOUS = "anonymous"
    HIDDEN = "hidden"


class CardOrder(StrEnum):
    """By number, or those seen last first."""

    SERIAL = "serial"
    LAST_SEEN = "last-seen"


@dataclass(frozen=True, slots=True)
class CardFilter:
    """Which identities are asked for; ``None`` everywhere means all of them.

    ``cameras`` are those that may be seen: who was on none of them is left out, and nothing is
    told of what others saw. ``kind``: ``None`` leaves out the hidden ones only. ``merged``: serials
    that stand for another one too.
    """

    cameras: frozenset[str] | None = None
    kind: CardKind | None = None
    serials: frozenset[int] | None = None
    merged: bool = False
    order: CardOrder = CardOrder.SERIAL


@dataclass(frozen=True, slots=True)
class CardPlace:
    """Where a page ended: the next begins after it."""

    serial: int
    last_seen: datetime | None = None


@dataclass(frozen=True, slots=True)
class IdentityCard:
    """An identity in short. ``best_sighting`` is that of the best look whose picture is kept;
    ``place`` is where a page that ends here goes on."""

    serial: int
    person: str | None
    person_id: str | None
    label: str
    hidden: bool
    alias_of: int | None
    cameras: tuple[str, ...]
    visits: int
    sightings: int
    first_seen: datetime | None
    last_seen: datetime | None
    best_sighting: str | None
    place: CardPlace


def identity_cards(
    tx: Transaction, wanted: CardFilter, *, after: CardPlace | None = None, limit: int = 100
) -> list[IdentityCard]:
    """One page of identities."""
    if wanted.serials is not None and not wanted.serials:
        return []
    seen = _last_seen(tx, wanted.cameras)
    asked = _identities(seen).where(IDENTITY.c.site_id == tx.site_id, *_conditions(wanted, seen))
    never = sa.case((seen.c.last_seen.is_(None), 1), else_=0)
    if wanted.order is CardOrder.SERIAL:
        asked = asked.order_by(IDENTITY.c.serial)
        if after is not None:
            asked = asked.where(IDENTITY.c.serial > after.serial)
    else:
        asked = asked.order_by(never, seen.c.last_seen.desc(), IDENTITY.c.serial.desc())
        if after is not None:
            asked = asked.where(_beyond(after, seen.c.last_seen))
    rows = tx.connection.execute(asked.limit(limit)).all()
    return _filled(tx, rows, wanted.cameras)


def card_of(
    tx: Transaction, serial: int, *, cameras: frozenset[str] | None = None
) -> IdentityCard | None:
    """The card of one root serial; ``None`` if none of ``cameras`` ever saw it, or there is none.
    Hidden ones too."""
    seen = _last_seen(tx, cameras)
    rows = tx.connection.execute(
        _identities(seen).where(IDENTITY.c.site_id == tx.site_id, IDENTITY.c.serial == serial)
    ).all()
    found = _filled(tx, rows, cameras)
    if not found or (cameras is not None and not found[0].cameras):
        return None
    return found[0]


def serials_matching(tx: Transaction, text: str, *, names: bool = True) -> frozenset[int]:
    """The root serials that a text may mean: the number itself, or, with ``names``, part of a name
    or label."""
    wanted = text.strip().lstrip("#").casefold()
    merged = roots(tx)
    found: set[int] = set()
    if wanted.isascii() and wanted.isdecimal() and len(wanted) <= 10:
        found.add(merged.get(int(wanted), int(wanted)))
    if not names:
        return frozenset(found)
    for serial, name in people_of(tx).items():
        if wanted in name.casefold():
            found.add(merged.get(serial, serial))
    for serial, (_, label) in marks_of(tx).items():
        if label and wanted in label.casefold():
            found.add(merged.get(serial, serial))
    return frozenset(sorted(found)[:MOST_FOUND_BY_TEXT])


def _last_seen(tx: Transaction, cameras: frozenset[str] | None) -> sa.Subquery:
    """When each identity was seen last on these cameras; visits lie under the root's serial."""
    last = sa.func.max(VISIT.c.last_seen, type_=VISIT.c.last_seen.type).label("last_seen")
    asked = sa.select(VISIT.c.serial, last).where(VISIT.c.site_id == tx.site_id)
    if cameras is not None:
        asked = asked.where(VISIT.c.camera.in_(sorted(cameras)))
    return asked.group_by(VISIT.c.serial).subquery()


def _identities(seen: sa.Subquery) -> sa.Select[Any]:
    """What cards are made of; a row an identity, whether it was seen or not."""
    return sa.select(
        IDENTITY.c.serial,
        IDENTITY.c.alias_of,
        IDENTITY.c.person_id,
        IDENTITY.c.hidden,
        IDENTITY.c.label.is_not(None).label("labelled"),
        seen.c.last_seen,
    ).select_from(IDENTITY.outerjoin(seen, seen.c.serial == IDENTITY.c.serial))


def _conditions(wanted: CardFilter, seen: sa.Subquery) -> list[sa.ColumnElement[bool]]:
    shown = sa.or_(IDENTITY.c.hidden.is_(None), IDENTITY.c.hidden.is_(False))
    conditions: list[sa.ColumnElement[bool]] = []
    if not wanted.merged:
        conditions.append(IDENTITY.c.alias_of.is_(None))
    if wanted.cameras is not None:
        conditions.append(seen.c.last_seen.is_not(None))
    if wanted.serials is not None:
        conditions.append(IDENTITY.c.serial.in_(sorted(wanted.serials)))
    match wanted.kind:
        case CardKind.HIDDEN:
            conditions.append(IDENTITY.c.hidden.is_(True))
        case CardKind.KNOWN:
            conditions += [shown, IDENTITY.c.person_id.is_not(None)]
        case CardKind.ANONYMOUS:
            conditions += [shown, IDENTITY.c.person_id.is_(None)]
        case None:
            conditions.append(shown)
    return conditions


def _beyond(after: CardPlace, last_seen: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    if after.last_seen is None:
        return sa.and_(last_seen.is_(None), IDENTITY.c.serial < after.serial)
    moment = sa.bindparam("after_moment", after.last_seen, type_=VISIT.c.last_seen.type)
    return sa.or_(
        last_seen.is_(None),
        last_seen < moment,
        sa.and_(last_seen == moment, IDENTITY.c.serial < after.serial),
    )


def _filled(
    tx: Transaction, rows: Collection[Any], cameras: frozenset[str] | None
) -> list[IdentityCard]:
    merged = roots(tx)
    mine = {row.serial for row in rows}
    root_of = {serial: serial for serial in mine}
    root_of |= {serial: root for serial, root in merged.items() if root in mine}
    labels = marks_of(tx, mine) if any(row.labelled for row in rows) else {}
    names = people_of(tx, {merged.get(serial, serial) for serial in mine})
    spans = _spans(tx, root_of, cameras)
    visits = _visits(tx, root_of, cameras)
    crops = _best(tx, root_of, cameras)
    cards = []
    for row in rows:
        # what a merged serial saw counts for its root
        own = sorted(spans.get(row.serial, ())) if row.alias_of is None else []
        cards.append(
            IdentityCard(
                serial=row.serial,
                person=names.get(merged.get(row.serial, row.serial)),
                person_id=row.person_id,
                label=labels.get(row.serial, (False, ""))[1],
                hidden=bool(row.hidden),
                alias_of=row.alias_of,
                cameras=tuple(dict.fromkeys(camera for _, _, camera, _ in own)),
                visits=visits.get(row.serial, 0) if row.alias_of is None else 0,
                sightings=sum(count for *_, count in own),
                first_seen=min((first for first, *_ in own), default=None),
                last_seen=max((last for _, last, *_ in own), default=None),
                best_sighting=crops[row.serial][1] if row.serial in crops and own else None,
                # by its visits, as the pages are ordered
                place=CardPlace(row.serial, row.last_seen),
            )
        )
    return cards


Span = tuple[datetime, datetime, str, int]


def _spans(
    tx: Transaction, root_of: Mapping[int, int], cameras: frozenset[str] | None
) -> dict[int, list[Span]]:
    """By root when each camera saw it first and last, and how often."""
    found: dict[int, list[Span]] = {}
    for batch in in_batches(sorted(root_of)):
        asked = (
            sa.select(
                DECISION.c.serial,
                SIGHTING.c.camera,
                sa.func.count(),
                sa.func.min(SIGHTING.c.first_seen, type_=SIGHTING.c.first_seen.type),
                sa.func.max(SIGHTING.c.last_seen, type_=SIGHTING.c.last_seen.type),
            )
            .join_from(DECISION, SIGHTING, DECIDED)
            .where(DECISION.c.site_id == tx.site_id, DECISION.c.serial.in_(batch))
            .group_by(DECISION.c.serial, SIGHTING.c.camera)
        )
        if cameras is not None:
            asked = asked.where(SIGHTING.c.camera.in_(sorted(cameras)))
        for serial, camera, count, first, last in tx.connection.execute(asked):
            found.setdefault(root_of[serial], []).append((first, last, camera, count))
    return found


def _visits(
    tx: Transaction, root_of: Mapping[int, int], cameras: frozenset[str] | None
) -> dict[int, int]:
    found: dict[int, int] = {}
    for batch in in_batches(sorted(root_of)):
        asked = (
            sa.select(VISIT.c.serial, sa.func.count())
            .where(VISIT.c.site_id == tx.site_id, VISIT.c.serial.in_(batch))
            .group_by(VISIT.c.serial)
        )
        if cameras is not None:
            asked = asked.where(VISIT.c.camera.in_(sorted(cameras)))
        for serial, count in tx.connection.execute(asked):
            found[root_of[serial]] = found.get(root_of[serial], 0) + count
    return found


def _best(
    tx: Transaction, root_of: Mapping[int, int], cameras: frozenset[str] | None
) -> dict[int, tuple[float, str]]:
    """By root the quality and id of its best sighting whose picture is kept."""
    found: dict[int, tuple[float, str]] = {}
    place = sa.func.row_number().over(
        partition_by=DECISION.c.serial,
        order_by=(SIGHTING.c.quality.desc(), SIGHTING.c.sighting_id),
    )
    for batch in in_batches(sorted(root_of)):
        ranked = (
            sa.select(
                DECISION.c.serial, SIGHTING.c.quality, SIGHTING.c.sighting_id, place.label("place")
            )
            .join_from(DECISION, SIGHTING, DECIDED)
            .where(
                DECISION.c.site_id == tx.site_id,
                DECISION.c.serial.in_(batch),
                SIGHTING.c.crop_path.is_not(None),
            )
        )
        if cameras is not None:
            ranked = ranked.where(SIGHTING.c.camera.in_(sorted(cameras)))
        best = ranked.subquery()
        rows = tx.connection.execute(
            sa.select(best.c.serial, best.c.quality, best.c.sighting_id).where(best.c.place == 1)
        )
        for serial, quality, sighting_id in rows:
            root = root_of[serial]
            if root not in found or quality > found[root][0]:
                found[root] = (quality, sighting_id)
    return found
