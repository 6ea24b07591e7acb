"""What the report shows, put together from a run's result: facts and their words, no markup."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from sightgrid import __version__
from sightgrid.domain.frames import EPOCH, format_time
from sightgrid.domain.grid import CameraGrid
from sightgrid.domain.presence import Band, Decision, Visit
from sightgrid.offline.report_facts import (
    Bar,
    Camera,
    Card,
    Hop,
    Lane,
    Page,
    PlanCamera,
    PlanLink,
    Timeline,
    TruthRow,
    UnsureCard,
)
from sightgrid.offline.report_truth import compare
from sightgrid.offline.results import IdentitySummary, RunResult, SourceState, SourceStatus
from sightgrid.offline.spelling import Clock, counted, day, duration, listed

COLOURS = 6
PATTERNS = 4
CROPS_SHOWN = 6
UNSURE_SHOWN = 300
BAND_ORDER = (Band.CONFIRMED, Band.LIKELY, Band.STRANGER)


def compose(result: RunResult, *, grid: CameraGrid | None, truth_rows: Sequence[TruthRow]) -> Page:
    """The page for a run; every number in it is counted from ``result`` here."""
    cameras = _cameras(result, truth_rows)
    clocks = _clocks(result)
    answers = {d.sighting.sighting_id: d for d in result.decisions}
    cards = tuple(_card(s, answers, cameras, clocks) for s in result.identities)
    hops = tuple(hop for card in cards for hop in card.hops)
    undecided = [d for d in result.decisions if d.match.band is Band.UNSURE]
    listing = tuple(cameras.values())
    truth, truth_words = compare(truth_rows, cameras, clocks)
    plan, links, off_plan = _plan(grid, cameras)
    return Page(
        title=result.title,
        made_at=f"{day(result.started_at)}, {result.started_at:%H:%M} UTC",
        made_at_iso=format_time(result.started_at),
        covered=_covered(result),
        clock=_clock_kind(result),
        summary=_summary(cards, hops, len(undecided), listing),
        detail=_detail(cards),
        stats=_stats(cards, hops, len(undecided), listing),
        cameras=listing,
        troubled=tuple(c for c in listing if c.state != SourceState.DONE),
        timelines=_timelines(cards, clocks),
        cards=cards,
        hops=hops,
        unsure=tuple(_unsure(d, result, cameras, clocks) for d in undecided[:UNSURE_SHOWN]),
        unsure_total=len(undecided),
        plan=plan,
        links=links,
        off_plan=off_plan,
        truth=truth,
        truth_words=truth_words,
        settings=(*result.settings.items(), *_versions(result.settings)),
    )


def redacted(source: str) -> str:
    """A source to show: of a URL neither the credentials nor the query, which often holds one."""
    if "://" not in source:
        return source
    scheme, _, rest = source.partition("://")
    rest = re.split(r"[?#]", rest, maxsplit=1)[0]
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def _versions(settings: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    return () if "sightgrid" in settings else (("sightgrid", __version__),)


def _cameras(result: RunResult, truth_rows: Sequence[TruthRow]) -> dict[str, Camera]:
    """Every camera by name, in order of the name, so that colours stay from run to run."""
    statuses = {s.camera: s for s in result.sources}
    seen = {v.camera for v in result.visits} | {d.sighting.camera for d in result.decisions}
    names = sorted(set(statuses) | seen | {row.camera for row in truth_rows})
    visits = Counter(v.camera for v in result.visits)
    cameras = {}
    for index, name in enumerate(names):
        status = statuses.get(name)
        cameras[name] = Camera(
            index=index,
            name=name,
            code=_code(index),
            colour=index % COLOURS,
            pattern=index // COLOURS % PATTERNS,
            visits=visits[name],
            status=status,
            source=redacted(status.source) if status else "",
            facts=_camera_facts(status),
        )
    return cameras


def _code(index: int) -> str:
    head, tail = divmod(index, 26)
    return (_code(head - 1) if head else "") + chr(ord("A") + tail)


def _camera_facts(status: SourceStatus | None) -> str:
    if status is None or not status.frames:
        return ""
    return ", ".join(
        (
            f"{status.width} × {status.height}",  # noqa: RUF001
            f"{duration(status.media_secs)} of video",
            counted(status.frames, "frame"),
            counted(status.sightings, "sighting"),
        )
    )


def _clock_kind(result: RunResult) -> str:
    kinds = {s.clock == "relative" for s in result.sources if s.state is not SourceState.FAILED}
    return "mixed" if len(kinds) > 1 else "relative" if kinds == {True} else "dated"


def _clocks(result: RunResult) -> dict[str, Clock]:
    """How to write the times of each camera: cameras that share a clock are written alike."""
    relative = {s.camera for s in result.sources if s.clock == "relative"}
    moments: dict[bool, list[datetime]] = {False: [], True: []}
    for decision in result.decisions:
        kind = moments[decision.sighting.camera in relative]
        kind += (decision.sighting.first_seen, decision.sighting.last_seen)
    for visit in result.visits:
        moments[visit.camera in relative] += (visit.first_seen, visit.last_seen)
    clocks = {
        kind: Clock.over(min(span, default=EPOCH), max(span, default=EPOCH), relative=kind)
        for kind, span in moments.items()
    }
    names = {s.camera for s in result.sources} | {d.sighting.camera for d in result.decisions}
    names |= {v.camera for v in result.visits}
    return {name: clocks[name in relative] for name in names}


def _covered(result: RunResult) -> str:
    """The time the recordings cover, in words."""
    parts = []
    for relative in (False, True):
        spans = [
            (s.starts_at, s.starts_at + timedelta(seconds=s.media_secs))
            for s in result.sources
            if s.starts_at is not None and (s.clock == "relative") is relative and s.frames
        ]
        if not spans:
            continue
        first, last = min(a for a, _ in spans), max(b for _, b in spans)
        length = duration((last - first).total_seconds())
        if relative:
            parts.append(f"{length} of recordings, counted from their start")
        elif first.date() == last.date():
            parts.append(f"{day(first)}, {first:%H:%M:%S} to {last:%H:%M:%S} UTC ({length})")
        else:
            parts.append(f"{day(first)}, {first:%H:%M} to {day(last)}, {last:%H:%M} UTC ({length})")
    return "; ".join(parts) or "nothing could be read"


def _card(
    summary: IdentitySummary,
    answers: Mapping[str, Decision],
    cameras: Mapping[str, Camera],
    clocks: Mapping[str, Clock],
) -> Card:
    identity = summary.identity
    hops = []
    latest: Visit | None = None
    for number, visit in enumerate(summary.visits, start=1):
        hop = _hop(number, visit, latest, answers, cameras, clocks)
        hops.append(hop)
        if latest is None or visit.last_seen > latest.last_seen:
            latest = visit
    clock = _shared([clocks[v.camera] for v in summary.visits])
    bands = {hop.band for hop in hops}
    fallback = Band.STRANGER if identity.person is None else Band.LIKELY
    return Card(
        serial=identity.serial,
        person=identity.person,
        band=next((band for band in BAND_ORDER if band in bands), fallback),
        score=max((hop.score for hop in hops if hop.score is not None), default=None),
        crops=summary.crops[:CROPS_SHOWN],
        cameras=tuple(cameras[name] for name in summary.cameras),
        hops=tuple(hops),
        first=clock.moment(summary.first_seen),
        last=clock.moment(summary.last_seen),
        first_iso=format_time(summary.first_seen),
        last_iso=format_time(summary.last_seen),
    )


def _shared(clocks: Sequence[Clock]) -> Clock:
    """The clock of an identity; one seen by both kinds of clock gets the one with dates."""
    return min(clocks, key=lambda clock: clock.relative, default=Clock(False, True, False))


def _hop(
    number: int,
    visit: Visit,
    before: Visit | None,
    answers: Mapping[str, Decision],
    cameras: Mapping[str, Camera],
    clocks: Mapping[str, Clock],
) -> Hop:
    matches = [answers[i].match for i in visit.sighting_ids if i in answers]
    bands = {match.band for match in matches}
    clock = clocks[visit.camera]
    gap, unseen = None, False
    if before is not None and clocks[before.camera].relative != clock.relative:
        gap = "its clock can't be compared"
    elif before is not None:
        gap_secs = (visit.first_seen - before.last_seen).total_seconds()
        unseen = gap_secs > 0
        gap = f"unseen for {duration(gap_secs)}" if unseen else "at the same time also on"
    fallback = Band.STRANGER if visit.person is None else Band.LIKELY
    stay_secs = (visit.last_seen - visit.first_seen).total_seconds()
    return Hop(
        number=number,
        serial=visit.serial,
        who=visit.person or f"#{visit.serial}",
        camera=cameras[visit.camera],
        span=clock.span(visit.first_seen, visit.last_seen),
        first=clock.moment(visit.first_seen),
        last=clock.moment(visit.last_seen),
        first_iso=format_time(visit.first_seen),
        last_iso=format_time(visit.last_seen),
        first_millis=_millis(visit.first_seen),
        last_millis=_millis(visit.last_seen),
        stay=duration(stay_secs),
        stay_secs=stay_secs,
        sightings=len(visit.sighting_ids),
        score=max((m.score for m in matches if m.score is not None), default=None),
        band=next((band for band in BAND_ORDER if band in bands), fallback),
        gap=gap,
        unseen=unseen,
        relative=clock.relative,
    )


def _millis(at: datetime) -> int:
    return (at - EPOCH) // timedelta(milliseconds=1)


def _timelines(cards: Sequence[Card], clocks: Mapping[str, Clock]) -> tuple[Timeline, ...]:
    """One timeline, or two where some cameras know the date and others only their start."""
    timelines = []
    for relative in (False, True):
        chosen = [(card, [h for h in card.hops if h.relative is relative]) for card in cards]
        chosen = [(card, hops) for card, hops in chosen if hops]
        if not chosen:
            continue
        starts = min(hop.first_millis for _, hops in chosen for hop in hops)
        ends = max(hop.last_millis for _, hops in chosen for hop in hops)
        # a little room at both sides, so that the first and the last visit are seen whole
        margin = max((ends - starts) // 50, 250)
        starts = max(starts - margin, 0) if relative else starts - margin
        ends += margin
        clock = next(clock for clock in clocks.values() if clock.relative is relative)
        timelines.append(
            Timeline(
                relative=relative,
                starts=starts,
                ends=ends,
                first=clock.moment(EPOCH + timedelta(milliseconds=starts)),
                last=clock.moment(EPOCH + timedelta(milliseconds=ends)),
                rows=tuple(_row(card, hops, starts, ends) for card, hops in chosen),
            )
        )
    return tuple(timelines)


def _row(card: Card, hops: Sequence[Hop], starts: int, ends: int) -> Lane:
    free_from: list[int] = []
    bars = []
    for hop in sorted(hops, key=lambda hop: hop.first_millis):
        lane = next((i for i, at in enumerate(free_from) if at <= hop.first_millis), None)
        if lane is None:
            lane = len(free_from)
            free_from.append(0)
        free_from[lane] = hop.last_millis
        left = (hop.first_millis - starts) / (ends - starts) * 100
        width = (hop.last_millis - hop.first_millis) / (ends - starts) * 100
        bars.append(Bar(hop, round(left, 4), round(width, 4), lane))
    return Lane(card, tuple(bars), len(free_from))


def _unsure(
    decision: Decision,
    result: RunResult,
    cameras: Mapping[str, Camera],
    clocks: Mapping[str, Clock],
) -> UnsureCard:
    sighting, match = decision.sighting, decision.match
    closest = None
    if match.runner_up is not None:
        other = match.runner_up
        who = other.person or (f"#{other.serial}" if other.serial is not None else "somebody")
        closest = f"closest: {who}, similarity {other.score:.2f}"
    return UnsureCard(
        camera=cameras[sighting.camera],
        crop=next(iter(result.crop_paths.get(sighting.sighting_id, ())), None),
        when=clocks[sighting.camera].span(sighting.first_seen, sighting.last_seen),
        iso=format_time(sighting.first_seen),
        faces=len(sighting.path),
        quality=sighting.quality,
        reason=match.reason,
        closest=closest,
    )


def _plan(
    grid: CameraGrid | None, cameras: Mapping[str, Camera]
) -> tuple[tuple[PlanCamera, ...], tuple[PlanLink, ...], tuple[Camera, ...]]:
    if grid is None or not any(name in cameras for name in grid.positions):
        return (), (), ()
    at = grid.positions
    plan = tuple(PlanCamera(c, *at[name]) for name, c in cameras.items() if name in at)
    links = tuple(
        PlanLink(*at[link.origin], *at[link.target], _walk(link.min_secs, link.max_secs))
        for link in grid.links
        if {link.origin, link.target} <= set(at) & set(cameras)
    )
    return plan, links, tuple(c for name, c in cameras.items() if name not in at)


def _walk(least: float, most: float | None) -> str:
    return (
        f"from {duration(least)} on" if most is None else f"{duration(least)} to {duration(most)}"
    )


def _summary(
    cards: Sequence[Card], hops: Sequence[Hop], unsure: int, cameras: Sequence[Camera]
) -> str:
    readable = [c for c in cameras if c.state != SourceState.FAILED]
    if cards:
        seen = sum(1 for camera in cameras if camera.visits)
        text = (
            f"{counted(len(cards), 'person', 'people')} on {counted(seen, 'camera')}, "
            f"{counted(len(hops), 'visit')}"
        )
    elif unsure:
        text = f"Nobody could be told apart on {counted(len(readable), 'camera')}"
    else:
        return f"No faces were seen on {counted(len(readable), 'camera')}."
    if unsure:
        were = "sighting was" if unsure == 1 else "sightings were"
        text += f"; {unsure:,} {were} too unclear to tell"
    return text + "."


def _detail(cards: Sequence[Card]) -> str:
    named = sum(1 for card in cards if card.person is not None)
    strangers = len(cards) - named
    parts = []
    if named:
        parts.append(f"{named:,} known by name")
    if strangers:
        parts.append(counted(strangers, "stranger") + (" under a serial" if named == 0 else ""))
    return listed(parts) if parts else ""


def _stats(
    cards: Sequence[Card], hops: Sequence[Hop], unsure: int, cameras: Sequence[Camera]
) -> tuple[tuple[str, str], ...]:
    read = sum(1 for camera in cameras if camera.state != SourceState.FAILED)
    every = f"{read}" if read == len(cameras) else f"{read} of {len(cameras)}"
    return (
        (f"{len(cards):,}", "person" if len(cards) == 1 else "people"),
        (every, "camera read" if len(cameras) == 1 else "cameras read"),
        (f"{len(hops):,}", "visit" if len(hops) == 1 else "visits"),
        (f"{unsure:,}", "left unsure"),
    )
