"""How many came, how long they stayed, where they went next; never who."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from urllib.parse import urlencode

from nicegui import ui

from sightgrid.domain.accounts import Permission
from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.frames import format_time
from sightgrid.server.api.analytics import (
    DwellAnswer,
    FlowsAnswer,
    FootfallAnswer,
    show_overview,
)
from sightgrid.server.web import parts
from sightgrid.server.web.analytics_view import field_of_hours, ribbons
from sightgrid.server.web.fragments import draw
from sightgrid.server.web.paging import page
from sightgrid.server.web.visiting import Visitor
from sightgrid.server.web.wording import lasted
from sightgrid.trajectory.suppression import LEAST

_SPANS = {"1": "Today", "2": "Since yesterday", "7": "7 days", "30": "30 days"}
_LONGEST_DAYS = 92


@page("/analytics", title="Analytics", permission=Permission.SEE_ANALYTICS)
async def analytics(visitor: Visitor, first: str = "", last: str = "", days: int = 1) -> None:
    """The page; ``first`` and ``last`` are local days, else the last ``days``."""
    begin, end = _days(visitor, first, last, days)
    since, until = _moment(visitor, begin), _moment(visitor, end + timedelta(days=1))
    footfall, dwell, flows = await visitor.ask(show_overview, since=since, until=until)
    with parts.head(
        "Analytics",
        f"Counts under {LEAST} are not shown, and neither is what would give them away.",
    ):
        pass
    _choose_span(begin, end, bespoke=bool(first), days=days)
    query = urlencode({"since": since, "until": until})
    if not footfall.cameras:
        parts.empty(
            "bar_chart",
            "Nothing was counted in this time",
            "Choose other days, or wait until somebody passes a camera.",
        )
        return
    _numbers(footfall, dwell, flows)
    with parts.card("Visitors by hour", note="Different people on each camera in each hour."):
        draw("footfall.html", **field_of_hours(footfall))
        _below("footfall", query, hatched=any(None in row for row in footfall.counts))
    with parts.box("analytics-two"):
        with parts.card("Where they go next", note="From the camera left to the camera right."):
            shown = ribbons(flows)
            if shown["ribbons"]:
                draw("flows.html", **shown)
            else:
                parts.text(f"No way was taken {LEAST} times or more.", classes="muted")
            if shown["hidden"]:
                parts.text(
                    f"{shown['hidden']} ways are not shown: too few people took them, or they "
                    "would give such a number away.",
                    classes="t-small muted",
                )
            _below("flows", query)
        with parts.card("How long they stay"):
            draw("dwell.html", rows=_dwell_rows(dwell), least=LEAST)
            _below("dwell", query)


def _choose_span(begin: date, end: date, *, bespoke: bool, days: int) -> None:
    with parts.box("filters").props('role="search" aria-label="Days"'):
        with parts.box("tabs", tag="nav").props('aria-label="Span"'):
            for value, words in _SPANS.items():
                tab = parts.link(words, f"/analytics?days={value}").classes("tab", remove="link")
                if not bespoke and value == str(days):
                    tab.props('aria-current="page"')
        first = parts.text_input("From", begin.isoformat()).props("type=date")
        last = parts.text_input("To", end.isoformat()).props("type=date")

        def go() -> None:
            query = urlencode({"first": str(first.value), "last": str(last.value)})
            ui.navigate.to(f"/analytics?{query}")

        with parts.box("filters-end"):
            parts.button("Show", go)


def _numbers(footfall: FootfallAnswer, dwell: DwellAnswer, flows: FlowsAnswer) -> None:
    busiest = max(
        (
            (count, hour, camera)
            for hour, row in zip(footfall.hours, footfall.counts, strict=True)
            for camera, count in zip(footfall.cameras, row, strict=True)
            if count
        ),
        default=None,
    )
    with parts.box("stats"):
        unique = "not shown" if footfall.unique is None else f"{footfall.unique:,}"
        parts.stat("different visitors", unique)
        visits = [row.visits for row in dwell.items]
        known = sum(each for each in visits if each is not None)
        more = "at least " if None in visits else ""
        # what is hidden may be many small numbers
        told = "not shown" if more and not known else f"{more}{known:,}"
        parts.stat("visits to a camera", told)
        whole = "not shown" if flows.whole is None else f"{flows.whole:,}"
        parts.stat("ways between cameras", whole)
        if busiest is not None:
            hour = datetime.fromisoformat(busiest[1])
            parts.stat(
                f"the busiest hour, {busiest[2]}",
                f"{busiest[0]:,}",
                f"{hour:%a} {hour.day} {hour:%b}, {hour:%H}:00",
            )


def _below(kind: str, query: str, *, hatched: bool = False) -> None:
    with parts.row("between"):
        with parts.row():
            if hatched:
                parts.box("hatch-key")
                parts.text(f"under {LEAST}, or would give it away", classes="t-small muted")
        parts.button(
            "CSV", icon="download", kind="quiet", href=f"/api/v1/analytics/{kind}.csv?{query}"
        )


def _dwell_rows(dwell: DwellAnswer) -> list[dict[str, object]]:
    longest = max((row.p90_secs or 0.0 for row in dwell.items), default=0.0) or 1.0
    return [
        {
            "camera": row.camera,
            "hidden": row.visits is None,
            "visits": row.visits,
            "median": _span(row.median_secs),
            "mean": _span(row.mean_secs),
            "p90": _span(row.p90_secs),
            "median_share": round(100 * (row.median_secs or 0.0) / longest),
            "p90_share": round(100 * (row.p90_secs or 0.0) / longest),
        }
        for row in dwell.items
    ]


def _span(secs: float | None) -> str:
    return "" if secs is None else lasted(timedelta(seconds=secs))


def _days(visitor: Visitor, first: str, last: str, days: int) -> tuple[date, date]:
    today = visitor.site.clock().astimezone(visitor.zone).date()
    if not first:
        days = min(max(days, 1), _LONGEST_DAYS)
        return today - timedelta(days=days - 1), today
    try:
        begin, end = date.fromisoformat(first), date.fromisoformat(last or first)
    except ValueError:
        raise InvalidValue(
            "these are no days", hint="write them as 2026-02-03, or use the fields"
        ) from None
    if end < begin:
        begin, end = end, begin
    if (end - begin).days >= _LONGEST_DAYS:
        raise InvalidValue(f"at most {_LONGEST_DAYS} days can be counted at once")
    return begin, end


def _moment(visitor: Visitor, day: date) -> str:
    return format_time(datetime(day.year, day.month, day.day, tzinfo=visitor.zone))
