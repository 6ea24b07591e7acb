"""What was seen and said of a session's people becomes their marks.

All methods stand side by side: a QR code, a PIN and a camera's sighting are each a sign that
somebody was there at a moment, and the first sign of any kind says when they came. A sign that
somebody gave themselves tells nothing of when they left, so no stay is asked of them: whoever
refuses the cameras is never worse off. What a teacher says counts more than all signs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta

from sightgrid.domain.attendance import Mark, Method, Rules, Seen, Sign, Span, Status
from sightgrid.domain.presence import Band

MARKING = 1
"""The version of these rules; raised when the same signs would come to other marks."""


def rule_version(rules: Rules) -> str:
    """Names the rules that marks were made by: the version of the code and a hash of the rules."""
    text = json.dumps(asdict(rules), sort_keys=True)
    return f"{MARKING}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def watched(span: Span, rules: Rules) -> Span:
    """The span in which signs count: from the early minutes on, to the end."""
    return Span(span.starts_at - timedelta(minutes=rules.early), span.ends_at)


def mark_everybody(
    people: Collection[str],
    span: Span,
    rules: Rules,
    *,
    seen: Iterable[Seen],
    signs: Iterable[Sign] = (),
    now: datetime | None = None,
) -> list[Mark]:
    """The mark of everyone on a class list, in its order.

    Args:
        people: person ids. Signs of others are left out: they are guests of the lesson.
        now: where the session is still going on; nobody has left early yet then.
    """
    wanted = dict.fromkeys(people)
    sightings: dict[str, list[Seen]] = {person: [] for person in wanted}
    given: dict[str, list[Sign]] = {person: [] for person in wanted}
    for one in seen:
        if one.person_id in sightings:
            sightings[one.person_id].append(one)
    for sign in signs:
        if sign.person_id in given:
            given[sign.person_id].append(sign)
    over = now is None or now >= span.ends_at
    return [
        _mark(person, span, rules, sightings[person], given[person], over=over) for person in wanted
    ]


def count(marks: Iterable[Mark]) -> Mapping[Status, int]:
    """How many of each status, every status named."""
    counts = dict.fromkeys(Status, 0)
    for mark in marks:
        counts[mark.status] += 1
    return counts


def _mark(
    person: str,
    span: Span,
    rules: Rules,
    seen: Sequence[Seen],
    signs: Sequence[Sign],
    *,
    over: bool,
) -> Mark:
    window = watched(span, rules)
    inside = sorted(
        (one for one in seen if _overlaps(one, window)),
        key=lambda one: (one.first_seen, one.last_seen, one.sighting_id),
    )
    own = sorted(
        (
            one
            for one in signs
            if one.method is not Method.TEACHER and window.starts_at <= one.at <= window.ends_at
        ),
        key=lambda one: one.at,
    )
    by_signs = _by_signs(person, span, rules, inside, own, seen=bool(seen), over=over)
    said = [one for one in signs if one.method is Method.TEACHER and one.status is not None]
    if not said:
        return by_signs
    last = max(said, key=lambda one: one.at)
    status = last.status or Status.ABSENT
    came = by_signs.came_at
    if came is None and status.attended and span.starts_at <= last.at <= span.ends_at:
        came = last.at
    return replace(
        by_signs,
        status=status,
        method=Method.TEACHER,
        reason="the teacher says so",
        came_at=came,
        review=False,
    )


def _by_signs(
    person: str,
    span: Span,
    rules: Rules,
    inside: Sequence[Seen],
    own: Sequence[Sign],
    *,
    seen: bool,
    over: bool,
) -> Mark:
    if not inside and not own:
        reason = "seen at another time only" if seen else "no sign of them"
        return Mark(person, Status.ABSENT, Method.NONE, reason)
    window = watched(span, rules)
    came = min([max(one.first_seen, window.starts_at) for one in inside] + [s.at for s in own])
    left = max([min(one.last_seen, span.ends_at) for one in inside] + [s.at for s in own])
    if own:
        # they say when they came, not when they went: until the end, as far as anybody knows
        left = max(left, span.ends_at) if over else left
    best = _best(inside)
    first_sign = own[0] if own and own[0].at == came else None
    mark = Mark(
        person,
        Status.PRESENT,
        Method.CAMERA if first_sign is None else first_sign.method,
        "",
        minutes=_minutes(max(came, span.starts_at), min(left, span.ends_at)),
        came_at=came,
        left_at=None if own else left,
        camera=None if best is None else best.camera,
        sighting_id=None if best is None else best.sighting_id,
        band=None if best is None else best.band,
        score=None if best is None else best.score,
        margin=None if best is None else best.margin,
        # a name that is only likely is put before a human; a sign of one's own needs none
        review=not own and best is not None and best.band is not Band.CONFIRMED,
    )
    return _judged(mark, span, rules, left, over=over, own=bool(own))


def _judged(mark: Mark, span: Span, rules: Rules, left: datetime, *, over: bool, own: bool) -> Mark:
    came = mark.came_at or span.ends_at
    if rules.least and over and not own and mark.minutes < rules.least:
        reason = f"there for {mark.minutes} of at least {rules.least} minutes"
        if left < span.starts_at:
            reason = "seen before the session only"
        return replace(mark, status=Status.ABSENT, reason=reason)
    if came > span.starts_at + timedelta(minutes=rules.grace):
        late = _minutes(span.starts_at, came)
        return replace(mark, status=Status.LATE, reason=f"came {late} minutes after the start")
    leave = rules.leave
    if leave is not None and over and not own and left < span.ends_at - timedelta(minutes=leave):
        gone = _minutes(left, span.ends_at)
        return replace(
            mark, status=Status.LEFT_EARLY, reason=f"last seen {gone} minutes before the end"
        )
    return replace(mark, reason="came in time")


def _best(seen: Sequence[Seen]) -> Seen | None:
    """The sighting that shows it best: a sure one, and of those the most alike."""
    return max(
        seen,
        key=lambda one: (one.band is Band.CONFIRMED, -1.0 if one.score is None else one.score),
        default=None,
    )


def _overlaps(one: Seen, window: Span) -> bool:
    return one.first_seen <= window.ends_at and one.last_seen >= window.starts_at


def _minutes(since: datetime, until: datetime) -> int:
    """Whole minutes, those begun left out."""
    return max(0, int((until - since).total_seconds() // 60))
