"""Retention and legal holds: how long what is kept, what is due, and what may not go yet."""

from __future__ import annotations

from datetime import timedelta

from sightgrid.domain.accounts import Permission
from sightgrid.domain.errors import InvalidValue
from sightgrid.server.api.cameras import list_cameras
from sightgrid.server.api.privacy import (
    ClassAnswer,
    EndOfHold,
    HoldAnswer,
    NewHold,
    RunAnswer,
    add_hold,
    end_hold,
    list_holds,
    run_retention,
    show_retention,
)
from sightgrid.server.web import parts
from sightgrid.server.web.paging import page
from sightgrid.server.web.visiting import Visitor

_CLASSES = {
    "crops": ("Pictures of faces", "The crops that sightings carry."),
    "strangers": ("Strangers", "Serials that nobody was named as, with their vectors."),
    "sightings": ("Sightings", "Who was seen by which camera, when."),
    "visits": ("Visits", "The rows that trajectories and analytics are made of."),
    "evidence": ("Evidence", "What attendance marks rest on."),
    "registers": ("Registers", "Attendance, once a session is closed."),
    "enrolment": ("Enrolled faces", "Photos and vectors of people who agreed to be recognised."),
    "audit": ("Audit", "Who did what."),
}


@page("/privacy", title="Privacy", permission=Permission.MANAGE_RETENTION)
async def privacy(visitor: Visitor) -> None:
    """Classes of records with their spans, then the holds."""
    await _Privacy(visitor).draw()


class _Privacy:
    def __init__(self, visitor: Visitor) -> None:
        self._visitor = visitor

    async def draw(self) -> None:
        with parts.head(
            "Privacy", "How long what is kept. What is past its time is removed by itself."
        ):
            parts.button("What is due?", self._preview, icon="search")
            parts.button("Remove now", self._run, icon="delete_sweep")
        known = await self._visitor.ask(show_retention)
        parts.table(
            ("Records", "Kept for", "What they are"),
            [self._line(one) for one in known.classes],
            label="Retention",
        )
        self._told = parts.box("column")
        with self._told:
            if known.last_run is None:
                parts.text("Nothing was removed yet since the server started.", classes="muted")
            else:
                self._draw_run(known.last_run)
        file = self._visitor.site.configuration.path.name
        parts.text(f"The spans are set under 'retention' in {file}.", classes="t-small muted")
        with parts.section(
            "Legal holds",
            "What a hold covers is neither removed nor erased until it ends.",
        ):
            self._holds = parts.box("column")
            with parts.row():
                parts.button("Add a hold", self._add, icon="gavel")
        await self._show_holds()

    def _line(self, one: ClassAnswer) -> list[parts.Cell]:
        name, words = _CLASSES.get(one.name.value, (one.name.value, ""))
        kept = "until withdrawal" if one.keep_secs is None else span_words(one.keep_secs)
        return [lambda: parts.text(name, classes="strong"), kept, words]

    async def _preview(self) -> None:
        found = await self._visitor.ask(run_retention, dry_run=True)
        self._told.clear()
        with self._told:
            self._draw_run(found)

    async def _run(self) -> None:
        sure = await parts.confirm(
            "Remove what is past its time?",
            "It can't be brought back. It would go by itself at the next run.",
            action="Remove",
            danger=True,
        )
        if not sure:
            return
        found = await self._visitor.ask(run_retention, reason="by hand, on the page")
        self._told.clear()
        with self._told:
            self._draw_run(found)

    def _draw_run(self, run: RunAnswer) -> None:
        gone = {
            _CLASSES.get(one.name.value, (one.name.value, ""))[0]: sum(one.removed.values())
            for one in run.classes
        }
        held = sum(one.held for one in run.classes)
        told = ", ".join(f"{name.lower()}: {count}" for name, count in gone.items() if count)
        what = "Would be removed now" if run.dry_run else f"Removed {self._visitor.when(run.at)}"
        words = f"{what}: {told or 'nothing'}." + (f" Held back: {held}." if held else "")
        parts.notice(words, tone="neutral" if run.trouble is None else "warn")
        if run.trouble is not None:
            parts.notice(run.trouble, tone="bad")

    async def _show_holds(self) -> None:
        found = (await self._visitor.ask(list_holds)).items
        self._holds.clear()
        with self._holds:
            if not found:
                parts.text("There are none.", classes="muted")
                return
            parts.table(
                ("What", "For", "Reason", "Until", ""),
                [self._hold(one) for one in found],
                label="Legal holds",
            )

    def _hold(self, one: HoldAnswer) -> list[parts.Cell]:
        async def end() -> None:
            await self._visitor.ask(
                end_hold, hold_id=one.hold_id, body=EndOfHold(reason="ended on the page")
            )
            parts.toast("The hold has ended.")
            await self._show_holds()

        def ending() -> None:
            if one.on:
                parts.button("End", end)
            else:
                parts.badge("over")

        what = one.subject or f"camera {one.camera}"
        return [what, one.owner, one.reason, self._visitor.when(one.ends_at), ending]

    async def _add(self) -> None:
        cameras = [one.name for one in (await self._visitor.ask(list_cameras)).items]
        with parts.dialog("Add a hold") as asked:
            with parts.box("form"):
                subject = parts.text_input(
                    "Who", placeholder="serial:25 or person:ID", note="Or a camera below."
                )
                camera = parts.select("Camera", cameras, None, clearable=True)
                owner = parts.text_input("For whom", placeholder="public prosecutor")
                reason = parts.area("Reason")
                days = parts.number("Days", 30, least=1, most=3650, step=1)

            async def make() -> None:
                who = (subject.value or "").strip() or None
                if (who is None) == (camera.value is None):
                    raise InvalidValue("say who, or choose a camera, not both")
                body = NewHold(
                    subject=who,
                    camera=camera.value,
                    owner=(owner.value or "").strip(),
                    reason=(reason.value or "").strip(),
                    ends_at=self._visitor.site.clock() + timedelta(days=int(days.value or 0)),
                )
                await self._visitor.ask(add_hold, body=body)
                asked.close()
                parts.toast("The hold is on.")
                await self._show_holds()

            with parts.dialog_actions():
                parts.button("Cancel", asked.close)
                parts.button("Add", make, kind="primary")
        asked.open()


def span_words(secs: float) -> str:
    """A span in days or hours."""
    hours = secs / 3600
    if hours < 96:
        return f"{hours:g} hours"
    return f"{hours / 24:g} days"
