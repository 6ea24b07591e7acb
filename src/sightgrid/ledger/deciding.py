"""Decides a sighting when it comes: who it is, as far as can be told by then.

The same judgement as settling a recording (:mod:`sightgrid.ledger.settling`), in another order: a
recording is looked at from all sides before a serial is spent; live, each revision of a sighting is
compared with whoever is known at that moment. What can't be told yet is *unsure* and is asked again
at the next revision; what a later revision shows to have been wrong is put right, with a record.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import numpy as np

from sightgrid.domain.geometry import Floats
from sightgrid.domain.grid import CameraGrid
from sightgrid.domain.presence import Band, Candidate, Match, Sighting
from sightgrid.ledger.answers import named_match, stranger_match, why_unsure
from sightgrid.ledger.constraints import Presence, are_apart, reach_of
from sightgrid.ledger.groups import bar_of
from sightgrid.ledger.projection import Known, LiveGallery
from sightgrid.ledger.settling import may_found
from sightgrid.recognition.bands import Bands
from sightgrid.recognition.calibration import Policy
from sightgrid.recognition.templates import Template
from sightgrid.store import Transaction
from sightgrid.store.edits import forbidden_serials
from sightgrid.store.prototypes import Contribution, without_sighting
from sightgrid.store.standings import decided_near
from sightgrid.trajectory.visits import GAP_SECS


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """How sightings are decided as they come.

    ``stranger_window``: strangers last seen longer ago are not compared with any more.
    ``looks_within``: the two good looks that found an identity lie this close together; an unclear
    new face waits as long before it gets a serial. ``stranger_strictness``: live, so many times
    fewer wrong joins of strangers are accepted than in a recording, where a join can be seen from
    all sides.
    """

    stranger_window: timedelta = timedelta(hours=24)
    looks_within: timedelta = timedelta(seconds=6)
    stranger_strictness: float = 2.0
    visit_gap_secs: float = GAP_SECS


@dataclass(frozen=True, slots=True, eq=False)
class Before:
    """How a sighting stood before this revision: the root it was given to, in which band, and what
    it added to that. ``own`` is the ledger's answer where a human put it elsewhere: there it stays.
    """

    root: int
    band: Band
    contribution: Contribution | None
    own: tuple[Band, int | None] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """The answer for a sighting. ``match.serial`` is 0 where a new serial is to be minted.

    ``counts`` says whether the sighting is good enough to be part of what its identity looks like;
    ``keeps`` that it goes on being part of it as an earlier revision was. ``vacated`` is the
    identity that only this sighting had founded, if it goes to another one.
    """

    match: Match
    counts: bool
    keeps: bool = False
    vacated: int | None = None

    @property
    def mints(self) -> bool:
        return self.match.serial == TO_BE_MINTED


@dataclass(frozen=True, slots=True, eq=False)
class Fresh:
    """A sighting decided in the open transaction, whose rows may still be on their way. ``vector``
    (D,) is what its looks come to, where there is anything to compare."""

    sighting: Sighting
    serial: int | None
    vector: Floats | None


TO_BE_MINTED = 0
NOTHING = -1.0
"""The similarity where there is nothing to compare with."""


@dataclass(frozen=True, slots=True, eq=False)
class _Scored:
    """An identity and how alike it is; -1 where there is nothing to compare with."""

    known: Known
    enrolled: float
    seen: float

    @property
    def best(self) -> float:
        return max(self.enrolled, self.seen)

    @property
    def named(self) -> bool:
        return self.known.person is not None


def bands_for(policy: Policy, gallery: LiveGallery, settings: LiveSettings) -> Bands:
    """The similarities that apply with as many people and strangers as there are now."""
    strict = replace(policy, stranger_merges=policy.stranger_merges / settings.stranger_strictness)
    return strict.bands(enrolled=gallery.people, identities=len(gallery))


@dataclass(slots=True, eq=False)
class Decider:
    """Decides sightings within one transaction, against a gallery that is up to date.

    ``only_people``: the camera serves attendance only, so nobody gets a serial here who has none.
    ``fresh`` are the sightings decided in this transaction so far, by their ids.
    """

    tx: Transaction
    gallery: LiveGallery
    grid: CameraGrid
    policy: Policy
    settings: LiveSettings
    only_people: bool = False
    fresh: Mapping[str, Fresh] = field(default_factory=dict)
    _apart: set[int] | None = field(default=None, init=False)
    _stored: bool = field(default=True, init=False)
    _bands: tuple[tuple[int, int], Bands] | None = field(default=None, init=False)

    @property
    def bands(self) -> Bands:
        """The similarities that apply with as many people and strangers as there are now."""
        many = self.gallery.people, len(self.gallery)
        if self._bands is None or self._bands[0] != many:
            self._bands = many, bands_for(self.policy, self.gallery, self.settings)
        return self._bands[1]

    def decide(
        self,
        sighting: Sighting,
        template: Template | None,
        before: Before | None,
        *,
        stored: bool = True,
    ) -> Verdict:
        """The answer for this revision of a sighting.

        Args:
            before: how it stood, if an earlier revision was given to somebody.
            stored: whether anything of it was stored before, so that somebody may have said
                something about it.
        """
        self._apart, self._stored = None, stored
        if before is not None and before.own is not None:
            return self._as_edited(before)
        bands = self.bands
        if template is None or template.worth < bands.weak_look:
            return self._kept(sighting, before) or _unsure(why_unsure(template, bands), None)
        scored = self._scored(sighting, template, before)
        founds = may_found(sighting, bands, within=self.settings.looks_within)
        chosen = self._person(sighting, scored, template, bands, founds) or self._seen_before(
            sighting, scored, template, bands, founds
        )
        own = next((one for one in scored if before and one.known.serial == before.root), None)
        if chosen is not None and own is not None and before is not None:
            chosen = self._stays(sighting, own, chosen, before, bands)
        if chosen is not None:
            return self._given(chosen, scored, before, bands, founds)
        kept = self._kept(sighting, before)
        if kept is not None:
            # a serial that only this sighting founded looks as its newest good revision does
            alone = own is not None and own.best == NOTHING
            return replace(kept, counts=True, keeps=False) if alone and founds else kept
        rival = _candidate(scored[0]) if scored else None
        if not founds or self.only_people:
            return _unsure(why_unsure(template, bands), rival)
        if self._should_wait(sighting, scored, bands):
            return _unsure("perhaps somebody known: a better look may tell", rival)
        return Verdict(stranger_match(TO_BE_MINTED, None, rival), counts=True)

    def _scored(
        self, sighting: Sighting, template: Template, before: Before | None
    ) -> list[_Scored]:
        """The identities most like it, best first, leaving out what it added to one itself."""
        near = self.gallery.nearest(template.vector)
        if before is not None and all(known.serial != before.root for known in near):
            own = self.gallery.get(before.root)
            near += [] if own is None else [own]
        window = self.settings.stranger_window
        found = []
        for known in near:
            span = known.prototype
            if known.person_id is None and (
                (span.last_seen is not None and sighting.first_seen - span.last_seen > window)
                or (span.first_seen is not None and span.first_seen - sighting.last_seen > window)
            ):
                continue
            seen = known.seen
            if before is not None and known.serial == before.root and before.contribution:
                seen = _unit_without(known, before.contribution)
            enrolled = known.enrolled
            found.append(
                _Scored(
                    known,
                    NOTHING if enrolled is None else float(enrolled @ template.vector),
                    NOTHING if seen is None else float(seen @ template.vector),
                )
            )
        found.sort(key=lambda one: -one.best)
        return found

    def _person(
        self,
        sighting: Sighting,
        scored: Sequence[_Scored],
        template: Template,
        bands: Bands,
        founds: bool,
    ) -> _Scored | None:
        """The enrolled person it is, by the enrolled faces, which nothing seen has spoilt."""
        people = sorted(
            (one for one in scored if one.known.enrolled is not None), key=lambda one: -one.enrolled
        )
        for best in people:
            # a look that may found nothing has to be clearly this person, strangers considered
            least = bands.likely + (0.0 if founds else bar_of(template.worth, bands))
            if best.enrolled < least:
                return None
            if best.known.serial in self._apart_from(sighting):
                # whoever is elsewhere at that moment is out of the question
                continue
            rivals = [one.enrolled for one in people if one is not best]
            if not founds:
                rivals += [one.seen for one in scored if not one.named]
            return best if best.enrolled - max(rivals, default=-1.0) >= bands.margin else None
        return None

    def _seen_before(
        self,
        sighting: Sighting,
        scored: Sequence[_Scored],
        template: Template,
        bands: Bands,
        founds: bool,
    ) -> _Scored | None:
        """The identity whose other sightings it is like: a stranger, or a person seen before."""
        bar = bar_of(template.worth, bands)
        for best in sorted(scored, key=lambda one: -one.seen):
            # blurs of different people are alike, so poor looks on either side raise the bar
            least = bands.same + (
                max(bar, bar_of(best.known.prototype.best_worth, bands)) if founds else bar
            )
            if best.seen < least:
                return None
            if self.only_people and not best.named:
                continue
            if best.known.serial in self._apart_from(sighting):
                continue
            if founds:
                return best
            runner_up = max((one.best for one in scored if one is not best), default=-1.0)
            return best if best.seen - runner_up >= bands.margin else None
        return None

    def _stays(
        self, sighting: Sighting, own: _Scored, chosen: _Scored, before: Before, bands: Bands
    ) -> _Scored:
        """Whom a sighting goes to that was somebody's already: it moves for a clear lead only."""
        if chosen.known.serial == before.root or own.known.serial in self._apart_from(sighting):
            return chosen
        if own.best < bands.same or chosen.best - own.best >= bands.margin:
            return chosen
        return chosen if chosen.named and not own.named else own

    def _given(
        self,
        chosen: _Scored,
        scored: Sequence[_Scored],
        before: Before | None,
        bands: Bands,
        founds: bool,
    ) -> Verdict:
        known = chosen.known
        rival = next((_candidate(one) for one in scored if one is not chosen), None)
        if known.person is not None:
            # somebody named without photos is known by what was seen of them only
            unseen = known.enrolled is None
            score = chosen.seen if unseen else chosen.enrolled
            match = named_match(known.serial, known.person, score, rival, bands)
            # a person's look is learnt only from what the enrolled faces vouch for
            counts = founds and (unseen or chosen.enrolled >= bands.likely)
        else:
            match = stranger_match(known.serial, chosen.seen, rival)
            counts = founds
        vacated = None
        if before is not None and before.root != known.serial:
            old = self.gallery.get(before.root)
            if old is not None and old.person_id is None and old.prototype.sightings <= 1:
                vacated = before.root
        return Verdict(match, counts, vacated=vacated)

    def _kept(self, sighting: Sighting, before: Before | None) -> Verdict | None:
        """A later revision that shows nothing better leaves the answer as it was."""
        if before is None or before.root in self._apart_from(sighting):
            return None
        known = self.gallery.get(before.root)
        if known is None:
            return None
        if known.person is not None:
            reason = "as an earlier look at this sighting said"
            match = Match(Band.LIKELY, before.root, known.person, None, None, None, reason)
        else:
            match = stranger_match(before.root, None, None)
        return Verdict(match, counts=False, keeps=True)

    def _as_edited(self, before: Before) -> Verdict:
        known = self.gallery.get(before.root)
        person = None if known is None else known.person
        band = Band.STRANGER if person is None else Band.CONFIRMED
        match = Match(band, before.root, person, None, None, None, "as somebody edited it")
        return Verdict(match, counts=False, keeps=True)

    def _should_wait(self, sighting: Sighting, scored: Sequence[_Scored], bands: Bands) -> bool:
        """Whether a serial should wait: it may be somebody known, and better looks may come."""
        if (
            sighting.closed
            or sighting.last_seen - sighting.first_seen >= self.settings.looks_within
        ):
            return False
        apart = self._apart_from(sighting)
        return any(one.best >= bands.possible for one in scored if one.known.serial not in apart)

    def _apart_from(self, sighting: Sighting) -> set[int]:
        """The identities that it can't be: they were elsewhere, or somebody said so."""
        if self._apart is None:
            said = forbidden_serials(self.tx, sighting.sighting_id) if self._stored else ()
            self._apart = {
                self.gallery.root(serial)
                for serial, other in self._about(sighting)
                if are_apart(other, sighting, grid=self.grid)
            } | {self.gallery.root(one) for one in said}
        return self._apart

    def _about(self, sighting: Sighting) -> Iterator[tuple[int, Presence]]:
        """Who was about at the time of a sighting, where that can keep it from being them."""
        reach = reach_of(self.grid)
        start, end = sighting.first_seen - reach, sighting.last_seen + reach
        others = self.grid.apart_from(sighting.camera)
        for near in decided_near(
            self.tx,
            start,
            end,
            camera=sighting.camera,
            others=others,
            besides=sighting.sighting_id,
        ):
            if near.sighting_id not in self.fresh:
                yield near.serial, near
        for one in self.fresh.values():
            other = one.sighting
            if (
                one.serial is not None
                and (other.camera == sighting.camera or other.camera in others)
                and other.sighting_id != sighting.sighting_id
                and other.last_seen >= start
                and other.first_seen <= end
            ):
                yield one.serial, other


def _unsure(why: str, rival: Candidate | None) -> Verdict:
    return Verdict(Match(Band.UNSURE, None, None, None, None, rival, why), counts=False)


def _candidate(one: _Scored) -> Candidate:
    return Candidate(one.known.serial, one.known.person, one.best)


def _unit_without(known: Known, own: Contribution) -> Floats | None:
    """What an identity looks like without one of its sightings; ``None`` if that was all."""
    rest = without_sighting(known.prototype, own)
    if rest.total is None or rest.worth < 1e-6:
        return None
    length = float(np.linalg.norm(rest.total))
    if length < 1e-6:
        return None
    unit: Floats = (rest.total / length).astype(np.float32)
    return unit
